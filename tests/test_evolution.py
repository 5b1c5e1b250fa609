"""The evolutionary search: each operator against its definition, draws against their odds, the whole as promised."""

import math

import pytest
import torch

from hpn_lite import evolution, points, reference, sphere


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def some_sets(s, k, d, seed=0):
    return sphere.uniform(s * k, d, seed=seed, dtype=torch.float32).view(s, k, d)


SMALL = {"population": 60, "generations": 8, "offspring": 6}


# ---------------------------------------------------------------- operators
@pytest.mark.parametrize(("k", "d"), [(2, 2), (3, 5), (evolution.FEW, 3), (evolution.FEW + 1, 3), (60, 7)])
def test_fitness_is_the_least_distance_over_all_pairs(k, d):
    sets = some_sets(9, k, d)
    slow = [min(1 - sum(a * b for a, b in zip(x[i], x[j], strict=True)) for i in range(k) for j in range(i))
            for x in sets.double().tolist()]  # fmt: skip
    assert evolution.fitness(sets).tolist() == pytest.approx(slow, abs=1e-6)


def test_fitness_of_known_sets():
    fifth = math.cos(0.4 * math.pi)
    for x, cosine in ((points.simplex(4), -1 / 3), (points.cross_polytope(6, 3), 0), (points.circle(5), fifth)):
        assert float(evolution.fitness(x[None])) == pytest.approx(1 - cosine, abs=1e-12)
    together = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    assert float(evolution.fitness(together)) == 0


def chi_square(counts, expected):
    """The statistic, for comparison with its mean plus five standard deviations."""
    counts, expected = counts.double(), expected.double()
    return float(((counts - expected).square() / expected).sum())


@pytest.mark.parametrize("pressure", [0, 1, 3])
def test_roulette_draws_in_proportion(pressure):
    value, n = torch.tensor([0.5, 1.0, 1.5, 2.0, 0.25]), 100_000
    drawn = torch.bincount(evolution.roulette(value, n, generator(), pressure), minlength=5)
    expected = n * value**pressure / (value**pressure).sum()
    assert chi_square(drawn, expected) < 4 + 5 * math.sqrt(8)


def test_a_set_without_fitness_is_not_drawn():
    drawn = evolution.roulette(torch.tensor([0.0, 1.0, 0.0, 1.0]), 1000, generator())
    assert set(drawn.tolist()) == {1, 3}


def test_roulette_when_nobody_is_fit():
    assert set(evolution.roulette(torch.zeros(3), 300, generator()).tolist()) == {0, 1, 2}


def test_crossover_takes_whole_rows_up_to_one_cut():
    k, s = 7, 4000
    sets = torch.arange(2 * k, dtype=torch.float32).view(2, k, 1).repeat(1, 1, 3)  # every row tells whose it was
    zero, one = torch.zeros(s, dtype=torch.int64), torch.ones(s, dtype=torch.int64)
    children = evolution.crossover(sets, zero, one, generator())
    rows = children[..., 0]
    assert (children == rows[..., None]).all()
    assert (rows % k == torch.arange(k)).all(), "a row must keep its place: it is the row of a class"
    whose = (rows >= k).long()
    changes = (whose.diff(dim=1) != 0).sum(1)
    assert (changes == 1).all(), "one cut, and both parents take part"
    first = torch.bincount(whose[:, 0], minlength=2)
    assert chi_square(first, torch.tensor([s / 2, s / 2])) < 25
    cuts = torch.bincount(whose.diff(dim=1).abs().argmax(1), minlength=k - 1)
    assert chi_square(cuts, torch.full((k - 1,), s / (k - 1))) < 5 + 5 * math.sqrt(10)


