"""Making the closest pair of a set as far apart as it can be: a soft maximum, annealed, and an interior-point finish.

Keeping the closest pair apart means minimising a maximum, the largest cosine, which has a kink wherever two pairs are
equally close, and at every good solution hundreds of pairs are. Two ideas deal with that, one function each:

    anneal   the soft maximum log(sum exp(b c)) / b is smooth and tends to the maximum as b grows: minimise it by
             L-BFGS, raise b, go on from there.
    sharpen  write the problem with a ceiling t over all cosines, "minimise t so that every cosine is below t", and let
             an interior-point method solve it: a dozen Newton steps to the last digit of float64.

All of it is batched over starts, (S, K, D), on the tensor's device.

References:
    Boyd and Vandenberghe 2004, Convex Optimization, section 11.7 (primal-dual interior-point methods)
"""

import math
import time

import torch
from torch import Tensor

from . import descent
from .fused import largest, soft_largest


def anneal(
    x: Tensor,
    sharpness: tuple[float, ...],
    generator: torch.Generator | None,
    *,
    iterations: int = 100,
    deadline: float | None = None,
    target: float | None = None,
) -> Tensor:
    """Minimise the soft maximum at rising sharpness.

    Args:
        x: (S, K, D) unit rows.
        sharpness: the values of b times (1 - the largest cosine), in order; 30 is coarse, 2000 fine.
        generator: for the small shakes that keep symmetric sets from resting on a saddle; None leaves them symmetric.
        iterations: most evaluations per sharpness; the finest get up to three times as many.
        deadline: a time.monotonic() after which to return.
        target: return as soon as one of the sets has a largest cosine this small.
    Returns:
        (S, K, D) unit rows.
    """
    for i, sharp in enumerate(sharpness):
        if target is not None and largest(x).min() <= target:
            break
        # random points and children hold close pairs, which say nothing yet: b is at most 2 sharp in the first step
        room = (1 - largest(x)).clamp_min(0.5 if i == 0 else 1e-12)
        shake = 0.01 * (room / sharp).sqrt()
        if generator is not None:
            x = descent.retract(x + shake[:, None, None] * normal_like(x, generator))
        most = iterations if sharp < 100 else 2 * iterations if sharp < 400 else 3 * iterations
        x, _ = descent.minimize(soft_largest, x, sharp / room, tolerance=1e-6, iterations=most, deadline=deadline)
    return x


def normal_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Gaussian noise of x's shape, drawn on the CPU so that it is the same on every device."""
    return torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)


