"""How far apart K points can be at best: lower bounds on their largest cosine.

`hpn_lite.sphere` offers all of this file. Each bound says for which K and D it holds and who meets it.

References:
    Rankin 1955, The closest packing of spherical caps in n dimensions
    Fejes Toth 1943, Uber eine Abschatzung des kurzesten Abstandes zweier Punkte
    Welch 1974, Lower bounds on the maximum cross correlation of signals
    Levenshtein 1998, Universal bounds for codes and designs
"""

import bisect
import math
import operator
from typing import NamedTuple

import numpy as np


def whole(name: str, value: int, least: int) -> int:
    """`value` as an int; a ValueError that names the argument unless it is a whole number of at least `least`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}")
    return number


def real(name: str, value: float) -> float:
    """`value` as a float; a TypeError that names the argument unless it is one real number."""
    try:
        return float(value + 0.0)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None


def simplex_bound(k: int) -> float:
    """K points have a pair at cosine -1/(K-1) or more, in any dimension; met by the simplex when K <= D+1.

    Raises:
        ValueError: if k is not a whole number of at least 2.
    Source: Rankin 1955.
    """
    return -1 / (whole("k", k, 2) - 1)


def rankin_bound(k: int, d: int) -> float:
    """More than D+1 points have a pair at cosine 0 or more; met by the cross-polytope when D+1 < K <= 2D.

    Raises:
        ValueError: if k <= d+1, where simplex_bound is the sharper truth.
    Source: Rankin 1955.
    """
    k, d = whole("k", k, 2), whole("d", d, 1)
    if k <= d + 1:
        raise ValueError(f"rankin_bound holds for k > d + 1, got k={k}, d={d}; use simplex_bound({k})")
    return 0.0


def welch_bound(k: int, d: int) -> float:
    """K lines have a pair at |cosine| sqrt((K-D) / (D (K-1))) or more; met by equiangular tight frames.

    Raises:
        ValueError: if k < d, where orthogonal lines make 0 possible, or k < 2.
    Source: Welch 1974.
    """
    k, d = whole("k", k, 2), whole("d", d, 1)
    if k < d:
        raise ValueError(f"welch_bound holds for k >= d, got k={k}, d={d}; below, orthogonal lines reach 0")
    return math.sqrt((k - d) / (d * (k - 1)))


def fejes_toth_bound(k: int) -> float:
    """K points on S^2 have a pair at cosine (cot^2 w - 1)/2 or more, w = pi K / (6 (K-2)); met at K = 3, 4, 6, 12.

    Raises:
        ValueError: if k is not a whole number of at least 3.
    Source: Fejes Toth 1943.
    """
    k = whole("k", k, 3)
    return (math.tan(math.pi * k / (6 * (k - 2))) ** -2 - 1) / 2


def levenshtein_bound(k: int, d: int) -> float:
    """K points on S^{D-1} have a pair at cosine s or more, where s solves K = L(D, s), Levenshtein's function.

    It holds for every K >= 2 and D >= 3, equals the simplex bound for K <= D+1 and Rankin's at K = 2D (between the two
    Rankin's is better), and is met by all sharp configurations (icosahedron, E8 roots, Leech lattice ...).

    Raises:
        ValueError: if k < 2 or d < 3 (on the circle the best cosine is cos(2 pi / K)).
    Source: Levenshtein 1979, 1998 (section 5).
    """
    k, d = whole("k", k, 2), whole("d", d, 3)
    # L rises through pieces of degree m = 1, 2, 3, ..., with sums of binomials as values where one ends.
    high = 1
    while _piece_end(high, d) < k:
        high *= 2
    degree = bisect.bisect_left(range(high + 1), k, lo=1, key=lambda m: _piece_end(m, d))
    lower, upper = _piece_start(degree, d), _piece_start(degree + 1, d)
    for _ in range(100):
        middle = (lower + upper) / 2
        lower, upper = (middle, upper) if _levenshtein(degree, d, middle) < k else (lower, middle)
    return upper


def _piece_end(m: int, d: int) -> int:
    """Levenshtein's function where its piece of degree m ends."""
    return math.comb(d + (m + 1) // 2 - 1, d - 1) + math.comb(d + m // 2 - 1, d - 1)


def _piece_start(m: int, d: int) -> float:
    """Where Levenshtein's piece of degree m begins: the largest zero of a Jacobi polynomial."""
    degree, alpha, beta = m // 2, (d - 1) / 2, (d - 1) / 2 - (m % 2 == 0)
    if degree == 0:
        return -1.0
    i = np.arange(1, degree + 1)
    total = 2 * i + alpha + beta
    diagonal = np.r_[(beta - alpha) / (alpha + beta + 2), (beta**2 - alpha**2) / (total * (total + 2))][:degree]
    square = 4 * i * (i + alpha) * (i + beta) * (i + alpha + beta) / (total**2 * (total + 1) * (total - 1))
    side = np.sqrt(square[: degree - 1])
    return float(np.linalg.eigvalsh(np.diag(diagonal) + np.diag(side, 1) + np.diag(side, -1))[-1])


def _levenshtein(m: int, d: int, s: float) -> float:
    """Levenshtein's function L_m(d, s), in Gegenbauer polynomials that are 1 at 1."""
    j = (m + 1) // 2
    p = [1.0, s]
    for i in range(1, j + 1):
        p.append(((2 * i + d - 2) * s * p[i] - i * p[i - 1]) / (i + d - 2))
    if m % 2:
        ratio = (p[j - 1] - p[j]) / ((1 - s) * p[j])
        return math.comb(j + d - 3, j - 1) * ((2 * j + d - 3) / (d - 1) - ratio)
    ratio = (1 + s) * (p[j] - p[j + 1]) / ((1 - s) * (p[j] + p[j + 1]))
    return math.comb(j + d - 2, j) * ((2 * j + d - 1) / (d - 1) - ratio)


class Bound(NamedTuple):
    """What `largest_cosine_bound` returns."""

    value: float  # no K points do better
    name: str  # of the bound
    tight: bool  # whether it is known to be met at this (K, D); Levenshtein's never says so, though sharp codes meet it


def largest_cosine_bound(k: int, d: int) -> Bound:
    """The best of the bounds of this file: K points in R^D always have a pair at this cosine or a larger one.

    Args:
        k: number of points, at least 2.
        d: dimension, at least 1.
    Raises:
        ValueError: if k < 2 or d < 1.
    """
    k, d = whole("k", k, 2), whole("d", d, 1)
    if d == 1:
        return Bound(-1.0 if k == 2 else 1.0, "two points", True)
    if d == 2:
        return Bound(math.cos(2 * math.pi / k), "circle", True)
    if k <= d + 1:
        return Bound(simplex_bound(k), "simplex", True)
    if k <= 2 * d:
        return Bound(rankin_bound(k, d), "Rankin", True)
    if d == 3 and k == 12:  # the icosahedron, where the two that follow agree
        return Bound(fejes_toth_bound(k), "Fejes Toth", True)
    bounds = [Bound(levenshtein_bound(k, d), "Levenshtein", False)]
    if d == 3:
        bounds.append(Bound(fejes_toth_bound(k), "Fejes Toth", False))
    return max(bounds)
