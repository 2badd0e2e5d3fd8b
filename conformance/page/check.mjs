// Uses the web page as a user does, and checks it. run starts the servers.

import {readFileSync} from "node:fs";
import {createRequire} from "node:module";
import {chromium} from "playwright-core";

const {CHROMIUM, OPEN, KEYED, MANY, DELTA, TEXTS, PICTURES} = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let passed = 0, failed = 0;

function check(what, holds, detail = "") {
  if (holds) {
    passed++;
  } else {
    failed++;
    console.log(`FAILED ${what} ${detail}`);
  }
}

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

/** visit opens a page. It reports errors: messages on the console, other than those
 * for HTTP errors, and requests to other servers. */
async function visit(address, {scheme = "light", width = 1280, height = 900} = {}) {
  const context = await browser.newContext({colorScheme: scheme, viewport: {width, height}, deviceScaleFactor: 1});
  const page = await context.newPage();
  page.setDefaultTimeout(30000);
  page.on("console", m => m.text().startsWith("Failed to load resource") || check("console", false, m.text()));
  page.on("pageerror", e => check("script", false, e.message));
  page.on("request", r => r.url().startsWith(address) || r.url().startsWith("blob:") || check("request to another server", false, r.url()));
  await page.goto(address);
  return page;
}

/** accessible runs axe on the page. */
async function accessible(page, what) {
  await page.evaluate(() => Promise.all(document.getAnimations().map(a => a.finished)));
  // Evaluated, not injected: the page's policy allows only its own scripts.
  await page.evaluate(axe);
  const {violations, passes} = await page.evaluate(() => axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  }));
  check(`axe: ${what}`, violations.length === 0 && passes.length > 20,
    JSON.stringify(violations.map(v => [v.id, v.nodes.slice(0, 3).map(n => [n.target.join(" "), n.any[0]?.message])])));
}

const narrow = page => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);

const api = async (body, headers = {}) => (await fetch(`${OPEN}/classify`, {method: "POST", body: JSON.stringify(body), headers})).json();

/** only selects these tasks and no others. */
async function only(page, ...names) {
  const checked = page.locator("#choices input:checked");
  while (await checked.count()) await checked.first().uncheck();
  for (const name of names) await page.getByRole("checkbox", {name, exact: true}).check();
}

/** scores returns the labels and scores that the page shows for a task. */
const scores = (page, task) => page.evaluate(task => {
  const article = [...document.querySelectorAll(".scores")].find(a => a.querySelector("h3").textContent === task);
  return [...article.querySelectorAll("li")].map(li => [li.children[0].textContent, li.children[1].textContent]);
}, task);

const percent = s => {
  const p = 100 * s;
  return p > 0 && p < .01 ? "< 0.01%" : `${p.toFixed(p < 99.995 ? 2 : 0)}%`;
};

const tier = (page, task) => page.locator(`#table tbody tr:has(button[title="${task}"]) .tier`).textContent();

