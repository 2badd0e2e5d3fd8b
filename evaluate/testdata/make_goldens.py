"""Writes goldens.json: scores of random classifiers, and the figures that scikit-learn
and scipy compute for them. Needs numpy, scikit-learn and scipy:

    python make_goldens.py
"""
import json
import pathlib
import warnings

import numpy as np
from scipy import stats
from sklearn import metrics

warnings.simplefilter("ignore")
rng = np.random.default_rng(17)
cases = []


def rows(x):
    return [[round(float(v), 3) for v in row] for row in x]


def table(gold, predicted):
    p, r, f, n = metrics.precision_recall_fscore_support(gold, predicted, zero_division=0, labels=range(gold.shape[1] if gold.ndim == 2 else SIZE))
    return [{"precision": a, "recall": b, "f1": c, "texts": int(d)} for a, b, c, d in zip(p, r, f, n)]


for texts, SIZE in [(1, 2), (40, 3), (100, 7), (12, 20)]:
    scores = np.array(rows(rng.normal(size=(texts, SIZE))))
    gold = np.where(rng.random(texts) < 0.5, scores.argmax(1), rng.integers(0, SIZE, texts))
    predicted = scores.argmax(1)
    cases.append({
        "kind": "single_label_classification", "scores": scores.tolist(), "gold": gold.tolist(),
        "accuracy": metrics.accuracy_score(gold, predicted),
        "macro_f1": metrics.f1_score(gold, predicted, average="macro", zero_division=0), "classes": table(gold, predicted),
    })
for texts, SIZE in [(1, 2), (40, 3), (100, 7), (12, 20)]:
    scores = np.array(rows(rng.normal(size=(texts, SIZE)) - 0.3))
    predicted = (scores > 0).astype(int)
    gold = np.where(rng.random(scores.shape) < 0.8, predicted, rng.integers(0, 2, scores.shape))
    if SIZE == 20:
        gold[:, :5] = 0  # labels without texts
        scores[:, 3:8] = -1  # and without predictions
        predicted = (scores > 0).astype(int)
    cases.append({
        "kind": "multi_label_classification", "scores": scores.tolist(), "gold": gold.tolist(),
        "subset_accuracy": metrics.accuracy_score(gold, predicted),
        "micro_f1": metrics.f1_score(gold, predicted, average="micro", zero_division=0),
        "macro_f1": metrics.f1_score(gold, predicted, average="macro", zero_division=0), "classes": table(gold, predicted),
    })
for texts, step in [(2, 0), (50, 0), (50, 1), (50, -1)]:
    gold = rng.normal(size=texts) * 2 + 3
    scores = gold * 0.7 + rng.normal(size=texts)
    if step:  # many equal values
        gold, scores = np.round(gold), np.round(scores)
    if step < 0:
        gold[:] = 2  # constant
    gold, scores = np.round(gold, 3), np.round(scores * 1024) / 1024  # exact in float32

    def defined(x):
        return None if np.isnan(x) else float(x)

    cases.append({
        "kind": "regression", "scores": [[float(v)] for v in scores], "gold": gold.tolist(),
        "pearson": defined(stats.pearsonr(scores, gold)[0]), "spearman": defined(stats.spearmanr(scores, gold)[0]),
        "mse": metrics.mean_squared_error(gold, scores),
    })
path = pathlib.Path(__file__).with_name("goldens.json")
path.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
