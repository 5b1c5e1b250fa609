"""Minimum hyperspherical energy for the layers of a network: neurons that keep away from each other.

    regulariser = mhe.MHE(hidden=mhe.Energy(1.0, half_space=True), output=mhe.Energy(10.0))
    loss = data_loss + regulariser(net)          # MHE-E4, for any nn.Module, wrapped or not

A neuron is one row of a layer's weight, flattened: what a filter or an output unit looks for. The energies see its
direction alone and average over pairs, so layers of any width weigh the same. The penalty is the same on every rank of
a DistributedDataParallel run, so averaging gradients over ranks leaves it as it is; it is in float32 under autocast.

References:
    Liu et al. 2018, Learning towards Minimum Hyperspherical Energy (MHE): E1 to E5, section 3
    Bansal et al. 2018, Can We Gain More from Orthogonality Regularizations in Training Deep CNNs?
"""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from . import energy, fused
from .bounds import real, whole
from .sphere import check_vectors

__all__ = ["MHE", "Energy", "Layer", "neurons", "orthogonality", "orthonormality", "unnormalised"]

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
FORMS = ("energy", "orthonormal", "orthogonal", "unnormalised")


@dataclass(frozen=True)
class Energy:
    """What a group of layers (hidden, or output) is penalised with.

    Args:
        weight: lambda_h or lambda_o, 0 or more; 0 leaves the group alone.
        s: the Riesz exponent, 0 or more.
        distance: "euclidean", or "angular" (A-MHE, E5).
        half_space: add the opposite of every neuron; for hidden layers only.
        sample: how many neurons of a layer to draw at random at each call, at least 2; None takes all.
        by_labels: for the output layer: only pairs with a class of the batch (needs labels at the call).
        form: "energy", or one of those that MHE is compared with: "orthonormal", "orthogonal", "unnormalised".
    Raises:
        ValueError: if a number or a choice is not allowed, or two options do not go together.
    Source: MHE, sections 3.2 to 3.5 (Liu et al. 2018).
    """

    weight: float = 1.0
    s: float = 2.0
    distance: str = "euclidean"
    half_space: bool = False
    sample: int | None = None
    by_labels: bool = False
    form: str = "energy"

    def __post_init__(self):
        if not 0 <= real("weight", self.weight) < float("inf"):
            raise ValueError(f"weight must be 0 or more and finite, got {self.weight}")
        if not 0 <= real("s", self.s) < float("inf"):
            raise ValueError(f"s must be in [0, infinity), got {self.s}")
        for argument, allowed in {"distance": ("euclidean", "angular"), "form": FORMS}.items():
            if getattr(self, argument) not in allowed:
                raise ValueError(f"{argument} must be one of {allowed}, got {getattr(self, argument)!r}")
        if self.sample is not None:
            whole("sample", self.sample, 2)
        if self.form != "energy" and (self.half_space or self.by_labels or self.distance != "euclidean"):
            raise ValueError(
                f"half_space, by_labels and angular distance are forms of the energy, got form={self.form!r}"
            )
        if self.by_labels and (self.half_space or self.sample or self.distance != "euclidean"):
            raise ValueError("by_labels is the Euclidean energy of all neurons: give no half_space, sample or distance")


class Layer(NamedTuple):
    """A layer of a network: its name, the module, whether it is the output layer, why it is skipped, if it is."""

    name: str
    module: nn.Module
    output: bool
    skipped: str | None


