"""Energies of points on the sphere: how much they crowd each other.

Every energy is a function of (..., N, D) tensors that returns a scalar for each set of points, serves as loss and as
metric alike, and normalises inside, so that it sees directions alone. `reduction="mean"` averages over the N(N-1)/2
pairs, which makes layers and point sets of different sizes comparable; `"sum"` adds the pairs up, each once, as
physicists' tables do. MHE-E1 counts each pair twice: its E_s is twice our sum and, divided by N(N-1), our mean.

Pairs are taken in blocks of rows, so that memory grows as N and not as N^2, with gradients too: each block of BLOCK
pairs is worked out again on the way back (one block, of about a thousand points, also goes through torch.func.grad and
vmap). Beside a few copies of the points that takes less than 400 MB, however many points there are. Time grows as N^2;
for a million points there is minibatch. Distances have a floor (see riesz), so values and gradients stay finite where
points meet.

float16 and bfloat16 points are taken to float32, which the energies then are in, with or without autocast.

References:
    Liu et al. 2018, Learning towards Minimum Hyperspherical Energy (MHE): Riesz, angular, half-space, mini-batch
    Wang, Isola 2020, Understanding Contrastive Representation Learning ... on the Hypersphere: Gaussian, uniformity
    Mettes et al. 2019, Hyperspherical Prototype Networks (HPN): largest cosines
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .bounds import real, whole
from .sphere import BLOCK, check_vectors, nearest, normalize, squared_chords


def riesz(
    x: Tensor,
    s: float = 1.0,
    *,
    distance: str = "euclidean",
    half_space: bool = False,
    weights: Tensor | None = None,
    reduction: str = "mean",
    check: bool = True,
) -> Tensor:
    """Riesz energy: the mean or sum over pairs of f_s(distance), f_s(r) = r^-s for s > 0 and f_0(r) = log(1/r).

    s = 1 on S^2 is the Thomson problem, s = 0 Whyte's, and s -> infinity tends to the Tammes problem. A distance
    below the floor counts as the floor: r = sqrt(machine epsilon), 1.5e-8 in float64 and 3.5e-4 in float32, or the
    least r whose energy still fits the floats when s is large: 0.57 in float32 at s = 100, which may be more than the
    distance of neighbours. Pairs at the floor no longer push each other; log_riesz has no such limit.

    Args:
        x: (..., N, D) directions, N >= 2.
        s: the exponent, 0 <= s < infinity.
        distance: "euclidean" (the chord, in [0, 2]) or "angular" (the angle in radians, in [0, pi]; MHE-E5).
        half_space: add the opposite -x of every point, as MHE does for hidden neurons; the energy is then that of the
            2N points, where a point and its own opposite count as a pair like any other.
        weights: (..., N) non-negative charges; a pair counts with the product of its two. The mean divides by the
            sum of these products.
        reduction: "mean" or "sum", over unordered pairs.
        check: look for NaN and zero vectors first; False skips the look, which makes a GPU wait and which vmap and
            torch.compile(fullgraph=True) cannot have.
    Returns:
        (...) energies.
    Raises:
        TypeError: if x is no floating-point tensor, or weights are no tensor.
        ValueError: on a wrong shape, a zero vector, NaN, s outside [0, infinity), an unknown option, bad weights.
    Source: MHE-E1, E2, E5 (Liu et al. 2018).
    """
    _check_exponent(s)
    _choice("distance", distance, ("euclidean", "angular"))
    floor = _floor(x, s)

    def kernel(square: Tensor) -> Tensor:  # of the squared chord
        if distance == "angular":
            gap, eps = 4 - square, torch.finfo(square.dtype).eps  # squared chord to the opposite point
            other = gap.clamp_min(eps).sqrt() * (gap > eps)  # 0 at the opposite point, with no slope
            square = (2 * torch.atan2(square.clamp_min(floor).sqrt(), other)).square()
        square = square.clamp_min(floor)
        return square.log() / -2 if s == 0 else square ** (-s / 2)

    return _over_pairs(x, kernel, half_space, weights, reduction, check)


def log_riesz(x: Tensor, s: float, *, reduction: str = "mean", check: bool = True) -> Tensor:
    """The logarithm of the Riesz energy, for exponents at which the energy itself would not fit the floats.

    It has the same minimisers, and divided by s it is the soft maximum of the numbers log(1/r) over the pairs: between
    log(1/r) of the closest pair and, for the mean, log(number of pairs)/s less. The powers are never formed
    (log-sum-exp), so the floor is r = sqrt(machine epsilon) for every s.

    Args:
        x: (..., N, D) directions, N >= 2.
        s: the exponent, 0 < s < infinity.
        reduction: of the energy, "mean" or "sum" over unordered pairs.
        check: as in riesz.
    Returns:
        (...) logarithms of energies.
    Raises:
        TypeError, ValueError: see riesz; also if s is 0, where the energy can be negative.
    Source: MHE-E1 (Liu et al. 2018); the limit is HPN-E5 (Mettes et al. 2019).
    """
    _check_exponent(s)
    if s == 0:
        raise ValueError("s must be over 0: the energy of s = 0 can be negative, see logarithmic")
    _choice("reduction", reduction, ("mean", "sum"))
    check_vectors(x, points=2, values=check)
    x = _directions(x)
    n, eps = x.shape[-2], torch.finfo(x.dtype).eps

    def block(x: Tensor, a: int, b: int) -> Tensor:
        """The pairs of which the first point is in rows a to b, as in _over_pairs."""
        square = squared_chords(x[..., a:b, :], x[..., a:, :]).clamp_min(eps)  # (..., b-a, n-a)
        done = torch.ones(square.shape[-2:], dtype=torch.bool, device=x.device).tril()
        return (-s / 2 * square.log()).masked_fill(done, -math.inf).flatten(-2).logsumexp(-1)

    rows = max(1, BLOCK // max(1, n * math.prod(x.shape[:-2])))
    if rows >= n:
        total = block(x, 0, n)
    else:
        starts = range(0, n - 1, rows)
        again = dict(use_reentrant=False, preserve_rng_state=False)
        total = torch.stack([checkpoint(block, x, a, min(a + rows, n), **again) for a in starts]).logsumexp(0)
    return total - math.log(n * (n - 1) / 2) if reduction == "mean" else total


def logarithmic(x: Tensor, **options) -> Tensor:
    """Riesz energy of s = 0, the mean of log(1/r): its minimisers spread the product of distances (Whyte's problem).

    Takes the options of riesz; s times it is MHE-E3, the relaxation of every E_s.

    Raises:
        TypeError, ValueError: see riesz.
    Source: MHE-E2, E3 (Liu et al. 2018).
    """
    return riesz(x, 0.0, **options)


def gaussian(
    x: Tensor,
    t: float = 2.0,
    *,
    half_space: bool = False,
    weights: Tensor | None = None,
    reduction: str = "mean",
    check: bool = True,
) -> Tensor:
    """Gaussian energy: the mean or sum over pairs of exp(-t r^2), finite and smooth everywhere.

    Args:
        t: how local it is, over 0; the rest as in riesz.
    Returns:
        (...) energies.
    Raises:
        TypeError, ValueError: see riesz; also if t is not positive.
    Source: Wang and Isola 2020, section 4.
    """
    if not 0 < real("t", t) < math.inf:
        raise ValueError(f"t must be positive and finite, got {t}")
    return _over_pairs(x, lambda square: torch.exp(-t * square), half_space, weights, reduction, check)


def uniformity(x: Tensor, t: float = 2.0, *, check: bool = True) -> Tensor:
    """Uniformity: the logarithm of the mean Gaussian energy, (..., N, D) -> (...).

    Raises:
        TypeError, ValueError: see gaussian.
    Source: Wang and Isola 2020, section 4; LPA places its prototypes with it (Saadabadi et al. 2024).
    """
    return gaussian(x, t, check=check).log()


def minibatch(x: Tensor, m: int, s: float = 1.0, *, generator: torch.Generator | None = None, **options) -> Tensor:
    """Riesz energy of m of the N points, drawn without replacement: its expectation is the mean energy of all N.

    Not so with half_space, where a point's own opposite weighs more in a small draw, nor with weights, where the mean
    is a ratio of two random sums.

    Args:
        x: (..., N, D) directions; the same points are drawn from every set.
        m: how many to draw, 2 <= m <= N.
        s, options: as in riesz, weights for all N points; the reduction is "mean" unless said otherwise.
        generator: a CPU torch.Generator to draw from.
    Returns:
        (...) energies.
    Raises:
        TypeError, ValueError: see riesz; also if m is not between 2 and N.
    Source: MHE, section 3.5 (Liu et al. 2018).
    """
    check_vectors(x, points=2, values=options.get("check", True))
    m = whole("m", m, 2)
    if m > x.shape[-2]:
        raise ValueError(f"m must be at most the number of points {x.shape[-2]}, got {m}")
    weights = options.pop("weights", None)
    weights = None if weights is None else _check_weights(weights, x, False)
    drawn = torch.randperm(x.shape[-2], generator=generator)[:m].to(x.device)
    weights = None if weights is None else weights[..., drawn]
    return riesz(x[..., drawn, :], s, weights=weights, **options)


def class_minibatch(x: Tensor, labels: Tensor, s: float = 1.0, *, check: bool = True) -> Tensor:
    """Energy between the classifier neurons of the classes in a batch and all others.

    1/(m (N-1)) sum_i sum_{j != y_i} f_s(||x_{y_i} - x_j||), over the m samples of the batch: a class counts as often
    as it occurs.

    Args:
        x: (N, D) directions, one per class.
        labels: (m,) class indices, at least one.
        s: as in riesz.
        check: look at the values of both first, as in riesz.
    Returns:
        a scalar.
    Raises:
        TypeError: if x is no floating-point tensor or labels no tensor of integers.
        ValueError: see riesz; also if x has more axes, or labels are empty or out of range.
    Source: MHE, section 3.5 and E8 (Liu et al. 2018).
    """
    check_vectors(x, points=2, values=check)
    if x.ndim != 2:
        raise ValueError(f"x must have shape (N, D), got {tuple(x.shape)}")
    if not isinstance(labels, Tensor):
        raise TypeError(f"labels must be a torch.Tensor, got {type(labels).__name__}")
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise TypeError(f"labels must be integers, got {labels.dtype}")
    n = x.shape[-2]
    if labels.ndim != 1 or labels.numel() == 0:
        raise ValueError(f"labels must have shape (m,) with m >= 1, got {tuple(labels.shape)}")
    if check and (int(labels.min()) < 0 or int(labels.max()) >= n):
        raise ValueError(f"labels must be in 0..{n - 1}, got {int(labels.min())}..{int(labels.max())}")
    _check_exponent(s)
    x, labels = _directions(x), labels.long()
    square = squared_chords(x[labels], x).clamp_min(_floor(x, s))  # (m, N)
    value = square.log() / -2 if s == 0 else square ** (-s / 2)
    own = labels[:, None] == torch.arange(n, device=x.device)
    return value.masked_fill(own, 0).sum() / (labels.numel() * (n - 1))


def largest_cosine(x: Tensor) -> Tensor:
    """Cosine of the closest pair, (..., N, D) -> (...): what the Tammes problem and HPN-E5 minimise.

    Its gradient moves the closest pairs alone.

    Raises:
        TypeError, ValueError: see sphere.check_vectors.
    Source: HPN-E5 (Mettes et al. 2019).
    """
    return nearest(x)[0].amax(-1)


def mean_largest_cosine(x: Tensor) -> Tensor:
    """Each point's cosine to its nearest neighbour, averaged, (..., N, D) -> (...): HPN's objective at NeurIPS.

    Raises:
        TypeError, ValueError: see sphere.check_vectors.
    Source: HPN (Mettes et al. 2019), section 3.1.
    """
    return nearest(x)[0].mean(-1)


def _over_pairs(
    x: Tensor,
    kernel: Callable[[Tensor], Tensor],
    half_space: bool,
    weights: Tensor | None,
    reduction: str,
    check: bool,
) -> Tensor:
    """Mean or sum of kernel(squared chord) over the unordered pairs of the rows of x."""
    _choice("reduction", reduction, ("mean", "sum"))
    check_vectors(x, points=2, values=check)
    x = _directions(x)
    n = x.shape[-2]
    charge = x.new_ones(n) if weights is None else _check_weights(weights, x, check)

    def block(x: Tensor, charge: Tensor, a: int, b: int) -> Tensor:
        """The pairs of which the first point is in rows a to b; the second comes after it."""
        square = squared_chords(x[..., a:b, :], x[..., a:, :])  # (..., b-a, n-a)
        value = kernel(square)
        if half_space:
            value = 2 * value + 2 * kernel(4 - square)  # four pairs of two points and their opposites
        if weights is not None:
            value = value * charge[..., a:b, None] * charge[..., None, a:]
        return value.triu(1).sum((-2, -1))

    rows = max(1, BLOCK // max(1, n * math.prod(x.shape[:-2])))
    if rows >= n:
        total = block(x, charge, 0, n)
    else:
        total = sum(
            checkpoint(block, x, charge, a, min(a + rows, n), use_reentrant=False, preserve_rng_state=False)
            for a in range(0, n - 1, rows)
        )
    if half_space:  # each point and its own opposite, at the squared chord 4
        total = total + kernel(x.new_full((), 4.0)) * charge.square().sum(-1)
    if reduction == "sum":
        return total
    if half_space:
        charge = torch.cat([charge, charge], -1)
    return total / ((charge.sum(-1).square() - charge.square().sum(-1)) / 2)


def _directions(x: Tensor) -> Tensor:
    """Unit rows, in float32 at least."""
    return normalize(x.to(torch.promote_types(x.dtype, torch.float32)), check=False)


def _floor(x: Tensor, s: float) -> float:
    """The least squared distance: machine epsilon, or more where r^-(s+2), the gradient's size, would overflow."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        check_vectors(x)
    info = torch.finfo(torch.promote_types(x.dtype, torch.float32))
    return max(info.eps, (info.max * info.eps**2) ** (-2 / (s + 2)))


def _check_weights(weights: Tensor, x: Tensor, check: bool) -> Tensor:
    if not isinstance(weights, Tensor):
        raise TypeError(f"weights must be a torch.Tensor, got {type(weights).__name__}")
    if weights.shape[-1:] != x.shape[-2:-1]:
        raise ValueError(f"weights must have one entry per point, ({x.shape[-2]},), got {tuple(weights.shape)}")
    if check and (not torch.isfinite(weights).all() or (weights < 0).any() or ((weights > 0).sum(-1) < 2).any()):
        raise ValueError("weights must be finite and not negative, at least two of them over 0")
    return weights.to(x.dtype)


def _check_exponent(s: float) -> None:
    if not 0 <= real("s", s) < math.inf:
        hint = "; the limit is the Tammes problem: see largest_cosine" if s == math.inf else ""
        raise ValueError(f"s must be in [0, infinity), got {s}{hint}")


def _choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
