"""The examination: every number of the solutions is computed again here, points add up, and none of it is on a page."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import pytest
import torch
from scipy import integrate, optimize

from hpn_lite import bounds, data, energy, heads, losses, mhe, points, semantics, sphere

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "teach" / "exam"
rows = lambda *values: torch.tensor(values, dtype=torch.float64)  # noqa: E731


def gradient(loss, z):
    """Minus the force: autograd's gradient of a scalar function at z."""
    z = z.clone().requires_grad_()
    return torch.autograd.grad(loss(z), z)[0]


def at(degrees):
    """Unit vectors of the plane, one a row."""
    angle = torch.as_tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angle.cos(), angle.sin()], -1)


def degrees(x, y):
    return math.degrees(sphere.angle(x, y))


def q1(chord=0.6):
    angle = optimize.brentq(lambda a: 2 * math.sin(a / 2) - chord, 0, math.pi)
    return {"0.82": math.cos(angle), "34.92": math.degrees(angle)}


def q2(length=4.0, angle=60.0):
    p, label = at([0.0]), torch.tensor([0])

    def turn(angle, length):
        z = length * at([angle])
        return gradient(lambda z: losses.squared_cosine(z, p, label), z).norm().item()

    best = optimize.minimize_scalar(lambda a: -turn(a, 1.0), bounds=(1, 179), method="bounded")
    return {"0.2165": turn(angle, length), "120": best.x, "2.598": -best.fun}


def q3(d=100, t=0.45, classes=100):
    density = lambda u: sphere.inner_density(rows(u), d).item()  # noqa: E731
    bound = 0.5 * (1 - t**2) ** ((d - 1) / 2)
    assert sphere.cap_fraction(rows(t), d).item() < bound  # the truth is below it
    pairs = len(list(itertools.combinations(range(classes), 2)))
    variance = integrate.quad(lambda u: u**2 * density(u), -1, 1, points=[-0.5, 0, 0.5])[0]
    return {"0.1": math.sqrt(variance), "6.8e-6": bound, "4950": pairs, "0.034": pairs * bound}


def q4(d=3):
    corner, axis = torch.ones(d, dtype=torch.float64) / d**0.5, torch.eye(d, dtype=torch.float64)[0]
    reach = lambda u: 1 / u.abs().max().item()  # noqa: E731  distance to the surface of the cube
    volume = lambda u: integrate.quad(lambda r: r ** (d - 1), 0, reach(u))[0]  # noqa: E731
    return {"5.196": volume(corner) / volume(axis)}


def q5():
    x = points.cross_polytope(6, 3)
    one, two, zero = (energy.riesz(x, s, reduction="sum").item() for s in (1, 2, 0))
    return {"9.985": one, "6.75": two, "-6.238": zero}


def q6(n=42):
    from scipy.spatial import ConvexHull

    hull = ConvexHull(points.thomson(n, starts=4).numpy())
    edges = {tuple(sorted(e)) for f in hull.simplices for e in itertools.combinations(f, 2)}
    degree = [sum(i in e for e in edges) for i in range(n)]
    assert set(degree) == {5, 6}
    return {"120": len(edges), "12": degree.count(5)}


def q7():
    cosine = bounds.largest_cosine_bound(5, 3).value
    return {"0": cosine, "90": math.degrees(math.acos(cosine))}


def q8(near=0.2):
    mean = lambda s, end=2.0: integrate.quad(lambda r: r**-s * r / 2, 0, end)[0]  # noqa: E731
    return {"1": mean(1), "1.414": mean(1.5), "0.316": mean(1.5, near) / mean(1.5)}


def q9(k=46):
    least = min(d for d in range(2, k + 1) if bounds.largest_cosine_bound(k, d).value <= 0)
    assert energy.largest_cosine(points.cross_polytope(k, least)).item() == 0  # what the bound allows is there
    simplex = points.simplex(k)
    return {"45": simplex.shape[1], "-0.0222": energy.largest_cosine(simplex).item(), "23": least}


def q10(fitness=(0.1, 0.2, 0.3, 0.4)):
    f = rows(*fitness)
    drawn = f[torch.multinomial(f, 400_000, replacement=True, generator=torch.Generator().manual_seed(0))]
    expected = (f * f / f.sum()).sum()
    assert drawn.mean().item() == pytest.approx(expected.item(), abs=0.001)
    return {"0.25": f.mean().item(), "0.3": expected.item(), "0.05": (f.var(correction=0) / f.mean()).item()}


