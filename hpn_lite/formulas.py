"""Point sets that have a formula in every dimension: the circle, the simplex, the cross-polytope.

`hpn_lite.points` offers all of this file.

References:
    Rankin 1955, The closest packing of spherical caps in n dimensions
"""

import math

import torch
from torch import Tensor

from . import descent
from .bounds import whole


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
