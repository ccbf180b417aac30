"""A dashboard as a picture: its panels where Grafana would put them, drawn by matplotlib.

It is no screenshot of Grafana, which is not needed for it: the same panels, queries, units, thresholds and
words, in a plain light theme. The axis of time shows the day's own clock.
"""

import math
import re

from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import FuncFormatter, MaxNLocator

from page import CARD, COLUMNS, EDGE, GAP, GRID, HEAD, INK, QUIET, ROW, WIDTH, Page
from panels import Table, legend, numbers, reduced
from units import COLOURS, SCALES, coloured, properties, shown, spoken, steps

PALETTE = [
    "#3871b8", "#e08a2e", "#4c9a5b", "#8a63b3", "#c8504f", "#2ca3a3", "#b07a3c", "#d573a5", "#7a8796",
    "#a3a83a", "#5a5fc7", "#1f7a5c",
]
HEAT = LinearSegmentedColormap.from_list("heat", ["#fdf3e7", "#f5b26b", "#d9660a", "#7a2e04"])
SCALE = LinearSegmentedColormap.from_list("scale", ["#dbe8f6", "#3871b8"])


def draw(board, clock, end, note, path):
    """Draws a board into a file."""
    page = Page(board, clock, end)
    page.text(GAP + 8, 14, board.title, 17, weight="bold")
    page.text(GAP + 8, 46, board.spec.get("description", ""), 10, QUIET)
    page.text(WIDTH - GAP - 8, 20, note, 9, QUIET, ha="right")
    for panel in board.panels:
        place = panel.spec["gridPos"]
        unit = (WIDTH - GAP) / COLUMNS
        x, y = GAP + place["x"] * unit, HEAD + place["y"] * ROW
        card(page, panel, x, y, place["w"] * unit - GAP, place["h"] * ROW - GAP)
    page.save(path)


def card(page, panel, x, y, w, h):
    """One panel: its frame, title, first sentence, and what it shows."""
    if panel.kind == "row":
        page.text(x + 4, y + 8, panel.title, 11, weight="bold")
        return
    page.box(x, y, w, h, CARD, EDGE, 6)
    titles = page.wrap(panel.title, 9.5, (w - 20) * 0.95, 2, "bold")
    top = y + 8
    for line in titles:
        page.text(x + 10, top, line, 9.5, weight="bold")
        top += 16
    low = h < 5 * ROW
    for line in page.wrap(sentence(panel.description), 7.5, w - 20, 1 if low else 2):
        page.text(x + 10, top + 2, line, 7.5, QUIET)
        top += 13
    top += 6
    inside = (x + 10, top, w - 20, y + h - 8 - top)
    if panel.kind != "text" and not any(target.points() for target in panel.targets):
        empty = properties(panel, "")["noValue"]
        page.text(x + w / 2, top + inside[3] / 2, empty, 11, QUIET, ha="center", va="center")
        return
    KINDS.get(panel.kind, bars)(page, panel, *inside)


def sentence(text):
    """The first sentence, without its marks."""
    text = re.sub(r"[*`]", "", text.split("\n\n")[0])
    return re.split(r"(?<=[.!?])\s", text.strip(), maxsplit=1)[0]


