"""Where to put K points on the sphere S^{D-1}, so that they keep well apart.

Formulas first (circle, simplex, cross-polytope), random points next, then points that push each other apart.
Every function returns (K, D) unit rows in float64.

    >>> from hpn_lite import energy, points
    >>> x = points.thomson(12)                      # the icosahedron
    >>> round(float(energy.riesz(x, s=1, reduction="sum")), 6)
    49.165253

Sources: the docstrings name them; the searches follow the book's chapters 3 and 4.
"""

import math
import time

import torch
from torch import Tensor

from hpn_lite import descent
from hpn_lite.sphere import uniform, whole


def circle(k: int) -> Tensor:
    """k points on the circle at equal steps, the best in the plane for every energy.

    Args:
        k: number of points, at least 1.
    Returns:
        (k, 2) unit rows, beginning at (1, 0) and going round counter-clockwise.
    Raises:
        ValueError: if k is not a whole number of at least 1.
    Source: Mettes et al. 2019, section 2.1, the equal slices of the two-dimensional case.
    """
    k = whole("k", k, 1)
    angle = 2 * math.pi * torch.arange(k, dtype=torch.float64) / k
    return torch.stack([angle.cos(), angle.sin()], dim=-1)


def simplex(k: int, d: int | None = None) -> Tensor:
    """The k equidistant points: every pair at cosine -1/(k-1), the best separation there is.

    Args:
        k: number of points, at least 2.
        d: dimension, at least k-1 (the default).
    Returns:
        (k, d) unit rows whose sum is zero; coordinates beyond the first k-1 are zero.
    Raises:
        ValueError: if d < k-1.
    Source: Rankin 1955; as a fixed classifier Kasarla et al. 2022.
    """
    k = whole("k", k, 2)
    d = k - 1 if d is None else whole("d", d, 1)
    if d < k - 1:
        raise ValueError(f"{k} equidistant points need at least {k - 1} dimensions, got {d}; try tammes({k}, {d})")
    # Column j lifts point j off the centre of the points after it, which share the same fall below zero.
    x = torch.zeros(k, d, dtype=torch.float64)
    for j in range(k - 1):
        left = k - j  # points that are not yet told apart: j, ..., k-1
        height = math.sqrt(1 - (x[j, :j] ** 2).sum().item())
        x[j, j] = height
        x[j + 1 :, j] = -height / (left - 1)
    return descent.retract(x)


def cross_polytope(k: int, d: int) -> Tensor:
    """k of the 2d points at both ends of d perpendicular axes: no two closer than a right angle.

    Args:
        k: number of points, 1 to 2d.
        d: dimension, at least 2.
    Returns:
        (k, d) unit rows: e_1, ..., e_d, then -e_1, -e_2, ... (so k <= d gives the one-hot vectors).
    Raises:
        ValueError: if k > 2d: then some pair is closer than a right angle, wherever the points are.
    Source: Rankin 1955 (optimal for d+2 <= k <= 2d).
    """
    k = whole("k", k, 1)
    d = whole("d", d, 2)
    if k > 2 * d:
        raise ValueError(f"at most {2 * d} points keep right angles in {d} dimensions, got k={k}; try tammes({k}, {d})")
    eye = torch.eye(d, dtype=torch.float64)
    return torch.cat([eye, 0.0 - eye])[:k]  # 0 - eye, not -eye, which would hold minus zeros


def thomson(
    k: int,
    dim: int = 3,
    s: float = 1.0,
    *,
    starts: int | None = None,
    seed: int = 0,
    seconds: float | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """k points that repel each other with energy 1/r^s, at the lowest energy found (s = 0: log 1/r).

    Args:
        k: number of points, at least 2.
        dim: dimension of the surrounding space, at least 2; 3 is the ordinary sphere.
        s: exponent of the Riesz energy, s >= 0; s = 1 is Thomson's problem.
        starts: how many random starts move together (chosen from k if None).
        seed: the same seed gives the same points on the same machine.
        seconds: stop after about this time with the best so far.
        device: where to compute; "cuda" for large k.
    Returns:
        (k, dim) unit rows in float64.
    Raises:
        ValueError: if k < 2, dim < 2, starts < 1, or s is negative or not a number.
    Source: Thomson 1904; Whyte 1952 for s = 0.
    """
    k = whole("k", k, 2)
    dim = whole("dim", dim, 2)
    s = _check_exponent(s)
    if starts is None:
        starts = 32 if k <= 200 else 4
    starts = whole("starts", starts, 1)
    deadline = None if seconds is None else time.monotonic() + seconds
    generator = torch.Generator().manual_seed(seed)
    x = torch.stack([uniform(k, dim, generator=generator, dtype=torch.float64) for _ in range(starts)]).to(device)
    x, value = descent.minimize(lambda x: riesz_with_gradient(x, s), x, deadline=deadline)
    return x[value.argmin()]


def riesz_with_gradient(x: Tensor, s: float) -> tuple[Tensor, Tensor]:
    """Riesz energies of many configurations with their gradients, in one matrix product each (faster than autograd).

    Args:
        x: (S, K, D) unit rows.
        s: exponent, s >= 0 (0: log 1/r).
    Returns:
        Energies (S,), sums over unordered pairs; gradients (S, K, D) up to a multiple of each point.
    Source: d/dx |x-y|^-s = -s |x-y|^(-s-2) (x - y), of which the part along x is dropped.
    """
    square = 2 - 2 * (x @ x.transpose(1, 2))  # (S, K, K) squared distances
    square.clamp_min_(1e-15)  # points that coincide: a huge, finite push
    square.diagonal(dim1=1, dim2=2).fill_(math.inf)
    inverse = square.reciprocal()
    if s == 0:
        # log of the reciprocal is -inf on the diagonal: leave that out of the sum
        terms = -0.5 * square.log()
        terms.diagonal(dim1=1, dim2=2).zero_()
        return terms.sum((1, 2)) / 2, inverse @ x
    terms = inverse.sqrt() if s == 1 else inverse ** (s / 2)
    return terms.sum((1, 2)) / 2, s * (terms * inverse) @ x


def _check_exponent(s: float) -> float:
    try:
        number = float(s)
    except (TypeError, ValueError):
        raise ValueError(f"s is a number of at least 0, got {s!r}") from None
    if not number >= 0 or number == math.inf:
        hint = "; s to infinity is tammes(k, dim)" if number == math.inf else ""
        raise ValueError(f"s must be a finite number of at least 0, got {s!r}{hint}")
    return number
