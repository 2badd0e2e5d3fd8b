"""Writes the measurements of peers.py into README.md, and plots them.

    python table.py results.json README.md peers.svg
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

from peers import MODES, TITLES

BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
COLOURS = {"kenserve": "#1b6ca8", "ONNX Runtime": "#8a8a8a", "OpenVINO": "#b5b5b5", "PyTorch": "#d9d9d9"}


def accuracy(r, name):
    t = r["test"][name]
    return f"{100 * t['accuracy']:.2f} | {100 * t['same_label']:.2f}"


def difference(r, name):
    return f"{r['largest_difference'][name]:.1e}" if name in r["largest_difference"] else "not recorded"


def table(results):
    lines, processor = [], None
    for r in results:
        if r["processor"] != processor:
            processor = r["processor"]
            lines.append(f"\n### {processor}")
        lines.append(f"\n**{r['name']}**, {r['precision']}: {r['texts']} texts of {r['tokens_per_text']:.1f} tokens on average, {r['threads']} threads, best of {r['rounds']} rounds, texts a second\n")
        modes = [m for m in MODES if m in r["texts_per_second"]["kenserve"]]
        test = r.get("test") or {}
        more = " accuracy in percent | same label as PyTorch in float32, percent |" if test else ""
        lines.append("| | " + " | ".join(TITLES[m] for m in modes) + " | largest difference of a logit |" + more)
        lines.append("|---|" + "---|" * (len(modes) + (3 if test else 1)))
        for name, rates in r["texts_per_second"].items():
            lines.append(f"| {name} | " + " | ".join(f"{rates[m]:.1f}" for m in modes) + f" | {difference(r, name)} |" + (f" {accuracy(r, name)} |" if test else ""))
        for name in test:
            if name not in r["texts_per_second"]:
                lines.append(f"| {name} |" + " |" * (len(modes) + 1) + f" {accuracy(r, name)} |")
        best = {m: max(v[m] for n, v in r["texts_per_second"].items() if n != "kenserve") for m in modes}
        lines.append("| **kenserve to the best of the others** | " + " | ".join(f"**{r['texts_per_second']['kenserve'][m] / best[m]:.2f}**" for m in modes) + " | |" + (" | |" if test else ""))
    return "\n".join(lines) + "\n\n"


def plot(results, path):
    """Writes a row of plots for each processor."""
    plt.rcParams.update({"svg.hashsalt": "peers", "font.size": 9})
    rows = [[r for r in results if r["processor"] == p] for p in dict.fromkeys(r["processor"] for r in results)]
    columns = max(map(len, rows))
    figure, axes = plt.subplots(len(rows), columns, figsize=(2.9 * columns, 2.9 * len(rows)), constrained_layout=True, squeeze=False)
    for line, measured in zip(axes, rows):
        line[0].set_ylabel(f"{measured[0]['processor']}: texts a second")
        for axis in line[len(measured):]:
            axis.set_visible(False)
        for axis, r in zip(line, measured):
            modes = [m for m in MODES if m in r["texts_per_second"]["kenserve"]]
            width = 0.8 / len(r["texts_per_second"])
            for i, (name, rates) in enumerate(r["texts_per_second"].items()):
                axis.bar([x + i * width for x in range(len(modes))], [rates[m] for m in modes], width, label=name, color=COLOURS[name])
            axis.set_xticks([x + 0.3 for x in range(len(modes))], [{"sorted": "sorted", "arrival": "arrival", "single": "one at a time"}[m] for m in modes])
            axis.set_title(f"{r['name']}, {r['precision']}")
            axis.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path, metadata={"Date": None})


def main():
    results, readme, picture = map(Path, sys.argv[1:])
    figures = json.loads(results.read_text())
    text = readme.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(before + BEGIN + table(figures) + f"![Texts a second, by runtime and way of asking]({picture.name})\n" + END + after)
    plot(figures, picture)


if __name__ == "__main__":
    main()
