"""Losses on the sphere: classification, regression, both at once; and the baselines that they are compared with.

Each loss takes the raw outputs z (B, D) of a net, normalises inside and returns one number. Chapters 9 to 11 of the
book explain them.

Sum or mean. The paper sums over the batch; `reduction="mean"`, the default here as everywhere in PyTorch, divides by
its size B. The gradient of the sum is B times as long, so SGD on the sum with learning rate lr and weight decay wd
takes the same steps as SGD on the mean with learning rate B lr and weight decay wd / B: the paper's 0.01 at B = 128 is
1.28 for the mean. Adam divides the length out, so there it hardly matters. On several GPUs DistributedDataParallel
averages the gradients of its W processes. The average of means over B / W examples each is the mean over all B: nothing
changes when GPUs are added. The average of sums is the sum over all B divided by W: multiply the loss by W.

Looking at values. `check=None`, the default, looks for labels out of range, targets outside their bounds and NaN when
the tensors are on the CPU, where it costs next to nothing. On a GPU each look makes the CPU wait, so there it is left
out, unless `check=True` asks for it; `check=False` never looks. Types and shapes are looked at always. Heads check
their prototypes once, when they are made, and a whole data set's targets at once in `validate`.

References:
    Mettes, van der Pol, Snoek 2019, Hyperspherical Prototype Networks (HPN-E1 to E4, E6, E7, joint loss)
    Guerriero, Caputo, Mensink 2018, DeepNCM: Deep Nearest Class Mean Classifiers (the baseline of HPN-F4)
    Saadabadi et al. 2024, Hyperspherical Classification with Dynamic Label-to-Prototype Assignment (LPA-E10 to E12)
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .bounds import real, whole
from .sphere import check_vectors, normalize

__all__ = [
    "check_prototypes",
    "check_outputs",
    "check_labels",
    "check_axis",
    "check_bounds",
    "check_weight",
    "reduce",
    "unit",
    "squared_cosine",
    "squared_cosine_gradient",
    "dot_regression",
    "batch_weights",
    "nearest_prototype",
    "to_cosine",
    "from_cosine",
    "squared_difference",
    "joint",
    "squared_error",
    "distance_scores",
    "nearest_mean",
    "PullPush",
    "pull_and_push",
]


# --- what a loss can be given --------------------------------------------------------------------------------------


def _look(check: bool | None, x: Tensor) -> bool:
    return isinstance(x, Tensor) and x.device.type == "cpu" if check is None else check


def check_prototypes(prototypes: Tensor, name: str = "prototypes", *, values: bool = True) -> Tensor:
    """Refuse what cannot be K prototypes: they form a (K, D) tensor with unit rows.

    Raises:
        TypeError, ValueError: see sphere.check_vectors; also if there are other than two axes.
    """
    check_vectors(prototypes, name, points=1, unit=values, values=values)
    if prototypes.ndim != 2:
        raise ValueError(f"{name} must have shape (K, D), got {tuple(prototypes.shape)}")
    return prototypes


def check_outputs(z: Tensor, width: int | None = None, *, name: str = "z", check: bool | None = None) -> Tensor:
    """Refuse what cannot be the outputs of a net: (B, width) numbers, none of them NaN or infinite.

    A row of zeros is let through. It has no direction, counts as cosine 0 to everything, and learns like any other row.

    Raises:
        TypeError: if z is no floating-point tensor.
        ValueError: on a wrong shape, or NaN or infinity (see check in the head of this file).
    """
    if not isinstance(z, Tensor) or not z.is_floating_point():
        given = z.dtype if isinstance(z, Tensor) else type(z).__name__
        raise TypeError(f"{name} must be a floating-point torch.Tensor, got {given}")
    if z.ndim != 2 or len(z) == 0 or (width is not None and z.shape[1] != width):
        wanted = "(B, D)" if width is None else f"(B, {width})"
        raise ValueError(f"{name} must have shape {wanted} with B >= 1, got {tuple(z.shape)}")
    if _look(check, z) and not torch.isfinite(z).all():
        rows = int((~torch.isfinite(z)).any(1).sum())
        raise ValueError(
            f"{name} holds NaN or infinity in {rows} of {len(z)} rows: the net has diverged, or its input holds NaN; "
            "try a smaller learning rate or a warm-up"
        )
    return z


def check_labels(
    labels: Tensor, classes: int, *, size: int | None = None, name: str = "labels", check: bool | None = None
) -> Tensor:
    """Refuse what cannot be labels: (B,) whole numbers from 0 to classes - 1; returns them as int64.

    Raises:
        TypeError: if labels is no tensor of whole numbers.
        ValueError: on a wrong shape, or a label out of range (see check in the head of this file).
    """
    if (
        not isinstance(labels, Tensor)
        or labels.is_floating_point()
        or labels.is_complex()
        or labels.dtype is torch.bool
    ):
        given = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
        raise TypeError(f"{name} must be a torch.Tensor of whole numbers, got {given}; use {name}.long()")
    if labels.ndim != 1 or (size is not None and len(labels) != size):
        wanted = "(B,)" if size is None else f"({size},), one for each row of z"
        raise ValueError(f"{name} must have shape {wanted}, got {tuple(labels.shape)}")
    labels = labels.long()
    if _look(check, labels) and len(labels):
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= classes:
            raise ValueError(
                f"{name} must lie from 0 to {classes - 1} for {classes} classes, got {low if low < 0 else high}"
            )
    return labels


def check_weight(weight: Tensor, classes: int, *, check: bool | None = None) -> Tensor:
    """Refuse what cannot weigh the classes: (K,) numbers that are finite and not negative, some of them over 0.

    Raises:
        TypeError: if weight is no tensor.
        ValueError: on a wrong shape or value (see check in the head of this file).
    """
    if not isinstance(weight, Tensor):
        raise TypeError(f"weight must be a torch.Tensor, got {type(weight).__name__}")
    if weight.shape != (classes,):
        raise ValueError(f"weight must have shape ({classes},), one per class, got {tuple(weight.shape)}")
    if _look(check, weight) and not (torch.isfinite(weight).all() and (weight >= 0).all() and (weight > 0).any()):
        raise ValueError("weight must be finite and not negative, at least one of them over 0")
    return weight


def _check_values(y: Tensor, size: int | None, name: str) -> Tensor:
    if not isinstance(y, Tensor) or not y.is_floating_point():
        given = y.dtype if isinstance(y, Tensor) else type(y).__name__
        raise TypeError(f"{name} must be a floating-point torch.Tensor, got {given}; use {name}.float()")
    if size is not None and y.shape != (size,):
        raise ValueError(f"{name} must have shape ({size},), one for each row of z, got {tuple(y.shape)}")
    return y


def check_bounds(low: float, high: float) -> tuple[float, float]:
    """Refuse bounds that enclose nothing; returns them as floats.

    Raises:
        TypeError: if one of them is no number.
        ValueError: unless low < high and both are finite.
    """
    low, high = real("low", low), real("high", high)
    if not -float("inf") < low < high < float("inf"):
        raise ValueError(f"bounds must be finite with low < high, got low={low:g} and high={high:g}")
    return low, high


def check_axis(axis: Tensor, dim: int, *, values: bool = True) -> Tensor:
    """Refuse what cannot be the axis of a regression in dim dimensions: one vector of length 1.

    Raises:
        TypeError, ValueError: on another shape or length.
    """
    if not isinstance(axis, Tensor) or axis.shape != (dim,):
        given = tuple(axis.shape) if isinstance(axis, Tensor) else type(axis).__name__
        raise ValueError(f"axis must be a torch.Tensor of shape ({dim},), the width of z, got {given}")
    return check_vectors(axis, "axis", unit=values, values=values)


def reduce(values: Tensor, reduction: str, weight: Tensor | None = None) -> Tensor:
    """Many losses to one: their "mean", their "sum", or, with "none", the losses themselves.

    With weights the mean is sum(w l) / sum(w), as in torch's cross_entropy.

    Raises:
        ValueError: if reduction is another word.
    """
    if weight is not None:
        values = values * weight
    if reduction == "mean":
        return values.mean() if weight is None else values.sum() / weight.sum()
    if reduction == "sum":
        return values.sum()
    if reduction == "none":
        return values
    raise ValueError(f'reduction must be "mean", "sum" or "none", got {reduction!r}')


def unit(z: Tensor, p: Tensor) -> Tensor:
    """The directions of outputs z (B, D), in the wider of the dtypes of z and p: cosines of a net in bfloat16 are taken
    in the prototypes' float32."""
    return normalize(z.to(torch.promote_types(z.dtype, p.dtype)), check=False)


