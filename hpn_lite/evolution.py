"""The evolutionary search of the first prototype networks (HPN-A1): a population of point sets, bred for separation.

A set's fitness is the distance of its closest pair. Fit sets become parents in proportion to their fitness, children
take the first rows from one parent and the rest from the other, a few coordinates are replaced by chance, and of
parents and children together as many survive as there were before. No gradient anywhere, so the fitness may be
anything, the ranks of HPN-A2 included. `hpn_lite.points` offers `evolve`.

What the paper says, and what it leaves open:

- parents: 30% of 3,000, "fitness proportionate": 900 draws with replacement, the first two a pair, and so on;
- offspring: 300 of each pair, so 135,000 children in every generation, 40 million in all;
- crossover: at one row, which the paper does not say how to draw: uniform among the cuts between two rows;
- mutation: every coordinate with p = 0.01 by "a uniform sample", of which the paper does not give the range: [-1, 1],
  all that a coordinate can be; the row is then brought back to length one;
- survival: in proportion to fitness, parents and children alike: 3,000 draws without replacement, since nobody
  survives twice; nothing is said of keeping the best set, so it may die (keep_best=True);
- start: nothing is said: uniform on the sphere;
- result: nothing is said: the fittest set that ever lived.

Memory: children are made and judged in chunks, and of each chunk only those are kept that survive so far. So it takes
4 (1 + parents) bytes x population x k x dim, 16 MB for the paper's population of 100 points in 10 dimensions, and at
most 100 MB besides, as long as k is below a thousand; that population's 135,000 children alone would be 540 MB.

References:
    Mettes et al. 2019, first version (arXiv 1901.10514), section 2.1
    Efraimidis and Spirakis 2006, Weighted random sampling with a reservoir
"""

import math
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from . import descent, fused
from .bounds import real, whole
from .sphere import check_vectors, normalize

CHUNK = 2**20  # numbers in the largest tensor made at once, 4 MB in float32: fits a cache
FEW = 24  # points up to which a loop over rows is quicker than many tiny matrix products


class Evolution(NamedTuple):
    """What `evolve` found, and how it went there.

    points: (k, dim) float64 unit rows, the fittest set that ever lived; fitness: its own; record: (generations + 1,)
    the highest fitness up to each generation, so it never falls; best, mean: (generations + 1,) of the sets alive;
    evaluated: how many sets were judged; seconds: the time it took.
    """

    points: Tensor
    fitness: float
    record: Tensor
    best: Tensor
    mean: Tensor
    evaluated: int
    seconds: float


