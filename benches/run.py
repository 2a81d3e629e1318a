"""Times `audit compare`, plain inference and the usual Python pipeline on the same models and data.

Every measurement is a whole process: wall time, CPU time (user and system, which other load on the
machine disturbs less) and peak resident memory, as the kernel reports them for that child. The
short ones are run in turn, round after round; told are medians, and those of the rounds' ratios.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"


def measure(command, log):
    """Runs to the end and returns wall seconds, CPU seconds, peak MiB and what went to stdout."""
    with open(log, "w") as err:
        started = time.perf_counter()
        child = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=err, text=True)
        out = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{command[0]} ended with {child.returncode}:\n{Path(log).read_text()[-2000:]}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss / 1024, "out": out}


def prepare(folder, options):
    """Makes models and data unless they are there for the same sizes."""
    wanted = {"fit": options.fit, "eval": options.eval, "make": (HERE / "make.py").read_text()}
    stamp = folder / "made.json"
    if stamp.exists() and json.loads(stamp.read_text()) == wanted:
        return
    print("making models and data", flush=True)
    command = [sys.executable, HERE / "make.py", folder, "--fit", options.fit, "--eval", options.eval]
    subprocess.run([str(c) for c in command], check=True)
    stamp.write_text(json.dumps(wanted))


def differences(folder):
    """Largest differences of accuracies between the two reports: both must do the same work."""
    ours = json.loads((folder / "audit.json").read_text())["layers"]
    theirs = json.loads((folder / "python.json").read_text())["layers"]
    if len(ours) != len(theirs):
        sys.exit(f"audit tapped {len(ours)} layers, the Python pipeline {len(theirs)}")
    return {
        key: max(abs(a[key][model][f"{side}_accuracy"] - b[key][model][f"{side}_accuracy"])
                 for a, b in zip(ours, theirs)
                 for model in ("original", "unlearned") for side in ("forget", "retain"))
        for key in ("probe", "nearest_center")
    }


def ratio(runs, to, key):
    """Median over rounds; of something run in rounds of its own, the ratio of the medians."""
    if len(runs) == len(to):
        return statistics.median(a[key] / b[key] for a, b in zip(runs, to))
    return statistics.median(r[key] for r in runs) / statistics.median(r[key] for r in to)


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    packages = ("onnxruntime", "torch", "torch_cka", "scikit-learn", "numpy")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (f"{names[0] if names else platform.processor()}, {cores} cores, {platform.system()} {platform.release()}; "
            f"Python {platform.python_version()}, " + ", ".join(f"{p} {version(p)}" for p in packages))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fit", type=int, default=1500, help="training samples [1500]")
    parser.add_argument("--eval", type=int, default=1000, help="test samples [1000]")
    parser.add_argument("--rounds", type=int, default=3, help="runs of everything but the pipeline [3]")
    parser.add_argument("--pipeline-rounds", type=int, default=1, help="runs of the Python pipeline [1]")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads for everyone [all cores]")
    options = parser.parse_args()
    folder = ROOT / "target" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    prepare(folder, options)

    data, models = folder / "data.npz", [folder / "original.onnx", folder / "unlearned.onnx"]
    audit = [RELEASE / "audit", "compare", *models, "--data", data, "--forget-classes", "0,1", "--batch-size", 64,
             "--threads", options.threads, "--json", folder / "audit.json", "--html", folder / "audit.html",
             "--device", "cpu", "--exit-zero", "--quiet"]
    commands = {
        "plain inference, Rust": [RELEASE / "examples" / "infer", data, options.threads, *models],
        "plain inference, Python": [sys.executable, HERE / "plain.py", data, options.threads, *models],
        "audit compare": audit,
    }
    pipeline = "Python pipeline"
    runs = {name: [] for name in [*commands, pipeline]}
    for round in range(options.rounds):
        for name, command in commands.items():
            print(f"round {round + 1} of {options.rounds}: {name}", flush=True)
            runs[name].append(measure(command, folder / "log.txt"))
    for round in range(options.pipeline_rounds):
        print(f"round {round + 1} of {options.pipeline_rounds}: {pipeline}", flush=True)
        command = [sys.executable, HERE / "pipeline.py", folder, options.threads, folder / "python.json"]
        runs[pipeline].append(measure(command, folder / "log.txt"))

    middle = {
        name: {key: statistics.median(run[key] for run in done) for key in ("wall", "cpu", "peak")}
        for name, done in runs.items() if done
    }
    imports = statistics.median(float(run["out"]) for run in runs["plain inference, Python"])
    total = options.fit + options.eval
    print(f"\n{machine()}")
    print(f"ResNet-18, 32x32, {total} samples ({options.fit} fit, {options.eval} eval), two models, batch 64, "
          f"{options.threads} threads, no reference\n")
    print(f"{'':26}{'wall s':>9}{'CPU s':>9}{'peak MiB':>10}{'wall':>9}{'CPU':>7}")
    print(f"{'':54}{'x plain inference, Rust':>26}")
    for name, m in middle.items():
        wall, cpu = (ratio(runs[name], runs["plain inference, Rust"], key) for key in ("wall", "cpu"))
        print(f"{name:26}{m['wall']:9.1f}{m['cpu']:9.1f}{m['peak']:10.0f}{wall:9.2f}{cpu:7.2f}")
    print(f"\nimports of plain inference in Python: {imports:.2f} s")
    if pipeline in middle:
        ours, theirs = middle["audit compare"], middle[pipeline]
        print(f"Python pipeline / audit: wall {theirs['wall'] / ours['wall']:.1f}, CPU {theirs['cpu'] / ours['cpu']:.1f}, "
              f"peak memory {theirs['peak'] / ours['peak']:.1f}")
        for key, difference in differences(folder).items():
            print(f"largest difference of an accuracy ({key.replace('_', ' ')}): {100 * difference:.1f} points")
    (folder / "result.json").write_text(json.dumps(runs, indent=1))


if __name__ == "__main__":
    main()
