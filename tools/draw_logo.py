"""Draws the book's logo and favicon into book/_static (run: make logo).

Twelve points that repel each other settle at the corners of an icosahedron; the logo looks at them from the side. The
corners are a formula, so the drawing is the same every time, and a test draws it again and compares.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

from PIL import Image, ImageDraw

STATIC = Path(__file__).resolve().parent.parent / "book" / "_static"
BLUE, DEEP, ORANGE, WHITE, EDGE = "#0072B2", "#004d78", "#E69F00", "#ffffff", "#7fb8d8"
SIZE = 64  # side of the drawing; the sphere has its centre in the middle
TURN, TILT = math.radians(40), math.radians(24)  # no two of the visible points overlap, and no symmetry is left


def icosahedron() -> list[tuple[float, float, float]]:
    """The 12 corners on the unit sphere: two poles and two rings of five at latitude +-atan(1/2)."""
    ring = math.atan(0.5)
    points = [(0.0, 0.0, 1.0), (0.0, 0.0, -1.0)]
    for i in range(10):
        a, z = 2 * math.pi * i / 10, ring if i % 2 else -ring
        points.append((math.cos(z) * math.cos(a), math.cos(z) * math.sin(a), math.sin(z)))
    return points


def seen_from_the_side() -> list[tuple[float, float, float]]:
    """The corners as (right, up, towards us), farthest first, so that near points are drawn over far ones."""
    seen = []
    for x, y, z in icosahedron():
        x, y = x * math.cos(TURN) - y * math.sin(TURN), x * math.sin(TURN) + y * math.cos(TURN)
        y, z = y * math.cos(TILT) - z * math.sin(TILT), y * math.sin(TILT) + z * math.cos(TILT)
        seen.append((x, z, -y))
    return sorted(seen, key=lambda p: round(p[2], 6))


def shapes(small: bool) -> tuple[list, list]:
    """Lines (x1, y1, x2, y2) and discs (x, y, radius, colour) in drawing units.

    The small form, for 16 pixels, has only the nearest points, larger, and no lines.
    """
    c, seen = SIZE / 2, [p for p in seen_from_the_side() if small is False or p[2] > 0.3]
    reach = 23.0 if small else 27.0
    place = [(round(c + reach * x, 2), round(c - reach * up, 2), near) for x, up, near in seen]
    discs = [(c, c, 31.0, BLUE)]
    for x, y, near in place:
        colour = ORANGE if near == place[-1][2] else WHITE if near > 0 else DEEP
        discs.append((x, y, round((6.4 if small else 2.9) + (2.0 if small else 1.5) * near, 2), colour))
    front = [p for p in place if p[2] > 0 and not small]
    edge = 1.06 * reach  # neighbours on the sphere are 1.0515 radii apart
    lines = [
        (*p[:2], *q[:2])
        for i, p in enumerate(front)
        for q in front[:i]
        if math.dist((p[0], p[1], reach * p[2]), (q[0], q[1], reach * q[2])) < edge
    ]
    return lines, discs


def svg(small: bool = False) -> str:
    lines, discs = shapes(small)
    circles = [f'  <circle cx="{x:g}" cy="{y:g}" r="{r:g}" fill="{c}"/>' for x, y, r, c in discs]
    path = " ".join(f"M{x:g} {y:g}L{u:g} {v:g}" for x, y, u, v in lines)
    strokes = [f'  <path d="{path}" stroke="{EDGE}" stroke-width="1"/>'] if lines else []
    title = "  <title>Twelve points on a sphere, as far apart as they can be</title>"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" role="img">'
    return "\n".join([head, title, circles[0], *strokes, *circles[1:], "</svg>", ""])


def png(pixels: int, small: bool = False) -> Image.Image:
    """The same picture as pixels: drawn eight times as large, then averaged, which gives smooth edges."""
    big = pixels * 8
    image = Image.new("RGBA", (big, big), (0, 0, 0, 0))
    draw, k = ImageDraw.Draw(image), big / SIZE
    lines, discs = shapes(small)
    for i, (x, y, r, colour) in enumerate(discs):
        draw.ellipse([(x - r) * k, (y - r) * k, (x + r) * k, (y + r) * k], fill=colour)
        if i == 0:  # the sphere itself; the lines lie on it and under the points
            for line in lines:
                draw.line([v * k for v in line], fill=EDGE, width=round(k))
    return image.resize((pixels, pixels), Image.Resampling.BOX)


def main(folder: Path = STATIC) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "logo.svg").write_text(svg(), encoding="utf-8")
    (folder / "favicon.svg").write_text(svg(small=True), encoding="utf-8")
    png(512).save(folder / "logo.png")
    png(48, small=True).save(folder / "favicon.ico", sizes=[(16, 16), (32, 32), (48, 48)])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else STATIC)
