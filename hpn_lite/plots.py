"""Figures of the book: one look, and the few drawings that chapters share. matplotlib is imported only when drawing.

    >>> from hpn_lite import plots, points
    >>> ax = plots.sphere_3d(points.thomson(12), edges=True)

Every function that draws takes an `ax` to draw into, makes one if there is none, and returns it. Figures lie on light
paper, so that they read the same on the light and on the dark pages.

References:
    Okabe, Ito 2008, Color universal design (the eight colours)
    Abramowitz, Stegun 1964, Handbook of mathematical functions, 26.7.3 and 26.7.4 (Student's t as a finite sum)
"""

import contextlib
import io
import math

import torch
from torch import Tensor

from .records import student_quantile

INK, PAPER, LINE, MUTED = "#1b1f24", "#fdfcf9", "#d8d4c8", "#57606a"
BLUE, ORANGE, GREEN, VERMILION = "#0072b2", "#e69f00", "#009e73", "#d55e00"
PURPLE, SKY, YELLOW = "#cc79a7", "#56b4e9", "#f0e442"
COLOURS = [BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, INK]  # yellow is too pale for a line on paper


@contextlib.contextmanager
def style():
    """The look of the book's figures, as `with plots.style():` or as a decorator `@plots.style()`."""
    import matplotlib as mpl

    with mpl.rc_context(_look()):
        yield
        interactive = mpl.is_interactive()
    mpl.interactive(
        interactive
    )  # the first figure of a notebook turns this on, and later ones show only if it stays on


def use_style() -> None:
    """The look of the book's figures for all that follows: one line at the top of a notebook."""
    import matplotlib as mpl

    mpl.rcParams.update(_look())


def _look() -> dict:
    import matplotlib as mpl

    return {
        "figure.facecolor": PAPER,
        "savefig.facecolor": PAPER,
        "axes.facecolor": PAPER,
        "figure.figsize": (6.4, 3.8),
        "figure.dpi": 110,  # sharp enough on a page, and a PNG stays near 50 kB
        "savefig.dpi": 110,
        "figure.constrained_layout.use": True,
        "axes.prop_cycle": mpl.cycler(color=COLOURS),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.titlesize": 12,
        "axes.titlelocation": "left",
        "axes.labelsize": 11.5,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": LINE,
        "grid.linewidth": 0.7,
        "font.size": 11,
        "text.color": INK,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "lines.linewidth": 1.9,
        "lines.markersize": 5.5,
        "legend.frameon": False,
        "legend.fontsize": 10.5,
    }


def axes(width: float = 6.4, height: float = 3.8, **options):
    """An empty figure in the book's look and its axes; the options go to `plt.subplots`.

    Returns:
        (figure, axes) as `plt.subplots` does.
    """
    import matplotlib.pyplot as plt

    with style():
        return plt.subplots(figsize=(width, height), **options)


def sphere_3d(
    points: Tensor,
    *,
    ax=None,
    edges: bool | list[tuple[int, int]] = False,
    labels: list[str] | None = None,
    arrows: bool = False,
    colours: str | list[str] = BLUE,
    azimuth: float = 30.0,
    elevation: float = 20.0,
    size: float = 70.0,
    title: str = "",
):
    """Points on S^2, seen from far away: those in front large and full, those behind small and pale.

    Args:
        points: (K, 3) unit rows.
        ax: axes to draw into; a new square figure if None.
        edges: join neighbours, the points that share an edge of the convex hull (see `neighbours`), or these pairs.
        labels: one text per point.
        arrows: draw every point as an arrow from the centre.
        colours: one colour, or one per point.
        azimuth, elevation: where the viewer stands, in degrees.
        size: area of a marker in front, in points squared.
        title: of the axes.
    Returns:
        the axes.
    Raises:
        ValueError: if points is not (K, 3), or there are not as many labels or colours as points.
    """
    points = torch.as_tensor(points).detach().double().cpu()
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"sphere_3d draws points of shape (K, 3), got {tuple(points.shape)}; circle_2d draws (K, 2)")
    colours = _per_point("colours", [colours] * len(points) if isinstance(colours, str) else colours, points)
    labels = _per_point("labels", labels if labels is not None else [""] * len(points), points)
    ax = _bare_axes(ax, title)
    view = _viewer(azimuth, elevation)  # rows: right, up, towards the viewer

    seen = points @ view.T  # (K, 3)
    for line in _graticule() @ view.T:  # (lines, 73, 3)
        _front_and_back(ax, line, MUTED, 0.6, 0.30, 0.12)
    if edges:
        t = torch.linspace(0, 1, 25, dtype=points.dtype)[:, None]
        for i, j in neighbours(points) if edges is True else edges:
            arc = torch.nn.functional.normalize((1 - t) * seen[i] + t * seen[j], dim=-1)
            _front_and_back(ax, arc, INK, 1.3, 0.55, 0.15)
    order = seen[:, 2].argsort()  # far to near
    depth = seen[order, 2]
    alpha = torch.where(depth >= 0, 1.0, 0.4 + 0.2 * depth)
    if arrows:
        for i, a in zip(order.tolist(), alpha.tolist(), strict=True):
            arrow = {"arrowstyle": "-|>", "color": colours[i], "alpha": a, "linewidth": 2, "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", seen[i, :2].tolist(), (0, 0), arrowprops=arrow, zorder=3)
    else:
        fill = [colours[i] for i in order.tolist()]
        rim = {"edgecolors": PAPER, "linewidths": 0.14 * size**0.5}
        ax.scatter(*seen[order, :2].T, s=size * (0.7 + 0.3 * depth), c=fill, alpha=alpha, zorder=3, **rim)
    for i, a in zip(order.tolist(), alpha.tolist(), strict=True):
        if labels[i]:
            ax.annotate(
                labels[i], seen[i, :2].tolist(), (7, 6), textcoords="offset points", alpha=max(a, 0.55), zorder=5
            )
    return ax


