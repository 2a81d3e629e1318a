"""Times training steps in PyTorch on the CPU: forward, cross-entropy, backward, SGD with momentum.

The networks are what the exporter leaves of them, BatchNormalization folded into the convolutions,
so that PyTorch and the Rust trainer, which reads them with --export-only, do the same arithmetic.
Every model runs in a process of its own; printed are, as JSON, the median of the steps' wall
seconds, all of them, the mean of their CPU seconds, and that process's peak resident memory, after
the imports and in all.
"""
import argparse
import json
import logging
import multiprocessing
import resource
import statistics
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from torch import nn
from torch.fx.experimental.optimization import fuse
from torch.nn import functional as F
from torchvision.models import MobileNetV2, VisionTransformer

from resnet import CLASSES, ResNet18

WARM_UP = 2
MODELS = {
    "resnet18": ResNet18,
    "mobilenet_v2": lambda: MobileNetV2(num_classes=CLASSES, width_mult=0.5, dropout=0),
    "vit": lambda: VisionTransformer(image_size=32, patch_size=4, num_layers=6, num_heads=3, hidden_dim=192,
                                     mlp_dim=768, num_classes=CLASSES),
}


def build(name):
    """As a trained network would be: no two tensors equal, normalised on its data, then folded."""
    torch.manual_seed(0)
    net = MODELS[name]().train()
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.no_grad():
        for p in net.parameters():
            # The exporter lets equal vectors share one initializer.
            p += 0.02 * torch.randn_like(p)
        for m in norms:
            # Statistics of one batch as they are, not averaged into the initial ones.
            m.momentum = 1.0
        net(torch.randn(64, 3, 32, 32))
    # Folding leaves biases that are not trained, the Rust trainer trains them.
    return (fuse(net.eval()) if norms else net).requires_grad_(True)


def export(folder, name):
    folder.mkdir(parents=True, exist_ok=True)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    torch.onnx.export(build(name), (torch.zeros(2, 3, 32, 32),), folder / f"{name}.onnx", dynamo=False,
                      opset_version=17, input_names=["input"], output_names=["logits"],
                      dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}})


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name, options):
    imported = peak_mib()
    torch.set_num_threads(options.threads)
    # PyTorch's faster layout here: up to twice as fast for MobileNet.
    net = build(name).train().to(memory_format=torch.channels_last)
    x = torch.randn(options.batch, 3, 32, 32).to(memory_format=torch.channels_last)
    y = torch.randint(CLASSES, (options.batch,))
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    seconds = []
    for step in range(WARM_UP + options.steps):
        if step == WARM_UP:
            cpu = time.process_time()
        started = time.perf_counter()
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - started)
    if not loss.isfinite():
        raise ValueError(f"{name}: the loss is {loss.item()}")
    return {
        "step_seconds": statistics.median(seconds[WARM_UP:]),
        "cpu_seconds": (time.process_time() - cpu) / options.steps,
        "all_seconds": seconds[WARM_UP:],
        "imported_mib": imported,
        "peak_mib": peak_mib(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), help="all of them")
    parser.add_argument("--steps", type=int, default=5, help=f"timed, after {WARM_UP} to warm up [5]")
    parser.add_argument("--batch", type=int, default=64, help="samples a step [64]")
    parser.add_argument("--threads", type=int, default=2, help="[2]")
    parser.add_argument("--export-only", type=Path, metavar="DIR", help="write DIR/MODEL.onnx and time nothing")
    options = parser.parse_args()
    if options.export_only:
        for name in options.models:
            export(options.export_only, name)
        return
    results = {}
    for name in options.models:
        # A forked child would count what the parent holds.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            results[name] = pool.submit(measure, name, options).result()
    facts = {"torch": torch.__version__, "threads": options.threads, "batch": options.batch}
    print(json.dumps({**facts, "models": results}, indent=1))


if __name__ == "__main__":
    main()
