"""The figures' helpers: intervals against printed tables, drawings against the positions they must show."""

import itertools
import math
import subprocess
import sys
import types

import pytest
import torch

from hpn_lite import plots, points, records, sphere

pytest.importorskip("matplotlib").use("agg")
import matplotlib as mpl  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


# Printed tables of Student's distribution (Fisher and Yates 1963 to 3 digits; more digits from NIST's handbook).
@pytest.mark.parametrize(
    ("level", "freedom", "t"),
    [(0.95, 1, 12.706205), (0.95, 2, 4.302653), (0.95, 4, 2.776445), (0.95, 9, 2.262157), (0.95, 30, 2.042272),
     (0.95, 120, 1.979930), (0.99, 5, 4.032143), (0.90, 10, 1.812461), (0.5, 1, 1.0)],
)  # fmt: skip
def test_student_quantiles(level, freedom, t):
    assert records.student_quantile(level, freedom) == pytest.approx(t, abs=6e-7)


def test_mean_ci_holds_its_promise():
    """Of 4,000 samples of size 4, 95% must hold the true mean; the binomial deviation is 0.34%."""
    draws = torch.randn(4000, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3 + 7
    inside = sum(abs(mean - 7) <= half for mean, half in map(plots.mean_ci, draws)) / 4000
    assert abs(inside - 0.95) < 4 * 0.0034


def test_mean_ci_by_hand():
    mean, half = plots.mean_ci([1.0, 2.0, 3.0])
    assert mean == 2 and half == pytest.approx(4.302653 / math.sqrt(3), abs=1e-6)


@pytest.mark.parametrize(("values", "level"), [([1.0], 0.95), ([], 0.95), ([1.0, 2.0], 1.0), ([1.0, 2.0], 0)])
def test_mean_ci_refuses(values, level):
    with pytest.raises(ValueError, match="2 runs|level"):
        plots.mean_ci(values, level)


def drawn(ax):
    """The drawn markers, in drawing order: x, y, opacity, size."""
    (marks,) = ax.collections
    return [
        (x, y, a, s) for (x, y), a, s in zip(marks.get_offsets(), marks.get_alpha(), marks.get_sizes(), strict=True)
    ]


def test_sphere_3d_shows_points_where_they_are():
    x = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0]])
    marks = drawn(plots.sphere_3d(x, azimuth=0, elevation=0))
    assert len(marks) == 4
    behind, front = marks[0], marks[-1]  # drawn from far to near
    assert behind[:2] == pytest.approx((0, 0), abs=1e-12) and front[:2] == pytest.approx((0, 0), abs=1e-12)
    assert behind[2] < 0.3 and front[2] == 1 and behind[3] < front[3]
    assert sorted((round(a), round(b)) for a, b, *_ in marks[1:3]) == [(0, 1), (1, 0)]  # east to the right, north up


def test_sphere_3d_turns():
    north = torch.tensor([[0.0, 0, 1]])
    assert drawn(plots.sphere_3d(north, elevation=90))[0][:2] == pytest.approx((0, 0), abs=1e-12)
    x, y, *_ = drawn(plots.sphere_3d(north, elevation=30))[0]
    assert (x, y) == pytest.approx((0, math.cos(math.radians(30))), abs=1e-12)


def test_sphere_3d_edges_labels_arrows():
    x = points.thomson(4)
    plain, edges = plots.sphere_3d(x), plots.sphere_3d(x, edges=True, labels=list("abcd"))
    assert len(edges.lines) - len(plain.lines) == 2 * 6  # each edge has a near and a far part
    assert [t.get_text() for t in edges.texts].count("") == 0 and sorted(t.get_text() for t in edges.texts) == list(
        "abcd"
    )
    assert len(plots.sphere_3d(x, arrows=True).texts) == 4