def q11():
    found = {}
    for k, text in ((10, "0.0375"), (100, "3.06e-5")):
        w = [sphere.uniform(k, 20, seed=seed) for seed in range(60)]
        typical = torch.stack([semantics.rank_distance(a, b) for a, b in itertools.pairwise(w)]).double().mean().item()
        exact = k * sum(abs(i - j) for i in range(k - 1) for j in range(k - 1)) / (k - 1)
        assert typical == pytest.approx(exact, rel=0.03)  # random sets do what the formula says
        found[text] = 10 / exact
    return found


def q12():
    found = {}
    for x, text in ((points.circle(10), "0.0024"), (points.simplex(10), "0.1111")):
        half = sphere.separation(x).smallest_angle.item() / 2
        found[text] = (1 - math.cos(half)) ** 2
        toward = sphere.geodesic(x[0], x[sphere.cosines(x)[0].argsort()[-2]], 0.499)  # just inside the half
        assert losses.nearest_prototype(toward[None], x).item() == 0
        assert losses.squared_cosine(toward[None], x, torch.tensor([0])).item() < found[text]
    return found


def q13(low=1500.0, high=1900.0, year=1800.0):
    z, pole = rows([3.0, 4.0]), rows(0.0, 1.0)
    target = losses.to_cosine(rows(year), low, high)
    loss = lambda z: losses.squared_difference(z, target, pole)  # noqa: E731
    read = losses.from_cosine(sphere.cosine(z, pole), low, high).item()
    assert gradient(loss, rows([0.0, 2.0])).norm() < 1e-12 and loss(rows([0.0, 2.0])) > 0
    return {"0.5": target.item(), "1860": read, "0.09": loss(z).item(), "0.072": gradient(loss, z).norm().item()}


def q14():
    def read(value):
        r = value / 90 - 1
        loss = lambda v: (1 - math.cos(v)) ** 2 + (math.sin(v) - r) ** 2  # noqa: E731
        best = optimize.minimize_scalar(loss, bounds=(-1.5, 1.5), method="bounded", options={"xatol": 1e-10}).x
        assert (math.tan(best) + 1) * 90 == pytest.approx(value, abs=1e-4)  # the tangent undoes it
        return (math.sin(best) + 1) * 90

    return {"130.2": read(135), "153.6": read(180)}


def q15():
    opposite, square = at([0.0, 180.0]), at([0.0, 90.0])
    assert energy.riesz(opposite, 2, half_space=True).item() > 1e6
    half = energy.riesz(square, 2, half_space=True).item()
    return {"0.25": energy.riesz(opposite, 2).item(), "0.5": energy.riesz(square, 2).item(), "0.4167": half}


def q16():
    twice = torch.eye(3, dtype=torch.float64).repeat(2, 1)
    value = mhe.orthonormality(twice).item()
    least = min(mhe.orthonormality(sphere.uniform(6, 3, seed=seed)).item() for seed in range(200))
    assert least > value - 1e-9
    return {"2.449": value}


def q17(rate=0.1, slope=3.0):
    w = rows(1.0, 0.0)
    after = w - rate * rows(0.0, slope)
    return {"1.044": after.norm().item(), "16.7": degrees(w, after)}


def q18():
    def share(own, all_=1000, classes=10):
        y = torch.cat([torch.zeros(own), torch.arange(1, classes).repeat(all_)[: all_ - own]]).long()
        z = sphere.uniform(all_, 3, seed=0)
        w = torch.zeros(classes, 3, dtype=torch.float64)  # all scores equal

        def force(k):  # on class 0, of the k-th example alone
            return gradient(lambda w: torch.nn.functional.cross_entropy((w @ z[k])[None], y[k, None]), w)[0].norm()

        lengths = torch.stack([force(k) for k in range(all_)])
        return 100 * (lengths[y == 0].sum() / lengths.sum()).item()

    return {"4.3": share(5), "50": share(100)}


def q19():
    angle = torch.linspace(0, 60, 60_001, dtype=torch.float64).deg2rad()
    psi = lambda a: heads.angular_margin(a.cos(), 2)  # noqa: E731
    other = math.radians(60) - angle
    neither = (psi(angle) < other.cos()) & (psi(other) < angle.cos())
    return {"-1.060": psi(rows(100.0).deg2rad()).item(), "20": 60 * neither.double().mean().item()}


def q20():
    def force(angles):
        loss = lambda z: torch.nn.functional.cross_entropy((at(angles) @ z)[None], torch.tensor([0]))  # noqa: E731
        return -gradient(loss, rows(2.0, 0.0))

    even, crowded = force([0.0, 120.0, 240.0]), force([0.0, 30.0, 180.0])
    assert degrees(even, rows(1.0, 0.0)) == pytest.approx(0, abs=1e-6)
    first = torch.softmax(at([0.0, 120.0, 240.0]) @ rows(2.0, 0.0), 0)[0].item()
    return {"0.909": first, "0.136": even.norm().item(), "70.0": degrees(crowded, rows(1.0, 0.0))}


