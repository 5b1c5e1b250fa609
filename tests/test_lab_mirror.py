"""The lab of neurons and their mirror images: its numbers against `energy` and `mhe`, its controls by keyboard."""

import re

import lab_page
import pytest
import torch

from hpn_lite import energy, labs, mhe, sphere


@pytest.mark.parametrize(
    "options", [{"n": 1}, {"n": 21}, {"s": 3}, {"form": "both"}, {"seed": -1}], ids=lambda o: next(iter(o))
)
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError):
        labs.mirror(**options)


@pytest.fixture
def page(bare):
    return bare(labs.mirror(6, s=1))


def check(page, words):
    """The status says these words, and all its numbers are those of the neurons. Returns the state."""
    page.wait_for_function(
        "(t) => document.querySelector('[role=status]').textContent.includes(t)", arg=words, timeout=20_000
    )
    said, state = page.get_by_role("status").inner_text(), lab_page.state(page)
    w = torch.tensor(state["points"], dtype=torch.float64)
    angles = sphere.angle(w[:, None], w[None])[~torch.eye(len(w), dtype=torch.bool)].rad2deg()
    numbers = {
        "full": energy.riesz(w, state["s"]),
        "half": energy.riesz(w, state["s"], half_space=True),
        "right": mhe.orthonormality(w),
        "smallest": angles.min(),
        "lines": torch.minimum(angles, 180 - angles).min(),
    }
    if numbers["lines"] < 0.02:  # a neuron lies on another's opposite
        assert "with mirror without bound," in said
        del numbers["half"]
    for name, value in numbers.items():
        assert state[name] == pytest.approx(float(value), abs=1e-6), name
    found = [float(v) for v in re.findall(r"-?\d+\.\d+", said)]
    assert found == pytest.approx([float(v) for v in numbers.values()], abs=0.06)
    return state


def test_numbers_and_penalties_by_keyboard(page):
    check(page, "6 neurons, s = 1, driven by energy, paused")
    page.get_by_role("button", name="Run").press("Enter")
    settled = check(page, "driven by energy, settled")
    assert settled["smallest"] == pytest.approx(90, abs=0.01)  # the octahedron: three lines, each twice
    assert settled["lines"] == pytest.approx(0, abs=0.01)

    page.get_by_label("Penalty").select_option("1")
    page.get_by_label("Exponent s").select_option("2")
    page.get_by_role("button", name="Shuffle").press("Enter")
    page.get_by_role("button", name="Run").press("Enter")
    mirrored = check(page, "s = 2, driven by energy with mirror, settled")
    assert mirrored["lines"] == pytest.approx(63.4349, abs=0.01)  # six diagonals of the icosahedron

    page.get_by_label("Penalty").select_option("2")
    page.get_by_role("button", name="Shuffle").press("Enter")
    page.get_by_role("button", name="Run").press("Enter")
    right = check(page, "driven by right angles, settled")
    assert right["right"] == pytest.approx((6**2 / 3 - 6) ** 0.5, abs=1e-4)  # Welch: sum of squares at least n^2/D


def test_neurons_are_moved_by_arrows_and_added(page):
    check(page, "6 neurons, s = 1, driven by energy, paused")
    ball = page.locator("canvas").first
    ball.press("n")
    before = lab_page.state(page)["points"]
    ball.press("ArrowLeft")
    after = lab_page.state(page)["points"]
    assert before[0] != after[0] and before[1:] == after[1:]
    page.get_by_role("slider", name="Neurons").press("ArrowRight")
    assert check(page, "7 neurons")["points"][:6] == after
    page.get_by_role("slider", name="Neurons").press("Home")
    assert check(page, "2 neurons")["n"] == 2


def test_two_neurons_end_opposite_or_with_the_mirror_at_right_angles(page):
    page.get_by_role("slider", name="Neurons").press("Home")
    page.get_by_role("button", name="Run").press("Enter")
    assert check(page, "2 neurons, s = 1, driven by energy, settled")["smallest"] == pytest.approx(180, abs=0.01)
    page.get_by_label("Penalty").select_option("1")
    page.get_by_role("button", name="Shuffle").press("Enter")
    page.get_by_role("button", name="Run").press("Enter")
    assert check(page, "driven by energy with mirror, settled")["smallest"] == pytest.approx(90, abs=0.01)
