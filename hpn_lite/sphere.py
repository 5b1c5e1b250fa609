"""Directions: the unit sphere S^{D-1} in R^D, and what can be measured on it.

The last axis of every tensor is the vector; leading axes broadcast. Functions that depend on directions alone (cosine,
angle, chord, separation) normalise inside; the maps of differential geometry (exp_map, log_map, tangent) and the maps
for drawing take unit vectors and say so. Everything runs on the tensor's own device and dtype.

Chapters 1 and 2 of the book explain every function of this file.

References:
    Fisher, Lewis, Embleton 1987, Statistical Analysis of Spherical Data (maps and sampling)
    Mardia, Jupp 2000, Directional Statistics (density of an inner product)
    Absil, Mahony, Sepulchre 2008, Optimization Algorithms on Matrix Manifolds (exp, log, tangent)
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .bounds import (
    Bound,
    fejes_toth_bound,
    largest_cosine_bound,
    levenshtein_bound,
    rankin_bound,
    real,
    simplex_bound,
    welch_bound,
    whole,
)

__all__ = [
    "check_vectors",
    "normalize",
    "uniform",
    "cosine",
    "cosines",
    "chord",
    "angle",
    "squared_chords",
    "nearest",
    "Separation",
    "separation",
    "tangent",
    "exp_map",
    "log_map",
    "geodesic",
    "log_area",
    "inner_density",
    "cap_fraction",
    "Bound",
    "simplex_bound",
    "rankin_bound",
    "welch_bound",
    "fejes_toth_bound",
    "levenshtein_bound",
    "largest_cosine_bound",
    "stereographic",
    "inverse_stereographic",
    "equal_area",
    "inverse_equal_area",
]

BLOCK = 1 << 20  # pairs held at once by the sums over all pairs: 8 MiB in float64, of which autograd keeps about ten


def check_vectors(
    x: Tensor, name: str = "x", *, points: int | None = None, unit: bool = False, values: bool = True
) -> Tensor:
    """Refuse what cannot be a set of directions, and say why.

    Args:
        x: (..., D) floating-point tensor; with `points` given, (..., N, D).
        name: what the caller calls it, for the message.
        points: the least number N of points.
        unit: whether rows must have length 1 already.
        values: whether to look at the numbers too, which makes a GPU wait, or at type and shape alone.
    Returns:
        x itself.
    Raises:
        TypeError: if x is no floating-point tensor.
        ValueError: on a wrong shape, NaN or infinity, a zero vector, or (unit=True) a length that is not 1.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(x).__name__}; torch.as_tensor makes one")
    if not x.is_floating_point():
        raise TypeError(f"{name} must hold floating-point numbers, got {x.dtype}; use {name}.double() or .float()")
    if points is None:
        fits, wanted = x.ndim >= 1 and x.shape[-1] >= 1, "(..., D)"
    else:
        fits, wanted = x.ndim >= 2 and x.shape[-2] >= points and x.shape[-1] >= 1, f"(..., N, D) with N >= {points}"
    if not fits:
        raise ValueError(f"{name} must have shape {wanted}, got {tuple(x.shape)}")
    if not values:
        return x
    if not torch.isfinite(x).all():
        raise ValueError(f"{name} holds NaN or infinity")
    zeros = int((x == 0).all(-1).sum())
    if zeros:
        raise ValueError(f"{name} holds {zeros} zero vector(s), and a zero vector has no direction")
    if unit:
        off = float((torch.linalg.vector_norm(x.detach(), dim=-1) - 1).abs().max()) if x.numel() else 0.0
        if off > min(1e3 * torch.finfo(x.dtype).eps, 0.1):
            raise ValueError(f"{name} must have unit rows, one has a length off by {off:.2g}; pass normalize({name})")
    return x


def normalize(x: Tensor, *, check: bool = True) -> Tensor:
    """Keep the direction, drop the length: x / ||x||.

    Args:
        x: (..., D) nonzero vectors.
        check: look for NaN and zero vectors first. False skips the look, which makes a GPU wait, for training loops;
            a zero vector then stays zero, with a finite gradient.
    Returns:
        (..., D) unit vectors.
    Raises:
        TypeError, ValueError: see check_vectors (check=True only).
    """
    if check:
        check_vectors(x)
    # Divided by the largest entry first, the squares of tiny and huge vectors stay inside the range of the floats.
    largest = x.detach().abs().amax(-1, keepdim=True)
    x = x / torch.where(largest == 0, 1, largest)
    return x / torch.where(largest == 0, 1, torch.linalg.vector_norm(x, dim=-1, keepdim=True))


