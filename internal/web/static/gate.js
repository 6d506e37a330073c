// What the pages do of those who have yet to sign in: the browser's time zone is chosen, and a link's secret goes from the address, which
// others may look at, into the form. Without it people choose, and paste the link.
"use strict";

(() => {
	const zone = document.getElementById("f-zone");
	const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
	if (zone && zone.value === "UTC" && here) {
		if (![...zone.options].some((o) => o.value === here)) zone.add(new Option(here, here));
		zone.value = here;
	}

	const ticket = document.getElementById("f-ticket");
	if (ticket) {
		if (location.hash.length > 1) {
			ticket.value = location.hash.slice(1);
			history.replaceState(null, "", location.pathname);
		}
		if (ticket.value && !ticket.hasAttribute("aria-invalid")) {
			ticket.type = "hidden";
			ticket.closest(".b-field").hidden = true;
		}
	}
})();
