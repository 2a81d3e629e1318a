"""Writes heavy-tailed features, their labels and scikit-learn's predictions beside itself.

Columns: 12 features, the label, the prediction of a probe fitted on the first 200 rows (of
LogisticRegression(C=1.0), solved to 1e-10). The tails drive logits of different samples more than
34 apart (printed), where a log-sum-exp with one maximum for all samples goes wrong.
"""
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

rng = np.random.RandomState(6)
labels = rng.randint(0, 4, 400)
centers = rng.randn(4, 12)
x = np.sinh(2 * (centers[labels] + rng.randn(400, 12))).astype(np.float32)
scaler = StandardScaler().fit(x[:200].astype(np.float64))
z = scaler.transform(x.astype(np.float64))
model = LogisticRegression(C=1.0, tol=1e-10, max_iter=10000).fit(z[:200], labels[:200])
logits = model.decision_function(z[:200])
top = logits.max(1)
lse = top + np.log(np.exp(logits - top[:, None]).sum(1))
print("spread", lse.max() - lse.min(), "accuracy", model.score(z[200:], labels[200:]))
rows = np.column_stack([x, labels, model.predict(z)])
np.savetxt(Path(__file__).parent / "probe_golden.csv", rows, fmt="%.9g", delimiter=",")
