"""Prune a network: python -m training.prune WEIGHTS OUT --data DATA --share 0.5

It removes the attention heads and inner units with the least effect on the loss for their computing time (Fisher
information of masks: Michel et al. 2019, Kwon et al. 2022). The remaining weights are then fitted so that each layer
keeps its output (least squares: He et al. 2017). After that, use training.train --teacher WEIGHTS for distillation.
"""

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from training.examples import Batch, batches, collate, examples
from training.network import HEAD, Block, Network, loaded, minilm_folder
from training.train import entity_sets, loss_of, quote_set
from transforms.annotate.model.wordpiece import Vocabulary

HEAD_TIME = 90
"""Time of an attention head, in inner units, for onnxruntime's int8 operators on a CPU without VNNI."""
MIN_HEADS, MIN_INNER = 2, 128
ROUND = 64
"""Inner units are kept in multiples of this, for the matrix kernels."""
DAMPING = 1e-3
"""Ridge penalty of the least-squares fit, relative to the mean of the diagonal."""


def sample(args: argparse.Namespace) -> list[Batch]:
    """Return batches of both tasks for measuring importance."""
    rng = random.Random(args.seed)
    vocabulary = Vocabulary((minilm_folder() / "vocab.txt").read_text(encoding="utf-8").splitlines())
    found = []
    for documents in (entity_sets(args, rng), quote_set(args)):
        rng.shuffle(documents)
        made = [e for document in documents[:400] for e in examples(document, vocabulary, (192,), rng)]
        found += batches(made, 1024, rng)[: args.batches // 2]
    return [collate(group) for group in found]


def parts(network: Network) -> list[tuple[nn.Linear, int]]:
    """Return the matrices to prune, two per layer, each with the number of inputs per head or inner unit."""
    found = []
    for block in network.blocks:
        assert isinstance(block, Block)
        found += [(block.out, HEAD), (block.down, 1)]
    return found


def importance(network: Network, sampled: list[Batch], args: argparse.Namespace) -> list[Tensor]:
    """Return the Fisher information of each head and each inner unit: the mean squared gradient of its mask.

    The information is normalised for entities and for quotations, because their losses differ in size.

    Args:
        network: the network.
        sampled: batches of both tasks.
        args: the options of the command.

    Returns:
        One tensor for each of `parts`.
    """
    cut = parts(network)
    masks = [torch.ones(linear.in_features // width, requires_grad=True) for linear, width in cut]
    hooks = [
        linear.register_forward_pre_hook(lambda _, x, m=mask, w=width: (x[0] * m.repeat_interleave(w),))
        for (linear, width), mask in zip(cut, masks, strict=True)
    ]
    found = [torch.zeros_like(mask) for mask in masks]
    for is_entities, task in ((True, "entities"), (False, "quotes")):
        sums = [torch.zeros_like(mask) for mask in masks]
        for batch in sampled:
            if (batch.tags is None) == is_entities:
                loss, _ = loss_of(network, None, batch, args, task)
                for total, gradient in zip(sums, torch.autograd.grad(loss, masks), strict=True):
                    total += gradient**2
        whole = sum(float(part.sum()) for part in sums)
        found = [total + part / whole for total, part in zip(found, sums, strict=True)]
    for hook in hooks:
        hook.remove()
    return found


def chosen(sums: list[Tensor], share: float) -> list[Tensor]:
    """Return the indices to keep in each part: the most important for their time, within a share of all time."""
    total = sum(len(part) * (HEAD_TIME if number % 2 == 0 else 1) for number, part in enumerate(sums))
    ranked = []
    for number, part in enumerate(sums):
        order = part.argsort(descending=True).tolist()
        step, least, cost = (1, MIN_HEADS, HEAD_TIME) if number % 2 == 0 else (ROUND, MIN_INNER, ROUND)
        for at in range(0, len(order), step):
            worth = float(part[order[at : at + step]].sum()) / cost
            ranked.append((float("inf") if at < least else worth, cost, number, order[at : at + step]))
    ranked.sort(key=lambda row: -row[0])
    kept: list[list[int]] = [[] for _ in sums]
    used = 0
    for _, cost, number, places in ranked:
        if used + cost > share * total:
            break
        used += cost
        kept[number] += places
    return [torch.tensor(sorted(places)) for places in kept]


def pruned(network: Network, kept: list[Tensor], sampled: list[Batch]) -> Network:
    """Return the pruned network; each part is fitted to the outputs of the pruned parts before it.

    Args:
        network: the network.
        kept: indices to keep in each part.
        sampled: batches for the fit.
    """
    with torch.no_grad():
        weights = network.state_dict()
        given = _inputs(network, range(len(kept)), sampled)
        for number, places in enumerate(kept):
            layer, name = number // 2, ("out", "down")[number % 2]
            linear, width = parts(network)[number]
            columns = (places[:, None] * width + torch.arange(width)).flatten()
            (mine,) = _inputs(loaded(weights).eval(), [number], sampled)
            block = f"blocks.{layer}"
            solved = _solved(mine[:, columns], linear(given[number]))
            weights[f"{block}.{name}.weight"], weights[f"{block}.{name}.bias"] = solved
            before, rows = f"{block}.up", columns
            if name == "out":
                before, rows = f"{block}.qkv", torch.cat([columns + linear.in_features * which for which in range(3)])
            for parameter in ("weight", "bias"):
                weights[f"{before}.{parameter}"] = weights[f"{before}.{parameter}"][rows]
        return loaded(weights)


def _solved(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return weight and bias of the linear map from ``x`` to ``y``, both [pieces, features]."""
    x = torch.cat([x, torch.ones(len(x), 1)], 1).double()
    left = x.t() @ x
    left += torch.eye(len(left)) * DAMPING * left.diagonal().mean()
    found = torch.linalg.solve(left, x.t() @ y.double()).float()
    return found[:-1].t().contiguous(), found[-1].contiguous()


def _inputs(network: Network, numbers: Sequence[int], sampled: list[Batch]) -> list[Tensor]:
    """Return the inputs of the parts with these numbers, each [pieces, features] without padding."""
    seen: list[list[Tensor]] = [[] for _ in numbers]
    batch = sampled[0]
    hooks = [
        parts(network)[number][0].register_forward_pre_hook(lambda _, x, to=to: to.append(x[0][batch.mask]))
        for number, to in zip(numbers, seen, strict=True)
    ]
    for batch in sampled:
        network.encode(batch.ids, batch.cases, batch.states, batch.mask)
    for hook in hooks:
        hook.remove()
    return [torch.cat(to) for to in seen]


def main() -> None:
    """Write the weights of the pruned network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder with ner/ and quotes/")
    parser.add_argument("--share", type=float, default=0.5, help="share of the computing time of the layers to keep")
    parser.add_argument(
        "--batches", type=int, default=48, help="number of batches of 1,024 pieces for measuring importance"
    )
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.all, args.silver, args.word_dropout, args.bf16 = True, None, 0.0, False
    torch.manual_seed(args.seed)
    network = loaded(torch.load(args.weights)).eval()
    sampled = sample(args)
    kept = chosen(importance(network, sampled, args), args.share)
    for layer in range(len(kept) // 2):
        print(f"layer {layer}: {len(kept[2 * layer])} heads, {len(kept[2 * layer + 1])} inner units")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save(pruned(network, kept, sampled).state_dict(), args.out)


if __name__ == "__main__":
    main()
