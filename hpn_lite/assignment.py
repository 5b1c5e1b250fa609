"""Dynamic label-to-prototype assignment: the prototypes stay, the labels move.

Where K fixed prototypes stand is one question, which class gets which is another, and in few dimensions it decides how
well a net can learn: classes that look alike should be neighbours. LPA answers it while the net learns, in turns::

    head = AssignedHead(points.uniformity(100, 25))     # a random assignment to begin with
    for epoch in ...:
        ...                                             # steps that pull each output to its class's prototype
        head.observe(z, y)                              # and follow where the classes are
        head.end_epoch(epoch)                           # the best assignment for where they are now

The assignment is an index; the matrix of prototypes is never rewritten.

References:
    Saadabadi et al. 2024, Hyperspherical Classification with Dynamic Label-to-Prototype Assignment (LPA), section 3
    Kuhn 1955; Crouse 2016 (SciPy's linear_sum_assignment) for the bipartite matching
"""

from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from . import losses
from .bounds import real, whole
from .heads import PrototypeHead
from .sphere import normalize

__all__ = ["AssignedHead", "LabelAssignment", "Match", "best_assignment"]


class Match(NamedTuple):
    """One re-assignment: after how many steps, how many classes moved, the score per seen class, classes not yet seen.

    score is the mean over the classes seen of <m_c, w_{A(c)}>, between -1 and 1; before is that of the old assignment.
    """

    step: int
    moved: int
    before: float
    score: float
    unseen: int


def best_assignment(means: Tensor, prototypes: Tensor, current: Tensor | None = None) -> Tensor:
    """The assignment of classes to different prototypes with the largest sum of <m_c, w_{A(c)}>.

    Args:
        means: (K, D) class means; a row of zeros says nothing and takes what is left.
        prototypes: (P, D), P >= K.
        current: (K,) assignment to keep where another is no better.
    Returns:
        (K,) int64 indices into the prototypes, all different, on the prototypes' device.
    Raises:
        TypeError: if one of them is no tensor.
        ValueError: if there are fewer prototypes than classes, the dimensions differ, there is NaN, or current is no
            assignment.
        ImportError: if SciPy is missing.
    Source: LPA, section 3 (step b).
    """
    linear_sum_assignment = _matcher()
    for name, x in (("means", means), ("prototypes", prototypes)):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name} must be a torch.Tensor, got {type(x).__name__}")
    if means.ndim != 2 or prototypes.ndim != 2 or means.shape[1] != prototypes.shape[1]:
        raise ValueError(
            f"means (K, D) and prototypes (P, D) must share D, got {tuple(means.shape)} and {tuple(prototypes.shape)}"
        )
    _enough(len(prototypes), len(means))
    score = means.detach().double().cpu() @ prototypes.detach().double().cpu().T  # (K, P)
    if not torch.isfinite(score).all():
        raise ValueError("means and prototypes must be finite, got NaN or infinity: has the training diverged?")
    if current is not None:  # far below what matters, far above rounding
        current = losses.check_labels(current, len(prototypes), name="current", check=True)
        if len(current) != len(means):
            raise ValueError(f"current must have shape ({len(means)},), one for each class, got {tuple(current.shape)}")
        score[torch.arange(len(means)), current.cpu()] += 1e-9
    return torch.as_tensor(linear_sum_assignment(score.numpy(), maximize=True)[1], device=prototypes.device)


