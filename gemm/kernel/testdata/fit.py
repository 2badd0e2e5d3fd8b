"""Fits the coefficients of elementary.go.

Versions: Python 3.11, numpy 1.26.4, scipy 1.17.1.

erf and tanh are odd, so x·P(x²)/Q(x²) is fitted on [0, limit], where the limit
is the point from which the function rounds to 1 in float32. exp is fitted on
half an octave as 1 + r + r²·P(r), and exp2 as 1 + r·P(r). Each fit minimises the largest relative error
by iteratively reweighted least squares (Lawson), in float64; the errors of the
float32 evaluation are what the Go tests bound.
"""
import numpy as np
from scipy.special import erf


def lawson(columns, target, scale, rounds=600):
    """Coefficients minimising max |columns·c - target| / scale."""
    weight = np.ones(len(target))
    best = None
    for _ in range(rounds):
        s = np.sqrt(weight) / scale
        c = np.linalg.lstsq(columns * s[:, None], target * s, rcond=None)[0]
        err = np.abs(columns @ c - target) / scale
        worst = err.max()
        if best is None or worst < best[0]:
            best = (worst, c)
        weight = weight * (np.sqrt(err / worst) + 1e-3)
        weight /= weight.sum()
    return best


def odd_rational(f, limit, dp, dq):
    n = 2000
    x = np.maximum(limit * (np.cos(np.pi * (np.arange(n) + 0.5) / n) / 2 + 0.5), 1e-9)
    y, t = f(x) / x, (x / limit) ** 2
    q = np.ones(n)
    for _ in range(8):  # the denominator of the last round weighs the next
        cols = np.stack([t**i for i in range(dp + 1)] + [-y * t**i for i in range(1, dq + 1)], 1)
        err, c = lawson(cols, y, np.abs(y) * q)
        p, d = c[: dp + 1], np.concatenate([[1.0], c[dp + 1 :]])
        q = np.abs(np.polyval(d[::-1], t))
    scale = limit**2
    return err, [v / scale**i for i, v in enumerate(p)], [v / scale**i for i, v in enumerate(d)]


def exponential(degree):
    n = 2000
    r = np.log(2) / 2 * 1.001 * np.cos(np.pi * (np.arange(n) + 0.5) / n)
    cols = np.stack([r ** (i + 2) for i in range(degree + 1)], 1)
    return lawson(cols, np.exp(r) - 1 - r, np.exp(r))


def power_of_two(degree):
    n = 2000
    r = 0.5 * 1.001 * np.cos(np.pi * (np.arange(n) + 0.5) / n)
    cols = np.stack([r ** (i + 1) for i in range(degree)], 1)
    return lawson(cols, 2**r - 1, 2**r)


def show(name, values):
    print(f"{name}: " + ", ".join(repr(float(np.float32(v))) for v in values))


for name, f, limit, dp, dq in (("erf", erf, 4.0, 5, 5), ("tanh", np.tanh, 9.0, 4, 4)):
    err, p, q = odd_rational(f, limit, dp, dq)
    print(f"{name}: largest relative error {err:.2e}")
    show("  numerator", p)
    show("  denominator", q)
err, p = exponential(4)
print(f"exp: largest relative error {err:.2e}")
show("  polynomial", p)
err, p = power_of_two(5)
print(f"exp2, 1 + r·P(r): largest relative error {err:.2e}")
show("  polynomial", p)
