"""Word vectors and the order they give: against loops that can be read, bad input, and the same result twice."""

import gzip
import itertools
import math
import sys

import numpy as np
import pytest
import torch

from hpn_lite import energy, evolution, fused, points, semantics, sphere, words

TOY = {
    "dog": [1.0, 0.1, 0.0],
    "cat": [1.0, -0.1, 0.0],
    "fish": [0.7, 0.0, 0.7],
    "aquarium_fish": [0.6, 0.1, 0.8],
    "pickup": [0.0, 2.0, 0.0],
    "truck": [0.0, 0.0, 5.0],
    "Paris": [0.0, 1.0, 1.0],
}


@pytest.fixture(scope="module")
def twenty():
    return words.word_vectors(words.find_vectors("bundled").vectors.index_to_key, words.find_vectors("bundled").vectors)


def keyed(table=TOY):
    from gensim.models import KeyedVectors

    vectors = KeyedVectors(len(next(iter(table.values()))))
    vectors.add_vectors(list(table), np.array(list(table.values()), dtype=np.float32))
    return vectors


# ---------------------------------------------------------------- reading
def test_a_name_is_looked_up_whole_and_then_by_its_parts():
    names = ["dog", "aquarium fish", "pickup_truck", "paris", "FISH"]
    for source in (TOY, keyed()):
        w = words.word_vectors(names, source)
        assert w.dtype == torch.float64 and w.shape == (5, 3)
        expected = torch.tensor([TOY["dog"], TOY["aquarium_fish"], [0, 0.5, 0.5], TOY["Paris"], TOY["fish"]])
        torch.testing.assert_close(w.float(), expected)


def test_a_model_and_every_kind_of_file_give_the_same(tmp_path):
    vectors = keyed()
    names = ["dog", "aquarium-fish", "pickup truck"]
    expected = words.word_vectors(names, vectors)
    vectors.save(str(tmp_path / "a.kv"))
    vectors.save_word2vec_format(str(tmp_path / "b.bin"), binary=True)
    vectors.save_word2vec_format(str(tmp_path / "c.txt"), binary=False)
    vectors.save_word2vec_format(str(tmp_path / "d.txt"), binary=False, write_header=False)  # as GloVe's own files
    (tmp_path / "e.txt.gz").write_bytes(gzip.compress((tmp_path / "c.txt").read_bytes()))
    for file in sorted(tmp_path.iterdir()):
        torch.testing.assert_close(words.word_vectors(names, file), expected, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(words.word_vectors(names, str(file)), expected, rtol=1e-6, atol=1e-6)
    model = type("Model", (), {"wv": vectors})()
    torch.testing.assert_close(words.word_vectors(names, model), expected)


def test_all_missing_words_are_named_at_once():
    with pytest.raises(KeyError) as told:
        words.word_vectors(["dog", "lawn_mower", "zebra", "sweet_fish"], TOY)
    message = str(told.value)
    assert "3 of 4" in message and "lawn_mower (no lawn, no mower)" in message
    assert "zebra" in message and "sweet_fish (no sweet)" in message and "it knows dog" in message


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: words.word_vectors([], TOY), ValueError, "list of class names"),
        (lambda: words.word_vectors(["dog", ""], TOY), ValueError, "none of them empty"),
        (lambda: words.word_vectors(["dog", "cat", "dog"], TOY), ValueError, "more than once.*: dog"),
        (lambda: words.word_vectors(["dog"], 3), TypeError, "KeyedVectors, a file or a mapping"),
        (lambda: words.word_vectors(["dog"], {"dog": [0.0, 0.0]}), ValueError, "zero vector"),
        (lambda: words.word_vectors(["dog"], "no/such/file.txt"), FileNotFoundError, "no file"),
        (lambda: words.find_vectors("fasttext"), ValueError, "one of glove, word2vec, google, bundled"),
    ],
)
def test_bad_requests_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_file_without_vectors_is_refused(tmp_path):
    for name in ("empty.txt", "prose.txt", "broken.bin"):
        (tmp_path / name).write_text("" if name.startswith("empty") else "these are no numbers\nat all\n")
        with pytest.raises(ValueError, match="no word vectors"):
            words.load_vectors(tmp_path / name)