// One text, a pair, several tasks: the scores must be those of the API.
{
  const page = await visit(OPEN);
  await page.locator("#choices input:checked").first().waitFor();
  check("the state is Ready", await page.locator("#state").textContent().then(async t => t === "Ready" || (await page.waitForFunction(() => document.getElementById("state").textContent === "Ready"), true)));
  check("all of the four tasks are selected", await page.locator("#choices input:checked").count() === 4);
  await only(page, "trec");
  await page.locator("#text").fill("Who wrote Hamlet?");
  await page.getByRole("button", {name: "Classify"}).click();
  await page.locator(".scores").waitFor();
  let want = await api({model: "trec", input: "Who wrote Hamlet?"});
  check("scores of a text", JSON.stringify(await scores(page, "trec")) === JSON.stringify(want.data[0].map(s => [s.label, percent(s.score)])), JSON.stringify(await scores(page, "trec")));
  check("a screen reader gets the best label", await page.locator("#spoken").textContent() === `trec: HUM, ${percent(want.data[0][0].score)}`);
  check("the number of tokens is shown", (await page.locator("#cost").textContent()).startsWith(`${want.usage.total_tokens} tokens`));
  const bar = await page.evaluate(() => document.querySelector(".scores .bar").style.width);
  check("the bar is as long as the score", Math.abs(parseFloat(bar) - 100 * want.data[0][0].score) < .01, bar);

  await only(page, "trec", "banking77");
  await page.getByRole("button", {name: "Add a second text"}).click();
  await page.locator("#pair").fill("From Denver to Aspen.");
  await page.locator("#text").fill("How far is it?");
  await page.keyboard.press("Control+Enter");
  await page.waitForFunction(() => document.querySelectorAll(".scores").length === 2);
  want = await api({model: ["banking77", "trec"], input: {text: "How far is it?", text_pair: "From Denver to Aspen."}});
  check("scores of a pair", JSON.stringify(await scores(page, "trec")) === JSON.stringify(want.data[0].trec.map(s => [s.label, percent(s.score)])));
  check("only the best five of many labels are shown", (await scores(page, "banking77")).length === 5);
  await page.getByRole("button", {name: "All 77 labels"}).click();
  check("all labels", JSON.stringify(await scores(page, "banking77")) === JSON.stringify(want.data[0].banking77.map(s => [s.label, percent(s.score)])));

  await page.locator("#text").fill("x".repeat(200000));
  await page.keyboard.press("Control+Enter");
  await page.locator("#try-error:visible").waitFor();
  check("an error is shown", (await page.locator("#try-error").textContent()).includes("at most"), await page.locator("#try-error").textContent());
  await page.locator("#text").fill("Who wrote Hamlet?");

  // The charts show the requests.
  await page.waitForFunction(() => /Requests a second: .*at most [1-9]/.test(document.querySelector("#throughput svg").getAttribute("aria-label")));
  await page.waitForFunction(() => /median [0-9]/.test(document.querySelector("#latency svg").getAttribute("aria-label")));
  check("the charts show the requests", true);

  // A task's dialog.
  await page.locator("#table").getByRole("button", {name: "trec"}).click();
  await page.waitForFunction(() => document.getElementById("task-labels").textContent.includes("LOC"));
  check("a task's labels", await page.locator("#task-labels").textContent() === "ABBR, DESC, ENTY, HUM, LOC, NUM");
  check("no button changes a task without the admin key", !await page.getByRole("button", {name: "Remove"}).isVisible());
  await accessible(page, "a task");

  // KENviz of the task, in a frame.
  await page.getByRole("button", {name: "Show here"}).click();
  const viz = page.frameLocator("#viz-frame iframe");
  await viz.locator("h1").waitFor();
  check("KENviz is of the task", (await viz.locator("h1").textContent()).includes("trec"), await viz.locator("h1").textContent());
  check("KENviz has pictures", await viz.locator("img").evaluateAll(all => all.length > 0 && all.every(i => i.src.startsWith("data:"))));
  check("KENviz runs", await viz.locator("body").evaluate(async body => {
    const image = body.querySelector("img");
    image.loading = "eager";
    await image.decode();
    return image.naturalWidth > 0;
  }));
  await page.getByRole("button", {name: "Close it"}).click();
  check("KENviz is closed", await page.locator("#viz-frame iframe").count() === 0);
  await page.keyboard.press("Escape");
  check("Escape closes it", !await page.locator("#task").isVisible());
  await page.context().close();
}

// A delta is uploaded, tried until it is hot, unloaded and removed.
{
  const page = await visit(OPEN);
  await page.locator("#choices input:checked").first().waitFor();
  await page.locator("#file").setInputFiles({name: "my task!.ken", mimeType: "application/octet-stream", buffer: readFileSync(DELTA)});
  check("the name is the file's", await page.locator("#name").inputValue() === "my-task-", await page.locator("#name").inputValue());
  await page.locator("#name").fill("mine");
  await page.locator("#admin").fill("wrong");
  await page.getByRole("button", {name: "Upload"}).click();
  await page.locator("#add-error:visible").waitFor();
  check("a wrong admin key is refused", (await page.locator("#add-error").textContent()).includes("admin key"), await page.locator("#add-error").textContent());
  await page.locator("#admin").fill("admin-key");
  await page.locator("#file").setInputFiles({name: "x.ken", mimeType: "application/octet-stream", buffer: readFileSync(DELTA).subarray(0, 5000)});
  await page.locator("#name").fill("mine");
  await page.getByRole("button", {name: "Upload"}).click();
  await page.waitForFunction(() => /delta|damaged/i.test(document.getElementById("add-error").textContent));
  check("a damaged delta is refused", true);
  await page.locator("#file").setInputFiles({name: "x.ken", mimeType: "application/octet-stream", buffer: readFileSync(DELTA)});
  await page.locator("#name").fill("mine");
  await page.getByRole("button", {name: "Upload"}).click();
  await page.waitForFunction(() => document.getElementById("added").textContent.includes("is served"));
  check("no error is left", !await page.locator("#add-error").isVisible());
  await page.locator('#table tbody button[title="mine"]').waitFor();
  const before = await tier(page, "mine");
  check("a new task is not hot", before !== "hot", before);
  await page.getByRole("button", {name: "Try it"}).click();
  check("the new task is selected", await page.locator("#choices input:checked").count() === 1 && await page.getByRole("checkbox", {name: "mine", exact: true}).isChecked());
  await page.locator("#text").fill("I have never been so happy");
  for (let i = 0; i < 20 && await tier(page, "mine") !== "hot"; i++) {
    await page.keyboard.press("Control+Enter");
    await page.waitForTimeout(400);
  }
  check("it becomes hot", await tier(page, "mine") === "hot", await tier(page, "mine"));
  check("its scores are those of the delta", JSON.stringify(await scores(page, "mine")) === JSON.stringify((await api({model: "emotion", input: "I have never been so happy"})).data[0].map(s => [s.label, percent(s.score)])));
  await page.locator("#table").getByRole("button", {name: "mine"}).click();
  await page.getByRole("button", {name: "Unload"}).click();
  await page.waitForFunction(() => document.querySelector("#task-facts dd").textContent === "cold");
  check("it is unloaded", true);
  await page.getByRole("button", {name: "Remove", exact: true}).click();
  await page.getByRole("button", {name: "Remove mine from the store"}).click();
  await page.waitForFunction(() => !document.querySelector('#table tbody button[title="mine"]'));
  check("it is removed", (await fetch(`${OPEN}/tasks/mine`)).status === 404);
  await page.context().close();
}

