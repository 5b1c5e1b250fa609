"""The labs: their mathematics against hpn_lite, and each lab on a bare page, driven by keyboard, finger and mouse.

A lab is opened from its own mime bundle, with no site around it, so what passes here works in JupyterLab and Colab too.
"""

import itertools
import math
import re

import pytest
import torch

from hpn_lite import energy, labs, plots, points, reference, sphere

SIZES = (2, 3, 7, 12, 40)
DIMENSIONS = (2, 3, 4, 10, 100, 1000)
LABS = {
    "thomson": lambda: labs.thomson(12, seed=4),
    "tammes": lambda: labs.tammes(7),
    "film": lambda: labs.film({"circle": (torch.eye(2).expand(3, 2, 2), torch.eye(2))}, [0, 1], [0, 1, 2]),
    "hello": labs.hello,
    "directions": labs.directions,
    "room": labs.room,
    "riesz": lambda: labs.riesz(12),
    "evolution": labs.evolution,
    "regression": labs.regression,
    "lights": lambda: labs.lights(torch.eye(4), [0, 1, 2, 3], torch.eye(4) + 0.1),
    "semantics": lambda: labs.semantics(
        ["a", "b", "c", "d", "e"], torch.eye(5) + torch.rand(5, 5, generator=torch.Generator().manual_seed(0))
    ),
    "matching": lambda: labs.matching(0.5 * torch.eye(2).repeat(2, 1) * torch.tensor([[1.0], [1], [-1], [-1]])),
    "mirror": labs.mirror,
    "rare": labs.rare,
    "minority": labs.minority,
    "regimes": labs.regimes,
    "penalty": lambda: labs.penalty(
        {"MHE": [{"weight": 0, "error": 9, "half": 1, "change": 0, "spread": 1, "energy": [0.5], "length": [1]}]}, ["a"]
    ),
    "tail": labs.tail,
    "two_tasks": labs.two_tasks,
    "collapse": labs.collapse,
    "choices": lambda: labs.question("Is it so?", ["Yes", "No"], 0, "Because."),
    "number": lambda: labs.number("How many?", 3.0),
}


# ---------------------------------------------------------------- in Python
@pytest.mark.parametrize("name", LABS)
def test_a_bundle_is_complete_and_the_same_every_time(name):
    bundle, again = LABS[name]()._repr_mimebundle_(), LABS[name]()._repr_mimebundle_()
    assert bundle == again
    assert set(bundle) - {"image/png"} == {"text/html", "text/plain"}
    assert not re.search(r"(?:https?|wss?)://|url\(|@import", bundle["text/html"]), (
        "a lab may ask no server for anything"
    )
    assert len(bundle["text/html"]) < 80_000
    assert len(bundle["text/plain"]) > 10 and "<" not in bundle["text/plain"]
    if name in ("thomson", "hello", "directions", "room"):
        assert bundle["image/png"].startswith("iVBORw0KGgo") and len(bundle["image/png"]) < 80_000


def test_ids_tell_options_apart():
    made = [
        labs.thomson(12),
        labs.thomson(13),
        labs.thomson(12, s=2),
        labs.thomson(12, seed=2),
        labs.hello(12),
        labs.room(),
    ]
    assert len({lab.id for lab in made}) == len(made)
    assert labs.thomson(12, s=1).id == labs.thomson(12, s=1.0).id


def test_options_cannot_close_the_script():
    page = labs.question("</script><b>&", ["<!--", "b"], 0, "w")._repr_mimebundle_()["text/html"]
    assert page.count("</script>") == 1 and "<!--" not in page and "<b>" not in page


def test_without_matplotlib_a_lab_still_has_its_page(monkeypatch):
    def no_matplotlib(figure):
        raise ImportError("No module named 'matplotlib'")

    monkeypatch.setattr(plots, "png", no_matplotlib)
    assert set(labs.directions()._repr_mimebundle_()) == {"text/html", "text/plain"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: labs.thomson(1), "n"),
        (lambda: labs.thomson(65), "at most 64"),
        (lambda: labs.thomson(12, s=-1), "from 0 to 32"),
        (lambda: labs.thomson(12, s=math.nan), "from 0 to 32"),
        (lambda: labs.thomson(12, seed=-1), "seed"),
        (lambda: labs.hello(100), "at most 64"),
        (lambda: labs.directions(x=(3, 0)), "x must be"),
        (lambda: labs.directions(y=(1, 10.5)), "y must be"),
        (lambda: labs.room(1), "d"),
        (lambda: labs.room(1001), "at most 1000"),
        (lambda: labs.room(k=500), "at most 200"),
        (lambda: labs.room(angle=91), "at most 90"),
    ],
)
def test_bad_options_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---------------------------------------------------------------- the mathematics of sphere.js
@pytest.fixture(scope="module")
def maths(browser):
    """A function that evaluates an expression of JavaScript with `m`, the module sphere.js, and `a`, the argument."""
    page = browser.new_page()
    page.evaluate(
        """async (text) => {
            window.m = await import(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })));
        }""",
        (labs.JS / "sphere.js").read_text(),
    )
    yield lambda expression, argument=None: page.evaluate(f"(a) => {expression}", argument)
    page.close()


