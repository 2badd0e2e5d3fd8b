// Classifies a text or a pair under the chosen tasks.

import {ask} from "./api.js";
import {$, complain, count, make, milliseconds, percent} from "./format.js";

const shownChoices = 60, shownLabels = 5;
const form = $("try-form"), choices = $("choices"), find = $("choose");
const chosen = new Set();
let tasks = [], began = false, onAnswer = () => {};

/** answered sets the function that is called after each answer. */
export const answered = f => { onAnswer = f; };

/** update sets the tasks to choose from. At first the most used ones are chosen. */
export function update(list) {
  const same = list.length === tasks.length && list.every((t, i) => t.name === tasks[i].name);
  tasks = list;
  const names = new Set(tasks.map(t => t.name));
  for (const name of chosen) if (!names.has(name)) chosen.delete(name);
  if (!began && tasks.length) {
    began = true;
    for (const t of [...tasks].sort((a, b) => b.requests - a.requests).slice(0, tasks.length <= 4 ? 4 : 1)) chosen.add(t.name);
    draw();
  } else if (!same) {
    draw();
  }
}

/** choose chooses one task. */
export function choose(name) {
  chosen.clear();
  chosen.add(name);
  find.value = "";
  draw();
  $("text").focus();
  $("try").scrollIntoView({block: "start"});
}

function draw() {
  const wanted = find.value.trim().toLowerCase();
  const found = tasks.filter(t => t.name.toLowerCase().includes(wanted));
  // Chosen tasks come first.
  found.sort((a, b) => chosen.has(b.name) - chosen.has(a.name));
  choices.replaceChildren(...found.slice(0, shownChoices).map(t => {
    const box = make("input", {type: "checkbox", checked: chosen.has(t.name), onchange: () => {
      chosen[box.checked ? "add" : "delete"](t.name);
      showCount();
    }});
    return make("li", {}, make("label", {title: t.name}, box, make("span", {textContent: t.name})));
  }));
  const hidden = found.length - shownChoices;
  $("choices-more").textContent = !tasks.length ? "There are no tasks yet." : !found.length ? "No name of a task contains this." : hidden > 0 ? `and ${count(hidden)} more` : "";
  showCount();
}

function showCount() {
  $("chosen-count").textContent = `${chosen.size} of ${count(tasks.length)}`;
  $("classify").disabled = !chosen.size;
}

find.addEventListener("input", draw);

$("pair-button").addEventListener("click", event => {
  const part = $("pair-part");
  part.hidden = !part.hidden;
  event.target.setAttribute("aria-expanded", !part.hidden);
  event.target.textContent = part.hidden ? "Add a second text" : "Hide the second text";
  if (!part.hidden) $("pair").focus();
});

form.addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit();
  }
});
// Enter in the search field does not submit the form.
find.addEventListener("keydown", event => {
  if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) event.preventDefault();
});

let asked = 0;

form.addEventListener("submit", async event => {
  event.preventDefault();
  if (!chosen.size) return;
  const text = $("text").value;
  const input = $("pair-part").hidden ? text : {text, text_pair: $("pair").value};
  const model = tasks.filter(t => chosen.has(t.name)).map(t => t.name);
  const own = ++asked;
  $("scores").classList.add("stale");
  try {
    const {data, headers, took} = await ask("classify", {method: "POST", body: JSON.stringify({model, input})});
    if (own !== asked) return;
    complain($("try-error"));
    show(model, data.data[0]);
    $("cost").textContent = `${count(+headers.get("x-tokens"))} tokens, ${milliseconds(+headers.get("x-queue-time-ms"))} in the queue, ${milliseconds(+headers.get("x-inference-time-ms"))} of computation, ${milliseconds(took)} in total`;
  } catch (error) {
    if (own !== asked) return;
    complain($("try-error"), error);
    $("scores").replaceChildren();
    $("cost").textContent = "";
  }
  $("scores").classList.remove("stale");
  onAnswer();
});

function show(model, byTask) {
  $("scores").replaceChildren(...model.map(name => scoresOf(name, byTask[name])));
  $("spoken").textContent = model.map(name => `${name}: ${byTask[name][0].label}, ${value(byTask[name], byTask[name][0].score)}`).join("; ");
}

// Scores are probabilities, from 0 to 1, or the values of a regression, without bounds.
const probable = scores => scores.every(s => s.score >= 0 && s.score <= 1);
const value = (scores, score) => probable(scores) ? percent(score) : score.toPrecision(4);

function scoresOf(name, scores) {
  const scale = probable(scores) ? 1 : Math.max(...scores.map(s => Math.abs(s.score)));
  const list = make("ol");
  const fill = n => list.replaceChildren(...scores.slice(0, n).map(s => {
    const bar = make("span", {className: "bar"});
    bar.style.width = `${100 * Math.abs(s.score) / (scale || 1)}%`;
    return make("li", {}, make("span", {textContent: s.label}), make("span", {textContent: value(scores, s.score)}),
      make("span", {className: "track", ariaHidden: "true"}, bar));
  }));
  const few = scores.length <= shownLabels + 2;
  fill(few ? scores.length : shownLabels);
  const article = make("article", {className: "scores"}, make("h3", {textContent: name}), list);
  if (!few) {
    const all = make("button", {type: "button", className: "quiet", textContent: `All ${scores.length} labels`, ariaExpanded: "false"});
    all.onclick = () => {
      const open = all.ariaExpanded === "false";
      all.ariaExpanded = String(open);
      all.textContent = open ? `The best ${shownLabels}` : `All ${scores.length} labels`;
      fill(open ? scores.length : shownLabels);
    };
    article.append(all);
  }
  return article;
}