// A classifier is made from labelled texts: its columns are found, a bad file is refused with
// its row, a job is followed, another one is cancelled, and the task is tried.
{
  const page = await visit(OPEN);
  await page.locator("#choices input:checked").first().waitFor();
  const csv = readFileSync(TEXTS, "utf8");
  const rows = csv.split("\n").slice(1).filter(Boolean);
  const choose = (name, text) => page.locator("#texts").setInputFiles({name, mimeType: "text/csv", buffer: Buffer.from(text)});
  const start = () => page.getByRole("button", {name: "Start", exact: true}).click();
  await choose("odd names.tsv", "id\tsentence\tintent\n1\t\"a, \"\"b\"\"\nc\"\tpraise\n");
  await page.waitForFunction(() => document.querySelectorAll("#text-column option").length === 3);
  check("columns of a TSV", await page.locator("#text-column").inputValue() === "sentence" && await page.locator("#label-column").inputValue() === "intent");
  check("an example of a text", await page.locator("#text-example").textContent() === 'for example: a, "b"\nc', await page.locator("#text-example").textContent());
  await choose("lines.jsonl", '{"content":"a {","label":["x"]}\n');
  await page.waitForFunction(() => document.querySelector("#text-column").value === "content");
  check("members of JSON lines", await page.locator("#label-column").inputValue() === "label");
  await choose("shop intents!.csv", csv);
  await page.waitForFunction(() => document.querySelector("#text-column").value === "text");
  check("the name is the file's", await page.locator("#new-name").inputValue() === "shop-intents-", await page.locator("#new-name").inputValue());
  await page.locator("#new-name").fill("intents");

  await page.locator("#new-admin").fill("wrong");
  await start();
  await page.locator("#new-error:visible").waitFor();
  check("a wrong admin key is refused", (await page.locator("#new-error").textContent()).includes("admin key"), await page.locator("#new-error").textContent());
  await page.locator("#new-admin").fill("admin-key");
  check("the admin key is typed once", await page.locator("#admin").inputValue() === "admin-key");
  await choose("bad.csv", 'text,label\na,b\n"c,d\n');
  await page.locator("#new-name").fill("intents");
  await start();
  await page.waitForFunction(() => document.getElementById("new-error").textContent.includes("row 2"));
  check("a bad file is refused with its row", true);

  await choose("some.csv", ["text,label", ...rows, rows[0], ",praise"].join("\n"));
  await page.locator("#new-name").fill("intents");
  await page.getByRole("button", {name: "Only check the texts"}).click();
  await page.locator("#job-findings li").first().waitFor();
  const findings = (await page.locator("#job-findings li").allTextContents()).join();
  check("problems are listed with rows", findings.includes("(rows 273)") && findings.includes("(rows 274)"), findings);
  check("a check trains nothing", (await page.locator("#job-state").textContent()).includes("nothing was trained") && (await fetch(`${OPEN}/tasks/intents`)).status === 404);
  await accessible(page, "texts that were checked");

  await page.locator("#method").selectOption("full");
  await start();
  await page.waitForFunction(() => document.getElementById("job-state").textContent.startsWith("Running"));
  await page.waitForFunction(() => document.querySelector("#job-facts dd")?.textContent.includes(" of "), null, {timeout: 120000});
  await accessible(page, "a job that runs");
  check("a job fits the page", await narrow(page));
  await page.getByRole("button", {name: "Cancel"}).last().click();
  await page.waitForFunction(() => document.getElementById("job-state").textContent === "Cancelled.");
  check("a job is cancelled", !await page.locator("#job-cancel").isVisible());

  await page.locator("#method").selectOption(PICTURES ? "sparse" : "head"); // the picture shows the default
  await start();
  await page.waitForFunction(() => document.getElementById("job-state").textContent.startsWith("Done"), null, {timeout: PICTURES ? 600000 : 180000});
  check("the result is shown", /% of \d+ dev texts are right; the delta has/.test(await page.locator("#job-state").textContent()), await page.locator("#job-state").textContent());
  check("the curve is drawn and described", (await page.locator("#job-score path.first").getAttribute("d")).includes("L") && /after each of \d+ evaluations/.test(await page.locator("#job-score svg").getAttribute("aria-label")));
  await accessible(page, "a job that is done");
  if (PICTURES) {
    await page.locator("#new").scrollIntoViewIfNeeded();
    await page.locator("#new").screenshot({path: `${PICTURES}/page-new.png`});
  }
  await page.locator("#job-try").click();
  await page.locator("#text").fill("where is my parcel");
  await page.keyboard.press("Control+Enter");
  await page.locator(".scores").first().waitFor();
  check("the new classifier answers", (await scores(page, "intents"))[0][0] === "order_status", (await scores(page, "intents"))[0].join());
  await fetch(`${OPEN}/tasks/intents`, {method: "DELETE", headers: {Authorization: "Bearer admin-key"}});
  await page.context().close();
}

