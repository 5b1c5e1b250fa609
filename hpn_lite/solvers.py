"""Points by search: least energy (Thomson and his relatives), least largest cosine (Tammes), and HPN's published way.

`hpn_lite.points` offers all of this file. The pieces are elsewhere: descent (L-BFGS), packing (soft maximum and
finish), search (children of good sets), fused (values with gradients).

References:
    Thomson 1904; Whyte 1952; Tammes 1930
    Morris, Deaven and Ho 1996, Genetic-algorithm energy minimization for point charges on a sphere
    Wang and Isola 2020, for the uniformity loss; Mettes et al. 2019, for the published prototypes
"""

import functools
import itertools
import math
import time
import warnings

import torch
from torch import Tensor

from . import descent, fused, packing
from .bounds import real, whole
from .search import improve, symmetric
from .sphere import check_vectors, largest_cosine_bound, normalize, separation, uniform

SMALL = 300  # directions to move in, k (dim - 1), up to which every set gets the interior-point finish,
LARGE = 3500  # and up to which the best set does: the finish solves that many equations in every step


def thomson(
    k: int,
    dim: int = 3,
    s: float = 1.0,
    *,
    starts: int | None = None,
    seed: int = 0,
    seconds: float | None = None,
    target: float | None = None,
    progress: bool = False,
    device: torch.device | str = "cpu",
) -> Tensor:
    """k points that repel each other with energy 1/r^s, at the lowest energy found (s = 0: log 1/r).

    Cosines are held in blocks (hpn_lite.fused), and L-BFGS remembers 20 vectors as long as the points: 100,000 points
    of R^3 take less than 300 MB, and k^2 time per step.

    Args:
        k: number of points, at least 2.
        dim: dimension of the surrounding space, at least 2; 3 is the ordinary sphere.
        s: exponent of the Riesz energy, s >= 0; s = 1 is Thomson's problem.
        starts: how many random starts move together (chosen from k if None; 1 for the plainest search).
        seed: the same seed gives the same points on the same machine, unless the clock ends the search.
        seconds: search for about this time, beginning anew as often as it takes (default: until nothing improves).
        target: stop as soon as the energy, the sum over unordered pairs, is this low.
        progress: print a line for every improvement.
        device: where to compute; "cuda" for large k.
    Returns:
        (k, dim) unit rows in float64.
    Raises:
        ValueError: if k < 2, dim < 2, starts < 1, seconds is not positive, or s is negative or not a number.
    Source: Thomson 1904; Whyte 1952 for s = 0; the search after Morris, Deaven and Ho 1996.
    """
    k, dim, s = whole("k", k, 2), whole("dim", dim, 2), _exponent(s)
    deadline = deadline_in(seconds)
    if target is not None:
        target = real("target", target)
    if starts is None:
        starts = 32 if k <= 200 else max(1, 6400 // k)
    starts = whole("starts", starts, 1)
    generator = torch.Generator().manual_seed(seed)
    fresh = lambda: _random_starts(starts, k, dim, generator, device)  # noqa: E731
    energy = functools.partial(fused.riesz, s=s)
    descend = lambda x: descent.minimize(energy, x, deadline=deadline)  # noqa: E731
    if starts == 1 or k > 2000:
        x, value = descend(fresh())
        return x[value.argmin()]
    patience = 1 if k <= 50 else 3 if k <= 100 else 6
    x, _ = improve(
        descend, fresh, generator, children=max(2, starts // 2), patience=patience, deadline=deadline,
        target=target, progress=progress,
    )  # fmt: skip
    return x


def tammes(
    k: int,
    dim: int,
    *,
    starts: int | None = None,
    seed: int = 0,
    seconds: float | None = None,
    target: float | None = None,
    start: Tensor | None = None,
    progress: bool = False,
    device: torch.device | str = "cpu",
) -> Tensor:
    """k points whose closest pair is as far apart as the search can make it.

    Args:
        k: number of points, at least 2.
        dim: dimension of the surrounding space, at least 2.
        starts: how many random starts move together (chosen from k and dim if None).
        seed: the same seed gives the same points on the same machine, unless the clock ends the search.
        seconds: search for about this time, beginning anew as often as it takes, in three dimensions also with
            symmetric sets (default: until nothing improves).
        target: stop as soon as the largest cosine is this small.
        start: (k, dim) or (S, k, dim) points to begin with instead of random ones; improved, not replaced.
        progress: print a line for every improvement.
        device: where to compute.
    Returns:
        (k, dim) unit rows in float64.
    Raises:
        ValueError: if k < 2, dim < 2, starts < 1, seconds is not positive, start has another shape, or the target
            lies below a proved bound.
    Source: Tammes 1930; the search is the book's chapter 4 (soft maximum, annealing, interior-point finish).
    """
    k, dim = whole("k", k, 2), whole("dim", dim, 2)
    deadline = deadline_in(seconds)
    # where the finish is long, it gets a part of the time
    search_until = None if seconds is None else deadline - (0.3 * seconds if SMALL < k * (dim - 1) <= LARGE else 0)
    check_target(target, k, dim)
    small = k * (dim - 1) <= SMALL
    if starts is None:
        starts = 16 if k <= 300 else max(1, 4800 // k)
    starts = whole("starts", starts, 1)
    generator = torch.Generator().manual_seed(seed)
    given = None if start is None else _given_starts(start, k, dim).to(device)
    # Very soft first steps lead many starts into the same broad valley, which holds the best set for some k and not
    # for others. So small problems also begin harder, and in three dimensions with sets that have a symmetry, as many
    # of the best ones have, if there is time for more than one beginning. Annealing in many small steps pays.
    softness, kinds = {"soft": (8, 16, 30), "hard": (30,)}, ["soft", "hard"] if small else ["soft"]
    solid = small and dim == 3 and k > 3 and deadline is not None
    if solid:
        kinds = ["symmetric", "hard", "soft"]
    beginnings = itertools.cycle(kinds)
    ladder = (60, 120) if small else (16, 30, 60, 120, 500)
    if given is not None:  # not so soft that it is forgotten
        ladder = (120,) if small else (120, 500)

    def fresh() -> Tensor:
        if given is not None:
            return given
        beginning = next(beginnings)
        if beginning == "symmetric":  # twice as many as go on, and no shakes, which would end the symmetry
            x = symmetric(2 * starts, k, generator).to(device)
            x = packing.anneal(x, (8, 30), None, deadline=search_until, target=target)
            return x[fused.largest(x).argsort()[:starts]]
        x = _random_starts(starts, k, dim, generator, device)
        return packing.anneal(x, softness[beginning], generator, deadline=search_until, target=target)

    def descend(x: Tensor) -> tuple[Tensor, Tensor]:
        x = packing.anneal(x, ladder, generator, deadline=search_until, target=target)
        if not small or (target is not None and fused.largest(x).min() <= target):
            return x, fused.largest(x)
        if 2 * k * (dim - 1) > SMALL:  # the finish takes long: only the better half gets it
            x = x[fused.largest(x).argsort()[: (len(x) + 1) // 2]]
        # A soft maximum likes symmetric sets, some of which are saddles of the largest cosine itself, where Newton's
        # steps would stall: shake first, and go over it twice.
        spacing = (2 - 2 * fused.largest(x)).sqrt()[:, None, None]
        x = descent.retract(x + 0.02 * spacing * packing.normal_like(x, generator))
        x, _ = packing.sharpen(x, margin=0.03, tolerance=1e-12, deadline=search_until)
        return packing.sharpen(x, margin=0.003, tolerance=1e-13, deadline=search_until)

    if k > 2000 or (given is not None and len(given) == 1):
        x, value = descend(fresh())
        x = x[value.argmin()]
    else:
        close = 1e-6 if small else 1e-4  # without the finish, values are good to that
        x, _ = improve(
            descend, fresh, generator, children=starts, patience=3 if solid else 6, close=close,
            deadline=search_until, target=target, progress=progress,
        )  # fmt: skip
    if target is None or fused.largest(x[None]) > target:
        x = finish(x, deadline)
    if given is not None:
        x = torch.cat([x[None], given])[fused.largest(torch.cat([x[None], given])).argmin()]
    return x


def uniformity(
    k: int, dim: int, t: float = 2.0, *, starts: int = 4, seed: int = 0, device: torch.device | str = "cpu"
) -> Tensor:
    """k points of least Gaussian energy: the mean over pairs of exp(-t r^2), the uniformity loss, minimised.

    Args:
        k, dim: number of points and dimension, at least 2.
        t: how fast the repulsion falls off, t > 0.
        starts, seed, device: as in `thomson`.
    Returns:
        (k, dim) unit rows in float64.
    Raises:
        ValueError: if k < 2, dim < 2, starts < 1 or t is not positive and finite.
    Source: Wang and Isola 2020; as prototypes Saadabadi et al. 2024 (LPA).
    """
    k, dim, starts = whole("k", k, 2), whole("dim", dim, 2), whole("starts", starts, 1)
    if not 0 < real("t", t) < math.inf:
        raise ValueError(f"t must be positive and finite, got {t!r}")
    x = _random_starts(starts, k, dim, torch.Generator().manual_seed(seed), device)
    # exp(-t r^2) = exp(2 t (cos - 1)): the soft maximum's sum at the fixed sharpness 2 t
    sharpness = torch.full((starts,), 2.0 * t, dtype=torch.float64, device=x.device)
    x, value = descent.minimize(fused.soft_largest, x, sharpness)
    return x[value.argmin()]


def hpn_prototypes(
    k: int,
    dim: int,
    *,
    steps: int = 10_000,
    lr: float = 0.1,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Prototypes as published with HPN: gradient descent on the mean over points of the cosine to the nearest other.

    Kept as it was, for comparison: the gradient of a pair that meets is zero, so two points that come to lie on each
    other stay there. Such a result is returned with a warning.

    Args:
        k, dim: number of prototypes and dimension, at least 2.
        steps: gradient steps.
        lr: their size. The published code makes a new optimizer in every step, so its momentum never acts.
        seed, device: as in `thomson`.
    Returns:
        (k, dim) unit rows in float32, as published.
    Raises:
        ValueError: if k < 2, dim < 2, steps < 1 or lr is not positive and finite.
    Warns:
        UserWarning: if two prototypes are closer than half of the angle that random ones could keep.
    Source: Mettes et al. 2019, section 3.1 and its published code.
    """
    k, dim, steps = whole("k", k, 2), whole("dim", dim, 2), whole("steps", steps, 1)
    if not 0 < real("lr", lr) < math.inf:
        raise ValueError(f"lr must be positive and finite, got {lr!r}")
    x = uniform(k, dim, seed=seed, dtype=torch.float32).to(device)
    rows = torch.arange(k, device=x.device)
    for _ in range(steps):
        cosines = x @ x.T
        cosines.fill_diagonal_(-2)
        nearest = cosines.argmax(1)
        # point i is pulled by its nearest other, and by every point whose nearest other it is
        gradient = x[nearest].index_add(0, nearest, x[rows]) / k
        x = descent.retract(x - lr * gradient)
    cosine, angle = float(fused.largest(x[None])), float(separation(x.double()).smallest_angle)
    _warn_if_met(x, cosine, angle)
    return x


def _exponent(s: float) -> float:
    try:
        number = float(s)
    except (TypeError, ValueError):
        raise ValueError(f"s is a number of at least 0, got {s!r}") from None
    if not number >= 0 or number == math.inf:
        hint = "; s to infinity is tammes(k, dim)" if number == math.inf else ""
        raise ValueError(f"s must be a finite number of at least 0, got {s!r}{hint}")
    return number


def deadline_in(seconds: float | None) -> float | None:
    if seconds is None:
        return None
    if not 0 < real("seconds", seconds) < math.inf:
        raise ValueError(f"seconds must be a positive number, got {seconds!r}")
    return time.monotonic() + seconds


def check_target(target: float | None, k: int, dim: int) -> None:
    """Refuse a largest cosine that no k points in dim dimensions have."""
    if target is None or k < 2:
        return
    bound = largest_cosine_bound(k, dim)
    if not real("target", target) >= bound.value - 1e-12:
        raise ValueError(
            f"{k} points in {dim} dimensions always have a pair at cosine {bound.value:.6f} or more"
            f" ({bound.name}), so the target {target} cannot be met"
        )


def _random_starts(starts: int, k: int, dim: int, generator: torch.Generator, device) -> Tensor:
    return uniform(starts * k, dim, generator=generator).view(starts, k, dim).to(device)


def _given_starts(start: Tensor, k: int, dim: int) -> Tensor:
    start = normalize(check_vectors(start, "start"), check=False).to(torch.float64)
    start = start[None] if start.ndim == 2 else start
    if start.ndim != 3 or start.shape[1:] != (k, dim) or not len(start):
        raise ValueError(f"start must have the shape ({k}, {dim}) or (S, {k}, {dim}), got {tuple(start.shape)}")
    return start


def finish(x: Tensor, deadline: float | None = None) -> Tensor:
    """The last digits, where the Newton matrix of the interior-point method fits: (k, dim) -> (k, dim)."""
    size = x.shape[0] * (x.shape[1] - 1)
    if size > LARGE:
        return x
    if size > SMALL:
        fine = packing.anneal(x[None], (2000,), torch.Generator().manual_seed(0), deadline=deadline)
        x = torch.where(fused.largest(fine) < fused.largest(x[None]), fine, x[None])[0]
    for margin in (0.03, 0.003):
        x = packing.sharpen(x[None], margin=margin, iterations=40, deadline=deadline)[0][0]
    return x


def _warn_if_met(x: Tensor, cosine: float, angle: float) -> None:
    k, dim = x.shape
    usual = float(separation(uniform(k, dim, seed=0)).smallest_angle)
    if angle < usual / 2 or cosine > 1 - 1e-6:
        warnings.warn(
            f"two of the {k} prototypes are only {math.degrees(angle):.3f} degrees apart: this objective does not part"
            f" points that meet; tammes({k}, {dim}) does",
            stacklevel=3,
        )
