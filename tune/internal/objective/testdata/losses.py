"""Writes losses.json: PyTorch's losses and their gradients for the logits.

Made with PyTorch 2: python losses.py > losses.json
"""
import json

import torch
import torch.nn.functional as F

N, K = 6, 4
logits = [[((i * 7 + j * 5) % 11 - 5) / 2 for j in range(K)] for i in range(N)]
teacher = [[((i * 3 + j * 8) % 13 - 6) / 3 for j in range(K)] for i in range(N)]
classes = [i * 3 % K for i in range(N)]
flags = [[float((i + j) % 3 == 0) for j in range(K)] for i in range(N)]
values = [(i - 2) / 3 for i in range(N)]
class_weights = [0.5, 2.0, 1.0, 3.0]
weights = [1.0, 2.0, 0.5, 1.0, 3.0, 0.25]


def case(name, problem, f, **options):
    k = 1 if problem == "regression" else K
    x = torch.tensor([row[:k] for row in logits], requires_grad=True)
    loss = f(x)
    loss.backward()
    return {"name": name, "problem": problem, "loss": loss.item(), "gradient": x.grad.flatten().tolist(), **options}


y, cw, w, z = torch.tensor(classes), torch.tensor(class_weights), torch.tensor(weights), torch.tensor(teacher)
t, v = torch.tensor(flags), torch.tensor(values)[:, None]


def weighted_ce(x):
    each = F.cross_entropy(x, y, weight=cw, reduction="none", label_smoothing=0.1)
    return (w * each).sum() / (w * cw[y]).sum()


def distil(x):
    soft = F.kl_div(F.log_softmax(x / 2, -1), F.softmax(z / 2, -1), reduction="batchmean") * 4
    return 0.25 * F.cross_entropy(x, y) + 0.75 * soft


def distil_labels(x):
    p, q = torch.sigmoid(z / 2), torch.sigmoid(x / 2)
    soft = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean() * 4
    return 0.25 * F.binary_cross_entropy_with_logits(x, t) + 0.75 * soft


single, multi = "single_label_classification", "multi_label_classification"
print(json.dumps([
    case("cross entropy", single, lambda x: F.cross_entropy(x, y)),
    case("smoothing", single, lambda x: F.cross_entropy(x, y, label_smoothing=0.1), smoothing=0.1),
    case("class weights and smoothing", single, lambda x: F.cross_entropy(x, y, weight=cw, label_smoothing=0.1), class_weights=class_weights, smoothing=0.1),
    case("all weights", single, weighted_ce, class_weights=class_weights, smoothing=0.1, weights=weights),
    case("binary", multi, lambda x: F.binary_cross_entropy_with_logits(x, t)),
    case("binary, class weights", multi, lambda x: F.binary_cross_entropy_with_logits(x, t, pos_weight=cw), class_weights=class_weights),
    case("binary, smoothing", multi, lambda x: F.binary_cross_entropy_with_logits(x, t * 0.8 + 0.1), smoothing=0.2),
    case("squares", "regression", lambda x: F.mse_loss(x, v)),
    case("squares, weights", "regression", lambda x: (w[:, None] * (x - v) ** 2).sum() / w.sum(), weights=weights),
    case("teacher", single, distil, teacher_share=0.75),
    case("teacher of several labels", multi, distil_labels, teacher_share=0.75),
    case("teacher of a regression", "regression", lambda x: F.mse_loss(x, z[:, :1]), teacher_share=1.0),
]))
