"""Output layers of every kind, in one shape: what stands between a net's last outputs and its task.

A head turns the outputs z (B, width) of a net into scores, a loss and predictions. `training.train` drives any of them:

    head = PrototypeHead(points.best_prototypes(10, 3).points)
    net = nets.digits(head.width)
    loss = head.loss(net(x), y)
    loss.backward()
    head.observe(z, y)  # after every step; only heads that follow the data do anything
    head.predict(net(x))

Fixed prototypes are buffers, what is learnt are parameters, and state_dict holds all that a head needs to go on. What
can be checked once (prototypes, bounds) is checked when a head is made, all targets of a data set by `validate`, and
each step's as the head of `losses` says: set `head.check` to None, True or False.

Chapters 9 to 11 and 14 of the book explain them.
"""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from . import energy, losses
from .bounds import real, whole

__all__ = [
    "Head",
    "PrototypeHead",
    "FixedSoftmaxHead",
    "SoftmaxHead",
    "NearestMeanHead",
    "AngularSoftmaxHead",
    "angular_margin",
    "RegressionHead",
    "SquaredHead",
    "JointHead",
    "MultiTaskHead",
]


class Head(nn.Module):
    """What all heads share. A head of your own needs width, forward, loss, predict and metrics.

    width: number of outputs that the net before the head must have.
    check: whether each step looks at values; None: on the CPU only (see the top of losses.py).
    """

    width: int
    check: bool | None = None

    def forward(self, z: Tensor):
        """Outputs (B, width) -> what the head measures on them: cosines (B, K), scores (B, K) or values (B,)."""
        raise NotImplementedError

    def loss(self, z: Tensor, y, reduction: str = "mean") -> Tensor:
        """The loss of outputs z (B, width) for the targets y; reduction as in `losses`."""
        raise NotImplementedError

    @torch.no_grad()
    def predict(self, z: Tensor):
        """Outputs (B, width) -> predictions in the form of the targets."""
        raise NotImplementedError

    def metrics(self, prediction, y) -> dict[str, float]:
        """Predictions and targets of a whole test set -> {"accuracy": in [0, 1]}, {"mae": in units of y}, or both.

        Raises:
            ValueError: if the two differ in shape.
        """
        raise NotImplementedError

    def validate(self, y) -> None:
        """Look at targets, whatever `check` says, and refuse wrong ones: once for a whole data set is enough."""

    def observe(self, z: Tensor, y) -> None:
        """Called after every training step with its outputs and targets. Heads that follow the data override it."""

    def start_epoch(self, epoch: int) -> None:
        """Called before each epoch."""

    def end_epoch(self, epoch: int) -> None:
        """Called after each epoch."""

    def _targets(self, z: Tensor, y, names: tuple[str, ...]) -> tuple[Tensor, ...]:
        """Check the outputs, and the form of targets that are a tuple."""
        losses.check_outputs(z, self.width, check=self.check)
        return _tuple(y, names)


def _tuple(y, names: tuple[str, ...]) -> tuple[Tensor, ...]:
    if not isinstance(y, (tuple, list)) or len(y) != len(names):
        given = f"{len(y)} of them" if isinstance(y, (tuple, list)) else type(y).__name__
        raise TypeError(f"y must be a tuple ({', '.join(names)}), got {given}")
    return tuple(y)


def _cross_entropy(scores: Tensor, labels: Tensor, reduction: str, smoothing: float = 0.0) -> Tensor:
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    return F.cross_entropy(scores, labels, reduction=reduction, label_smoothing=smoothing)


def _same_shape(prediction: Tensor, y: Tensor) -> None:
    """Without this look a (B, 1) would broadcast, and numbers would come out that mean nothing."""
    shapes = [tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__ for x in (prediction, y)]
    if shapes[0] != shapes[1] or not isinstance(y, Tensor) or not len(y):
        raise ValueError(f"prediction and y must be tensors of one shape (B,), B >= 1, got {shapes[0]} and {shapes[1]}")


def _accuracy(prediction: Tensor, labels: Tensor) -> float:
    _same_shape(prediction, labels)
    return float((prediction == labels.to(prediction.device)).double().mean())