def close(ours, theirs, rtol=1e-9, atol=0.0):
    torch.testing.assert_close(
        torch.tensor(ours, dtype=torch.float64), torch.as_tensor(theirs, dtype=torch.float64), rtol=rtol, atol=atol
    )


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("s", (0, 1, 2, 5))
def test_energy_and_gradient(maths, n, s):
    x = sphere.uniform(n, 3, seed=100 * n + s).requires_grad_()
    ours = maths("m.riesz(a.x, a.s)", {"x": x.tolist(), "s": s})
    theirs = energy.riesz(x, s, reduction="sum")
    theirs.backward()
    close(ours["energy"], theirs.item())
    close(ours["gradient"], x.grad, atol=1e-9 * x.grad.abs().max().item())


@pytest.mark.parametrize("d", (2, 3, 50))
def test_angles(maths, d):
    x = sphere.uniform(20, d, seed=d)
    y = torch.cat([sphere.uniform(10, d, seed=d + 1), x[10:15], -x[15:]])  # equal and opposite ones too
    y[12] = sphere.normalize(x[12] + 1e-7 * y[0])
    close(
        maths("a.x.map((x, i) => m.angle(x, a.y[i]))", {"x": x.tolist(), "y": y.tolist()}),
        sphere.angle(x, y),
        atol=1e-15,
    )
    close(maths("m.smallestAngle(a)", x.tolist()), sphere.separation(x).smallest_angle.item())


@pytest.mark.parametrize("d", DIMENSIONS)
def test_densities_and_caps(maths, d):
    t = torch.linspace(-0.99, 0.99, 45, dtype=torch.float64)
    close(maths("a.t.map((t) => m.density(t, a.d))", {"t": t.tolist(), "d": d}), sphere.inner_density(t, d))
    theta = torch.linspace(0.6, 2.5, 40, dtype=torch.float64)
    ours = maths("a.theta.map((x) => m.logCap(x, a.d))", {"theta": theta.tolist(), "d": d})
    theirs = sphere.cap_fraction(theta.cos(), d)
    close(torch.tensor(ours, dtype=torch.float64).exp().tolist(), theirs)
    assert sphere.inner_density(torch.tensor(1.5), d) == maths("m.density(1.5, a)", d) == 0


def test_a_tiny_cap_keeps_its_exponent(maths):
    # A cap so small that its share underflows: between the leading term of the beta function and twice that.
    d, theta = 1000, 0.1
    a = (d - 1) / 2
    lead = (
        2 * a * math.log(math.sin(theta)) - math.log(2 * a) - (math.lgamma(a) + math.lgamma(0.5) - math.lgamma(a + 0.5))
    )
    ours = maths("m.logCap(a.theta, a.d)", {"theta": theta, "d": d})
    assert math.exp(ours) == 0 and lead < ours < lead + math.log(2)


@pytest.mark.parametrize(("k", "d"), [(2, 3), (5, 2), (50, 20), (200, 1000)])
def test_half_of_all_draws_exceed_the_median(maths, k, d):
    u = maths("m.medianLargest(a.k, a.d)", {"k": k, "d": d})
    inside = 1 - 2 * sphere.cap_fraction(torch.tensor(u, dtype=torch.float64), d).item()
    assert inside ** (k * (k - 1) / 2) == pytest.approx(0.5, rel=1e-9)


def test_the_median_is_that_of_real_draws():
    """The pairs are taken as independent; 400 draws of 30 directions say that this is near enough to be quoted."""
    k, d = 30, 20
    largest = torch.stack(
        [sphere.cosines(sphere.uniform(k, d, seed=i)).fill_diagonal_(0).abs().max() for i in range(400)]
    )
    low, high = torch.quantile(largest, torch.tensor([0.4, 0.6], dtype=torch.float64)).tolist()
    chance = 1 - 0.5 ** (2 / (k * (k - 1)))
    t = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    median = t[(2 * sphere.cap_fraction(t, d) > chance).sum()].item()
    assert low < median < high


@pytest.mark.parametrize("d", (2, 3, 30))
def test_chance_is_uniform_and_repeats(maths, d):
    x, again, other = (
        torch.tensor(maths("m.uniform(3000, a.d, a.seed)", {"d": d, "seed": s}), dtype=torch.float64) for s in (5, 5, 6)
    )
    assert torch.equal(x, again) and not torch.equal(x, other)
    close(x.norm(dim=1).tolist(), torch.ones(3000))
    second = x.T @ x / len(x)  # E[x x^T] = I / d; an entry of it has variance below 3 / d^2
    assert (second - torch.eye(d) / d).abs().max() < 5 * math.sqrt(3 / 3000) / d
    assert x.mean(0).abs().max() < 5 / math.sqrt(3000 * d)


SOLIDS = {  # faces that are no triangles must not be cut
    "cube": (torch.tensor(list(itertools.product((-1.0, 1.0), repeat=3))), 12),
    "octahedron": (points.cross_polytope(6, 3), 12),
    "tetrahedron": (points.simplex(4), 6),
    "triangle": (torch.nn.functional.pad(points.circle(3), (0, 1)), 3),
    "hexagon": (torch.nn.functional.pad(points.circle(6), (0, 1)), 6),
    "pair": (torch.tensor([[0.0, 0, 1], [0, 0, -1]]), 1),
}


@pytest.mark.parametrize("solid", SOLIDS)
def test_neighbours_of_solids(maths, solid):
    x, edges = SOLIDS[solid]
    assert len(maths("m.neighbours(a)", sphere.normalize(x.double()).tolist())) == edges