def uniform(
    k: int,
    d: int,
    *,
    seed: int | None = None,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Tensor:
    """k points drawn independently and uniformly: Gaussian vectors know no direction, so neither do these.

    Memory: four times the result at most, so 100 MB for a million points of R^3 in float64.

    Args:
        k: number of points, at least 1.
        d: dimension D of the surrounding space, at least 1 (d=1 draws from the two points -1 and +1).
        seed: makes the draw repeatable, also across devices, since points are drawn on the CPU; float32 and float64
            draw different points.
        generator: a CPU torch.Generator to draw from instead.
        dtype, device: of the result.
    Returns:
        (k, d) unit rows.
    Raises:
        TypeError: if dtype is no floating-point type.
        ValueError: if k or d is not a positive whole number, or both seed and generator are given.
    Source: Muller 1959.
    """
    k, d = whole("k", k, 1), whole("d", d, 1)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise TypeError(f"dtype must be a floating-point type, got {dtype}")
    if seed is not None:
        if generator is not None:
            raise ValueError("give seed or generator, not both")
        generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(k, d, generator=generator, dtype=dtype), check=False).to(device)


# --- how far apart -------------------------------------------------------------------------------------------------


def _same_dimension(x: Tensor, y: Tensor, names: str = "x and y") -> None:
    """Without this look a last axis of length 1 would broadcast, and numbers would come out that mean nothing."""
    if x.shape[-1:] != y.shape[-1:]:
        raise ValueError(f"{names} must have the same last dimension, got shapes {tuple(x.shape)} and {tuple(y.shape)}")


