// The map of residency: one cell for each task, full if it is hot, half full if it is
// warm. The counts of the legend and the table have the same information as text.

import {$, bytes, count} from "./format.js";

const canvas = $("map"), tip = $("tip");
const flash = 1500; // ms for which a cell shows a request or a change of its tier
let tasks = [], cells = {columns: 1, step: 1, size: 1, named: false}, onPick = () => {};

/** picked sets the function for a task that is clicked. */
export const picked = f => { onPick = f; };

/** update shows the tasks. `changed` is the time when the tier or the number of requests
 * of a task changed. */
export function update(list) {
  tasks = list;
  const counts = {hot: 0, warm: 0, cold: 0};
  for (const t of tasks) counts[t.residency]++;
  for (const button of document.querySelectorAll(".legend button")) button.querySelector("b").textContent = count(counts[button.dataset.tier]);
  canvas.setAttribute("aria-label", `Residency of ${count(tasks.length)} tasks, one cell each: ${count(counts.hot)} hot, ${count(counts.warm)} warm, ${count(counts.cold)} cold. The table below lists them.`);
  layout();
}

// Up to 48 tasks have cells with names; more have squares, as large as there is space.
function layout() {
  const width = canvas.clientWidth;
  if (!width) return;
  const n = Math.max(tasks.length, 1);
  const named = n <= 48;
  let step, columns;
  if (named) {
    columns = Math.max(1, Math.floor(width / 170));
    step = 26;
  } else {
    step = Math.max(7, Math.min(22, Math.floor(Math.sqrt(width * 190 / n))));
    columns = Math.floor(width / step);
  }
  cells = {columns, step, size: named ? 14 : step - (step > 9 ? 3 : 2), named, width: named ? Math.floor(width / columns) : step};
  const ratio = window.devicePixelRatio || 1;
  const height = Math.ceil(n / columns) * step;
  canvas.style.height = `${height}px`;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  draw();
}

let frame = 0;

function draw() {
  frame = 0;
  const style = getComputedStyle(document.documentElement);
  const color = name => style.getPropertyValue(`--${name}`);
  const colors = {hot: color("hot"), warm: color("warm"), cold: color("cold"), ink: color("ink")};
  const g = canvas.getContext("2d"), ratio = window.devicePixelRatio || 1, {columns, step, size, named} = cells;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, canvas.width, canvas.height);
  g.font = `13px ${getComputedStyle(document.body).fontFamily}`;
  g.textBaseline = "middle";
  const now = performance.now();
  let moving = false;
  tasks.forEach((t, i) => {
    const x = i % columns * cells.width, y = Math.floor(i / columns) * step + (named ? 6 : 0);
    g.fillStyle = colors[t.residency === "hot" ? "hot" : "cold"];
    g.fillRect(x, y, size, size);
    if (t.residency === "warm") {
      g.fillStyle = colors.warm;
      g.fillRect(x, y + Math.ceil(size / 2), size, Math.floor(size / 2));
    }
    const age = now - (t.changed ?? -flash);
    if (age < flash) {
      moving = true;
      g.globalAlpha = still ? 1 : 1 - age / flash;
      g.strokeStyle = colors.ink;
      g.lineWidth = 2;
      g.strokeRect(x + 1, y + 1, size - 2, size - 2);
      g.globalAlpha = 1;
    }
    if (named) {
      g.fillStyle = colors.ink;
      let name = t.name;
      const room = cells.width - size - 20;
      while (name.length > 3 && g.measureText(name).width > room) name = `${name.slice(0, -2)}…`;
      g.fillText(name, x + size + 8, y + size / 2 + 1);
    }
  });
  if (moving && !frame) frame = still ? 0 : requestAnimationFrame(draw);
}

function at(event) {
  const box = canvas.getBoundingClientRect();
  const x = event.clientX - box.left, y = event.clientY - box.top;
  const column = Math.floor(x / cells.width);
  return column < cells.columns ? tasks[Math.floor(y / cells.step) * cells.columns + column] : undefined;
}

canvas.addEventListener("pointermove", event => {
  const t = at(event);
  tip.hidden = !t;
  if (!t) return;
  tip.textContent = `${t.name}: ${t.residency}${t.bytes ? `, ${bytes(t.bytes)}` : ""}, ${count(t.requests)} requests`;
  const box = canvas.getBoundingClientRect(), x = event.clientX - box.left;
  tip.style.left = `${Math.max(0, Math.min(x + 12, box.width - tip.offsetWidth))}px`;
  tip.style.top = `${event.clientY - box.top + 18}px`;
});
canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
canvas.addEventListener("click", event => {
  const t = at(event);
  if (t) onPick(t.name);
});
new ResizeObserver(layout).observe(canvas.parentElement);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
