"""Loss functions: partial entity tags, a CRF over quotation tags, attributions, distillation."""

import torch
from torch import Tensor
from torch.nn import functional

from training.examples import Batch, LabelledCue, buckets
from training.network import QUOTE_TAGS, Network
from transforms.annotate.model.viterbi import bio_transitions

FORBIDDEN = -1e4


def forbidden() -> Tensor:
    """Return [from, to] transition scores that allow an I tag only after the B or I tag of its label."""
    return torch.from_numpy(bio_transitions(QUOTE_TAGS))


def gathered(hidden: Tensor, firsts: Tensor) -> Tensor:
    """Return the hidden state of the first piece of each word, [windows, words, HIDDEN]."""
    return hidden.gather(1, firsts[..., None].expand(-1, -1, hidden.shape[-1]))


def entity_loss(network: Network, words: Tensor, batch: Batch) -> Tensor:
    """Return the negative log marginal likelihood, per word, of the tags that the gold annotations allow."""
    scores = network.entity(words).float()
    assert batch.allowed is not None
    allowed = torch.where(batch.allowed, scores, FORBIDDEN).logsumexp(-1)
    loss = scores.logsumexp(-1) - allowed
    return (loss * batch.word_mask).sum() / batch.word_mask.sum()


def soft_loss(network: Network, words: Tensor, teacher: Network, taught: Tensor, batch: Batch) -> Tensor:
    """Return the distillation loss of tags and hidden states, per word (Hinton et al. 2015, Jiao et al. 2020).

    Args:
        network: the student.
        words: hidden states of the student, [windows, words, HIDDEN].
        teacher: the teacher, with heads of the same shape.
        taught: hidden states of the teacher, [windows, words, HIDDEN].
        batch: the batch, for its mask of words.
    """
    mask = batch.word_mask
    loss = (words - taught).square().mean(-1) / taught[mask].var()
    for student_head, teacher_head in ((network.entity, teacher.entity), (network.quote, teacher.quote)):
        target = teacher_head(taught).log_softmax(-1)
        loss = loss + (target.exp() * (target - student_head(words).log_softmax(-1))).sum(-1)
    return (loss * mask).sum() / mask.sum()


def crf_loss(network: Network, scores: Tensor, batch: Batch) -> Tensor:
    """Return the negative log likelihood of the quotation tags, per word (Lafferty et al. 2001)."""
    tags, mask = batch.tags, batch.word_mask
    assert tags is not None
    transitions = network.transitions + forbidden()
    start = torch.zeros(QUOTE_TAGS)
    start[2::2] = FORBIDDEN
    alpha = start + scores[:, 0]
    for place in range(1, scores.shape[1]):
        following = torch.logsumexp(alpha[:, :, None] + transitions, 1) + scores[:, place]
        alpha = torch.where(mask[:, place, None], following, alpha)
    total = alpha.logsumexp(-1)
    own = scores.gather(2, tags[..., None])[..., 0] * mask
    steps = transitions[tags[:, :-1], tags[:, 1:]] * mask[:, 1:]
    return (total - own.sum(1) - steps.sum(1)).sum() / mask.sum()


def attribution_loss(network: Network, words: Tensor, scores: Tensor, batch: Batch) -> Tensor:
    """Return the cross entropy of the role of each word for each cue: gold cues and the most probable wrong ones."""
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
    logits = attribution_scores(network, words, batch.paragraph, rows, first, last)
    loss = functional.cross_entropy(logits.flatten(0, 1), gold.flatten(), reduction="none").view(len(cues), count)
    return (loss * batch.word_mask[rows]).sum() / (20.0 * len(cues))


def attribution_scores(
    network: Network, words: Tensor, paragraph: Tensor, rows: Tensor, first: Tensor, last: Tensor
) -> Tensor:
    """Return attribution logits, [cues, words, 1 + ROLES].

    Args:
        network: the network.
        words: hidden states, [windows, words, HIDDEN].
        paragraph: [windows, words] paragraph indices.
        rows: [cues] index of the window of each cue.
        first: [cues] index of its first word.
        last: [cues] index of its last word.
    """
    at = torch.arange(words.shape[1])[None]
    distance = torch.where(at > last[:, None], at - last[:, None], (at - first[:, None]).clamp(max=0))
    same = (paragraph[rows] == paragraph[rows, first][:, None]).float()
    cue = network.cue_first(words[rows, first]) + network.cue_last(words[rows, last])
    table = network.word(words)[rows]
    return network.pair_scores(
        table.float(), cue.float(), network.word_bias(words)[rows].float(), buckets(distance), same
    )


def _decoys(scores: Tensor, batch: Batch) -> list[tuple[int, LabelledCue]]:
    """Return the two words per window with the highest cue probability that are not cues."""
    assert batch.tags is not None
    with torch.no_grad():
        probability = scores.softmax(-1)[..., 3]
        probability = probability.masked_fill((batch.tags == 3) | (batch.tags == 4) | ~batch.word_mask, -1.0)
        top = probability.topk(min(2, probability.shape[1]), 1)
    no_roles = torch.zeros(0, dtype=torch.long).numpy()
    return [
        (row, LabelledCue(word, word, no_roles))
        for row in range(probability.shape[0])
        for value, word in zip(top.values[row].tolist(), top.indices[row].tolist(), strict=True)
        if value >= 0
    ]
