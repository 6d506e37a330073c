// A page that is open tells before the session ends, and offers to stay. Each page says for how long the session is good; whichever was loaded
// last, in any tab, is right. Asking the server would itself prolong the session.
"use strict";

(() => {
	const box = document.querySelector(".b-toasts");
	const total = Number(document.body.dataset.left) * 1000;
	if (!box || !total) return;

	const key = "backstay-session-ends";
	const note = (left) => localStorage.setItem(key, Date.now() + left);
	const ahead = Math.min(5 * 60 * 1000, total / 4); // how long before the end people are told
	let said = "";

	// say tells once what has become of the session; "" takes it away.
	function say(text, act) {
		if (text === said) return;
		said = text;
		box.querySelectorAll("[data-session]").forEach((el) => el.remove());
		if (!text) return;
		const toast = document.createElement("div");
		toast.className = "b-toast b-warn";
		toast.dataset.session = "";
		const words = document.createElement("span");
		words.className = "b-grow";
		words.textContent = text;
		toast.append(words, act);
		box.append(toast);
	}

	function stay() {
		const button = document.createElement("button");
		button.className = "btn b-second";
		button.type = "button";
		button.textContent = "Stay signed in";
		button.addEventListener("click", async () => {
			const page = new DOMParser().parseFromString(await (await fetch("/help")).text(), "text/html");
			note(Number(page.body.dataset.left || 0) * 1000);
			look();
		});
		return button;
	}

	function again() {
		const link = document.createElement("a");
		link.className = "btn b-second";
		link.href = "/sign-in";
		link.target = "_blank";
		link.textContent = "Sign in";
		return link;
	}

	function look() {
		const end = Number(localStorage.getItem(key)), left = end - Date.now();
		if (left > ahead) say("");
		else if (left > 0) say(`You will be signed out at ${new Date(end).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}, since nothing was done here.`, stay());
		else say("You are signed out. What you typed is still here: sign in on another page, then send it.", again());
	}

	note(total);
	setInterval(look, 5000);
})();
