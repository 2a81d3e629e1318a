"""Writes the golden data of linear CKA beside itself: 100 x 10 each, seeded as published."""
from pathlib import Path

import numpy as np

np.random.seed(1337)
x = np.random.randn(100, 10)
y = np.random.randn(100, 10) + x
here = Path(__file__).parent
for name, array in (("x", x), ("y", y)):
    np.savetxt(here / f"cka_golden_{name}.csv", array, fmt="%.17g", delimiter=",")

# The values the Rust tests expect, computed from Gram matrices.
n = len(x)
h = np.eye(n) - 1 / n


def u_centred(k):
    k = k - np.diag(np.diag(k))
    m = k.sum(0) / (n - 2)
    m -= m.sum() / (2 * (n - 1))
    k = k - m[:, None] - m[None, :]
    return k - np.diag(np.diag(k))


for centring in (lambda k: h @ k @ h, u_centred):
    k, l = centring(x @ x.T), centring(y @ y.T)
    print((k * l).sum() / np.sqrt((k * k).sum() * (l * l).sum()))