@pytest.mark.parametrize("n", (4, 5, 12, 30, 64))
def test_neighbours_are_the_edges_of_the_hull(maths, n):
    x = sphere.uniform(n, 3, seed=n)
    ours = sorted(tuple(e) for e in maths("m.neighbours(a)", x.tolist()))
    assert len(ours) == 3 * n - 6  # Euler, all faces triangles
    assert ours == plots.neighbours(x)  # found there by trying every triple


@pytest.mark.parametrize("s", (0, 1, 2))
@pytest.mark.parametrize("n", (2, 5, 12, 24, 32))
def test_descent_reaches_the_best_known_energy(maths, n, s):
    run = """(() => {
        const d = new m.Descent(m.uniform(a.n, 3, a.seed), a.s);
        for (let k = 0; k < 3000 && d.step(0.1) > 0; k++);
        return d.points;
    })()"""
    found = [torch.tensor(maths(run, {"n": n, "s": s, "seed": seed}), dtype=torch.float64) for seed in (1, 2, 3)]
    best = min(energy.riesz(x, s, reduction="sum").item() for x in found)
    assert best == pytest.approx(reference.riesz(n, s).value, rel=1e-9)


def test_descent_goes_down_within_its_limit_and_holds_what_is_held(maths):
    run = """(() => {
        const d = new m.Descent(m.uniform(20, 3, 1), 4), before = d.points[7], energies = [], moves = [];
        d.held = 7;
        for (let k = 0; k < 60; k++) {
            const old = d.points;
            energies.push(m.riesz(old, 4).energy);
            d.step(0.05);
            moves.push(Math.max(...old.map((p, i) => m.angle(p, d.points[i]))));
        }
        return { energies, moves, stayed: m.angle(before, d.points[7]) };
    })()"""
    result = maths(run)
    assert (
        all(b <= a for a, b in itertools.pairwise(result["energies"]))
        and result["energies"][-1] < result["energies"][0]
    )
    assert 0.01 < max(result["moves"]) <= 0.05 + 1e-12
    assert result["stayed"] == 0


def test_points_on_top_of_each_other_part(maths):
    run = """(() => {
        const d = new m.Descent([[0, 0, 1], [0, 1e-9, 1], [1, 0, 0]].map(m.normalize), a);
        for (let k = 0; k < 500 && d.step(0.1) > 0; k++);
        return m.smallestAngle(d.points);
    })()"""
    for s in (0, 1, 32):
        assert math.degrees(maths(run, s)) == pytest.approx(120, abs=1e-4)


def test_a_new_point_goes_to_the_emptiest_place(maths):
    x = torch.tensor(maths("m.emptiest(a)", points.cross_polytope(6, 3).tolist()), dtype=torch.float64)
    hole = math.degrees(math.acos(1 / math.sqrt(3)))  # the middle of a face
    assert math.degrees(sphere.angle(x, points.cross_polytope(6, 3)).min().item()) > hole - 4


