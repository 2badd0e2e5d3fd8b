// Makes a classifier from labelled texts: reads the columns of a file, starts a job of the
// server, and follows it.

import {ask, keys, repeat, send} from "./api.js";
import {Chart, linear} from "./chart.js";
import {firstRows} from "./columns.js";
import {$, bytes, complain, count, droppable, facts, make, percent, rate, taskName} from "./format.js";

const form = $("new-form"), file = $("texts"), name = $("new-name"), sent = $("new-sent"), state = $("new-state");
const columns = [["text-column", "text-example"], ["label-column", "label-example"]];
let onDone = () => {}, onTry = () => {};
let task = "", seen = ""; // the task whose job is shown, and the state that it had

/** wire sets the functions for a task that was made, and for one to try. */
export function wire(whenDone, toTry) {
  onDone = whenDone;
  onTry = toTry;
}

// Names that data sets give to their columns, most usual first.
const usual = {
  "text-column": ["text", "sentence", "content", "utterance", "message", "review", "question", "query", "body", "title"],
  "label-column": ["label", "labels", "class", "category", "intent", "sentiment", "target", "topic", "emotion"],
};

let rows = {names: [], first: []};

const example = (select, place) => {
  const value = rows.first[rows.names.indexOf($(select).value)];
  $(place).textContent = value ? `for example: ${value.slice(0, 120)}` : "";
};

for (const [select, place] of columns) $(select).addEventListener("change", () => example(select, place));

droppable($("new-drop"), file);
file.addEventListener("change", async () => {
  complain($("new-error"));
  const chosen = file.files[0];
  if (!chosen) return;
  name.value = taskName(chosen.name.replace(/\.(csv|tsv|jsonl|json)$/i, "")) || name.value;
  rows = firstRows(await chosen.slice(0, 1 << 17).text(), chosen.name);
  columns.forEach(([select, place], i) => {
    const list = rows.names.length ? rows.names : [["text", "label"][i]];
    $(select).replaceChildren(...list.map(value => make("option", {value, textContent: value})));
    const lower = list.map(n => n.toLowerCase());
    const at = usual[select].map(n => lower.indexOf(n)).find(n => n >= 0);
    $(select).selectedIndex = at ?? (i ? list.length - 1 : 0);
    $(select).disabled = rows.names.length === 0;
    example(select, place);
  });
  state.textContent = rows.names.length ? `Columns: ${rows.names.join(", ")}` : "";
});

const types = {csv: "text/csv", tsv: "text/tab-separated-values", jsonl: "application/jsonl", json: "application/json"};

form.addEventListener("submit", async event => {
  event.preventDefault();
  const check = event.submitter?.value === "check", wanted = name.value;
  const options = new URLSearchParams({method: $("method").value});
  if (check) options.set("check", "true");
  if (rows.names.length) {
    options.set("text_column", $("text-column").value);
    options.set("label_column", $("label-column").value);
  }
  const type = types[file.files[0].name.split(".").pop().toLowerCase()] ?? "";
  complain($("new-error"));
  state.textContent = "Sending";
  sent.hidden = false;
  sent.value = 0;
  for (const button of [$("new-start"), $("new-check")]) button.disabled = true;
  try {
    const job = await send("POST", `tasks/${encodeURIComponent(wanted)}/tune?${options}`, type, file.files[0], share => {
      sent.value = share;
      if (share === 1) state.textContent = "Checking the texts";
    });
    state.textContent = check ? "The texts can be used" : "The texts can be used; the job is queued";
    if (!check) seen = "queued";
    task = check ? "" : wanted;
    show(job);
    if (!check) follow();
  } catch (error) {
    state.textContent = "";
    complain($("new-error"), error);
  }
  sent.hidden = true;
  for (const button of [$("new-start"), $("new-check")]) button.disabled = false;
});

const scores = new Chart($("job-score"), {format: v => `${+(100 * v).toFixed(1)}%`, scale: linear});
const losses = new Chart($("job-loss"), {format: v => v.toFixed(v < 1 ? 2 : 1), scale: linear});

const stages = {
  reading: "reads the texts", head: "trains the head", measure: "chooses the weights", full: "tries all weights", contrastive: "brings texts of a label together",
  train: "trains", finishing: "tries the delta and calibrates it", storing: "stores the delta",
};

const time = seconds => seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;