def evolve(
    k: int,
    dim: int,
    *,
    population: int = 3000,
    generations: int = 300,
    parents: float = 0.3,
    offspring: int = 300,
    mutation: float = 0.01,
    pressure: float = 1.0,
    keep_best: bool = False,
    bonus: Callable[[Tensor], Tensor] | None = None,
    start: Tensor | None = None,
    seed: int = 0,
    watch: Callable[[int, Tensor, Tensor], None] | None = None,
    progress: bool = False,
    device: torch.device | str = "cpu",
) -> Evolution:
    """Prototypes by evolution, as first published with HPN; every number of the paper is a parameter.

    Args:
        k, dim: number of points and dimension, at least 2.
        population, generations: how many sets live, and for how long.
        parents: share of the population that is drawn as parents, 0 < parents <= 1; an odd one out has no children.
        offspring: children of each pair.
        mutation: chance of each coordinate of a child to be replaced.
        pressure: draws are in proportion to fitness ** pressure; 1 is the paper's, 0 is blind chance.
        keep_best: let the fittest set of every generation survive for certain (not in the paper).
        bonus: more fitness, from sets (S, k, dim) to finite values (S,) of at least 0; HPN-A2 adds 10 / d_r.
        start: (k, dim) or (P, k, dim) sets to begin with, repeated in turn until the population is full.
        seed: the same seed gives the same run on the same machine and kind of device.
        watch: called with (generation, sets, fitness) for the population of every generation from 0 on; do not
            change the tensors.
        progress: show a bar.
        device: where to compute.
    Returns:
        Evolution.
    Raises:
        ValueError: if a number is out of range, start has another shape or is larger than the population, or the
            bonus is negative, not finite or of another shape.
    Source: HPN-A1, Mettes et al. 2019, first version, section 2.1.
    """
    began = time.monotonic()
    k, dim, population = whole("k", k, 2), whole("dim", dim, 2), whole("population", population, 2)
    generations, offspring = whole("generations", generations, 0), whole("offspring", offspring, 1)
    for name, value, least, most in (
        ("parents", parents, 0, 1), ("mutation", mutation, 0, 1), ("pressure", pressure, 0, math.inf)
    ):  # fmt: skip
        if not least <= real(name, value) <= most or value == math.inf:
            raise ValueError(f"{name} must be a finite number from {least} to {most}, got {value!r}")
    pairs = round(parents * population) // 2
    if pairs < 1:
        raise ValueError(f"{parents} of {population} sets is not even one pair of parents")
    generator = torch.Generator(device).manual_seed(seed)
    if start is None:
        sets = torch.randn(population, k, dim, generator=generator, device=device)
        sets = descent.retract(sets)
    else:
        start = normalize(check_vectors(start, "start"), check=False).to(device, torch.float32)
        start = start[None] if start.ndim == 2 else start
        if start.ndim != 3 or start.shape[1:] != (k, dim) or not 1 <= len(start) <= population:
            raise ValueError(
                f"start must have the shape ({k}, {dim}) or (P, {k}, {dim}) with P at most {population},"
                f" got {tuple(start.shape)}"
            )
        sets = start[torch.arange(population, device=device) % len(start)]

    chunk = max(1, CHUNK // (k * max(k, dim)))
    judge = lambda x: fitness(x) if bonus is None else fitness(x) + _checked(bonus(x), len(x))  # noqa: E731
    value = torch.cat([judge(x) for x in sets.split(chunk)])
    record, best, mean, evaluated = [], [], [], population
    fittest, fittest_value = sets[value.argmax()].clone(), value.max()
    for generation in range(generations + 1):
        if generation:
            couples = sets[roulette(value, 2 * pairs, generator, pressure)]  # a copy: the population changes below
            keys = _lots(value, generator, pressure)
            champion, champion_value = sets[value.argmax()].clone(), value.max()
            for first in range(0, pairs * offspring, chunk):  # couple c has the children c * offspring, ...
                child = torch.arange(first, min(first + chunk, pairs * offspring), device=device)
                mother = 2 * torch.div(child, offspring, rounding_mode="floor")
                children = mutate(crossover(couples, mother, mother + 1, generator), mutation, generator)
                theirs = judge(children)
                if theirs.max() > champion_value:
                    champion, champion_value = children[theirs.argmax()].clone(), theirs.max()
                _insert(sets, value, keys, children, theirs, _lots(theirs, generator, pressure))
            if keep_best and value.max() < champion_value:  # it takes the place of the last who was let in
                sets[keys.argmax()], value[keys.argmax()] = champion, champion_value
            if champion_value > fittest_value:
                fittest, fittest_value = champion, champion_value
            evaluated += pairs * offspring
        record.append(fittest_value)
        best.append(value.max())
        mean.append(value.mean())
        if watch is not None:
            watch(generation, sets, value)
        if progress:
            _bar(generation, generations, float(fittest_value))
    history = (torch.stack(x).double().cpu() for x in (record, best, mean))
    x = descent.retract(fittest.double())
    return Evolution(x, float(fittest_value), *history, evaluated, time.monotonic() - began)


def fitness(sets: Tensor) -> Tensor:
    """The smallest cosine distance, 1 - cosine, between two points of each set: (S, K, D) unit rows -> (S,).

    Source: g(P) in Mettes et al. 2019, first version, section 2.1.
    """
    k = sets.shape[1]
    if k > FEW:
        return 1 - fused.largest(sets)
    x = sets.permute(1, 2, 0).contiguous()  # (K, D, S): the long axis last
    largest = x.new_full((len(sets),), -1.0)
    for i in range(1, k):
        largest = torch.maximum(largest, (x[i] * x[:i]).sum(1).amax(0))
    return 1 - largest


def roulette(value: Tensor, count: int, generator: torch.Generator, pressure: float = 1.0) -> Tensor:
    """Indices of `count` draws with replacement, each in proportion to value ** pressure."""
    return torch.multinomial(torch.softmax(_log(value, pressure), 0), count, replacement=True, generator=generator)


def crossover(sets: Tensor, mother: Tensor, father: Tensor, generator: torch.Generator) -> Tensor:
    """Children with the first rows of one parent and the other rows of the other; where to cut is uniform chance.

    Args:
        sets: (P, K, D).
        mother, father: (S,) indices of the parents; a fair coin says whose rows come first.
        generator: source of randomness, on the same device.
    Returns:
        (S, K, D); both parents give at least one row.
    """
    (_, k, d), s, device = sets.shape, len(mother), sets.device
    cut = torch.randint(1, k, (s, 1), generator=generator, device=device)
    swap = torch.randint(2, (s, 1), generator=generator, device=device).bool()
    row = torch.arange(k, device=device)
    parent = torch.where((row < cut) ^ swap, mother[:, None], father[:, None])  # (S, K) whose row it is
    return sets.reshape(-1, d).index_select(0, (parent * k + row).flatten()).view(s, k, d)


def mutate(sets: Tensor, chance: float, generator: torch.Generator) -> Tensor:
    """Replace every coordinate with this chance by a uniform sample from [-1, 1]; rows are unit again afterwards.

    Changes `sets`, (S, K, D), in place, and returns it.
    """
    place = _hits(sets.numel(), chance, generator)
    flat = sets.view(-1)
    flat[place] = 2 * torch.rand(len(place), generator=generator, device=sets.device, dtype=sets.dtype) - 1
    rows = torch.div(place, sets.shape[2], rounding_mode="floor").unique_consecutive()
    of = sets.view(-1, sets.shape[2])
    length = of[rows].norm(dim=1, keepdim=True)
    of[rows] = of[rows] / torch.where(length == 0, 1, length)
    return sets


def _hits(n: int, chance: float, generator: torch.Generator) -> Tensor:
    """Which of n coins with this chance of heads fall on heads, in order. Gaps between heads are geometric: few draws
    instead of n."""
    device = generator.device
    if chance == 0:
        return torch.zeros(0, dtype=torch.int64, device=device)
    if chance > 0.2:
        return (torch.rand(n, generator=generator, device=device) < chance).nonzero()[:, 0]
    found, last = [], -1
    while last < n:
        gaps = torch.empty(int(n * chance + 5 * math.sqrt(n * chance)) + 5, dtype=torch.float64, device=device)
        place = last + gaps.geometric_(chance, generator=generator).cumsum(0)
        found.append(place[place < n])
        last = float(place[-1])
    return torch.cat(found).long()


def _log(value: Tensor, pressure: float) -> Tensor:
    return pressure * value.clamp_min(1e-30).log()


def _lots(value: Tensor, generator: torch.Generator, pressure: float) -> Tensor:
    """Keys whose smallest m are a draw of m without replacement, each in proportion to value ** pressure."""
    waits = torch.empty_like(value).exponential_(generator=generator)
    return waits.clamp_min(1e-30).log() - _log(value, pressure)


def _insert(sets: Tensor, value: Tensor, keys: Tensor, more: Tensor, more_value: Tensor, more_keys: Tensor) -> None:
    """Let those of `more` in, in place, whose keys are among the len(sets) smallest of all."""
    n = len(sets)
    keep = torch.zeros(n + len(more), dtype=torch.bool, device=sets.device)
    keep[torch.cat([keys, more_keys]).topk(n, largest=False).indices] = True
    out, new = (~keep[:n]).nonzero()[:, 0], keep[n:].nonzero()[:, 0]
    for old, other in ((sets, more), (value, more_value), (keys, more_keys)):
        old[out] = other[new]


def _checked(bonus: Tensor, count: int) -> Tensor:
    if not isinstance(bonus, Tensor) or bonus.shape != (count,) or not (bonus.isfinite() & (bonus >= 0)).all():
        given = tuple(bonus.shape) if isinstance(bonus, Tensor) else type(bonus).__name__
        raise ValueError(f"bonus must give {count} finite values of at least 0 for {count} sets, got {given}")
    return bonus.float()


def _bar(done: int, of: int, value: float) -> None:
    full = round(30 * done / max(of, 1))
    end = "\n" if done == of else ""
    print(f"\r[{'#' * full}{'.' * (30 - full)}] {done}/{of}  best {value:.4f} ", end=end, file=sys.stderr, flush=True)
