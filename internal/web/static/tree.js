// The tree grid of files: folders open in place, arrows move, Space selects. Rows come in parts as they are looked at, so that a folder with
// 100,000 entries is as quick as one with ten: what is far away is a gap as high as the rows that it stands for. Without this file folders are
// links and the boxes a form.
"use strict";

(() => {
	const table = document.querySelector("[data-tree]");
	if (!table) return;
	const body = table.tBodies[0], form = table.closest("form"), told = document.getElementById("chosen");
	const PART = 200, KEPT = 1200, MOST = 1000;
	const columns = table.tHead.rows[0].cells.length;
	const open = new Map(); // how many entries each open folder has
	const chosen = new Map(); // what is selected: whether it is a folder, and its bytes
	const loading = new WeakMap(); // what fills a gap
	let height = 43, anchor = null, typed = "", typedAt = 0, sought = true, above = new Set(), counting = 0;

	const isGap = (r) => r && "gap" in r.dataset;
	const isFolder = (r) => r.hasAttribute("aria-expanded");
	const isOpen = (r) => r.getAttribute("aria-expanded") === "true";
	const level = (r) => Number(r.getAttribute("aria-level") || r.dataset.level);
	const place = (r) => Number(r.getAttribute("aria-posinset")) - 1;
	const rows = () => body.querySelectorAll("tr[data-at]");
	const parentOf = (at) => at.slice(0, at.lastIndexOf("%2F")) || "%2F";
	const name = (r) => r.querySelector(".b-name").textContent;

	// Parts of folders

	async function ask(dir, from, lvl, more) {
		const q = "dir=" + dir + "&from=" + from + "&level=" + lvl + "&than=" + encodeURIComponent(table.dataset.than) + (more || "&limit=" + PART);
		const answer = await fetch(table.dataset.tree + "/rows?" + q, { headers: { "X-Requested-With": "tree" } });
		if (answer.redirected) location.reload();
		if (!answer.ok) {
			tell("The folder could not be read. Try again, or choose another version.");
			throw new Error("status " + answer.status);
		}
		const t = document.createElement("template");
		t.innerHTML = "<table><tbody>" + (await answer.text()) + "</tbody></table>";
		return [...t.content.querySelectorAll("tr")].map((r) => prepare(r, dir));
	}

	function prepare(r, dir) {
		r.dataset.in = dir;
		const box = r.querySelector("input");
		box.removeAttribute("name");
		box.tabIndex = -1;
		r.querySelector("a").tabIndex = -1;
		return r;
	}

	function gap(dir, from, to, lvl) {
		if (to <= from) return [];
		const r = document.createElement("tr");
		r.className = "b-gap";
		r.setAttribute("role", "presentation");
		r.setAttribute("aria-hidden", "true");
		Object.assign(r.dataset, { gap: "", in: dir, from, to, level: lvl });
		r.append(document.createElement("td"));
		r.cells[0].colSpan = columns;
		r.style.height = (to - from) * height + "px";
		seen.observe(r);
		return [r];
	}

	const seen = new IntersectionObserver((all) => {
		for (const one of all) if (one.isIntersecting) fill(one.target).catch(() => {});
	}, { rootMargin: "900px 0px" });

	// fill puts rows in the place of a gap: those that are in view, or around the one at a place.
	function fill(g, at) {
		if (!loading.has(g)) {
			const run = fillNow(g, at).finally(() => loading.delete(g));
			loading.set(g, run);
		}
		return loading.get(g);
	}

	async function fillNow(g, at) {
		const from = Number(g.dataset.from), to = Number(g.dataset.to), lvl = level(g);
		if (at === undefined) at = from + Math.floor(Math.max(0, innerHeight / 2 - g.getBoundingClientRect().top) / height);
		const begin = Math.max(from, Math.min(at - PART / 2, to - PART));
		const got = (await ask(g.dataset.in, begin, lvl)).slice(0, to - begin);
		if (!g.isConnected) return;
		seen.unobserve(g);
		g.replaceWith(...gap(g.dataset.in, from, begin, lvl), ...got, ...gap(g.dataset.in, begin + got.length, got.length ? to : begin, lvl));
		measure();
		paint();
		trim();
	}

	function measure() {
		const r = body.querySelector("tr[data-at]");
		if (r && r.offsetHeight) height = r.offsetHeight;
	}

	// trim makes gaps again of rows that are far away, so that pages stay small. Open folders stay, and so does the row with the focus.
	function trim() {
		const all = [...rows()];
		if (all.length <= KEPT) return;
		let run = [];
		const close = () => {
			if (run.length > 20) {
				let from = place(run[0]), to = place(run[run.length - 1]) + 1;
				const dir = run[0].dataset.in, lvl = level(run[0]);
				const before = run[0].previousElementSibling, after = run[run.length - 1].nextElementSibling;
				if (isGap(before) && before.dataset.in === dir) { from = Number(before.dataset.from); before.remove(); }
				if (isGap(after) && after.dataset.in === dir) { to = Number(after.dataset.to); after.remove(); }
				run[0].before(...gap(dir, from, to, lvl));
				for (const r of run) r.remove();
			}
			run = [];
		};
		for (const [r, top] of all.map((r) => [r, r.getBoundingClientRect().top])) {
			const far = top < -6000 || top > innerHeight + 6000;
			const next = run.length === 0 || (r.dataset.in === run[0].dataset.in && run[run.length - 1].nextElementSibling === r);
			if (!next) close();
			if (far && !isOpen(r) && r.tabIndex !== 0) run.push(r);
			else close();
		}
		close();
	}

	// Moving

	function focus(r) {
		if (!r) return;
		const old = body.querySelector('tr[tabindex="0"]');
		if (old) old.tabIndex = -1;
		r.tabIndex = 0;
		r.focus({ preventScroll: true });
		r.scrollIntoView({ block: "nearest" });
	}

	async function filled(r, at) {
		if (!isGap(r)) return r;
		const before = r.previousElementSibling, dir = r.dataset.in;
		await fill(r, at);
		if (before) return find(dir, at);
		return find(dir, at) || body.firstElementChild;
	}

	const find = (dir, at) => body.querySelector('tr[aria-posinset="' + (at + 1) + '"][data-in="' + CSS.escape(dir) + '"]');

	async function beside(r, back) {
		const next = back ? r.previousElementSibling : r.nextElementSibling;
		return isGap(next) ? filled(next, back ? Number(next.dataset.to) - 1 : Number(next.dataset.from)) : next;
	}

	async function edge(last) {
		const r = last ? body.lastElementChild : body.firstElementChild;
		return isGap(r) ? filled(r, last ? Number(r.dataset.to) - 1 : Number(r.dataset.from)) : r;
	}

	async function far(r, back) {
		for (let n = Math.max(5, Math.floor(innerHeight / height) - 4); n > 0; n--) {
			const next = await beside(r, back);
			if (!next) break;
			r = next;
		}
		return r;
	}

	function up(r) {
		let p = r.previousElementSibling;
		while (p && (isGap(p) || level(p) >= level(r))) p = p.previousElementSibling;
		return p;
	}

	async function unfold(r) {
		if (isOpen(r) || r.dataset.busy) return;
		r.dataset.busy = "1";
		try {
			const lvl = level(r) + 1, got = await ask(r.dataset.at, 0, lvl);
			const total = got.length ? Number(got[0].getAttribute("aria-setsize")) : 0;
			open.set(r.dataset.at, total);
			r.setAttribute("aria-expanded", "true");
			r.classList.toggle("b-is-empty", total === 0);
			r.querySelector(".b-open").setAttribute("aria-label", "Close " + name(r));
			r.after(...got, ...gap(r.dataset.at, got.length, total, lvl));
			paint();
		} finally {
			delete r.dataset.busy;
		}
	}

	function fold(r) {
		const held = body.contains(document.activeElement) && document.activeElement.closest("tr");
		for (let n = r.nextElementSibling; n && level(n) > level(r); n = r.nextElementSibling) {
			if (n === held) focus(r);
			n.remove();
		}
		if (!body.querySelector('tr[tabindex="0"]')) r.tabIndex = 0;
		open.delete(r.dataset.at);
		r.setAttribute("aria-expanded", "false");
		r.querySelector(".b-open").setAttribute("aria-label", "Open " + name(r));
	}

	const turn = (r) => (isOpen(r) ? fold(r) : unfold(r));

	// note takes a letter; what is typed without a pause is one text.
	function note(key, when) {
		typed = (when - typedAt > 1000 ? "" : typed) + key.toLowerCase();
		typedAt = when;
		sought = false;
	}

	// seek goes to the next row whose name begins with what was typed. Where not all of the folder is here, the server knows.
	async function seek(r) {
		if (sought) return;
		sought = true;
		const dir = r.dataset.in, wanted = typed, from = place(r) + (typed.length === 1 ? 1 : 0);
		if (body.querySelector('tr[data-gap][data-in="' + CSS.escape(dir) + '"]')) {
			const got = await ask(dir, from, level(r), "&limit=1&find=" + encodeURIComponent(wanted));
			if (!got.length) return;
			const at = place(got[0]);
			if (!find(dir, at)) {
				const g = [...body.querySelectorAll('tr[data-gap][data-in="' + CSS.escape(dir) + '"]')].find((x) => Number(x.dataset.from) <= at && at < Number(x.dataset.to));
				if (g) await fill(g, at);
			}
			focus(find(dir, at));
			return;
		}
		const all = [...rows()], here = all.indexOf(r) + (typed.length === 1 ? 1 : 0);
		focus([...all.slice(here), ...all.slice(0, here)].find((x) => name(x).toLowerCase().startsWith(typed)));
	}

	// Selecting

	const inChosen = (at) => {
		for (let p = at; p !== "%2F"; ) {
			p = parentOf(p);
			if (chosen.has(p)) return p;
		}
		return "";
	};

	function select(r, on) {
		const at = r.dataset.at;
		if (on) {
			if (inChosen(at)) return;
			if (chosen.size >= MOST) return tell("At most 1,000 can be chosen one by one. Choose their folder instead.");
			for (const other of chosen.keys()) if (other.startsWith(at + "%2F")) chosen.delete(other);
			chosen.set(at, { folder: isFolder(r), bytes: Number(r.dataset.bytes) });
		} else if (!chosen.delete(at)) {
			const of = inChosen(at);
			if (of) return without(r, of);
			for (const other of [...chosen.keys()]) if (other.startsWith(at + "%2F")) chosen.delete(other);
		}
		changed();
	}

	// without takes a row out of a chosen folder: what else is in it is chosen one by one.
	function without(r, of) {
		const add = [];
		for (let at = r.dataset.at; at !== of; at = parentOf(at)) {
			const dir = parentOf(at), here = [...rows()].filter((x) => x.dataset.in === dir);
			if (here.length !== open.get(dir) || chosen.size + add.length + here.length > MOST) {
				paint();
				return tell("Its folder is chosen as a whole and too large to leave something out. Choose what you need in it instead.");
			}
			add.push(...here.filter((x) => x.dataset.at !== at));
		}
		chosen.delete(of);
		for (const x of add) chosen.set(x.dataset.at, { folder: isFolder(x), bytes: Number(x.dataset.bytes) });
		changed();
	}

	async function range(to) {
		let a = anchor && anchor.isConnected ? anchor : to, b = to;
		if (a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_PRECEDING) [a, b] = [b, a];
		for (let n = 0, r = a; r && n < MOST; n++, r = await beside(r)) {
			if (!chosen.has(r.dataset.at)) select(r, true);
			if (r === b) return;
		}
		tell("At most 1,000 can be chosen one by one. Choose their folder instead.");
	}

	function changed() {
		above = new Set();
		for (const at of chosen.keys()) for (let p = at; p !== "%2F"; ) above.add((p = parentOf(p)));
		paint();
		clearTimeout(counting);
		counting = setTimeout(count, 200);
	}

	function paint() {
		for (const r of rows()) {
			const on = chosen.has(r.dataset.at) || inChosen(r.dataset.at) !== "";
			const box = r.querySelector("input");
			r.setAttribute("aria-selected", String(on));
			box.checked = on;
			box.indeterminate = !on && above.has(r.dataset.at);
		}
		if (!body.querySelector('tr[tabindex="0"]') && rows()[0]) rows()[0].tabIndex = 0;
	}

	async function count() {
		const all = [...chosen.values()];
		if (!all.length) return tell("", "Nothing chosen: it is about the whole folder.");
		if (!all.some((c) => c.folder)) return tell(amount(all.length) + (all.length === 1 ? " file" : " files") + " chosen", size(all.reduce((n, c) => n + c.bytes, 0)));
		tell(amount(all.length) + " chosen", "Counting what is in them…");
		const data = new URLSearchParams();
		for (const at of chosen.keys()) data.append("at", at);
		const mark = counting, answer = await fetch(table.dataset.tree + "/size", { method: "POST", body: data });
		if (mark === counting && answer.ok && !answer.redirected) tell(amount(all.length) + " chosen", await answer.text());
	}

	const amount = (n) => n.toLocaleString("en");

	function size(n) {
		const units = ["B", "kB", "MB", "GB", "TB", "PB"];
		let i = 0;
		for (; n >= 999.5 && i < units.length - 1; i++) n /= 1000;
		return n.toFixed(i > 0 && n < 99.95 ? 1 : 0) + "\u00a0" + units[i];
	}

	function tell(fact, rest) {
		const b = document.createElement("b"), s = document.createElement("span");
		b.textContent = fact;
		s.textContent = rest || "";
		s.className = "b-muted";
		told.replaceChildren(b, " ", s);
	}

	// What people do

	const keys = {
		ArrowDown: (r) => beside(r),
		ArrowUp: (r) => beside(r, true),
		PageDown: (r) => far(r),
		PageUp: (r) => far(r, true),
		Home: () => edge(false),
		End: () => edge(true),
		ArrowRight: async (r) => {
			if (!isFolder(r)) return null;
			if (!isOpen(r)) return void (await unfold(r));
			const n = await beside(r);
			return n && level(n) > level(r) ? n : null;
		},
		ArrowLeft: (r) => (isFolder(r) && isOpen(r) ? void fold(r) : up(r)),
	};

	// act does what a key means. Keys wait for those before them, which may wait for rows.
	async function act(key, shift) {
		const r = body.querySelector('tr[tabindex="0"]');
		if (keys[key]) {
			const next = await keys[key](r);
			if (next && shift && key.startsWith("Arrow")) {
				select(r, true);
				select(next, true);
			}
			if (!shift) anchor = next || r;
			focus(next);
		} else if (key === " " && shift) {
			await range(r);
		} else if (key === " ") {
			anchor = r;
			select(r, r.getAttribute("aria-selected") !== "true");
		} else if (key === "Enter") {
			if (isFolder(r)) await turn(r);
			else r.querySelector("a").click();
		} else {
			await seek(r);
		}
	}

	let turnOf = Promise.resolve();
	body.addEventListener("keydown", (e) => {
		if (!e.target.matches("tr") || e.ctrlKey || e.metaKey || e.altKey || !(keys[e.key] || e.key === "Enter" || e.key.length === 1)) return;
		e.preventDefault();
		if (!keys[e.key] && e.key !== "Enter" && e.key !== " ") note(e.key, e.timeStamp);
		turnOf = turnOf.then(() => act(e.key, e.shiftKey)).catch(() => {}); // what could not be read was told
	});

	body.addEventListener("click", (e) => {
		const r = e.target.closest("tr[data-at]");
		if (!r || e.ctrlKey || e.metaKey) return;
		if (e.target.matches("input")) {
			if (e.shiftKey) range(r);
			else select(r, e.target.checked);
			anchor = r;
		} else if (e.target.closest(".b-open") && isFolder(r)) {
			turn(r);
		} else if (e.target.closest("a")) {
			if (!isFolder(r)) return;
			e.preventDefault();
			turn(r);
		}
		focus(r);
	});

	form.addEventListener("submit", () => {
		form.querySelectorAll("[data-chosen]").forEach((i) => i.remove());
		for (const at of chosen.keys()) {
			const i = document.createElement("input");
			Object.assign(i, { type: "hidden", name: "at", value: at });
			i.dataset.chosen = "";
			form.append(i);
		}
	});

	const root = table.dataset.dir, from = Number(table.dataset.from), total = Number(table.dataset.total), first = [...rows()];
	document.querySelectorAll("[data-without-script]").forEach((x) => x.remove());
	open.set(root, total);
	for (const r of first) {
		prepare(r, root);
		if (r.querySelector("input").checked) chosen.set(r.dataset.at, { folder: isFolder(r), bytes: Number(r.dataset.bytes) }); // the browser came back
	}
	measure();
	body.prepend(...gap(root, 0, from, 1));
	body.append(...gap(root, from + first.length, total, 1));
	changed();
})();
