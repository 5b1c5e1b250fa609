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
from .losses import check_labels

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
        TypeError: if labels are no whole numbers, or one of the two is no tensor.
        ValueError: if the two differ in shape, or a label is out of range.
    """
    _same(prediction, labels)
    labels = check_labels(labels, whole("classes", classes, 1), check=True)
    right = torch.zeros(classes, dtype=torch.float64, device=labels.device)
    right.index_add_(0, labels, (prediction == labels).double())
    return right / torch.bincount(labels, minlength=classes)


def group_accuracy(
    prediction: Tensor, labels: Tensor, counts: Tensor, *, head: int = 100, tail: int = 20
) -> dict[str, float]:
    """Mean accuracy over the classes that are frequent, middling and rare in training, and over all.

    Args:
        prediction, labels: (n,) of a test set.
        counts: (K,) tensor, training examples per class.
        head: classes with more examples than this are "head".
        tail: classes with fewer than this are "tail"; the others "medium".
    Returns:
        {"all", "head", "medium", "tail"}, a group without classes left out.
    Raises:
        TypeError, ValueError: see class_accuracy; also if counts are no tensor (K,), or tail > head + 1, so that the
            groups overlap.
    Source: Liu et al. 2019 (100 and 20).
    """
    if not isinstance(counts, Tensor) or counts.ndim != 1:
        given = tuple(counts.shape) if isinstance(counts, Tensor) else type(counts).__name__
        raise ValueError(f"counts must be a tensor of shape (K,), got {given}")
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
        TypeError: if one of the two is no tensor.
        ValueError: if the two differ in shape, right is not yes or no, or a confidence lies outside [0, 1].
    Source: Guo et al. 2017, section 2.
    """
    _same(confidence, right)
    right = _yes_or_no("right", right)
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
        TypeError: if labels are no whole numbers, or scores no tensor.
        ValueError: if the shapes do not fit, a label is out of range, or a score is not finite.
    Source: Guo et al. 2017, section 4.2.
    """
    if not isinstance(scores, Tensor):
        raise TypeError(f"scores must be a torch.Tensor, got {type(scores).__name__}")
    if scores.ndim != 2 or not len(scores):
        raise ValueError(f"scores must have shape (n, K), n >= 1, got {tuple(scores.shape)}")
    labels = check_labels(labels, scores.shape[1], size=len(scores), check=True)
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
        TypeError: if labels are no tensor of whole numbers.
        ValueError: if no class has two examples, there is only one class, or a label is negative.
    """
    n = whole("n", n, 2)
    labels = check_labels(labels, 0, check=False)
    if len(labels) and int(labels.min()) < 0:
        raise ValueError(f"labels must not be negative, got {int(labels.min())}")
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
        TypeError: if one of the two is no tensor.
        ValueError: if the shapes differ, a cosine is NaN, same is not yes or no, or all pairs are of one kind.
    Source: the protocol of LFW (Huang et al. 2007), with the threshold chosen on the pairs themselves.
    """
    _same(cosine, same)
    same = _yes_or_no("same", same)
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


def _yes_or_no(name: str, x: Tensor) -> Tensor:
    if not bool(((x == 0) | (x == 1)).all()):
        raise ValueError(f"{name} must be bool, or hold 0 and 1 alone, got {x.dtype} up to {x.max()}")
    return x.bool()


def _same(a: Tensor, b: Tensor) -> None:
    for x in (a, b):
        if not isinstance(x, Tensor):
            raise TypeError(f"both must be a torch.Tensor, got {type(x).__name__}")
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise ValueError(f"both must have one shape (n,), n >= 1, got {tuple(a.shape)} and {tuple(b.shape)}")