def _mean_absolute_error(prediction: Tensor, y: Tensor) -> float:
    _same_shape(prediction, y)
    return float((prediction.double() - y.to(prediction.device).double()).abs().mean())


def _factor(name: str, value: float, *, zero: bool = True) -> float:
    """A finite factor that is positive, or, with zero, not negative."""
    if not (0 <= real(name, value) < float("inf") and (zero or value > 0)):
        raise ValueError(f"{name} must be {'0 or more' if zero else 'positive'} and finite, got {value}")
    return value


# --- classes -------------------------------------------------------------------------------------------------------


class _ClassHead(Head):
    """A head whose forward gives one score per class."""

    classes: int

    @torch.no_grad()
    def predict(self, z: Tensor) -> Tensor:
        return self(z).argmax(1)

    def metrics(self, prediction: Tensor, y: Tensor) -> dict[str, float]:
        return {"accuracy": _accuracy(prediction, y)}

    def validate(self, y: Tensor) -> None:
        losses.check_labels(y, self.classes, name="y", check=True)


class PrototypeHead(_ClassHead):
    """Classification by fixed prototypes: the loss is squared_cosine, the prediction the nearest prototype.

    With `torch.eye(K)` it is the one-hot baseline, with normalised word vectors the word2vec baseline.

    Args:
        prototypes: (K, D) unit rows, row k for class k; held as a buffer in torch's default dtype.
        weight: (K,) weight of each class in the loss.
    Raises:
        TypeError, ValueError: if the prototypes are no (K, D) unit rows, or weight is no K numbers of 0 or more.
    Source: HPN-E1, HPN-E4.
    """

    def __init__(self, prototypes: Tensor, *, weight: Tensor | None = None):
        super().__init__()
        losses.check_prototypes(prototypes)
        if weight is not None:
            losses.check_weight(weight, len(prototypes), check=True)
        dtype = torch.get_default_dtype()
        self.register_buffer("prototypes", prototypes.detach().to(dtype, copy=True))
        self.register_buffer("weight", None if weight is None else weight.detach().to(dtype, copy=True))
        self.classes, self.width = prototypes.shape

    def forward(self, z: Tensor) -> Tensor:
        losses.check_outputs(z, self.width, check=self.check)
        with torch.autocast(z.device.type, enabled=False):
            unit = losses.unit(z, self.prototypes)
            return (unit @ self.prototypes.T.to(unit.dtype)).clamp(-1, 1)  # (B, D) -> (B, K)

    def loss(self, z: Tensor, y: Tensor, reduction: str = "mean") -> Tensor:
        losses.check_outputs(z, self.width, check=self.check)
        y = losses.check_labels(y, self.classes, size=len(z), name="y", check=self.check)
        return losses.squared_cosine(z, self.prototypes, y, weight=self.weight, reduction=reduction, check=False)

    @torch.no_grad()
    def predict(self, z: Tensor) -> Tensor:
        return losses.nearest_prototype(z, self.prototypes)  # chunked: K may be a million

    def extra_repr(self) -> str:
        return f"{self.classes} prototypes in {self.width} dimensions"


class SoftmaxHead(_ClassHead):
    """The usual classifier: a linear layer, learnt with the net, and cross-entropy.

    Args:
        classes: number of classes K, at least 2.
        width: outputs of the net before the linear layer; default: none, the net's K outputs are the scores.
        smoothing: label smoothing, the share of the target that is spread over all classes alike, in [0, 1).
    Raises:
        ValueError: if classes < 2, width < 1 or smoothing is out of range.
    """

    def __init__(self, classes: int, width: int | None = None, *, smoothing: float = 0.0):
        super().__init__()
        if not 0 <= real("smoothing", smoothing) < 1:
            raise ValueError(f"smoothing must lie in [0, 1), got {smoothing}")
        self.smoothing = smoothing
        self.classes = whole("classes", classes, 2)
        self.width = self.classes if width is None else whole("width", width, 1)
        self.linear = nn.Identity() if width is None else nn.Linear(width, classes)

    def forward(self, z: Tensor) -> Tensor:
        losses.check_outputs(z, self.width, check=self.check)
        return self.linear(z)  # (B, K)

    def loss(self, z: Tensor, y: Tensor, reduction: str = "mean") -> Tensor:
        scores = self(z)
        y = losses.check_labels(y, self.classes, size=len(z), name="y", check=self.check)
        return _cross_entropy(scores, y, reduction, self.smoothing)


