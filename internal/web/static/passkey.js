// Passkeys: a form of data-passkey="sign-in" or "register" is sent with the answer of one ("later": it has yet to become one), and a button of data-passkey="confirm" confirms with
// one that it is the person, then sends its form. All are hidden until the browser shows that it knows passkeys.
"use strict";

(() => {
	const keys = window.PublicKeyCredential;
	if (!keys || !keys.parseRequestOptionsFromJSON || !navigator.credentials) return;

	// post asks the server; what it refuses is an error in its words.
	async function post(path, body) {
		const answer = await fetch("/api/v1" + path, { method: "POST", headers: body ? { "Content-Type": "application/json" } : {}, body: body && JSON.stringify(body) });
		const text = await answer.text();
		if (answer.ok) return text && JSON.parse(text);
		const problem = JSON.parse(text);
		throw new Error([problem.detail, problem.hint].filter(Boolean).join(". "));
	}

	async function create() {
		const { publicKey } = await post("/profile/passkeys/begin");
		return navigator.credentials.create({ publicKey: keys.parseCreationOptionsFromJSON(publicKey) });
	}

	let waiting; // the question that waits; there is but one at a time
	async function get(path, mediation = "optional") {
		if (waiting) waiting.abort();
		const mine = waiting = new AbortController();
		const { publicKey } = await post(path);
		return navigator.credentials.get({ publicKey: keys.parseRequestOptionsFromJSON(publicKey), mediation, signal: mine.signal });
	}

	function tell(near, error) {
		let p = near.nextElementSibling;
		if (!p || !p.matches("[data-passkey-problem]")) {
			p = document.createElement("p");
			p.className = "b-error";
			p.dataset.passkeyProblem = "";
			p.setAttribute("role", "alert");
			near.after(p);
		}
		p.textContent = error.name === "NotAllowedError" ? "The passkey was not used. Try again, or take another way."
			: error.name === "InvalidStateError" ? "There is a passkey for you on this device already." : error.message;
	}

	const send = (form, credential) => {
		form.elements.answer.value = JSON.stringify(credential.toJSON());
		form.submit();
	};

	// suggest has the browser offer passkeys where it fills in the e-mail address. The server's question is good for five minutes.
	async function suggest(form) {
		if (!keys.isConditionalMediationAvailable || !(await keys.isConditionalMediationAvailable())) return;
		const again = setTimeout(() => suggest(form), 4 * 60 * 1000);
		try {
			send(form, await get("/session/passkey/begin", "conditional"));
		} catch (error) {
			if (error.name !== "AbortError") clearTimeout(again); // nobody has asked for it, so nobody is told
		}
	}

	for (const note of document.querySelectorAll("[data-no-passkey]")) note.hidden = true;

	for (const form of document.querySelectorAll("form[data-passkey]")) {
		const signsIn = form.dataset.passkey === "sign-in";
		form.hidden = false;
		if (form.dataset.passkey === "later") continue; // something else comes first
		form.addEventListener("submit", async (e) => {
			e.preventDefault();
			try {
				send(form, await (signsIn ? get("/session/passkey/begin") : create()));
			} catch (error) {
				tell(form.querySelector("[type=submit]"), error);
			}
		});
		if (signsIn) suggest(form);
	}

	for (const button of document.querySelectorAll("[data-passkey=confirm]")) {
		button.hidden = false;
		button.addEventListener("click", async () => {
			try {
				const credential = await get("/session/confirm/passkey/begin");
				await post("/session/confirm/passkey/finish", { answer: credential.toJSON() });
				button.form.requestSubmit(button.form.querySelector("[type=submit]"));
			} catch (error) {
				tell(button, error);
			}
		});
	}
})();
