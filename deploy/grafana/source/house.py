"""The house's way of making a board: every panel has a unit, a word for "no data", and says what to do.

A board's file says what is asked and what it means. What all panels share stands here, so that it cannot be
forgotten: the data source by variable, the description's form, the mapping of NaN, the grid.
"""

import re
from dataclasses import dataclass

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    table,
    text,
    timeseries,
)
from grafana_foundation_sdk.models import common as choices
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as colours
from grafana_foundation_sdk.models import prometheus as answers
from grafana_foundation_sdk.models import text as texts

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
# The layout of a board's JSON that Grafana 10 writes; 11 and 12 read it.
SCHEMA = 38
NAMES = re.compile(r"\b(?:\w+:\w+:\w+|(?:signalbox|gen_ai|process)_\w+)\b")
LABELS = {"gen_ai_request_model", "gen_ai_operation_name", "signalbox_task"}
# Money is in units of the ledger's currency; a series whose name ends with one of these has its sign.
SIGNS = {"USD": "currencyUSD", "EUR": "currencyEUR", "GBP": "currencyGBP", "JPY": "currencyJPY"}
MONEY = "locale"
RUNBOOK = "docs/OPERATIONS.md"


@dataclass
class Steps:
    """Colours by value: the first holds up to the first value. Without `low` a high value is the bad one."""

    first: str
    rest: list
    low: bool = False

    def red(self):
        """Whether a value is red."""
        return "red" in (self.first, *(colour for _, colour in self.rest))

    def told(self, unit):
        """The thresholds as a sentence."""
        if self.low:
            colours = [self.first, *(colour for _, colour in self.rest)]
            parts = [
                f"{colour} below {spelled(value, unit)}"
                for colour, (value, _) in zip(colours, self.rest)
            ]
        else:
            parts = [f"{colour} from {spelled(value, unit)}" for value, colour in self.rest]
        sentence = ", ".join(parts)
        return f"{sentence[0].upper()}{sentence[1:]}."


@dataclass
class About:
    """What a panel means, what to do about it, where more is written, and when if no threshold says so."""

    means: str
    act: str
    runbook: str = "when-something-is-wrong"
    when: str = "high"


def high(*rest):
    """Thresholds where a high value is bad: pairs of value and colour above green."""
    return Steps("green", list(rest))


def low(first, *rest):
    """Thresholds where a low value is bad: the colour of the lowest, then pairs."""
    return Steps(first, list(rest), low=True)


def spelled(value, unit):
    """A threshold as people say it."""
    if unit == "percentunit":
        return f"{value * 100:g} %"
    if unit == "bytes":
        return f"{value / 2**30:g} GiB"
    if unit == "s":
        for name, seconds in (("days", 86400), ("hours", 3600)):
            if value >= 2 * seconds:
                return f"{value / seconds:g} {name}"
        return f"{value:g} s" if value >= 1 else f"{value * 1000:g} ms"
    return f"{value:g}"


def described(about, expressions, unit, steps):
    """The text behind a panel's little i."""
    colour = "red" if steps and steps.red() else "low" if steps and steps.low else about.when
    names = sorted({name for it in expressions for name in NAMES.findall(it)} - LABELS)
    parts = [about.means, f"**When it is {colour}:** {about.act}"]
    if steps:
        parts.append(steps.told(unit))
    metrics = ", ".join(f"`{name}`" for name in names)
    parts.append(f"Metrics: {metrics}. Runbook: {RUNBOOK}#{about.runbook}" if names
                 else f"Runbook: {RUNBOOK}#{about.runbook}")
    return "\n\n".join(parts)


def ask(expr, legend="", *, instant=False, shape="time_series"):
    """A question to Prometheus; its expression may stand on several lines."""
    query = prometheus.Dataquery().expr(" ".join(expr.split())).datasource(SOURCE)
    query = query.format(answers.PromQueryFormat(shape)).editor_mode(answers.QueryEditorMode.CODE)
    if legend:
        query = query.legend_format(legend)
    return query.instant() if instant else query.range()


def now(expr, legend=""):
    """The value at the end of the time shown."""
    return ask(expr, legend, instant=True)