def neighbours(points: Tensor, flat: float = 1e-6) -> list[tuple[int, int]]:
    """The edges of the convex hull of points on S^2, by looking at every triple: a face has all points on one side.

    Args:
        points: (K, 3) unit rows, not all in one plane when K > 3; about a second for K = 100.
        flat: an edge whose two faces have normals with a cosine above 1 - flat is the diagonal of a larger face.
    Returns:
        pairs i < j in order.
    """
    k = len(points)
    if k == 2:
        return [(0, 1)]
    normals = {}  # edge -> outward normals of its faces
    for i in range(k - 2):
        pairs = i + 1 + torch.triu_indices(k - i - 1, k - i - 1, 1)  # (2, triples that begin with i)
        spokes = points - points[i]
        normal = torch.nn.functional.normalize(torch.linalg.cross(spokes[pairs[0]], spokes[pairs[1]]), dim=-1)
        height = normal @ spokes.T  # (triples, K)
        for side in (1, -1):
            face = (side * height).amax(dim=1) <= 1e-9
            for (j, m), up in zip(pairs.T[face].tolist(), (side * normal[face]).tolist(), strict=True):
                for edge in ((i, j), (i, m), (j, m)):
                    normals.setdefault(edge, []).append(up)
    return sorted(e for e, n in normals.items() if (torch.tensor(n) @ torch.tensor(n).T).min() < 1 - flat)


def contacts(points: Tensor, *, share: float = 1e-6, **looks):
    """The contact graph of points on S^2: pairs at the smallest angle joined, loose points (without a contact) orange.

    Args:
        points: (K, 3) unit rows.
        share: an angle within this share of the smallest one counts as equal to it.
        looks: as in `sphere_3d`, for example ax, title, azimuth, elevation.
    Returns:
        the axes.
    """
    x = torch.as_tensor(points).detach().double().cpu()
    angles = 2 * torch.asin(torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").clamp_max(2) / 2)
    angles.fill_diagonal_(math.inf)
    touch = angles <= (1 + share) * angles.min()
    colours = [BLUE if touched else ORANGE for touched in touch.any(1).tolist()]
    return sphere_3d(x, edges=touch.triu().nonzero().tolist(), colours=colours, **looks)


def circle_2d(points: Tensor, *, ax=None, labels=None, arrows: bool = True, colours=BLUE, title: str = ""):
    """Vectors in the plane with the unit circle.

    Args:
        points: (K, 2) rows, of any length.
        ax, labels, arrows, colours, title: as in `sphere_3d`.
    Returns:
        the axes.
    Raises:
        ValueError: if points is not (K, 2), or there are not as many labels or colours as points.
    """
    points = torch.as_tensor(points).detach().double().cpu()
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"circle_2d draws points of shape (K, 2), got {tuple(points.shape)}; sphere_3d draws (K, 3)")
    colours = _per_point("colours", [colours] * len(points) if isinstance(colours, str) else colours, points)
    labels = _per_point("labels", labels if labels is not None else [""] * len(points), points)
    ax = _bare_axes(ax, title, reach=max(1.12, 1.12 * points.abs().max().item()))
    for (x, y), colour, label in zip(points.tolist(), colours, labels, strict=True):
        if arrows:
            arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": 2.2, "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", (x, y), (0, 0), arrowprops=arrow, zorder=3)
        else:
            ax.scatter([x], [y], s=70, color=colour, edgecolors=PAPER, linewidths=1.2, zorder=3)
        if label:
            ax.annotate(label, (x, y), (6, 6), textcoords="offset points")
    return ax


