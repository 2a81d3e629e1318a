#!/usr/bin/env python3
"""Writes the seeds in fuzz/corpus/: small sound files and small hostile ones.

Standard library only. `zipfile` writes members the way numpy.savez does (force_zip64), so the
sound .npz seeds have the bytes NumPy itself would write, apart from time stamps.
"""

import io
import pathlib
import struct
import zipfile

CORPUS = pathlib.Path(__file__).parent / "corpus"


def npy(descr, shape, data, fortran=False):
    dims = "".join(f"{d}, " for d in shape).strip()
    if len(shape) > 1:
        dims = dims.rstrip(",")
    header = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': ({dims}), }}"
    header += " " * (-(10 + len(header) + 1) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def npz(members, method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(f"{name}.npy")
            info.compress_type = method
            with archive.open(info, "w", force_zip64=True) as member:
                member.write(content)
    return buffer.getvalue()


def contract(**replaced):
    members = {
        "x_train": npy("|u1", (4, 1, 2, 2), bytes(range(16))),
        "y_train": npy("<i8", (4,), struct.pack("<4q", 0, 1, 0, 1)),
        "x_test": npy("<f4", (2, 1, 2, 2), struct.pack("<8f", *range(8))),
        "y_test": npy("<f8", (2,), struct.pack("<2d", 0, 1)),
    }
    return {**members, **replaced}


def npz_seeds():
    good = npz(contract())
    ids = npy("<i4", (2, 2), struct.pack("<4i", 1, 2, 3, 4))
    yield "contract", good
    yield "contract_deflated", npz(contract(), zipfile.ZIP_DEFLATED)
    yield "single_set", npz({"x": npy("<f2", (2, 1), b"\0\x3c\0\xc0"), "y": npy("|b1", (2,), b"\0\1")})
    yield "named_inputs", npz({"ids": ids, "mask": ids, "y": npy(">u2", (2,), b"\0\0\0\1")})
    yield "truncated", good[: len(good) // 2]
    yield "without_directory", good[: good.rindex(b"PK\x01\x02")]
    yield "empty", b""
    yield "a_single_npy", npy("<f4", (1,), bytes(4))
    yield "terabytes", npz(contract(x_train=npy("<f4", (1 << 40, 3, 32, 32), bytes(16))))
    yield "overflowing_shape", npz(contract(x_train=npy("<f8", (1 << 63, 1 << 63), bytes(16))))
    yield "header_bomb", npz(contract(x_train=b"\x93NUMPY\x02\x00\xff\xff\xff\xff{"))
    yield "nested_brackets", npz(contract(x_train=b"\x93NUMPY\x01\x00\x00\x04" + b"(" * 1024))
    yield "pickle", npz(contract(y_train=npy("|O", (1,), b"cposix\nsystem\n(S'true'\ntR.")))
    yield "fortran", npz(contract(x_test=npy("<f4", (2, 2), bytes(16), fortran=True)))
    yield "not_a_number", npz(contract(x_test=npy("<f4", (2, 1), struct.pack("<2f", 0, float("nan")))))
    yield "bad_labels", npz(contract(y_test=npy("<f8", (2,), struct.pack("<2d", 0.5, -1))))
    yield "zip_bomb", npz(contract(x_train=npy("|u1", (1 << 21,), bytes(1 << 21))), zipfile.ZIP_DEFLATED)
    members = dict(contract(), twice_a=b"", twice_b=b"")
    yield "duplicate_names", npz(members).replace(b"twice_b", b"twice_a")
    # A zip64 record that claims 2^64-1 members.
    eocd = good.rindex(b"PK\x05\x06")
    size, offset = struct.unpack("<II", good[eocd + 12 : eocd + 20])
    claims = (1 << 64) - 1
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, claims, claims, size, offset)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, eocd, 1)
    yield "zip64_claims", good[:eocd] + record + locator + good[eocd:]


def varint(n):
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    """One protobuf field: integers as varints, everything else length-delimited."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def value_info(name, dims):
    shape = b"".join(field(1, field(1, d) if isinstance(d, int) else field(2, d)) for d in dims)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))


def tensor(name, dims, raw):
    return b"".join(field(1, d) for d in dims) + field(2, 1) + field(8, name) + field(9, raw)


def model(weights):
    """Gemm with a 2 x 3 weight; `weights` is the initializer."""
    node = field(1, "x") + field(1, "w") + field(2, "y") + field(3, "head") + field(4, "Gemm")
    graph = field(1, node) + field(2, "g") + field(5, weights)
    graph += field(11, value_info("x", ["batch", 2])) + field(12, value_info("y", ["batch", 3]))
    return field(1, 8) + field(2, "make_corpus") + field(7, graph) + field(8, field(1, "") + field(2, 17))


def onnx_seeds():
    good = model(tensor("w", (2, 3), struct.pack("<6f", *range(6))))
    yield "gemm", good
    yield "truncated", good[: len(good) // 2]
    yield "empty", b""
    yield "text", b"not a model\n"
    yield "short_weights", model(tensor("w", (2, 3), b"\0\0"))
    yield "terabytes", model(tensor("w", (1 << 40, 1 << 10), bytes(8)))
    yield "overflowing_dims", model(tensor("w", (1 << 62, 1 << 62), bytes(8)))
    yield "negative_dims", model(tensor("w", ((1 << 64) - 1, 3), bytes(8)))
    yield "length_bomb", b"\x3a" + varint((1 << 63) - 1) + b"\0" * 8
    yield "endless_varint", b"\xff" * 64
    location = field(13, field(1, "location") + field(2, "../../../etc/passwd")) + field(14, 1)
    yield "external_path", model(tensor("w", (2, 3), b"") + location)
    nested = b""
    for _ in range(130):
        # GraphProto in AttributeProto.g in NodeProto.attribute in GraphProto.node.
        nested = field(1, field(4, "If") + field(5, field(1, "then_branch") + field(6, nested) + field(20, 5)))
    yield "nested_graphs", field(1, 8) + field(7, nested)


for kind, seeds in (("npz", npz_seeds()), ("onnx", onnx_seeds())):
    folder = CORPUS / kind
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in seeds:
        if len(content) > 4096:
            raise SystemExit(f"{kind}/{name} has {len(content)} bytes, more than a seed should")
        (folder / name).write_bytes(content)
