// Formats numbers and makes elements.

const plain = new Intl.NumberFormat("en", {maximumFractionDigits: 0});
const short = new Intl.NumberFormat("en", {notation: "compact", maximumSignificantDigits: 3});

export const $ = id => document.getElementById(id);

/** make creates an element with properties and children. */
export function make(name, properties = {}, ...children) {
  const e = Object.assign(document.createElement(name), properties);
  e.append(...children);
  return e;
}

export const count = n => n < 1e5 ? plain.format(n) : short.format(n);

export function bytes(n) {
  if (!n) return "0";
  const unit = Math.min(Math.floor(Math.log2(n) / 10), 4);
  const v = n / 2 ** (10 * unit);
  return `${v.toFixed(v < 10 && unit ? 1 : 0)} ${["B", "KiB", "MiB", "GiB", "TiB"][unit]}`;
}

export function milliseconds(ms) {
  if (ms == null) return "–";
  if (ms >= 1e4) return `${(ms / 1e3).toFixed(0)} s`;
  return ms >= 1e3 ? `${(ms / 1e3).toFixed(1)} s` : `${ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0)} ms`;
}

export const rate = r => r === 0 ? "0" : r < 10 ? r.toFixed(1) : count(r);

export function percent(share) {
  const p = 100 * share;
  return p > 0 && p < .01 ? "< 0.01%" : `${p.toFixed(p < 99.995 ? 2 : 0)}%`;
}

export function ago(then, now) {
  if (!then) return "–";
  const s = Math.max(0, Math.round((now - then) / 1e3));
  if (s < 5) return "now";
  if (s < 90) return `${s} s ago`;
  if (s < 5400) return `${Math.round(s / 60)} min ago`;
  return s < 129600 ? `${Math.round(s / 3600)} h ago` : `${Math.round(s / 86400)} d ago`;
}

/** facts fills a description list with pairs of term and value. */
export function facts(list, pairs) {
  while (list.children.length > pairs.length) list.lastChild.remove();
  pairs.forEach(([term, value], i) => {
    const part = list.children[i] ?? list.appendChild(make("div", {}, make("dt"), make("dd")));
    part.firstChild.textContent = term;
    part.lastChild.textContent = value;
  });
}

/** complain shows an error below a form, or hides the last one. */
export function complain(element, error) {
  element.hidden = !error;
  element.textContent = error ? error.message : "";
}

/** taskName makes a valid name of a task from the name of a file. */
export const taskName = stem => (stem ?? "").replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 128);

/** droppable lets the user drop a file on an element, for an input of files. */
export function droppable(element, input) {
  for (const kind of ["dragover", "dragleave", "drop"]) {
    element.addEventListener(kind, event => {
      event.preventDefault();
      element.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) {
        input.files = event.dataTransfer.files;
        input.dispatchEvent(new Event("change"));
      }
    });
  }
}

/** tierIcon is the square of a tier: full if hot, half full if warm. */
export function tierIcon(tier) {
  const template = document.querySelector(`.legend [data-tier=${tier}] svg`);
  return template.cloneNode(true);
}