def stat(page, panel, x, y, w, h):
    """Large numbers side by side, or one below the other where that is more room."""
    found = numbers(panel) or [("", None)]
    named = panel.options.get("textMode") in ("value_and_name", "name") or len(found) > 1
    across = max(1, min(len(found), int(w // 120)))
    down = -(-len(found) // across)
    most = max(1, int(h // 30))
    if down > most:
        down, found = most, found[: most * across]
    cell, tall = w / across, h / down
    for at, (name, value) in enumerate(found):
        left, upper = x + cell * (at % across), y + tall * (at // across)
        text = spoken(panel, name, value)
        label = 13 if named and name else 0
        size = min(24, (tall - label) * 0.5)
        while size > 9 and page.wide(text, size, "bold") > cell - 10:
            size -= 1
        middle = upper + (tall - label) / 2
        shade = coloured(panel, name, value)
        page.text(left + cell / 2, middle, text, size, shade, weight="bold", ha="center", va="center")
        if label:
            under = middle + size * 0.75 + 3
            page.text(left + cell / 2, under, page.fit(name, 7.5, cell - 8), 7.5, QUIET, ha="center")


def bars(page, panel, x, y, w, h):
    """A lying bar for each series."""
    found = numbers(panel)
    room = max(1, int(h // 18))
    left_out = len(found) - room
    if left_out > 0:
        found = found[: room - 1]
    tall = min(44, h / max(1, len(found) + (left_out > 0)))
    label = min(w * 0.4, max(page.wide(name, 8) for name, _ in found) + 8)
    told = max(page.wide(spoken(panel, *it), 8.5, "bold") for it in found) + 10
    finite = [value for _, value in found if abs(value) != float("inf")]
    most = panel.defaults.get("max") or max([*finite, 1e-12])
    graded = str(panel.defaults.get("color", {}).get("mode", "")).startswith("continuous")
    for at, (name, value) in enumerate(found):
        top = y + at * tall
        part = min(1, max(0, value / most)) if most else 0
        shade = coloured(panel, name, value)
        face = SCALE(0.25 + 0.75 * part) if graded else shade
        page.text(x, top + tall / 2, page.fit(name, 8, label - 6), 8, va="center")
        full = w - label - told
        page.box(x + label, top + tall * 0.14, full, tall * 0.72, "#f1f3f5")
        page.box(x + label, top + tall * 0.14, full * part, tall * 0.72, face)
        text = spoken(panel, name, value)
        ink = INK if graded else shade
        page.text(x + w, top + tall / 2, text, 8.5, ink, ha="right", va="center", weight="bold")
    if left_out > 0:
        page.text(x, y + len(found) * tall + 2, f"and {left_out + 1} more", 7.5, QUIET)


def timed(page, ax, width):
    """An axis of the day's hours, as many of them as there is room for."""
    first, last = page.clock.first_hour, page.clock.hour(page.end)
    ax.set_xlim(first, max(last, first + 0.1))
    apart = next(it for it in (0.5, 1, 2, 4, 24) if (last - first) / it * 48 <= width or it == 24)
    marks = [first + it * apart for it in range(int((last - first) / apart + 1.01))]
    ax.set_xticks(marks, [f"{int(it) % 24:02d}:{round(it % 1 * 60):02d}" for it in marks])
    ax.tick_params(length=0, labelsize=7.5, labelcolor=QUIET)
    ax.tick_params(axis="x", pad=5)
    for side in ax.spines.values():
        side.set_visible(False)


def curves(page, panel):
    """Name, hours, values of each series, the largest at the end first."""
    found = []
    for target in panel.targets:
        for labels, points in target.series:
            value = reduced(points, "lastNotNull")
            if value is not None:
                found.append((legend(target, labels), points, value))
    return found


def lines(page, panel, x, y, w, h):
    """Values over time: lines, or areas on each other."""
    found = curves(page, panel)
    mode = panel.defaults.get("custom", {}).get("stacking", {}).get("mode", "none")
    entries = min(len(found), max(2, int(h * 0.36 // 14)) * legend_columns(w))
    foot = 14 * -(-entries // legend_columns(w)) + 22
    its = properties(panel, found[0][0])
    ax = page.axes(x + 58, y + 4, w - 66, h - foot - 8)
    if mode in ("normal", "percent"):
        stacked(page, ax, found, mode)
    else:
        for at, (_, points, _) in enumerate(found):
            hours, values = broken(page, points)
            ax.plot(hours, values, color=PALETTE[at % len(PALETTE)], lw=1.4, solid_capstyle="round")
    limits(panel, ax, found, mode)
    unit = "percentunit" if mode == "percent" else its["unit"]
    whole = its["decimals"] == 0
    ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], min_n_ticks=3, integer=whole))
    places = decimals(ax, unit)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda it, _: shown(it, unit, places).replace("$", r"\$")))
    ax.grid(axis="y", color=GRID, lw=0.8)
    ax.set_axisbelow(True)
    timed(page, ax, w - 66)
    keys(page, panel, found, entries, (x, y + h - foot + 24, w))


def decimals(ax, unit):
    """As many decimals as tell the marks of an axis apart; durations and bytes know that themselves."""
    if unit in SCALES or unit in ("bytes", "decbytes"):
        return None
    marks = ax.get_yticks()
    apart = (marks[1] - marks[0] if len(marks) > 1 else 1.0) * (100 if unit == "percentunit" else 1)
    if unit == "short" and apart >= 1:
        return None
    return min(9, max(0, math.ceil(-math.log10(apart) - 1e-9)))


def stacked(page, ax, found, mode):
    """Parts of a sum, over the moments that any of them has."""
    moments = sorted({at for _, points, _ in found for at, _ in points})
    parts = []
    for _, points, _ in found:
        have = {at: value for at, value in points if value == value}
        parts.append([have.get(at, 0.0) for at in moments])
    if mode == "percent":
        sums = [sum(it) or 1.0 for it in zip(*parts)]
        parts = [[value / whole for value, whole in zip(part, sums)] for part in parts]
    shades = [PALETTE[at % len(PALETTE)] for at in range(len(found))]
    hours = [page.clock.hour(at) for at in moments]
    ax.stackplot(hours, *parts, colors=shades, alpha=0.85, lw=0.4, edgecolor=CARD)


def broken(page, points):
    """Hours and values; where samples are missing, the line is."""
    hours, values, before = [], [], None
    for at, value in points:
        if before is not None and at - before > 300:
            hours.append(page.clock.hour(before + 1))
            values.append(float("nan"))
        hours.append(page.clock.hour(at))
        values.append(value)
        before = at
    return hours, values


def limits(panel, ax, found, mode):
    """The range of values, and thresholds as dashed lines where they lie in it."""
    values = [it for _, points, _ in found for _, it in points if it == it and abs(it) != float("inf")]
    low, high = min([*values, 0.0]), max([*values, 0.0])
    if mode == "none":
        ax.set_ylim(low * 1.05, high * 1.12 or 1.0)
    else:
        ax.set_ylim(bottom=0, top=1 if mode == "percent" else None)
    if panel.defaults.get("custom", {}).get("thresholdsStyle", {}).get("mode", "off") == "off":
        return
    for least, shade in steps(panel.defaults.get("thresholds")):
        if mode == "none" and low <= least <= high * 3 and least != float("-inf"):
            ax.axhline(least, color=COLOURS.get(shade, shade), lw=1, ls=(0, (4, 3)))
            ax.set_ylim(top=max(ax.get_ylim()[1], least * 1.1))


def legend_columns(w):
    """How many legends stand side by side."""
    return max(1, int(w // 300))


def keys(page, panel, found, entries, place):
    """The legend: name, last and highest value, the largest last value first."""
    x, y, w = place
    across = legend_columns(w)
    cell = w / across
    more = len(found) - entries
    order = sorted(range(len(found)), key=lambda at: -found[at][2])[: entries - (more > 0)]
    for slot, at in enumerate(order):
        name, points, value = found[at]
        left, top = x + cell * (slot % across), y + 14 * (slot // across)
        page.box(left, top + 1, 12, 4, PALETTE[at % len(PALETTE)])
        told = f"{spoken(panel, name, value)}   max {spoken(panel, name, reduced(points, 'max'))}"
        page.text(left + cell - 12, top - 3, told, 7, QUIET, ha="right")
        room = cell - 34 - page.wide(told, 7)
        page.text(left + 17, top - 3, page.fit(name, 7.5, room), 7.5)
    if more > 0:
        left, top = x + cell * (len(order) % across), y + 14 * (len(order) // across)
        page.text(left + 17, top - 3, f"and {more + 1} more", 7.5, QUIET)


def heat(page, panel, x, y, w, h):
    """How many fell into each bucket at each moment: darker is more."""
    buckets = {}
    for target in panel.targets:
        for labels, points in target.series:
            buckets[float(labels.get("le", "nan").replace("+Inf", "inf"))] = dict(points)
    bounds = sorted(it for it in buckets if it == it)
    moments = sorted({at for points in buckets.values() for at in points})
    grid, below = [], dict.fromkeys(moments, 0.0)
    for bound in bounds:
        now = {at: buckets[bound].get(at, below[at]) for at in moments}
        grid.append([max(0.0, now[at] - below[at]) for at in moments])
        below = now
    used = [at for at, row in enumerate(grid) if any(it > 0 for it in row)] or [0]
    first, last = max(0, used[0] - 1), min(len(bounds), used[-1] + 2)
    ax = page.axes(x + 58, y + 4, w - 66, h - 26)
    hours = [page.clock.hour(at) for at in moments]
    edges = [*hours, hours[-1] + (hours[-1] - hours[0]) / max(1, len(hours) - 1)]
    cells = [[it**0.5 if it > 0 else float("nan") for it in row] for row in grid[first:last]]
    ax.pcolormesh(edges, range(len(cells) + 1), cells, cmap=HEAT, linewidth=0)
    unit = panel.options.get("yAxis", {}).get("unit") or panel.unit
    names = [shown(bounds[at], unit) for at in range(first, last)]
    skip = max(1, len(names) * 13 // max(1, int(h - 26)) + 1)
    ax.set_yticks([at + 1 for at in range(0, len(names), skip)], [f"≤ {it}" for it in names[::skip]])
    ax.grid(axis="y", color=GRID, lw=0.6)
    timed(page, ax, w - 66)


def table(page, panel, x, y, w, h):
    """Rows and columns; numbers to the right, coloured by their thresholds."""
    made = Table(panel)
    heads, rows = made.columns, made.rows
    size, tall = (8, 19) if len(heads) <= 12 else (7, 17)
    bold = [max(page.wide(it, size - 0.5), 20) for it in heads]
    # Many short columns under long words: the words lean.
    leans = sum(bold) + 14 * len(heads) > w
    crown, tall = (60, 16) if leans else (tall, tall)
    w -= 50 if leans else 0
    room = max(1, int((h - crown) // tall))
    left_out = len(rows) - room
    rows = rows[: room - 1] if left_out > 0 else rows
    cells = [[cell(panel, head, row.get(head)) for head in heads] for row in rows]
    needs = []
    for at, head in enumerate(heads):
        texts = [*(["0"] if leans and at else [head]), *(row[at][0] for row in cells)]
        needs.append(max(page.wide(it, size, "bold") for it in texts) + 14)
    share = w / sum(needs)
    widths = [it * share for it in needs]
    highest = max([v for row in rows for v in row.values() if isinstance(v, float) and v == v], default=0)
    graded = str(panel.defaults.get("color", {}).get("mode", "")).startswith("continuous")
    left = x
    for at, head in enumerate(heads):
        numeric = any(row[at][2] for row in cells)
        edge, side = (left + widths[at] - 6, "right") if numeric else (left, "left")
        if leans and at:
            lean = {"rotation": 32, "va": "bottom", "rotation_mode": "anchor"}
            fitted = page.fit(head, size - 0.5, 100)
            page.text(left + widths[at] * 0.4, y + crown - 4, fitted, size - 0.5, QUIET, **lean)
        else:
            fitted = page.fit(head, size - 0.5, widths[at] - 8)
            page.text(edge, y + crown - tall + 2, fitted, size - 0.5, QUIET, ha=side)
        for line, row in enumerate(cells):
            text, shade, _ = row[at]
            top = y + crown + tall * line
            value = rows[line].get(head)
            if graded and isinstance(value, float) and value == value and highest > 0:
                part = max(0.0, value / highest) ** 0.6
                page.box(left, top - 1, widths[at] - 1, tall - 1, SCALE(part))
                shade = CARD if part > 0.72 else INK
            page.text(edge, top + 3, page.fit(text, size, widths[at] - 7), size, shade, ha=side)
        left += widths[at]
    page.box(x, y + crown - 2, w, 1, EDGE)
    if left_out > 0:
        page.text(x, y + crown + tall * len(rows) + 3, f"and {left_out + 1} more rows", 7.5, QUIET)


def cell(panel, head, value):
    """A cell's words, their colour, and whether it is a number."""
    if not isinstance(value, float):
        return ("" if value is None else str(value)), INK, False
    its = properties(panel, head)
    ink = coloured(panel, head, value) if its.get("thresholds") else INK
    return spoken(panel, head, value), ink, True


def words(page, panel, x, y, w, h):
    """Plain words of Markdown; what stands between fences keeps its letters' width."""
    code, top = False, y
    for part in panel.options.get("content", "").split("\n"):
        if part.startswith("```"):
            code = not code
            continue
        if not part.strip():
            top += 6
            continue
        if code:
            page.text(x + 6, top, page.fit(part, 8, w * 0.86), 8, family="DejaVu Sans Mono")
            top += 15
            continue
        heading = part.startswith("#")
        plain = re.sub(r"[*`]", "", part.lstrip("# "))
        for line in page.wrap(plain, 8.5, w, 12):
            if top > y + h - 12:
                return
            page.text(x, top, line, 8.5, weight="bold" if heading else "normal")
            top += 15


# How each kind of panel is drawn; any other as bars.
KINDS = {"stat": stat, "timeseries": lines, "heatmap": heat, "table": table, "text": words}