def test_what_was_found_is_said(tmp_path, monkeypatch):
    monkeypatch.delenv("HPN_LITE_DATA", raising=False)
    found = words.find_vectors()
    assert "20 words" in found.what and found.path.name == words.BUNDLED and len(found.vectors.key_to_index) == 20
    with pytest.raises(FileNotFoundError, match="set HPN_LITE_DATA"):
        words.find_vectors("glove")
    monkeypatch.setenv("HPN_LITE_DATA", str(tmp_path))
    assert words.find_vectors().path.name == words.BUNDLED
    (tmp_path / "word_vectors").mkdir()
    for name in ("word2vec", "glove"):  # glove comes first once it is there
        keyed().save_word2vec_format(str(tmp_path / "word_vectors" / words.FILES[name]), binary=False)
        assert words.find_vectors().path == tmp_path / "word_vectors" / words.FILES[name]
        assert words.find_vectors().what.startswith(name)
    assert words.find_vectors("word2vec").path.name == words.FILES["word2vec"]
    assert "20 words" in words.find_vectors("bundled").what


def test_google_news_is_fetched_only_on_request(tmp_path, monkeypatch):
    import gensim.downloader

    asked = []
    monkeypatch.setattr(gensim.downloader, "BASE_DIR", str(tmp_path))
    monkeypatch.setattr(gensim.downloader, "load", lambda name: asked.append(name) or keyed())
    with pytest.raises(FileNotFoundError, match="download=True"):
        words.find_vectors("google")
    assert not asked
    assert words.find_vectors("google", download=True).what == "word2vec, GoogleNews"
    assert asked == [words.GOOGLE]


def test_without_gensim_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    with pytest.raises(ImportError, match="pip install gensim"):
        words.find_vectors()
    assert words.word_vectors(["dog"], TOY).shape == (1, 3)


def test_the_bundled_words_fall_into_three_groups(twenty):
    names = words.find_vectors("bundled").vectors.index_to_key
    assert names[:2] == ["one", "two"] and names[10:15] == ["dog", "pig", "cat", "fish", "birds"]
    c = sphere.cosines(twenty)
    group = torch.tensor([0] * 10 + [1] * 5 + [2] * 5)
    same = (group[:, None] == group[None]) & ~torch.eye(20, dtype=torch.bool)
    assert c[same].mean() > 0.45 and c[group[:, None] != group[None]].mean() < 0.15


# ---------------------------------------------------------------- order, against loops
def ranks_by_hand(x):
    c = sphere.cosines(x)
    k = len(x)
    ranks = torch.zeros(k, k, dtype=torch.float64)
    for i in range(k):
        for j in range(k):
            if i != j:
                others = [c[i, m] for m in range(k) if m != i]
                nearer = sum(bool(v > c[i, j] + 1e-9) for v in others)
                equal = sum(bool(abs(v - c[i, j]) <= 1e-9) for v in others)
                ranks[i, j] = nearer + (equal + 1) / 2
    return ranks


@pytest.mark.parametrize(
    "x",
    [
        sphere.uniform(2, 3, seed=0),
        sphere.uniform(9, 3, seed=1),
        points.simplex(5),
        points.cross_polytope(8, 4),
        points.circle(7),
        3.7 * sphere.uniform(6, 40, seed=2).float(),
    ],
)
def test_ranks(x):
    torch.testing.assert_close(semantics.neighbour_ranks(x), ranks_by_hand(x))
    many = torch.stack([x, x.flip(0)])
    torch.testing.assert_close(semantics.neighbour_ranks(many)[1], ranks_by_hand(x.flip(0)))


