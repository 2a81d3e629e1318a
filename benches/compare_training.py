"""Times training steps of the Rust trainer and of PyTorch in turn, on the same networks.

Rust reads what training.py exports and runs examples/train.rs; every run is a process of its own
with the same number of threads. Told are medians over rounds, and the median of the rounds' ratios:
of a step's wall seconds, its CPU seconds (which other load on the machine disturbs less), and
peak resident memory. PyTorch's peak counts what importing it takes; that part is told too.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
MODELS = ["resnet18", "mobilenet_v2", "vit"]
SCRIPT = HERE / "training.py"


def run(command):
    # Threads of OpenMP that wait for work would count as CPU time.
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    command = [str(c) for c in command]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout)


def prepare(folder):
    """Exports the networks unless they are there as the script makes them."""
    stamp = folder / "made.txt"
    if not stamp.exists() or stamp.read_text() != SCRIPT.read_text():
        print("exporting networks", flush=True)
        subprocess.run([sys.executable, SCRIPT, "--export-only", folder], check=True)
        stamp.write_text(SCRIPT.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="[3]")
    parser.add_argument("--steps", type=int, default=10, help="timed steps in each run [10]")
    parser.add_argument("--batch", type=int, default=64, help="samples a step [64]")
    parser.add_argument("--threads", type=int, default=2, help="for both [2]")
    options = parser.parse_args()
    folder = ROOT / "target" / "bench" / "training"
    folder.mkdir(parents=True, exist_ok=True)
    prepare(folder)

    runs = {model: {"rust": [], "torch": []} for model in MODELS}
    for round in range(options.rounds):
        for model in MODELS:
            print(f"round {round + 1} of {options.rounds}: {model}", flush=True)
            rust = [RELEASE / "examples" / "train", folder / f"{model}.onnx", options.batch, options.steps,
                    options.threads]
            torch = [sys.executable, SCRIPT, "--models", model, "--batch", options.batch, "--steps", options.steps,
                     "--threads", options.threads]
            runs[model]["rust"].append(run(rust))
            runs[model]["torch"].append(run(torch)["models"][model])

    print(f"\none training step, batch {options.batch}, {options.threads} threads; ratios are Rust / PyTorch\n")
    print(f"{'':14}{'wall ms':>17}{'ratio':>7}{'CPU ms':>17}{'ratio':>7}{'peak MiB':>17}{'ratio':>7}{'imports':>9}")
    print(f"{'':14}{'Rust  PyTorch':>17}{'':7}{'Rust  PyTorch':>17}{'':7}{'Rust  PyTorch':>17}{'':7}{'MiB':>9}")
    for model, sides in runs.items():
        line = f"{model:14}"
        for key, factor in (("step_seconds", 1000), ("cpu_seconds", 1000), ("peak_mib", 1)):
            ours, theirs = ([r[key] * factor for r in sides[side]] for side in ("rust", "torch"))
            ratio = statistics.median(a / b for a, b in zip(ours, theirs))
            line += f"{statistics.median(ours):8.0f}{statistics.median(theirs):9.0f}{ratio:7.2f}"
        print(line + f"{statistics.median(r['imported_mib'] for r in sides['torch']):9.0f}")
    (folder / "result.json").write_text(json.dumps(runs, indent=1))


if __name__ == "__main__":
    main()
