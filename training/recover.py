"""Recover float weights from a shipped model file: python -m training.recover MODEL.onnx OUT.pt

Training can continue from the released model without the checkpoints that it was made from: int8 weights are multiplied
by their scales, so they differ from the original ones by at most half a step of the quantisation.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from training.network import ROLES, loaded

_HEADS = {"tags": ("entity", "quote", "word_bias"), "links": ("word", "cue_first", "cue_last")}


def weights_of(model: onnx.ModelProto) -> dict[str, torch.Tensor]:
    """Return the state dict of `training.network.Network` for an exported model, quantised or not."""
    tensors = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    heads = json.loads(next(p.value for p in model.metadata_props if p.key == "heads"))
    found: dict[str, NDArray[np.float32]] = {}
    for name in sorted({n.removesuffix("_quantized") for n in tensors if n.endswith((".weight", "weight_quantized"))}):
        matrix = _dequantised(tensors, name)
        is_table = name in ("words.weight", "positions.weight", "cases.weight", "states.weight")
        found[name] = matrix if is_table or matrix.ndim == 1 else np.ascontiguousarray(matrix.T)
    found |= {name: value for name, value in tensors.items() if name.endswith(".bias")}
    tags = {"entity": 1 + 2 * len(heads["labels"]), "word_bias": ROLES}
    for output, names in _HEADS.items():
        weight, bias = found.pop(f"{output}.weight"), found.pop(f"{output}.bias")
        sizes = [tags.get(name, 7 if name == "quote" else ROLES * heads["link"]) for name in names]
        ends = np.cumsum(sizes)[:-1]
        for name, w, b in zip(names, np.split(weight, ends), np.split(bias, ends), strict=True):
            found[f"{name}.weight"] = w
            if name != "cue_last":
                found[f"{name}.bias"] = b
    transitions = np.array(heads["transitions"], np.float32)
    found["transitions"] = np.where(transitions < -100, 0.0, transitions).astype(np.float32)
    found["distance"] = np.array(heads["distance"], np.float32)
    found["same_paragraph"] = np.array(heads["same_paragraph"], np.float32)
    return {name: torch.from_numpy(np.array(value, np.float32)) for name, value in found.items()}


def _dequantised(tensors: dict[str, NDArray[np.float32]], name: str) -> NDArray[np.float32]:
    if name in tensors:
        return tensors[name]
    quantised = tensors[f"{name}_quantized"].astype(np.float32)
    scale, zero = tensors[f"{name}_scale"], tensors[f"{name}_zero_point"].astype(np.float32)
    if scale.ndim and scale.size > 1:
        # Of a matrix product a column is a channel, of an embedding a row.
        axis = 1 if scale.size == quantised.shape[1] else 0
        shape = [1, -1] if axis == 1 else [-1, 1]
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    return (quantised - zero) * scale


def main() -> None:
    """Read the command line and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    weights = weights_of(onnx.load(args.model))
    loaded(weights)  # fails where a name or shape is wrong
    torch.save(weights, args.out)


if __name__ == "__main__":
    main()
