"""Plain inference with ONNX Runtime from Python: two models over all samples, only scores read.

Prints the seconds spent on imports, which a Rust process doesn't have.
"""
import sys
import time

started = time.perf_counter()

import numpy as np
import onnxruntime

imported = time.perf_counter()

BATCH = 64


def main():
    data, threads, *models = sys.argv[1:]
    with np.load(data) as arrays:
        samples = [arrays["x_train"], arrays["x_test"]]
    for model in models:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(threads)
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        scores = []
        for x in samples:
            for start in range(0, len(x), BATCH):
                batch = x[start:start + BATCH].astype(np.float32) / np.float32(255)
                scores.append(session.run(None, {name: batch})[0])
        print(f"{len(np.concatenate(scores))} scores", file=sys.stderr)
    print(f"{imported - started:.3f}")


if __name__ == "__main__":
    main()
