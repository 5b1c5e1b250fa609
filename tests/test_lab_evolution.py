"""The lab of evolution: its draws against their odds, its fitness against hpn_lite's, every control by keyboard."""

import math
import re

import pytest
import torch
from lab_page import state

from hpn_lite import evolution, labs, reference

NUMBER = r"(\d+\.\d+)"
WORDS = (
    rf"Generation (\d+), (\d+) points, seed (\d+)\. Record {NUMBER} degrees, best known {NUMBER}\. "
    rf"Fitness alive: best {NUMBER}, mean {NUMBER}\. Rows of (\d+) of the 100 first sets are left\."
)


def check(page, generation: int, n: int) -> dict:
    """The status speaks of this generation, and all that it says is so."""
    page.wait_for_function(
        "(t) => document.querySelector('[role=status]').textContent.startsWith(t)",
        arg=f"Generation {generation}, {n} points",
        timeout=10_000,
    )
    now = state(page)
    said = re.match(WORDS, page.get_by_role("status").inner_text()).groups()
    sets = torch.tensor(now["sets"], dtype=torch.float64)
    assert sets.shape == (100, n, 3)
    torch.testing.assert_close(sets.norm(dim=2), torch.ones(100, n, dtype=torch.float64), rtol=0, atol=1e-12)
    value = evolution.fitness(sets)
    torch.testing.assert_close(torch.tensor(now["fitness"], dtype=torch.float64), value, rtol=0, atol=1e-12)
    record = float(evolution.fitness(torch.tensor([now["best_ever"]], dtype=torch.float64)))
    numbers = [
        math.degrees(math.acos(1 - record)),
        reference.tammes(n).angle,
        float(value.max()),
        float(value.mean()),
    ]
    assert [int(v) for v in said[:3]] == [generation, n, now["seed"]]
    assert [float(v) for v in said[3:7]] == pytest.approx(numbers, abs=0.0051)
    assert int(said[7]) == now["founders"]
    assert len(now["history"]) == generation + 1
    records = [row["record"] for row in now["history"]]
    assert records == sorted(records) and records[-1] == pytest.approx(record, abs=1e-12)
    assert all(row["record"] >= row["best"] >= row["mean"] for row in now["history"])
    return now


def press(page, name: str) -> None:
    """Tab to the button of this name, and press it."""
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == name:
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"no way to {name} by keyboard")


def pull(page, label: str, key: str, times: int = 1) -> None:
    """Tab to the slider of this label, and press a key there."""
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('label')?.textContent ?? ''").startswith(label):
            for _ in range(times):
                page.keyboard.press(key)
            return
    raise AssertionError(f"no way to {label} by keyboard")


def test_generations_by_keyboard(bare):
    page = bare(labs.evolution(8))
    check(page, 0, 8)
    press(page, "Next")
    check(page, 1, 8)
    press(page, "Next ten")
    before = check(page, 11, 8)
    page.locator("canvas").first.focus()
    page.keyboard.press("n")
    check(page, 12, 8)
    press(page, "Start anew")
    after = check(page, 0, 8)
    assert after["seed"] == before["seed"] + 1 and after["sets"] != before["sets"]
    pull(page, "Number of points", "End")
    check(page, 0, 16)


def test_play_and_pause(bare):
    page = bare(labs.evolution(6), reduced_motion="reduce")
    press(page, "Play")
    page.wait_for_function("document.querySelector('.hpn-lab').hpn.state().generation >= 2", timeout=30_000)
    page.get_by_role("button", name="Pause").focus()
    page.keyboard.press("Enter")
    now = state(page)
    assert not now["playing"]
    check(page, now["generation"], 6)


def test_without_mutation_every_row_is_as_old_as_the_world(bare):
    page = bare(labs.evolution(6, mutation=0.003))
    pull(page, "Mutation", "Home")
    founders = torch.tensor(state(page)["sets"], dtype=torch.float64)  # (100, 6, 3)
    press(page, "Next ten")
    now = check(page, 10, 6)
    assert now["mutation"] == 0
    sets = torch.tensor(now["sets"], dtype=torch.float64)
    same = (sets[:, None] == founders[None]).all(3)  # (100, 100, 6): row i is row i of that first set
    assert same.any(1).all(), "a row is passed on whole, and keeps its place"
    assert int(same.any(0).any(1).sum()) == now["founders"] < 100
    assert (same.sum(2).amax(1) < 6).any(), "some are mixtures"
    assert now["mean"] > 2 * float(evolution.fitness(founders).mean())


