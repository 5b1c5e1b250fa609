"""Bounds on the largest cosine, against closed forms, sharp configurations and the published tables."""

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from hpn_lite import bounds, reference, sphere
from hpn_lite.bounds import (
    Bound,
    fejes_toth_bound,
    largest_cosine_bound,
    levenshtein_bound,
    rankin_bound,
    simplex_bound,
    welch_bound,
)

# Cohn and Kumar 2007, table 1: name, d, N, largest cosine. Each meets Levenshtein's bound.
SHARP = [
    ("icosahedron", 3, 12, 1 / math.sqrt(5)),
    ("5-demicube", 5, 16, 1 / 5),
    ("Schlaefli", 6, 27, 1 / 4),
    ("28 equiangular lines", 7, 56, 1 / 3),
    ("E8 roots", 8, 240, 1 / 2),
    ("isotropic subspaces, q = 3", 21, 112, 1 / 9),
    ("U4(3)", 21, 162, 1 / 7),
    ("Higman-Sims", 22, 100, 1 / 11),
    ("McLaughlin", 22, 275, 1 / 6),
    ("U6(2)", 22, 891, 1 / 4),
    ("276 equiangular lines", 23, 552, 1 / 5),
    ("Leech kissing", 23, 4600, 1 / 3),
    ("Leech minimal vectors", 24, 196560, 1 / 2),
    ("isotropic subspaces, q = 4", 52, 325, 1 / 16),
    ("isotropic subspaces, q = 5", 105, 756, 1 / 25),
]
# Optimal or good codes that stay above the bound.
OTHERS = [
    ("cube", 3, 8, 1 / 3),
    ("Petersen code", 4, 10, 1 / 6),
    ("24-cell", 4, 24, 1 / 2),
    ("600-cell", 4, 120, (1 + math.sqrt(5)) / 4),
    ("Kerdock", 16, 288, 1 / 4),
    ("Gewirtz", 20, 56, 1 / 15),
    ("Hoffman-Singleton", 21, 50, 1 / 21),
    ("M22", 21, 77, 1 / 12),
]


def levenshtein_function(d, s):
    """L(d, s) as Levenshtein defines it, from scipy's Jacobi polynomials and their zeros."""
    a = (d - 3) / 2

    def largest_zero(k, alpha, beta):
        return special.roots_jacobi(k, alpha, beta)[0].max()

    def q(i):
        return special.eval_jacobi(i, a, a, s) / special.eval_jacobi(i, a, a, 1)

    for k in itertools.count(1):  # pieces of degree 2k-1, then of degree 2k
        if s <= largest_zero(k, a + 1, a):
            ratio = (q(k - 1) - q(k)) / ((1 - s) * q(k))
            return special.comb(k + d - 3, k - 1) * ((2 * k + d - 3) / (d - 1) - ratio)
        if s <= largest_zero(k, a + 1, a + 1):
            ratio = (1 + s) * (q(k) - q(k + 1)) / ((1 - s) * (q(k) + q(k + 1)))
            return special.comb(k + d - 2, k) * ((2 * k + d - 1) / (d - 1) - ratio)


@pytest.mark.parametrize(("k", "value"), [(2, -1), (3, -1 / 2), (4, -1 / 3), (11, -0.1)])
def test_simplex_bound(k, value):
    assert simplex_bound(k) == value
    for d in range(k - 1, k + 3):
        assert largest_cosine_bound(k, d)[0] == pytest.approx(value, abs=1e-15)
        assert largest_cosine_bound(k, d).tight


def test_rankin_bound():
    for d in range(1, 30):
        for k in range(d + 2, 2 * d + 1):
            assert rankin_bound(k, d) == 0
            assert largest_cosine_bound(k, d) == (
                (0.0, "Rankin", True) if d > 2 else (pytest.approx(0), "circle", True)
            )


@pytest.mark.parametrize(
    ("k", "d", "value"),
    [(3, 2, 1 / 2), (6, 3, 1 / math.sqrt(5)), (28, 7, 1 / 3), (276, 23, 1 / 5), (5, 5, 0), (16, 6, 1 / 3)],
)
def test_welch_bound(k, d, value):
    """Equal at the equiangular lines: Mercedes star, the icosahedron's axes, 28 in R^7, 276 in R^23."""
    assert welch_bound(k, d) == pytest.approx(value, abs=1e-15)


@given(st.integers(2, 300), st.integers(1, 300))
def test_welch_bound_is_the_frame_bound(k, d):
    """(K-1) c^2 + 1 >= K / D: the mean squared cosine of all pairs, each with itself too, is at least 1/D."""
    if k >= d:
        assert (k - 1) * welch_bound(k, d) ** 2 + 1 == pytest.approx(k / d, rel=1e-12)