class MHE:
    """The penalty of MHE-E4: lambda_h times the sum of the hidden layers' energies, plus lambda_o times the output's.

    Args:
        hidden, output: an Energy, a number (its weight, with s = 2), or None to leave the group alone.
        layers: which layers count: types, or names (exact, or a regular expression for the whole name); None takes all
            Linear and convolutional ones.
        output_layer: name of the output layer; None takes the last of the layers that count. "" says there is none.
    Raises:
        TypeError: if a group is none of these, or layers no tuple of types and names.
        ValueError: if a name is no regular expression, half-space is asked for the output layer, or labels for the
            hidden ones.
    Source: MHE-E4 (Liu et al. 2018).
    """

    def __init__(
        self,
        hidden: Energy | float | None = 1.0,
        output: Energy | float | None = 1.0,
        *,
        layers: tuple[type | str, ...] | None = None,
        output_layer: str | None = None,
    ):
        self.hidden, self.output = _group("hidden", hidden), _group("output", output)
        if self.output and self.output.half_space:
            raise ValueError(
                "half_space is for hidden layers, where a neuron and its opposite do the same work up to a sign; the "
                "output neuron of a class must point at the class, not away from it: give output=Energy(...) without it"
            )
        if self.hidden and self.hidden.by_labels:
            raise ValueError(
                "by_labels is for the output layer, whose neurons are classes; hidden neurons have no labels"
            )
        if layers is not None and not (
            isinstance(layers, tuple | list) and all(isinstance(want, str | type) for want in layers)
        ):
            raise TypeError(f"layers must be a tuple of layer types and names, or None for all, got {layers!r}")
        for want in layers or ():
            try:
                re.compile(want if isinstance(want, str) else "")
            except re.error as error:
                raise ValueError(f"layers must hold names or regular expressions, got {want!r}: {error}") from None
        self.layers, self.output_layer = layers, output_layer
        self._said: set[str] = set()

    def __call__(self, model: nn.Module, labels: Tensor | None = None) -> Tensor:
        """The penalty, a scalar to be added to the loss.

        Args:
            model: the network, wrapped by DistributedDataParallel or torch.compile or not.
            labels: (B,) class indices of the batch, for Energy(by_labels=True).
        Raises:
            TypeError: if model is no module.
            ValueError: if no layer is left to regularise, or labels are missing where they are needed.
        """
        total = None
        for layer, group in self._chosen(model):
            term = group.weight * penalty(neurons(layer.module), group, labels if layer.output else None)
            total = term if total is None else total + term
        return total

    def report(self, model: nn.Module) -> dict[str, float]:
        """The unweighted term of every layer, by name: what the penalty is made of, as a metric (no gradient)."""
        with torch.no_grad():
            return {
                layer.name: float(penalty(neurons(layer.module), Energy(**{**vars(group), "by_labels": False}), None))
                for layer, group in self._chosen(model)
            }

    def _chosen(self, model: nn.Module) -> Iterator[tuple[Layer, Energy]]:
        chosen = 0
        for layer in self.survey(model):
            group = self.output if layer.output else self.hidden
            if not group or not group.weight:
                continue
            if layer.skipped:
                if layer.name not in self._said and not torch.compiler.is_compiling():
                    self._said.add(layer.name)
                    warnings.warn(f"MHE skips {layer.name}: {layer.skipped}", stacklevel=3)
                continue
            chosen += 1
            yield layer, group
        if not chosen:
            raise ValueError(
                f"no layer is left to regularise in {type(model).__name__}: it has {len(self.survey(model))} that "
                "count; see MHE.survey(model), and the arguments layers, hidden and output"
            )

    def survey(self, model: nn.Module) -> list[Layer]:
        """The layers that count, in the order of the network, with the reason where one is skipped."""
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
        model = getattr(model, "_orig_mod", model)  # torch.compile
        model = model.module if isinstance(model, nn.parallel.DistributedDataParallel) else model
        found = [(n, m) for n, m in model.named_modules() if isinstance(m, LAYERS) and self._counts(n, m)]
        names = [n for n, _ in found]
        last = (names[-1] if names else "") if self.output_layer is None else self.output_layer
        if self.output_layer and last not in names:
            raise ValueError(f"output_layer must name one of {names}, got {last!r}")
        return [Layer(n, m, n == last and self.output_layer != "", _too_small(m)) for n, m in found]

    def _counts(self, name: str, module: nn.Module) -> bool:
        return self.layers is None or any(
            bool(re.fullmatch(want, name)) if isinstance(want, str) else isinstance(module, want)
            for want in self.layers
        )


def neurons(layer: nn.Module) -> Tensor:
    """The neurons of a Linear or convolutional layer, one per output unit: (N, D), differentiable.

    Raises:
        TypeError: if it is no such layer.
    """
    if not isinstance(layer, LAYERS):
        raise TypeError(f"layer must be Linear or convolutional, got {type(layer).__name__}")
    transposed = isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d)
    weight = layer.weight
    if transposed:  # (inputs, outputs / groups, ...): bring the outputs to the front, group by group
        weight = weight.unflatten(0, (layer.groups, -1)).transpose(1, 2).flatten(0, 1)
    return weight.flatten(1)