class LabelAssignment(nn.Module):
    """Which class has which prototype, and where the classes are: running means of normalised outputs.

    All is in buffers and `state_dict`. Under DistributedDataParallel the sums over a batch are added up over all
    processes and the first one's matching is broadcast, so all hold the same.

    Args:
        prototypes: (P, D) unit rows, P >= classes.
        classes: number of classes K; default P.
        momentum: the old mean keeps momentum**n of its weight when n examples of its class come in, so that each
            example counts once, wherever it stands in a batch; means are unbiased from the first example on. None: the
            plain mean over all examples since the last match.
        centred: match the normalised differences of the class means from their common mean, which all outputs share
            early in training, in place of the means themselves.
        seed: of the random assignment at the start; None starts with class k at prototype k.
    Raises:
        TypeError, ValueError: if the prototypes are no unit rows or fewer than the classes, or a number is not allowed.
    Source: LPA, section 3; momentum 0.9 as published. That code's means are something else: see chapter 16.
    """

    def __init__(
        self,
        prototypes: Tensor,
        classes: int | None = None,
        *,
        momentum: float | None = 0.9,
        centred: bool = False,
        seed: int | None = 0,
    ):
        super().__init__()
        losses.check_prototypes(prototypes)
        if momentum is not None and not 0 <= real("momentum", momentum) < 1:
            raise ValueError(f"momentum must lie in [0, 1), or be None for a plain mean, got {momentum}")
        self.classes = len(prototypes) if classes is None else whole("classes", classes, 1)
        _enough(len(prototypes), self.classes)
        self.momentum, self.centred = momentum, centred
        order = torch.arange(len(prototypes))
        if seed is not None:
            order = torch.randperm(len(prototypes), generator=torch.Generator().manual_seed(seed))
        self.register_buffer("prototypes", prototypes.detach().to(torch.get_default_dtype(), copy=True))
        self.register_buffer("assignment", order[: self.classes].clone())
        self.register_buffer("means", torch.zeros(self.classes, prototypes.shape[1]))
        self.register_buffer("weights", torch.zeros(self.classes))  # 0: not seen since the start (or the last match)
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.history: list[Match] = []
        self.assignments: list[list[int]] = [self.assignment.tolist()]

    @property
    def assigned(self) -> Tensor:
        """Prototypes in the order of the classes, (K, D)."""
        return self.prototypes[self.assignment]

    @torch.no_grad()
    def observe(self, z: Tensor, labels: Tensor) -> None:
        """Follow the class means: outputs z (B, D) of a step and their labels (B,).

        Raises:
            TypeError, ValueError: on other types or shapes, or a label out of range (looked at on the CPU only).
        """
        losses.check_outputs(z, self.means.shape[1], check=False)
        labels = losses.check_labels(labels, self.classes, size=len(z))
        unit = normalize(z.detach().to(self.means.dtype), check=False)
        sums = torch.zeros_like(self.means).index_add_(0, labels, unit)
        counts = torch.zeros_like(self.weights).index_add_(0, labels, torch.ones_like(unit[:, 0]))
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(sums)
            dist.all_reduce(counts)
        if self.momentum is None:
            self.weights += counts
            share = counts / self.weights.clamp_min(1)
        else:
            new = 1 - self.momentum**counts  # 0 for a class that is not in the batch
            self.weights += new * (1 - self.weights)
            share = new / self.weights.clamp_min(torch.finfo(new.dtype).tiny)
        self.means += share[:, None] * (sums / counts.clamp_min(1)[:, None] - self.means)
        self.steps += 1

    @torch.no_grad()
    def reassign(self) -> Match:
        """Give every class the prototype that suits where it is now; classes not yet seen take what is left.

        Returns:
            Match, which is also appended to `history`; the assignment goes to `assignments`.
        Raises:
            ValueError: if the means hold NaN.
        """
        seen = self.weights > 0
        means = self.means * seen[:, None]
        if self.centred and int(seen.sum()) > 1:
            centre = means.sum(0) / seen.sum()
            means = normalize(torch.where(seen[:, None], means - centre, 0.0), check=False) * seen[:, None]
        new = best_assignment(means, self.prototypes, self.assignment)
        if dist.is_available() and dist.is_initialized():
            dist.broadcast(new, 0)
        score = lambda a: float((means * self.prototypes[a]).sum() / seen.sum().clamp_min(1))  # noqa: E731
        moved = int((new != self.assignment).sum())
        match = Match(int(self.steps), moved, score(self.assignment), score(new), int((~seen).sum()))
        self.assignment.copy_(new)
        self.history.append(match)
        self.assignments.append(new.tolist())
        if self.momentum is None:
            self.weights.zero_()
            self.means.zero_()
        return match

    def get_extra_state(self) -> dict:
        return {"history": [list(m) for m in self.history], "assignments": self.assignments}

    def set_extra_state(self, state: dict) -> None:
        self.history = [Match(*m) for m in state["history"]]
        self.assignments = [list(a) for a in state["assignments"]]

    def extra_repr(self) -> str:
        return f"{self.classes} classes on {len(self.prototypes)} prototypes in {self.prototypes.shape[1]} dimensions"