def test_circle_2d_keeps_long_arrows_in_sight():
    ax = plots.circle_2d(torch.tensor([[3.0, 0], [0, 1]]), labels=["x", "y"])
    assert ax.get_xlim()[1] > 3 and ax.get_aspect() == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.sphere_3d(torch.eye(2)), "circle_2d"),
        (lambda: plots.circle_2d(torch.eye(3)), "sphere_3d"),
        (lambda: plots.sphere_3d(torch.eye(3), labels=["a"]), "3 points need as many labels, got 1"),
        (lambda: plots.circle_2d(torch.eye(2), colours=["red"]), "2 points need as many colours, got 1"),
    ],
)
def test_drawings_refuse(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_neighbours_of_solids():
    cube = sphere.normalize(torch.tensor(list(itertools.product((-1.0, 1.0), repeat=3)), dtype=torch.float64))
    along = [(i, j) for i in range(8) for j in range(i + 1, 8) if bin(i ^ j).count("1") == 1]
    assert plots.neighbours(cube) == along  # no diagonal of a square
    octahedron = plots.neighbours(points.cross_polytope(6, 3))
    assert octahedron == [(i, j) for i in range(6) for j in range(i + 1, 6) if j - i != 3]  # all but the opposite


def test_the_style_ends_with_its_block():
    before = dict(mpl.rcParams)
    with plots.style():
        assert mpl.rcParams["figure.facecolor"] == plots.PAPER
    assert dict(mpl.rcParams) == before
    with mpl.rc_context():
        plots.use_style()
        assert mpl.rcParams["axes.grid"] is True


def test_colours_can_be_told_from_paper():
    """3 to 1 for every line colour but the orange and the sky, which Okabe and Ito made light."""

    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in mpl.colors.to_rgb(colour)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    contrast = {c: (luminance(plots.PAPER) + 0.05) / (luminance(c) + 0.05) for c in plots.COLOURS}
    assert all(contrast[c] >= 3 for c in plots.COLOURS if c not in (plots.ORANGE, plots.SKY, plots.PURPLE)), contrast
    assert plots.COLOURS[0] == plots.BLUE and len(set(plots.COLOURS)) == len(plots.COLOURS)


def test_a_png_is_small_and_the_same_every_time():
    x = points.thomson(12)
    first, second = (plots.png(plots.sphere_3d(x, edges=True).figure) for _ in range(2))
    assert first == second and first.startswith(b"\x89PNG") and len(first) < 60_000
    assert not plt.get_fignums(), "png closes its figure"


def test_importing_needs_no_matplotlib():
    code = "import sys, hpn_lite.plots, hpn_lite.labs; print(sorted({'matplotlib', 'PIL', 'scipy'} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


# ---- the papers beside our runs ----


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_beside_draws_what_is_known_and_says_what_is_not():
    from hpn_lite import experiments, ledger, records

    row = experiments.Row("row", {}, {}, 1)
    line = lambda paper, *ours: ledger.Line(row, "mae", paper, records.Summary(*ours), 0.0, "", [])  # noqa: E731
    lines = [
        line(50.0, 3, 0, 52.0, 1.5),
        line(60.0, 0, 0, math.nan, math.nan),
        line("diverged", 2, 2, math.nan, math.nan),
        line(None, 1, 0, 40.0, math.nan),
    ]
    ax = plots.beside(lines, label="years")
    assert texts(ax) == ["not run", "paper: diverged; ours: diverged"]
    diamonds = [tuple(one.get_xydata()[0]) for one in ax.lines if one.get_marker() == "D"]
    assert diamonds == [(50, 0), (60, 1)]
    dots = [tuple(one.get_xydata()[0]) for one in ax.lines if one.get_marker() == "o"]
    assert dots == [(52, 0), (40, 3)]
    (interval,) = [
        c.get_segments()[0] for c in ax.collections if len(c.get_segments()[0]) and abs(c.get_segments()[0]).max() > 51
    ]
    assert [x for x, _ in interval] == [50.5, 53.5]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["paper", "ours"]


def test_advantages_and_curves_without_records_say_so():
    from hpn_lite import experiments, ledger

    claim = experiments.Claim("2 to 4 points", "a", "b", least=2, most=4)
    ax = plots.advantages([ledger.Judged(claim, "open", math.nan, math.nan)])
    (bar,) = ax.patches
    assert (bar.get_x(), bar.get_width()) == (2, 2) and texts(ax) == ["2 to 4 points"]
    assert texts(plots.curves({"a": [], "b": []}, "accuracy")) == ["not run"]
    run = types.SimpleNamespace(epochs=[{"epoch": 1, "accuracy": 0.5}, {"epoch": 2, "accuracy": None}])
    (curve,) = plots.curves({"a": [run]}, "accuracy", scale=100).lines
    assert curve.get_xydata().tolist() == [[1, 50]]
