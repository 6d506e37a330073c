// A button that prints the page, where there is a script to do so.
"use strict";

for (const button of document.querySelectorAll("[data-print]")) {
	button.hidden = false;
	button.addEventListener("click", () => print());
}