def test_fejes_toth_bound():
    assert fejes_toth_bound(3) == pytest.approx(-1 / 2, abs=1e-15)
    assert fejes_toth_bound(4) == pytest.approx(-1 / 3, abs=1e-15)
    assert fejes_toth_bound(6) == pytest.approx(0, abs=1e-15)
    assert fejes_toth_bound(12) == pytest.approx(1 / math.sqrt(5), abs=1e-15)
    for k in (5, 7, 13, 24, 200, 10**6):  # his form: chord^2 = 4 - 1 / sin^2 w
        w = math.pi * k / (6 * (k - 2))
        assert fejes_toth_bound(k) == pytest.approx(1 - (4 - math.sin(w) ** -2) / 2, abs=1e-12)
    k = 10**8  # hexagonal packing: the chord squared tends to 8 pi / (sqrt(3) K)
    assert (2 - 2 * fejes_toth_bound(k)) * k == pytest.approx(8 * math.pi / math.sqrt(3), rel=1e-6)


@settings(max_examples=100)
@given(st.integers(3, 300), st.fractions(0, 1))
def test_levenshtein_closed_forms(d, place):
    """The pieces of degree 1, 2 and 3: simplex, 2d(1-s)/(1-ds), d(1-s)(2+(d+1)s)/(1-ds^2)."""
    for k in (2, 3, (d + 2) // 2, d, d + 1):
        assert levenshtein_bound(k, d) == pytest.approx(-1 / (k - 1), abs=1e-13)
    k = d + 1 + round(place * (d - 1))  # d+1 to 2d
    s = levenshtein_bound(k, d)
    assert -1 / d - 1e-13 <= s <= 1e-13
    assert 2 * d * (1 - s) == pytest.approx(k * (1 - d * s), rel=1e-12)
    assert s == pytest.approx(float(Fraction(2 * d - k, (2 - k) * d)), abs=1e-13)
    last = 2 * d + d * (d - 1) // 2  # where the third piece ends: d(d+3)/2
    k = 2 * d + round(place * (last - 2 * d))
    s = levenshtein_bound(k, d)
    assert -1e-13 <= s <= (math.sqrt(d + 3) - 1) / (d + 2) + 1e-13
    assert d * (1 - s) * (2 + (d + 1) * s) == pytest.approx(k * (1 - d * s * s), rel=1e-11)


@pytest.mark.parametrize("d", [3, 4, 5, 8, 24, 60])
@pytest.mark.parametrize("k", [2, 5, 13, 40, 121, 500, 3000])
def test_levenshtein_solves_his_equation(k, d):
    s = levenshtein_bound(k, d)
    nudge = 1e-9  # on either side, since pieces meet here and there
    assert levenshtein_function(d, s - nudge) < k < levenshtein_function(d, s + nudge)


@pytest.mark.parametrize("d", [3, 4, 7, 20])
def test_levenshtein_pieces_join(d):
    """At the ends of the pieces, where his function takes the sizes of tight designs, the bound is continuous."""
    for m in range(1, 9):
        k = math.comb(d + (m + 1) // 2 - 1, d - 1) + math.comb(d + m // 2 - 1, d - 1)
        end = bounds._piece_start(m + 1, d)
        assert levenshtein_bound(k, d) == pytest.approx(end, abs=1e-12)
        assert bounds._levenshtein(m, d, end - 1e-13) == pytest.approx(k, rel=1e-9)
        assert bounds._levenshtein(m + 1, d, end + 1e-13) == pytest.approx(k, rel=1e-9)
        if k > 2:
            assert levenshtein_bound(k - 1, d) < levenshtein_bound(k, d) < levenshtein_bound(k + 1, d)


@pytest.mark.parametrize(("name", "d", "n", "cosine"), SHARP, ids=[row[0] for row in SHARP])
def test_sharp_configurations_meet_levenshtein(name, d, n, cosine):
    assert levenshtein_bound(n, d) == pytest.approx(cosine, abs=1e-11)
    assert largest_cosine_bound(n, d).value == pytest.approx(cosine, abs=1e-11)
    assert levenshtein_bound(n + 1, d) > cosine


@pytest.mark.parametrize(("name", "d", "n", "cosine"), OTHERS, ids=[row[0] for row in OTHERS])
def test_other_codes_stay_above(name, d, n, cosine):
    assert levenshtein_bound(n, d) < cosine and largest_cosine_bound(n, d).value < cosine


def test_published_tammes_values():
    """No best known packing on S^2 beats a bound; K = 3, 4, 6 and 12 meet Fejes Toth's."""
    for n in reference.sizes("tammes"):
        if n > 2:
            cosine = reference.tammes(n).value
            assert cosine >= largest_cosine_bound(n, 3).value - 1e-12
            assert cosine >= levenshtein_bound(n, 3) - 1e-12
            if n not in (3, 4, 6, 12):
                assert cosine > fejes_toth_bound(n) + 1e-4 * (1 - fejes_toth_bound(n))


@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 16, 100])
def test_more_points_less_room(d):
    values = [largest_cosine_bound(k, d) for k in range(2, 400)]
    for a, b in zip(values, values[1:], strict=False):
        assert a.value <= b.value + 1e-12
        assert isinstance(a, Bound) and -1 <= a.value <= 1
    if d >= 3:
        steps = [levenshtein_bound(k, d) for k in range(2, 400)]
        assert all(a < b for a, b in zip(steps, steps[1:], strict=False))