def mean_ci(values: Tensor | list[float], level: float = 0.95) -> tuple[float, float]:
    """Mean of independent runs and the half width of Student's confidence interval for it.

    Args:
        values: at least 2 numbers, one per run.
        level: the confidence.
    Returns:
        (mean, half width): report mean ± half width, draw it with `ax.errorbar(x, mean, half_width)`.
    Raises:
        ValueError: if there are fewer than 2 values, or level is not between 0 and 1.
    Source: Student 1908.
    """
    values = torch.as_tensor(values, dtype=torch.float64).flatten()
    if len(values) < 2:
        raise ValueError(f"an interval needs at least 2 runs, got {len(values)}")
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}")
    half = student_quantile(level, len(values) - 1) * values.std().item() / math.sqrt(len(values))
    return values.mean().item(), half


def beside(lines: list, *, label: str = "", ax=None):
    """The paper's numbers (open diamonds) beside ours (dots, 95% intervals), a row each.

    Args:
        lines: of ledger.compare, all of one metric.
        label: of the x axis.
        ax: matplotlib axes.
    Returns:
        The axes. A row that was not run has the paper's mark and the words "not run".
    """
    if ax is None:
        _, ax = axes(7.0, 0.9 + 0.34 * len(lines))
    with style():
        for y, line in enumerate(lines):
            known = isinstance(line.paper, (int, float))
            if known:
                ax.plot(line.paper, y, "D", mfc=PAPER, mec=INK, ms=7, label="paper", zorder=3)
            if line.ours.runs > line.ours.diverged:
                half = line.ours.half if math.isfinite(line.ours.half) else 0.0
                ax.errorbar(line.ours.mean, y, xerr=half, fmt="o", color=BLUE, capsize=3, label="ours", zorder=4)
            else:
                what = "diverged" if line.ours.runs else "not run"
                what = f"paper: {line.paper}; ours: {what}" if isinstance(line.paper, str) else what
                at = (line.paper, y) if known else (0.02, y)
                ax.annotate(
                    what, at, (10, 0), textcoords="offset points", va="center", color=MUTED, fontsize=10,
                    xycoords="data" if known else ax.get_yaxis_transform(),
                )  # fmt: skip
        ax.set_yticks(range(len(lines)), [line.row.name for line in lines])
        ax.set_ylim(len(lines) - 0.4, -0.6)
        ax.margins(x=0.18)
        ax.set_xlabel(label)
        _legend_once(ax)
    return ax


def advantages(judged: list, *, label: str = "advantage", ax=None):
    """Where the paper has its advantages (bars) and where ours lie (dots, 95% intervals), a claim each.

    Args:
        judged: of ledger.judge(...).claims.
        label: of the x axis.
        ax: matplotlib axes.
    Returns:
        The axes. A claim that is open has the paper's bar alone.
    """
    if ax is None:
        _, ax = axes(7.0, 1.1 + 0.5 * len(judged))
    with style():
        ours = [j.advantage for j in judged if math.isfinite(j.advantage)]
        far = max([*ours, *(j.claim.most for j in judged if math.isfinite(j.claim.most)), 1.0]) * 1.15
        for y, one in enumerate(judged):
            least, most = one.claim.least, min(one.claim.most, far)
            ax.barh(y, most - least, left=least, height=0.36, color=SKY, alpha=0.5, label="as the paper has it")
            if math.isfinite(one.advantage):
                half = one.half if math.isfinite(one.half) else 0.0
                ax.errorbar(one.advantage, y, xerr=half, fmt="o", color=BLUE, capsize=3, label="ours", zorder=4)
            ax.annotate(one.claim.text, (0, y - 0.3), (6, 2), textcoords="offset points", fontsize=10)
        ax.axvline(0, color=INK, linewidth=1)
        ax.set_yticks([])
        ax.set_ylim(len(judged) - 0.6, -0.9)
        ax.set_xlabel(label)
        _legend_once(ax)
    return ax


