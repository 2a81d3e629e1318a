"""Exports small networks with random weights for tests of the trainer: test_models.py OUT_DIR

Structurally true to their families, written by both of PyTorch's exporters as
`<family>-old.onnx` and `<family>-new.onnx` with the same weights, the batch
dimension free; about a minute on one core. Besides these:

*-keep-bn        BatchNormalization stays a node of its own (PyTorch would fold it)
*-opset14, -11   LayerNormalization in parts; in 11 also axes as attributes
*-external       the weights lie in another file

manifest.json lists, per model, its file, its inputs (dimension "batch" is free;
integers lie in `range`, end excluded) and the number of the network's trainable
parameters; the file has another number where normalisation or tables were folded.
Versions: requirements-models.txt. scripts/test-models prepares them and calls this.
"""
import json
import logging
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.convnext import CNBlockConfig, ConvNeXt
from torchvision.models.densenet import DenseNet
from torchvision.models.efficientnet import EfficientNet, MBConvConfig
from torchvision.models.mobilenetv2 import MobileNetV2
from torchvision.models.mobilenetv3 import mobilenet_v3_small
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.models.swin_transformer import SwinTransformer
from torchvision.models.vgg import make_layers
from torchvision.models.vision_transformer import VisionTransformer

CLASSES = 10
TOKENS, VOCABULARY = 16, 120
FLOATS, CATEGORIES, LEVELS = 10, 3, 7


def shortcut(cin, cout, stride):
    return nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))


def resnet():
    """torchvision's constructor has no narrow network; its blocks are used, the last one grouped."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 7, 2, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1),
        BasicBlock(16, 16), BasicBlock(16, 32, 2, shortcut(16, 32, 2)),
        Bottleneck(32, 16, 2, shortcut(32, 64, 2), groups=4, base_width=32), Bottleneck(64, 16),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, CLASSES))


def vgg():
    """torchvision's own classifier would weigh 500 MB; the same with fewer neurons."""
    return nn.Sequential(
        make_layers([16, 16, "M", 32, 32, "M", 64, "M"], batch_norm=True), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Linear(256, 64), nn.ReLU(True), nn.Dropout(), nn.Linear(64, 64), nn.ReLU(True), nn.Dropout(),
        nn.Linear(64, CLASSES))


def densenet():
    return DenseNet(growth_rate=8, block_config=(2, 3, 2), num_init_features=16, bn_size=2, num_classes=CLASSES)


def mobilenet_v2():
    return MobileNetV2(num_classes=CLASSES, width_mult=0.25)


def mobilenet_v3():
    return mobilenet_v3_small(num_classes=CLASSES, width_mult=0.5)


def efficientnet():
    """b0's seven stages, at a quarter of its width and one or two blocks each."""
    stages = [(1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 1),
              (6, 5, 1, 80, 112, 1), (6, 5, 2, 112, 192, 2), (6, 3, 1, 192, 320, 1)]
    return EfficientNet([MBConvConfig(*s, width_mult=0.25) for s in stages], dropout=0.2, num_classes=CLASSES)


def convnext():
    return ConvNeXt([CNBlockConfig(16, 32, 2), CNBlockConfig(32, 48, 2), CNBlockConfig(48, None, 1)],
                    num_classes=CLASSES)


def vit():
    return VisionTransformer(image_size=32, patch_size=8, num_layers=2, num_heads=4, hidden_dim=32, mlp_dim=64,
                             num_classes=CLASSES)


def swin():
    """Both shifted windows and, at the second stage's 8x8, windows that fit without padding."""
    return SwinTransformer([2, 2], embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=[4, 4],
                           num_classes=CLASSES)


class MixerBlock(nn.Module):
    def __init__(self, tokens, dim):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.mix = nn.ModuleList(nn.Sequential(nn.Linear(n, 2 * n), nn.GELU(), nn.Linear(2 * n, n))
                                 for n in (tokens, dim))

    def forward(self, x):
        x = x + self.mix[0](self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        return x + self.mix[1](self.norms[1](x))


class Mixer(nn.Module):
    """MLP-Mixer (Tolstikhin et al. 2021)."""

    def __init__(self, dim=32):
        super().__init__()
        self.patch = nn.Conv2d(3, dim, 8, 8)
        self.blocks = nn.Sequential(*(MixerBlock(16, dim) for _ in range(2)))
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, CLASSES)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.patch(x).flatten(2).transpose(1, 2))).mean(1))