@settings(max_examples=30)
@given(st.integers(2, 200), st.integers(1, 100))
def test_more_dimensions_more_room(k, d):
    assert largest_cosine_bound(k, d + 1).value <= largest_cosine_bound(k, d).value + 1e-12


def test_the_best_bound_says_which():
    assert largest_cosine_bound(2, 1) == (-1, "two points", True)
    assert largest_cosine_bound(3, 1) == (1, "two points", True)
    assert largest_cosine_bound(5, 2) == (math.cos(math.radians(72)), "circle", True)
    assert largest_cosine_bound(5, 8) == (-1 / 4, "simplex", True)
    assert largest_cosine_bound(6, 3) == (0, "Rankin", True)
    assert largest_cosine_bound(12, 3) == (pytest.approx(1 / math.sqrt(5)), "Fejes Toth", True)
    assert largest_cosine_bound(13, 3)[1:] == ("Levenshtein", False)
    assert largest_cosine_bound(24, 3)[1:] == ("Fejes Toth", False)
    assert largest_cosine_bound(240, 8)[1] == "Levenshtein"
    for d in range(3, 30):  # the best is never weaker than any bound that holds
        for k in (3, d, d + 1, d + 2, 2 * d, 2 * d + 1, 5 * d, d * d):
            best = largest_cosine_bound(k, d).value
            assert best >= max(simplex_bound(k), levenshtein_bound(k, d)) - 1e-12
            assert best >= (rankin_bound(k, d) if k > d + 1 else -1)
            assert best >= (fejes_toth_bound(k) if d == 3 else -1) - 1e-15


@pytest.mark.parametrize(("k", "d"), [(10**6, 3), (10**6, 4), (1000, 512), (10**5, 512), (10**9, 512), (10**6, 10**5)])
def test_large_sizes(k, d):
    best = largest_cosine_bound(k, d)
    assert best.value < 1 and math.isfinite(best.value)
    if d == 512 and k > 1024:
        assert best.value > 0
        if k == 10**5:  # still the third piece, so the closed form says it
            s = best.value
            assert d * (1 - s) * (2 + (d + 1) * s) == pytest.approx(k * (1 - d * s * s), rel=1e-10)
    if d == 3:  # hexagonal packing, of which Levenshtein's bound falls short
        assert best.name == "Fejes Toth"
        assert (1 - levenshtein_bound(k, d)) / (1 - best.value) == pytest.approx(7.34 / 7.255, rel=2e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: simplex_bound(1), "k must be at least 2, got 1"),
        (lambda: simplex_bound(3.0), "k must be a whole number of at least 2, got 3.0"),
        (lambda: simplex_bound("3"), "k must be a whole number of at least 2, got '3'"),
        (lambda: simplex_bound(None), "k must be a whole number"),
        (lambda: rankin_bound(4, 3), r"holds for k > d \+ 1, got k=4, d=3; use simplex_bound\(4\)"),
        (lambda: rankin_bound(4, 0), "d must be at least 1, got 0"),
        (lambda: welch_bound(3, 4), "holds for k >= d, got k=3, d=4; below, orthogonal lines reach 0"),
        (lambda: welch_bound(1, 1), "k must be at least 2"),
        (lambda: fejes_toth_bound(2), "k must be at least 3, got 2"),
        (lambda: levenshtein_bound(1, 3), "k must be at least 2, got 1"),
        (lambda: levenshtein_bound(5, 2), "d must be at least 3, got 2"),
        (lambda: levenshtein_bound(5, math.nan), "d must be a whole number of at least 3, got nan"),
        (lambda: largest_cosine_bound(1, 3), "k must be at least 2, got 1"),
        (lambda: largest_cosine_bound(5, 0), "d must be at least 1, got 0"),
        (lambda: largest_cosine_bound(5, -3), "d must be at least 1, got -3"),
    ],
)
def test_outside_the_ranges(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_circle_is_named():
    """Where Levenshtein's bound does not reach, its docstring says what is true instead."""
    assert "cos(2 pi / K)" in bounds.levenshtein_bound.__doc__
    assert sphere.largest_cosine_bound is largest_cosine_bound
