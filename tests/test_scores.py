"""Scores: groups of classes, calibration, verification, against scikit-learn and by hand."""

import math

import pytest
import torch

from hpn_lite import scores


def test_class_and_group_accuracy_by_hand():
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    prediction = torch.tensor([0, 0, 1, 0, 0, 1])
    each = scores.class_accuracy(prediction, labels, 4)
    assert each[:3].tolist() == [1.0, 0.5, 0.0]
    assert math.isnan(each[3])
    counts = torch.tensor([500, 100, 5, 5])
    found = scores.group_accuracy(prediction, labels, counts)
    assert found == {"all": 0.5, "head": 1.0, "medium": 0.5, "tail": 0.0}
    assert "tail" not in scores.group_accuracy(prediction, labels, torch.tensor([500, 100, 50, 20]))


def test_calibration_by_hand():
    confidence = torch.tensor([0.95, 0.85, 0.85, 0.15])
    right = torch.tensor([True, True, False, False])
    # bins of a tenth: |1 - 0.95|, |1 - 1.7|, |0 - 0.15|, over four
    assert abs(scores.calibration_error(confidence, right, 10) - (0.05 + 0.7 + 0.15) / 4) < 1e-7
    sure = torch.ones(8)
    assert scores.calibration_error(sure, sure.bool()) == 0.0
    assert scores.calibration_error(sure, ~sure.bool()) == 1.0


def test_calibrated_predictions_have_a_small_error():
    generator = torch.Generator().manual_seed(0)
    confidence = torch.rand(200_000, generator=generator)
    right = torch.rand(200_000, generator=generator) < confidence
    assert scores.calibration_error(confidence, right) < 0.005 < scores.calibration_error(confidence.sqrt(), right)


def test_calibration_agrees_with_a_loop_over_bins():
    """Guo et al. 2017, equation 3: the gap between accuracy and mean confidence of each bin, weighted by its size."""
    generator = torch.Generator().manual_seed(1)
    confidence = torch.rand(500, generator=generator, dtype=torch.float64)
    right = torch.rand(500, generator=generator) < confidence**2
    total = 0.0
    for low in range(15):
        inside = (confidence >= low / 15) & (confidence < (low + 1) / 15)
        if inside.any():
            gap = right[inside].double().mean() - confidence[inside].mean()
            total += float(inside.double().mean() * gap.abs())
    assert scores.calibration_error(confidence, right) == pytest.approx(total)


def test_groups_agree_with_a_loop_over_classes():
    """Each class counts once, whatever its test images; groups at 100 and 20 training images (Liu et al. 2019)."""
    generator = torch.Generator().manual_seed(2)
    counts = torch.tensor([500, 101, 100, 60, 20, 19, 3])
    labels = torch.randint(7, (300,), generator=generator)
    prediction = torch.where(torch.rand(300, generator=generator) < 0.6, labels, (labels + 1) % 7)
    each = [float((prediction[labels == c] == c).double().mean()) for c in range(7)]
    found = scores.group_accuracy(prediction, labels, counts)
    expected = {
        "all": sum(each) / 7,
        "head": sum(each[:2]) / 2,
        "medium": sum(each[2:5]) / 3,
        "tail": sum(each[5:]) / 2,
    }
    assert found == pytest.approx(expected)


def test_temperature_agrees_with_scipy():
    from scipy import optimize

    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(5, (400,), generator=generator)
    logits = 2 * torch.randn(400, 5, generator=generator, dtype=torch.float64)
    logits[torch.arange(400), labels] += 2

    def surprise(log_t):
        return float(torch.nn.functional.cross_entropy(logits / math.exp(log_t), labels))

    best = optimize.minimize_scalar(surprise, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9})
    assert scores.temperature(logits, labels) == pytest.approx(math.exp(best.x), rel=1e-5)
    assert scores.temperature(logits * 7, labels) == pytest.approx(7 * math.exp(best.x), rel=1e-5)
    assert scores.temperature(10.0 * torch.eye(5), torch.arange(5)) < 2e-4  # all right: as sure as can be
    assert scores.temperature(10.0 * torch.eye(5), torch.arange(5).roll(1)) > 5e3  # all wrong


def test_verification_agrees_with_scikit_learn():
    from sklearn.metrics import roc_auc_score

    generator = torch.Generator().manual_seed(0)
    same = torch.rand(500, generator=generator) < 0.4
    cosine = ((torch.randn(500, generator=generator) + same) * 2).round() / 10  # with many ties
    found = scores.verification(cosine, same)
    assert abs(found.auc - roc_auc_score(same.numpy(), cosine.numpy())) < 1e-12
    thresholds = [*cosine.unique().tolist(), 9.0]
    assert found.accuracy == max(float(((cosine >= t) == same).double().mean()) for t in thresholds)
    assert float(((cosine.double() >= found.threshold) == same).double().mean()) == found.accuracy
    assert (found.false[0], found.true[0], found.false[-1], found.true[-1]) == (0, 0, 1, 1)


def test_verification_at_its_ends():
    same = torch.tensor([True, True, False])
    assert scores.verification(torch.tensor([0.9, 0.8, 0.1]), same)[:3:2] == (1.0, 1.0)
    assert scores.verification(torch.tensor([0.1, 0.2, 0.9]), same).auc == 0.0
    accuracy, threshold, auc = scores.verification(torch.tensor([0.5, 0.5, 0.5]), ~same)[:3]
    assert (accuracy, auc) == (2 / 3, 0.5)
    assert threshold > 0.5  # accept nothing


def test_pairs_are_half_and_half_and_never_an_example_with_itself():
    labels = torch.arange(60) % 7
    index, same = scores.pairs(labels, 301, seed=1)
    assert index.shape == (301, 2)
    assert int(same.sum()) == 150
    assert bool(((labels[index[:, 0]] == labels[index[:, 1]]) == same).all())
    assert bool((index[:, 0] != index[:, 1]).all())
    assert torch.equal(index, scores.pairs(labels, 301, seed=1)[0])
    assert not torch.equal(index, scores.pairs(labels, 301, seed=2)[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scores.class_accuracy(torch.zeros(3), torch.zeros(2), 2), r"got \(3,\) and \(2,\)"),
        (lambda: scores.class_accuracy(torch.zeros(1).long(), torch.tensor([5]), 2), "must lie from 0 to 1 .* got 5"),
        (lambda: scores.calibration_error(torch.tensor([1.2]), torch.tensor([True])), r"must lie in \[0, 1\]"),
        (lambda: scores.temperature(torch.rand(3, 2), torch.zeros(2).long()), r"labels must have .* got \(2,\)"),
        (lambda: scores.temperature(torch.rand(1, 2), torch.tensor([2])), "must lie from 0 to 1 for 2 classes, got 2"),
        (lambda: scores.temperature(torch.full((1, 2), torch.nan), torch.tensor([0])), "scores must be finite"),
        (lambda: scores.verification(torch.rand(2), torch.tensor([True, True])), "got 2 same and 0 different"),
        (lambda: scores.verification(torch.full((2,), torch.nan), torch.tensor([True, False])), "not be NaN"),
        (lambda: scores.pairs(torch.zeros(5).long(), 4), "two classes at least"),
        (
            lambda: scores.group_accuracy(torch.zeros(1).long(), torch.zeros(1).long(), torch.ones(1), head=1, tail=9),
            "tail must not lie above head",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