def rows(expr):
    """The lines of a table."""
    return ask(expr, instant=True, shape="table")


def thresholds(steps):
    """The steps as Grafana has them; without any, one neutral colour."""
    first, rest = (steps.first, steps.rest) if steps else ("text", [])
    made = [model.Threshold(value=None, color=first)]
    made += [model.Threshold(value=value, color=colour) for value, colour in rest]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


def nothing(word):
    """0 divided by 0 is shown as a word."""
    result = model.ValueMappingResult(text=word, color="text")
    options = model.DashboardSpecialValueMapOptions(match=model.SpecialValueMatch.NA_N, result=result)
    return model.SpecialValueMap(options=options)


def yes_or_no():
    """1 is shown as yes, 0 as no."""
    words = {"1": "yes", "0": "no"}
    return model.ValueMap({it: model.ValueMappingResult(text=word) for it, word in words.items()})


def changed(identity, value):
    """One property of an override."""
    return model.DynamicConfigValue(id_val=identity, value=value)


def framed(panel, title, at, about, queries, unit, *, steps=None, none="No traffic", decimals=None):
    """What every panel with queries has."""
    built = [query.build() for query in queries]
    x, y, w, h = at
    panel = panel.title(title).grid_pos(model.GridPos(x=x, y=y, w=w, h=h)).datasource(SOURCE)
    panel = panel.description(described(about, [it.expr for it in built], unit, steps))
    panel = panel.unit(unit).no_value(none).mappings([nothing(none)]).thresholds(thresholds(steps))
    if decimals is not None:
        panel = panel.decimals(decimals)
    for at_query, query in enumerate(queries):
        panel = panel.with_target(query.ref_id(chr(ord("A") + at_query)))
    if unit == MONEY:
        for code, sign in SIGNS.items():
            panel = panel.override_by_regexp(f"/{code}$/", [changed("unit", sign)])
    return panel


def last():
    """The last value of each series."""
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields("")


def number(title, at, about, queries, unit, *, named=False, yes=False, **rest):
    """One number, or some, in large figures; `named` shows each series' name, `yes` says yes for 1."""
    mode = choices.BigValueTextMode.VALUE_AND_NAME if named else choices.BigValueTextMode.VALUE
    panel = framed(stat.Panel(), title, at, about, queries, unit, **rest)
    if yes:
        panel = panel.mappings([nothing(rest.get("none", "No traffic")), yes_or_no()])
    colour = dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS)
    panel = panel.reduce_options(last()).text_mode(mode).graph_mode(choices.BigValueGraphMode.NONE)
    return panel.color_scheme(colour).color_mode(choices.BigValueColorMode.VALUE)


def bars(title, at, about, queries, unit, *, most=None, **rest):
    """One lying bar for each series, the longest first if the query sorts."""
    panel = framed(bargauge.Panel(), title, at, about, queries, unit, **rest)
    panel = panel.reduce_options(last()).orientation(choices.VizOrientation.HORIZONTAL)
    mode = (model.FieldColorModeId.THRESHOLDS if rest.get("steps")
            else model.FieldColorModeId.CONTINUOUS_BL_YL_RD)
    panel = panel.color_scheme(dashboard.FieldColor().mode(mode))
    panel = panel.display_mode(choices.BarGaugeDisplayMode.BASIC).min(0)
    return panel if most is None else panel.max(most)


def lines(title, at, about, queries, unit, *, stacked=None, **rest):
    """Values over time; `stacked` is "normal" for parts of a sum and "percent" for parts of a whole."""
    panel = framed(timeseries.Panel(), title, at, about, queries, unit, **rest)
    legend = common.VizLegendOptions().display_mode(choices.LegendDisplayMode.TABLE).show_legend(True)
    legend = legend.placement(choices.LegendPlacement.BOTTOM).calcs(["lastNotNull", "max"])
    tip = common.VizTooltipOptions().mode(choices.TooltipDisplayMode.MULTI)
    tip = tip.sort(choices.SortOrder.DESCENDING)
    panel = panel.legend(legend).tooltip(tip).line_width(2).fill_opacity(60 if stacked else 8)
    panel = panel.show_points(choices.VisibilityMode.NEVER)
    panel = panel.color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC))
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(choices.StackingMode(stacked)).group("A"))
    else:
        panel = panel.axis_soft_min(0)
    if rest.get("steps"):
        drawn = common.GraphThresholdsStyleConfig().mode(choices.GraphTresholdsStyleMode.DASHED)
        panel = panel.thresholds_style(drawn)
    return panel


