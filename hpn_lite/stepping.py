"""What `training.train` is made of: one step, a run's state and its checkpoint, the bar, and how a run is stopped.

A step is net, loss, gradient and update. On a GPU it is captured once as a CUDA graph, a recording of all its kernels,
and then replayed: for the small nets of this book launching the kernels one by one takes longer than running them.
"""

import collections
import contextlib
import copy
import dataclasses
import datetime
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from .data import Mixed
from .heads import Head


class Model(nn.Module):
    """Net, head and loss as one module, so that DistributedDataParallel sees every parameter."""

    def __init__(self, net: nn.Module, head: Head, penalty: Callable | None, bf16: bool):
        super().__init__()
        self.net, self.head, self.penalty, self.bf16 = net, head, penalty, bf16

    def forward(self, x: Tensor, y, scale: float) -> tuple[Tensor, Tensor, Tensor]:
        """What to minimise, the sum of the losses, and the outputs z (B, width)."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16, cache_enabled=False):
            z = self.net(x)
        z = z.float() if self.bf16 else z
        if isinstance(y, Mixed):
            first, second = self.head.loss(z, y.y, reduction="sum"), self.head.loss(z, y.other, reduction="sum")
            loss = y.weight * first + (1 - y.weight) * second
        else:
            loss = self.head.loss(z, y, reduction="sum")
        objective = loss * scale
        if self.penalty is not None:
            objective = objective + self.penalty(self.net, z, y.y if isinstance(y, Mixed) else y)
        return objective, loss.detach(), z.detach()


class Stepper:
    """One training step: eager, or captured as a CUDA graph and replayed."""

    def __init__(self, model: nn.Module, recipe, device: torch.device, graph: bool):
        self.model, self.device, self.graph = model, device, None
        self.lr, self.batch = recipe.lr, recipe.batch
        self.wants_graph, self.head = graph, (model.module if hasattr(model, "module") else model).head
        lr = torch.tensor(recipe.lr, device=device) if graph else recipe.lr  # a tensor: one graph serves all rates
        parameters = [p for p in model.parameters() if p.requires_grad]
        options = {"lr": lr, "weight_decay": recipe.weight_decay, "fused": device.type in ("cpu", "cuda")}
        if recipe.optimiser == "sgd":
            self.optimiser = torch.optim.SGD(parameters, momentum=recipe.momentum, **options)
        else:
            kind = torch.optim.Adam if recipe.optimiser == "adam" else torch.optim.AdamW
            self.optimiser = kind(parameters, capturable=graph, **options)

    def __call__(self, x: Tensor, y, scale: float, lr: float) -> tuple[Tensor, Tensor]:
        """Take a step; gives the sum of the batch's losses and its outputs."""
        if lr != self.lr:
            self.lr = lr
            for group in self.optimiser.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(lr)
                else:
                    group["lr"] = lr
        if self.wants_graph and self.graph is None and len(x) == self.batch:
            self._capture(x, y, scale)
        if not self.wants_graph or len(x) != self.batch:  # the last, smaller batch of an epoch is stepped eagerly
            return self._step(x, y, scale)
        if self.addresses != [b.data_ptr() for b in self.head.buffers()]:
            warnings.warn(
                "the head replaced a buffer (change it in place: copy_), so steps run uncaptured", stacklevel=2
            )
            self.wants_graph = False
            return self._step(x, y, scale)
        for old, new in zip(_leaves((self.x, self.y)), _leaves((x, y)), strict=True):
            old.copy_(new)
        self.graph.replay()
        return self.out

    def _step(self, x: Tensor, y, scale: float) -> tuple[Tensor, Tensor]:
        self.optimiser.zero_grad(set_to_none=True)
        objective, loss, z = self.model(x, y, scale)
        objective.backward()
        self.optimiser.step()
        return loss, z

    def _capture(self, x: Tensor, y, scale: float) -> None:
        """Warm up, capture, and put everything back to where it was: capturing trains nothing."""
        tensors = list(self.model.state_dict(keep_vars=True).values())
        tensors = [t for t in tensors if isinstance(t, Tensor) and t.device.type == self.device.type]
        before = [t.detach().clone() for t in tensors]
        state = copy.deepcopy(self.optimiser.state)
        state = {id(p): v for p, v in zip(self.optimiser.state, state.values(), strict=True)}
        generator = torch.cuda.get_rng_state(self.device)
        self.x, self.y = copy.deepcopy((x, y))  # of our own; later batches are copied into them
        try:
            side = torch.cuda.Stream(self.device)
            side.wait_stream(torch.cuda.current_stream(self.device))
            with torch.cuda.stream(side):
                for _ in range(3):
                    self._step(self.x, self.y, scale)
            torch.cuda.current_stream(self.device).wait_stream(side)
            self.optimiser.zero_grad(set_to_none=True)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=side):
                self.out = self._step(self.x, self.y, scale)
            self.graph, self.addresses = graph, [b.data_ptr() for b in self.head.buffers()]
        except Exception as error:  # something in net, head or penalty cannot be captured; eager steps always work
            self.wants_graph = False
            warnings.warn(f"steps run uncaptured ({type(error).__name__}: {error})", stacklevel=2)
        with torch.no_grad():
            for tensor, value in zip(tensors, before, strict=True):
                tensor.copy_(value)
            for parameter, values in self.optimiser.state.items():  # empty before the first step: then zeros
                for name, value in values.items():
                    if isinstance(value, Tensor):
                        value.copy_(state[id(parameter)][name]) if id(parameter) in state else value.zero_()
        torch.cuda.set_rng_state(generator, self.device)


