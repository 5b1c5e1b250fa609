"""Where to put K points on the sphere S^{D-1}, so that they keep well apart.

Formulas first (circle, simplex, cross_polytope), random points next (uniform), then points that push each other
apart (thomson, tammes, uniformity), and `best_prototypes`, which takes whatever is best. Sets are (K, D) unit rows.

    >>> from hpn_lite import energy, points
    >>> x = points.thomson(12)                      # the icosahedron
    >>> round(float(energy.riesz(x, s=1, reduction="sum")), 6)
    49.165253

The functions live in five files, all offered here: formulas, solvers, evolution, codes, blockcodes.
"""

import math
import time
from typing import NamedTuple

import torch
from torch import Tensor

from . import blockcodes, codes, descent, fused, packing, reference
from .evolution import Evolution, evolve
from .formulas import circle, cross_polytope, simplex
from .solvers import check_target, deadline_in, hpn_prototypes, tammes, thomson, uniformity
from .sphere import largest_cosine_bound, uniform, whole

__all__ = [
    "Evolution",
    "Prototypes",
    "best_prototypes",
    "block_code",
    "circle",
    "cross_polytope",
    "evolve",
    "hpn_prototypes",
    "simplex",
    "tammes",
    "thomson",
    "uniform",
    "uniformity",
]


class Prototypes(NamedTuple):
    """What `best_prototypes` found, and how good it can be said to be.

    points: (k, dim) unit rows; construction: what they are; largest_cosine: of their closest pair; bound, bound_name:
    no k points in dim dimensions have a smaller one; gap: largest_cosine - bound, so how far from optimal they are at
    most; seconds: the time it took.
    """

    points: Tensor
    construction: str
    largest_cosine: float
    bound: float
    bound_name: str
    gap: float
    seconds: float


def best_prototypes(
    k: int,
    dim: int,
    *,
    seed: int = 0,
    seconds: float = 30.0,
    target: float | None = None,
    progress: bool = False,
    device: torch.device | str = "cpu",
) -> Prototypes:
    """The best-separated k points in dim dimensions that this module can make: a formula or a code, else a search.

    Args:
        k: number of points, at least 1.
        dim: dimension, at least 2.
        seed, progress, device: as in `tammes`.
        seconds: about how long to search where there is no formula.
        target: stop as soon as the largest cosine is this small.
    Returns:
        Prototypes.
    Raises:
        ValueError: if k < 1, dim < 2, seconds is not positive, or the target lies below a proved bound.
    Source: circle, simplex and cross-polytope: Rankin 1955; the other codes: hpn_lite.codes and hpn_lite.reference.
    """
    began = time.monotonic()
    k, dim = whole("k", k, 1), whole("dim", dim, 2)
    deadline = deadline_in(seconds)
    check_target(target, k, dim)

    def result(x: Tensor, construction: str, proof: str | None = None) -> Prototypes:
        x = x.to(device)
        cosine = float(fused.largest(x[None].double())) if k > 1 else -1.0
        value, name = largest_cosine_bound(k, dim)[:2] if k > 1 else (-1.0, "one point")
        if proof and cosine > value:
            value, name = cosine, proof
        return Prototypes(x, construction, cosine, value, name, max(0.0, cosine - value), time.monotonic() - began)

    if k == 1:
        return result(cross_polytope(1, dim), "one point")
    if k <= dim + 1:
        return result(simplex(k, dim), "simplex")
    if dim == 2:
        return result(circle(k), "circle")
    if k <= 2 * dim:
        return result(cross_polytope(k, dim), "cross-polytope" if k == 2 * dim else "part of the cross-polytope")

    proved = {(c.n, c.d): c for c in reference.codes() if c.proved}
    # a small part of a code, or one in few dimensions, is no better than what a search finds
    fitting = [c for c in codes.fitting(k, dim) if (c.n, c.d) == (k, dim) or (dim >= 8 and c.n <= 3 * k)]
    if fitting and (fitting[0].n, fitting[0].d) == (k, dim) and (k, dim) in proved:
        return result(fitting[0].make(), fitting[0].name, "optimal: " + proved[k, dim].source)
    found = []  # (points, what they are)
    enough = lambda: target is not None and any(float(fused.largest(x[None])) <= target for x, _ in found)  # noqa: E731
    if fitting:
        # k points of the code, and copies with other points and a little noise, which may use the room left over
        name = fitting[0].name if fitting[0].n == k else f"{k} points of {fitting[0].name}"
        starts = _parts_of_code(fitting[0].make(), k, dim, max(1, min(8, 8000 // (k * dim))), seed).to(device)
        found.append((starts[0], name))
        left = (deadline - time.monotonic()) / 2
        if not enough() and left > 1:
            x = tammes(k, dim, start=starts, seed=seed, seconds=left, target=target, progress=progress, device=device)
            found.append((x, name + ", improved"))
    left = deadline - time.monotonic()
    # in many dimensions no search comes near a code that fits: do not wait for it
    if not found or (not enough() and k * dim <= 20_000 and left > 1):
        x = tammes(k, dim, seed=seed, seconds=max(left, 1e-3), target=target, progress=progress, device=device)
        found.append((x, "search"))
    cosines = [float(fused.largest(x[None])) for x, _ in found]
    # the first one unless a later one is better by more than rounding
    x, construction = found[min(range(len(found)), key=lambda i: round(cosines[i], 10))]
    proof = None
    if dim == 3 and k in reference.sizes("tammes"):
        row = reference.tammes(k)
        proof = f"proved optimal for {k} points on S^2" if row.proved and min(cosines) <= row.value + 1e-9 else None
    return result(x, construction, proof)


def block_code(k: int, dim: int, *, dtype: torch.dtype = torch.float64) -> Tensor:
    """k words of a Reed-Muller or BCH code as points: no search, at any size, and a guarantee for the largest cosine.

    The guarantee is `blockcodes.best(k, dim).cosine`; 2 dim points and fewer get right angles where dim is a power of
    two. Up to a few hundred classes `best_prototypes` is usually better; this is for very many.

    Args:
        k: number of points, at least 2.
        dim: dimension, 2 to 1024.
        dtype: of the points; a million of them in 256 dimensions fill 1 GB in float32.
    Returns:
        (k, dim) unit rows, every coordinate 1/sqrt(n) or -1/sqrt(n); where the code is shorter than dim, zeros follow.
    Raises:
        ValueError: if k < 2, dim is out of range, or no code of at most dim bits has k words.
    Source: Lindstroem et al. 2024; hpn_lite.blockcodes.
    """
    code = blockcodes.best(k, dim)
    x = torch.zeros(whole("k", k, 2), dim, dtype=dtype)
    for low in range(0, k, blockcodes.CHUNK):  # so that nothing but the result is large
        high = min(low + blockcodes.CHUNK, k)
        x[low:high, : code.length] = blockcodes.rows(code, low, high, dtype=dtype)
    return x


def _parts_of_code(code: Tensor, k: int, dim: int, count: int, seed: int) -> Tensor:
    """Random choices of k points of a code, in dim dimensions: (count, k, dim), the first exact, the others shaken."""
    generator = torch.Generator().manual_seed(seed)
    parts = torch.stack([code[torch.randperm(len(code), generator=generator)[:k].sort().values] for _ in range(count)])
    parts = torch.cat([parts, parts.new_zeros(count, k, dim - parts.shape[2])], 2)
    shaken = descent.retract(parts + 0.02 / math.sqrt(dim) * packing.normal_like(parts, generator))
    return torch.cat([parts[:1], shaken[1:]])