def test_mutation_changes_few_coordinates_by_uniform_samples():
    sets = some_sets(2500, 6, 4)
    before, chance = sets.clone(), 0.02
    after = evolution.mutate(sets, chance, generator())
    torch.testing.assert_close(after.norm(dim=2), torch.ones(2500, 6), rtol=0, atol=1e-6)
    touched = (after != before).any(2)
    share, expected = touched.double().mean().item(), 1 - (1 - chance) ** 4
    assert share == pytest.approx(expected, abs=5 * math.sqrt(expected / touched.numel()))
    # where one coordinate was replaced, the others kept their ratios, which gives the sample back
    row, old = after[touched], before[touched]
    ratio = (row / old).median(1, keepdim=True).values
    same = ((row / old - ratio).abs() < 1e-4 * ratio).sum(1)
    one = same == 3
    assert one.double().mean() > 0.9
    new = (row / ratio)[one].gather(1, ((row / old - ratio).abs()[one]).argmax(1, keepdim=True))[:, 0]
    assert new.abs().max() <= 1 + 1e-4
    assert new.mean().item() == pytest.approx(0, abs=5 * math.sqrt(1 / 3 / len(new)))
    assert new.square().mean().item() == pytest.approx(1 / 3, abs=5 * math.sqrt(4 / 45 / len(new)))


@pytest.mark.parametrize("chance", [0, 1])
def test_mutation_of_nothing_and_of_everything(chance):
    sets = some_sets(50, 3, 3)
    after = evolution.mutate(sets.clone(), chance, generator())
    assert ((after != sets).any(2) == bool(chance)).all()