def penalty(w: Tensor, group: Energy, labels: Tensor | None = None) -> Tensor:
    """One layer's term without its weight: the energy or another form, of (N, D) neurons."""
    if group.by_labels:
        if labels is None:
            raise ValueError("labels are needed for Energy(by_labels=True): call regulariser(model, labels)")
        return energy.class_minibatch(w, labels, group.s)
    if group.sample and group.sample < len(w):
        w = w[torch.randperm(len(w), device=w.device)[: group.sample]]
    if group.form == "orthonormal":
        return orthonormality(w)
    if group.form == "orthogonal":
        return orthogonality(w)
    if group.form == "unnormalised":
        return unnormalised(w, group.s)
    if group.distance == "euclidean":
        return fused.penalty(w, group.s, group.half_space)
    return energy.riesz(w, group.s, distance=group.distance, half_space=group.half_space, check=False)


def orthonormality(w: Tensor) -> Tensor:
    """||W W^T - I||_F for (N, D) neurons as they are: asks for unit length and right angles at once.

    With N > D it cannot be zero, and its least value says nothing about how the neurons should then lie.

    Raises:
        TypeError, ValueError: if w is no floating-point tensor of shape (N, D).
    Source: the comparison in MHE, section 4.2; Brock et al. 2017.
    """
    w = _wide(w, 1)
    with torch.autocast(w.device.type, enabled=False):
        gram = w @ w.T  # (N, N)
    return torch.linalg.matrix_norm(gram - torch.eye(len(w), dtype=w.dtype, device=w.device))


def orthogonality(w: Tensor) -> Tensor:
    """Mean over pairs of |cos|, (N, D) -> scalar: right angles are best, and opposite neurons as bad as equal ones.

    Raises:
        TypeError, ValueError: if w is no floating-point tensor of shape (N, D) with N >= 2.
    Source: the comparison in MHE, section 4.2 (there a sum of cosines; an absolute value keeps its minimum at 0).
    """
    w = _wide(w, 2)
    unit = nn.functional.normalize(w, dim=1)
    with torch.autocast(w.device.type, enabled=False):
        cosine = unit @ unit.T  # (N, N)
    n = len(w)
    return cosine.triu(1).abs().sum() / (n * (n - 1) / 2)


def unnormalised(w: Tensor, s: float = 2.0) -> Tensor:
    """The mean Riesz energy of the neurons as they are, lengths and all: a trap, kept to be shown.

    Longer neurons lie farther apart, so it falls without any of them turning: c times the length gives c^-s times the
    energy. Against weight decay it drives the lengths up.

    Raises:
        TypeError, ValueError: if w is no floating-point tensor of shape (N, D) with N >= 2, or s is negative.
    Source: MHE, section 3.5 (Liu et al. 2018).
    """
    if not 0 <= real("s", s) < float("inf"):
        raise ValueError(f"s must be in [0, infinity), got {s}")
    w = _wide(w, 2)
    n = len(w)
    i, j = torch.triu_indices(n, n, 1, device=w.device)
    square = (w[i] - w[j]).square().sum(-1).clamp_min(torch.finfo(w.dtype).eps)  # (pairs,)
    return (square.log() / -2 if s == 0 else square ** (-s / 2)).mean()


def _wide(w: Tensor, least: int) -> Tensor:
    """(N, D) neurons, at least so many, in float32 at least; their values are not looked at."""
    check_vectors(w, "w", points=least, values=False)
    if w.ndim != 2:
        raise ValueError(f"w must have shape (N, D), got {tuple(w.shape)}")
    return w.float() if w.dtype in (torch.float16, torch.bfloat16) else w


def _group(name: str, group: Energy | float | None) -> Energy | None:
    if group is None or isinstance(group, Energy):
        return group
    if isinstance(group, bool) or not isinstance(group, int | float):
        raise TypeError(f"{name} must be an Energy, a number (its weight) or None, got {group!r}")
    return Energy(float(group))


def _too_small(layer: nn.Module) -> str | None:
    n, d = neurons(layer).shape
    if n < 2:
        return "it has one neuron, and an energy needs a pair"
    return "its neurons have one input each, and so no direction but a sign" if d < 2 else None
