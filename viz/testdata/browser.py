#!/usr/bin/env python3
"""Opens a page that `kenserve viz` made in headless Chromium, checks it, and takes pictures of it.

    browser.py PAGE [PICTURES]

It checks that
- the script of the page runs and writes nothing to the console;
- every window that can be moved, moved to some positions, shows the number of
  kept values and of their neighbours that this script counts from the exact
  pattern in the page, one value at a time;
- nothing is wider than the browser's window, also on a telephone.

With the folder PICTURES it takes screenshots: viz-shares.png and viz-layers.png
in the light theme, viz-matrix.png in the dark one. pngquant, if it is installed,
makes them smaller.

Needs only Python 3.9 and Chromium (`apt-get install chromium`), or another browser
of that kind named by the environment variable CHROMIUM.
"""
import base64
import html.parser
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import zlib

CHROMIUM = os.environ.get("CHROMIUM", "chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--virtual-time-budget=60000"]

# Added to the page: it moves the windows and leaves the answers in an element.
DRIVER = """
<pre id="answers"></pre>
<script>
(async () => {
    const answers = {width: document.documentElement.scrollWidth, inner: innerWidth, windows: {}};
    const choice = document.getElementById("choice");
    for (const [id, places] of Object.entries(PLACES)) {
        choice.value = id;
        choice.dispatchEvent(new Event("change"));
        const panel = document.getElementById(id);
        const inputs = panel.querySelectorAll("input");
        answers.windows[id] = [];
        for (const place of places) {
            const where = panel.querySelector(".where span");
            where.textContent = "";
            inputs[0].value = place[0];
            inputs[1].value = place[1];
            inputs[1].dispatchEvent(new Event("change"));
            for (let i = 0; i < 500 && !where.textContent; i++) await new Promise(r => setTimeout(r, 10));
            answers.windows[id].push(where.textContent);
        }
        answers.width = Math.max(answers.width, document.documentElement.scrollWidth);
    }
    document.getElementById("answers").textContent = JSON.stringify(answers);
})();
</script>
"""

# Added to the page for a screenshot: it hides everything but some sections.
SECTION = """
<script>
for (const s of document.querySelectorAll("header, main > section")) s.hidden = !s.matches(SELECTOR);
for (const h of document.querySelectorAll("main > section > h2")) h.style.cssText = "margin:0;border:0;padding:0";
document.querySelector(".chooser").style.position = "static";
history.replaceState(null, "", location.pathname);
addEventListener("load", () => setTimeout(() => scrollTo(0, 0), 50));
</script>
"""


class Page(html.parser.HTMLParser):
    """The matrices of a page and their exact patterns."""

    def __init__(self, text):
        super().__init__()
        self.matrices = {}
        self.window = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag == "body":
            self.window = int(a["data-window"])
        if a.get("class") == "matrix" and "data-bits" in a:
            rows, columns = int(a["data-rows"]), int(a["data-columns"])
            text = a["data-bits"]
            raw = zlib.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), -15)
            self.matrices[a["id"]] = (rows, columns, raw)


def counts(matrix, row, column, height, width):
    rows, columns, raw = matrix
    stride = (columns + 7) // 8

    def kept(r, c):
        return 0 <= r < rows and 0 <= c < columns and raw[r * stride + c // 8] >> (c % 8) & 1

    out = [0] * 5
    for r in range(row, row + height):
        for c in range(column, column + width):
            if kept(r, c):
                out[kept(r, c - 1) + kept(r, c + 1) + kept(r - 1, c) + kept(r + 1, c)] += 1
    return out


def browse(page, *args, size="1320,1400", dark=False):
    """Runs the browser on a page and returns its standard output."""
    with tempfile.TemporaryDirectory() as profile:
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", f"--window-size={size}",
                   f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--enable-logging=stderr", *args, page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    if console:
        sys.exit("the console is not empty:\n" + "\n".join(console))
    if done.returncode != 0:
        sys.exit(done.stderr)
    return done.stdout


def with_script(text, script):
    return text.replace("</body>", script + "</body>")


def check(text, folder):
    page = Page(text)
    rng = random.Random(1)
    places = {}
    for id, (rows, columns, _) in page.matrices.items():
        low, right = rows - min(page.window, rows), columns - min(page.window, columns)
        places[id] = [[0, 0], [low, right], [rng.randint(0, low), rng.randint(0, right)], [rows + 7, -3]]
    copy = folder / "check.html"
    copy.write_text(with_script(text, DRIVER.replace("PLACES", json.dumps(places))))
    for size in ("1320,1400", "400,800"):
        dom = browse(copy, "--dump-dom", size=size)
        found = re.search(r'<pre id="answers">(.*?)</pre>', dom, re.S)
        if not found or not found.group(1):
            sys.exit("the script of the page did not finish")
        answers = json.loads(found.group(1).replace("&amp;", "&"))
        if answers["width"] > answers["inner"]:
            sys.exit(f"the page is {answers['width']} pixels wide in a window of {answers['inner']}")
    wrong = 0
    for id, got in answers["windows"].items():
        rows, columns, _ = page.matrices[id]
        height, width = min(page.window, rows), min(page.window, columns)
        for (row, column), line in zip(places[id], got):
            row, column = min(max(row, 0), rows - height), min(max(column, 0), columns - width)
            n = counts(page.matrices[id], row, column, height, width)
            want = (f"rows {row}–{row + height - 1}, columns {column}–{column + width - 1}: {sum(n):,} kept; "
                    f"with 0, 1, 2, 3, 4 neighbours: {', '.join(f'{v:,}' for v in n)}")
            if line != want:
                wrong += 1
                print(f"{id}: the page says\n  {line}\nwant\n  {want}")
    if wrong:
        sys.exit(f"{wrong} windows are wrong")
    print(f"{sum(map(len, places.values()))} windows in {len(places)} matrices are right")


def pictures(text, folder, out):
    matrices = re.findall(r'<option value="(m\d+)">[^<]*attention\.self\.key\.weight</option>', text) or re.findall(r'<option value="(m\d+)">', text)
    last = matrices[-1]
    for name, selector, size, fragment, dark in [
        ("viz-shares", "header, #shares", "1320,1120", "", False),
        ("viz-layers", "#layers", "1320,1990", "", False),
        ("viz-matrix", "#matrices", "1320,1830", last, True),
    ]:
        script = SECTION.replace("SELECTOR", json.dumps(selector))
        if fragment:
            script = f'<script>const c = document.getElementById("choice"); c.value = "{fragment}"; c.dispatchEvent(new Event("change"))</script>' + script
        copy = folder / (name + ".html")
        copy.write_text(with_script(text, script))
        path = out / (name + ".png")
        browse(copy, f"--screenshot={path}", size=size, dark=dark)
        if shutil.which("pngquant"):
            subprocess.run(["pngquant", "--force", "--speed", "1", "--output", path, "128", path], check=True)
        print(f"{path}: {path.stat().st_size:,} bytes")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    text = pathlib.Path(sys.argv[1]).read_text()
    with tempfile.TemporaryDirectory() as folder:
        check(text, pathlib.Path(folder))
        if len(sys.argv) == 3:
            out = pathlib.Path(sys.argv[2]).resolve()
            out.mkdir(parents=True, exist_ok=True)
            pictures(text, pathlib.Path(folder), out)


if __name__ == "__main__":
    main()
