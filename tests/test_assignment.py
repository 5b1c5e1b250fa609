"""Label-to-prototype assignment: the matching, the running means, and the head that puts them to work."""

import importlib.util
import itertools
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from hpn_lite import assignment, data, losses, nets, points, sphere, training

BENCHMARK = Path(__file__).parent / "benchmarks" / "assignment.py"


def random(k: int, d: int, seed: int = 0) -> torch.Tensor:
    return sphere.uniform(k, d, seed=seed)


def score(means, prototypes, order) -> float:
    return sum(float(means[c] @ prototypes[p]) for c, p in enumerate(order))


# ---- The matching ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "p"), [(5, 5), (4, 6), (1, 3)])
@pytest.mark.parametrize("seed", range(5))
def test_matching_is_the_best_of_all_orders(k, p, seed):
    means, prototypes = random(k, 3, seed), random(p, 3, seed + 100)
    best = max(itertools.permutations(range(p), k), key=lambda order: score(means, prototypes, order))
    assert assignment.best_assignment(means, prototypes).tolist() == list(best)


def test_ties_keep_what_is_there():
    prototypes = points.simplex(4, 3)
    current = torch.tensor([2, 0, 3, 1])
    assert assignment.best_assignment(torch.zeros(4, 3), prototypes, current).tolist() == [2, 0, 3, 1]


@pytest.mark.parametrize("order", [[1, 0, 2, 3], [3, 0, 1, 2], [2, 3, 0, 1]])
def test_on_a_simplex_the_order_cannot_matter(order):
    # Every permutation of its corners is a rotation or reflection of the space, which a net's last layer absorbs.
    prototypes = points.simplex(4, 3)
    q = torch.linalg.pinv(prototypes) @ prototypes[order]
    torch.testing.assert_close(prototypes @ q, prototypes[order])
    torch.testing.assert_close(q @ q.T, torch.eye(3, dtype=q.dtype))


def test_on_a_circle_of_five_it_can():
    prototypes = points.circle(5)
    swapped = prototypes[[1, 0, 2, 3, 4]]
    q = torch.linalg.pinv(prototypes) @ swapped  # the best linear map there is
    assert (prototypes @ q - swapped).norm() > 0.5


@pytest.mark.parametrize(
    ("means", "prototypes", "message"),
    [
        (torch.zeros(4, 3), torch.zeros(3, 3), "4 classes need as many prototypes at least, got 3"),
        (torch.zeros(4, 3), torch.zeros(4, 2), "must share D"),
        (torch.full((2, 3), torch.nan), torch.zeros(2, 3), "must be finite"),
    ],
)
def test_bad_matchings(means, prototypes, message):
    with pytest.raises(ValueError, match=message):
        assignment.best_assignment(means, prototypes)


# ---- The running means ----------------------------------------------------------------------------------------------