class FixedSoftmaxHead(_ClassHead):
    """Cross-entropy with class vectors that never move: a softmax layer without parameters.

    With `points.simplex(K)` and `cosine=False` it is maximum class separation in one matrix: one constant matrix behind
    the net, then the usual softmax. With `cosine=True` outputs are divided by their lengths first, and `scale` is one
    over the temperature, as for equiangular basis vectors.

    Args:
        prototypes: (K, D) unit rows, row k for class k; held as a buffer.
        scale: factor of the scores, positive; the length of all class vectors, or one over the temperature.
        cosine: whether scores are scale * cos(z, p_k), else scale * <z, p_k>.
    Raises:
        TypeError, ValueError: if the prototypes are no (K, D) unit rows, or scale is not a positive number.
    Source: Kasarla et al. 2022; Shen, Sun and Wei 2023; LPA-E10 on fixed prototypes, the rival of LPA-T9.
    """

    def __init__(self, prototypes: Tensor, *, scale: float = 1.0, cosine: bool = False):
        super().__init__()
        losses.check_prototypes(prototypes)
        _factor("scale", scale, zero=False)
        self.register_buffer("prototypes", prototypes.detach().to(torch.get_default_dtype(), copy=True))
        self.classes, self.width = prototypes.shape
        self.scale, self.cosine = float(scale), cosine

    def forward(self, z: Tensor) -> Tensor:
        losses.check_outputs(z, self.width, check=self.check)
        with torch.autocast(z.device.type, enabled=False):
            z = losses.unit(z, self.prototypes) if self.cosine else z.to(self.prototypes.dtype)
            return self.scale * z @ self.prototypes.T.to(z.dtype)  # (B, D) -> (B, K)

    def loss(self, z: Tensor, y: Tensor, reduction: str = "mean") -> Tensor:
        scores = self(z)
        y = losses.check_labels(y, self.classes, size=len(z), name="y", check=self.check)
        return _cross_entropy(scores, y, reduction)

    def extra_repr(self) -> str:
        return f"{self.classes} fixed vectors in {self.width} dimensions, scale={self.scale}, cosine={self.cosine}"