def heat(title, at, about, query, unit, **rest):
    """How many requests took how long: a column a moment, a row a bucket, darker is more."""
    panel = framed(heatmap.Panel(), title, at, about, [query], unit, **rest)
    colour = heatmap.HeatmapColorOptions().mode(colours.HeatmapColorMode.SCHEME)
    colour = colour.scheme("Oranges").fill("dark-orange").exponent(0.5).steps(64)
    panel = panel.calculate(False).color(colour).cell_gap(1)
    return panel.y_axis(heatmap.YAxisConfig().unit(unit)).show_legend().show_tooltip()


@dataclass
class Column:
    """A column of a table: its title, the unit, at which value its cells turn colour, words for 1 and 0."""

    title: str
    unit: str = ""
    steps: Steps | None = None
    yes: bool = False


def told_columns(columns):
    """The thresholds of a table's columns, as sentences."""
    return [f"{it.title}: {it.steps.told(it.unit)}" for it in columns.values() if it.steps]


def merged(title, at, about, queries, columns, *, order, unit="short", **rest):
    """A table of several questions, one row for each set of labels. `columns` by field, values as "A"."""
    fields = {f"Value #{name}" if len(name) == 1 else name: it for name, it in columns.items()}
    if len(queries) == 1 and "Value #A" in fields:
        fields["Value"] = fields.pop("Value #A")
    when = "red" if any(it.steps and it.steps.red() for it in columns.values()) else about.when
    about = About(" ".join([about.means, *told_columns(columns)]), about.act, about.runbook, when)
    panel = framed(table.Panel(), title, at, about, queries, unit, **rest)
    names = {field: it.title for field, it in fields.items()}
    hidden = [f"Value #{it.build().ref_id}" for it in queries] if len(queries) > 1 else []
    hidden = ["Time", *(field for field in hidden if field not in fields)]
    places = {field: place for place, field in enumerate(fields)}
    tidy = {"excludeByName": dict.fromkeys(hidden, True), "indexByName": places, "renameByName": names}
    panel = panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    panel = panel.with_transformation(model.DataTransformerConfig(id_val="organize", options=tidy))
    for it in fields.values():
        made = [changed("unit", it.unit)] if it.unit else []
        if it.steps:
            made.append(changed("thresholds", thresholds(it.steps).build()))
            made.append(changed("custom.cellOptions", {"type": "color-text"}))
        if it.yes:
            made.append(changed("mappings", [yes_or_no()]))
        if made:
            panel = panel.override_by_name(it.title, made)
    return panel.sort_by([common.TableSortByFieldState().display_name(order).desc(True)])


def matrix(title, at, about, query, unit, *, row, column, **rest):
    """A table with one label's values down and another's across."""
    panel = framed(table.Panel(), title, at, about, [query], unit, **rest)
    turned = {"rowField": row, "columnField": column, "valueField": "Value", "emptyValue": "null"}
    panel = panel.with_transformation(
        model.DataTransformerConfig(id_val="groupingToMatrix", options=turned)
    )
    cells = dashboard.FieldColor().mode(model.FieldColorModeId.CONTINUOUS_BL_YL_RD)
    return panel.show_header(True).color_scheme(cells).override_by_field_type(
        "number", [changed("custom.cellOptions", {"type": "color-text"})]
    )


def note(title, at, means, act, content, runbook):
    """Words on the board: what no metric says, and the command that does."""
    x, y, w, h = at
    panel = text.Panel().title(title).grid_pos(model.GridPos(x=x, y=y, w=w, h=h))
    panel = panel.description(described(About(means, act, runbook), [], "none", None))
    panel = panel.unit("none").no_value("–")
    return panel.mode(texts.TextMode.MARKDOWN).content(content.strip())
