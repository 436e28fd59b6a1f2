"""What the network learns from: masked tags, a CRF over quotation parts, and the links of words to cues."""

import torch
from torch import Tensor
from torch.nn import functional

from training.examples import Batch, Cue, buckets
from training.network import QUOTE_TAGS, Network
from transforms.annotate.model.viterbi import bio_transitions

FORBIDDEN = -1e4


def forbidden() -> Tensor:
    """[from, to] scores that keep I behind its own B or I."""
    return torch.from_numpy(bio_transitions(QUOTE_TAGS))


def gathered(hidden: Tensor, firsts: Tensor) -> Tensor:
    """The hidden state of each word's first piece: [windows, words, HIDDEN]."""
    return hidden.gather(1, firsts[..., None].expand(-1, -1, hidden.shape[-1]))


def entity_loss(network: Network, words: Tensor, batch: Batch) -> Tensor:
    """Marginal likelihood of the tags that the set allows (a label that it does not annotate rules nothing out)."""
    scores = network.entity(words).float()
    assert batch.allowed is not None
    likely = torch.where(batch.allowed, scores, FORBIDDEN).logsumexp(-1)
    lost = scores.logsumexp(-1) - likely
    return (lost * batch.word_mask).sum() / batch.word_mask.sum()


def soft_loss(network: Network, words: Tensor, teacher: Network, taught: Tensor, batch: Batch) -> Tensor:
    """How far a pupil's tags and hidden states are from its teacher's, a word (Hinton et al. 2015, Jiao et al. 2020).

    Args:
        network: the pupil.
        words: its hidden states, [windows, words, HIDDEN].
        teacher: it has heads of the same form.
        taught: its hidden states, likewise.
        batch: where words stand.
    """
    mask = batch.word_mask
    lost = (words - taught).square().mean(-1) / taught[mask].var()
    for mine, its in ((network.entity, teacher.entity), (network.quote, teacher.quote)):
        given = its(taught).log_softmax(-1)
        lost = lost + (given.exp() * (given - mine(words).log_softmax(-1))).sum(-1)
    return (lost * mask).sum() / mask.sum()


def crf_loss(network: Network, scores: Tensor, batch: Batch) -> Tensor:
    """Negative log likelihood of the tags, a word (Lafferty et al. 2001)."""
    tags, mask = batch.tags, batch.word_mask
    assert tags is not None
    moves = network.transitions + forbidden()
    start = torch.zeros(QUOTE_TAGS)
    start[2::2] = FORBIDDEN
    alpha = start + scores[:, 0]
    for place in range(1, scores.shape[1]):
        following = torch.logsumexp(alpha[:, :, None] + moves, 1) + scores[:, place]
        alpha = torch.where(mask[:, place, None], following, alpha)
    total = alpha.logsumexp(-1)
    own = scores.gather(2, tags[..., None])[..., 0] * mask
    steps = moves[tags[:, :-1], tags[:, 1:]] * mask[:, 1:]
    return (total - own.sum(1) - steps.sum(1)).sum() / mask.sum()


def link_loss(network: Network, words: Tensor, scores: Tensor, batch: Batch) -> Tensor:
    """Cross entropy of what each word is to each cue, over gold cues and the strongest words that are none."""
    cues = batch.cues + _decoys(scores, batch)
    if not cues:
        return words.sum() * 0.0
    rows = torch.tensor([row for row, _ in cues])
    first = torch.tensor([cue.first for _, cue in cues])
    last = torch.tensor([cue.last for _, cue in cues])
    count = words.shape[1]
    gold = torch.zeros(len(cues), count, dtype=torch.long)
    for target, (_, cue) in zip(gold, cues, strict=True):
        target[: len(cue.roles)] = torch.from_numpy(cue.roles)
    logits = link_scores(network, words, batch.paragraph, rows, first, last)
    lost = functional.cross_entropy(logits.flatten(0, 1), gold.flatten(), reduction="none").view(len(cues), count)
    return (lost * batch.word_mask[rows]).sum() / (20.0 * len(cues))


def link_scores(
    network: Network, words: Tensor, paragraph: Tensor, rows: Tensor, first: Tensor, last: Tensor
) -> Tensor:
    """Logits [cues, words, 1 + ROLES] for cues given by window, first and last word."""
    at = torch.arange(words.shape[1])[None]
    distance = torch.where(at > last[:, None], at - last[:, None], (at - first[:, None]).clamp(max=0))
    same = (paragraph[rows] == paragraph[rows, first][:, None]).float()
    cue = network.cue_first(words[rows, first]) + network.cue_last(words[rows, last])
    table = network.word(words)[rows]
    return network.pair_scores(
        table.float(), cue.float(), network.word_bias(words)[rows].float(), buckets(distance), same
    )


def _decoys(scores: Tensor, batch: Batch) -> list[tuple[int, Cue]]:
    """The two words of each window that look most like a cue and are none."""
    assert batch.tags is not None
    with torch.no_grad():
        like = scores.softmax(-1)[..., 3]
        like = like.masked_fill((batch.tags == 3) | (batch.tags == 4) | ~batch.word_mask, -1.0)
        top = like.topk(min(2, like.shape[1]), 1)
    nothing = torch.zeros(0, dtype=torch.long).numpy()
    return [
        (row, Cue(place, place, nothing))
        for row in range(like.shape[0])
        for value, place in zip(top.values[row].tolist(), top.indices[row].tolist(), strict=True)
        if value >= 0
    ]