# ---------------------------------------------------------------- each lab on a bare page
class Opened:
    """A lab in a page of its own; everything the page complained about or asked a server for is an error."""

    def __init__(self, page, lab):
        self.page, self.lab, self.errors = page, lab, []
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: self.errors.append(f"page error: {error}"))
        page.on("console", lambda m: self.errors.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("request", lambda r: r.url.startswith(("blob:", "data:")) or self.errors.append(f"asked for {r.url}"))
        head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>lab</title>'
        body = lab._repr_mimebundle_()["text/html"] + '<p style="height: 1500px">after</p>'
        page.set_content(f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>')
        self.box = page.locator(".hpn-lab")
        page.wait_for_function("document.querySelector('.hpn-lab')?.hpn")
        page.wait_for_timeout(50)  # the first frame, which measures the canvas

    def state(self):
        return self.page.evaluate("document.querySelector('.hpn-lab').hpn.state()")

    def wait(self, condition):  # a condition on s, the state
        self.page.wait_for_function(
            f"(() => {{ const s = document.querySelector('.hpn-lab').hpn.state(); return {condition}; }})()"
        )

    def says(self, pattern):
        """Waits until the status line matches; returns the match."""
        try:
            self.page.wait_for_function(
                "(p) => new RegExp(p).test(document.querySelector('.hpn-lab [role=status]').textContent)",
                arg=pattern,
                timeout=20_000,
            )
        except Exception:
            pytest.fail(f"the status says {self.box.get_by_role('status').inner_text()!r}, not {pattern!r}")
        return re.search(pattern, self.box.get_by_role("status").inner_text())

    def tab_to(self, role, name):
        """Presses Tab until the control has the focus: what a keyboard cannot reach cannot be used."""
        target = self.box.get_by_role(role, name=name)
        for _ in range(40):
            if target.evaluate("(node) => node === document.activeElement"):
                return target
            self.page.keyboard.press("Tab")
        pytest.fail(f"no {role} called {name!r} can be reached with Tab")

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def pixel(self, point):
        """Where a point of the sphere is drawn on the page, and whether it is on the near side."""
        view, canvas = self.state()["view"], self.box.locator("canvas").bounding_box()
        x, y, depth = (sum(a * p for a, p in zip(axis, point, strict=True)) for axis in view["axes"])
        middle = view["width"] / 2
        return canvas["x"] + middle + view["radius"] * x, canvas["y"] + middle - view["radius"] * y, depth > 0.3


@pytest.fixture
def start(browser):
    """start(lab, width=..., color_scheme=..., reduced_motion=..., has_touch=...) opens a lab on a bare page."""
    contexts, opened = [], []

    def go(lab, width=900, height=800, **options):
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        opened.append(Opened(contexts[-1].new_page(), lab))
        return opened[-1]

    yield go
    errors = [error for page in opened for error in page.errors]
    for context in contexts:
        context.close()
    assert not errors, errors


NUMBER = r"(-?[\d.]+(?:e[-+]?\d+)?)"
THOMSON = (
    rf"12 points, s = 1: energy {NUMBER}, best known {NUMBER} \(gap {NUMBER}%\), smallest angle {NUMBER} degrees, "
)


def test_thomson_by_keyboard(start):
    lab = start(labs.thomson(12, seed=4))
    first = lab.state()
    said = lab.says(THOMSON + "paused")
    x = torch.tensor(first["points"], dtype=torch.float64)
    total, known = energy.riesz(x, 1, reduction="sum").item(), reference.thomson(12).value
    assert float(said[1]) == pytest.approx(total, abs=1e-6) and float(said[2]) == pytest.approx(known, abs=1e-6)
    assert float(said[3]) == pytest.approx(100 * (total / known - 1), abs=0.006)
    assert float(said[4]) == pytest.approx(math.degrees(sphere.separation(x).smallest_angle), abs=0.006)

    lab.tab_to("button", "Run")
    lab.press("Enter")
    said = lab.says(THOMSON + "settled")
    x = torch.tensor(lab.state()["points"], dtype=torch.float64)
    assert energy.riesz(x, 1, reduction="sum").item() == pytest.approx(known, rel=1e-9)
    assert float(said[1]) == pytest.approx(known, abs=1e-6) and said[3] == "0.00" and said[4] == "63.43"
    lab.press("Enter")  # the same button pauses
    lab.says("settled|paused")
    assert not lab.state()["running"]


def test_thomson_every_action_by_keyboard(start):
    lab = start(labs.thomson(10, seed=4))
    start_points = lab.state()["points"]
    lab.tab_to("application", re.compile("Sphere with 10 points"))
    view = lab.state()["view"]["axes"]
    lab.press("ArrowRight", "ArrowUp")  # nothing chosen: the arrows turn the sphere
    assert lab.state()["view"]["axes"] != view and lab.state()["points"] == start_points
    lab.press("n", "n")
    said = lab.says(rf"Point 2 chosen, latitude {NUMBER}, longitude {NUMBER} degrees")
    x, y, z = start_points[1]
    assert float(said[1]) == pytest.approx(math.degrees(math.asin(z)), abs=0.51)
    assert float(said[2]) == pytest.approx(math.degrees(math.atan2(y, x)), abs=0.51)
    for key, least, most in (("ArrowLeft", 0.01, 0.0901), ("Shift+ArrowUp", 0.002, 0.0201)):
        before = torch.tensor(lab.state()["points"], dtype=torch.float64)
        lab.press(key)
        moved = sphere.angle(before, torch.tensor(lab.state()["points"], dtype=torch.float64)) > 1e-9
        assert moved.tolist() == [i == 1 for i in range(10)]
        far = sphere.angle(before[1], torch.tensor(lab.state()["points"][1], dtype=torch.float64)).item()
        assert least < far <= most
    lab.press("p")
    lab.says("Point 1 chosen")
    lab.press("p")
    lab.says("Point 10 chosen")
    lab.press("a")
    lab.says("11 points.*Point 11 chosen")
    lab.press("Insert")
    lab.says("12 points")
    kept = lab.state()["points"]
    lab.press("n", "Delete")  # after the last comes the first
    lab.says("11 points")
    assert lab.state()["points"] == kept[1:] and lab.state()["selected"] == -1
    lab.press("n", "Escape")
    assert lab.state()["selected"] == -1
    lab.press(" ")
    lab.says("settled")
    lab.press(" ")
    assert lab.state()["running"] is False

    lab.tab_to("button", "Shuffle")
    lab.press("Enter")
    lab.says("11 points.*paused")
    shuffled = lab.state()
    lab.tab_to("button", "Add")
    lab.press("Enter")
    lab.says("12 points")
    lab.tab_to("button", "Remove")
    lab.press("Enter")
    lab.says("11 points")
    assert lab.state()["points"] == shuffled["points"]
    lab.tab_to("slider", "Number of points n")
    lab.press("ArrowRight", "ArrowRight")
    lab.says("13 points")
    assert lab.state()["points"][:11] == shuffled["points"]
    lab.tab_to("combobox", re.compile("exponent s"))
    lab.press("ArrowDown", "ArrowDown")
    lab.says("13 points, s = 4: .* no published value")
    x = torch.tensor(lab.state()["points"], dtype=torch.float64)
    assert lab.state()["energy"] == pytest.approx(energy.riesz(x, 4, reduction="sum").item(), rel=1e-9)
    lab.tab_to("checkbox", "Neighbours")
    lab.press(" ")
    degrees = torch.tensor(plots.neighbours(x)).flatten().bincount(minlength=13)
    counts = ", ".join(f"{(degrees == d).sum()} with {d}" for d in degrees.unique().tolist())
    lab.says(f"Neighbours: {counts}\\.")
    lab.page.keyboard.press("Shift+Tab")  # back over the controls: Step lies before Shuffle
    for _ in range(10):
        if lab.box.get_by_role("button", name="Step").evaluate("(node) => node === document.activeElement"):
            break
        lab.page.keyboard.press("Shift+Tab")
    before = lab.state()["energy"]
    lab.press("Enter")
    assert lab.state()["energy"] < before


def test_thomson_ends_of_the_slider(start):
    lab = start(labs.thomson(3))
    lab.tab_to("button", "Remove")
    lab.press("Enter")
    lab.says("2 points")
    assert lab.box.get_by_role("button", name="Remove").is_disabled()
    lab.tab_to("slider", "Number of points n")
    lab.press("End")
    lab.says("64 points")
    assert lab.box.get_by_role("button", name="Add").is_disabled()
    lab.press("Home")
    lab.says("2 points")


def test_thomson_by_mouse(start):
    lab = start(labs.thomson(8, seed=2))
    before = lab.state()["points"]
    i, (x, y, _) = next((i, lab.pixel(p)) for i, p in enumerate(before) if lab.pixel(p)[2])
    box = lab.box.locator("canvas").bounding_box()
    to = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    lab.page.mouse.move(x, y)
    lab.page.mouse.down()
    lab.page.mouse.move((x + to[0]) / 2, (y + to[1]) / 2)
    lab.page.mouse.move(*to)
    lab.page.mouse.up()
    after = lab.state()
    assert [p != q for p, q in zip(before, after["points"], strict=True)] == [j == i for j in range(8)]
    towards = after["view"]["axes"][2]  # the middle of the picture
    assert sum(a * b for a, b in zip(after["points"][i], towards, strict=True)) == pytest.approx(1, abs=1e-3)
    lab.press("Escape")
    lab.page.mouse.move(box["x"] + 12, box["y"] + 12)  # beside the ball: turn
    lab.page.mouse.down()
    lab.page.mouse.move(box["x"] + 90, box["y"] + 12, steps=3)
    lab.page.mouse.up()
    turned = lab.state()
    assert turned["points"] == after["points"] and turned["view"]["axes"] != after["view"]["axes"]
    assert lab.page.evaluate("scrollY") == 0
    lab.page.mouse.wheel(0, 300)  # the wheel is the page's
    lab.page.wait_for_function("scrollY > 100")


def test_thomson_by_touch(start):
    lab = start(labs.thomson(8, seed=2), width=390, has_touch=True, is_mobile=True)
    touch = lab.page.context.new_cdp_session(lab.page)

    def drag(x, y, dx, dy, steps=6):
        send = lambda kind, at: touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})  # noqa: E731
        send("touchStart", [{"x": x, "y": y}])
        for k in range(1, steps + 1):
            send("touchMove", [{"x": x + dx * k / steps, "y": y + dy * k / steps}])
        send("touchEnd", [])

    before = lab.state()["points"]
    i, (x, y, _) = next((i, lab.pixel(p)) for i, p in enumerate(before) if lab.pixel(p)[2])
    box = lab.box.locator("canvas").bounding_box()
    dx, dy = 0.8 * (box["x"] + box["width"] / 2 - x), 0.8 * (box["y"] + box["width"] / 2 - y)  # towards the middle
    drag(x, y, dx, dy)
    lab.page.wait_for_timeout(300)  # the browser hands over touches a frame later
    after = lab.state()
    assert [p != q for p, q in zip(before, after["points"], strict=True)] == [j == i for j in range(8)]
    drawn = lab.pixel(after["points"][i])
    assert drawn[:2] == pytest.approx((x + dx, y + dy), abs=2), "the point is where the finger left it"
    assert lab.page.evaluate("scrollY") == 0, "the page stays while a point is pulled"

    empty = next(
        (px, py)
        for px, py in itertools.product(range(80, 300, 20), repeat=2)
        if all(math.hypot(px + box["x"] - q[0], py + box["y"] - q[1]) > 45 for q in map(lab.pixel, after["points"]))
    )
    lab.page.touchscreen.tap(box["x"] + empty[0], box["y"] + empty[1])
    lab.wait("s.n === 9")
    new = lab.pixel(lab.state()["points"][8])
    assert new[:2] == pytest.approx((box["x"] + empty[0], box["y"] + empty[1]), abs=2)
    drag(box["x"] + 10, box["y"] + 300, 0, -250)  # a swipe over the picture scrolls the page
    lab.page.wait_for_function("scrollY > 50")