def test_every_example_of_a_batch_counts_once():
    labels = assignment.LabelAssignment(random(3, 4), momentum=0.9)
    z, y = 5 * random(6, 4, 1), torch.tensor([0, 1, 0, 0, 1, 0])
    again = random(2, 4, 2)
    labels.observe(z, y)
    torch.testing.assert_close(labels.means[0].double(), (z[[0, 2, 3, 5]] / 5).mean(0))  # unbiased from the start
    torch.testing.assert_close(labels.means[2], torch.zeros(4))
    labels.observe(again, torch.tensor([0, 0]))
    old = 1 - 0.9**4  # weight of the first four, then 0.9^2 of it is left
    share = (1 - 0.9**2) / (0.9**2 * old + 1 - 0.9**2)
    expected = (1 - share) * (z[[0, 2, 3, 5]] / 5).mean(0) + share * again.mean(0)
    torch.testing.assert_close(labels.means[0].double(), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(labels.means[1].double(), (z[[1, 4]] / 5).mean(0))  # not in the batch: untouched


def test_plain_means_start_anew_after_a_match():
    labels = assignment.LabelAssignment(random(2, 3), momentum=None)
    z = random(9, 3, 1)
    for part in z.split(3):
        labels.observe(part, torch.tensor([0, 1, 1]))
    torch.testing.assert_close(labels.means[1].double(), z[[1, 2, 4, 5, 7, 8]].mean(0))
    labels.reassign()
    labels.observe(z[:1], torch.tensor([1]))
    torch.testing.assert_close(labels.means[1].double(), z[0])
    assert labels.weights.tolist() == [0, 1]


def test_reassignment_follows_the_classes():
    prototypes = points.simplex(5, 4)
    labels = assignment.LabelAssignment(prototypes, seed=3)
    order = torch.tensor([4, 2, 0, 1, 3])
    labels.observe(prototypes[order] + 0.05 * random(5, 4), torch.arange(5))
    match = labels.reassign()
    assert labels.assignment.tolist() == order.tolist()
    assert match.moved > 0
    assert match.score > 0.95 > match.before
    torch.testing.assert_close(labels.assigned.double(), prototypes[order], atol=1e-6, rtol=0)
    assert labels.reassign().moved == 0
    assert labels.assignments == [labels.assignments[0], order.tolist(), order.tolist()]


def test_a_common_part_of_all_means_can_be_taken_away():
    # Means that share a large part, with small differences that say where each belongs, and more prototypes than
    # classes: as they are they all crowd to the prototypes near the common part.
    prototypes = points.circle(8)
    wish = torch.tensor([0, 2, 4, 6])
    means = torch.tensor([1.0, 0.0]) + 0.05 * prototypes[wish]
    plain, centred = (assignment.LabelAssignment(prototypes, 4, centred=c) for c in (False, True))
    for labels in (plain, centred):
        labels.means.copy_(means)
        labels.weights.fill_(1)
        labels.reassign()
    assert sorted(centred.assignment.tolist()) == wish.tolist()
    assert sorted(plain.assignment.tolist()) != wish.tolist()


def test_classes_not_seen_are_counted_and_stay_where_they_can():
    prototypes = points.cross_polytope(6, 3)
    labels = assignment.LabelAssignment(prototypes, seed=None)
    labels.observe(prototypes[[1]], torch.tensor([1]))
    match = labels.reassign()
    assert match.unseen == 5
    assert labels.assignment.tolist() == [0, 1, 2, 3, 4, 5]


def test_state_goes_on():
    first = assignment.LabelAssignment(random(5, 3), seed=1)
    first.observe(random(20, 3, 1), torch.arange(20) % 5)
    first.reassign()
    second = assignment.LabelAssignment(random(5, 3), seed=2)
    second.load_state_dict(first.state_dict())
    assert second.history == first.history
    assert second.assignments == first.assignments
    for labels in (first, second):
        labels.observe(random(20, 3, 2), torch.arange(20) % 5)
        labels.reassign()
    assert second.history == first.history
    torch.testing.assert_close(second.means, first.means)


def test_a_thousand_classes():
    means, prototypes = random(1000, 512), random(1000, 512, 1)
    order = assignment.best_assignment(means, prototypes)
    assert sorted(order.tolist()) == list(range(1000))
    assert (means * prototypes[order]).sum() > (means * prototypes).sum()


# ---- The head -------------------------------------------------------------------------------------------------------


def test_head_pulls_to_the_assigned_prototype_and_moves_labels():
    prototypes = points.circle(4)
    head = assignment.AssignedHead(prototypes, seed=2, every=2)
    order = head.labels.assignment.clone()
    z, y = random(8, 2, 5).float(), torch.arange(8) % 4
    torch.testing.assert_close(head.loss(z, y), losses.squared_cosine(z, prototypes[order].float(), y))
    assert head(z).shape == (8, 4)
    wish = prototypes[[1, 0, 3, 2]].float()
    head.observe(wish, torch.arange(4))
    head.end_epoch(0)
    assert head.labels.assignment.tolist() == order.tolist()  # every second epoch
    head.end_epoch(1)
    assert head.labels.assignment.tolist() == [1, 0, 3, 2]
    torch.testing.assert_close(head.prototypes, wish)
    assert head.predict(wish).tolist() == [0, 1, 2, 3]
    assert float(head.loss(wish, torch.arange(4))) < 1e-12


def test_head_by_steps_and_until():
    head = assignment.AssignedHead(points.circle(4), steps=3, until=4)
    for _ in range(7):
        head.observe(random(4, 2), torch.arange(4))
    assert [m.step for m in head.labels.history] == [3]
    head.end_epoch(0)
    assert len(head.labels.history) == 1
    still = assignment.AssignedHead(points.circle(4), every=0)
    still.end_epoch(0)
    assert still.labels.history == []


def test_head_with_dot_regression():
    head = assignment.AssignedHead(points.circle(3), seed=None, loss="dot", weight=torch.tensor([1.0, 2.0, 4.0]))
    z, y = 3 * random(5, 2).float(), torch.tensor([0, 1, 2, 2, 1])
    w = head.prototypes[y] * head.weight[y].sqrt()[:, None]
    length = z.norm(dim=1)
    expected = 0.5 * ((z * w).sum(1) - w.norm(dim=1) * length) ** 2 / length
    torch.testing.assert_close(head.loss(z, y, "none"), expected)
    torch.testing.assert_close(head.loss(z, y), expected.mean())


def test_dot_regression_on_unit_outputs_is_half_the_weighted_pull():
    weight = torch.tensor([1.0, 2.0, 4.0])
    head = assignment.AssignedHead(points.circle(3), seed=None, loss="unit-dot", weight=weight)
    z, y = (3 * random(5, 2).float()).requires_grad_(), torch.tensor([0, 1, 2, 2, 1])
    u, w = z / z.norm(dim=1, keepdim=True), head.prototypes[y] * weight[y].sqrt()[:, None]
    published = 0.5 * ((u * w).sum(1) - w.norm(dim=1)) ** 2  # (z.w - |w||z|)^2 / |z| at |z| = 1
    torch.testing.assert_close(head.loss(z, y, "none"), published)
    given, expected = (torch.autograd.grad(value.sum(), z)[0] for value in (head.loss(z, y, "none"), published))
    torch.testing.assert_close(given, expected)
    torch.testing.assert_close((given * z).sum(1), torch.zeros(5), atol=1e-6, rtol=0)  # it cannot feel a length


def test_weights_of_a_batch():
    weights = losses.batch_weights(torch.tensor([0, 0, 0, 2]), 4)
    torch.testing.assert_close(weights, torch.tensor([2 / 3, 0, 2, 0]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 5}, "5 classes need as many prototypes at least, got 4"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\)"),
        ({"loss": "push"}, 'loss must be "pull", "unit-dot" or "dot", got \'push\''),
        ({"every": -1}, "every must be"),
    ],
)
def test_bad_heads(options, message):
    with pytest.raises(ValueError, match=message):
        assignment.AssignedHead(points.circle(4), **options)