def curves(records: dict, metric: str, *, scale: float = 1.0, label: str = "", ax=None):
    """A metric after every epoch: one line per run, one colour per row.

    Args:
        records: {name of the row: list of runs.Record}.
        metric: a name in their epochs.
        scale: the numbers are multiplied by this.
        label: of the y axis.
        ax: matplotlib axes.
    Returns:
        The axes, with the words "not run" if there is no record at all.
    """
    if ax is None:
        _, ax = axes(7.0, 3.8)
    with style():
        for colour, (name, runs) in zip(COLOURS * (1 + len(records) // len(COLOURS)), records.items(), strict=False):
            for run in runs:
                rows = [row for row in run.epochs if row.get(metric) is not None]
                x, y = [row["epoch"] for row in rows], [scale * row[metric] for row in rows]
                ax.plot(x, y, color=colour, label=name, linewidth=1.4)
        if not any(records.values()):
            ax.text(0.5, 0.5, "not run", transform=ax.transAxes, ha="center", color=MUTED)
            ax.set(xticks=[], yticks=[])
        ax.set_xlabel("epoch")
        ax.set_ylabel(label)
        _legend_once(ax)
    return ax


def _legend_once(ax) -> None:
    """A legend below the axes with every name once, if there is any."""
    named = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    if named:
        down = -0.55 / (ax.get_position().height * ax.figure.get_figheight())  # inches, whatever the height
        ax.legend(named.values(), named, ncols=min(3, len(named)), loc="upper left", bbox_to_anchor=(0, down))


def png(fig) -> bytes:
    """The figure as a PNG of at most 128 colours, the same bytes on every run; closes the figure.

    Flat drawings lose nothing to a palette and become three times smaller, which a notebook that stores them notices.
    """
    import matplotlib.pyplot as plt
    from PIL import Image  # comes with matplotlib

    drawn, buffer = io.BytesIO(), io.BytesIO()
    fig.savefig(drawn, format="png", facecolor=PAPER)
    plt.close(fig)
    Image.open(drawn).convert("RGB").quantize(128).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _bare_axes(ax, title: str, reach: float = 1.06):
    """Square axes without ticks, holding the unit disc."""
    if ax is None:
        _, ax = axes(4.2, 4.2)
    ax.set(aspect="equal", xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set_visible(False)
    if title:
        ax.set_title(title)
    circle = torch.linspace(0, 2 * math.pi, 181, dtype=torch.float64)
    ax.fill(circle.cos(), circle.sin(), color="#eef2f5", zorder=0)
    ax.plot(circle.cos(), circle.sin(), color=MUTED, linewidth=1, zorder=1)
    return ax


def _viewer(azimuth: float, elevation: float) -> Tensor:
    a, e = math.radians(azimuth), math.radians(elevation)
    right = [-math.sin(a), math.cos(a), 0.0]
    up = [-math.sin(e) * math.cos(a), -math.sin(e) * math.sin(a), math.cos(e)]
    towards = [math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)]
    return torch.tensor([right, up, towards], dtype=torch.float64)


def _graticule() -> Tensor:
    """Parallels and meridians every 30 degrees."""
    turn = torch.linspace(0, 2 * math.pi, 73, dtype=torch.float64)
    parallels = [(math.cos(lat), math.sin(lat)) for lat in (math.radians(d) for d in (-60, -30, 0, 30, 60))]
    meridians = [math.radians(d) for d in range(0, 180, 30)]
    lines = [torch.stack([r * turn.cos(), r * turn.sin(), torch.full_like(turn, z)], dim=-1) for r, z in parallels]
    lines += [torch.stack([turn.cos() * math.cos(m), turn.cos() * math.sin(m), turn.sin()], dim=-1) for m in meridians]
    return torch.stack(lines)


def _front_and_back(ax, line: Tensor, colour: str, width: float, front: float, back: float) -> None:
    for side, alpha in ((line[:, 2] < 0, back), (line[:, 2] >= 0, front)):
        part = torch.where(side[:, None], line[:, :2], torch.nan)
        ax.plot(part[:, 0], part[:, 1], color=colour, linewidth=width, alpha=alpha, zorder=1.5)


def _per_point(name: str, given: list, points: Tensor) -> list:
    if len(given) != len(points):
        raise ValueError(f"{len(points)} points need as many {name}, got {len(given)}")
    return given
