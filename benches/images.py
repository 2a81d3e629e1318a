"""Encoded images: peak memory of `audit compare` on a folder of 224 x 224 JPEGs, and whether decoding keeps
up with a ResNet-18. Models are built here with fresh weights; only speed and memory are of interest.

    python benches/images.py [--images 50000] [--threads 2]
"""
import argparse
import json
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).parent.parent
WORK = ROOT / "target/bench/images"


class Net:
    """A graph of Conv, Relu, Add and pooling, batch norm folded into the convolutions."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.weights, self.count = [], [], 0

    def weight(self, name, values):
        self.weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def node(self, kind, inputs, **attributes):
        self.count += 1
        name = f"{kind.lower()}{self.count}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def conv(self, x, cin, cout, k, stride):
        n = self.count
        w = self.rng.normal(0, (2 / (cin * k * k)) ** 0.5, (cout, cin, k, k))
        inputs = [x, self.weight(f"w{n}", w), self.weight(f"b{n}", np.zeros(cout))]
        return self.node("Conv", inputs, kernel_shape=[k, k], strides=[stride] * 2, pads=[k // 2] * 4)

    def block(self, x, cin, cout, stride):
        y = self.node("Relu", [self.conv(x, cin, cout, 3, stride)])
        y = self.conv(y, cout, cout, 3, 1)
        short = x if cin == cout else self.conv(x, cin, cout, 1, stride)
        # Halved, so that fresh weights don't make the features grow from block to block.
        half = self.node("Mul", [self.node("Add", [y, short]), self.half])
        return self.node("Relu", [half])

    def resnet18(self, path):
        self.half = self.weight("half", np.array(0.5))
        x = self.node("Relu", [self.conv("input", 3, 64, 7, 2)])
        x = self.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
        cin = 64
        for cout in (64, 128, 256, 512):
            for i in range(2):
                x = self.block(x, cin, cout, 2 if i == 0 and cout > 64 else 1)
                cin = cout
        x = self.node("Flatten", [self.node("GlobalAveragePool", [x])])
        head = [self.weight("head.w", self.rng.normal(0, 0.04, (10, 512))), self.weight("head.b", np.zeros(10))]
        self.nodes.append(helper.make_node("Gemm", [x, *head], ["scores"], name="head", transB=1))
        graph = helper.make_graph(
            self.nodes,
            "resnet18",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, 224, 224])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 10])],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def measured(command):
    """Seconds and peak resident MiB of a command; its stdout."""
    start = time.time()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True)
    peak = 0

    def watch():
        nonlocal peak
        while process.poll() is None:
            try:
                status = Path(f"/proc/{process.pid}/status").read_text()
            except OSError:
                return
            found = [line for line in status.splitlines() if line.startswith("VmHWM")]
            peak = max([peak, *(int(line.split()[1]) // 1024 for line in found)])
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    stdout, _ = process.communicate()
    watcher.join()
    if process.returncode > 1:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return time.time() - start, peak, stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    models = [WORK / f"resnet18-{seed}.onnx" for seed in (0, 1)]
    for seed, path in enumerate(models):
        Net(seed).resnet18(path)
    folder = WORK / f"jpeg-{options.images}"
    example = ROOT / "target/release/examples/images"
    if not (folder / "complete").exists():
        subprocess.run([example, "make", folder, str(options.images)], check=True)
        (folder / "complete").touch()
    feeding = json.loads(measured([example, "feed", folder])[2])
    command = [ROOT / "target/release/audit", "compare", *models, "--data", folder, "--forget-classes", "0"]
    command += ["--threads", options.threads, "--json", WORK / "report.json", "--html", WORK / "report.html", "--quiet"]
    seconds, peak, _ = measured(command)
    # Two models; the floor runs on some thousands besides.
    result = {
        "images": options.images,
        "feeding_images_per_second": feeding["images_per_second"],
        "headers_seconds": feeding["load_seconds"],
        "audit_seconds": round(seconds, 1),
        "audit_images_per_second_and_model": round(2 * options.images / seconds, 1),
        "audit_peak_mib": peak,
    }
    (WORK / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
