"""From one good point set to better ones: a small population of sets, their children, and descent from each child.

Descending from random starts finds a good set; finding the best one takes luck that grows slowly with the number of
starts. Children of good sets have more of it: `spliced` cuts two sets in half and joins the halves, `into_holes` takes
points out and puts them where there is most room. Each child is then moved downhill, and the best sets that differ are
kept. It is the evolutionary search of the first prototype networks (HPN-A1) with a descent inside, which is what makes
a population of eight do. On the ordinary sphere, `symmetric` sets are good to begin with.

References:
    Deaven and Ho 1995, Molecular geometry optimization with a genetic algorithm
    Morris, Deaven and Ho 1996, Genetic-algorithm energy minimization for point charges on a sphere
"""

import functools
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from . import descent


def improve(
    descend: Callable[[Tensor], tuple[Tensor, Tensor]],
    fresh: Callable[[], Tensor],
    generator: torch.Generator,
    *,
    pool: int = 8,
    children: int = 16,
    patience: int = 4,
    close: float = 1e-8,
    deadline: float | None = None,
    target: float | None = None,
    progress: bool = False,
) -> tuple[Tensor, float]:
    """Keep the best sets, make children of them, descend, again; begin anew when nothing improves.

    Args:
        descend: moves (S, K, D) downhill, returns the sets and their values (S,).
        fresh: makes new random starts, (S, K, D).
        generator: source of randomness.
        pool: how many sets are kept.
        children: how many are made of them in each generation.
        patience: generations without a better set before the search ends or, with a deadline, begins anew.
        close: sets whose values differ by less, relative to 1 or the value, count as one.
        deadline: a time.monotonic() at which to end.
        target: end as soon as a value is this small.
        progress: print a line when a better set is found.
    Returns:
        The best set (K, D) and its value.
    """
    began, best, best_x = time.monotonic(), float("inf"), None
    late = lambda: deadline is not None and time.monotonic() >= deadline  # noqa: E731
    while True:
        (x, value), still, sets = descend(fresh()), 0, float("inf")  # sets: the best value since the last fresh start
        while True:
            x, value = _best_that_differ(x, value, pool, close)
            still = 0 if value[0] < sets - close * max(1, abs(sets)) or sets == float("inf") else still + 1
            sets = min(sets, float(value[0]))
            if value[0] < best:
                best, best_x = float(value[0]), x[0]
                if progress:
                    print(f"{time.monotonic() - began:8.1f} s  {best:.12f}", flush=True)
            if late() or (target is not None and best <= target):
                return best_x, best
            if still >= patience:
                break
            half = children // 2
            parents = x[torch.randint(len(x), (children - half,), generator=generator).to(x.device)]
            moved = 1 + int(torch.randint(min(3, x.shape[1] - 1), (1,), generator=generator))
            more, more_value = descend(torch.cat([spliced(x, half, generator), into_holes(parents, moved, generator)]))
            x, value = torch.cat([x, more]), torch.cat([value, more_value])
        if deadline is None:
            return best_x, best


def _best_that_differ(x: Tensor, value: Tensor, pool: int, close: float) -> tuple[Tensor, Tensor]:
    order, keep = value.argsort().tolist(), []
    values = value.tolist()
    for i in order:
        if not keep or values[i] - values[keep[-1]] > close * max(1, abs(values[i])):
            keep.append(i)
    keep = torch.tensor(keep[:pool], device=x.device)
    return x[keep], value[keep]


