"""The film of outputs: its bytes, its numbers against hpn_lite's losses and heads, and every control."""

import base64
import math
import re

import numpy as np
import pytest
import torch

from hpn_lite import heads, labs, points, sphere

LABELS = [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 3, 3]
EPOCHS = [0, 1, 2, 5]


def example():
    """Twelve outputs that go from random directions towards the prototypes of five classes, on a circle and a ball."""
    films = {}
    for words, p in (("on the circle", points.circle(5)), ("on the sphere", points.best_prototypes(5, 3).points)):
        start = sphere.uniform(len(LABELS), p.shape[1], seed=4)
        films[words] = torch.stack([start + t * p[LABELS] for t in (0, 0.4, 0.8, 2)]) * 7, p
    return films


def film(**options):
    return labs.film(example(), LABELS, EPOCHS, **options)


def expected(i, frame, only=None):
    """What the status says, from the stored bytes."""
    stored = film().options["films"][i]
    z = np.frombuffer(base64.b64decode(stored["frames"]), np.int8).reshape(len(EPOCHS), len(LABELS), stored["dim"])
    z, p = torch.tensor(z[frame]).double(), torch.tensor(stored["prototypes"], dtype=torch.float64)
    y = torch.tensor(LABELS)
    keep = torch.ones(len(y), dtype=torch.bool) if only is None else y == only
    guess = sphere.cosines(z, p).argmax(1)
    return (guess == y)[keep].sum().item(), keep.sum().item(), sphere.cosine(z, p[y])[keep].mean().item(), guess


def test_bytes_keep_directions_to_half_a_degree_and_what_they_mean():
    for i, (z, p) in enumerate(example().values()):
        stored = film().options["films"][i]
        found = np.frombuffer(base64.b64decode(stored["frames"]), np.int8).reshape(z.shape)
        assert math.degrees(sphere.angle(torch.tensor(found).double(), z.double()).max()) < 0.5
        for frame in range(len(EPOCHS)):
            right, of, cosine, guess = expected(i, frame)
            head = heads.PrototypeHead(p)
            assert head.metrics(guess, torch.tensor(LABELS))["accuracy"] == right / of
            assert (guess == head.predict(z[frame].float())).sum() >= of - 1  # one may stand at a border
            assert cosine == pytest.approx(sphere.cosine(z[frame], p[LABELS]).mean().item(), abs=0.005)


@pytest.mark.parametrize(
    ("match", "change"),
    [
        ("needs at least one entry", {"films": {}}),
        (r"must have shape \(3, 12, D\), .* got \(4, 12, 2\)", {"epochs": [0, 1, 2]}),
        (r"must have shape \(4, 11, D\), .* got \(4, 12, 2\)", {"labels": LABELS[:-1]}),
        ("labels must lie from 0 to 4, got 1 to 5", {"labels": [y + 1 for y in LABELS]}),
        ("frame must be an index of the 4 frames", {"frame": 4}),
        ("as many prototypes as there are names", {"names": ["a", "b"]}),
        ("must have 2 or 3 dimensions", {"films": {"x": (torch.ones(4, 12, 4), points.simplex(5, 4))}}),
        ("prototypes must have unit rows", {"films": {"x": (torch.ones(4, 12, 2), 2 * points.circle(5))}}),
        ("outputs holds 48 zero vector", {"films": {"x": (torch.zeros(4, 12, 2), points.circle(5))}}),
    ],
)
def test_bad_options_are_refused(match, change):
    options = {"films": example(), "labels": LABELS, "epochs": EPOCHS, **change}
    with pytest.raises(ValueError, match=match):
        labs.film(**options)


def check(page, i, frame, only=None):
    """The status speaks of this frame, and its numbers are those of the stored bytes."""
    right, of, cosine, guess = expected(i, frame, only)
    when = f"After epoch {EPOCHS[frame]}" if frame else "Before training"
    start = f"{when}, {('on the circle', 'on the sphere')[i]}: {right} of {of} digits"
    page.wait_for_function("(t) => document.querySelector('[role=status]').textContent.startsWith(t)", arg=start)
    said = page.get_by_role("status").inner_text()
    assert f"({100 * right / of:.1f}%)" in said
    assert float(re.search(r"mean cosine to it (-?\d\.\d+)", said)[1]) == pytest.approx(cosine, abs=0.00051)
    state = page.evaluate("document.querySelector('.hpn-lab').hpn.state()")
    assert (state["film"], state["frame"], state["epoch"]) == (i, frame, EPOCHS[frame])
    assert state["guesses"] == guess.tolist() and (state["right"], state["of"]) == (right, of)
    assert state["cosine"] == pytest.approx(cosine, abs=1e-9)
    return said


def test_by_keyboard(bare):
    page = bare(film())
    check(page, 0, 0)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.type") == "range"
    page.keyboard.press("ArrowRight")
    check(page, 0, 1)
    assert page.evaluate("document.activeElement.getAttribute('aria-valuetext')") == "after epoch 1"
    page.keyboard.press("End")
    check(page, 0, 3)
    page.keyboard.press("Home")
    check(page, 0, 0)
    page.get_by_role("button", name="One on").press("Enter")
    check(page, 0, 1)
    page.get_by_role("button", name="One back").press("Enter")
    check(page, 0, 0)
    follow = page.get_by_label("Follow")
    follow.focus()
    follow.select_option("3")
    said = check(page, 0, 0, only=3)
    right, of, _, guess = expected(0, 0, 3)
    assert (right < of) == ("Most often taken for" in said)
    page.get_by_label("Output space").select_option("1")
    check(page, 1, 0, only=3)
    assert page.get_by_role("application").is_visible()
    follow.select_option("-1")
    check(page, 1, 0)


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_play_ends_at_the_last_frame(bare, motion):
    page = bare(film(frame=1), reduced_motion=motion)
    play = page.get_by_role("button", name="Play")
    play.press("Enter")
    page.get_by_role("button", name="Pause").wait_for()
    check(page, 0, 3)
    play.wait_for()
    play.press("Enter")  # from the end it starts again
    page.wait_for_function("document.querySelector('.hpn-lab').hpn.state().frame < 3")
    page.get_by_role("button", name="Pause").press("Enter")
    assert not page.evaluate("document.querySelector('.hpn-lab').hpn.state().playing")


def test_space_plays_on_the_sphere(bare):
    page = bare(film())
    page.get_by_label("Output space").select_option("1")
    page.get_by_role("application").press(" ")
    check(page, 1, 3)
