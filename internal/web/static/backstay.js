// What pages do beside links and forms: shortcuts, focus on what went wrong, dismissing, copying, following a log. Without it all still works.
"use strict";

(() => {
	const pages = { o: "/", s: "/sources", p: "/plans", r: "/restore", a: "/activity", t: "/storage" };
	const typing = (el) => el.closest("input, textarea, select, [contenteditable], dialog, [role=treegrid]");
	let going = 0;

	// Shortcuts of one key can be switched off: they are off where the page says so.
	document.addEventListener("keydown", (e) => {
		if (e.defaultPrevented || e.altKey) return;
		if ((e.ctrlKey || e.metaKey) && e.key === "k") {
			e.preventDefault();
			location.assign("/search");
			return;
		}
		if (e.ctrlKey || e.metaKey || typing(e.target) || document.body.dataset.keys === "off") return;
		if (Date.now() - going < 1500 && pages[e.key]) {
			e.preventDefault();
			location.assign(pages[e.key]);
		} else if (e.key === "g") {
			going = Date.now();
		} else if (e.key === "/") {
			e.preventDefault();
			location.assign("/search");
		} else if (e.key === "?") {
			e.preventDefault();
			location.assign("/help#keys");
		}
	});

	document.addEventListener("click", (e) => {
		const dismiss = e.target.closest("[data-dismiss]");
		if (dismiss) dismiss.closest(".b-toast, .b-note").remove();
		const copy = e.target.closest("[data-copy]");
		if (copy) {
			const text = document.getElementById(copy.dataset.copy).textContent;
			navigator.clipboard.writeText(text).then(() => say("Copied."), () => say("Copying is not possible here: select the text."));
		}
	});

	// say tells something small, in the place where pages tell what was done.
	function say(text) {
		const box = document.querySelector(".b-toasts");
		if (!box) return;
		const toast = document.createElement("div");
		toast.className = "b-toast b-ok";
		toast.textContent = text;
		box.replaceChildren(toast);
		setTimeout(() => toast.remove(), 8000);
	}

	// A form is sent once, however often its button is pressed.
	document.addEventListener("submit", (e) => {
		if (e.defaultPrevented) return;
		const form = e.target;
		if (form.dataset.sent) {
			e.preventDefault();
			return;
		}
		form.dataset.sent = "1";
		setTimeout(() => delete form.dataset.sent, 3000);
	});

	// What the keyboard comes to is seen whole: browsers leave alone what is in sight by a part.
	document.addEventListener("focusin", (e) => {
		if (e.target.matches(":focus-visible")) e.target.scrollIntoView({ block: "nearest", inline: "nearest" });
	});

	window.addEventListener("pageshow", () => {
		document.querySelectorAll("form[data-sent]").forEach((f) => delete f.dataset.sent);
	});

	const problem = document.querySelector("[data-focus]");
	if (problem) problem.focus();
})();
