"""Value and gradient in one pass, written by hand for the solvers: many configurations at once, large ones in blocks.

Automatic differentiation of the same energies (hpn_lite.energy) gives the same numbers, which the tests compare; a
search calls them a thousand times on tiny tensors, where the bookkeeping costs more than the arithmetic. Gradients here
are those of the surrounding space up to a multiple of each point, which hpn_lite.descent takes off anyway.

Memory: a block holds at most BLOCK cosines (and two or three copies), or one row of them: 100 MB in float64 however
many points there are, where all cosines of 100,000 points would take 80 GB. On a CPU large sets go in smaller blocks,
which its caches like better.
"""

import math

import torch
from torch import Tensor

BLOCK = 2**22  # cosines held at once
CPU_BLOCK = 2**19  # the same on a CPU, where not all of them fit in one block anyway


def riesz(x: Tensor, s: float) -> tuple[Tensor, Tensor]:
    """Riesz energies, sums over unordered pairs of r^-s (s = 0: log 1/r), and their gradients.

    Args:
        x: (S, K, D) unit rows.
        s: exponent, s >= 0.
    Returns:
        Energies (S,) and gradients (S, K, D).
    Source: d/dx |x-y|^-s = -s |x-y|^(-s-2) (x - y), of which the part along x is dropped.
    """
    value, gradient = x.new_zeros(len(x)), torch.empty_like(x)
    for rows in _blocks(x):
        inverse = (2 - 2 * _cosines(x, rows, 0)).clamp_min_(1e-15).reciprocal_()  # of the squared distance
        inverse.diagonal(offset=rows.start, dim1=1, dim2=2).fill_(1 if s == 0 else 0)
        if s == 0:
            value += inverse.log().sum((1, 2)) / 4
            inverse.diagonal(offset=rows.start, dim1=1, dim2=2).zero_()
            gradient[:, rows] = inverse @ x
        else:
            power = inverse.sqrt() if s == 1 else inverse if s == 2 else inverse ** (s / 2)
            value += power.sum((1, 2)) / 2
            gradient[:, rows] = s * (power.mul_(inverse) @ x)
    return value, gradient


def soft_largest(x: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The soft largest cosine, log(sum over pairs of exp(b cosine)) / b, and its gradient.

    Args:
        x: (S, K, D) unit rows.
        b: (S,) inverse temperatures; the value exceeds the largest cosine by at most log(number of pairs) / b.
    Returns:
        Values (S,) and gradients (S, K, D).
    """
    top, b = largest(x)[:, None, None], b[:, None, None]
    total, gradient = x.new_zeros(len(x)), torch.empty_like(x)
    for rows in _blocks(x):
        weight = _cosines(x, rows, -math.inf).sub_(top).mul_(b).exp_()  # (S, rows, K), at most 1
        total += weight.sum((1, 2))
        gradient[:, rows] = weight @ x
    return top[:, 0, 0] + (total / 2).log() / b[:, 0, 0], gradient * (2 / total)[:, None, None]


def largest(x: Tensor) -> Tensor:
    """The largest cosine of each configuration: (S, K, D) -> (S,)."""
    return torch.stack([_cosines(x, rows, -math.inf).amax((1, 2)) for rows in _blocks(x)]).amax(0)


def _blocks(x: Tensor) -> list[slice]:
    starts, k, _ = x.shape
    most = BLOCK if x.is_cuda or starts * k * k <= BLOCK else min(BLOCK, CPU_BLOCK)
    rows = min(k, max(1, most // (starts * k)))
    return [slice(i, min(i + rows, k)) for i in range(0, k, rows)]


def _cosines(x: Tensor, rows: slice, own: float) -> Tensor:
    """Cosines of these rows to all points, (S, rows, K), with `own` where a point meets itself."""
    c = x[:, rows] @ x.transpose(1, 2)
    c.diagonal(offset=rows.start, dim1=1, dim2=2).fill_(own)
    return c