def _cosine(z: Tensor, p: Tensor) -> Tensor:
    return (unit(z, p) * p).sum(-1)  # (B, D), (B, D) or (D,) -> (B,)


# --- classification ------------------------------------------------------------------------------------------------


def _check_classes(z: Tensor, prototypes: Tensor, labels: Tensor, check: bool | None) -> Tensor:
    """Refuse outputs, prototypes and labels that do not fit; the labels as int64."""
    check_prototypes(prototypes, values=_look(check, prototypes))
    check_outputs(z, prototypes.shape[-1], check=check)
    return check_labels(labels, len(prototypes), size=len(z), check=check)


def squared_cosine(
    z: Tensor,
    prototypes: Tensor,
    labels: Tensor,
    *,
    weight: Tensor | None = None,
    reduction: str = "mean",
    check: bool | None = None,
) -> Tensor:
    """(1 - cos(z, p_y))^2: turn each output towards the prototype of its class, and look at no other prototype.

    The cosine keeps its sign. The formula printed in the paper shows |z . p|, under which an output opposite to its
    prototype would count as perfect.

    Args:
        z: (B, D) outputs of any length.
        prototypes: (K, D) unit rows, fixed.
        labels: (B,) whole numbers in 0..K-1.
        weight: (K,) weight of each class.
        reduction: "mean", "sum" (the paper's) or "none"; the top of this file says what that does to the learning rate,
            and on several GPUs.
        check: look at values; default: on the CPU only.
    Returns:
        a number, or (B,) with "none".
    Raises:
        TypeError, ValueError: see check_outputs, check_labels, check_prototypes, check_weight.
    Source: HPN-E1.
    """
    labels = _check_classes(z, prototypes, labels, check)
    if weight is not None:
        check_weight(weight, len(prototypes), check=check)
    c = _cosine(z, prototypes[labels])  # (B, D), (B, D) -> (B,)
    return reduce((1 - c).square(), reduction, None if weight is None else weight[labels])