def test_hello_by_keyboard(start):
    lab = start(labs.hello(12))
    said = lab.says(rf"12 points, the closest two {NUMBER} degrees apart, at rest")
    x = torch.tensor(lab.state()["points"], dtype=torch.float64)
    assert float(said[1]) == pytest.approx(math.degrees(sphere.separation(x).smallest_angle), abs=0.06)
    assert energy.riesz(x, 1, reduction="sum").item() == pytest.approx(reference.thomson(12).value, rel=1e-6)
    lab.tab_to("application", re.compile("Sphere"))
    lab.press("n", "ArrowLeft", "ArrowLeft")
    lab.wait("s.settled")
    assert lab.state()["selected"] == 0
    lab.tab_to("slider", "Number of points")
    lab.press("ArrowRight")
    lab.says("13 points.*at rest")
    lab.tab_to("button", "Pause")
    lab.press("Enter")
    assert lab.state()["running"] is False
    view = lab.state()["view"]["axes"]
    lab.page.wait_for_timeout(300)
    assert lab.state()["view"]["axes"] == view, "Pause stops the slow turn too"


@pytest.mark.parametrize("name", ("hello", "thomson"))
def test_reduced_motion(start, name):
    """Nothing moves by itself; asked to start, a lab shows the result at once instead of a film."""
    lab = start(labs.hello(12) if name == "hello" else labs.thomson(12, seed=4, run=True), reduced_motion="reduce")
    before = lab.state()
    lab.page.wait_for_timeout(500)
    assert lab.state() == before
    lab.says("paused")
    if name == "thomson":
        listen(lab, ".hpn-tile b")  # the energy
    lab.tab_to("button", "Start" if name == "hello" else "Run")
    lab.press("Enter")
    lab.wait("s.settled")
    if name == "thomson":
        assert len(lab.page.evaluate("said")) <= 2, "the energy should jump to its end, not run down"
    assert lab.state()["view"] == before["view"], "the sphere does not turn by itself"


