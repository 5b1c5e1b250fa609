"""Scores of a trained net beyond its accuracy: per group of classes, calibration, and verification.

Each is a function of what a whole test set gave, on any device, and returns Python numbers.

References:
    Liu et al. 2019, Large-Scale Long-Tailed Recognition in an Open World: many-, medium- and few-shot classes
    Guo et al. 2017, On Calibration of Modern Neural Networks: expected calibration error
    Huang et al. 2007, Labeled Faces in the Wild: the verification protocol, accuracy at the best threshold
"""

from typing import NamedTuple

import torch
from torch import Tensor

from .bounds import whole

__all__ = [
    "Verification",
    "class_accuracy",
    "calibration_error",
    "group_accuracy",
    "pairs",
    "temperature",
    "verification",
]


def class_accuracy(prediction: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Share of each class that is predicted right: (n,), (n,) -> (K,) float64; NaN for a class without examples.

    Raises:
        ValueError: if the two differ in shape, or a label is out of range.
    """
    _same(prediction, labels)
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(f"labels must lie in 0..{classes - 1}, got {int(labels.min())}..{int(labels.max())}")
    right = torch.zeros(classes, dtype=torch.float64, device=labels.device)
    right.index_add_(0, labels, (prediction == labels).double())
    return right / torch.bincount(labels, minlength=classes)


def group_accuracy(
    prediction: Tensor, labels: Tensor, counts: Tensor, *, head: int = 100, tail: int = 20
) -> dict[str, float]:
    """Mean accuracy over the classes that are frequent, middling and rare in training, and over all.

    Args:
        prediction, labels: (n,) of a test set.
        counts: (K,) training examples per class.
        head: classes with more examples than this are "head".
        tail: classes with fewer than this are "tail"; the others "medium".
    Returns:
        {"all", "head", "medium", "tail"}, a group without classes left out.
    Raises:
        ValueError: see class_accuracy; also if tail > head + 1, so that the groups overlap.
    Source: Liu et al. 2019 (100 and 20).
    """
    if tail > head + 1:
        raise ValueError(f"tail must not lie above head, got tail={tail}, head={head}")
    each = class_accuracy(prediction, labels, len(counts))
    counts = counts.to(each.device)
    groups = {"all": counts >= 0, "head": counts > head, "medium": (counts <= head) & (counts >= tail)}
    groups["tail"] = counts < tail
    return {name: float(each[group].nanmean()) for name, group in groups.items() if bool(group.any())}


def calibration_error(confidence: Tensor, right: Tensor, bins: int = 15) -> float:
    """Expected calibration error: how far confidence is from accuracy, over bins of equal width weighted by size.

    Args:
        confidence: (n,) in [0, 1].
        right: (n,) bool, whether each prediction is right.
        bins: how many.
    Raises:
        ValueError: if the two differ in shape, or a confidence lies outside [0, 1].
    Source: Guo et al. 2017, section 2.
    """
    _same(confidence, right)
    bins = whole("bins", bins, 1)
    if not bool(((confidence >= 0) & (confidence <= 1)).all()):
        raise ValueError("confidence must lie in [0, 1]; make scores probabilities first, with a softmax for example")
    index = (confidence * bins).long().clamp_max(bins - 1)  # (n,)
    gap = torch.zeros(bins, dtype=torch.float64, device=confidence.device)
    gap.index_add_(0, index, right.double() - confidence.double())
    return float(gap.abs().sum() / len(confidence))


def temperature(scores: Tensor, labels: Tensor) -> float:
    """The T > 0 for which softmax(scores / T) gives the labels the largest likelihood.

    The likelihood of 1/T is concave, so its slope is followed to its zero by bisection. Take examples that were not
    trained on; a T found on one half of a test set is fair to the other half.

    Args:
        scores: (n, K) logits, or cosines to prototypes.
        labels: (n,) whole numbers in 0..K-1.
    Returns:
        T between 1e-4 and 1e4; an end of that range where there is no best one, as when all scores are right.
    Raises:
        ValueError: if the shapes do not fit, a label is out of range, or a score is not finite.
    Source: Guo et al. 2017, section 4.2.
    """
    if scores.ndim != 2 or not len(scores) or labels.shape != (len(scores),):
        raise ValueError(f"scores must be (n, K) and labels (n,), got {tuple(scores.shape)} and {tuple(labels.shape)}")
    if not 0 <= int(labels.min()) <= int(labels.max()) < scores.shape[1]:
        raise ValueError(f"labels must lie in 0..{scores.shape[1] - 1}, got {int(labels.min())}..{int(labels.max())}")
    scores = scores.detach().double()
    if not bool(torch.isfinite(scores).all()):
        raise ValueError("scores must be finite")
    own = scores[torch.arange(len(scores), device=scores.device), labels].mean()
    low, high = -4.0, 4.0  # log10 of T
    for _ in range(60):
        middle = (low + high) / 2
        expected = (torch.softmax(scores / 10**middle, 1) * scores).sum(1).mean()
        low, high = (middle, high) if expected > own else (low, middle)  # too sure: warmer
    return 10 ** ((low + high) / 2)


class Verification(NamedTuple):
    """accuracy at the best threshold, the threshold, the area under the ROC curve, and the curve itself.

    false, true: (m,) shares of different and of same pairs that are accepted, as the threshold falls.
    """

    accuracy: float
    threshold: float
    auc: float
    false: Tensor
    true: Tensor


def pairs(labels: Tensor, n: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """n pairs of different examples, half of one class and half of two: indices (n, 2), and whether the same (n,).

    Raises:
        ValueError: if no class has two examples, or there is only one class.
    """
    n = whole("n", n, 2)
    generator = torch.Generator().manual_seed(seed)
    labels = labels.cpu()
    counts = torch.bincount(labels)
    if len(counts.nonzero()) < 2 or int(counts.max()) < 2:
        raise ValueError("labels must hold two classes at least, and two examples of one of them")
    found = {True: [], False: []}
    want = {True: n // 2, False: n - n // 2}
    while any(len(found[k]) < want[k] for k in want):
        i, j = torch.randint(len(labels), (2, 8 * n), generator=generator)
        same = labels[i] == labels[j]
        for k in want:
            chosen = (same == k) & (i != j)
            found[k] += torch.stack([i[chosen], j[chosen]], 1).tolist()[: want[k] - len(found[k])]
    return torch.tensor(found[True] + found[False]), torch.arange(n) < want[True]


def verification(cosine: Tensor, same: Tensor) -> Verification:
    """Are two examples of one class? Accept a pair whose cosine is large; how well can that be decided?

    Args:
        cosine: (n,) similarities of pairs.
        same: (n,) bool, whether each pair is of one class; some are, some are not.
    Raises:
        ValueError: if the shapes differ, a cosine is NaN, or all pairs are of one kind.
    Source: the protocol of LFW (Huang et al. 2007), with the threshold chosen on the pairs themselves.
    """
    _same(cosine, same)
    same = same.bool()
    if bool(cosine.isnan().any()):
        raise ValueError("cosine must not be NaN")
    positives, negatives = int(same.sum()), int((~same).sum())
    if not positives or not negatives:
        raise ValueError(f"there must be pairs of both kinds, got {positives} same and {negatives} different")
    values, order = cosine.double().sort(descending=True)
    last = torch.cat([values[1:] != values[:-1], values.new_ones(1, dtype=torch.bool)])  # equal cosines come together
    true = same[order].double().cumsum(0)[last] / positives
    false = (~same[order]).double().cumsum(0)[last] / negatives
    start = true.new_zeros(1)
    true, false = torch.cat([start, true]), torch.cat([start, false])
    right = (true * positives + (1 - false) * negatives) / len(cosine)
    best = int(right.argmax())
    threshold = float(values[last][best - 1]) if best else float(values[0]) + 1
    return Verification(float(right[best]), threshold, float(torch.trapezoid(true, false)), false.cpu(), true.cpu())


def _same(a: Tensor, b: Tensor) -> None:
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise ValueError(f"both must have one shape (n,), n >= 1, got {tuple(a.shape)} and {tuple(b.shape)}")
