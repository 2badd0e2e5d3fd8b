// Uploads a delta.

import {send} from "./api.js";
import {$, complain, droppable, make, taskName} from "./format.js";

const form = $("add-form"), file = $("file"), name = $("name"), sent = $("sent"), added = $("added");
let onAdded = () => {}, onTry = () => {};

/** wire sets the functions for a task that was added, and for one to try. */
export function wire(whenAdded, toTry) {
  onAdded = whenAdded;
  onTry = toTry;
}

file.addEventListener("change", () => {
  name.value = taskName(file.files[0]?.name.replace(/\.ken$/, "")) || name.value;
});

droppable($("drop"), file);

form.addEventListener("submit", async event => {
  event.preventDefault();
  const task = name.value, button = form.querySelector("[type=submit]");
  complain($("add-error"));
  added.replaceChildren("Sending");
  sent.hidden = false;
  sent.value = 0;
  button.disabled = true;
  try {
    await send("PUT", `tasks/${encodeURIComponent(task)}`, "application/octet-stream", file.files[0], share => {
      sent.value = share;
      if (share === 1) added.replaceChildren("Checking the delta against the base");
    });
    added.replaceChildren(make("b", {textContent: task}), " is served. ", make("button", {type: "button", className: "quiet", textContent: "Try it", onclick: () => onTry(task)}));
    onAdded(task);
  } catch (error) {
    added.replaceChildren();
    complain($("add-error"), error);
  }
  sent.hidden = true;
  button.disabled = false;
});