def test_directions_by_keyboard(start):
    lab = start(labs.directions(x=(1.5, 20), y=(0.8, 75)))
    pattern = (
        rf"x has length {NUMBER} at {NUMBER} degrees, y has length {NUMBER} at {NUMBER} degrees. "
        rf"Dot product {NUMBER}, cosine {NUMBER}, angle {NUMBER} degrees. "
        rf"Distance of the tips {NUMBER}, of the directions {NUMBER}; its square {NUMBER} is 2 - 2 times the cosine"
    )

    def check():
        said = [float(v) for v in lab.says(pattern).groups()]
        x, y = (torch.tensor(lab.state()[v], dtype=torch.float64) for v in "xy")
        polar = [x.norm(), torch.atan2(x[1], x[0]).rad2deg(), y.norm(), torch.atan2(y[1], y[0]).rad2deg()]
        numbers = [x @ y, sphere.cosine(x, y), sphere.angle(x, y).rad2deg(), (x - y).norm(), sphere.chord(x, y)]
        close(said, torch.stack([*polar, *numbers, sphere.chord(x, y) ** 2]), rtol=0, atol=0.051)
        close(
            [*said[4:6], *said[7:]], torch.stack([*numbers[:2], *numbers[3:], 2 - 2 * numbers[1]]), rtol=0, atol=5.1e-5
        )
        return said

    first = check()
    lab.tab_to("slider", "Length of x")
    lab.press("ArrowRight", "ArrowRight", "ArrowRight")
    lab.says("length 1.56 at")
    longer = check()
    assert longer[5:7] == first[5:7] and longer[4] > first[4]
    lab.says(f"the dot product went from {first[4]:.4f} to {longer[4]:.4f}, the cosine stayed")
    lab.tab_to("slider", "Direction of y")
    lab.press("ArrowLeft")
    lab.says("at 74 degrees")
    assert check()[5] > first[5]
    lab.tab_to("button", "Normalise both")
    lab.press("Enter")
    lab.says("the dot product is the cosine")
    both = check()
    assert both[4] == both[5] and both[7] == both[8]


def test_directions_by_mouse(start):
    lab = start(labs.directions(x=(1.0, 0), y=(1.0, 90)))
    box = lab.box.locator("canvas").bounding_box()
    unit, middle = box["width"] / 2 / 2.15, (box["x"] + box["width"] / 2, box["y"] + box["width"] / 2)
    lab.page.mouse.move(middle[0] + unit, middle[1])
    lab.page.mouse.down()
    lab.page.mouse.move(middle[0], middle[1] + 1.5 * unit, steps=5)
    lab.page.mouse.up()
    state = lab.state()
    close(state["x"], [0.0, -1.5], rtol=0, atol=0.03)
    close(state["y"], [0.0, 1.0], rtol=0, atol=1e-12)
    assert state["cosine"] == pytest.approx(-1, abs=1e-3)


def test_room_by_keyboard(start):
    lab = start(labs.room(3, 8, angle=60, seed=5))
    pattern = (
        rf"D = (\d+), K = (\d+): (\d+) pairs, spread of the cosines {NUMBER} where 1 over root D is {NUMBER}. "
        rf"Largest cosine in absolute value {NUMBER}; half of all draws exceed about {NUMBER}. "
        rf"A cap of (\d+) degrees holds {NUMBER}(%?) of the sphere"
    )

    def check(d, k, theta):
        said = lab.says(
            pattern.replace(r"(\d+)", str(d), 1)
            .replace(r"(\d+)", str(k), 1)
            .replace(r"cap of (\d+)", f"cap of {theta}")
        )
        pairs, spread, one, largest, half, cap, percent = said.groups()
        state = lab.state()
        x = torch.tensor(state["points"], dtype=torch.float64)
        assert x.shape == (k, d) and int(pairs) == k * (k - 1) // 2
        t = sphere.cosines(x)[*torch.triu_indices(k, k, 1)]
        close(
            [float(spread), float(one), float(largest)],
            [t.square().mean().sqrt(), d**-0.5, t.abs().max()],
            rtol=0,
            atol=5.1e-5,
        )
        inside = 1 - 2 * sphere.cap_fraction(torch.tensor(state["expected"], dtype=torch.float64), d).item()
        assert inside ** int(pairs) == pytest.approx(0.5, rel=1e-6) and float(half) == pytest.approx(
            state["expected"], abs=5.1e-5
        )
        share = sphere.cap_fraction(torch.tensor(math.cos(math.radians(theta)), dtype=torch.float64), d).item()
        assert float(cap) * (0.01 if percent else 1) == pytest.approx(share, rel=0.006)
        assert state["density_at_0"] == pytest.approx(
            sphere.inner_density(torch.zeros(1, dtype=torch.float64), d).item(), rel=1e-9
        )
        return state["points"]

    check(3, 8, 60)  # a quarter of the sphere, says Archimedes
    lab.says("holds 25.0% of the sphere")
    lab.tab_to("slider", "Dimension D")
    lab.press("ArrowRight", "ArrowRight")
    check(5, 8, 60)
    lab.press("End")
    check(1000, 8, 60)
    lab.press("PageDown", "PageDown", "PageDown", "PageDown")
    d = lab.state()["d"]
    lab.tab_to("slider", "Number of random directions K")
    lab.press("ArrowRight")
    check(d, 10, 60)
    lab.tab_to("slider", "Angle of the cap")
    lab.press("ArrowRight")
    first = check(d, 10, 61)
    lab.tab_to("button", "New draw")
    lab.press("Enter")
    lab.wait("s.seed === 6")
    lab.page.wait_for_timeout(400)
    assert check(d, 10, 61) != first
    picture = lab.box.locator("canvas").screenshot()
    lab.tab_to("checkbox", re.compile("Zoom"))
    lab.press(" ")
    lab.wait("s.zoom")
    lab.page.wait_for_timeout(100)
    assert lab.box.locator("canvas").screenshot() != picture