def _leaves(y) -> list[Tensor]:
    return [y] if isinstance(y, Tensor) else [leaf for part in y for leaf in _leaves(part)]


@dataclasses.dataclass
class Run:
    """How far a run is: all that a checkpoint holds besides the weights. Counts are of all processes together."""

    rows: list = dataclasses.field(default_factory=list)  # of the epochs that are over
    done: int = 0  # steps in all
    step: int = 0  # steps of the epoch under way
    seen: int = 0  # its images
    loss: float = 0.0  # sum of its losses
    part: float = 0.0  # seconds spent on it
    images: int = 0  # trained on, in all
    trained: float = 0.0  # seconds of training, without evaluation
    seconds: float = 0.0  # of everything
    diverged: str = ""
    rng: list = dataclasses.field(default_factory=list)

    def count(self, images: int) -> None:
        """One more step, with so many images."""
        self.done, self.step = self.done + 1, self.step + 1
        self.images, self.seen = self.images + images, self.seen + images


def save(file: Path, belongs: dict, run: Run, net: nn.Module, head: Head, optimiser: torch.optim.Optimizer) -> None:
    """Write a checkpoint in one stroke: at any moment the file is the old one or the new one, never half of it."""
    run.rng = [torch.get_rng_state()]
    device = next(iter(net.parameters())).device
    if device.type == "cuda":
        run.rng.append(torch.cuda.get_rng_state(device))
    content = {"belongs": belongs, "run": dataclasses.asdict(run), "net": net.state_dict(), "head": head.state_dict()}
    content["optimiser"] = optimiser.state_dict()["state"]
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    with open(part, "wb") as stream:
        torch.save(content, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(part, file)


def load(file: Path, belongs: dict, net: nn.Module, head: Head, optimiser: torch.optim.Optimizer) -> Run:
    """Read a checkpoint into net, head and optimiser.

    Raises:
        ValueError: if it cannot be read, or belongs to a run with another recipe, seed, data set, net or head.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        other = content["belongs"]
    except Exception as error:
        raise ValueError(f"{file} is no checkpoint of a run ({error}); remove it to start afresh") from error
    differ = [
        f"{key}: {other.get(key)!r} there, {value!r} here" for key, value in belongs.items() if other.get(key) != value
    ]
    if differ:
        raise ValueError(f"{file} belongs to another run ({'; '.join(differ)}); give another file")
    net.load_state_dict(content["net"])
    head.load_state_dict(content["head"])
    optimiser.load_state_dict({"state": content["optimiser"], "param_groups": optimiser.state_dict()["param_groups"]})
    return Run(**content["run"])


def restore(rng: list, device: torch.device) -> None:
    """Random numbers as they were when the checkpoint was written."""
    torch.set_rng_state(rng[0])
    if device.type == "cuda" and len(rng) > 1:
        torch.cuda.set_rng_state(rng[1], device)


class Turns:
    """Threads that take turns, so that several runs share one GPU: one prepares its next step while others compute.

    Only the thread whose turn it is runs, so nothing that it touches needs a lock. A thread enters (`with turns:`),
    and each `pause` lets the others have their turn, in the order in which they came.

    caught: what `interrupts` gives to threads that take turns; whoever waits for them appends to it to stop them.
    """

    def __init__(self):
        self.caught: list[int] = []
        self._mutex, self._busy, self._waiting = threading.Lock(), False, collections.deque()

    def __enter__(self):
        _here.turns = self
        self.take()

    def __exit__(self, *_):
        _here.turns = None
        self.give()

    def take(self) -> None:
        """Wait for this thread's turn."""
        gate = threading.Lock()
        with self._mutex:
            if not self._busy:
                self._busy = True
                return
            gate.acquire()
            self._waiting.append(gate)
        gate.acquire()  # until `give` releases it

    def give(self) -> None:
        """It is the next one's turn."""
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._busy = False


_here = threading.local()


def taking_turns() -> bool:
    """Whether this thread is one of several that take turns."""
    return getattr(_here, "turns", None) is not None


def pause() -> None:
    """Between two steps: the next thread's turn, if this one takes turns."""
    with aside():
        pass


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """Around work that touches nothing of others, such as a search of points: the others go on meanwhile."""
    turns = getattr(_here, "turns", None)
    if turns is None:
        yield
        return
    turns.give()
    try:
        yield
    finally:
        turns.take()


@contextlib.contextmanager
def interrupts(caught: list[int] | None = None) -> Iterator[list]:
    """Collect Ctrl-C and SIGTERM in a list, so that a step is never cut in two; a second Ctrl-C acts at once."""
    caught = [] if caught is None else caught

    def catch(number, frame):
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    if threading.current_thread() is not threading.main_thread():  # only the main thread may do this
        turns = getattr(_here, "turns", None)
        yield caught if turns is None else turns.caught
        return
    old = {number: signal.signal(number, catch) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def settings(device: torch.device, head: Head | None = None) -> Iterator[None]:
    """Random numbers of our own, deterministic convolutions, a head that lets infinite outputs pass; all given back."""
    backend = torch.backends.cudnn
    before, checked = (backend.deterministic, backend.benchmark), getattr(head, "check", None)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        backend.deterministic, backend.benchmark = True, False
        if head is not None:
            head.check = False
        try:
            yield
        finally:
            backend.deterministic, backend.benchmark = before
            if head is not None:
                head.check = checked


class Bar:
    """A line that says how far a run is: rewritten in a notebook and a terminal, one per epoch in a log file."""

    def __init__(self, shown: bool):
        self.shown, self.last, self.handle, self.text = shown, 0.0, None, ""
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        if shown and hasattr(shell, "kernel"):
            from IPython.display import display

            self.handle = display({"text/plain": "starting"}, raw=True, display_id=True)

    def show(self, run: Run, total: int, rate: float, left: float, end: bool) -> None:
        """Say it, five times a second at most, and always at the end of an epoch."""
        now = time.monotonic()
        live = self.handle is not None or sys.stderr.isatty()
        if not self.shown or not (end or live and now - self.last > 0.2):
            return
        self.last = now
        done = run.done / total
        bar = ("#" * round(24 * done)).ljust(24, ".")
        metrics = {k: v for k, v in (run.rows[-1] if run.rows else {}).items() if k not in ("lr", "seconds")}
        numbers = ", ".join(f"{k} {v:.4g}" for k, v in metrics.items() if v is not None)
        clock = datetime.timedelta(seconds=round(left))
        text = f"[{bar}] {done:4.0%}  {rate:,.0f} images/s  {clock} left  {numbers}"
        if self.handle is not None:
            self.handle.update({"text/plain": text}, raw=True)
        elif live:
            print("\r" + text.ljust(len(self.text)), end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)
        self.text = text

    def close(self) -> None:
        """Leave the line as it stands."""
        if self.shown and self.handle is None and sys.stderr.isatty() and self.text:
            print(file=sys.stderr)