class NearestMeanHead(_ClassHead):
    """Deep NCM: the prototype of a class is the mean of its outputs, which moves as the net learns.

    The loss is a softmax over minus the distances to the means; no gradient flows into the means. They are followed in
    one of three ways, each from the outputs of the training steps:

    - "online": the mean of all outputs seen since the start, however old.
    - "condensation": the same, but every so many steps the mean is condensed to a single example, so that old outputs,
      which came from a net that no longer exists, lose their weight.
    - "decay": mean <- decay * mean + (1 - decay) * mean of the batch, for the classes in the batch.

    A class not seen yet has its mean at the origin for the loss and is never predicted. On several GPUs the sums and
    counts of a batch are added up over all processes first, so that all hold the same means.

    Args:
        classes: number of classes K, at least 2.
        dim: dimension of the outputs.
        update: "online", "condensation" or "decay".
        every: steps between two condensations.
        decay: weight of the old mean.
        squared: take squared distances, as the public implementation of Deep NCM does.
    Raises:
        ValueError: if update is another word, or a number is out of range.
    Source: Guerriero, Caputo, Mensink 2018; HPN-F4.
    """

    def __init__(
        self,
        classes: int,
        dim: int,
        update: str = "condensation",
        *,
        every: int = 100,
        decay: float = 0.9,
        squared: bool = False,
    ):
        super().__init__()
        if update not in ("online", "condensation", "decay"):
            raise ValueError(f'update must be "online", "condensation" or "decay", got {update!r}')
        if not 0 <= real("decay", decay) < 1:
            raise ValueError(f"decay must lie in [0, 1), got {decay}")
        self.classes, self.width = whole("classes", classes, 2), whole("dim", dim, 1)
        self.update, self.every, self.decay, self.squared = update, whole("every", every, 1), decay, squared
        self.register_buffer("means", torch.zeros(classes, dim))
        self.register_buffer("counts", torch.zeros(classes))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, z: Tensor) -> Tensor:
        losses.check_outputs(z, self.width, check=self.check)
        return losses.distance_scores(z, self.means, squared=self.squared)  # (B, K)

    def loss(self, z: Tensor, y: Tensor, reduction: str = "mean") -> Tensor:
        y = losses.check_labels(y, self.classes, size=len(z), name="y", check=self.check)
        means = self.means.clone()  # observe changes them in place, perhaps before the gradient is taken
        return losses.nearest_mean(z, means, y, squared=self.squared, reduction=reduction, check=self.check)

    @torch.no_grad()
    def predict(self, z: Tensor) -> Tensor:
        return self(z).masked_fill(self.counts == 0, -torch.inf).argmax(1)

    @torch.no_grad()
    def observe(self, z: Tensor, y: Tensor) -> None:
        losses.check_outputs(z, self.width, check=self.check)
        y = losses.check_labels(y, self.classes, size=len(z), name="y", check=self.check)
        sums = torch.zeros_like(self.means).index_add_(0, y, z.detach().to(self.means.dtype))
        counts = torch.zeros_like(self.counts).index_add_(0, y, torch.ones_like(y, dtype=self.counts.dtype))
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(sums)
            dist.all_reduce(counts)
        here, batch = counts > 0, sums / counts.clamp_min(1)[:, None]  # means of the classes in this batch
        if self.update == "decay":
            share = torch.where(self.counts > 0, 1 - self.decay, 1.0)  # the first sight of a class is all there is
        else:
            share = counts / (self.counts + counts).clamp_min(1)
        self.means += (here * share)[:, None] * (batch - self.means)
        self.counts += counts
        self.steps += 1
        if self.update == "condensation":
            condensed = self.steps % self.every == 0  # a tensor: nothing here makes a GPU wait
            self.counts.copy_(torch.where(condensed, self.counts.clamp_max(1), self.counts))

    def extra_repr(self) -> str:
        return f"{self.classes} means in {self.width} dimensions, update={self.update!r}"


