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
INK, BLUE, ORANGE, PAPER, BACK = "#1b1f24", "#0072B2", "#E69F00", "#ffffff", "#8fb8d3"
SIZE = 64  # side of the drawing; the sphere has its centre in the middle
TURN, TILT = math.radians(14), math.radians(20)  # chosen so that no two of the visible points overlap


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


def shapes(small: bool) -> list[tuple[float, float, float, str]]:
    """Discs (x, y, radius, colour) in drawing units. The small form, for 16 pixels, has fewer and larger ones."""
    c, r = SIZE / 2, 27.0 if small else 28.0
    discs = [(c, c, 31.0 if small else 30.0, INK), (c, c, 26.0 if small else 28.0, PAPER)]
    front = [p for p in seen_from_the_side() if p[2] > 0]
    for x, up, near in seen_from_the_side():
        if small and near < 0:
            continue
        nearest = near == max(p[2] for p in front)
        colour = BACK if near < 0 else ORANGE if nearest else BLUE
        radius = (7.5 + 1.5 * near) if small else (2.6 if near < 0 else 3.4 + 1.8 * near)
        reach = 0.66 if small else 0.9  # points on the rim stay inside the ring
        discs.append((c + r * reach * x, c - r * reach * up, radius, colour))
    return [(round(x, 2), round(y, 2), round(rad, 2), colour) for x, y, rad, colour in discs]


def svg(small: bool = False) -> str:
    circles = "\n".join(f'  <circle cx="{x:g}" cy="{y:g}" r="{r:g}" fill="{c}"/>' for x, y, r, c in shapes(small))
    title = "  <title>Twelve points on a sphere, as far apart as they can be</title>"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" role="img">'
    return f"{head}\n{title}\n{circles}\n</svg>\n"


def png(pixels: int, small: bool = False) -> Image.Image:
    """The same picture as pixels: drawn eight times as large, then averaged, which gives smooth edges."""
    big = pixels * 8
    image = Image.new("RGBA", (big, big), (0, 0, 0, 0))
    draw, k = ImageDraw.Draw(image), big / SIZE
    for x, y, r, colour in shapes(small):
        draw.ellipse([(x - r) * k, (y - r) * k, (x + r) * k, (y + r) * k], fill=colour)
    return image.resize((pixels, pixels), Image.Resampling.BOX)


def main(folder: Path = STATIC) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "logo.svg").write_text(svg(), encoding="utf-8")
    (folder / "favicon.svg").write_text(svg(small=True), encoding="utf-8")
    png(512).save(folder / "logo.png")
    png(48, small=True).save(folder / "favicon.ico", sizes=[(16, 16), (32, 32), (48, 48)])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else STATIC)
