"""Value and gradient in one pass, written by hand: for the solvers, which have many configurations at once and take
large ones in blocks, and for the penalty on the layers of a net.

Automatic differentiation of the same energies (hpn_lite.energy) gives the same numbers, which the tests compare; a
search calls them a thousand times on tiny tensors, where the bookkeeping costs more than the arithmetic. Gradients here
are those of the surrounding space up to a multiple of each point, which hpn_lite.descent takes off anyway.

Memory: a block holds at most BLOCK cosines (and two or three copies), or one row of them: 100 MB in float64 however
many points there are, where all cosines of 100,000 points would take 80 GB. On a CPU large sets go in smaller blocks,
which its caches like better.
"""

import functools
import math

import torch
from torch import Tensor

from . import energy

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


def penalty(x: Tensor, s: float, half_space: bool = False) -> Tensor:
    """The mean Riesz energy of one layer's neurons: energy.riesz(x, s, half_space=..., check=False), in fewer steps.

    A layer of 64 neurons is so small that starting an operation takes longer than carrying it out. Autograd starts 72
    operations of its own, this 26. In up to four dimensions energy.riesz takes care of the digits of close pairs, on a
    GPU a replayed graph starts nothing, and a compiler joins operations itself: there, and for second derivatives, it
    is what is called.

    Args:
        x: (N, D) neurons of any length.
        s: exponent, s >= 0.
        half_space: with the opposite of every neuron.
    Returns:
        a scalar, in float32 at least.
    Source: MHE-E1, E2 (Liu et al. 2018); d|u-v|^-s = s |u-v|^(-s-2) v, freed of its part along u.
    """
    if x.shape[1] <= 4 or not x.is_cpu or torch.compiler.is_compiling():
        return energy.riesz(x, s, half_space=half_space, check=False)
    x = x.float() if x.itemsize < 4 else x
    if torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return _Penalty.apply(x, s, half_space)
    return _Penalty.apply(x, s, half_space)


class _Penalty(torch.autograd.Function):
    """Value and gradient together, as both need the same cosines."""

    @staticmethod
    def forward(ctx, x: Tensor, s: float, half_space: bool) -> Tensor:
        n, floor = len(x), _floor(x.dtype, s)
        unit, length = _directions(x)
        rows, totals, parts = max(1, CPU_BLOCK // n), [], []
        for a in range(0, n, rows):
            part = unit if rows >= n else unit[a : a + rows]
            square = (part @ unit.T).mul_(-2).add_(2)  # (rows, N) squared distances
            other = 4 - square if half_space else None  # to the opposite neurons
            total, push = _pushes(square, s, floor, a)
            if half_space:
                more, back = _pushes(other, s, floor, a)
                total, push = total + more, push.sub_(back)
            totals.append(total)
            parts.append(push @ unit)
        value = totals[0] if rows >= n else torch.stack(totals).sum()  # each pair twice
        gradient = parts[0] if rows >= n else torch.cat(parts)
        gradient.addcmul_(unit, torch.linalg.vecdot(gradient, unit)[:, None], value=-1)  # across the neuron
        if half_space:  # and each neuron with its own opposite, at the squared distance 4
            value = value + n * (-math.log(4) / 2 if s == 0 else 4 ** (-s / 2))
        pairs = n * (2 * n - 1) if half_space else n * (n - 1)
        ctx.save_for_backward(x, gradient.div_(length.mul_(pairs / (2 * (s or 1)))))
        ctx.options = s, half_space
        return value.div_(pairs)

    @staticmethod
    def backward(ctx, given: Tensor):
        x, gradient = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody wants the gradient of the gradient
            s, half_space = ctx.options
            value = energy.riesz(x, s, half_space=half_space, check=False)
            (gradient,) = torch.autograd.grad(value, x, create_graph=True)
        return given * gradient, None, None


@functools.cache
def _floor(dtype: torch.dtype, s: float) -> float:
    return energy._floor(torch.empty(0, dtype=dtype), s)


def _directions(x: Tensor) -> tuple[Tensor, Tensor]:
    """Unit rows, and the lengths (N, 1) that they had."""
    length = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    shortest, longest = map(float, length.aminmax())
    if shortest > 1e-15 and longest < 1e15:
        return x / length, length
    scale = x.abs().amax(1, keepdim=True)  # the squares of tiny and huge entries leave the range of the floats
    scale = torch.where(scale == 0, 1, scale)  # a zero neuron stays one, and is not pushed
    length = torch.linalg.vector_norm(x / scale, dim=1, keepdim=True)
    length = torch.where(length == 0, 1, length)
    return x / scale / length, length * scale


def _pushes(square: Tensor, s: float, floor: float, a: int) -> tuple[Tensor, Tensor]:
    """From rows a, a+1, ... of all squared distances, which are lost: the sum of f_s, and r^(-s-2) for each pair."""
    own = square.diagonal(offset=a).fill_(1 if s == 0 else math.inf)  # a neuron does not push itself
    near = square <= floor if float(square.amin()) <= floor else None  # nor do pairs at the floor push each other
    if near is not None:
        square.clamp_min_(floor)
    if s == 0:
        total, push = square.log().sum() / -2, square.reciprocal_()
        own.zero_()
    elif s == 2:
        push = square.reciprocal_()
        total, push = push.sum(), push.square_()
    else:
        push = square ** (-s / 2)
        total, push = push.sum(), push.div_(square)
    return total, push if near is None else push.masked_fill_(near, 0)
