"""The lab of long tails: its profile, weights and chances against data.long_tailed, batch_weights and SciPy."""

import itertools

import pytest
import torch
from lab_page import says, state, tab_to
from scipy import stats

from hpn_lite import data, labs, losses

LAB = "tail"
CASES = list(itertools.product(labs.TAIL_SIZES, labs.TAIL_KS, labs.TAIL_FACTORS))


def kept(n: int, k: int, factor: float) -> torch.Tensor:
    """Class sizes of a made-up balanced set after data.long_tailed."""
    y = torch.arange(k).repeat_interleave(n)
    images = data.Images(torch.zeros(len(y), 1, 1, 1, dtype=torch.uint8), y)
    return torch.bincount(data.long_tailed(images, factor).y, minlength=k)


@pytest.mark.parametrize(
    ("options", "word"), [({"factor": 0.3}, "factor must be one of"), ({"k": 11}, "k must be"), ({"n": 1}, "n must be")]
)
def test_bad_options_are_refused(options, word):
    with pytest.raises(ValueError, match=word):
        labs.tail(**options)


def test_profile_and_weights_are_those_of_the_module(maths):
    for n, k, factor in CASES:
        if n * k > 50_000:
            continue
        counts = kept(n, k, factor)
        ours = maths("t.profile(a.n, a.k, a.factor)", {"n": n, "k": k, "factor": factor})
        assert ours == counts.tolist(), (n, k, factor)
        y = torch.arange(k).repeat_interleave(counts)
        weight = losses.batch_weights(y, k).double()  # of the whole set as one batch
        for scheme, theirs in enumerate(((counts > 0).double(), weight, weight.sqrt())):
            found = maths("t.weights(a.counts, a.scheme)", {"counts": ours, "scheme": scheme})
            torch.testing.assert_close(torch.tensor(found, dtype=torch.float64), theirs, rtol=1e-6, atol=0)


@pytest.mark.parametrize(("count", "total", "batch"), [(1, 12_000, 128), (50, 12_406, 128), (3, 200, 128), (9, 20, 15)])
def test_the_chance_of_none_is_hypergeometric(maths, count, total, batch):
    ours = maths("t.absent(a.count, a.total, a.batch)", {"count": count, "total": total, "batch": batch})
    assert ours == pytest.approx(stats.hypergeom(total, count, batch).pmf(0), rel=1e-9)


def check(now: dict) -> None:
    """The numbers of the lab's state, computed again."""
    counts = kept(now["n"], now["k"], now["factor"])
    total, at = int(counts.sum()), now["at"]
    drawn = min(128, total)
    none = [stats.hypergeom(total, int(c), drawn).pmf(0) for c in counts]
    assert now["counts"] == counts.tolist() and now["total"] == total
    assert now["expected"] == pytest.approx(drawn * int(counts[at]) / total)
    assert now["absent"] == pytest.approx(none[at], rel=1e-9, abs=1e-12)
    assert now["missing"] == pytest.approx(sum(none), rel=1e-9, abs=1e-12)
    groups = ["head" if c > 100 else "tail" if c < 20 else "medium" for c in counts]  # Liu et al. 2019
    assert now["groups"] == groups


def test_every_control_by_keyboard(bare):
    page = bare(labs.tail())
    said = says(page, r"Class 9, the rarest, has 5, each of weight 1\.000\. A batch of 128 holds ([\d.]+) of them")
    check(state(page))
    assert float(said[1]) == pytest.approx(state(page)["expected"], abs=0.006)
    tab_to(page, "slider", "Imbalance factor")
    page.keyboard.press("ArrowRight")
    says(page, r"Imbalance factor 0\.005, 10 classes")
    check(state(page))
    tab_to(page, "slider", "Classes")
    page.keyboard.press("End")
    says(page, r"200 classes.* Class 199, the rarest, has 2,")  # the look stays at the rarest
    check(state(page))
    tab_to(page, "slider", "Images of the most frequent class")
    page.keyboard.press("Home")
    says(page, r"Class 199, the rarest, has 0, each of weight 0\.000\..*none with a chance of 100\.0%")
    check(state(page))
    page.keyboard.press("End")
    page.get_by_label("Weights").select_option("inverse frequency")
    now = state(page)
    check(now)
    counts = torch.tensor(now["counts"], dtype=torch.float64)
    assert now["weights"] == pytest.approx((counts.mean() / counts).tolist())
    page.get_by_label("Weights").select_option("prototypes scaled (LPA)")
    said = says(page, r"its prototype the length ([\d.]+)\.")
    assert float(said[1]) ** 2 == pytest.approx(float(counts.mean() / counts[-1]), abs=0.02)
    tab_to(page, "slider", "Look at class")
    page.keyboard.press("Home")
    says(page, r"Class 0 has 5,000, and its prototype")
    check(state(page))
    page.get_by_role("checkbox", name="logarithmic scale").check()
    assert state(page)["logarithmic"]
