"""Points that mean something: classes whose names are related get prototypes that are neighbours.

Words have vectors (hpn_lite.words reads them), and the cosines between these say what is like what. This file measures
how much of that order a set of points keeps, and places points that keep some of it and stay apart.

    >>> from hpn_lite import semantics
    >>> found = semantics.find_vectors("bundled")              # 20 words, offline; without a name: what is at hand
    >>> w = semantics.word_vectors(["dog", "cat", "apple"], found.vectors)
    >>> p = semantics.semantic_points(w, dim=2, weight=0.5)

The order of a class is the order of the other classes by cosine to it, nearest first. Word vectors w are (K, width),
points p are (K, dim); both are compared through their cosines alone.

References:
    Mettes et al. 2019, section 3.1 (HPN-A2: rank distance, PCA start; in the NeurIPS version the ranking loss)
    Burges et al. 2005, the ranking loss
    Koopmans and Beckmann 1957 (quadratic assignment, which `arrange` searches)
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from . import descent, fused
from .bounds import real, whole
from .evolution import Evolution, evolve
from .points import best_prototypes, tammes
from .sphere import check_vectors, normalize
from .words import Found, find_vectors, load_vectors, word_vectors

__all__ = [
    "Found",
    "find_vectors",
    "load_vectors",
    "word_vectors",
    "neighbour_ranks",
    "rank_distance",
    "rank_correlation",
    "triplet_agreement",
    "pca",
    "arrange",
    "semantic_fitness",
    "evolve_semantic",
    "misalignment",
    "triplet_loss",
    "semantic_points",
]

BLOCK = 1 << 22  # comparisons held at once

# --- how much of the order is kept -----------------------------------------------------------------------------------


def neighbour_ranks(x: Tensor) -> Tensor:
    """Who is whose how-many-th neighbour by cosine: 1 the nearest, K - 1 the farthest, 0 for a point and itself.

    Cosines that agree to nine digits share the mean of their ranks, so that rounding decides nothing.

    Args:
        x: (..., K, D) vectors of any length, K >= 2.
    Returns:
        (..., K, K): row i has the ranks of the others as i sees them; not symmetric.
    Raises:
        TypeError, ValueError: see sphere.check_vectors.
    Source: Mettes et al. 2019, section 3.1.
    """
    x = normalize(check_vectors(x, points=2)).double()
    far = -(x @ x.transpose(-1, -2)).mul(1e9).round()
    far.diagonal(dim1=-2, dim2=-1).fill_(math.inf)
    order = far.sort(-1).values
    # how many are nearer, and how many are as near: the mean of the places in between
    ranks = (torch.searchsorted(order, far) + torch.searchsorted(order, far, right=True) + 1) / 2
    ranks = ranks.to(x.dtype)
    ranks.diagonal(dim1=-2, dim2=-1).zero_()
    return ranks


def rank_distance(w: Tensor, p: Tensor) -> Tensor:
    """d_r = sum over i, j of |rank(w_ij) - rank(p_ij)|: 0 if p keeps the order of w entirely.

    Two independent random orders are K ((K - 1)^2 - 1) / 3 apart on average.

    Args:
        w: (K, width) word vectors; p: (..., K, dim) points.
    Returns:
        (...).
    Raises:
        TypeError, ValueError: see sphere.check_vectors; also if there are not as many points as words.
    Source: Mettes et al. 2019, section 3.1 (HPN-A2).
    """
    _same_number(w, p)
    return (neighbour_ranks(w).to(p.device) - neighbour_ranks(p)).abs().sum((-2, -1))


def rank_correlation(w: Tensor, p: Tensor) -> Tensor:
    """Spearman's correlation between the two orders of every class: 1 the same order, 0 none in common, -1 reversed.

    A class that sees all others at one distance has no order, and counts as 0.

    Args:
        w: (K, width) word vectors, K >= 3; p: (..., K, dim) points.
    Returns:
        (..., K), one number per class; `.mean(-1)` sums it up.
    Raises:
        TypeError, ValueError: see sphere.check_vectors; also if there are not as many points as words.
    Source: Spearman 1904.
    """
    _same_number(w, p, 3)
    a, b = _scores(neighbour_ranks(w)).to(p.device), _scores(neighbour_ranks(p))
    return (a * b).sum(-1).clamp(-1, 1)


def triplet_agreement(w: Tensor, p: Tensor) -> float:
    """Of all questions "is j or k nearer to i?", the share that p answers as w does; 0.5 is guessing.

    Questions that w leaves open do not count; where p cannot decide, half counts.

    Args:
        w: (K, width) word vectors, K >= 3; p: (K, dim) points.
    Raises:
        TypeError, ValueError: see sphere.check_vectors; also if there are not as many points as words, or w has no
            order at all.
    """
    _same_number(w, p, 3)
    a, b = neighbour_ranks(w), neighbour_ranks(p).cpu()
    agree = total = 0.0
    k = len(a)
    for rows in range(0, k, step := max(1, BLOCK // k**2)):
        asked, told = (r[rows : rows + step, :, None] - r[rows : rows + step, None, :] for r in (a, b))  # (rows, K, K)
        counts = asked.sign() * ((a[rows : rows + step] > 0)[:, :, None] & (a[rows : rows + step] > 0)[:, None, :])
        total += counts.abs().sum().item()
        agree += (counts * told.sign()).sum().item()
    if not total:
        raise ValueError("the word vectors have no order: every class sees all others at the same cosine")
    return 0.5 + 0.5 * agree / total


def _scores(ranks: Tensor) -> Tensor:
    """Rows of ranks turned into nearness, centred and of length 1 without the diagonal; zero rows for no order."""
    k = ranks.shape[-1]
    own = torch.eye(k, dtype=torch.bool, device=ranks.device)
    centred = (k / 2 - ranks).masked_fill(own, 0.0)
    length = centred.norm(dim=-1, keepdim=True)
    return centred / torch.where(length == 0, 1.0, length)


def _same_number(w: Tensor, p: Tensor, least: int = 2) -> None:
    check_vectors(w, "w", points=least)
    check_vectors(p, "p", points=least)
    if w.ndim != 2 or len(w) != p.shape[-2]:
        raise ValueError(f"w (K, width) and p (..., K, dim) need the same K, got {tuple(w.shape)} and {tuple(p.shape)}")


# --- points that keep some of it -------------------------------------------------------------------------------------


def pca(w: Tensor, dim: int) -> Tensor:
    """Word vectors in dim dimensions: centred, projected to their main axes, and scaled to length 1.

    Args:
        w: (K, width) word vectors.
        dim: dimensions, at least 1; beyond K - 1 or the width of w the further coordinates are 0.
    Returns:
        (K, dim) unit rows; each axis points to where its largest coordinate is positive, so they are repeatable.
    Raises:
        TypeError, ValueError: see sphere.check_vectors; also if a word lies at the mean of all in these dimensions.
    Source: Pearson 1901; as a start for prototypes Mettes et al. 2019.
    """
    check_vectors(w, "w", points=2)
    if w.ndim != 2:
        raise ValueError(f"w must have shape (K, width), got {tuple(w.shape)}")
    dim = whole("dim", dim, 1)
    u, s, _ = torch.linalg.svd(w.double() - w.double().mean(0), full_matrices=False)
    x = u[:, :dim] * s[:dim]
    x = x * torch.where(x.gather(0, x.abs().argmax(0)[None]) < 0, -1.0, 1.0)
    x = torch.cat([x, x.new_zeros(len(x), max(0, dim - x.shape[1]))], 1)
    flat = (x.norm(dim=1) < 1e-9 * s[0]).nonzero().flatten().tolist()
    if flat:
        raise ValueError(f"in {dim} dimensions the words {flat} (rows of w) lie at the mean of all: take a larger dim")
    return normalize(x)


def arrange(points: Tensor, w: Tensor, *, starts: int = 4, seed: int = 0) -> Tensor:
    """The same points in another order, so that row i suits word i: meaning for nothing, as no point moves.

    Swaps the two classes whose exchange lowers `misalignment` most until no swap does, from several random orders.

    Args:
        points: (K, dim) unit rows.
        w: (K, width) word vectors, K >= 3.
        starts: random orders to begin with, besides the given one.
        seed: of these orders.
    Returns:
        (K, dim), the rows of points in a new order.
    Raises:
        TypeError, ValueError: see sphere.check_vectors; also if there are not as many points as words.
    Source: 2-exchange local search for the quadratic assignment problem (Koopmans and Beckmann 1957).
    """
    _same_number(w, points, 3)
    if points.ndim != 2:
        raise ValueError(f"points must have shape (K, dim), got {tuple(points.shape)}")
    k, starts = len(w), whole("starts", starts, 0)
    a = _scores(neighbour_ranks(w).cpu())
    c = normalize(points).double().cpu()
    c = c @ c.T
    own = torch.eye(k, dtype=torch.bool)
    c = (c - c.masked_fill(own, 0).sum(1, keepdim=True) / (k - 1)).masked_fill(own, 0.0)
    c = c / (c.norm(dim=1, keepdim=True) + 1e-12)
    generator = torch.Generator().manual_seed(seed)
    best, best_value = torch.arange(k), -math.inf
    for order in [torch.arange(k), *(torch.randperm(k, generator=generator) for _ in range(starts))]:
        while True:
            b = c[order][:, order]
            g = a @ b.T + a.T @ b
            both_a, both_b = a + a.T, b + b.T
            gain = g + g.T - g.diagonal()[:, None] - g.diagonal()[None] + both_a * both_b  # of swapping i and j
            i, j = divmod(int(gain.argmax()), k)
            if gain[i, j] < 1e-9:
                break
            order[[i, j]] = order[[j, i]]
        value = float((a * b).sum())
        if value > best_value + 1e-9:
            best, best_value = order.clone(), value
    return points[best.to(points.device)]


def semantic_fitness(w: Tensor, weight: float = 10.0) -> Callable[[Tensor], Tensor]:
    """The semantic term of the published evolution, weight / d_r, to be added to the fitness of every set.

    Args:
        w: (K, width) word vectors.
        weight: lambda of the paper, 10 as published.
    Returns:
        A function from (P, K, dim) sets of unit rows to (P,) terms; a set that keeps the whole order, d_r = 0, gets
        what the smallest possible error, d_r = 1, would get, since infinity cannot be compared.
    Raises:
        TypeError, ValueError: see sphere.check_vectors; also if weight is negative.
    Source: Mettes et al. 2019, section 3.1 (HPN-A2).
    """
    if not 0 <= real("weight", weight) < math.inf:
        raise ValueError(f"weight must be a number of at least 0, got {weight!r}")
    ranks = neighbour_ranks(check_vectors(w, "w", points=2))

    def term(population: Tensor) -> Tensor:
        _same_number(w, population)
        step = max(1, BLOCK // len(w) ** 2)
        rows = [(neighbour_ranks(part) - ranks.to(part.device)).abs().sum((-2, -1)) for part in population.split(step)]
        return (weight / torch.cat(rows).clamp_min(1.0)).to(population.dtype)

    return term


def evolve_semantic(w: Tensor, dim: int, *, weight: float = 10.0, **settings) -> Evolution:
    """Semantic prototypes as published: evolution that starts at the PCA of the words, with weight / d_r as a bonus.

    Args:
        w: (K, width) word vectors.
        dim: dimension, at least 2.
        weight: lambda of the paper, 10 as published.
        settings: as in `evolution.evolve` (population, generations, seed, ...).
    Returns:
        Evolution; its fitness includes the bonus.
    Raises:
        TypeError, ValueError: see pca, semantic_fitness and evolution.evolve.
    Source: Mettes et al. 2019, section 3.1 (HPN-A2).
    """
    return evolve(len(w), dim, bonus=semantic_fitness(w, weight), start=pca(w, dim), **settings)


def misalignment(p: Tensor, w: Tensor) -> Tensor:
    """1 - the mean over classes of the correlation between the cosines among p and the order of w; differentiable.

    Spearman's correlation with the ranks on one side replaced by what they are made from, the cosines.

    Args:
        p: (..., K, dim) vectors; w: (K, width) word vectors, K >= 3.
    Returns:
        (...), from 0 to 2.
    Raises:
        TypeError, ValueError: see sphere.check_vectors; also if there are not as many points as words.
    """
    _same_number(w, p, 3)
    p = normalize(p, check=False)
    return _misalignment(p, _scores(neighbour_ranks(w)).to(p))


def _misalignment(p: Tensor, scores: Tensor) -> Tensor:
    k = len(scores)
    own = torch.eye(k, dtype=torch.bool, device=p.device)
    c = (p @ p.transpose(-1, -2)).masked_fill(own, 0.0)
    c = (c - c.sum(-1, keepdim=True) / (k - 1)).masked_fill(own, 0.0)
    # the tiny number keeps the gradient finite where a class sees all others at one distance
    return 1 - ((c * scores).sum(-1) / (c.square().sum(-1) + 1e-12).sqrt()).mean(-1)


def triplet_loss(p: Tensor, w: Tensor, *, rows: Tensor | None = None) -> Tensor:
    """The ranking loss of the NeurIPS version: for every i, j, k a logistic guess which of j and k is nearer to i.

    With o = cos(p_i, p_j) - cos(p_i, p_k) the guess is S = 1 / (1 + exp(-o)), and the loss the mean cross-entropy
    against the order of w. Cosines differ by 2 at most, so the loss stays above log(1 + exp(-2)) = 0.127.

    Args:
        p: (..., K, dim) vectors; w: (K, width) word vectors, K >= 3.
        rows: indices of the classes i to ask; all of them if None. A few at a time keep memory small for large K.
    Returns:
        (...).
    Raises:
        TypeError, ValueError: see sphere.check_vectors; also if there are not as many points as words, or rows are no
            indices of classes.
    Source: Mettes et al. 2019 (NeurIPS), equation 3, after Burges et al. 2005.
    """
    _same_number(w, p, 3)
    p = normalize(p, check=False)
    rows = torch.arange(len(w)) if rows is None else torch.as_tensor(rows)
    if rows.ndim != 1 or rows.dtype != torch.long or ((rows < 0) | (rows >= len(w))).any():
        raise ValueError(f"rows must be whole numbers from 0 to {len(w) - 1}, (R,), got {rows}")
    return _triplet_loss(p, neighbour_ranks(w).to(p), rows.to(p.device))


def _triplet_loss(p: Tensor, ranks: Tensor, rows: Tensor) -> Tensor:
    r = ranks[rows]  # (R, K)
    nearer = (r[:, :, None] < r[:, None, :]) & (r > 0)[:, :, None]  # j is nearer than k, and neither is i itself
    c = p[..., rows, :] @ p.transpose(-1, -2)  # (..., R, K)
    o = c[..., :, None] - c[..., None, :]  # (..., R, K, K)
    return (torch.nn.functional.softplus(-o) * nearer).sum((-3, -2, -1)) / nearer.sum().clamp_min(1)


def semantic_points(
    w: Tensor,
    dim: int,
    weight: float = 0.5,
    *,
    form: str = "ranks",
    start: Tensor | None = None,
    seed: int = 0,
    seconds: float | None = 10.0,
    every: bool = False,
) -> Tensor:
    """Points that keep apart and keep the order of the words: the least (1 - weight) separation + weight semantics.

    Separation is the soft largest cosine, sharpened in stages; semantics is `misalignment` or `triplet_loss`. The
    search begins at the PCA of the words and at well separated points that got their names by `arrange`, and the
    better end wins, so weight 0 gives separated points with the best names found, weight 1 the order alone.

    Args:
        w: (K, width) word vectors, K >= 3.
        dim: dimension, at least 2.
        weight: from 0 (separation alone) to 1 (order alone).
        form: "ranks" (misalignment) or "triplets" (triplet_loss).
        start: (K, dim) or (S, K, dim) points to begin with instead.
        seed: of the separated points and their names.
        seconds: for the search of separated points, where they are no formula; a clock makes the result depend on the
            machine's speed, None searches until nothing improves.
        every: return what became of every start, each judged alone, and not the best of them.
    Returns:
        (K, dim) unit rows in float64; (S, K, dim) if every.
    Raises:
        TypeError, ValueError: see sphere.check_vectors; also on an option out of range.
    Source: the weighting and the "ranks" form are the book's (chapter 8); "triplets" is Mettes et al. 2019 (NeurIPS).
    """
    check_vectors(w, "w", points=3)
    if w.ndim != 2:
        raise ValueError(f"w must have shape (K, width), got {tuple(w.shape)}")
    k, dim = len(w), whole("dim", dim, 2)
    if not 0 <= real("weight", weight) <= 1:
        raise ValueError(f"weight must lie between 0 and 1, got {weight!r}")
    if form not in ("ranks", "triplets"):
        raise ValueError(f"form must be ranks or triplets, got {form!r}")
    ranks = neighbour_ranks(w).cpu()
    scores, rows = _scores(ranks), torch.arange(k)
    if start is None:
        formula = dim == 2 or k <= 2 * dim
        timed = formula or seconds is not None
        apart = best_prototypes(k, dim, seed=seed, seconds=seconds or 1).points if timed else tammes(k, dim, seed=seed)
        start = torch.stack([pca(w.cpu(), dim), arrange(apart.double(), w, seed=seed)])
    x = normalize(check_vectors(start, "start", points=3)).double().cpu()
    x = x[None] if x.ndim == 2 else x
    if x.ndim != 3 or x.shape[1:] != (k, dim):
        raise ValueError(f"start must have the shape ({k}, {dim}) or (S, {k}, {dim}), got {tuple(start.shape)}")
    order = (lambda p: _misalignment(p, scores)) if form == "ranks" else (lambda p: _triplet_loss(p, ranks, rows))

    def objective(p: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        apart, push = fused.soft_largest(p, b)
        q = p.detach().requires_grad_()
        value = order(q / q.norm(dim=-1, keepdim=True))
        (pull,) = torch.autograd.grad(value.sum(), q)
        return (1 - weight) * apart + weight * value.detach(), (1 - weight) * push + weight * pull

    value = lambda p: (1 - weight) * fused.largest(p) + weight * order(p)  # noqa: E731
    if weight > 0:  # at 0 the separated points are as good as the search for them could make them
        given = x
        for b in (10.0, 40.0, 160.0, 640.0):
            x, _ = descent.minimize(objective, x, x.new_full((len(x),), b), iterations=150, tolerance=1e-7)
        x = torch.where((value(x) < value(given))[:, None, None], x, given)
    return x if every else x[value(x).argmin()]
