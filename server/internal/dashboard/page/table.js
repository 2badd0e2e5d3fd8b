// The table of tasks: filtered by name and tier, sorted by any column, with a limited
// number of rows.

import {$, ago, bytes, count, make, rate, tierIcon} from "./format.js";

const body = $("table").tBodies[0], find = $("find"), more = $("more");
const page = 50, first = 15, warmth = {hot: 0, warm: 1, cold: 2};
const rows = new Map();
let tasks = [], order = "tier", descending = false, tier = "", limit = first, onPick = () => {};

/** picked sets the function for a task whose name is clicked. */
export const picked = f => { onPick = f; };

export function update(list) {
  tasks = list;
  draw();
}

const keyOf = {
  name: t => t.name,
  tier: t => warmth[t.residency],
  bytes: t => t.bytes,
  requests: t => t.requests,
  rate: t => t.rate,
  used: t => t.used,
};

function draw() {
  const wanted = find.value.trim().toLowerCase();
  const found = tasks.filter(t => (!tier || t.residency === tier) && t.name.toLowerCase().includes(wanted));
  const key = keyOf[order], sign = descending ? -1 : 1;
  found.sort((a, b) => {
    const x = key(a), y = key(b);
    return x < y ? -sign : x > y ? sign : a.name < b.name ? -1 : 1;
  });
  $("found").textContent = found.length === tasks.length ? `${count(tasks.length)} tasks` : `${count(found.length)} of ${count(tasks.length)} tasks`;
  more.hidden = found.length <= limit;
  more.textContent = `Show ${count(Math.min(page, found.length - limit))} more`;

  const focused = body.contains(document.activeElement) ? document.activeElement : null;
  const shown = found.slice(0, limit);
  shown.forEach((t, i) => {
    const row = rowOf(t);
    if (body.children[i] !== row) body.insertBefore(row, body.children[i] ?? null);
  });
  while (body.children.length > shown.length) body.lastChild.remove();
  for (const [name, row] of rows) if (!row.isConnected) rows.delete(name);
  if (focused?.isConnected && document.activeElement !== focused) focused.focus();
}

function rowOf(t) {
  let row = rows.get(t.name);
  if (!row) {
    row = make("tr", {},
      make("th", {scope: "row"}, make("button", {type: "button", textContent: t.name, title: t.name, onclick: () => onPick(t.name)})),
      make("td", {}, make("span", {className: "tier"})),
      ...Array.from({length: 4}, () => make("td", {className: "number"})));
    rows.set(t.name, row);
  }
  const [, tierCell, ...numbers] = row.children;
  if (row.dataset.tier !== t.residency) {
    row.dataset.tier = t.residency;
    tierCell.firstChild.replaceChildren(tierIcon(t.residency), t.residency);
  }
  [t.bytes ? bytes(t.bytes) : "–", count(t.requests), t.rate ? rate(t.rate) : "–", ago(t.used, Date.now())].forEach((text, i) => {
    if (numbers[i].textContent !== text) numbers[i].textContent = text;
  });
  return row;
}

find.addEventListener("input", () => {
  limit = first;
  draw();
});
more.addEventListener("click", () => {
  limit += page;
  draw();
});
for (const button of document.querySelectorAll("[data-sort]")) {
  button.addEventListener("click", () => {
    // The first click sorts names and tiers in ascending order, numbers in descending.
    descending = order === button.dataset.sort ? !descending : !["name", "tier"].includes(button.dataset.sort);
    order = button.dataset.sort;
    for (const head of $("table").tHead.rows[0].cells) head.removeAttribute("aria-sort");
    button.parentElement.setAttribute("aria-sort", descending ? "descending" : "ascending");
    draw();
  });
}
for (const button of document.querySelectorAll(".legend button")) {
  button.addEventListener("click", () => {
    tier = tier === button.dataset.tier ? "" : button.dataset.tier;
    for (const b of document.querySelectorAll(".legend button")) b.setAttribute("aria-pressed", b.dataset.tier === tier);
    limit = first;
    draw();
  });
}