class Masked(nn.Module):
    """Token and position embeddings, an encoder, the mean over tokens that are there."""

    def __init__(self, dim=32):
        super().__init__()
        self.words, self.places = nn.Embedding(VOCABULARY, dim), nn.Embedding(TOKENS, dim)
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, CLASSES)
        self.register_buffer("position_ids", torch.arange(TOKENS)[None])

    def forward(self, input_ids, attention_mask):
        places = self.places(self.position_ids[:, : input_ids.shape[1]])
        x = self.encode(self.norm(self.words(input_ids) + places), attention_mask)
        weight = attention_mask.unsqueeze(-1).to(x.dtype)
        return self.head(torch.tanh((x * weight).sum(1) / weight.sum(1).clamp(min=1e-9)))


class BertLayer(nn.Module):
    """As in BERT: attention written out, an additive mask, norms behind the sums."""

    def __init__(self, dim, heads):
        super().__init__()
        self.heads, self.size = heads, dim // heads
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))
        self.up, self.down = nn.Linear(dim, 2 * dim), nn.Linear(2 * dim, dim)
        self.norms = nn.ModuleList(nn.LayerNorm(dim, eps=1e-12) for _ in range(2))

    def split(self, x):
        return x.view(*x.shape[:-1], self.heads, self.size).permute(0, 2, 1, 3)

    def forward(self, x, mask):
        q, k, v = (self.split(f(x)) for f in (self.query, self.key, self.value))
        a = F.softmax(q @ k.transpose(-1, -2) / self.size**0.5 + mask, -1) @ v
        x = self.norms[0](x + self.out(a.permute(0, 2, 1, 3).contiguous().view(x.shape)))
        return self.norms[1](x + self.down(F.gelu(self.up(x))))


class Bert(Masked):
    def __init__(self, dim=32):
        super().__init__(dim)
        self.layers = nn.ModuleList(BertLayer(dim, 4) for _ in range(2))

    def encode(self, x, attention_mask):
        mask = (1 - attention_mask[:, None, None, :].to(x.dtype)) * torch.finfo(x.dtype).min
        for layer in self.layers:
            x = layer(x, mask)
        return x


class TorchEncoder(Masked):
    """The same with PyTorch's own layers: fused attention, a boolean mask, norms before."""

    def __init__(self, dim=32):
        super().__init__(dim)
        layer = nn.TransformerEncoderLayer(dim, 4, 2 * dim, activation="relu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def encode(self, x, attention_mask):
        return self.layers(x, src_key_padding_mask=attention_mask == 0)


class Tabular(nn.Module):
    def __init__(self):
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(LEVELS, 4) for _ in range(CATEGORIES))
        width = FLOATS + 4 * CATEGORIES
        self.mlp = nn.Sequential(
            nn.BatchNorm1d(width), nn.Linear(width, 48), nn.BatchNorm1d(48), nn.ReLU(), nn.Dropout(0.1),
            nn.Linear(48, 48), nn.SiLU(), nn.Linear(48, CLASSES))

    def forward(self, numbers, categories):
        levels = [e(categories[:, i]) for i, e in enumerate(self.embeddings)]
        return self.mlp(torch.cat([numbers, *levels], 1))


def image(size):
    return {"x": {"shape": ["batch", 3, size, size], "dtype": "float32"}}


TEXT = {
    "input_ids": {"shape": ["batch", TOKENS], "dtype": "int64", "range": [0, VOCABULARY]},
    "attention_mask": {"shape": ["batch", TOKENS], "dtype": "int64", "range": [0, 2]},
}
TABLE = {
    "numbers": {"shape": ["batch", FLOATS], "dtype": "float32"},
    "categories": {"shape": ["batch", CATEGORIES], "dtype": "int64", "range": [0, LEVELS]},
}
FAMILIES = {
    "resnet": (resnet, image(32)),
    "vgg": (vgg, image(32)),
    "densenet": (densenet, image(64)),
    "mobilenet_v2": (mobilenet_v2, image(64)),
    "mobilenet_v3": (mobilenet_v3, image(64)),
    "efficientnet": (efficientnet, image(64)),
    "convnext": (convnext, image(32)),
    "vit": (vit, image(32)),
    "swin": (swin, image(32)),
    "mixer": (Mixer, image(32)),
    "text-bert": (Bert, TEXT),
    "text-torch": (TorchEncoder, TEXT),
    "tabular": (Tabular, TABLE),
}
# File, family, exporter, options.
PLAIN = [(f"{family}-{exporter}", family, exporter, {}) for family in FAMILIES for exporter in ("old", "new")]
SPECIAL = [
    ("resnet-keep-bn-old", "resnet", "old",
     {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}),
    ("resnet-keep-bn-new", "resnet", "new", {"optimize": False}),
    ("vit-opset14-old", "vit", "old", {"opset_version": 14}),
    ("text-bert-opset11-old", "text-bert", "old", {"opset_version": 11}),
    ("mobilenet_v3-external-new", "mobilenet_v3", "new", {"external_data": True}),
]