@pytest.mark.parametrize("chance", [0.001, 0.01, 0.2, 0.5])
def test_hits_are_independent_coins(chance):
    n, trials = 997, 400
    draws = [evolution._hits(n, chance, g) for g in [generator(5)] for _ in range(trials)]
    for places in draws:
        assert (places.diff() > 0).all() and (len(places) == 0 or 0 <= places[0] and places[-1] < n)
    counts = torch.tensor([float(len(p)) for p in draws])
    assert counts.mean().item() == pytest.approx(n * chance, abs=5 * math.sqrt(n * chance / trials))
    assert counts.var().item() == pytest.approx(n * chance * (1 - chance), rel=5 * math.sqrt(3 / trials))
    where = torch.bincount(torch.cat(draws) * 7 // n, minlength=7)  # no part of the range is preferred
    assert chi_square(where, torch.full((7,), where.sum() / 7)) < 6 + 5 * math.sqrt(12)


def test_survival_in_chunks_is_one_draw_without_replacement():
    """Two sets live, eight more arrive in three chunks, two survive: every pair as often as when two are drawn from
    all ten, one after the other, in proportion to fitness."""
    value = torch.tensor([0.2, 0.2, 1.0, 0.5, 1.5, 0.1, 0.8, 0.3, 1.2, 0.6])
    trials, g, pairs = 6000, generator(3), torch.zeros(10, 10)
    for _ in range(trials):
        sets, alive = torch.arange(2).float().view(2, 1, 1), value[:2].clone()
        keys = evolution._lots(alive, g, 1.0)
        for chunk in (slice(2, 5), slice(5, 6), slice(6, 10)):
            more = torch.arange(10).float()[chunk].view(-1, 1, 1)
            evolution._insert(sets, alive, keys, more, value[chunk], evolution._lots(value[chunk], g, 1.0))
        i = sets.flatten().long()
        assert len(set(i.tolist())) == 2 and (alive == value[i]).all()
        pairs[i.min(), i.max()] += 1
    p = value / value.sum()
    both = p[:, None] * p / (1 - p[:, None]) + p[:, None] * p / (1 - p)  # i then j, or j then i
    a, b = torch.triu_indices(10, 10, 1)
    assert chi_square(pairs[a, b], trials * both[a, b]) < 44 + 5 * math.sqrt(88)


# ---------------------------------------------------------------- the whole
def test_result_and_histories():
    seen = {}
    found = points.evolve(8, 3, **SMALL, watch=lambda g, x, f: seen.update({g: (x.clone(), f.clone())}))
    assert found.points.shape == (8, 3) and found.points.dtype == torch.float64
    torch.testing.assert_close(found.points.norm(dim=1), torch.ones(8, dtype=torch.float64), rtol=0, atol=1e-14)
    assert found.fitness == pytest.approx(1 - float(sphere.separation(found.points).largest_cosine), abs=1e-6)
    assert found.record[-1].item() == found.fitness
    assert len(found.record) == len(found.best) == len(found.mean) == 9 and sorted(seen) == list(range(9))
    assert (found.record.diff() >= 0).all(), "a record never falls"
    assert (found.record >= found.best).all() and (found.best >= found.mean).all()
    assert found.evaluated == 60 + 8 * 9 * 6
    for g, (x, f) in seen.items():  # the fitness of everybody, every generation, is what it should be
        torch.testing.assert_close(f, evolution.fitness(x), rtol=0, atol=1e-6)
        torch.testing.assert_close(x.norm(dim=2), torch.ones(60, 8), rtol=0, atol=1e-6)
        assert f.max().item() == found.best[g] and f.mean().item() == pytest.approx(found.mean[g].item())


def test_nobody_is_fitter_than_a_bound_allows():
    found = points.evolve(5, 3, population=200, generations=40, offspring=20)
    assert found.fitness <= 1 - sphere.largest_cosine_bound(5, 3).value + 1e-6


def test_the_same_seed_gives_the_same_run():
    first, again, other = (points.evolve(6, 4, **SMALL, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.points, again.points) and torch.equal(first.mean, again.mean)
    assert not torch.equal(first.points, other.points)


def test_chunks_change_the_draws_and_nothing_else(monkeypatch):
    monkeypatch.setattr(evolution, "CHUNK", 7 * 36)  # seven sets at a time
    found = points.evolve(6, 4, **SMALL)
    assert found.evaluated == 60 + 8 * 9 * 6
    assert found.fitness == pytest.approx(float(evolution.fitness(found.points[None])), abs=1e-6)
    assert found.mean[-1] > found.mean[0]


@pytest.mark.parametrize("seed", range(5))
def test_selection_alone_raises_the_mean(seed):
    found = points.evolve(10, 3, population=300, generations=10, offspring=30, mutation=0, seed=seed)
    assert found.mean[-1] > 2 * found.mean[0]


def test_without_pressure_there_is_no_progress():
    """With pressure 0 all draws are blind: mutation and crossover alone leave the mean about where it was."""
    gains = {p: [] for p in (0, 1)}
    for p, gained in gains.items():
        for seed in range(4):
            found = points.evolve(10, 3, population=300, generations=10, offspring=30, pressure=p, seed=seed)
            gained.append((found.mean[-1] - found.mean[0]).item())
    assert max(abs(g) for g in gains[0]) < 0.03 < min(gains[1])


def test_the_best_set_may_die_unless_it_is_kept():
    options = {"population": 40, "generations": 60, "offspring": 4}
    falls = [(points.evolve(10, 3, **options, seed=s).best.diff() < 0).any().item() for s in range(4)]
    assert any(falls)
    for seed in range(4):
        kept = points.evolve(10, 3, **options, seed=seed, keep_best=True)
        assert torch.equal(kept.best, kept.record), "the best alive is the best that ever lived"


def test_it_comes_near_small_optima():
    for k, angle in ((4, reference.tammes(4).angle), (6, 90.0)):
        found = points.evolve(k, 3, population=300, generations=100, offspring=30, pressure=8, keep_best=True)
        assert angle - 6 < math.degrees(sphere.separation(found.points).smallest_angle) <= angle + 1e-4


def test_start():
    best = points.tammes(7, 3, starts=4)
    found = points.evolve(7, 3, **SMALL, start=3 * best)
    assert found.fitness >= 1 - reference.tammes(7).value - 1e-6, "never worse than what it was given"
    assert found.best[0].item() == pytest.approx(found.mean[0].item(), abs=1e-6), "the population is full of it"
    torch.testing.assert_close(found.points, best, rtol=0, atol=1e-6)
    several = some_sets(50, 7, 3)
    first = {}
    points.evolve(7, 3, **SMALL, start=several, watch=lambda g, x, f: first.setdefault("sets", x.clone()))
    torch.testing.assert_close(first["sets"], torch.cat([several, several[:10]]), rtol=0, atol=1e-6)


def test_a_bonus_leads_elsewhere():
    """Paid for points far up, the sets climb, though their separation suffers."""
    height = lambda sets: 10 * (1 + sets[:, :, 2].amin(1))  # noqa: E731
    options = {"population": 300, "generations": 30, "offspring": 30, "pressure": 4}
    up, plain = points.evolve(5, 3, **options, bonus=height), points.evolve(5, 3, **options)
    assert up.points[:, 2].min() > plain.points[:, 2].min() + 0.3
    apart = 1 - float(sphere.separation(up.points).largest_cosine)
    assert up.fitness == pytest.approx(apart + float(height(up.points[None])), abs=1e-5)


@pytest.mark.parametrize(
    "bonus", [lambda x: -torch.ones(len(x)), lambda x: torch.full((len(x),), math.inf), lambda x: torch.ones(2), len]
)
def test_a_bonus_that_is_none(bonus):
    with pytest.raises(ValueError, match="finite values of at least 0"):
        points.evolve(5, 3, **SMALL, bonus=bonus)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"k": 1}, "k"),
        ({"dim": 1}, "dim"),
        ({"population": 1}, "population"),
        ({"generations": -1}, "generations"),
        ({"offspring": 0}, "offspring"),
        ({"parents": 1.1}, "parents"),
        ({"parents": 0.01}, "not even one pair"),
        ({"mutation": -0.1}, "mutation"),
        ({"mutation": math.nan}, "mutation"),
        ({"pressure": -1}, "pressure"),
        ({"pressure": math.inf}, "pressure"),
        ({"start": torch.ones(3, 5)}, "start must have the shape"),
        ({"start": torch.ones(61, 4, 3)}, "at most 60"),
        ({"start": torch.zeros(4, 3)}, "zero vector"),
    ],
)
def test_bad_input(options, word):
    with pytest.raises(ValueError, match=word):
        points.evolve(**{"k": 4, "dim": 3, **SMALL, **options})


