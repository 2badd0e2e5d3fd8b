// The dialog of a task: its state, its operations, and its KENviz.

import {ask, authorization, failure, keys} from "./api.js";
import {$, ago, bytes, complain, count, facts, make} from "./format.js";

const dialog = $("task");
let name = "", blob = "", onTry = () => {}, onChange = () => {};

/** wire sets the functions for a task to try, and for a change of a task. */
export function wire(toTry, changed) {
  onTry = toTry;
  onChange = changed;
}

const path = () => `tasks/${encodeURIComponent(name)}`;

/** open shows the dialog of a task. */
export async function open(which) {
  name = which;
  $("task-title").textContent = name;
  complain($("task-error"));
  facts($("task-facts"), []);
  $("task-labels").textContent = "";
  closeViz();
  $("viz").hidden = true;
  sure(false);
  for (const id of ["task-load", "task-unload", "task-remove"]) $(id).hidden = !keys.admin;
  $("task-hint").textContent = keys.admin ? "" : "To load, unload or remove the task, type the admin key under “Add a task”.";
  dialog.showModal();
  await refresh();
  // OPTIONS tells whether the server has the route, without drawing anything.
  const own = name;
  const answer = await fetch(`${path()}/viz`, {method: "OPTIONS", headers: authorization()}).catch(() => null);
  if (own === name && answer?.ok) {
    $("viz-link").href = `${path()}/viz`;
    $("viz").hidden = false;
  }
}

async function refresh() {
  try {
    const {data: t} = await ask(path());
    facts($("task-facts"), [
      ["Tier", t.residency],
      ["Memory", bytes(t.bytes)],
      ["Requests", count(t.requests)],
      ["Last used", t.last_used ? ago(Date.parse(t.last_used), Date.now()) : "never"],
      ["Labels", t.labels ? count(t.labels.length) : "known after the first load"],
    ]);
    $("task-labels").textContent = t.labels?.join(", ") ?? "";
  } catch (error) {
    complain($("task-error"), error);
  }
}

$("task-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => {
  name = "";
  closeViz();
});
$("task-try").addEventListener("click", () => {
  const task = name;
  dialog.close();
  onTry(task);
});

async function act(method, suffix) {
  try {
    await ask(path() + suffix, {method, admin: true});
    complain($("task-error"));
    onChange();
    if (method === "DELETE") dialog.close();
    else await refresh();
  } catch (error) {
    complain($("task-error"), error);
  }
}

$("task-load").addEventListener("click", () => act("POST", "/load"));
$("task-unload").addEventListener("click", () => act("POST", "/unload"));

// Remove needs a second click.
const remove = $("task-remove");
const sure = asked => {
  remove.dataset.sure = asked;
  remove.textContent = asked ? `Remove ${name} from the store` : "Remove";
};
remove.addEventListener("click", () => remove.dataset.sure === "true" ? act("DELETE", "") : sure(true));
remove.addEventListener("blur", () => sure(false));

function closeViz() {
  dialog.classList.remove("wide");
  $("viz-frame").replaceChildren();
  $("viz-show").textContent = "Show here";
  $("viz-show").ariaExpanded = "false";
  if (blob) URL.revokeObjectURL(blob);
  blob = "";
}

$("viz-show").addEventListener("click", () => {
  if ($("viz-frame").firstChild) {
    closeViz();
    return;
  }
  dialog.classList.add("wide");
  $("viz-frame").append(make("iframe", {src: `${path()}/viz`, title: `KENviz of ${name}`}));
  $("viz-show").textContent = "Close it";
  $("viz-show").ariaExpanded = "true";
});

// Links and frames cannot send a key. If the server needs one, the link downloads
// KENviz as a file instead.
export function withKey(needed) {
  $("viz-show").hidden = needed;
  $("viz-link").textContent = needed ? "Save as a file" : "Open in a tab";
}
$("viz-link").addEventListener("click", async event => {
  if (!keys.use && !keys.admin) return;
  event.preventDefault();
  if (blob) return;
  const task = name;
  $("viz-link").ariaBusy = "true";
  try {
    const answer = await fetch(`${path()}/viz`, {headers: authorization()});
    if (!answer.ok) throw failure(answer.status, await answer.text());
    blob = URL.createObjectURL(await answer.blob());
    make("a", {href: blob, download: `${task}.html`}).click();
  } catch (error) {
    complain($("task-error"), error);
  }
  if (blob) URL.revokeObjectURL(blob);
  blob = "";
  $("viz-link").ariaBusy = "false";
});