def squared_cosine_gradient(
    z: Tensor, prototypes: Tensor, labels: Tensor, *, reduction: str = "mean", check: bool | None = None
) -> Tensor:
    """The gradient of squared_cosine with respect to z, written by hand instead of by autograd.

    2 (1 - c) (c z / ||z||^2 - p / ||z||). It is orthogonal to z: a step turns the output and, to first order, does not
    lengthen it. Its length is 2 (1 - c) sin(theta) / ||z||, so that long outputs turn slowly; and it vanishes at the
    prototype, and opposite to it.

    Args:
        z, prototypes, labels, check: as in squared_cosine.
        reduction: "mean" divides by B; "sum" and "none" do not.
    Returns:
        (B, D).
    Raises:
        TypeError, ValueError: see squared_cosine.
    Source: HPN-E2, HPN-E3.
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'reduction must be "mean", "sum" or "none", got {reduction!r}')
    p = prototypes[_check_classes(z, prototypes, labels, check)]  # (K, D) -> (B, D)
    z = z.to(torch.promote_types(z.dtype, p.dtype))
    length = torch.linalg.vector_norm(z, dim=1, keepdim=True)  # (B, 1)
    length = torch.where(length == 0, 1, length)  # a zero output: cosine 0, and straight towards p
    u = z / length
    c = (u * p).sum(1, keepdim=True)  # (B, 1)
    gradient = 2 * (1 - c) * (c * u - p) / length
    return gradient / len(z) if reduction == "mean" else gradient


def dot_regression(
    z: Tensor,
    prototypes: Tensor,
    labels: Tensor,
    *,
    weight: Tensor | None = None,
    unit: bool = False,
    reduction: str = "mean",
    check: bool | None = None,
) -> Tensor:
    """1/2 (z . w - |w| |z|)^2 / |z| with w = sqrt(weight) p: the squared cosine loss times |z| weight / 2.

    Unlike the squared cosine it feels how long an output is: a long output is turned as fast as a short one, and all
    that do not yet point at their prototype are made shorter. With `unit` outputs are normalised first, as in the
    published code, and it is half the squared cosine loss.

    Args:
        z, prototypes, labels, check: as in squared_cosine.
        weight: (K,) weight of each class, such as batch_weights gives. The mean divides by the number of examples, not
            by the weights.
        unit: take outputs at length 1.
        reduction: "mean", "sum" or "none".
    Returns:
        a number, or (B,) with "none".
    Raises:
        TypeError, ValueError: see squared_cosine.
    Source: the public implementation of LPA (Saadabadi et al. 2024), after Yang et al. 2022.
    """
    if weight is not None:
        check_weight(weight, len(prototypes), check=check)
    value = squared_cosine(z, prototypes, labels, reduction="none", check=check) / 2  # (B,)
    if not unit:
        value = value * torch.linalg.vector_norm(z.to(value.dtype), dim=1)
    return reduce(value if weight is None else value * weight[labels], reduction)


def batch_weights(labels: Tensor, classes: int) -> Tensor:
    """Weights (K,) that make every class of a batch count the same: its mean count over the class's own.

    The mean is over the classes that occur; a class that does not has weight 0.

    Raises:
        TypeError, ValueError: see check_labels; also if classes < 1.
    Source: the public implementation of LPA.
    """
    labels = check_labels(labels, whole("classes", classes, 1))
    counts = torch.zeros(classes, device=labels.device).index_add_(
        0, labels, torch.ones_like(labels, dtype=torch.float)
    )
    present = counts > 0
    return torch.where(present, counts.sum() / present.sum().clamp_min(1) / counts.clamp_min(1), 0.0)


def nearest_prototype(z: Tensor, prototypes: Tensor, *, chunk: int | None = None) -> Tensor:
    """The class whose prototype has the largest cosine: (B, D), (K, D) -> (B,) int64.

    The length of z is the same for all classes and drops out. Prototypes are taken a chunk at a time, so that memory is
    B times chunk numbers and not B times K.

    Args:
        z: (B, D) outputs.
        prototypes: (K, D) unit rows.
        chunk: prototypes at a time; default: so many that about 2^24 cosines are held.
    Returns:
        (B,) indices; of equal cosines the first.
    Raises:
        TypeError, ValueError: on other types or shapes (values are not looked at), or if chunk < 1.
    Source: HPN-E4.
    """
    check_prototypes(prototypes, values=False)
    check_outputs(z, prototypes.shape[-1], check=False)
    chunk = max(1, (1 << 24) // len(z)) if chunk is None else whole("chunk", chunk, 1)
    u = unit(z, prototypes)
    best = u.new_full((len(z),), -torch.inf)
    index = torch.zeros(len(z), dtype=torch.long, device=z.device)
    with torch.autocast(z.device.type, enabled=False):
        for start in range(0, len(prototypes), chunk):
            c, i = (u @ prototypes[start : start + chunk].to(u.dtype).T).max(1)  # (B, chunk) -> (B,)
            index = torch.where(c > best, start + i, index)
            best = torch.maximum(best, c)
    return index


# --- regression ----------------------------------------------------------------------------------------------------


def to_cosine(y: Tensor, low: float, high: float, *, clip: bool = False, check: bool | None = None) -> Tensor:
    """Targets between two bounds as cosines: low becomes -1, high becomes +1, and what lies between, in proportion.

    Args:
        y: targets of any shape.
        low, high: the bounds, low < high.
        clip: move targets outside the bounds onto them; without it they are an error.
        check: look at values; default: on the CPU only.
    Returns:
        2 (y - low) / (high - low) - 1, in [-1, 1].
    Raises:
        TypeError: if y is no floating-point tensor.
        ValueError: unless low < high; also if a target is NaN or, without clip, outside the bounds.
    Source: HPN-E7.
    """
    low, high = check_bounds(low, high)
    _check_values(y, None, "y")
    if _look(check, y) and y.numel():
        if torch.isnan(y).any():
            raise ValueError(f"y holds NaN in {int(torch.isnan(y).sum())} of {y.numel()} targets")
        least, most = float(y.min()), float(y.max())
        slack = 1e-6 * (high - low)  # rounding of a bound that is the data's own largest value
        if not clip and (least < low - slack or most > high + slack):
            raise ValueError(
                f"y must lie from {low:g} to {high:g}, got {least if least < low - slack else most:g}; "
                "widen the bounds, or pass clip=True to move such targets onto them"
            )
    return (2 * (y - low) / (high - low) - 1).clamp(-1, 1)


def from_cosine(r: Tensor, low: float, high: float) -> Tensor:
    """Cosines as values between two bounds, the inverse of to_cosine: low + (r + 1) / 2 (high - low).

    Raises:
        ValueError: unless low < high.
    Source: HPN-E7, inverted.
    """
    low, high = check_bounds(low, high)
    return low + (r + 1) / 2 * (high - low)


def squared_difference(
    z: Tensor, r: Tensor, axis: Tensor, *, reduction: str = "mean", check: bool | None = None
) -> Tensor:
    """(r - cos(z, p_u))^2: bring each output onto the circle around the axis on which the cosine is r.

    Args:
        z: (B, D) outputs of any length.
        r: (B,) target cosines, from to_cosine.
        axis: (D,) unit vector p_u, the prototype of the upper bound; that of the lower one is opposite.
        reduction: "mean", "sum" (the paper's) or "none"; see the top of this file.
        check: look at values; default: on the CPU only.
    Returns:
        a number, or (B,) with "none".
    Raises:
        TypeError, ValueError: on wrong shapes or types, NaN in z, an axis that is not of length 1, r outside [-1, 1].
    Source: HPN-E6.
    """
    check_outputs(z, check=check)
    check_axis(axis, z.shape[1], values=_look(check, z))
    _check_values(r, len(z), "r")
    if _look(check, z) and not (r.abs() <= 1 + 1e-6).all():
        raise ValueError(f"r must lie from -1 to 1, got {float(r[r.abs().argmax()]):g}; to_cosine(y, low, high)")
    return reduce((r - _cosine(z, axis)).square(), reduction)


# --- both ----------------------------------------------------------------------------------------------------------


def joint(
    z: Tensor,
    prototypes: Tensor,
    labels: Tensor,
    r: Tensor,
    *,
    regression_weight: float = 1.0,
    project: bool = False,
    reduction: str = "mean",
    check: bool | None = None,
) -> Tensor:
    """squared_cosine plus squared_difference in one space: the last axis is the regression's, the others the classes'.

    As published, both cosines are those of the whole output, so they compete: cos(z, axis) = r leaves at most
    sqrt(1 - r^2) for the class. The best output stands at latitude arctan(r), and its cosine to the axis is
    r / sqrt(1 + r^2) instead of r: 0.71 at the upper bound. With project=True the cosine to the prototype is measured
    without the last axis, and both losses can be zero at once.

    Args:
        z: (B, D) outputs, D >= 2.
        prototypes: (K, D - 1) unit rows in the class axes alone.
        labels: (B,) whole numbers in 0..K-1.
        r: (B,) target cosines to the last axis, from to_cosine.
        regression_weight: factor of the regression's part; the paper needs none.
        project: measure the class's cosine within the class axes.
        reduction: "mean", "sum" (the paper's) or "none"; see the top of this file.
        check: look at values; default: on the CPU only.
    Returns:
        a number, or (B,) with "none".
    Raises:
        TypeError, ValueError: see squared_cosine and squared_difference.
    Source: HPN, section 2.3; project is ours.
    """
    check_prototypes(prototypes, values=_look(check, prototypes))
    check_outputs(z, prototypes.shape[-1] + 1, check=check)
    axis = prototypes.new_zeros(z.shape[1])  # (D,)
    axis[-1] = 1
    if project:
        part = squared_cosine(z[:, :-1], prototypes, labels, reduction=reduction, check=check)
    else:
        part = squared_cosine(z, F.pad(prototypes, (0, 1)), labels, reduction=reduction, check=check)
    return part + regression_weight * squared_difference(z, r, axis, reduction=reduction, check=check)


# --- baselines -----------------------------------------------------------------------------------------------------


def squared_error(
    output: Tensor,
    y: Tensor,
    low: float,
    high: float,
    *,
    clamp: bool = True,
    clip: bool = False,
    reduction: str = "mean",
    check: bool | None = None,
) -> Tensor:
    """The usual loss of regression: the squared difference between output and target, both brought to [0, 1].

    The paper clamps the output to [0, 1]. Where the clamp acts the gradient is zero: an example whose output has left
    the interval teaches the net nothing any more.

    Args:
        output: (B,) or (B, 1) outputs, 0 standing for low and 1 for high.
        y: (B,) targets.
        low, high: the bounds, low < high.
        clamp: clamp outputs to [0, 1], as the paper does.
        clip: move targets outside the bounds onto them; without it they are an error.
        reduction, check: as in squared_difference.
    Returns:
        a number, or (B,) with "none".
    Raises:
        TypeError, ValueError: see to_cosine and check_outputs.
    Source: HPN, section 3.2 (the baselines of HPN-F5).
    """
    flat = isinstance(output, Tensor) and output.ndim == 1
    output = check_outputs(output[:, None] if flat else output, 1, name="output", check=check)[:, 0]
    target = (to_cosine(_check_values(y, len(output), "y"), low, high, clip=clip, check=check) + 1) / 2
    return reduce(((output.clamp(0, 1) if clamp else output) - target).square(), reduction)


def distance_scores(z: Tensor, means: Tensor, *, squared: bool = False) -> Tensor:
    """Minus the Euclidean distance to each class mean: (B, D), (K, D) -> (B, K), to go into a softmax.

    With squared=True minus its square, as in the public implementation of Deep NCM.

    Raises:
        TypeError, ValueError: on other types or shapes; values are not looked at.
    Source: HPN, section 3.1, after Guerriero et al. 2018.
    """
    check_outputs(means, name="means", check=False)
    check_outputs(z, means.shape[1], check=False)
    dtype = torch.promote_types(z.dtype, means.dtype)
    z, means = z.to(dtype), means.to(dtype)
    with torch.autocast(z.device.type, enabled=False):
        square = z.square().sum(1, keepdim=True) - 2 * z @ means.T + means.square().sum(1)  # (B, K)
        if squared:
            return -square
        return -(square.clamp_min(0) + torch.finfo(z.dtype).eps).sqrt()  # the epsilon keeps the slope at 0 finite


def nearest_mean(
    z: Tensor,
    means: Tensor,
    labels: Tensor,
    *,
    squared: bool = False,
    reduction: str = "mean",
    check: bool | None = None,
) -> Tensor:
    """Deep NCM's loss: cross-entropy of a softmax over minus the distances to the class means, which are held fixed.

    Args:
        z: (B, D) outputs.
        means: (K, D), one for each class.
        labels: (B,) whole numbers in 0..K-1.
        squared: see distance_scores.
        reduction: "mean", "sum" or "none"; see the top of this file.
        check: look at values; default: on the CPU only.
    Returns:
        a number, or (B,) with "none".
    Raises:
        TypeError, ValueError: see check_outputs, check_labels.
    Source: HPN, section 3.1, after Guerriero et al. 2018.
    """
    check_outputs(means, name="means", check=check)
    check_outputs(z, means.shape[1], check=check)
    labels = check_labels(labels, len(means), size=len(z), check=check)
    return F.cross_entropy(distance_scores(z, means.detach(), squared=squared), labels, reduction=reduction)


# --- the gradient of cross-entropy, in two parts -------------------------------------------------------------------


class PullPush(NamedTuple):
    """The parts of a gradient: gradient = pull + push, and a step of descent goes against it.

    pull: what draws an output and the vector of its class together; push: what drives an output and the vectors of all
    other classes apart.
    """

    pull: Tensor
    push: Tensor


def pull_and_push(
    z: Tensor, vectors: Tensor, labels: Tensor, *, reduction: str = "mean", check: bool | None = None
) -> tuple[PullPush, PullPush]:
    """The gradients of softmax cross-entropy of the scores <z, w_k>, for the outputs and for the class vectors.

    For an output: -(1 - p_y) w_y, and the sum of p_j w_j over the other classes j. For a class vector w_j: minus the
    sum of (1 - p_j) z over its own examples, and the sum of p_j z over all others; the second is there in every batch,
    also in one without the class (a passive update).

    Args:
        z: (B, D) outputs.
        vectors: (K, D) class vectors of any length, learnt or fixed.
        labels: (B,) whole numbers in 0..K-1.
        reduction: "mean" divides by B; "sum", as the paper prints it, does not.
        check: look at values; default: on the CPU only.
    Returns:
        the parts for z, each (B, D), and those for the vectors, each (K, D).
    Raises:
        TypeError, ValueError: see check_outputs, check_labels; also on another reduction.
    Source: LPA-E11, LPA-E12.
    """
    check_outputs(vectors, name="vectors", check=check)
    check_outputs(z, vectors.shape[1], check=check)
    labels = check_labels(labels, len(vectors), size=len(z), check=check)
    if reduction not in ("mean", "sum"):
        raise ValueError(f'reduction must be "mean" or "sum", got {reduction!r}')
    dtype = torch.promote_types(z.dtype, vectors.dtype)
    z, vectors = z.to(dtype), vectors.to(dtype)
    p = (z @ vectors.T).softmax(1)  # (B, K)
    own = torch.zeros_like(p).scatter_(1, labels[:, None], 1)
    pull, push = -(1 - p) * own, p * (1 - own)  # (B, K); together p - own, the slope of the loss for the scores
    if reduction == "mean":
        pull, push = pull / len(z), push / len(z)
    return PullPush(pull @ vectors, push @ vectors), PullPush(pull.T @ z, push.T @ z)