// With a key.
{
  const page = await visit(KEYED);
  await page.locator("#key-dialog").waitFor();
  check("the page asks for a key", await page.locator("#key").isVisible());
  await accessible(page, "the key");
  await page.locator("#key").fill("wrong");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.getElementById("key-why").textContent.includes("does not know"));
  await page.locator("#key").fill("use-key");
  await page.keyboard.press("Enter");
  await page.locator("#choices input:checked").first().waitFor();
  await page.waitForFunction(() => document.getElementById("state").textContent === "Ready");
  await page.getByRole("button", {name: "Classify"}).click();
  await page.locator(".scores").first().waitFor();
  check("it works with the key", await page.locator(".scores").count() === 4);
  const kept = await page.evaluate(() => localStorage.length + sessionStorage.length + document.cookie.length);
  check("the page does not store the key", kept === 0);
  await page.context().close();
}

// A thousand tasks.
{
  const page = await visit(MANY);
  await page.locator("#choices input:checked").first().waitFor();
  check("counts", await page.locator(".legend b").allTextContents().then(t => t.join() === "0,0,1,000"), (await page.locator(".legend b").allTextContents()).join());
  check("the table begins with 15 rows", await page.locator("#table tbody tr").count() === 15);
  await page.getByRole("button", {name: "Show 50 more"}).click();
  check("more rows", await page.locator("#table tbody tr").count() === 65);
  await page.locator("#find").fill("trec-07");
  check("found by name", await page.locator("#found").textContent() === "10 of 1,000 tasks", await page.locator("#found").textContent());
  await page.locator("#choose").fill("sst2-123");
  await page.getByRole("checkbox", {name: "sst2-123"}).check();
  await page.locator("#choose").fill("");
  check("a selected task stays visible", await page.getByRole("checkbox", {name: "sst2-123"}).isChecked());
  await page.getByRole("button", {name: "Classify"}).click();
  await page.locator(".scores").first().waitFor();
  // After one request a task is warm or hot.
  await page.waitForFunction(() => document.querySelector('.legend [data-tier="cold"] b').textContent !== "1,000");
  const tier = await page.locator('.legend [data-tier="hot"] b').textContent() === "0" ? "warm" : "hot";
  await page.locator("#find").fill("");
  await page.locator(`.legend [data-tier="${tier}"]`).click();
  const found = await page.locator("#table .tier").allTextContents();
  check("found by tier", found.length > 0 && found.length <= 2 && found.every(t => t === tier), found.join());
  await page.locator(`.legend [data-tier="${tier}"]`).click();
  await page.getByRole("button", {name: "Requests"}).click();
  check("sorted by requests", await page.locator("#table tbody td:nth-child(4)").first().textContent() === "1" && await page.locator("th[aria-sort=descending]").textContent() === "Requests");
  // A click on a cell of the map opens its task.
  const place = await page.locator("#map").boundingBox();
  await page.locator("#map").click({position: {x: 5, y: 5}});
  await page.locator("#task").waitFor();
  check("the map's first cell is the first task", await page.locator("#task-title").textContent() === "banking77-001" && place.height < 260, `${await page.locator("#task-title").textContent()} ${place.height}`);
  await page.keyboard.press("Escape");
  await accessible(page, "a thousand tasks");
  await page.context().close();
}