def _directions(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    check_vectors(x)
    check_vectors(y, "y")
    _same_dimension(x, y)
    return normalize(x, check=False), normalize(y, check=False)


def cosine(x: Tensor, y: Tensor) -> Tensor:
    """Cosine of the angle between x and y: (..., D), (..., D) -> (...), in [-1, 1].

    Raises:
        TypeError, ValueError: see check_vectors; also if the two dimensions differ.
    """
    x, y = _directions(x, y)
    return (x * y).sum(-1).clamp(-1, 1)


def cosines(x: Tensor, y: Tensor | None = None) -> Tensor:
    """All pairwise cosines: (..., N, D), (..., M, D) -> (..., N, M), in [-1, 1]; y defaults to x.

    Raises:
        TypeError, ValueError: see check_vectors; also if the two dimensions differ.
    """
    x = normalize(check_vectors(x, points=1), check=False)
    y = x if y is None else normalize(check_vectors(y, "y", points=1), check=False)
    _same_dimension(x, y)
    return (x @ y.transpose(-1, -2)).clamp(-1, 1)


def chord(x: Tensor, y: Tensor) -> Tensor:
    """Straight-line distance between two directions, in [0, 2]: (..., D), (..., D) -> (...).

    With c their cosine, chord^2 = 2 - 2c.

    Raises:
        TypeError, ValueError: see check_vectors; also if the two dimensions differ.
    """
    x, y = _directions(x, y)
    return torch.linalg.vector_norm(x - y, dim=-1)


def angle(x: Tensor, y: Tensor) -> Tensor:
    """Angle between x and y in radians, in [0, pi]: (..., D), (..., D) -> (...).

    Taken as 2 atan2(||x - y||, ||x + y||) of the unit vectors, which keeps its digits and a finite derivative at 0
    and pi, where the arccos of the cosine loses half of the digits and has an infinite slope.

    Raises:
        TypeError, ValueError: see check_vectors; also if the two dimensions differ.
    Source: Kahan 2006.
    """
    x, y = _directions(x, y)
    return 2 * torch.atan2(torch.linalg.vector_norm(x - y, dim=-1), torch.linalg.vector_norm(x + y, dim=-1))


def squared_chords(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances between unit rows: (..., N, D), (..., M, D) -> (..., N, M), in [0, 4].

    In few dimensions from differences, coordinate by coordinate, which keeps the digits of close pairs; else as
    2 - 2 cos, one matrix product (in x's own dtype also under autocast), whose error is a few machine epsilons.

    Raises:
        ValueError: if the two dimensions differ.
    """
    _same_dimension(x, y)
    if x.shape[-1] <= 4:
        square = (x[..., :, None, 0] - y[..., None, :, 0]).square()
        for i in range(1, x.shape[-1]):
            square = square + (x[..., :, None, i] - y[..., None, :, i]).square()
        return square
    with torch.autocast(x.device.type, enabled=False):
        return (2 - 2 * (x @ y.transpose(-1, -2))).clamp(0, 4)


def nearest(x: Tensor) -> tuple[Tensor, Tensor]:
    """Each point's nearest neighbour, in blocks of rows, so that memory grows as N and not as N^2.

    In more than four dimensions neighbours whose squared distances agree to a few machine epsilons count as equally
    near (see squared_chords), and any of them may be returned.

    Args:
        x: (..., N, D) directions, N >= 2.
    Returns:
        cosine to the nearest neighbour (..., N), differentiable, and its index (..., N).
    Raises:
        TypeError, ValueError: see check_vectors.
    """
    x = normalize(check_vectors(x, points=2), check=False)
    n, y = x.shape[-2], x.detach().to(torch.promote_types(x.dtype, torch.float32))
    index = torch.empty(x.shape[:-1], dtype=torch.long, device=x.device)
    for row in torch.arange(n, device=x.device).split(max(1, BLOCK // max(1, n * math.prod(x.shape[:-2])))):
        square = squared_chords(y[..., row, :], y)  # (..., rows, N)
        square[..., row - row[0], row] = 5  # a point is not its own neighbour
        index[..., row] = square.argmin(-1)
    return (x * torch.take_along_dim(x, index[..., None], dim=-2)).sum(-1).clamp(-1, 1), index


class Separation(NamedTuple):
    """What `separation` returns; one number per set of points, and one index per point."""

    largest_cosine: Tensor  # of the closest pair
    smallest_angle: Tensor  # of the closest pair, in radians
    smallest_chord: Tensor  # of the closest pair
    mean_largest_cosine: Tensor  # cosine to the nearest neighbour, averaged over the points
    nearest: Tensor  # (..., N) index of each point's nearest neighbour


def separation(x: Tensor) -> Separation:
    """How far apart the points of a set are: (..., N, D) directions, N >= 2 -> Separation.

    The closest pair is measured from the difference of its two points, so that its angle keeps its digits even where
    the cosine rounds to 1.

    Raises:
        TypeError, ValueError: see check_vectors.
    """
    cosine_to_nearest, index = nearest(x)
    theta = angle(x, torch.take_along_dim(x, index[..., None], dim=-2)).amin(-1)  # (..., N) -> (...)
    return Separation(torch.cos(theta), theta, 2 * torch.sin(theta / 2), cosine_to_nearest.mean(-1), index)


# --- moving on the sphere ------------------------------------------------------------------------------------------


def tangent(p: Tensor, v: Tensor) -> Tensor:
    """The part of v that is tangent to the sphere at p, v - <p, v> p: unit (..., D), (..., D) -> (..., D).

    Raises:
        TypeError: if p or v is no floating-point tensor.
        ValueError: if p is not made of unit vectors, or the two dimensions differ.
    """
    check_vectors(p, "p", unit=True)
    _check_numbers(v, "v")
    _same_dimension(p, v, "p and v")
    return v - (p * v).sum(-1, keepdim=True) * p


def exp_map(p: Tensor, v: Tensor) -> Tensor:
    """Walk from p along the great circle that starts in the tangent direction v, for a length of ||v|| radians.

    Args:
        p: (..., D) unit vectors.
        v: (..., D) tangent vectors at p; a part along p is dropped.
    Returns:
        (..., D) unit vectors cos(||v||) p + sin(||v||) v / ||v||; p itself for v = 0.
    Raises:
        TypeError, ValueError: see tangent.
    """
    v = tangent(p, v)
    length = torch.linalg.vector_norm(v, dim=-1, keepdim=True)
    return normalize(torch.cos(length) * p + torch.sinc(length / math.pi) * v, check=False)


def log_map(p: Tensor, q: Tensor) -> Tensor:
    """The tangent vector at p whose exp_map is q: it points along the shortest way and is as long as the angle.

    Args:
        p, q: (..., D) unit vectors, nowhere opposite to each other.
    Returns:
        (..., D) tangent vectors at p.
    Raises:
        TypeError: if p or q is no floating-point tensor.
        ValueError: if p or q is not made of unit vectors, or q = -p (to rounding), where every direction is a shortest
            way.
    """
    check_vectors(p, "p", unit=True)
    check_vectors(q, "q", unit=True)
    _same_dimension(p, q, "p and q")
    if (chord(p, -q) <= 8 * torch.finfo(q.dtype).eps).any():
        raise ValueError("p and q hold opposite points, between which there is no single shortest way")
    v = tangent(p, q - p)  # q - p first: near p it keeps the digits that q alone has lost
    length = torch.linalg.vector_norm(v, dim=-1, keepdim=True)
    theta = angle(p, q)[..., None]
    return v * torch.where(length > 0, theta / length.clamp_min(torch.finfo(v.dtype).tiny), 1)


def geodesic(p: Tensor, q: Tensor, t: Tensor | float) -> Tensor:
    """The point a fraction t of the shortest way from p to q: (..., D), (..., D), t that broadcasts to (..., 1).

    t = 0 gives p, t = 1 gives q, t outside [0, 1] walks on along the same great circle.

    Raises:
        TypeError, ValueError: see log_map; also if t is no number, or its last axis is not of length 1.
    """
    if not isinstance(t, Tensor):
        t = real("t", t)
    elif t.ndim and t.shape[-1] != 1:
        raise ValueError(f"t must be a number or have shape (..., 1), got {tuple(t.shape)}; try t[..., None]")
    return exp_map(p, t * log_map(p, q))


# --- room: areas, caps and inner products --------------------------------------------------------------------------


def _check_numbers(t: Tensor, name: str) -> None:
    if not isinstance(t, Tensor) or not t.is_floating_point():
        given = t.dtype if isinstance(t, Tensor) else type(t).__name__
        raise TypeError(
            f"{name} must be a floating-point torch.Tensor, got {given}; use torch.tensor(..., dtype=torch.float64)"
        )


def log_area(d: int) -> float:
    """Natural logarithm of the surface area of S^{d-1}, 2 pi^{d/2} / Gamma(d/2), for d >= 1 (d = 1: two points).

    Raises:
        ValueError: if d is not a positive whole number.
    """
    d = whole("d", d, 1)
    return math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)


def inner_density(t: Tensor, d: int) -> Tensor:
    """Density at t of the inner product of two independent uniform points on S^{d-1}.

    p(t) = Gamma(d/2) / (sqrt(pi) Gamma((d-1)/2)) (1 - t^2)^((d-3)/2): two spikes at -1 and 1 for d = 2, flat for
    d = 3 (Archimedes), and for large d close to a Gaussian of variance 1/d.

    Args:
        t: any shape; outside [-1, 1] the density is 0.
        d: dimension, at least 2.
    Returns:
        the density, of t's shape.
    Raises:
        TypeError: if t is no floating-point tensor.
        ValueError: if d is not a whole number of at least 2.
    Source: Mardia and Jupp 2000, section 9.3.
    """
    d = whole("d", d, 2)
    _check_numbers(t, "t")
    log_scale = math.lgamma(d / 2) - math.lgamma((d - 1) / 2) - math.log(math.pi) / 2
    inside = ~(t.abs() > 1)  # NaN stays inside, and NaN
    square = torch.where(inside, t, 0).square()
    # log1p keeps the digits near t = 0; the power d = 3 needs no logarithm (0 * log 0 at t = 1).
    power = torch.zeros_like(square) if d == 3 else (d - 3) / 2 * torch.log1p(-square)
    return torch.where(inside, torch.exp(log_scale + power), 0)


def cap_fraction(t: Tensor, d: int) -> Tensor:
    """The share of S^{d-1} that has an inner product of at least t with a given point.

    The cap of angular radius w = arccos(t) has the share int_0^w sin^(d-2) / int_0^pi sin^(d-2). Sine and power are
    split off before integrating, so that tiny caps keep their relative accuracy: about 1e-12 in float64 and 1e-4 in
    float32, up to D = 10^4 and beyond.

    Args:
        t: any shape; t <= -1 gives 1, t >= 1 gives 0.
        d: dimension, at least 2.
    Returns:
        the share, of t's shape, in [0, 1]; its derivative is minus inner_density.
    Raises:
        TypeError: if t is no floating-point tensor.
        ValueError: if d is not a whole number of at least 2.
    Source: Li 2011.
    """
    d = whole("d", d, 2)
    _check_numbers(t, "t")
    dtype, t = t.dtype, t.clamp(-1, 1).to(torch.promote_types(t.dtype, torch.float32))
    h = torch.where(t < 0, -t, t)  # beyond the equator: what the opposite cap leaves
    log_sine = ((torch.log1p(-h) + torch.log1p(h)) / 2).clamp_min(-1e4)  # finite at h = 1 too, for d = 2
    half = torch.exp((d - 2) * log_sine) * _sine_integral(h, d) / (2 * _sine_integral(torch.zeros_like(h), d))
    half = torch.where(h >= 1, 0, half)
    return torch.where(t < 0, 1 - half, half).to(dtype)


def _sine_integral(t: Tensor, d: int) -> Tensor:
    """int_0^w (sin v / sin w)^(d-2) dv for w = arccos(t), t >= 0, by Gauss and Legendre's rule with 64 nodes."""
    sine = ((1 - t) * (1 + t)).clamp_min(torch.finfo(t.dtype).tiny).sqrt()
    cotangent, width = t / sine, torch.atan2(sine, t)
    if d > 2:  # further than this below w the integrand is under 1e-16
        reach = torch.clamp(40 / ((d - 2) * cotangent.detach().abs()), max=8.6 / math.sqrt(d - 2))
        width = torch.minimum(width, reach)
    total = torch.zeros_like(t)
    for node, weight in zip(*np.polynomial.legendre.leggauss(64), strict=True):
        step = width * ((1 + node) / 2)  # v = w - step
        fall = 2 * torch.sin(step / 2).square() + cotangent * torch.sin(step)  # 1 - sin v / sin w
        total = total + weight / 2 * torch.exp((d - 2) * torch.log1p(-fall))
    return width * total


# --- maps for drawing ----------------------------------------------------------------------------------------------


def stereographic(x: Tensor) -> Tensor:
    """Flatten the sphere from its north pole e_D, keeping angles: unit (..., D) -> (..., D-1), D >= 2.

    The south pole goes to 0, the equator to the unit circle, the north pole nowhere.

    Raises:
        TypeError: if x is no floating-point tensor.
        ValueError: if x is not made of unit vectors, holds the north pole, or D is 1.
    """
    check_vectors(x, unit=True)
    if x.shape[-1] < 2:
        raise ValueError(f"stereographic needs at least 2 dimensions, got shape {tuple(x.shape)}")
    flat, z = x[..., :-1], x[..., -1:]
    square = flat.square().sum(-1, keepdim=True)
    if ((square == 0) & (z > 0)).any():
        raise ValueError("x holds the north pole, which the stereographic map sends to infinity")
    return flat / torch.where(z > 0, square / (1 + z.abs()), 1 - z)  # both are 1 - z; near the pole the first is exact


def inverse_stereographic(y: Tensor) -> Tensor:
    """Undo stereographic: (..., D-1) -> unit (..., D).

    Raises:
        TypeError: if y is no floating-point tensor.
        ValueError: if y has no coordinates.
    """
    _check_numbers(y, "y")
    if y.ndim < 1 or y.shape[-1] < 1:
        raise ValueError(f"y must have shape (..., D-1) with D >= 2, got {tuple(y.shape)}")
    square = y.square().sum(-1, keepdim=True)
    return torch.cat([2 * y / (square + 1), 1 - 2 / (square + 1)], -1)


def equal_area(x: Tensor) -> Tensor:
    """Flatten S^2 from above the north pole e_3, keeping areas: unit (..., 3) -> (..., 2), a disc of radius 2.

    The north pole goes to 0, the equator to the circle of radius sqrt(2), the south pole to the rim (no single point).

    Raises:
        TypeError: if x is no floating-point tensor.
        ValueError: if x is not made of unit vectors in R^3 or holds the south pole.
    """
    check_vectors(x, unit=True)
    if x.shape[-1] != 3:
        raise ValueError(f"equal_area flattens S^2, so x must have shape (..., 3), got {tuple(x.shape)}")
    flat, z = x[..., :2], x[..., 2:]
    square = flat.square().sum(-1, keepdim=True)
    if ((square == 0) & (z < 0)).any():
        raise ValueError("x holds the south pole, which the equal-area map spreads over the whole rim")
    return flat * torch.sqrt(2 / torch.where(z < 0, square / (1 + z.abs()), 1 + z))  # see stereographic


def inverse_equal_area(y: Tensor) -> Tensor:
    """Undo equal_area: (..., 2) inside the disc of radius 2 -> unit (..., 3).

    Raises:
        TypeError: if y is no floating-point tensor.
        ValueError: if y is not made of pairs, or a point lies outside the disc.
    """
    _check_numbers(y, "y")
    if y.ndim < 1 or y.shape[-1] != 2:
        raise ValueError(f"y must have shape (..., 2), got {tuple(y.shape)}")
    square = y.square().sum(-1, keepdim=True)
    if (square > 4 * (1 + 1e3 * torch.finfo(y.dtype).eps)).any():  # beyond the rim by more than rounding
        raise ValueError(f"y must lie in the disc of radius 2, got a radius of {float(square.max()) ** 0.5:.4g}")
    square = square.clamp_max(4)
    return torch.cat([y * torch.sqrt(1 - square / 4), 1 - square / 2], -1)
