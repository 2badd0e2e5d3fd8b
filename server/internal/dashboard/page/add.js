// Uploads a delta.

import {Failure, authorization, failure, keys} from "./api.js";
import {$, complain, make} from "./format.js";

const form = $("add-form"), file = $("file"), name = $("name"), admin = $("admin"), sent = $("sent"), added = $("added");
let onAdded = () => {}, onTry = () => {};

/** wire sets the functions for a task that was added, and for one to try. */
export function wire(whenAdded, toTry) {
  onAdded = whenAdded;
  onTry = toTry;
}

admin.addEventListener("input", () => { keys.admin = admin.value; });

file.addEventListener("change", () => {
  const stem = file.files[0]?.name.replace(/\.ken$/, "");
  if (stem) name.value = stem.replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 128);
});

const drop = $("drop");
for (const kind of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(kind, event => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) {
      file.files = event.dataTransfer.files;
      file.dispatchEvent(new Event("change"));
    }
  });
}

// XMLHttpRequest reports how much of the body is sent; fetch does not.
const put = (path, body, progress) => new Promise((resolve, reject) => {
  const request = new XMLHttpRequest();
  request.open("PUT", path);
  request.setRequestHeader("Content-Type", "application/octet-stream");
  for (const [key, value] of Object.entries(authorization(true))) request.setRequestHeader(key, value);
  request.upload.onprogress = event => progress(event.loaded / event.total);
  request.onload = () => request.status < 300 ? resolve() : reject(failure(request.status, request.responseText));
  request.onerror = () => reject(new Failure(0, "The connection failed while the delta was sent."));
  request.send(body);
});

form.addEventListener("submit", async event => {
  event.preventDefault();
  const task = name.value, button = form.querySelector("[type=submit]");
  complain($("add-error"));
  added.replaceChildren("Sending");
  sent.hidden = false;
  sent.value = 0;
  button.disabled = true;
  try {
    await put(`tasks/${encodeURIComponent(task)}`, file.files[0], share => {
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
