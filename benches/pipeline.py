"""The usual Python pipeline for what `audit compare` measures: PyTorch hooks, torch_cka,
scikit-learn, NumPy.

Written as one would for a paper: each library is used as its documentation says, loops are over
models, layers, classes and draws, and arrays do the rest. Features are pooled inside the hook, so
no full map outlives its batch. Writes its figures as JSON.
"""
import json
import sys
import warnings

import numpy as np
import torch
from scipy.spatial.distance import cdist
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset
from torch_cka import CKA

from resnet import CLASSES, LAYERS, ResNet18

BATCH = 64
SHOTS = [1, 3, 5]
DRAWS = 100
RESAMPLES = 1000
FORGET = [0, 1]


def load_model(path=None):
    net = ResNet18()
    if path:
        net.load_state_dict(torch.load(path))
    return net.eval()


def loader(x, y):
    return DataLoader(TensorDataset(torch.from_numpy(x).float() / 255, torch.from_numpy(y)), batch_size=BATCH)


@torch.no_grad()
def features(net, batches):
    """Pooled features by layer, and scores."""
    collected = {name: [] for name in LAYERS}
    hooks = [
        module.register_forward_hook(lambda _, __, out, name=name: collected[name].append(out.mean((2, 3))))
        for name, module in net.named_modules() if name in collected
    ]
    scores = torch.cat([net(x) for x, _ in batches])
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(parts).numpy() for name, parts in collected.items()}, scores.numpy()


@torch.no_grad()
def cka(original, unlearned, batches):
    """Of every layer with itself in the other model; torch_cka returns all pairs of layers."""
    comparison = CKA(original, unlearned, model1_name="original", model2_name="unlearned",
                     model1_layers=LAYERS, model2_layers=LAYERS)
    comparison.compare(batches)
    return comparison.export()["CKA"].diagonal().tolist()


def interval(values, rng):
    means = values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(1)
    return np.percentile(means, [2.5, 97.5]).tolist()


def recovered_fraction(original, unlearned, floor, rng):
    rows = rng.integers(0, len(original), (RESAMPLES, len(original)))
    o, u, f = (c[rows].mean(1) for c in (original, unlearned, floor))
    return np.percentile((u - f) / np.maximum(o - f, 0.02), [2.5, 97.5]).tolist()


def few_shot(fit, y_fit, test, y_test, rng):
    """Success of each test sample at each k: its class's centre comes from k samples."""
    centers = np.stack([fit[y_fit == c].mean(0) for c in range(CLASSES)])
    success = np.zeros((len(SHOTS), len(test)))
    for c in range(CLASSES):
        known, asked = np.flatnonzero(y_fit == c), y_test == c
        for i, k in enumerate(SHOTS):
            for _ in range(DRAWS):
                moved = centers.copy()
                moved[c] = fit[rng.choice(known, k, replace=False)].mean(0)
                success[i, asked] += cdist(test[asked], moved).argmin(1) == c
    return success / DRAWS


def few_shot_effect(before, after, y, rng):
    """Change of the forget classes beyond that of the retain classes, in units of their spread."""
    retain = [c for c in range(CLASSES) if c not in FORGET]
    by_class = lambda s: np.array([s[y == c].mean() for c in range(CLASSES)])
    spread = max(0.05, np.sqrt((by_class(before)[retain].var(ddof=1) + by_class(after)[retain].var(ddof=1)) / 2))
    change = after - before
    resampled = np.stack([
        (d := change[y == c])[rng.integers(0, len(d), (RESAMPLES, len(d)))].mean(1) for c in range(CLASSES)
    ], axis=1)
    chosen = rng.choice(retain, (RESAMPLES, len(retain)))
    retained = np.take_along_axis(resampled, chosen, 1).mean(1)
    effects = (resampled[:, FORGET].mean(1) - retained) / spread
    value = (by_class(change)[FORGET].mean() - by_class(change)[retain].mean()) / spread
    return {"value": value, "ci": np.percentile(effects, [2.5, 97.5]).tolist()}


def spread(x, forget):
    """Share of the variance the forget samples keep, and its effective number of directions."""
    covariance = np.cov(x[forget], rowvar=False, bias=True)
    shares = np.linalg.eigvalsh(covariance)
    shares = shares[shares > 0] / shares[shares > 0].sum()
    return {"relative_trace": np.trace(covariance) / x.var(0).sum(), "rank": np.exp(-(shares * np.log(shares)).sum())}


def misalignment(fit, y_fit, rows):
    means = np.stack([fit[y_fit == c].mean(0) for c in range(CLASSES)]) - fit.mean(0)
    cosines = (means * rows).sum(1) / np.linalg.norm(means, axis=1) / np.linalg.norm(rows, axis=1)
    return (1 - cosines).tolist()


def main():
    folder, threads, target = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    with np.load(f"{folder}/data.npz") as data:
        x_train, y_train, x_test, y_test = (data[k] for k in ("x_train", "y_train", "x_test", "y_test"))
    forget = np.isin(y_test, FORGET)
    models = {
        "original": load_model(f"{folder}/original.pt"),
        "unlearned": load_model(f"{folder}/unlearned.pt"),
        "floor": load_model(),
    }
    fit = {name: features(net, loader(x_train, y_train)) for name, net in models.items()}
    test = {name: features(net, loader(x_test, y_test)) for name, net in models.items()}

    similarity = {
        side: cka(models["original"], models["unlearned"], loader(x_test[rows], y_test[rows]))
        for side, rows in [("forget", forget), ("retain", ~forget)]
    }

    layers = []
    for place, name in enumerate(LAYERS):
        layer = {"cka": {side: values[place] for side, values in similarity.items()}, "probe": {}}
        correct, success = {}, {}
        for model in models:
            x, x_new = fit[model][0][name], test[model][0][name]
            probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, y_train)
            right = probe.predict(x_new) == y_test
            correct[model] = right[forget]
            layer["probe"][model] = {"forget_accuracy": right[forget].mean(), "retain_accuracy": right[~forget].mean(),
                                     "forget_ci": interval(right[forget], rng)}
            if model == "floor":
                continue
            right = NearestCentroid().fit(x, y_train).predict(x_new) == y_test
            layer.setdefault("nearest_center", {})[model] = {
                "forget_accuracy": right[forget].mean(), "retain_accuracy": right[~forget].mean()}
            success[model] = few_shot(x, y_train, x_new, y_test, rng)
            layer.setdefault("few_shot", {})[model] = {
                "forget": success[model][:, forget].mean(1).tolist(), "retain": success[model][:, ~forget].mean(1).tolist()}
            layer.setdefault("spread", {})[model] = spread(x_new, forget)
        layer["recovered_fraction"] = recovered_fraction(*correct.values(), rng)
        layer["few_shot"]["effect"] = few_shot_effect(success["original"][0], success["unlearned"][0], y_test, rng)
        layers.append(layer)

    head = {}
    for model in ("original", "unlearned"):
        x = fit[model][0][LAYERS[-1]]
        centers = NearestCentroid().fit(x, y_train).predict(test[model][0][LAYERS[-1]])
        disagree = test[model][1].argmax(1) != centers
        head[model] = {"misalignment": misalignment(x, y_train, models[model].fc.weight.detach().numpy()),
                       "mismatch": {"forget": disagree[forget].mean(), "retain": disagree[~forget].mean()}}
    with open(target, "w") as file:
        json.dump({"layers": layers, "head": head}, file, indent=1)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", module="torch_cka")
    main()
