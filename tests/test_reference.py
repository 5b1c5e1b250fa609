"""The tables of best known values: their shape, their order, and agreement with bounds and closed forms."""

import math

import pytest

from hpn_lite import reference, sphere


def test_known_values():
    assert reference.thomson(4).value == pytest.approx(3.674234614, abs=1e-9)
    assert reference.thomson(6).value == pytest.approx(9.985281374, abs=1e-9)
    assert reference.thomson(12).value == pytest.approx(49.165253058, abs=1e-9)
    assert reference.thomson(32).value == pytest.approx(412.261274651, abs=1e-9)
    assert reference.thomson(100).value == pytest.approx(4448.350634331, abs=1e-9)
    assert reference.tammes(12).angle == pytest.approx(63.4349488229, abs=1e-9)
    assert reference.tammes(24).angle == pytest.approx(43.6907671, abs=1e-6)  # the snub cube
    assert reference.riesz(6, 2).value == pytest.approx(12 / 2 + 3 / 4)  # octahedron: 12 edges sqrt(2), 3 axes 2
    assert reference.riesz(6, 0).value == pytest.approx(-12 * math.log(2) / 2 - 3 * math.log(2))
    assert reference.code("600-cell").value == pytest.approx((1 + math.sqrt(5)) / 4)


def test_rows_say_where_they_are_from():
    assert not reference.thomson(50).searched and "Wales" in reference.thomson(50).source
    assert reference.riesz(50, 0).searched and reference.riesz(50, 2).searched
    assert reference.tammes(14).proved and reference.tammes(24).proved and not reference.tammes(15).proved
    assert reference.riesz(20, 1) == reference.thomson(20)
    assert reference.riesz(20, math.inf) == reference.tammes(20)
    assert math.isnan(reference.thomson(20).angle)


def test_sizes():
    assert reference.sizes("thomson") == reference.sizes("tammes") == range(2, 201)
    assert reference.sizes("log") == reference.sizes("riesz2") == range(2, 131)


def test_tables_respect_the_bounds_and_grow():
    """No value beats a proved bound, and adding a point never makes room or lowers a positive energy."""
    for n in range(3, 201):
        assert reference.tammes(n).value >= sphere.fejes_toth_bound(n) - 1e-12
        assert reference.tammes(n).value >= reference.tammes(n - 1).value
        assert reference.thomson(n).value > reference.thomson(n - 1).value
    for n in (3, 4, 6, 12):
        assert reference.tammes(n).value == pytest.approx(sphere.fejes_toth_bound(n), abs=1e-12)


def test_energies_follow_their_asymptotics():
    """Thomson's energy is N^2/2 - 0.55305 N^(3/2) to leading orders (Wagner; Kuijlaars and Saff)."""
    for n in range(50, 201):
        assert (n**2 / 2 - reference.thomson(n).value) / n**1.5 == pytest.approx(0.5526, abs=2e-3)


@pytest.mark.parametrize("code", reference.codes(), ids=lambda c: c.name)
def test_codes_respect_the_bound(code):
    bound = sphere.largest_cosine_bound(code.n, code.d)[0]
    assert code.value >= bound - 1e-9
    if "Cohn and Kumar" in code.source and code.name != "600-cell":  # the sharp ones lie on it
        assert code.value == pytest.approx(bound, abs=1e-9)


@pytest.mark.parametrize(
    "call",
    [
        lambda: reference.thomson(1),
        lambda: reference.thomson(201),
        lambda: reference.thomson(12.5),
        lambda: reference.tammes(300),
        lambda: reference.riesz(131, 0),
        lambda: reference.riesz(12, 3),
        lambda: reference.riesz(12, float("nan")),
        lambda: reference.code("cube"),
        lambda: reference.sizes("gravity"),
    ],
)
def test_outside_the_tables(call):
    with pytest.raises(ValueError, match="got|there are"):
        call()


def test_a_missing_table_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(reference, "TABLES", tmp_path)
    with pytest.raises(FileNotFoundError, match="install hpn-lite again"):
        reference._lines("sphere3.csv")
