// Requests to the server that this page came from. Paths are relative, so that
// the page works behind a proxy that serves it under a folder.

// The keys that the user typed live here and nowhere else.
export const keys = {use: "", admin: ""};

/** An answer that is an error, or none at all (status 0). */
export class Failure extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const authorization = admin => {
  const key = admin ? keys.admin : keys.use || keys.admin;
  return key ? {Authorization: `Bearer ${key}`} : {};
};

/** failure reads an error's message from its body. */
export const failure = (status, text) => {
  let message;
  try {
    message = JSON.parse(text).error.message;
  } catch {
    message = `The server answered ${status}.`;
  }
  return new Failure(status, message[0].toUpperCase() + message.slice(1));
};

/** ask sends a request, and gives the answer's JSON, headers and time in ms. */
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
  return {data: text ? JSON.parse(text) : null, headers: answer.headers, took: performance.now() - began};
}

/** repeat calls f again and again, pausing between its end and the next call as
 * long as f says, and not at all while nobody sees the page. The function that
 * it returns makes the next call come at once. */
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
