// Shows what the server does now: throughput, latency, memory.

import {Chart, linear, logarithmic} from "./chart.js";
import {$, bytes, count, facts, make, milliseconds, rate} from "./format.js";

const axis = v => v >= 1000 ? `${+(v / 1000).toPrecision(3)}k` : `${+v.toPrecision(3)}`;
const throughput = new Chart($("throughput"), {format: axis, scale: linear});
const latency = new Chart($("latency"), {format: ms => ms >= 1000 ? `${axis(ms / 1000)} s` : `${axis(ms)} ms`, scale: logarithmic});

const caption = chart => {
  const figures = [make("span"), make("span")];
  chart.text.append(...figures);
  return figures;
};
const [perSecond, tokensPerSecond] = caption(throughput);
const [p50, p99] = caption(latency);
const strong = (value, unit) => [make("strong", {textContent: value}), ` ${unit}`];
const key = (name, value) => [make("i", {className: name}), `${name === "second" ? "p99" : "p50"} `, make("strong", {textContent: value})];

/** update shows the answer of GET /stats. */
export function update(stats) {
  const end = Math.floor(Date.parse(stats.time) / 1000);
  const by = new Map(stats.recent.map(s => [s.second, s]));
  const seconds = Array.from({length: stats.span - 1}, (_, i) => by.get(end - stats.span + 1 + i));
  const requests = seconds.map(s => s?.requests ?? 0);
  // Numbers are means of the last five seconds: faster changes cannot be read.
  const last = seconds.slice(-5);
  const mean = member => last.reduce((sum, s) => sum + (s?.[member] ?? 0), 0) / last.length;
  const recent = seconds.findLast(s => s?.p50_ms != null);

  perSecond.replaceChildren(...strong(rate(mean("requests")), "requests/s"));
  tokensPerSecond.replaceChildren(`${rate(mean("tokens"))} tokens/s`);
  throughput.show([requests], `Requests a second: ${rate(mean("requests"))} now, at most ${count(Math.max(...requests))} in the last two minutes.`);

  p50.replaceChildren(...key("first", milliseconds(recent?.p50_ms)));
  p99.replaceChildren(...key("second", milliseconds(recent?.p99_ms)));
  latency.show([seconds.map(s => s?.p50_ms ?? null), seconds.map(s => s?.p99_ms ?? null)],
    recent ? `Latency, last measured: median ${milliseconds(recent.p50_ms)}, 99th percentile ${milliseconds(recent.p99_ms)}.` : "Latency: no requests in the last two minutes.");

  const errors = seconds.reduce((sum, s) => sum + (s?.errors ?? 0), 0);
  const asked = stats.hits + stats.misses;
  facts($("facts"), [
    ["Waiting", count(stats.waiting)],
    ["Errors, 2 min", count(errors)],
    ["Hits", asked ? `${(100 * stats.hits / asked).toFixed(1)}%` : "–"],
    ["Loads", count(stats.loads)],
    ["Failed loads", count(stats.load_errors)],
    ["Promotions", count(stats.promotions)],
    ["Demotions", count(stats.demotions)],
    ["Evictions", count(stats.evictions)],
  ]);

  // Memory of the tasks of each tier.
  const used = stats.hot_bytes + stats.warm_bytes, all = Math.max(stats.budget_bytes, used, 1);
  $("memory-text").textContent = `${bytes(used)} of ${bytes(stats.budget_bytes)}; base: ${bytes(stats.base_bytes)}`;
  $("memory-hot").style.width = `${100 * stats.hot_bytes / all}%`;
  $("memory-warm").style.width = `${100 * stats.warm_bytes / all}%`;
}
