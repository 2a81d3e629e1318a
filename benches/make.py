"""Writes what the benchmark measures on: data.npz and two ResNet-18, as ONNX and as PyTorch weights.

The images are synthetic but have classes, and the original is trained on them for a few steps, so
that features are not those of noise. The unlearned model is the original with noise on every
encoder weight and the head rows of the forget classes negated: no part of it equals the original's.
"""
import argparse
import warnings
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from resnet import CLASSES, ResNet18

FORGET = [0, 1]


def images(rng, prototypes, n):
    """Each a smooth pattern of its class, one of three, shifted and under noise; uint8 NCHW."""
    labels = rng.permutation(np.arange(n) % CLASSES)
    variants = rng.integers(0, prototypes.shape[1], n)
    x = prototypes[labels, variants]
    x = np.stack([np.roll(i, rng.integers(-4, 5, 2), (1, 2)) for i in x])
    x = 0.5 + 0.22 * (x * rng.uniform(0.3, 1.0, (n, 1, 1, 1)) + rng.normal(0, 1, x.shape))
    return (255 * x.clip(0, 1)).astype(np.uint8), labels.astype(np.int64)


def smooth_patterns(rng, shape):
    """Noise without its high frequencies, of unit variance."""
    spectrum = np.fft.rfft2(rng.normal(size=shape))
    spectrum[..., 5:-4, :] = 0
    spectrum[..., 5:] = 0
    x = np.fft.irfft2(spectrum, s=shape[-2:])
    return (x - x.mean((-1, -2), keepdims=True)) / x.std((-1, -2), keepdims=True)


def train(x, y, steps):
    net = ResNet18().train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=steps)
    for step in range(steps):
        rows = torch.randint(0, len(x), (64,))
        loss = F.cross_entropy(net(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    print(f"trained {steps} steps, last loss {loss.item():.2f}")
    return net.eval()


@torch.no_grad()
def unlearned(original):
    net = ResNet18()
    net.load_state_dict(original.state_dict())
    for name, weight in net.named_parameters():
        if not name.startswith("fc."):
            # A one-value deviation is undefined; no parameter here has fewer than 64.
            weight += 0.1 * weight.std() * torch.randn_like(weight)
    net.fc.weight[FORGET] *= -1
    return net.eval()


def export(net, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (torch.zeros(2, 3, 32, 32),), path, dynamo=False, opset_version=17,
                          input_names=["input"], output_names=["logits"],
                          dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fit", type=int, default=1500)
    parser.add_argument("--eval", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    torch.manual_seed(0)

    prototypes = smooth_patterns(rng, (CLASSES, 3, 3, 32, 32))
    x_train, y_train = images(rng, prototypes, options.fit)
    x_test, y_test = images(rng, prototypes, options.eval)
    np.savez(folder / "data.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)

    original = train(torch.from_numpy(x_train).float() / 255, torch.from_numpy(y_train), options.steps)
    for name, net in [("original", original), ("unlearned", unlearned(original))]:
        torch.save(net.state_dict(), folder / f"{name}.pt")
        export(net, folder / f"{name}.onnx")


if __name__ == "__main__":
    main()
