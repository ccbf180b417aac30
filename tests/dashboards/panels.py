"""The panels of deploy/grafana/dashboards, and what a Prometheus answers to their queries.

A query is asked as Grafana would: its variables at *All*, `$__rate_interval` at five minutes, a series over
the whole day or one moment at its end.
"""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from backfill import STEP_SECONDS, Fault

# What Grafana draws that asks nothing.
SILENT = {"text", "row", "dashlist", "news"}
RATE_INTERVAL = "5m"
LABEL_VALUES = re.compile(r"label_values\((.+),\s*(\w+)\)", re.DOTALL)
VARIABLE = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)|\[\[(\w+)\]\]")


@dataclass
class Target:
    """A query of a panel, and what was answered."""

    ref: str
    expr: str
    legend: str
    instant: bool
    heatmap: bool
    series: list = field(default_factory=list)
    fault: str = ""

    def points(self):
        """How many numbers were answered; NaN is none."""
        return sum(value == value for _, points in self.series for _, value in points)


@dataclass
class Panel:
    """A panel: what it is called, how it is drawn, what it asks."""

    board: str
    title: str
    kind: str
    spec: dict
    targets: list

    @property
    def defaults(self):
        return (self.spec.get("fieldConfig") or {}).get("defaults", {})

    @property
    def options(self):
        return self.spec.get("options") or {}

    @property
    def unit(self):
        return self.defaults.get("unit", "short")

    @property
    def description(self):
        return self.spec.get("description", "")


class Board:
    """A dashboard as its file says."""

    def __init__(self, path):
        self.spec = json.loads(path.read_text())
        self.name = path.stem
        self.title = self.spec["title"]
        # The values of each variable that asks for a label's.
        self.values = {}
        self.panels = [self._panel(spec) for spec in flat(self.spec["panels"])]

    def _panel(self, spec):
        targets = [self._target(spec, it) for it in spec.get("targets", []) if not it.get("hide")]
        return Panel(self.title, spec.get("title", ""), spec["type"], spec, targets)

    def _target(self, panel, it):
        instant = bool(it.get("instant")) and not it.get("range")
        heatmap = it.get("format") == "heatmap" or panel["type"] == "heatmap"
        return Target(it.get("refId", "A"), it["expr"], it.get("legendFormat", ""), instant, heatmap)

    def variables(self, prometheus, begin, end):
        """What each variable stands for: its choice, all, or the first of its values."""
        # Not a second more: what asks for the begin has to find the first sample there.
        seconds = int(end - begin)
        known = {
            "__rate_interval": RATE_INTERVAL,
            "__interval": f"{STEP_SECONDS}s",
            "__interval_ms": str(1000 * STEP_SECONDS),
            "__range": f"{seconds}s",
            "__range_s": str(seconds),
            "__range_ms": str(1000 * seconds),
            "__from": str(round(1000 * begin)),
            "__to": str(round(1000 * end)),
        }
        for it in self.spec.get("templating", {}).get("list", []):
            known[it["name"]] = chosen(it)
            found = LABEL_VALUES.fullmatch(asked_of(it))
            if found:
                counted = prometheus.instant(f"count by ({found[2]}) ({found[1]})", end)
                self.values[it["name"]] = sorted(labels[found[2]] for labels, _ in counted)
                if not it.get("includeAll"):
                    known[it["name"]] = next(iter(self.values[it["name"]]), ".*")
        return known

    def ask(self, prometheus, begin, end):
        """Asks every query of the board."""
        known = self.variables(prometheus, begin, end)

        def one(target):
            try:
                expr = expanded(target.expr, known)
                target.expr = expr
                if target.instant:
                    target.series = prometheus.instant(expr, end)
                else:
                    target.series = prometheus.range(expr, begin, end)
            except (Fault, KeyError) as fault:
                target.fault = str(fault)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(one, (target for panel in self.panels for target in panel.targets)))
        return self


def flat(panels):
    """Panels without their rows; a row that is folded has them inside."""
    for panel in panels:
        yield panel
        yield from flat(panel.get("panels", []))


def chosen(variable):
    """The text that a variable is replaced by."""
    value = variable.get("current", {}).get("value")
    if variable.get("includeAll") or value in ("$__all", ["$__all"], None):
        return variable.get("allValue") or ".*"
    return "|".join(value) if isinstance(value, list) else str(value)


def asked_of(variable):
    """The query of a variable; newer files have it in an object."""
    query = variable.get("query", "")
    return query.get("query", "") if isinstance(query, dict) else query


def expanded(expr, known):
    """A query with its variables replaced; a KeyError for one that nobody declares."""

    def value(found):
        name = next(filter(None, found.groups()))
        if name not in known:
            raise KeyError(f"the board has no variable ${name}")
        return known[name]

    return VARIABLE.sub(value, expr)