const sentence = job => {
  const p = job.progress;
  switch (job.state) {
    case "checked": return "The texts were checked; nothing was trained.";
    case "queued": return "Waits for other jobs.";
    case "running": return `Running: ${stages[p?.stage] ?? p?.stage ?? "starts"}.`;
    case "done": return `Done: the task is served. ${result(job)}`;
    case "failed": return `Failed: ${job.error}`;
    default: return "Cancelled.";
  }
};

function result(job) {
  const dev = job.report?.dev;
  const score = dev?.accuracy != null ? `${percent(dev.accuracy)} of ${count(dev.texts)} dev texts are right` : dev?.micro_f1 != null ? `F1 on the dev set: ${percent(dev.micro_f1)}` : "";
  return [score, job.report?.bytes ? `the delta has ${bytes(job.report.bytes)}` : ""].filter(Boolean).join("; ");
}

const set = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };

function show(job) {
  $("job").hidden = false;
  set("job-title", job.task);
  set("job-state", sentence(job));
  const d = job.data;
  set("job-data", d ? `${count(d.train_texts)} training and ${count(d.dev_texts)} dev texts of ${count(d.labels?.length ?? 0)} labels. ${d.verdict}` : "");
  $("job-findings").replaceChildren(...(d?.findings ?? []).map(f => make("li", {className: f.warning ? "warning" : "", textContent:
    `${f.message}: ${count(f.count)}` + (f.rows?.length ? ` (rows ${f.rows.join(", ")}${f.count > f.rows.length ? ", …" : ""})` : "")})));
  const p = job.progress;
  $("job-progress").hidden = job.state === "checked" || !p;
  if (p) {
    $("job-bar").hidden = job.state !== "running";
    $("job-bar").value = p.steps ? p.step / p.steps : 0;
    facts($("job-facts"), [
      ["Step", p.steps ? `${count(p.step)} of ${count(p.steps)}` : "–"],
      ["Loss", p.loss ? p.loss.toFixed(3) : "–"],
      ["Score", p.score ? percent(p.score) : "–"],
      ["Best", p.best ? percent(p.best) : "–"],
      ["Texts a second", p.texts_per_second ? rate(p.texts_per_second) : "–"],
      ["Time left", p.seconds_left ? time(p.seconds_left) : "–"],
    ]);
  }
  const curve = job.curve, last = curve.at(-1);
  const marks = last ? [`step ${count(curve[0].step)}`, "", `step ${count(last.step)}`] : ["", "", ""];
  scores.marks = losses.marks = marks;
  scores.show([curve.map(c => c.score)], last ? `Score on the dev set after each of ${curve.length} evaluations: now ${percent(last.score)}, at most ${percent(Math.max(...curve.map(c => c.score)))}` : "No evaluation yet");
  losses.show([curve.map(c => c.loss), curve.map(c => c.dev_loss)], last ? `Loss after each of ${curve.length} evaluations: now ${last.loss.toFixed(3)} in training and ${last.dev_loss.toFixed(3)} on the dev set` : "No evaluation yet");
  $("job-try").hidden = job.state !== "done";
  $("job-cancel").hidden = !["queued", "running"].includes(job.state);
}

$("job-try").addEventListener("click", () => onTry(task));
$("job-cancel").addEventListener("click", async () => {
  $("job-cancel").disabled = true;
  try {
    await ask(`tasks/${encodeURIComponent(task)}/tune`, {method: "DELETE", admin: true});
    complain($("job-error"));
  } catch (error) {
    complain($("job-error"), error);
  }
  $("job-cancel").disabled = false;
  follow();
});

// A job is followed until it ends. A page that is opened, or opened again, finds the job
// that runs when its user types the admin key.
const follow = repeat(async () => {
  if (!keys.admin || !task) return 3600e3;
  try {
    const {data: job} = await ask(`tasks/${encodeURIComponent(task)}/tune`, {admin: true});
    complain($("job-error"));
    show(job);
    const ended = !["queued", "running"].includes(job.state);
    if (ended && seen !== job.state) {
      state.textContent = "";
      onDone();
    }
    seen = job.state;
    return ended ? 3600e3 : 1000;
  } catch (error) {
    complain($("job-error"), error);
    return error.status === 404 || error.status === 401 ? 3600e3 : 3000;
  }
});

for (const field of document.querySelectorAll("[data-admin]")) {
  field.addEventListener("change", async () => {
    if (task || !keys.admin) return;
    const {data} = await ask("tunings", {admin: true}).catch(() => ({data: null}));
    const job = data?.data.find(j => ["running", "queued"].includes(j.state));
    if (job && !task) {
      task = job.task;
      seen = job.state;
      follow();
    }
  });
}
