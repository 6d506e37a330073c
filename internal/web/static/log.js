// The log of a run while it grows: it is followed until somebody scrolls up, and keeps its newest lines. Without this it can be read as a page.
"use strict";

(() => {
	const max = 500;
	const lines = document.getElementById("log-lines");
	const show = (root) => root.querySelectorAll("[data-script]").forEach((el) => (el.hidden = false));
	show(document);
	document.addEventListener("htmx:after:swap", () => show(document));
	if (!lines) return;

	const log = lines.parentElement;
	const follow = document.querySelector("[data-follow]");
	const older = document.getElementById("log-older");
	const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 8;
	const followed = () => follow && follow.getAttribute("aria-pressed") === "true";
	const toEnd = () => (log.scrollTop = log.scrollHeight);

	function setFollow(on) {
		follow.setAttribute("aria-pressed", String(on));
		if (on) toEnd();
	}

	if (follow) {
		follow.addEventListener("click", () => setFollow(!followed()));
		let top = log.scrollTop;
		log.addEventListener("scroll", () => {
			if (log.scrollTop < top && !atEnd()) setFollow(false); // upwards, by whoever
			top = log.scrollTop;
		});
		new MutationObserver(() => {
			if (!followed()) return; // nothing moves under the eyes
			while (lines.children.length > max) {
				lines.firstElementChild.remove();
				older.hidden = false;
			}
			toEnd();
		}).observe(lines, { childList: true });
		toEnd();
	}

	document.addEventListener("click", (e) => {
		const jump = e.target.closest("[data-jump]");
		const line = jump && jump.hash && document.getElementById(jump.hash.slice(1));
		if (!line) return;
		e.preventDefault();
		if (follow) setFollow(false);
		line.scrollIntoView({ block: "center" });
		line.tabIndex = -1;
		line.focus({ preventScroll: true });
	});
})();
