"""Many searches at once: L-BFGS on products of spheres, with the starts stacked in one tensor.

A configuration is K unit rows in R^D, a search moves S of them together, so x has the shape (S, K, D). Every start has
its own step size, its own curvature memory and its own end; they share only the tensor operations, which is what makes
thirty small searches as cheap as one. All of it runs on the tensor's own device and dtype (use float64: the last digits
of an energy are what a search is about).

The function to minimise is called as `fun(x, *context)` and returns `(values, gradients)` of shapes (S,) and
(S, K, D). The gradient may be the one of the surrounding space; its part along each point is taken off here, because
moving a point along itself leaves the sphere and normalising undoes it. `context` holds tensors with one entry per
start (weights, temperatures) that follow the starts as those that have arrived drop out.

Source: L-BFGS as in Nocedal and Wright, Numerical Optimization (2006), algorithm 7.4; on manifolds Absil, Mahony and
Sepulchre, Optimization Algorithms on Matrix Manifolds (2008). We keep the memory in the surrounding space and project
the final direction, which on spheres works as well as transporting every vector and is half the code.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor

Fun = Callable[..., tuple[Tensor, Tensor]]


def tangent(x: Tensor, v: Tensor) -> Tensor:
    """The part of v that is tangent to the sphere at each row of x."""
    return v - (x * v).sum(-1, keepdim=True) * x


def retract(x: Tensor) -> Tensor:
    """Back to the sphere: every row divided by its length."""
    return x / x.norm(dim=-1, keepdim=True)


def minimize(
    fun: Fun,
    x: Tensor,
    *context: Tensor,
    iterations: int = 1000,
    memory: int = 10,
    tolerance: float = 1e-10,
    deadline: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Walk every start downhill until its gradient is small, with L-BFGS directions and backtracking steps.

    Args:
        fun: maps (S, K, D) to the values (S,) and the gradients (S, K, D).
        x: the starts, (S, K, D) unit rows.
        context: further arguments of fun, tensors with S entries.
        iterations: most evaluations of fun.
        memory: how many past steps the curvature estimate uses.
        tolerance: a start has arrived when its gradient is shorter than this times the largest of 1 and its value.
        deadline: a time.monotonic() after which the search returns with what it has.
    Returns:
        The points (S, K, D) and their values (S,); never worse than the starts.
    Source: Nocedal and Wright 2006, algorithms 3.1 and 7.4.
    """
    starts, shape = x.shape[0], x.shape
    value, grad = fun(x, *context)
    grad = tangent(x, grad)
    best_x, best_value = x.clone(), value.clone()
    index = torch.arange(starts, device=x.device)  # which of the starts each row of the working tensors is
    past = [x.new_zeros(memory, starts, shape[1] * shape[2]) for _ in range(2)]  # steps, changes of the gradient
    rho = x.new_zeros(memory, starts)  # 1 / <step, change>; 0 marks an empty slot
    scale = 1 / grad.flatten(1).norm(dim=1).clamp_min(1e-30)  # first step: about a radian in all
    fresh, slot = torch.ones_like(value, dtype=torch.bool), 0
    direction, slope, step = grad, value, value  # set in the first round

    for _ in range(iterations):
        # A new direction for the starts whose last step was accepted; the others go on shortening theirs.
        if fresh.any():
            d = _direction(grad.flatten(1), past, rho, scale, slot).view_as(x)
            d = tangent(x, d)
            s = (grad * d).flatten(1).sum(1)
            uphill = s >= 0  # the memory is of no use here: fall back to steepest descent
            if uphill.any():
                d = torch.where(uphill[:, None, None], -grad * scale[:, None, None], d)
                s = (grad * d).flatten(1).sum(1)
                rho = torch.where(uphill & fresh, torch.zeros_like(rho), rho)
            # no point moves by more than half a radian in one step
            longest = d.norm(dim=-1).amax(-1)
            direction = torch.where(fresh[:, None, None], d, direction)
            slope = torch.where(fresh, s, slope)
            step = torch.where(fresh, (0.5 / longest.clamp_min(1e-30)).clamp_max(1.0), step)

        trial = retract(x + step[:, None, None] * direction)
        new_value, new_grad = fun(trial, *context)
        new_grad = tangent(trial, new_grad)
        # Armijo's rule, with room for rounding near the end
        noise = 4 * torch.finfo(x.dtype).eps * value.abs()
        fresh = new_value <= value + 1e-4 * step * slope + noise
        fresh &= new_value.isfinite()

        # Remember (step, change of gradient) where the curvature along the step is positive.
        slot = (slot + 1) % memory
        moved, turned = (trial - x).flatten(1), (new_grad - grad).flatten(1)
        curvature = (moved * turned).sum(1)
        stiffness = (turned * turned).sum(1)
        good = fresh & (curvature > 1e-10 * moved.norm(dim=1) * stiffness.sqrt()) & (curvature > 0)
        rho[slot] = torch.where(good, 1 / curvature, 0.0)
        past[0][slot], past[1][slot] = moved, turned
        scale = torch.where(good, curvature / stiffness, scale)

        x = torch.where(fresh[:, None, None], trial, x)
        grad = torch.where(fresh[:, None, None], new_grad, grad)
        value = torch.where(fresh, new_value, value)
        step = torch.where(fresh, step, step * 0.3)

        length = grad.flatten(1).norm(dim=1)
        done = (length <= tolerance * value.abs().clamp_min(1.0)) | (step < 1e-9)
        late = deadline is not None and time.monotonic() > deadline
        if late or done.all():
            break
        # Starts that have arrived leave the tensors once they are a quarter of them.
        if 4 * int(done.sum()) >= len(index):
            best_x[index], best_value[index] = x, value
            live = ~done
            x, grad, value, scale, fresh = x[live], grad[live], value[live], scale[live], fresh[live]
            direction, slope, step = direction[live], slope[live], step[live]
            past, rho, index = [p[:, live] for p in past], rho[:, live], index[live]
            context = tuple(c[live] for c in context)
    best_x[index], best_value[index] = x, value
    return best_x, best_value


def _direction(grad: Tensor, past: list[Tensor], rho: Tensor, scale: Tensor, slot: int) -> Tensor:
    """The two loops of L-BFGS: minus the inverse Hessian, as the memory knows it, times the gradient. (S, K*D)."""
    memory = len(rho)
    order = [(slot - i) % memory for i in range(memory)]  # newest first
    q, weights = grad.clone(), {}
    for i in order:
        weights[i] = (rho[i] * (past[0][i] * q).sum(1))[:, None]
        q -= weights[i] * past[1][i]
    q *= scale[:, None]
    for i in reversed(order):
        b = (rho[i] * (past[1][i] * q).sum(1))[:, None]
        q += (weights[i] - b) * past[0][i]
    return -q
