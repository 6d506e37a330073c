// What tests ask of a document. It runs before the page's own scripts, and changes nothing.
"use strict";

addEventListener("securitypolicyviolation", (e) => {
	console.error(`the Content Security Policy forbids ${e.violatedDirective}: ${e.blockedURI || e.sample} in ${e.sourceFile || e.documentURI}:${e.lineNumber}`);
});

const backstayTest = (() => {
	const short = (el) => el.outerHTML.replace(/\s+/g, " ").slice(0, 160);
	const css = (el) => getComputedStyle(el);
	const clear = (colour) => colour === "transparent" || /,\s*0\)$|\/ 0\)$/.test(colour);
	const labelled = (el) => (el.matches?.("input[type=radio], input[type=checkbox]") && el.labels?.[0]) || el;

	// middle is where to press an element, and what is over it there.
	function middle(el) {
		if (el.nodeType !== Node.ELEMENT_NODE) el = el.parentElement;
		if (el.disabled) return { X: 0, Y: 0, Over: "it is disabled" };
		const target = labelled(el);
		target.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
		const box = [...target.getClientRects()].find((r) => r.width && r.height);
		if (!box) return { X: 0, Y: 0, Over: "it has no place on the page: " + short(el) };
		const X = box.left + box.width / 2, Y = box.top + box.height / 2;
		const hit = document.elementFromPoint(X, Y);
		const over = hit && (target.contains(hit) || hit.contains(target) || hit.closest("label")?.control === el) ? "" : hit ? short(hit) + " is over it" : "it is out of sight";
		return { X, Y, Over: over };
	}

	// set gives the focus to a field and selects what is in it; a field that is no text gets its value at once.
	function set(el, value) {
		el.scrollIntoView({ block: "center", behavior: "instant" });
		el.focus();
		if (["date", "time", "datetime-local", "month", "week", "color", "range"].includes(el.type)) {
			el.value = value;
			el.dispatchEvent(new Event("input", { bubbles: true }));
			el.dispatchEvent(new Event("change", { bubbles: true }));
			return true;
		}
		el.select?.();
		return false;
	}

	// choose takes the option of a list.
	function choose(el, option) {
		if (!(el instanceof HTMLSelectElement)) return "press";
		const same = (o) => o.label.replace(/\s+/g, " ").trim();
		const found = [...el.options].find((o) => same(o) === option) ?? [...el.options].find((o) => same(o).startsWith(option));
		if (!found || found.disabled) return "none";
		el.focus();
		found.selected = true;
		el.dispatchEvent(new Event("input", { bubbles: true }));
		el.dispatchEvent(new Event("change", { bubbles: true }));
		return "chosen";
	}

	// ringed reports whether an element, or what stands for it, has an outline of two pixels that can be seen.
	function ringed(el) {
		const around = [el, labelled(el), el.nextElementSibling, el.parentElement].filter(Boolean);
		return around.some((e) => {
			const c = css(e);
			return c.outlineStyle !== "none" && parseFloat(c.outlineWidth) >= 2 && !clear(c.outlineColor);
		});
	}

	// covered names what hides a box, "" if its corners and its middle can be seen.
	function covered(el, target) {
		const b = target.getBoundingClientRect();
		const left = Math.max(b.left, 0), top = Math.max(b.top, 0), right = Math.min(b.right, innerWidth), bottom = Math.min(b.bottom, innerHeight);
		if (!b.width || !b.height) return "it has no size";
		if (b.height <= innerHeight && (b.top < -1 || b.bottom > innerHeight + 1)) return `it is from ${b.top} to ${b.bottom} in a window of ${innerHeight}`;
		if (b.width <= innerWidth && (b.left < -1 || b.right > innerWidth + 1)) return `it is from ${b.left} to ${b.right} across in a window of ${innerWidth}`;
		if (right <= left || bottom <= top) return "it is outside the window";
		const inset = (n, size) => Math.min(n, size / 3);
		const x = inset(6, right - left), y = inset(6, bottom - top);
		for (const [px, py] of [[(left + right) / 2, (top + bottom) / 2], [left + x, top + y], [right - x, top + y], [left + x, bottom - y], [right - x, bottom - y]]) {
			const hit = document.elementFromPoint(px, py);
			if (!hit || target.contains(hit) || hit.contains(target) || el.contains(hit) || hit.contains(el)) continue;
			for (let e = hit; e; e = e.parentElement) {
				if (["fixed", "sticky"].includes(css(e).position) && !e.contains(target)) return "it is under " + short(e);
			}
		}
		return "";
	}

	const parts = ["date", "time", "datetime-local", "month", "week"]; // fields that have some places for the focus within
	let last = null, repeated = 0;
	// stop is where the focus is after a key, once the page is painted.
	async function stop() {
		await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
		const el = document.activeElement;
		const end = !el || el === document.body || el === document.documentElement;
		repeated = !end && el === last ? repeated + 1 : 0;
		const same = repeated > (parts.includes(el?.type) ? 6 : 0);
		last = end ? null : el;
		if (end) return { End: true, Order: -1 };
		const target = css(el).opacity === "0" || el.getBoundingClientRect().width <= 1 ? labelled(el) : el;
		const wrong = covered(el, target) || (ringed(el) ? "" : "there is no ring of two pixels");
		return { HTML: short(el), Wrong: wrong, Order: [...document.querySelectorAll("*")].indexOf(el), Same: same };
	}

	async function run(tags) {
		const result = await axe.run(document, { runOnly: tags, resultTypes: ["violations"] });
		const nodes = (all) => all.map((n) => ({ Target: n.target.join(" "), HTML: n.html, Why: n.failureSummary ?? "" }));
		return { Broken: result.violations.map((v) => ({ Rule: v.id, Help: v.help, Nodes: nodes(v.nodes) })),
			Ran: [...result.passes, ...result.violations].map((r) => r.id) };
	}

	// sideways names what is wider than the window.
	function sideways() {
		const wide = document.documentElement.scrollWidth;
		if (wide <= innerWidth) return "";
		const out = [...document.body.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5).slice(-3);
		return `${wide} pixels of ${innerWidth}, because of ${out.map(short).join(" and ")}`;
	}

	const shown = (el) => el.checkVisibility({ visibilityProperty: true, opacityProperty: false }) && el.getClientRects().length > 0;
	const tiny = (el) => el.getBoundingClientRect().width <= 1 || el.getBoundingClientRect().height <= 1; // for screen readers only

	// stops are the places in the order of the document where Tab has to come to: of radio buttons one of a group.
	function stops() {
		const all = [...document.querySelectorAll("*")], groups = new Set();
		return all.flatMap((el, order) => {
			if (el.tabIndex < 0 || el.disabled || !shown(el) || el.closest("[inert]") || !el.matches("a[href], button, input, select, textarea, summary, [tabindex]")) return [];
			if (el.type === "radio") {
				const group = el.name + [...document.forms].indexOf(el.form);
				const on = [...document.getElementsByName(el.name)].find((r) => r.form === el.form && r.checked);
				if (groups.has(group) || (on && on !== el)) return [];
				groups.add(group);
			}
			return [{ Order: order, HTML: short(el) }];
		});
	}

	// begin has the focus on nothing, at the beginning of the page.
	function begin() {
		document.body.tabIndex = -1;
		document.body.focus({ preventScroll: true });
		document.body.removeAttribute("tabindex");
		last = null;
	}

	// restyle adds rules to the page as a person's own style sheet does, and takes them away again.
	function restyle(rules) {
		const sheet = new CSSStyleSheet();
		sheet.replaceSync(rules);
		document.adoptedStyleSheets = rules ? [sheet] : [];
	}

	// cut names what has text that can't be seen whole.
	function cut() {
		return [...document.body.querySelectorAll("*")].filter((el) => {
			const c = css(el);
			if (!shown(el) || tiny(el) || el.closest("thead") && tiny(el.closest("thead")) || el.closest("svg") || !el.innerText?.trim()) return false;
			const hides = (v) => v === "hidden" || v === "clip";
			const hidden = (hides(c.overflowX) && el.scrollWidth > el.clientWidth + 2) || (hides(c.overflowY) && el.scrollHeight > el.clientHeight + 2);
			return hidden && c.display !== "inline";
		}).map((el) => `${el.scrollWidth} of ${el.clientWidth} x ${el.scrollHeight} of ${el.clientHeight}: ${short(el)}`);
	}

	// small names what is too small for a finger. Links within a sentence are as high as its lines; days of the calendar are small, and what they
	// lead to is in the list of runs, too; what is within a row of the tree has 24 pixels.
	function small(least) {
		return [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button], [tabindex='0'][role=row]")].flatMap((el) => {
			if (!shown(el) || tiny(el) && !labelled(el).matches("label")) return [];
			const target = labelled(el);
			if (css(target).display === "inline" && [...target.parentElement.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim())) return [];
			const b = target.getBoundingClientRect();
			if (b.bottom < 0 || el.closest(".b-cal")) return []; // what is above the page comes by keyboard only
			const enough = el.closest("[role=treegrid]") ? 24 : least;
			return b.width + 0.5 >= enough && b.height + 0.5 >= enough ? [] : [`${Math.round(b.width)} x ${Math.round(b.height)}: ${short(el)}`];
		});
	}

	// outline is what a page is, for whom can't see it at a glance.
	function outline() {
		const texts = (selector) => [...document.querySelectorAll(selector)].filter(shown).map((e) => e.innerText.trim());
		const help = document.querySelector('a[href="/help"]')?.getBoundingClientRect();
		return { Title: document.title, Lang: document.documentElement.lang, H1: texts("h1"), Mains: texts("main").length, Navs: [...document.querySelectorAll("nav")].map((n) => n.getAttribute("aria-label") ?? ""),
			Banner: texts("header").length, Help: help ? `${Math.round(innerWidth - help.right)} from the right, ${Math.round(help.top)} from the top` : "nowhere" };
	}

	// shifts are how far things have moved under the eyes of the person, who did nothing.
	let shifts = 0;
	new PerformanceObserver((list) => {
		for (const e of list.getEntries()) if (!e.hadRecentInput) shifts += e.value;
	}).observe({ type: "layout-shift", buffered: true });
	const shift = () => new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(shifts))));

	return { middle, set, choose, stop, axe: run, sideways, stops, begin, restyle, cut, small, outline, shift };
})();