class AngularSoftmaxHead(_ClassHead):
    """SphereFace's classifier: learnt directions, and a margin that multiplies the angle to one's own class by m.

    Scores are |z| cos(theta_k) with unit weights and no bias. In the loss the own class has |z| psi(theta) in place of
    it, psi(theta) = (-1)^k cos(m theta) - 2k for theta in [k pi/m, (k+1) pi/m], which falls all the way from 0 to pi.
    As published, psi is blended in: (blend cos + psi) / (1 + blend), with blend = max(end, start / (1 + rate step)).

    With `energy_weight` it is SphereFace+: the energy of the batch's classes against all others is added (MHE-E8). It
    is a mean over the batch, as the loss is; with reduction="sum" both are sums. With m = 1 the head is a softmax on
    class vectors of length 1. The class vectors are those of `linear`, where `mhe.MHE` finds them too.

    Args:
        classes: number of classes K, at least 2.
        width: dimension of the outputs.
        margin: m, a whole number from 1 (no margin) to 4.
        blend: (start, end, rate); (0, 0, 0) takes psi from the first step on.
        energy_weight, s: weight and Riesz exponent of the energy; 0 for SphereFace.
    Raises:
        ValueError: if a number is out of range.
    Source: Liu et al. 2017, SphereFace: Deep Hypersphere Embedding for Face Recognition; MHE-E8.
    """

    def __init__(
        self,
        classes: int,
        width: int,
        margin: int = 4,
        *,
        blend: tuple[float, float, float] = (1500.0, 5.0, 0.1),
        energy_weight: float = 0.0,
        s: float = 2.0,
    ):
        super().__init__()
        self.classes, self.width = whole("classes", classes, 2), whole("width", width, 2)
        if margin not in (1, 2, 3, 4):
            raise ValueError(f"margin must be 1, 2, 3 or 4, got {margin!r}")
        if not isinstance(blend, tuple | list) or len(blend) != 3:
            raise ValueError(f"blend must be three numbers (start, end, rate), none negative, got {blend!r}")
        for name, value in (*(("blend", b) for b in blend), ("energy_weight", energy_weight), ("s", s)):
            _factor(name, value)
        self.margin, self.blend, self.energy_weight, self.s = int(margin), blend, energy_weight, s
        self.linear = nn.Linear(width, classes, bias=False)
        nn.init.xavier_uniform_(self.linear.weight)
        self.register_buffer("steps", torch.zeros(()))

    @property
    def weight(self) -> Tensor:
        """Class vectors (K, width) of any length, of which the directions alone count."""
        return self.linear.weight

    def forward(self, z: Tensor) -> Tensor:
        losses.check_outputs(z, self.width, check=self.check)
        z = z.to(torch.promote_types(z.dtype, self.weight.dtype))
        with torch.autocast(z.device.type, enabled=False):
            return z @ F.normalize(self.weight.to(z.dtype), dim=1).T  # (B, K): |z| cos(theta)

    def loss(self, z: Tensor, y: Tensor, reduction: str = "mean") -> Tensor:
        scores = self(z)
        y = losses.check_labels(y, self.classes, size=len(z), name="y", check=self.check)
        length = torch.linalg.vector_norm(z.to(scores.dtype), dim=1).clamp_min(1e-12)  # (B,)
        c = (scores.gather(1, y[:, None])[:, 0] / length).clamp(-1, 1)  # cosine to the own class
        start, end, rate = self.blend
        blend = (start / (1 + rate * self.steps)).clamp_min(end)
        own = length * (blend * c + angular_margin(c, self.margin)) / (1 + blend)
        value = F.cross_entropy(scores.scatter(1, y[:, None], own[:, None]), y, reduction=reduction)
        if self.energy_weight:
            times = len(z) if reduction == "sum" else 1
            value = value + times * self.energy_weight * energy.class_minibatch(self.weight, y, self.s, check=False)
        return value

    @torch.no_grad()
    def observe(self, z: Tensor, y: Tensor) -> None:
        self.steps += 1

    def extra_repr(self) -> str:
        plus = f", energy weight {self.energy_weight:g}" if self.energy_weight else ""
        return f"{self.classes} classes in {self.width} dimensions, margin {self.margin}{plus}"


def angular_margin(c: Tensor, m: int) -> Tensor:
    """psi(theta) = (-1)^k cos(m theta) - 2k of c = cos(theta), k = floor(m theta / pi): falls from 1 to 1 - 2m.

    cos(m theta) is a polynomial of c, so there is no arccos to differentiate; k is a step and has no gradient.

    Args:
        c: cosines in [-1, 1], of any shape.
        m: 1, 2, 3 or 4.
    Returns:
        psi, of c's shape.
    Raises:
        ValueError: on another m.
    Source: Liu et al. 2017, section 3.2.
    """
    if m not in (1, 2, 3, 4):
        raise ValueError(f"m must be 1, 2, 3 or 4, got {m!r}")
    multiple = (c, 2 * c**2 - 1, 4 * c**3 - 3 * c, 8 * c**4 - 8 * c**2 + 1)[int(m) - 1]
    k = (m * c.detach().acos() / torch.pi).floor().clamp(0, m - 1)
    return (1 - 2 * (k % 2)) * multiple - 2 * k


# --- values --------------------------------------------------------------------------------------------------------