def test_rank_distance_against_the_sum():
    w, p = sphere.uniform(8, 20, seed=3), sphere.uniform(8, 3, seed=4)
    a, b = ranks_by_hand(w), ranks_by_hand(p)
    by_hand = sum(abs(a[i, j] - b[i, j]) for i, j in itertools.product(range(8), repeat=2))
    assert semantics.rank_distance(w, p) == pytest.approx(by_hand.item())
    assert semantics.rank_distance(w, w) == 0
    torch.testing.assert_close(
        semantics.rank_distance(w, torch.stack([p, w[:, :3]])),
        torch.stack([semantics.rank_distance(w, p), semantics.rank_distance(w, w[:, :3])]),
    )


def test_chance_keeps_a_rank_distance_of_k_times_that_of_two_shuffles():
    k = 30
    found = [
        semantics.rank_distance(sphere.uniform(k, 50, seed=s), sphere.uniform(k, 50, seed=s + 99)) for s in range(9)
    ]
    assert torch.stack(found).mean().item() == pytest.approx(k * ((k - 1) ** 2 - 1) / 3, rel=0.03)


def test_rank_correlation_against_scipy():
    stats = pytest.importorskip("scipy.stats")
    w, p = sphere.uniform(12, 20, seed=5), sphere.uniform(12, 3, seed=6)
    found = semantics.rank_correlation(w, p)
    for i in range(12):
        others = [j for j in range(12) if j != i]
        expected = stats.spearmanr(sphere.cosines(w)[i, others], sphere.cosines(p)[i, others]).statistic
        assert found[i] == pytest.approx(expected, abs=1e-12)


def test_correlation_at_its_ends():
    w = sphere.uniform(9, 12, seed=7)
    assert torch.allclose(semantics.rank_correlation(w, 5 * w), torch.ones(9, dtype=torch.float64))
    assert (semantics.rank_correlation(w, points.simplex(9)) == 0).all()
    line = torch.tensor([[math.cos(a), math.sin(a)] for a in (0, 0.1, 0.3, 0.7)], dtype=torch.float64)
    swapped = line[[0, 3, 2, 1]]  # for the first point the order is reversed
    assert semantics.rank_correlation(line, swapped)[0] == pytest.approx(-1)


def test_triplet_agreement_against_the_questions():
    w, p = sphere.uniform(7, 20, seed=8), sphere.uniform(7, 3, seed=9)
    a, b = sphere.cosines(w), sphere.cosines(p)
    asked = [(i, j, m) for i, j, m in itertools.permutations(range(7), 3) if a[i, j] > a[i, m]]
    by_hand = sum(bool(b[i, j] > b[i, m]) for i, j, m in asked) / len(asked)
    assert semantics.triplet_agreement(w, p) == pytest.approx(by_hand)
    assert semantics.triplet_agreement(w, w) == 1
    assert semantics.triplet_agreement(w, points.simplex(7)) == 0.5
    semantics_block, semantics.BLOCK = semantics.BLOCK, 60
    try:
        assert semantics.triplet_agreement(w, p) == pytest.approx(by_hand)
    finally:
        semantics.BLOCK = semantics_block
    with pytest.raises(ValueError, match="no order"):
        semantics.triplet_agreement(points.simplex(7), p)


@pytest.mark.parametrize("measure", [semantics.rank_distance, semantics.rank_correlation, semantics.triplet_agreement])
def test_lengths_rotations_and_names_do_not_matter(measure):
    w, p = sphere.uniform(10, 20, seed=10), sphere.uniform(10, 4, seed=11)
    value = torch.as_tensor(measure(w, p)).sum()
    turn = torch.linalg.qr(sphere.uniform(4, 4, seed=12))[0]
    shuffle = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    for other in (measure(3 * w, p @ turn), measure(w[shuffle], 0.1 * p[shuffle])):
        torch.testing.assert_close(torch.as_tensor(other).sum(), value)


def test_measures_refuse_what_does_not_fit():
    w = sphere.uniform(5, 9, seed=0)
    for measure in (semantics.rank_distance, semantics.rank_correlation, semantics.triplet_agreement):
        with pytest.raises(ValueError, match="same K"):
            measure(w, sphere.uniform(6, 3, seed=0))
    with pytest.raises(ValueError, match="N >= 3"):
        semantics.rank_correlation(w[:2], w[:2])
    with pytest.raises(ValueError, match="NaN"):
        semantics.neighbour_ranks(torch.full((3, 3), math.nan))