def sharpen(
    x: Tensor, *, margin: float = 0.03, iterations: int = 30, tolerance: float = 1e-15, deadline: float | None = None
) -> tuple[Tensor, Tensor]:
    """Minimise the largest cosine itself, to rounding error: a primal-dual interior-point method.

    The problem "minimise t, with c_ij + slack_ij = t and slack_ij >= 0 for every pair" has multipliers m_ij >= 0, the
    forces in the struts of a framework: they balance at every point, add up to 1, and vanish where there is slack
    (m_ij slack_ij = 0). Each step is Newton's for these conditions with m_ij slack_ij = a target that goes to zero.
    The Newton matrix has a row for each of the K (D-1) directions in which the points can move.

    Args:
        x: (S, K, D) unit rows, already a fair solution; float64.
        margin: how far above the largest cosine the ceiling starts, as a share of 1 - the largest cosine.
        iterations: most Newton steps.
        tolerance: a set is done when the mean of m_ij slack_ij is below it.
    Returns:
        (S, K, D) unit rows and their largest cosines (S,), never larger than before.
    Source: Boyd and Vandenberghe 2004, section 11.7; the forces as in Danzer 1986, the contact graph's stresses.
    """
    k, pairs = x.shape[1], x.shape[1] * (x.shape[1] - 1)
    self = torch.eye(k, dtype=torch.bool, device=x.device)
    cosines = lambda x: (x @ x.transpose(1, 2)).masked_fill_(self, -2)  # noqa: E731
    c, best, best_x = cosines(x), largest(x), x.clone()
    index, result, result_x = torch.arange(len(x), device=x.device), best.clone(), best_x.clone()
    reach = 0.2 * (2 - 2 * best).sqrt()  # no point moves further in one step
    ceiling = best + margin * (1 - best)
    slack = ceiling[:, None, None] - c
    force = (1 / slack).masked_fill(self, 0)
    force = force / force.sum((1, 2), keepdim=True) * 2
    shift = torch.full_like(best, 1e-10)

    for _ in range(iterations):
        target = 0.1 * (force * slack).sum((1, 2), keepdim=True) / pairs
        error = c + slack - ceiling[:, None, None]
        stiff = (force / slack).masked_fill_(self, 0)
        pull = (target / slack + stiff * error).masked_fill_(self, 0)
        basis = _tangent_bases(x)  # (S, K, D, D-1)
        slope = torch.einsum("sida,sjd->sija", basis, x)  # (S, i, j, D-1): how c_ij changes as point i moves
        matrix = _newton_matrix(slope, basis, stiff, force, c.masked_fill(self, 0))
        factor, shift = _cholesky(matrix, shift)
        gradient, weight = ((w[..., None] * slope).sum(2).flatten(1) for w in (pull, stiff))  # (S, K (D-1))
        solved = torch.cholesky_solve(torch.stack([gradient, weight], -1), factor)
        rest = 1 - pull.sum((1, 2)) / 2
        d_ceiling = (-rest - (weight * solved[..., 0]).sum(1)) / (
            stiff.sum((1, 2)) / 2 - (weight * solved[..., 1]).sum(1)
        )
        step = (d_ceiling[:, None] * solved[..., 1] - solved[..., 0]).view(len(x), k, -1)
        change = (slope * step[:, :, None]).sum(-1)
        change = change + change.transpose(1, 2)  # of every cosine
        d_slack = d_ceiling[:, None, None] - change - error
        d_force = pull - force - stiff * (d_ceiling[:, None, None] - change)
        move = (basis @ step[..., None])[..., 0]
        # as far as slacks and forces stay positive
        length = torch.minimum(_share(slack, d_slack), reach / move.norm(dim=-1).amax(1))
        x = descent.retract(x + length[:, None, None] * move)
        ceiling = ceiling + length * d_ceiling
        slack = (slack + length[:, None, None] * d_slack).masked_fill_(self, 9)
        slack = torch.maximum(slack, slack.transpose(1, 2))
        force = (force + _share(force, d_force)[:, None, None] * d_force).masked_fill_(self, 0)
        force = torch.maximum(force, force.transpose(1, 2))
        c = cosines(x)
        top = c.amax((1, 2)).nan_to_num(9)
        best_x = torch.where((top < best)[:, None, None], x, best_x)
        best = torch.minimum(top, best)

        gap = (force * slack).sum((1, 2)) / pairs
        live = (gap > tolerance) & (length > 1e-4)  # also false for NaN: a start that has broken down rests
        result[index], result_x[index] = best, best_x
        if not live.any() or (deadline is not None and time.monotonic() > deadline):
            break
        if 4 * int((~live).sum()) >= len(live):
            x, c, slack, force, ceiling, shift, reach, best, best_x, index = (
                v[live] for v in (x, c, slack, force, ceiling, shift, reach, best, best_x, index)
            )
    return result_x, result


def _tangent_bases(x: Tensor) -> Tensor:
    """Orthonormal bases of the tangent spaces: the mirror that takes a point to an axis, without that axis."""
    mirror = x.clone()
    mirror[..., 0] += torch.where(x[..., 0] >= 0, 1.0, -1.0).to(x)
    mirror = mirror / mirror.norm(dim=-1, keepdim=True)
    eye = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    return (eye - 2 * mirror[..., :, None] * mirror[..., None, :])[..., 1:]


def _newton_matrix(slope: Tensor, basis: Tensor, stiff: Tensor, force: Tensor, c: Tensor) -> Tensor:
    """Stiffness of the struts, and what their forces do as the points turn: (S, K (D-1), K (D-1))."""
    starts, k, _, d = slope.shape
    heavy = slope * stiff[..., None]
    # blocks (i, j): stiff_ij slope_ij slope_ji^T + force_ij basis_i^T basis_j
    frame = basis.permute(0, 1, 3, 2).reshape(starts, k * d, -1)
    matrix = (frame @ frame.transpose(1, 2)).view(starts, k, d, k, d) * force[:, :, None, :, None]
    matrix += heavy.transpose(2, 3)[..., None] * slope.permute(0, 2, 1, 3)[:, :, None]
    # blocks (i, i)
    own = heavy.transpose(2, 3) @ slope
    own -= (force * c).sum(2)[..., None, None] * torch.eye(d, dtype=basis.dtype, device=basis.device)
    i = torch.arange(k, device=basis.device)
    matrix[:, i, :, i] += own.transpose(0, 1)
    return matrix.view(starts, k * d, k * d)


def _cholesky(matrix: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """The Cholesky factor after adding as little to the diagonal as makes the matrix positive."""
    diagonal = matrix.diagonal(dim1=1, dim2=2)
    own, shift = diagonal.clone(), shift / 10
    scale = own.abs().amax(1)
    for _ in range(14):
        diagonal.copy_(own + (shift * scale)[:, None])
        factor, failed = torch.linalg.cholesky_ex(matrix)
        if not failed.any():
            break
        shift = torch.where(failed > 0, 30 * shift.clamp_min(1e-13), shift)
    return factor, shift


def _share(v: Tensor, change: Tensor) -> Tensor:
    """The largest share of the change, at most 1, that leaves v positive with a hundredth to spare."""
    return (0.99 * torch.where(change < 0, -v / change, math.inf).amin((1, 2))).clamp_max(1)