class _Bounded(Head):
    """A head with bounds on its values. They go into state_dict, as a tensor, which any tool can move and store."""

    def __init__(self, low: float, high: float, clip: bool):
        super().__init__()
        self.low, self.high = losses.check_bounds(low, high)
        self.clip = clip

    def get_extra_state(self) -> Tensor:
        return torch.tensor([self.low, self.high], dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        self.low, self.high = losses.check_bounds(*state.tolist())

    def extra_repr(self) -> str:
        return f"values from {self.low:g} to {self.high:g}, {self.width} outputs"


class _ValueHead(_Bounded):
    def metrics(self, prediction: Tensor, y: Tensor) -> dict[str, float]:
        return {"mae": _mean_absolute_error(prediction, y)}

    def validate(self, y: Tensor) -> None:
        losses.to_cosine(y, self.low, self.high, clip=self.clip, check=True)


class RegressionHead(_ValueHead):
    """Regression on the sphere: the cosine to one axis is the value, -1 the lower bound and +1 the upper one.

    Args:
        low, high: the bounds; the paper takes the smallest and largest training target.
        dim: dimension D of the outputs, at least 2.
        axis: (D,) unit vector; default: the last axis. Any other does as well.
        clip: move targets outside the bounds onto them; without it they are an error.
    Raises:
        TypeError, ValueError: unless low < high, dim >= 2, and axis is a unit vector of that dimension.
    Source: HPN-E6, HPN-E7.
    """

    def __init__(self, low: float, high: float, dim: int, *, axis: Tensor | None = None, clip: bool = False):
        super().__init__(low, high, clip)
        self.width = whole("dim", dim, 2)
        axis = torch.eye(dim)[-1] if axis is None else axis
        losses.check_axis(axis, dim)
        self.register_buffer("axis", axis.detach().to(torch.get_default_dtype(), copy=True))

    def forward(self, z: Tensor) -> Tensor:
        losses.check_outputs(z, self.width, check=self.check)
        c = (losses.unit(z, self.axis) * self.axis).sum(1).clamp(-1, 1)  # (B,)
        return losses.from_cosine(c, self.low, self.high)

    def loss(self, z: Tensor, y: Tensor, reduction: str = "mean") -> Tensor:
        losses.check_outputs(z, self.width, check=self.check)
        r = losses.to_cosine(y, self.low, self.high, clip=self.clip, check=self.check)
        return losses.squared_difference(z, r, self.axis, reduction=reduction, check=False)

    @torch.no_grad()
    def predict(self, z: Tensor) -> Tensor:
        return self(z)


class SquaredHead(_ValueHead):
    """The baseline of regression: one number, squared loss, targets and outputs brought to [0, 1] and clamped there.

    Args:
        low, high: the bounds.
        dim: outputs of the net: 1 (the paper's 1D), or D with one more linear layer behind them (2D+1D, 3D+1D).
        clamp: clamp the output, as the paper does.
        clip: move targets outside the bounds onto them; without it they are an error.
    Raises:
        ValueError: unless low < high and dim >= 1.
    Source: HPN-F5.
    """

    def __init__(self, low: float, high: float, dim: int = 1, *, clamp: bool = True, clip: bool = False):
        super().__init__(low, high, clip)
        self.width, self.clamp = whole("dim", dim, 1), clamp
        self.linear = nn.Identity() if dim == 1 else nn.Linear(dim, 1)

    def _output(self, z: Tensor) -> Tensor:
        losses.check_outputs(z, self.width, check=self.check)
        return self.linear(z)[:, 0]  # (B,): 0 stands for low, 1 for high

    def forward(self, z: Tensor) -> Tensor:
        output = self._output(z)
        return self.low + (output.clamp(0, 1) if self.clamp else output) * (self.high - self.low)

    def loss(self, z: Tensor, y: Tensor, reduction: str = "mean") -> Tensor:
        options = {"clamp": self.clamp, "clip": self.clip, "reduction": reduction, "check": self.check}
        return losses.squared_error(self._output(z), y, self.low, self.high, **options)

    @torch.no_grad()
    def predict(self, z: Tensor) -> Tensor:
        return self(z)


# --- both ----------------------------------------------------------------------------------------------------------


class _TwoTasks(_Bounded):
    """Targets and predictions are tuples (labels, values)."""

    @torch.no_grad()
    def predict(self, z: Tensor) -> tuple[Tensor, Tensor]:
        scores, values = self(z)
        return scores.argmax(1), values

    def metrics(self, prediction: tuple[Tensor, Tensor], y: tuple[Tensor, Tensor]) -> dict[str, float]:
        labels, values = _tuple(y, ("labels", "values"))
        return {"accuracy": _accuracy(prediction[0], labels), "mae": _mean_absolute_error(prediction[1], values)}

    def validate(self, y: tuple[Tensor, Tensor]) -> None:
        labels, values = _tuple(y, ("labels", "values"))
        losses.check_labels(labels, self.classes, check=True)
        losses.to_cosine(values, self.low, self.high, clip=self.clip, check=True)


class JointHead(_TwoTasks):
    """Classes and values in one output space: the last axis is the regression's, the others hold the prototypes.

    Args:
        prototypes: (K, D - 1) unit rows in the class axes; the outputs are D wide.
        low, high: the bounds of the values.
        regression_weight: factor of the regression's part of the loss; the paper needs none.
        project: measure the classes' cosines within the class axes, so that the two tasks do not compete (see
            losses.joint).
        clip: move targets outside the bounds onto them; without it they are an error.
    Raises:
        TypeError, ValueError: see PrototypeHead and RegressionHead; also if regression_weight is negative.
    Source: HPN, section 2.3; project is ours.
    """

    def __init__(
        self,
        prototypes: Tensor,
        low: float,
        high: float,
        *,
        regression_weight: float = 1.0,
        project: bool = False,
        clip: bool = False,
    ):
        super().__init__(low, high, clip)
        losses.check_prototypes(prototypes)
        self.register_buffer("prototypes", prototypes.detach().to(torch.get_default_dtype(), copy=True))
        self.classes, self.width = len(prototypes), prototypes.shape[1] + 1
        self.regression_weight, self.project = _factor("regression_weight", regression_weight), project

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (B, D) -> cosines to the prototypes (B, K) and values (B,)."""
        losses.check_outputs(z, self.width, check=self.check)
        unit = losses.unit(z, self.prototypes)
        flat = losses.unit(z[:, :-1], self.prototypes) if self.project else unit[:, :-1]
        with torch.autocast(z.device.type, enabled=False):
            cosines = (flat @ self.prototypes.T.to(flat.dtype)).clamp(-1, 1)  # (B, D - 1) -> (B, K)
        return cosines, losses.from_cosine(unit[:, -1].clamp(-1, 1), self.low, self.high)

    def loss(self, z: Tensor, y: tuple[Tensor, Tensor], reduction: str = "mean") -> Tensor:
        labels, values = self._targets(z, y, ("labels", "values"))
        labels = losses.check_labels(labels, self.classes, size=len(z), check=self.check)
        r = losses.to_cosine(values, self.low, self.high, clip=self.clip, check=self.check)
        options = {"regression_weight": self.regression_weight, "project": self.project, "reduction": reduction}
        return losses.joint(z, self.prototypes, labels, r, check=False, **options)


class MultiTaskHead(_TwoTasks):
    """The baseline of two tasks: one linear layer with softmax cross-entropy, one with the clamped squared loss.

    Args:
        classes: number of classes K, at least 2.
        low, high: the bounds of the values.
        width: outputs of the net before the two layers.
        regression_weight: factor of the squared loss; the paper's baseline has none.
        clamp, clip: as in SquaredHead.
    Raises:
        ValueError: unless classes >= 2, low < high, width >= 1 and regression_weight is 0 or more.
    Source: HPN-T4.
    """

    def __init__(
        self,
        classes: int,
        low: float,
        high: float,
        width: int,
        *,
        regression_weight: float = 1.0,
        clamp: bool = True,
        clip: bool = False,
    ):
        super().__init__(low, high, clip)
        self.classes, self.width = whole("classes", classes, 2), whole("width", width, 1)
        self.regression_weight, self.clamp = _factor("regression_weight", regression_weight), clamp
        self.class_layer, self.value_layer = nn.Linear(width, classes), nn.Linear(width, 1)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (B, width) -> class scores (B, K) and values (B,)."""
        losses.check_outputs(z, self.width, check=self.check)
        output = self.value_layer(z)[:, 0]
        values = self.low + (output.clamp(0, 1) if self.clamp else output) * (self.high - self.low)
        return self.class_layer(z), values

    def loss(self, z: Tensor, y: tuple[Tensor, Tensor], reduction: str = "mean") -> Tensor:
        labels, values = self._targets(z, y, ("labels", "values"))
        labels = losses.check_labels(labels, self.classes, size=len(z), check=self.check)
        options = {"clamp": self.clamp, "clip": self.clip, "reduction": reduction, "check": self.check}
        part = losses.squared_error(self.value_layer(z), values, self.low, self.high, **options)
        return _cross_entropy(self.class_layer(z), labels, reduction) + self.regression_weight * part