@torch.no_grad()
def randomise(net, sample):
    """Weights that keep activations in range, none left at a zero or one that would hide a mistake."""
    normalising = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm)
    for module in net.modules():
        for name, p in module.named_parameters(recurse=False):
            if isinstance(module, normalising) and name == "weight":
                p.uniform_(0.5, 1.5)
            elif p.ndim == 1:
                p.normal_(0, 0.2)
            elif isinstance(module, (nn.Linear, nn.Conv2d, nn.MultiheadAttention)):
                p.normal_(0, (1.5 / p[0].numel()) ** 0.5)
            elif name == "layer_scale":
                p.uniform_(0.2, 0.6)
            else:
                p.normal_(0, 0.5)
    # Running statistics near those of the data, so that depth neither kills nor blows up the signal.
    batch_norms = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for m in batch_norms:
        m.momentum = 1.0
        m.train()
    net(*sample)
    for m in batch_norms:
        m.eval()
        m.momentum = 0.1
        m.running_mean += 0.2 * m.running_var.sqrt() * torch.randn_like(m.running_mean)
        m.running_var *= torch.empty_like(m.running_var).uniform_(0.7, 1.4)


def draw(inputs, batch):
    """Random values for every input; of a mask the first token always stays."""
    sample = {}
    for name, spec in inputs.items():
        shape = [batch, *spec["shape"][1:]]
        sample[name] = torch.randint(*spec["range"], shape) if "range" in spec else torch.randn(shape)
    if "attention_mask" in sample:
        sample["attention_mask"][:, 0] = 1
    return tuple(sample.values())


def build(family):
    torch.manual_seed(list(FAMILIES).index(family))
    make, inputs = FAMILIES[family]
    net = make().eval()
    randomise(net, draw(inputs, 32))
    return net, inputs


def export(net, inputs, path, exporter, options):
    common = {"input_names": list(inputs), "output_names": ["logits"], "verbose": False}
    if exporter == "new":
        batch = torch.export.Dim("batch", min=1, max=4096)
        common |= {"dynamo": True, "external_data": False, "dynamic_shapes": tuple({0: batch} for _ in inputs)}
    else:
        axes = {name: {0: "batch"} for name in [*inputs, "logits"]}
        common |= {"dynamo": False, "opset_version": 17, "dynamic_axes": axes}
    torch.onnx.export(net, draw(inputs, 2), path, **common | options)


@torch.no_grad()
def check(net, inputs, path):
    """Ends the program unless the file is valid and computes what the network does, at another batch size."""
    onnx.checker.check_model(path, full_check=True)
    sample = draw(inputs, 5)
    wanted = net(*sample).numpy()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    got = session.run(["logits"], {name: x.numpy() for name, x in zip(inputs, sample)})[0]
    difference = np.abs(got - wanted).max()
    if not 0.05 < wanted.std() < 20 or difference > 1e-4 * max(1, np.abs(wanted).max()):
        sys.exit(f"{path}: logits of deviation {wanted.std():.3g}, onnxruntime differs by {difference:.3g}")


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    # PyTorch's fused encoder layer has no counterpart in ONNX.
    torch.backends.mha.set_fastpath_enabled(False)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    manifest = {}
    for name, family, exporter, options in PLAIN + SPECIAL:
        net, inputs = build(family)
        path = folder / f"{name}.onnx"
        export(net, inputs, str(path), exporter, options)
        check(net, inputs, str(path))
        parameters = sum(p.numel() for p in net.parameters())
        manifest[name] = {"file": path.name, "inputs": inputs, "parameters": parameters}
        print(f"{name:28}{parameters:9} parameters", flush=True)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main()