def agree(rank: int, file: str, queue) -> None:
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    head = assignment.AssignedHead(random(6, 3), seed=1)
    z, y = random(24, 3, 7), torch.arange(24) * 5 % 6
    for step in range(2):
        mine = slice(12 * step + 6 * rank, 12 * step + 6 * rank + 6)
        head.observe(z[mine], y[mine])
    head.end_epoch(0)
    queue.put((rank, head.labels.means.tolist(), head.labels.assignment.tolist()))
    dist.destroy_process_group()


def test_all_processes_agree_with_one(tmp_path):
    import torch.multiprocessing as multiprocessing

    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    ranks = [context.Process(target=agree, args=(r, str(tmp_path / "store"), queue)) for r in range(2)]
    for rank in ranks:
        rank.start()
    found = dict((rank, rest) for rank, *rest in (queue.get(timeout=120) for _ in ranks))
    for rank in ranks:
        rank.join()
    alone = assignment.AssignedHead(random(6, 3), seed=1)
    z, y = random(24, 3, 7), torch.arange(24) * 5 % 6
    for part in range(2):
        alone.observe(z[12 * part : 12 * part + 12], y[12 * part : 12 * part + 12])
    alone.end_epoch(0)
    assert found[0] == found[1]
    torch.testing.assert_close(torch.tensor(found[0][0]), alone.labels.means)
    assert found[0][1] == alone.labels.assignment.tolist()


# ---- The benchmark of chapter 16 ------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["SGD 0.1", "Adam 0.005"])
def test_nets_side_by_side_learn_as_each_would_alone(recipe):
    """tests/benchmarks/assignment.py trains many nets as one; training.train and AssignedHead must agree with it."""
    spec = importlib.util.spec_from_file_location("_together", BENCHMARK)
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    sets, settings = data.digits(), bench.recipe_of(recipe, 2)
    ways = {"static random": {"every": 0}, "moving 0.9": {}, "plain, centred": {"momentum": None, "centred": True}}
    runs = [
        {"dim": 2, "seed": seed, "way": way, "loss": "pull", "options": bench.WAYS[way]}
        for way in ways
        for seed in (0, 3)
    ]
    rows = bench.Together(runs, sets, settings).train()
    for row in rows:
        head = assignment.AssignedHead(points.circle(10), seed=row["seed"], **ways[row["way"]])
        net = nets.seeded(row["seed"], nets.mlp, 2)
        result = training.train(net, head, sets, settings, seed=row["seed"])
        assert [round(e["accuracy"], 4) for e in result.epochs] == pytest.approx(row["accuracies"], abs=0.012)
        assert row["first"] == head.labels.assignments[0]
        if row["options"] is not None:
            assert row["last"] == head.labels.assignments[-1]
            assert row["scores"] == pytest.approx([m.score for m in head.labels.history], abs=2e-3)