def spliced(x: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Children of two parents each: both turned at random, the upper half of one on the lower half of the other.

    Args:
        x: (P, K, D) parents.
        count: number of children.
        generator: source of randomness.
    Returns:
        (count, K, D).
    Source: Deaven and Ho 1995.
    """
    halves, k, d = [], x.shape[1], x.shape[2]
    for rows in (slice(0, k // 2), slice(k // 2, k)):
        turn = torch.linalg.qr(torch.randn(count, d, d, generator=generator, dtype=x.dtype)).Q.to(x.device)
        parent = x[torch.randint(len(x), (count,), generator=generator).to(x.device)] @ turn
        by_height = parent[..., :1].argsort(1).expand_as(parent)
        halves.append(parent.gather(1, by_height)[:, rows])
    return torch.cat(halves, 1)


def into_holes(x: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Move `count` random points of each set into the largest holes among random places.

    Args:
        x: (S, K, D) sets.
        count: how many points of each set move.
        generator: source of randomness.
    Returns:
        (S, K, D), new sets.
    """
    x, (starts, k, d) = x.clone(), x.shape
    each = torch.arange(starts, device=x.device)
    places = torch.randn(starts, 20 * k, d, generator=generator, dtype=x.dtype).to(x.device)
    places = descent.retract(places)
    for _ in range(count):
        i = torch.randint(k, (starts,), generator=generator).to(x.device)
        cosines = places @ x.transpose(1, 2)  # (S, places, K)
        cosines[each, :, i] = -2  # the hole that the point leaves counts as empty
        x[each, i] = places[each, cosines.amax(2).argmin(1)]
    return x


def symmetric(count: int, k: int, generator: torch.Generator) -> Tensor:
    """Random sets of k points in three dimensions that a group of rotations maps to themselves.

    Many of the best known sets have symmetries, and few random ones come near them: with a group of order m there are
    only k / m points to choose. Each set is made of whole orbits: those of points on the group's axes, if they are
    needed to make up k, and else of random points.

    Args:
        count: number of sets.
        k: number of points, at least 4.
        generator: source of randomness.
    Returns:
        (count, k, 3), unit rows in float64 on the CPU.
    """
    choices = []  # (group, the union of some of its short orbits), with as many points left as whole orbits have
    for group, short in _groups():
        unions = [torch.cat([group[0][:0], *some]) for some in _subsets(short)]
        unions = [union for union in unions if len(union) <= k and (k - len(union)) % len(group) == 0]
        if unions:
            choices.append((group, unions))
    sets = []
    for i in range(count):
        group, unions = choices[i % len(choices)]
        union = unions[_draw(len(unions), generator)]
        free = descent.retract(torch.randn((k - len(union)) // len(group), 3, generator=generator, dtype=torch.float64))
        sets.append(torch.cat([union, (free @ group).flatten(0, 1)]))
    return torch.stack(sets)


def _draw(n: int, generator: torch.Generator) -> int:
    return int(torch.randint(n, (), generator=generator))


def _subsets(items: list) -> list[list]:
    return [[]] if not items else [some + more for some in _subsets(items[1:]) for more in ([], items[:1])]


@functools.cache
def _groups() -> list[tuple[Tensor, list[Tensor]]]:
    """Symmetry groups of the sphere, (order, 3, 3), and their short orbits.

    Turns by 360/m degrees, with half-turns across or with a mirror at every other step, and the rotations of the
    tetrahedron, the octahedron and the icosahedron.
    """
    golden = (1 + math.sqrt(5)) / 2
    across, mirror = torch.diag(_row(1, -1, -1)), torch.diag(_row(1, 1, -1))
    third = _turn(_row(1, 1, 1), 3)
    generators = [[_turn(_row(0, 0, 1), m)] for m in range(2, 7)]
    generators += [[turn, across] for (turn,) in generators]
    generators += [[_turn(_row(0, 0, 1), 2 * m) @ mirror] for m in range(1, 4)]
    generators += [[third, across], [third, _turn(_row(0, 0, 1), 4)], [third, _turn(_row(0, 1, golden), 5)]]
    groups = [_generated(g) for g in generators]
    return [(group, _short_orbits(group)) for group in groups]


def _row(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def _turn(axis: Tensor, m: int) -> Tensor:
    """The rotation by 360/m degrees about an axis (Rodrigues' formula)."""
    x, y, z = (axis / axis.norm()).tolist()
    cross, angle = torch.stack([_row(0, -z, y), _row(z, 0, -x), _row(-y, x, 0)]), 2 * math.pi / m
    return torch.eye(3, dtype=torch.float64) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross


def _generated(generators: list[Tensor]) -> Tensor:
    group = [torch.eye(3, dtype=torch.float64)]
    for g in group:  # which grows until products give nothing new
        group += [h for h in (g @ a for a in generators) if not any(torch.allclose(h, old) for old in group)]
    return torch.stack(group)


def _short_orbits(group: Tensor) -> list[Tensor]:
    """The orbits of the points that some rotation of the group leaves in place: its axes' ends."""
    orbits = []
    for g in group[1:]:
        if torch.linalg.det(g) > 0:
            axis = torch.linalg.eigh(g + g.T).eigenvectors[:, -1]
            for end in (axis, -axis):
                if not any(torch.isclose(orbit, end).all(1).any() for orbit in orbits):
                    orbit = []
                    for point in group @ end:
                        if not any(torch.allclose(point, old) for old in orbit):
                            orbit.append(point)
                    orbits.append(torch.stack(orbit))
    return orbits