class AssignedHead(PrototypeHead):
    """LPA's head: a PrototypeHead whose classes change places.

    Args:
        prototypes, classes, momentum, centred, seed: see LabelAssignment.
        every: re-assign at the end of every so many epochs; 0 never does (a static random assignment).
        steps: re-assign after every so many steps in place of epochs.
        until: no re-assignment from this epoch (or step) on; default: to the end.
        loss: "pull", the squared cosine loss (L_IPM, balanced data); "unit-dot", dot-regression on outputs of length 1
            (long tails), half as steep; or "dot", dot-regression on outputs as they are, which is zero at 0 too.
        weight: (K,) weight of each class in the loss; or "batch": those of losses.batch_weights, for long tails.
    Raises:
        TypeError, ValueError: see LabelAssignment and PrototypeHead; also on another loss, or a number out of range.
        ImportError: if labels are to move and SciPy is missing.
    Source: LPA, section 3 and its supplement, section 9.
    """

    def __init__(
        self,
        prototypes: Tensor,
        classes: int | None = None,
        *,
        momentum: float | None = 0.9,
        centred: bool = False,
        seed: int | None = 0,
        every: int = 1,
        steps: int | None = None,
        until: int | None = None,
        loss: str = "pull",
        weight: Tensor | str | None = None,
    ):
        labels = LabelAssignment(prototypes, classes, momentum=momentum, centred=centred, seed=seed)
        if isinstance(weight, str) and weight != "batch":
            raise ValueError(f'weight must be a tensor of one weight per class, "batch" or None, got {weight!r}')
        by_batch = isinstance(weight, str)
        super().__init__(labels.assigned, weight=None if by_batch else weight)
        self.balanced = by_batch
        if loss not in ("pull", "unit-dot", "dot"):
            raise ValueError(f'loss must be "pull", "unit-dot" or "dot", got {loss!r}')
        self.labels, self.form = labels, loss
        self.every, self.steps = whole("every", every, 0), None if steps is None else whole("steps", steps, 1)
        self.until = None if until is None else whole("until", until, 0)
        if self.every or self.steps:
            _matcher()  # now, and not after the first epoch

    def loss(self, z: Tensor, y: Tensor, reduction: str = "mean") -> Tensor:
        losses.check_outputs(z, self.width, check=self.check)
        y = losses.check_labels(y, self.classes, size=len(z), name="y", check=self.check)
        weight = losses.batch_weights(y, self.classes) if self.balanced else self.weight
        options = {"weight": weight, "reduction": reduction, "check": False}
        if self.form == "pull":
            return losses.squared_cosine(z, self.prototypes, y, **options)
        return losses.dot_regression(z, self.prototypes, y, unit=self.form == "unit-dot", **options)

    @torch.no_grad()
    def observe(self, z: Tensor, y: Tensor) -> None:
        self.labels.observe(z, y)
        step = int(self.labels.steps) if self.steps else 0  # asks the GPU only if it has to
        if self.steps and step % self.steps == 0 and (self.until is None or step < self.until):
            self._reassign()

    def end_epoch(self, epoch: int) -> None:
        due = self.every and not self.steps and (epoch + 1) % self.every == 0
        if due and (self.until is None or epoch < self.until):
            self._reassign()

    def _reassign(self) -> None:
        self.labels.reassign()
        self.prototypes.copy_(self.labels.assigned)


def _matcher():
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise ImportError("assignment needs SciPy: pip install scipy") from error
    return linear_sum_assignment


def _enough(prototypes: int, classes: int) -> None:
    if prototypes < classes:
        raise ValueError(f"{classes} classes need as many prototypes at least, got {prototypes}; place more points")
