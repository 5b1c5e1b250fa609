"""The lab of the Tammes problem: its mathematics against hpn_lite, then every control by keyboard on a bare page."""

import math
import re

import pytest
import torch
from lab_page import says, state, tab_to

from hpn_lite import energy, labs, plots, points, reference, sphere

LAB = "tammes"
NUMBER = r"([\d.]+)"


def compared(page):
    """The state, after its numbers were computed again from its points."""
    now = state(page)
    x = torch.tensor(now["points"], dtype=torch.float64)
    smallest = sphere.separation(x).smallest_angle
    angles = sphere.angle(x[:, None], x[None]) + 9 * torch.eye(len(x))
    touch = angles <= smallest * (1 + now["share"])
    assert now["smallest"] == pytest.approx(math.degrees(smallest), abs=1e-9)
    assert sorted(map(tuple, now["edges"])) == [tuple(e) for e in touch.triu().nonzero().tolist()]
    assert now["contacts"] == len(now["edges"])
    assert now["loose"] == (~touch.any(1)).sum()
    assert now["known"] == pytest.approx(reference.tammes(now["n"]).angle, abs=1e-9)
    assert now["percent"] == pytest.approx(100 * now["smallest"] / now["known"])
    return now


@pytest.mark.parametrize("s", (1, 2, 7, 100, 3000))
def test_value_and_gradient_are_those_of_the_energy(maths, s):
    n = 12
    x = sphere.uniform(n, 3, seed=s).requires_grad_()
    ours = maths("new (t.makeFlow(m))(a.x, a.s).measure(a.x)", {"x": x.tolist(), "s": s})
    theirs = n * torch.logsumexp(-s * torch.pdist(x).log(), 0) / s  # n log(E_s) / s, also where E_s overflows
    if s <= 100:
        assert theirs.item() == pytest.approx(n * math.log(energy.riesz(x, s, reduction="sum").item()) / s)
    theirs.backward()
    assert ours["value"] == pytest.approx(theirs.item(), rel=1e-12)
    gradient = sphere.tangent(x.detach(), x.grad)
    torch.testing.assert_close(torch.tensor(ours["g"], dtype=torch.float64), gradient, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n", (7, 8, 12, 20, 24))
def test_polish_finds_the_last_digits(maths, n):
    x = points.tammes(n, 3, target=reference.tammes(n).value + 1e-11)
    rough = sphere.normalize(x + 1e-5 * sphere.uniform(n, 3, seed=1))
    before = math.degrees(sphere.separation(rough).smallest_angle)
    after = math.degrees(maths("m.smallestAngle(t.polish(m, a, 1e-4))", rough.tolist()))
    assert before < reference.tammes(n).angle - 1e-5
    assert after == pytest.approx(reference.tammes(n).angle, abs=1e-7)


def test_polish_never_makes_it_worse(maths):
    x = sphere.uniform(15, 3, seed=3)
    after = maths("m.smallestAngle(t.polish(m, a, 0.5))", x.tolist())
    assert after >= sphere.separation(x).smallest_angle.item() - 1e-12


def test_from_thomson_to_tammes_by_keyboard(bare):
    page = bare(labs.tammes(7, seed=3))
    says(page, "7 points, s = 1: .* paused")
    assert compared(page)["settled"] is False
    tab_to(page, "slider", "Exponent s, from 0 to infinity")
    page.keyboard.press("ArrowRight")
    said = says(page, rf"7 points, s = 2: smallest angle {NUMBER} degrees.* settled")
    x = torch.tensor(compared(page)["points"], dtype=torch.float64)
    assert energy.riesz(x, 2, reduction="sum").item() == pytest.approx(reference.riesz(7, 2).value, rel=1e-7)
    assert float(said[1]) == pytest.approx(state(page)["smallest"], abs=6e-5)
    page.keyboard.press("End")
    says(
        page,
        r"7 points, s = infinity: smallest angle 77\.8695 degrees, best known 77\.8695 \(proved\), 100\.00%.*settled",
    )
    now = compared(page)
    assert now["s"] == "infinity" and now["contacts"] == 12 and now["loose"] == 0
    assert now["smallest"] == pytest.approx(reference.tammes(7).angle, abs=1e-7)
    page.keyboard.press("Home")
    says(page, "7 points, s = 0: .*settled")
    x = torch.tensor(compared(page)["points"], dtype=torch.float64)
    assert energy.riesz(x, 0, reduction="sum").item() == pytest.approx(reference.riesz(7, 0).value, rel=1e-7)


def test_every_control_by_keyboard(bare):
    page = bare(labs.tammes(6, s=math.inf, seed=2, run=True))
    says(page, r"6 points, s = infinity: smallest angle 90\.0000 .* 12 contacts within 1%, 0 loose points, settled")
    tab_to(page, "slider", "Number of points n")
    page.keyboard.press("ArrowLeft")
    says(page, r"5 points, s = infinity: smallest angle 90\.0000 .* settled")
    page.keyboard.press("Home")
    says(page, r"2 points, .*180\.0000 .* 1 contact within")
    page.keyboard.press("End")
    says(page, "60 points")
    assert state(page)["n"] == len(state(page)["points"]) == 60
    tab_to(page, "button", "Shuffle")
    before = state(page)["seed"]
    page.keyboard.press("Enter")
    assert state(page)["seed"] == before + 1
    says(page, "settled")
    wide = compared(page)["contacts"]
    tab_to(page, "combobox", re.compile("Contacts"))
    page.keyboard.press("ArrowUp")
    says(page, "within 0.1%")
    assert compared(page)["contacts"] <= wide
    tab_to(page, "application", re.compile("Sphere with 60 points"))
    view = state(page)["view"]["axes"]
    page.keyboard.press("ArrowRight")
    assert state(page)["view"]["axes"] != view


@pytest.mark.parametrize("motion", ("no-preference", "reduce"))
def test_pulling_stops_everywhere_and_at_the_end(bare, motion):
    page = bare(labs.tammes(8, seed=2), reduced_motion=motion)
    tab_to(page, "button", "Pull s to infinity")
    page.keyboard.press("Enter")
    page.wait_for_function("(() => { const s = document.querySelector('.hpn-lab').hpn.state(); return !s.pulling; })()")
    says(page, "8 points, s = infinity.*settled")
    now = compared(page)
    assert [i for i, _ in now["trace"]] == list(range(len(labs.STOPS)))
    bound = [reference.tammes(8).angle * (8 * 7 / 2) ** (-1 / s) for s in labs.STOPS[1:-1]]  # chords shrink no faster
    assert all(angle > least for (_, angle), least in zip(now["trace"][1:-1], bound, strict=True))
    assert now["trace"][-1][1] == pytest.approx(reference.tammes(8).angle, abs=1e-7)


def test_pause_and_run(bare):
    page = bare(labs.tammes(60, s=1, seed=2))
    assert state(page)["paused"]
    tab_to(page, "button", "Run")
    page.keyboard.press("Enter")
    says(page, "60 points, s = 1: .*settled")
    assert page.get_by_role("button", name="Pause").is_disabled()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: labs.tammes(1), "at least 2"),
        (lambda: labs.tammes(61), "at most 60"),
        (lambda: labs.tammes(7, s=5), "one of"),
        (lambda: labs.tammes(7, s=-1), "one of"),
        (lambda: labs.tammes(7, seed=-1), "seed"),
        (lambda: labs.tammes(7, share=0.02), "one of"),
    ],
)
def test_bad_options_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_contact_graph_joins_the_closest_pairs_and_marks_loose_points():
    x = torch.cat([points.cross_polytope(6, 3)[:5], sphere.normalize(torch.tensor([[-0.5, -0.5, -2.0]]).double())])
    angles = sphere.angle(x[:, None], x[None]).fill_diagonal_(9)
    joined = int((angles < angles.min() + 1e-9).sum()) // 2
    ax = plots.contacts(x)
    plain = plots.sphere_3d(x)
    assert len(ax.lines) - len(plain.lines) == 2 * joined  # every arc has a front and a back part
    fills = {tuple(colour[:3]) for colour in ax.collections[0].get_facecolor().round(3).tolist()}
    assert len(fills) == (1 if (angles.amin(1) < angles.min() + 1e-9).all() else 2)
    plots.png(ax.figure), plots.png(plain.figure)
