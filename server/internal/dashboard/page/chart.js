// Small SVG charts with values at equal distances.

const space = "http://www.w3.org/2000/svg";
const height = 112, left = 44, bottom = 92, top = 8;

const svg = (name, attributes = {}) => {
  const e = document.createElementNS(space, name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  return e;
};

/** linear is the scale from 0 to the smallest of 1, 2, 5, 10, 20… that is at least every
 * value. A scale has ticks, and `at`, the position of a value from 0 to 1. */
export function linear(values) {
  const v = Math.max(0, ...values);
  const power = v > 0 ? 10 ** Math.floor(Math.log10(v)) : 1;
  const limit = power * (v > 0 ? [1, 2, 5].find(m => m * power >= v) ?? 10 : 1);
  return {ticks: [0, limit / 2, limit], at: x => x / limit};
}

/** logarithmic is a scale over at least two powers of ten. */
export function logarithmic(values) {
  const positive = values.filter(v => v > 0);
  let low = Math.floor(Math.log10(Math.min(...positive, Infinity)));
  let high = Math.ceil(Math.log10(Math.max(...positive, 0)));
  if (!positive.length) [low, high] = [0, 2];
  high = Math.max(high, low + 2);
  const ticks = [];
  for (let p = low; p <= high; p += high - low > 4 ? 2 : 1) ticks.push(10 ** p);
  return {ticks, at: x => (Math.log10(Math.max(x, 10 ** low)) - low) / (high - low)};
}

/** twoMinutes are the marks of an axis with a value for each of the last 120 seconds. */
export const twoMinutes = ["2 min ago", "1 min", "now"];

/** Chart draws one or two series into a figure. A series is a list of numbers, oldest
 * first; null is a gap. Marks are the texts at the start, the middle and the end of the
 * axis. */
export class Chart {
  constructor(figure, {format, scale, marks = twoMinutes}) {
    this.marks = marks;
    this.format = format;
    this.scale = scale;
    this.series = [[]];
    this.text = figure.querySelector("figcaption");
    this.root = svg("svg", {role: "img"});
    figure.append(this.root);
    new ResizeObserver(() => this.draw()).observe(figure);
  }

  /** show draws new values. The description is for screen readers. */
  show(series, description) {
    this.series = series;
    this.root.setAttribute("aria-label", description);
    this.draw();
  }

  draw() {
    const width = this.root.clientWidth;
    if (!width) return;
    const scale = this.scale(this.series.flat().filter(v => v != null));
    const x = (i, n) => left + (width - left) * i / Math.max(n - 1, 1);
    const y = v => bottom - scale.at(v) * (bottom - top);
    const label = (text, attributes) => {
      const e = svg("text", {class: "axis", ...attributes});
      e.textContent = text;
      return e;
    };
    const parts = [];
    for (const tick of scale.ticks) {
      const at = Math.round(y(tick)) + .5;
      parts.push(svg("line", {class: "grid", x1: left, x2: width, y1: at, y2: at}));
      parts.push(label(tick ? this.format(tick) : "0", {x: left - 8, y: at + 3.5, "text-anchor": "end"}));
    }
    for (const [share, text, anchor] of [[0, this.marks[0], "start"], [.5, this.marks[1], "middle"], [1, this.marks[2], "end"]]) {
      parts.push(label(text, {x: left + (width - left) * share, y: height - 3, "text-anchor": anchor}));
    }
    this.series.forEach((values, s) => {
      const name = s ? "second" : "first";
      let line = "";
      values.forEach((v, i) => {
        if (v == null) return;
        const at = [x(i, values.length).toFixed(1), y(v).toFixed(1)];
        const joined = values[i - 1] != null;
        line += `${joined ? "L" : "M"}${at.join(" ")}`;
        // A value between two gaps is drawn as a dot.
        if (!joined && values[i + 1] == null) parts.push(svg("circle", {class: `lone ${name}`, cx: at[0], cy: at[1], r: 2}));
      });
      if (scale.ticks[0] === 0 && line) parts.push(svg("path", {class: "area", d: `${line}L${width} ${bottom}L${left} ${bottom}Z`}));
      parts.push(svg("path", {class: name, d: line}));
    });
    this.root.replaceChildren(...parts);
  }
}
