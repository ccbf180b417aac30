"""The paper that a dashboard is drawn on: places in pixels from the top left, words that fit, colours."""

import io
import textwrap

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.font_manager import FontProperties  # noqa: E402
from matplotlib.patches import FancyBboxPatch, Rectangle  # noqa: E402
from PIL import Image  # noqa: E402

WIDTH, COLUMNS, ROW, GAP, HEAD = 1400, 24, 38, 6, 78
# Pixels of a picture for each pixel of its layout, so that small words stay sharp.
SHARP = 1.3
# A picture is for a page: a reader on a train loads five of them.
BYTES_MAX = 300 * 1024
PAGE, CARD, EDGE, INK, QUIET, GRID = "#f3f4f6", "#ffffff", "#e2e5ea", "#1f2937", "#6b7280", "#eceef1"
plt.rcParams.update({"font.family": "DejaVu Sans", "font.size": 8, "text.color": INK, "axes.edgecolor": EDGE})


class Page:
    """A board's picture; places are pixels from the top left."""

    def __init__(self, board, clock, end):
        self.board, self.clock, self.end = board, clock, end
        rows = max(it.spec["gridPos"]["y"] + it.spec["gridPos"]["h"] for it in board.panels)
        self.height = HEAD + rows * ROW + GAP
        self.figure = plt.figure(figsize=(WIDTH / 100, self.height / 100), dpi=100 * SHARP, facecolor=PAGE)
        self.renderer = self.figure.canvas.get_renderer()

    def axes(self, x, y, w, h):
        """Axes at a place."""
        place = [x / WIDTH, 1 - (y + h) / self.height, w / WIDTH, h / self.height]
        return self.figure.add_axes(place)

    def text(self, x, y, text, size=8, colour=INK, **more):
        """Words whose top left is at a place."""
        more = {"va": "top", "ha": "left", **more}
        text = str(text).replace("$", r"\$")
        return self.figure.text(x / WIDTH, 1 - y / self.height, text, size=size, color=colour, **more)

    def box(self, x, y, w, h, face, edge="none", radius=0):
        """A rectangle, its corners round if asked."""
        place = (x / WIDTH, 1 - (y + h) / self.height)
        size = (w / WIDTH, h / self.height)
        patch = Rectangle(place, *size, facecolor=face, edgecolor=edge, lw=1)
        if radius:
            style = f"round,pad=0,rounding_size={radius / WIDTH}"
            patch = FancyBboxPatch(place, *size, style, facecolor=face, edgecolor=edge, lw=1)
            patch.set_mutation_aspect(WIDTH / self.height)
        patch.set_transform(self.figure.transFigure)
        patch.set_zorder(-1)
        self.figure.patches.append(patch)

    def wide(self, text, size, weight="normal"):
        """How many pixels a text takes."""
        fonts = FontProperties(size=size, weight=weight)
        text = str(text).replace("$", "S")
        return self.renderer.get_text_width_height_descent(text, fonts, False)[0] / SHARP

    def fit(self, text, size, width, weight="normal"):
        """A text cut to a width."""
        text = str(text)
        if self.wide(text, size, weight) <= width:
            return text
        while text and self.wide(f"{text}…", size, weight) > width:
            text = text[:-1]
        return f"{text.rstrip()}…"

    def wrap(self, text, size, width, most, weight="normal"):
        """A text on lines of a width, at most so many."""
        each = max(8, int(width / (self.wide("n" * 20, size, weight) / 20) * 1.02))
        found = textwrap.wrap(text, each)
        if len(found) > most:
            found = [*found[: most - 1], " ".join(found[most - 1 :])]
        return [self.fit(it, size, width, weight) for it in found]

    def save(self, path):
        """Writes it as a PNG: as many colours as stay small enough."""
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", facecolor=PAGE)
        plt.close(self.figure)
        picture = Image.open(buffer).convert("RGB")
        for colours in (160, 96, 64, 40, 24):
            few = picture.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
            few.save(path, optimize=True)
            if path.stat().st_size <= BYTES_MAX:
                return