// By keyboard alone.
{
  const page = await visit(OPEN);
  await page.locator("#choices input:checked").first().waitFor();
  await page.keyboard.press("Tab");
  check("the first tab stop skips to the content", await page.evaluate(() => document.activeElement.className) === "skip");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  check("the next tab stop is the text", await page.evaluate(() => document.activeElement.id) === "text");
  await page.keyboard.press("Control+A");
  await page.keyboard.type("What does HTTP stand for?");
  await page.keyboard.press("Control+Enter");
  await page.locator(".scores").first().waitFor();
  check("an answer", (await scores(page, "trec"))[0][0] === "ABBR");
  const stops = new Set();
  for (let i = 0; i < 100; i++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const e = document.activeElement, style = getComputedStyle(e);
      return {id: e.id || e.dataset.tier || e.dataset.sort || e.title || e.tagName, seen: e === document.body || style.outlineStyle !== "none" || e.type === "checkbox" || e.type === "file"};
    });
    check("the focus is visible", at.seen, at.id);
    stops.add(at.id);
  }
  for (const stop of ["pair-button", "choose", "classify", "hot", "find", "requests", "trec", "texts", "new-name", "method", "new-admin", "new-start", "file", "name", "admin"]) check("reached by keyboard", stops.has(stop), stop);
  await page.context().close();
}

// In every theme and width the page is accessible and not wider than the screen.
for (const [scheme, width, height] of [["light", 1280, 900], ["dark", 1280, 900], ["light", 390, 844], ["dark", 320, 640]]) {
  const page = await visit(OPEN, {scheme, width, height});
  await page.locator("#choices input:checked").first().waitFor();
  await page.getByRole("button", {name: "Classify"}).click();
  await page.locator(".scores").first().waitFor();
  await accessible(page, `${scheme} ${width}`);
  check(`fits a width of ${width}`, await narrow(page), `${await page.evaluate(() => document.documentElement.scrollWidth)}`);
  await page.context().close();
}

// Pictures, of a server under load.
if (PICTURES) {
  const names = (await (await fetch(`${MANY}/tasks?labels=false`)).json()).data.map(t => t.name);
  const shuffled = names.map((name, i) => [(i * 7919) % names.length, name]).sort((a, b) => a[0] - b[0]).map(p => p[1]);
  let running = true;
  const client = async seed => {
    for (let i = seed; running; i = (i * 69069 + 1) % 4294967296) {
      const name = shuffled[Math.min(Math.floor(names.length ** (i / 4294967296)) - 1, names.length - 1)];
      await fetch(`${MANY}/classify`, {method: "POST", body: JSON.stringify({model: name, input: "How do I know that my top-up went through, and when?"})});
      await new Promise(r => setTimeout(r, 20 + 60 * ((i >>> 8) % 100) / 100));
    }
  };
  const clients = [1, 2, 3].map(client);
  await new Promise(r => setTimeout(r, 60000));
  for (const [name, scheme, width, height] of [["light", "light", 1280, 1330], ["dark", "dark", 1280, 1330], ["phone", "dark", 390, 844]]) {
    const page = await visit(MANY, {scheme, width, height});
    await page.locator("#choices input:checked").first().waitFor();
    await only(page);
    for (const task of ["trec-001", "sst2-001", "emotion-001"]) {
      await page.locator("#choose").fill(task);
      await page.getByRole("checkbox", {name: task}).check();
    }
    await page.locator("#choose").fill("-001");
    await page.locator("#text").fill("Where can I see the most beautiful sunset in Scotland?");
    await page.keyboard.press("Control+Enter");
    await page.locator(".scores").first().waitFor();
    if (name !== "phone") await page.getByRole("button", {name: "Requests"}).click(); // a phone does not show this column
    await page.waitForTimeout(3000);
    if (name === "phone") {
      await page.locator("#now").scrollIntoViewIfNeeded();
      await page.evaluate(() => document.getElementById("answer").scrollIntoView());
    } else {
      await page.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); });
    }
    await page.screenshot({path: `${PICTURES}/page-${name}.png`});
    await page.context().close();
  }
  running = false;
  await Promise.all(clients);
}

await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