# ---------------------------------------------------------------- placing
def test_pca_against_the_covariance(twenty):
    for dim in (1, 3, 19):
        centred = twenty - twenty.mean(0)
        vectors = torch.linalg.eigh(centred.T @ centred)[1].flip(1)[:, :dim]
        expected = centred @ vectors
        expected = expected * expected.gather(0, expected.abs().argmax(0)[None]).sign()
        torch.testing.assert_close(semantics.pca(twenty, dim), sphere.normalize(expected), rtol=1e-7, atol=1e-7)
    wide = semantics.pca(twenty, 25)
    torch.testing.assert_close(wide[:, :19], semantics.pca(twenty, 19))
    assert wide.shape == (20, 25) and (wide[:, 20:] == 0).all()
    with pytest.raises(ValueError, match="larger dim"):
        semantics.pca(torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 0, 0.5], [0, 0, -0.5]]), 1)


def test_triplet_loss_against_the_formula_and_its_floor():
    w, p = sphere.uniform(6, 20, seed=13), sphere.uniform(6, 3, seed=14)
    a, b = sphere.cosines(w), sphere.cosines(p)
    terms = []
    for i, j, m in itertools.permutations(range(6), 3):
        s = 1 / (1 + math.exp(-(b[i, j] - b[i, m]).item()))
        truth = 1 if a[i, j] >= a[i, m] else 0
        terms.append(-truth * math.log(s) - (1 - truth) * math.log(1 - s))
    assert semantics.triplet_loss(p, w).item() == pytest.approx(sum(terms) / len(terms))
    halves = [semantics.triplet_loss(p, w, rows=torch.tensor(r)) for r in ([0, 1, 2], [3, 4, 5])]
    assert torch.stack(halves).mean().item() == pytest.approx(sum(terms) / len(terms))
    assert semantics.triplet_loss(p, w) > math.log1p(math.exp(-2))


@pytest.mark.parametrize("loss", [semantics.triplet_loss, semantics.misalignment])
def test_gradients(loss):
    w = sphere.uniform(6, 20, seed=15)
    p = sphere.uniform(12, 3, seed=16).view(2, 6, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda q: loss(q, w), p)
    alike = points.simplex(6).requires_grad_()  # every class sees all others at one distance
    loss(alike, w).backward()
    assert alike.grad.isfinite().all()


def test_misalignment_is_one_minus_the_mean_correlation():
    w, p = sphere.uniform(8, 20, seed=17), sphere.uniform(8, 3, seed=18)
    ranks, c = ranks_by_hand(w), sphere.cosines(p)
    rows = [[j for j in range(8) if j != i] for i in range(8)]
    each = [torch.corrcoef(torch.stack([-ranks[i, r], c[i, r]]))[0, 1] for i, r in enumerate(rows)]
    assert semantics.misalignment(p, w).item() == pytest.approx(1 - torch.stack(each).mean().item(), abs=1e-9)


def test_the_published_bonus():
    w = sphere.uniform(7, 20, seed=19)
    sets = torch.stack([sphere.uniform(7, 3, seed=s) for s in range(5)]).float()
    bonus = semantics.semantic_fitness(w)
    assert bonus(sets).dtype == torch.float32
    torch.testing.assert_close(bonus(sets).double(), 10 / semantics.rank_distance(w, sets), rtol=1e-6, atol=0)
    assert bonus(w[None]) == 10 and semantics.semantic_fitness(w, 3.0)(w[None]) == 3  # d_r = 0
    with pytest.raises(ValueError, match="weight"):
        semantics.semantic_fitness(w, -1.0)


