"""Has ONNX check every model that tests/test_models.rs trained: check_models.py FOLDER

Each must be valid and differ from the original in nothing but the values of tensors.
"""
import json
import sys
from pathlib import Path

import onnx


def without_values(path):
    """The model with the values of all tensors taken out."""
    model = onnx.load(path, load_external_data=False)
    tensors = list(model.graph.initializer)
    tensors += [a.t for n in model.graph.node if n.op_type == "Constant" for a in n.attribute if a.name == "value"]
    for tensor in tensors:
        for field in ("raw_data", "float_data", "external_data"):
            tensor.ClearField(field)
    return model.SerializeToString(deterministic=True)


def main():
    folder = Path(sys.argv[1])
    names = json.loads((folder / "manifest.json").read_text())
    for name in names:
        original, trained = folder / f"{name}.onnx", folder / "trained" / f"{name}.onnx"
        onnx.checker.check_model(str(trained), full_check=True)
        if without_values(original) != without_values(trained):
            sys.exit(f"{trained} differs from the original in more than values")
    print(f"{len(names)} trained models are valid")


if __name__ == "__main__":
    main()
