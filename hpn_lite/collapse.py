"""Neural collapse: how far the outputs of a trained net have fallen onto their class means, and these onto a simplex.

Papyan, Han and Donoho saw four things happen when a classifier is trained on after its last training error: (1) the
outputs of a class shrink to their mean; (2) the means, seen from their centre, become a simplex, equally long and at
equal angles; (3) the class vectors of the last layer become the means, up to one factor; (4) the classifier decides for
the class with the nearest mean. `measure` puts a number on each, 0 where it is complete.

References:
    Papyan, Han, Donoho 2020, Prevalence of neural collapse during the terminal phase of deep learning training
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from . import losses
from .bounds import real, whole


class Collapse(NamedTuple):
    """What `measure` returns; all numbers are 0 when the collapse is complete.

    within: NC1, tr(W B^+) / K, W and B the covariances within and between classes, B^+ the pseudo-inverse; lengths:
    NC2, the standard deviation of the lengths of the centred class means over their mean; angles: NC2, the mean of
    abs(cos + 1/(K-1)) over pairs of centred class means; duality: NC3, the distance of the matrices of class vectors
    and of means, both centred and divided by their Frobenius norms (at most 2); disagreement: NC4, the share of outputs
    whose nearest class mean is not the class that was predicted.
    """

    within: float
    lengths: float
    angles: float
    duality: float
    disagreement: float


def measure(z: Tensor, y: Tensor, vectors: Tensor, prediction: Tensor) -> Collapse:
    """The four signs of neural collapse.

    Args:
        z: (N, D) outputs of the net, of training images.
        y: (N,) their classes; every one of the K classes must be there.
        vectors: (K, D) class vectors of the last layer, learnt or fixed.
        prediction: (N,) the classes that the classifier predicts.
    Returns:
        Collapse.
    Raises:
        TypeError: if an argument is no tensor, or y or the prediction no whole numbers.
        ValueError: if shapes do not fit, there is NaN, a class has no output, or all class means or vectors are equal.
    Source: Papyan, Han and Donoho 2020.
    """
    losses.check_outputs(z, check=True)
    losses.check_outputs(vectors, z.shape[1], name="vectors", check=True)
    classes = whole("the number of class vectors", len(vectors), 2)
    y = losses.check_labels(y, classes, size=len(z), name="y", check=True)
    prediction = losses.check_labels(prediction, classes, size=len(z), name="prediction", check=True)
    counts = torch.bincount(y, minlength=classes)
    if (counts == 0).any():
        raise ValueError(f"y has no example of class {int((counts == 0).nonzero()[0])}")
    z, vectors = z.detach().double(), vectors.detach().double()
    means = z.new_zeros(classes, z.shape[1]).index_add_(0, y, z) / counts[:, None]  # (K, D)
    centred = means - means.mean(0)
    lengths = centred.norm(dim=1)
    if lengths.max() <= 1e-12:
        raise ValueError("all class means are equal: there is nothing to collapse onto")
    spread = z - means[y]
    inside, between = spread.T @ spread / len(z), centred.T @ centred / classes  # (D, D)
    unit = centred / lengths.clamp_min(1e-12)[:, None]
    i, j = torch.triu_indices(classes, classes, 1)
    v = vectors - vectors.mean(0)
    if v.norm() <= 1e-12 * vectors.norm():
        raise ValueError("all class vectors are equal: they have no directions to compare")
    nearest = torch.cdist(z, means).argmin(1)
    return Collapse(
        within=float((inside @ torch.linalg.pinv(between, hermitian=True, rtol=1e-10)).trace()) / classes,
        lengths=float(lengths.std(correction=0) / lengths.mean()),
        angles=float(((unit[i] * unit[j]).sum(1) + 1 / (classes - 1)).abs().mean()),
        duality=float((v / v.norm() - centred / centred.norm()).norm()),
        disagreement=float((nearest != prediction).double().mean()),
    )


def least_cross_entropy(classes: int, scale: float) -> float:
    """No K class vectors and outputs with <w, z> at most `scale` have a smaller cross-entropy on balanced classes.

    It is log(1 + (K-1) exp(-scale K / (K-1))), met by the collapsed state and by nothing else.

    Args:
        classes: K, at least 2.
        scale: product of the largest lengths of class vectors and outputs.
    Raises:
        ValueError: if classes < 2 or scale is negative.
    Source: Fang et al. 2021; Lu and Steinerberger 2022; chapter 19 of the book has a proof.
    """
    k = whole("classes", classes, 2)
    if not 0 <= real("scale", scale) < float("inf"):
        raise ValueError(f"scale must be a number of at least 0, got {scale}")
    return math.log1p((k - 1) * math.exp(-scale * k / (k - 1)))