def test_mutation_brings_new_rows(bare):
    page = bare(labs.evolution(6, mutation=0.3))
    founders = torch.tensor(state(page)["sets"], dtype=torch.float64)
    press(page, "Next")
    sets = torch.tensor(check(page, 1, 6)["sets"], dtype=torch.float64)
    old = (sets[:, None] == founders[None]).all(3).any(1)
    assert 0.2 < old.double().mean() < 0.8


def test_the_fittest_survives_if_told(bare):
    page = bare(labs.evolution(10, pressure=0))
    for _ in range(2):
        press(page, "Next ten")
    free = check(page, 20, 10)
    assert any(row["best"] < row["record"] - 1e-9 for row in free["history"])
    press(page, "Start anew")
    page.get_by_label("The fittest always survives").focus()
    page.keyboard.press("Space")
    press(page, "Next ten")
    kept = check(page, 10, 10)
    assert kept["keep"] and all(row["best"] == row["record"] for row in kept["history"])


def test_pressure_raises_the_mean(bare):
    means = {}
    for key, pressure in (("Home", 0), ("End", 32)):
        page = bare(labs.evolution(8))
        pull(page, "Selection pressure", key)
        press(page, "Next ten")
        now = check(page, 10, 8)
        assert now["pressure"] == pressure
        means[pressure] = now["mean"]
    assert means[0] < 0.12 < 0.3 < means[32]


def test_the_gradient_goes_further(bare):
    page = bare(labs.evolution(8))
    press(page, "Next ten")
    check(page, 10, 8)
    press(page, "Gradient from the record")
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('Gradient descent')")
    now = state(page)
    found = 1 - float(evolution.fitness(torch.tensor([now["points"]], dtype=torch.float64)))
    said = re.search(rf"record set: {NUMBER} degrees", page.get_by_role("status").inner_text())
    assert float(said[1]) == pytest.approx(math.degrees(math.acos(found)), abs=0.0051)
    assert now["record"] + 3 < now["angle"] <= reference.tammes(8).angle + 1e-6
    assert now["angle"] > 70.5, "the cube's angle at least"
    press(page, "Next")  # evolution goes on from its own sets
    check(page, 11, 8)
    assert "Gradient" not in page.get_by_role("status").inner_text()


@pytest.mark.parametrize("pressure", [0, 1, 2])
def test_draws_have_the_odds_of_hpn_lite(bare, pressure):
    page = bare(labs.evolution())
    value, count, trials = torch.tensor([0.2, 0.5, 1.0, 1.5, 0.1]), 20_000, 5000
    draws = "(given) => document.querySelector('.hpn-lab').hpn.draws(...given)"
    drawn = torch.tensor(page.evaluate(draws, ["roulette", value.tolist(), count, pressure, 5]))
    odds = value.double() ** pressure / (value.double() ** pressure).sum()
    spread = 5 * (odds * (1 - odds) / count).sqrt()
    assert ((drawn.bincount(minlength=5) / count - odds).abs() < spread).all()
    theirs = evolution.roulette(value, count, torch.Generator().manual_seed(0), pressure)
    assert ((theirs.bincount(minlength=5) / count - odds).abs() < spread).all()
    many = "([values, power, trials]) => Array.from({ length: trials }, (_, i) => document.querySelector('.hpn-lab').hpn.draws('survivors', values, 2, power, i))"  # noqa: E501
    alive = torch.tensor(page.evaluate(many, [value.tolist(), pressure, trials]))
    assert (alive[:, 0] != alive[:, 1]).all(), "nobody survives twice"
    # drawn one after the other: i first, or i second after any other j
    second = (odds[:, None] * odds / (1 - odds[:, None])).fill_diagonal_(0).sum(0)
    expected = odds + second
    share = alive.flatten().bincount(minlength=5) / trials
    assert ((share - expected).abs() < 5 * (expected * (1 - expected) / trials).sqrt()).all()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"n": 2}, "n must be"),
        ({"n": 17}, "at most 16"),
        ({"pressure": 3}, "0.5, 1, 2"),
        ({"pressure": True}, "0.5, 1, 2"),
        ({"mutation": 0.5}, "0.003, 0.01"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_options_are_refused(options, word):
    with pytest.raises(ValueError, match=word):
        labs.evolution(**options)


def test_the_same_lab_whether_whole_or_not():
    assert labs.evolution(pressure=1).id == labs.evolution(pressure=1.0).id != labs.evolution(pressure=2).id