def test_evolution_starts_at_the_words_and_counts_the_bonus(twenty):
    few = {"population": 40, "generations": 3, "offspring": 4, "seed": 1}
    found = semantics.evolve_semantic(twenty[:8], 3, **few)
    again = semantics.evolve_semantic(twenty[:8], 3, **few)
    assert torch.equal(found.points, again.points)
    own = evolution.fitness(found.points[None]).item() + 10 / semantics.rank_distance(twenty[:8], found.points).item()
    assert found.fitness == pytest.approx(own, rel=1e-4)
    still = semantics.evolve_semantic(twenty[:8], 3, **few | {"generations": 0})
    torch.testing.assert_close(still.points, semantics.pca(twenty[:8], 3), rtol=1e-6, atol=1e-6)
    meaning = semantics.evolve_semantic(twenty, 3, weight=1e4, population=60, generations=20, offspring=10)
    apart = semantics.evolve_semantic(twenty, 3, weight=0, population=60, generations=20, offspring=10)
    assert semantics.rank_distance(twenty, meaning.points) < semantics.rank_distance(twenty, apart.points)


def test_arranging_moves_no_point_and_finds_the_best_order_of_few(twenty):
    w = twenty[8:14]
    x = sphere.uniform(6, 3, seed=20)
    found = semantics.arrange(x, w, starts=20)
    assert sorted(found.tolist()) == sorted(x.tolist())
    orders = torch.tensor(list(itertools.permutations(range(6))))
    best = semantics.misalignment(x[orders], w).min()
    torch.testing.assert_close(semantics.misalignment(found, w), best)


def test_arranging_never_makes_it_worse_and_repeats(twenty):
    x = sphere.uniform(20, 3, seed=21)
    found = semantics.arrange(x, twenty, seed=3)
    assert torch.equal(found, semantics.arrange(x, twenty, seed=3))
    assert semantics.misalignment(found, twenty) < semantics.misalignment(x, twenty) - 0.1
    torch.testing.assert_close(semantics.arrange(found, twenty, starts=0), found)


@pytest.mark.parametrize("form", ["ranks", "triplets"])
def test_semantic_points_trade_separation_for_order(twenty, form):
    w = twenty[5:17]
    apart, middle, order = (semantics.semantic_points(w, 2, t, form=form) for t in (0.0, 0.5, 1.0))
    for x in (apart, middle, order):
        assert x.shape == (12, 2) and x.dtype == torch.float64
        torch.testing.assert_close(x.norm(dim=1), torch.ones(12, dtype=torch.float64))
    largest = [energy.largest_cosine(x).item() for x in (apart, middle, order)]
    kept = [semantics.rank_correlation(w, x).mean().item() for x in (apart, middle, order)]
    assert largest[0] == pytest.approx(math.cos(2 * math.pi / 12)) and largest[0] < largest[1] < largest[2]
    assert kept[0] < kept[1]
    assert torch.equal(middle, semantics.semantic_points(w, 2, 0.5, form=form))


def test_no_start_ends_worse_than_it_began(twenty):
    starts = torch.stack([semantics.pca(twenty, 3), semantics.arrange(sphere.uniform(20, 3, seed=22), twenty)])
    ends = semantics.semantic_points(twenty, 3, 0.4, start=starts, every=True)
    value = lambda x: 0.6 * fused.largest(x) + 0.4 * semantics.misalignment(x, twenty)  # noqa: E731
    assert ends.shape == (2, 20, 3) and (value(ends) < value(starts)).all()
    best = semantics.semantic_points(twenty, 3, 0.4, start=starts)
    assert value(best[None]) == value(ends).min()
    assert energy.largest_cosine(best) < energy.largest_cosine(starts[0]) - 0.1  # the words' own PCA


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 1}, "dim"),
        ({"weight": 1.1}, "between 0 and 1"),
        ({"weight": math.nan}, "between 0 and 1"),
        ({"form": "gram"}, "ranks or triplets"),
        ({"start": sphere.uniform(4, 2, seed=0)}, "start must have the shape"),
    ],
)
def test_semantic_points_refuse(options, message):
    with pytest.raises(ValueError, match=message):
        semantics.semantic_points(sphere.uniform(6, 9, seed=0), **{"dim": 2, **options})
