// Connects the parts of the page with the server.

import {ask, keys, repeat} from "./api.js";
import {$, count} from "./format.js";
import * as add from "./add.js";
import * as map from "./map.js";
import * as fresh from "./new.js";
import * as now from "./now.js";
import * as table from "./table.js";
import * as task from "./task.js";
import * as trial from "./try.js";

// The state of the server, and the key that it may need. The button appears when the
// server has asked for a key.
const state = (text, kind) => {
  if ($("state").textContent !== text) $("state").textContent = text;
  $("state").className = `state ${kind}`;
};

let locked = false;

function problem(error) {
  if (error.status === 401) {
    state("Needs a key", "down");
    if (!locked) {
      locked = true;
      $("key-button").hidden = false;
      if (keys.use) $("key-why").textContent = "The server does not know that key.";
      if (!document.querySelector("dialog[open]")) $("key-dialog").showModal();
    }
  } else {
    state(error.status ? error.message : "Not reachable", "down");
  }
}

$("key-button").addEventListener("click", () => $("key-dialog").showModal());
$("key-cancel").addEventListener("click", () => $("key-dialog").close());
$("key-form").addEventListener("submit", () => {
  keys.use = $("key").value;
  locked = false;
  task.withKey(Boolean(keys.use));
  pollStats();
  pollTasks();
});

// Statistics are polled once a second.
const pollStats = repeat(async () => {
  try {
    const {data} = await ask("stats");
    locked = false;
    state(data.ready ? "Ready" : "Not ready", data.ready ? "up" : "down");
    $("about").textContent = [data.base, data.version].filter(Boolean).join(" · ");
    now.update(data);
  } catch (error) {
    problem(error);
    if (error.status === 401) return 3600e3; // until the user types a key
  }
  return 1000;
});

// Tasks are polled too, less often the more tasks there are.
let before = new Map(), then = 0;
const pollTasks = repeat(async () => {
  let tasks;
  try {
    tasks = (await ask("tasks?labels=false")).data.data;
  } catch (error) {
    problem(error);
    return error.status === 401 ? 3600e3 : 3000;
  }
  const time = performance.now(), seconds = (time - then) / 1000;
  for (const t of tasks) {
    const old = before.get(t.name);
    t.used = t.last_used ? Date.parse(t.last_used) : 0;
    t.rate = old ? Math.max(0, t.requests - old.requests) / seconds : 0;
    t.changed = old && (old.requests !== t.requests || old.residency !== t.residency) || !old && before.size ? time : old?.changed;
  }
  before = new Map(tasks.map(t => [t.name, t]));
  then = time;
  map.update(tasks);
  table.update(tasks);
  trial.update(tasks);
  return Math.max(1000, tasks.length);
});

const attempt = name => trial.choose(name);
map.picked(task.open);
table.picked(task.open);
task.wire(attempt, pollTasks);
trial.answered(pollTasks);
add.wire(pollTasks, attempt);
fresh.wire(pollTasks, attempt);