def test_no_generation_at_all():
    found = points.evolve(4, 3, population=10, generations=0)
    assert len(found.record) == 1 and found.evaluated == 10 and found.fitness == found.best.item()


def test_the_bar_ends(capsys):
    points.evolve(4, 3, population=10, generations=3, offspring=2, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and err.count("\r") == 4 and err.rstrip(" \n").split("\r")[-1].startswith("[" + 30 * "#" + "] 3/3")


def test_a_generation_is_never_in_memory_as_a_whole(monkeypatch):
    """The largest tensor that is judged holds CHUNK numbers, however many children there are."""
    largest = []
    judge = evolution.fitness
    monkeypatch.setattr(evolution, "fitness", lambda x: largest.append(x.numel() * len(x[0]) / x.shape[2]) or judge(x))
    points.evolve(40, 4, population=100, generations=1, offspring=400)
    assert sum(largest) > 5 * evolution.CHUNK and max(largest) <= evolution.CHUNK


# ---------------------------------------------------------------- the gradient that took its place
@pytest.mark.parametrize(("anew", "same"), [(True, True), (False, False)])
def test_the_published_momentum_never_acts(anew, same):
    """hpn_prototypes takes plain gradient steps; so does SGD with momentum 0.9 if it is made anew in every step."""
    k, dim, steps = 12, 4, 60
    p = torch.nn.Parameter(sphere.uniform(k, dim, seed=3, dtype=torch.float32))
    optimizer = torch.optim.SGD([p], lr=0.1, momentum=0.9)
    for _ in range(steps):
        if anew:
            optimizer = torch.optim.SGD([p], lr=0.1, momentum=0.9)
        optimizer.zero_grad()
        (p @ p.T - 2 * torch.eye(k)).amax(1).mean().backward()
        optimizer.step()
        p.data = torch.nn.functional.normalize(p.data)
    ours = points.hpn_prototypes(k, dim, steps=steps, seed=3)
    assert ((ours - p.detach()).abs().max().item() < 1e-4) == same
