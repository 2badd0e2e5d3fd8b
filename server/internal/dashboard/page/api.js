// Requests to the server of this page. Paths are relative, so that the page works
// behind a proxy that serves it under a folder.

// The keys that the user typed. Nothing else stores them.
export const keys = {use: "", admin: ""};

/** An answer with an error, or no answer (status 0). */
export class Failure extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** authorization returns the header with the user's key, or with the admin key. */
export const authorization = admin => {
  const key = admin ? keys.admin : keys.use || keys.admin;
  return key ? {Authorization: `Bearer ${key}`} : {};
};

// Characters that change how the text around them is shown: controls, and marks of
// direction. Labels come from files of others.
const obeyed = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const escaped = c => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0");

/** parse reads JSON and makes its texts safe to show. */
const parse = text => JSON.parse(text, (_, value) => typeof value === "string" ? value.replace(obeyed, escaped) : value);

/** failure makes a Failure from the status and the body of an answer. */
export const failure = (status, text) => {
  let message;
  try {
    message = parse(text).error.message;
  } catch {
    message = `The server answered ${status}.`;
  }
  return new Failure(status, message[0].toUpperCase() + message.slice(1));
};

/** ask sends a request and returns the answer's JSON, its headers, and the time in ms. */
export async function ask(path, {method = "GET", body, admin = false} = {}) {
  const began = performance.now();
  let answer, text;
  try {
    answer = await fetch(path, {method, body, headers: authorization(admin), signal: AbortSignal.timeout(90000)});
    text = await answer.text();
  } catch (error) {
    throw new Failure(0, error.name === "TimeoutError" ? "No answer in time." : "The server cannot be reached.");
  }
  if (!answer.ok) throw failure(answer.status, text);
  return {data: text ? parse(text) : null, headers: answer.headers, took: performance.now() - began};
}

/** send sends a file and returns the answer's JSON. progress is called with the share that
 * is sent. It uses XMLHttpRequest, because fetch does not report that. */
export const send = (method, path, type, body, progress) => new Promise((resolve, reject) => {
  const request = new XMLHttpRequest();
  request.open(method, path);
  if (type) request.setRequestHeader("Content-Type", type);
  for (const [key, value] of Object.entries(authorization(true))) request.setRequestHeader(key, value);
  request.upload.onprogress = event => progress(event.loaded / event.total);
  request.onload = () => request.status < 300 ? resolve(parse(request.responseText)) : reject(failure(request.status, request.responseText));
  request.onerror = () => reject(new Failure(0, "The connection failed while the file was sent."));
  request.send(body);
});

// The admin key has a field in each form that needs it; all have the same value.
const adminFields = [...document.querySelectorAll("[data-admin]")];
for (const field of adminFields) {
  field.addEventListener("input", () => {
    keys.admin = field.value;
    for (const other of adminFields) if (other !== field) other.value = field.value;
  });
}

/** repeat calls f again and again while the page is visible. f returns the pause until
 * the next call in ms. repeat returns a function that makes the next call at once. */
export function repeat(f) {
  let timer = 0, running = false, again = false;
  const run = async () => {
    clearTimeout(timer);
    if (running) {
      again = true;
      return;
    }
    running = true;
    const pause = await f();
    running = false;
    if (again) {
      again = false;
      run();
    } else if (!document.hidden) {
      timer = setTimeout(run, pause);
    }
  };
  document.addEventListener("visibilitychange", () => document.hidden ? clearTimeout(timer) : run());
  run();
  return run;
}