def legend(target, labels):
    """What a series is called."""
    if target.legend and target.legend != "__auto":
        return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda m: labels.get(m[1], ""), target.legend)
    own = {k: v for k, v in labels.items() if k not in ("__name__", "job", "instance", "ledger")}
    if len(own) == 1:
        return next(iter(own.values()))
    return ", ".join(own.values()) or labels.get("__name__", target.ref)


def reduced(points, calc):
    """One number of a series."""
    values = [value for _, value in points if value == value]
    if not values:
        return None
    ways = {
        "last": lambda: points[-1][1],
        "mean": lambda: sum(values) / len(values),
        "max": lambda: max(values),
        "min": lambda: min(values),
        "sum": lambda: sum(values),
        "first": lambda: values[0],
        "range": lambda: max(values) - min(values),
        "diff": lambda: values[-1] - values[0],
        "delta": lambda: values[-1] - values[0],
    }
    return ways.get(calc, lambda: values[-1])()


def calc(panel):
    """How a panel makes one number of a series."""
    calcs = panel.options.get("reduceOptions", {}).get("calcs") or ["lastNotNull"]
    return calcs[0]


def numbers(panel):
    """Name and number of each series of a panel that shows numbers."""
    out = []
    for target in panel.targets:
        for labels, points in target.series:
            value = reduced(points, calc(panel))
            if value is not None:
                out.append((legend(target, labels), value))
    return out


def agree(one, other, shared):
    """Whether two rows can be one: the same where both speak, and no word missing of what all have."""
    fields = (one.keys() & other.keys()) | shared
    return all(one.get(name) == other.get(name) for name in fields)


class Table:
    """A panel's answers as rows, after the transformations that Grafana would apply."""

    def __init__(self, panel):
        self.rows = self._joined(panel)
        self.columns = list(dict.fromkeys(name for row in self.rows for name in row))
        for step in panel.spec.get("transformations") or []:
            apply = getattr(self, f"_{step['id']}", None)
            if apply and not step.get("disabled"):
                apply(step.get("options", {}))
        for column in panel.options.get("sortBy") or []:
            self._sort(column.get("displayName"), column.get("desc"))

    def _joined(self, panel):
        """The answers' rows; `merge` makes one of those that do not differ in what they share."""
        many = len(panel.targets) > 1
        frames = []
        for target in panel.targets:
            value = f"Value #{target.ref}" if many else "Value"
            frame = [{**labels, value: points[-1][1]} for labels, points in target.series]
            frames.append([{k: v for k, v in row.items() if k != "__name__"} for row in frame])
        frames = [frame for frame in frames if frame]
        if not any(step["id"] == "merge" for step in panel.spec.get("transformations") or []):
            return [row for frame in frames for row in frame]
        shared = set.intersection(*({name for row in frame for name in row} for frame in frames))
        rows = []
        for row in (row for frame in frames for row in frame):
            same = (it for it in rows if agree(it, row, shared))
            into = next(same, None)
            if into is None:
                rows.append(dict(row))
            else:
                into.update(row)
        return rows

    def _organize(self, options):
        hidden = {k for k, v in options.get("excludeByName", {}).items() if v}
        order, names = options.get("indexByName", {}), options.get("renameByName", {})
        kept = [name for name in self.columns if name not in hidden]
        kept.sort(key=lambda name: order.get(name, len(order)))
        called = {name: names.get(name) or name for name in kept}
        self.rows = [{called[k]: row[k] for k in kept if k in row} for row in self.rows]
        self.columns = list(called.values())

    def _filterFieldsByName(self, options):
        include = options.get("include", {})
        names = include.get("names")
        pattern = include.get("pattern", "").strip("/")
        if names or pattern:
            self.columns = [
                it for it in self.columns if (it in names if names else re.search(pattern, it))
            ]

    def _groupingToMatrix(self, options):
        column, row = options.get("columnField"), options.get("rowField")
        value, corner = options.get("valueField", "Value"), f"{row}\\{column}"
        heads = sorted({str(it.get(column, "")) for it in self.rows})
        rows = {}
        for it in self.rows:
            name = str(it.get(row, ""))
            rows.setdefault(name, {corner: name})[str(it.get(column, ""))] = it.get(value)
        self.columns, self.rows = [corner, *heads], [rows[name] for name in sorted(rows)]

    def _sortBy(self, options):
        for it in options.get("sort", []):
            self._sort(it.get("field"), it.get("desc"))

    def _sort(self, name, descending):
        if name in self.columns:
            absent = float("-inf") if descending else float("inf")
            numeric = all(isinstance(row.get(name, 0.0), float) for row in self.rows)
            key = (lambda row: row.get(name, absent)) if numeric else (lambda row: str(row.get(name, "")))
            self.rows.sort(key=key, reverse=bool(descending))

    def _limit(self, options):
        self.rows = self.rows[: int(options.get("limitField", 10))]
