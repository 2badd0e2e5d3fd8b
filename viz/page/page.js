"use strict";
(() => {
	const panels = [...document.querySelectorAll(".matrix")];
	const choice = document.getElementById("choice");
	if (!panels.length) return;
	document.documentElement.classList.add("js");
	document.querySelector(".chooser").hidden = false;

	// Only one matrix is shown: the one in the address.
	const show = (panel, focus) => {
		for (const p of panels) p.classList.toggle("current", p === panel);
		choice.value = panel.id;
		makeMovable(panel);
		if (focus) {
			panel.focus({preventScroll: true});
			panel.scrollIntoView();
		}
	};
	const fromAddress = () => {
		const panel = panels.find(p => "#" + p.id === location.hash);
		if (panel) show(panel, true);
	};
	const go = (panel) => {
		history.replaceState(null, "", "#" + panel.id);
		show(panel, false);
	};
	choice.addEventListener("change", () => go(document.getElementById(choice.value)));
	const step = (by) => go(panels[(panels.findIndex(p => p.id === choice.value) + by + panels.length) % panels.length]);
	document.getElementById("previous").addEventListener("click", () => step(-1));
	document.getElementById("next").addEventListener("click", () => step(1));
	addEventListener("hashchange", fromAddress);

	// Greys of 0 to 4 neighbours, of a kept value and of a value that is not kept. A filter of
	// the style sheet turns them into colours.
	const grays = document.body.dataset.grays.split(",").map(Number);
	const size = Number(document.body.dataset.window);
	const cell = 7;

	// unpack returns which values of a matrix are kept. Each row has whole bytes: bit c%8 of
	// byte c/8 stands for column c.
	const unpack = async (text) => {
		const raw = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
		const bytes = Uint8Array.from(raw, c => c.charCodeAt(0));
		const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
		return new Uint8Array(await new Response(stream).arrayBuffer());
	};

	const number = (n) => n.toLocaleString("en");

	const field = (name, max, value, changed) => {
		const label = document.createElement("label");
		const input = document.createElement("input");
		Object.assign(input, {type: "number", min: 0, max, value});
		input.addEventListener("change", () => changed());
		label.append(name, input);
		return [label, input];
	};

	// makeMovable makes the window of a panel movable if the page has the exact pattern. Later
	// calls for the panel do nothing.
	const makeMovable = (panel) => {
		if (!panel.dataset.bits || panel.classList.contains("movable") || !("DecompressionStream" in window)) return;
		const text = panel.dataset.bits;
		delete panel.dataset.bits;
		panel.classList.add("movable");
		const rows = Number(panel.dataset.rows), columns = Number(panel.dataset.columns);
		const height = Math.min(size, rows), width = Math.min(size, columns), stride = (columns + 7) >> 3;
		const where = panel.querySelector(".where span");
		const marks = panel.querySelectorAll(".mark");
		let bits = null;

		const kept = (r, c) => r >= 0 && c >= 0 && r < rows && c < columns && (bits[r * stride + (c >> 3)] >> (c & 7) & 1);
		const canvas = (of, label) => {
			const c = document.createElement("canvas");
			Object.assign(c, {width: width * cell, height: height * cell, className: "ramp"});
			c.setAttribute("role", "img");
			c.setAttribute("aria-label", label);
			panel.querySelector(of).replaceChildren(c);
			return c.getContext("2d");
		};
		let drawings = null;

		const draw = () => {
			const clamp = (input, max) => {
				const v = Math.min(Math.max(Math.round(Number(input.value)) || 0, 0), max);
				input.value = v;
				return v;
			};
			const row = clamp(rowInput, rows - height), column = clamp(columnInput, columns - width);
			drawings ??= [canvas(".exact.kept", "Every value of the window: kept or not."), canvas(".exact.neighbours", "Every kept value of the window by its number of kept neighbours.")];
			const counts = [0, 0, 0, 0, 0];
			for (const d of drawings) d.clearRect(0, 0, width * cell, height * cell);
			for (let i = 0; i < height; i++) {
				for (let j = 0; j < width; j++) {
					const r = row + i, c = column + j, is = kept(r, c);
					const put = (d, gray) => {
						d.fillStyle = `rgb(${gray},${gray},${gray})`;
						d.fillRect(j * cell, i * cell, cell, cell);
					};
					put(drawings[0], grays[is ? 5 : 6]);
					if (!is) continue;
					const n = kept(r, c - 1) + kept(r, c + 1) + kept(r - 1, c) + kept(r + 1, c);
					counts[n]++;
					put(drawings[1], grays[n]);
				}
			}
			const all = counts.reduce((a, b) => a + b);
			where.textContent = `rows ${row}–${row + height - 1}, columns ${column}–${column + width - 1}: ${number(all)} kept; with 0, 1, 2, 3, 4 neighbours: ${counts.map(number).join(", ")}`;
			for (const m of marks) {
				m.style.left = 100 * column / columns + "%";
				m.style.top = 100 * row / rows + "%";
			}
		};
		const changed = async () => {
			bits ??= await unpack(text);
			draw();
		};
		const [rowLabel, rowInput] = field("First row", rows - height, panel.dataset.row, changed);
		const [columnLabel, columnInput] = field("First column", columns - width, panel.dataset.column, changed);
		panel.querySelector(".move").append(rowLabel, columnLabel);
		for (const map of panel.querySelectorAll(".field")) {
			map.addEventListener("click", (e) => {
				const box = map.getBoundingClientRect();
				rowInput.value = Math.floor((e.clientY - box.top) / box.height * rows - height / 2);
				columnInput.value = Math.floor((e.clientX - box.left) / box.width * columns - width / 2);
				changed();
			});
		}
	};

	show(panels[0], false);
	fromAddress();
})();
