"""Train the network: python -m training.train --help

Progress is time: learning rates fall over the minutes given, so a run ends when it should on any machine. A checkpoint
every few minutes holds all that going on needs; `--resume` goes on from it.
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
from training.data import SETS, Document, entity_documents, quote_documents
from training.examples import Batch, Example, batches, collate, examples
from training.losses import crf_loss, entity_loss, gathered, link_loss, soft_loss
from training.network import Network, loaded, minilm, minilm_folder
from transforms.annotate.model.wordpiece import Vocabulary


class Average:
    """An exponential moving average of the weights that are trained, which is what is kept."""

    def __init__(self, network: Network, decay: float) -> None:
        self._decay, self._steps = decay, 0
        self._live = [p for p in network.parameters() if p.requires_grad]
        self.values = [p.detach().clone() for p in self._live]

    def update(self) -> None:
        """Takes the current weights in."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(self.values, [p.detach() for p in self._live], 1 - decay)

    def swap(self) -> None:
        """Exchanges the network's weights and their average; doing it twice changes nothing."""
        for live, mean in zip(self._live, self.values, strict=True):
            held = live.detach().clone()
            live.data.copy_(mean)
            mean.copy_(held)


def entity_sets(args: argparse.Namespace, rng: random.Random) -> list[Document]:
    """An epoch's documents with entities."""
    entities: list[Document] = []
    for name, share in SETS.items():
        for split in ("train", "dev") if name == "crossner" and args.all else ("train",):
            found = entity_documents(args.data / "ner", name, split, rng)
            entities += rng.sample(found, round(share * len(found))) if share < 1 else found
    return entities


def quote_set(args: argparse.Namespace) -> list[Document]:
    """The documents with quotations, and with the names that an earlier model saw in them, where these are given."""
    quotes = quote_documents(args.data / "quotes/polnear.train.jsonl.gz")
    silver = json.loads(args.silver.read_text(encoding="utf-8")) if args.silver else {}
    for document in quotes:
        document.entities = [(a, b, label) for a, b, label in silver[document.name]] if silver else None
    return quotes


def stream(args: argparse.Namespace, vocabulary: Vocabulary, rng: random.Random, task: str) -> Iterator[list[Example]]:
    """Batches without end, epoch by epoch, each with augmentation of its own."""
    epoch = 0
    names = Names(entity_sets(args, rng))
    while True:
        found: list[Example] = []
        documents = entity_sets(args, rng) if task == "entities" else quote_set(args)
        sizes = (64, 128, 192) if task == "entities" else (96, 192)
        for document in documents:
            changed = augmented(document, rng, names) if args.augment else recased(document, rng)
            found += examples(changed, vocabulary, sizes, rng)
        print(f"{task}: epoch {epoch}, {len(found)} windows, {sum(len(e.ids) for e in found):,} pieces", flush=True)
        yield from batches(found, args.pieces, rng)
        epoch += 1


def loss_of(
    network: Network, teacher: Network | None, batch: Batch, args: argparse.Namespace
) -> tuple[Tensor, dict[str, float]]:
    """A batch's loss, and its parts."""
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
        lost = entity_loss(network, words, batch)
        total = total + (lost * args.silver_weight if batch.tags is not None else lost)
        parts["silver" if batch.tags is not None else "entity"] = lost.item()
    if batch.tags is not None:
        scores = network.quote(words)
        tagged, linked = crf_loss(network, scores, batch), link_loss(network, words, scores, batch)
        total = total + tagged + linked
        parts |= {"tags": tagged.item(), "links": linked.item()}
    if teacher is not None:
        with torch.no_grad():
            taught = gathered(teacher.encode(batch.ids, batch.cases, batch.states, batch.mask), batch.firsts)
        lost = soft_loss(network, hidden.float(), teacher, taught, batch)
        total = total * args.hard + lost
        parts["soft"] = lost.item()
    return total, parts


def train(args: argparse.Namespace) -> None:
    """Runs to the end of its minutes and leaves ``weights.pt`` (averaged) in its folder."""
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
    own = {id(p) for block in (network.positions, network.norm, network.blocks) for p in block.parameters()}
    live = [p for p in network.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in live if id(p) in own], "base": args.lr},
        {"params": [p for p in live if id(p) not in own], "base": args.head_lr},
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
        for source in streams:
            batch = collate(next(source))
            total, parts = loss_of(network, teacher, batch, args)
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
    """Reads the command line and trains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with ner/ and quotes/")
    parser.add_argument(
        "--minilm", type=Path, help="the folder with vocab.txt and model.safetensors, else the package's"
    )
    parser.add_argument("--out", type=Path, required=True, help="where checkpoints and weights go")
    parser.add_argument("--init", type=Path, help="weights of an earlier run to start from")
    parser.add_argument("--teacher", type=Path, help="weights of a larger network whose answers are to be learnt")
    parser.add_argument("--hard", type=float, default=0.5, help="weight of the sets' own labels beside a teacher")
    parser.add_argument("--tasks", nargs="+", default=["entities", "quotes"], choices=["entities", "quotes"])
    parser.add_argument("--silver", type=Path, help="entities found in the quote texts by an earlier model")
    parser.add_argument("--silver-weight", type=float, default=0.3)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--head-lr", type=float, default=1e-3)
    parser.add_argument("--warmup", type=float, default=0.06)
    parser.add_argument("--decay", type=float, default=0.998)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--word-dropout", type=float, default=0.0)
    parser.add_argument("--pieces", type=int, default=1024, help="of a task, a step")
    parser.add_argument("--augment", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--all", action=argparse.BooleanOptionalAction, default=True, help="crossner's dev set too")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    args.minilm = args.minilm or minilm_folder()
    print(" ".join(sys.argv[1:]), flush=True)
    train(args)


if __name__ == "__main__":
    main()