@pytest.mark.parametrize("name", LABS)
def test_a_narrow_phone_shows_everything(start, name):
    lab = start(LABS[name](), width=340, has_touch=True)
    assert lab.page.evaluate("document.documentElement.scrollWidth") <= 340
    outside = """() => [...document.querySelectorAll('.hpn-lab *')].filter((n) => { const r = n.getBoundingClientRect();
        return r.width && (r.right > 340 || r.left < 0); }).map((n) => n.outerHTML.slice(0, 80))"""
    assert lab.page.evaluate(outside) == []
    small = """() => [...document.querySelectorAll('.hpn-lab button, .hpn-lab select, .hpn-lab input')].filter((n) =>
        (n.closest('label') ?? n).getBoundingClientRect().height < 24).map((n) => n.outerHTML.slice(0, 80))"""
    assert lab.page.evaluate(small) == [], "too small for a finger"


def luminance(colour: str) -> float:
    channels = [int(c) / 255 for c in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", LABS)
def test_text_can_be_read_in_light_and_dark(start, name):
    lab = start(LABS[name](), color_scheme="dark", reduced_motion="reduce")
    colours = """() => {
        const style = (node) => getComputedStyle(node), paper = document.querySelector('.hpn-lab');
        const clear = (node) => style(node).backgroundColor === 'rgba(0, 0, 0, 0)';
        const ground = (node) => style(clear(node) ? paper : node).backgroundColor;
        const texts = document.querySelectorAll('.hpn-lab :is(p, span, b, button, select, label, kbd)');
        return [...texts].map((node) => [node.outerHTML.slice(0, 80), style(node).color, ground(node)]);
    }"""
    papers = []
    for mode, switch in (("dark", ""), ("light", "data-theme"), ("dark", "data-theme")):
        if switch:  # the book's own switch wins over the system's
            lab.page.evaluate("(mode) => { document.documentElement.dataset.theme = mode; }", mode)
        lab.page.wait_for_function("(mode) => document.querySelector('.hpn-lab').dataset.mode === mode", arg=mode)
        papers.append(luminance(lab.box.evaluate("(n) => getComputedStyle(n).backgroundColor")))
        for text, ink, paper in lab.page.evaluate(colours):
            low, high = sorted((luminance(ink), luminance(paper)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (mode, text, ink, paper)
    assert papers[0] < 0.1 < 0.8 < papers[1] and papers[2] == papers[0]


def test_the_picture_follows_the_theme(start):
    lab = start(labs.thomson(12), reduced_motion="reduce")
    light = lab.box.locator("canvas").screenshot()
    lab.page.evaluate("document.documentElement.dataset.theme = 'dark'")
    lab.page.wait_for_timeout(200)
    assert lab.box.locator("canvas").screenshot() != light


def test_the_same_lab_twice_on_a_page(browser):
    page = browser.new_page()
    text = labs.directions()._repr_mimebundle_()["text/html"]
    page.set_content(text + text)
    page.wait_for_function("[...document.querySelectorAll('.hpn-lab')].filter((n) => n.hpn).length === 2")
    assert page.locator(".hpn-lab canvas").count() == 2
    page.close()


def test_a_script_that_fails_says_so(browser, monkeypatch):
    source = labs._source
    monkeypatch.setattr(
        labs,
        "_source",
        lambda f: "export function mount() { throw new Error('broken on purpose'); }" if f == "room.js" else source(f),
    )
    page = browser.new_page()
    page.set_content(labs.room()._repr_mimebundle_()["text/html"])
    page.get_by_role("alert").wait_for()
    assert (
        "could not start" in page.get_by_role("alert").inner_text()
        and "broken on purpose" in page.get_by_role("alert").inner_text()
    )
    assert labs.room().text in page.get_by_role("alert").inner_text(), "it says what one would have seen"
    page.close()


def test_without_scripts_a_text_stands_in(browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_content(labs.room()._repr_mimebundle_()["text/html"])
    assert labs.room().text in page.locator(".hpn-lab").inner_text()
    context.close()


def listen(lab, selector):
    """Collects in `said` every text that the element has from now on."""
    lab.page.evaluate(
        """(selector) => {
            window.hear?.disconnect();
            window.said = [];
            const node = document.querySelector(selector);
            window.hear = new MutationObserver(() => said.push(node.textContent));
            hear.observe(node, { childList: true, characterData: true, subtree: true });
        }""",
        selector,
    )


def test_a_status_line_does_not_flood(start):
    """A screen reader reads every change aloud: it hears the start and the end of a flow, and where a slider rests."""
    lab = start(labs.thomson(40, seed=3))
    lab.says("paused")
    listen(lab, "[role=status]")
    lab.tab_to("button", "Run")
    lab.press("Enter")
    lab.says("settled")
    said = lab.page.evaluate("said")
    assert len(said) <= 3 and "settled" in said[-1] and "settled" not in "".join(said[:-1])
    lab.press("Enter")
    lab.says("settled")
    slider = lab.box.get_by_role("slider", name="Number of points n")
    listen(lab, "[role=status]")
    slider.evaluate(
        "(node) => { for (let n = 41; n < 61; n++) { node.value = n; node.dispatchEvent(new Event('input')); } }"
    )
    lab.says("60 points")
    assert len(lab.page.evaluate("said")) == 1


# ---------------------------------------------------------------- questions, and the lab of chapter 1 on real pictures
def test_a_question_answers(start):
    page = start(labs.question("Which?", ["long", "near", "blue"], 1, "Lengths cancel."))
    page.tab_to("radio", "long")
    page.press("Space")
    page.says("^Not quite. Think again")
    assert page.state() == {"right": False, "tries": 1}
    page.press("ArrowDown")
    page.says("^Yes. Lengths cancel.$")
    page.press("ArrowDown")  # a second wrong try is told why
    page.says("^Not quite. Lengths cancel.$")


@pytest.mark.parametrize(
    ("answer", "digits", "right", "wrong"),
    [
        (1 / 6, 3, ["1/6", "0.167", "0,167", ".166", "+1.67e-1"], ["0.17", "-0.167", "0.164"]),
        (-2.5, 1, ["-2.5", "\u22122.5", "-5/2"], ["2.5", "-2.8"]),
        (120, 0, ["120", "120.0", "1.2e2"], ["12", "118"]),
    ],
)
def test_a_number_is_checked_without_standing_in_the_page(start, answer, digits, right, wrong):
    lab = labs.number("How much?", answer, digits=digits, hint="Divide.")
    assert str(round(answer, digits)) not in labs._json(lab.options)
    page = start(lab)
    field = page.tab_to("textbox", "How much?")
    for text in right:
        field.fill(text)
        page.press("Enter")
        page.says("^Yes, that is right.$")
        field.fill("?")
        page.press("Enter")
        page.says("^Type a number")
    for text in wrong:
        field.fill(text)
        page.tab_to("button", "Check")
        page.press("Enter")
        page.says("^Not yet. Divide.$")
        assert page.state()["right"] is False


def test_the_hash_is_fnv_1a():  # values of the reference implementation, draft-eastlake-fnv
    assert [labs._fnv(text) for text in ("", "a", "foobar")] == [0x811C9DC5, 0xE40C292C, 0xBF9CF968]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: labs.question("", ["a", "b"], 0, "w"), "text"),
        (lambda: labs.question("p", ["a"], 0, "w"), "two different"),
        (lambda: labs.question("p", ["a", "a"], 0, "w"), "two different"),
        (lambda: labs.question("p", ["a", "b"], 2, "w"), "got 2"),
        (lambda: labs.number("p", math.nan), "finite"),
        (lambda: labs.number("p", 1, digits=10), "at most 9"),
        (lambda: labs.lights(torch.eye(4), [0, 1, 2, 4], torch.eye(4)), "index of its class"),
        (lambda: labs.lights(torch.eye(3), [0, 1, 2], torch.eye(3)), "square"),
        (lambda: labs.lights(torch.ones(1, 4), [0], torch.eye(4)), "every pixel"),
    ],
)
def test_bad_questions_and_pictures_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_lights_agree_with_the_module(start):
    dice = torch.Generator().manual_seed(0)
    pictures, means = (16 * torch.rand(n, 64, generator=dice, dtype=torch.float64) for n in (3, 5))
    page = start(labs.lights(pictures, [0, 3, 4], means))
    page.tab_to("combobox", "Picture").select_option("1")
    page.tab_to("slider", "Brightness")
    page.press(*["ArrowLeft"] * 5)
    page.tab_to("slider", "Added to every pixel")
    page.press("ArrowRight", "ArrowRight")
    page.tab_to("checkbox", "Take off the mean pixel first")
    page.press("Space")
    page.wait("s.centred")
    now = page.state()
    assert (now["picture"], now["label"], now["offset"]) == (1, 3, 2) and now["brightness"] == 2**-1.25
    x = pictures[1] * now["brightness"] + 2
    x, rounded = x - x.mean(), (means * 100).round() / 100
    points_ = rounded - rounded.mean(dim=1, keepdim=True)
    close(now["cosines"], sphere.cosines(x[None], points_)[0])
    close(now["distances"], torch.linalg.vector_norm(x - points_, dim=1))
    found = page.says(rf"mean pixel taken off. Smallest distance {NUMBER}: (\d).*Largest cosine {NUMBER}: (\d)")
    assert int(found[2]) == torch.linalg.vector_norm(x - points_, dim=1).argmin()
    assert int(found[4]) == sphere.cosines(x[None], points_)[0].argmax()
    assert float(found[3]) == pytest.approx(sphere.cosines(x[None], points_).max().item(), abs=6e-5)