def q21():
    score = [[0.9, 0.8, 0.1], [0.8, 0.1, 0.2], [0.2, 0.3, 0.4]]
    best = max(itertools.permutations(range(3)), key=lambda p: sum(score[i][p[i]] for i in range(3)))
    assert best == (1, 0, 2)
    left, greedy = {(i, j) for i in range(3) for j in range(3)}, 0.0
    while left:
        i, j = max(left, key=lambda ij: score[ij[0]][ij[1]])
        greedy += score[i][j]
        left = {(a, b) for a, b in left if a != i and b != j}
    return {"2.0": sum(score[i][best[i]] for i in range(3)), "1.4": greedy}


def q22():
    images = data.Images(torch.zeros(50_000, 1, 1, 1, dtype=torch.uint8), torch.arange(100).repeat(500))
    count = torch.bincount(data.long_tailed(images, 0.01).labels).tolist()
    exact = [500 * 0.01 ** (k / 99) for k in range(100)]
    assert all(0 <= e - c < 1 + 1e-9 for e, c in zip(exact, count, strict=True))  # the library rounds down
    integral = integrate.quad(lambda k: 500 * 0.01 ** (k / 99), 0, 99)[0]
    return {"5": count[-1], "49": exact[50], "10641": integral, "10896": sum(exact), "100": count[0] / count[-1]}


ANSWERS = [q1, q2, q3, q4, q5, q6, q7, q8, q9, q10, q11, q12, q13, q14, q15, q16, q17, q18, q19, q20, q21, q22]


def parts(file: str) -> dict[str, str]:
    """The text of each question or solution, by its name."""
    blocks = re.split(r"^### ", (FOLDER / file).read_text(encoding="utf-8"), flags=re.M)[1:]
    return {block.split()[0]: block for block in blocks}


def agrees(text: str, value: float) -> bool:
    """Whether a number, rounded as it is written, is the value."""
    mantissa, _, exponent = text.partition("e")
    digits = len(mantissa.partition(".")[2])
    return abs(float(text) - value) <= 0.5001 * 10 ** (int(exponent or 0) - digits)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda f: f.__name__)
def test_numbers_of_the_solutions(answer):
    solution = parts("solutions.md")[answer.__name__.upper()]
    computed = answer()
    assert set(re.findall(r"\*\*([^*]+)\*\*", solution)) == set(computed), "numbers in bold, and those computed here"
    for text, value in computed.items():
        assert agrees(text, value), f"the solution says {text}, computed is {value}"


def test_rounding():
    assert agrees("0.82", 0.8249) and not agrees("0.82", 0.8251) and agrees("6.8e-6", 6.83e-6)
    assert not agrees("6.8e-6", 6.9e-6) and agrees("12", 12.4) and not agrees("-6.238", 6.238)


def test_points_add_up():
    questions, solutions = parts("questions.md"), parts("solutions.md")
    assert list(questions) == list(solutions) == [f"Q{i}" for i in range(1, len(ANSWERS) + 1)]
    worth = {name: int(re.search(r", (\d+) points\)", text)[1]) for name, text in questions.items()}
    for name, text in solutions.items():
        bare = re.sub(r"\$[^$]*\$", "", text)
        assert sum(map(int, re.findall(r"\((\d)\)", bare))) == worth[name], f"the steps of {name}"
    papers = re.findall(r"^- \*\*Paper \w\*\*[^:]*: (.*)$", (FOLDER / "questions.md").read_text(), flags=re.M)
    assert len(papers) == 2 and not set(papers[0].split(", ")) & set(papers[1].split(", "))
    for paper in papers:
        assert sum(worth[name] for name in paper.split(", ")) == 60


def test_the_examination_is_no_page(site):
    """No stretch of eight words from the solutions stands on any page; one from the guide does, so the search works."""

    def words(text):
        return " ".join(re.findall(r"[a-z]+", re.sub(r"<[^>]+>", " ", text).lower()))

    def stretches(text):
        found = [words(part).split() for part in re.split(r"\$[^$]*\$|[(),.:;*]", text)]
        return {" ".join(part[:8]) for part in found if len(part) >= 8}

    pages = [words(page.read_text(encoding="utf-8")) for page in site.rglob("*.html")]
    secret = stretches((FOLDER / "solutions.md").read_text(encoding="utf-8"))
    known = stretches((ROOT / "book" / "instructors.md").read_text(encoding="utf-8"))
    on_pages = lambda stretch: any(stretch in page for page in pages)  # noqa: E731
    assert len(secret) > 15 and not [s for s in secret if on_pages(s)]
    assert sum(map(on_pages, known)) > 20
