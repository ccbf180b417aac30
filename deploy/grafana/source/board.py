"""A board: its variables, its links to the others, and its panels with their numbers."""

import re

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model

import house

# Each variable: what it is called, and the metrics that have its values. A board hides those that none of
# its panels can use, and carries them on to the next board.
CHOICES = {
    "team": ("Team", 'label_values({__name__=~"signalbox_cost_total|signalbox_budget_limit"}, team)'),
    "model": ("Model", "label_values(signalbox_model_info, model)"),
    "language": ("Language", "label_values(signalbox_requests_total, language)"),
    "task": ("Task", "label_values(signalbox_requests_total, task)"),
}
EXPERIMENT = ("Experiment", "label_values(signalbox_experiment_requests_total, experiment)")
CURRENCY = ("Currency", "label_values(signalbox_cost_total, currency)")
# Metrics of a process, of which nobody thinks that a choice of traffic narrows them.
PROCESS = re.compile(r"(?:job:)?(?:process_|signalbox_(?:ledger|ready|config|keys|build))[\w:]*$")


def ignored(panel, shown):
    """Which of the shown variables narrow this panel not, or a part of it only."""
    exprs = [it.expr for it in panel.targets or []]
    names = {name for expr in exprs for name in house.NAMES.findall(expr)}
    if all(PROCESS.match(name) for name in names):
        return []
    return [name for name in shown if any(f"${name}" not in expr for expr in exprs)]


def listed(words):
    """Words as people list them."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def unnarrowed(panel, shown):
    """Says in the title and the text of a panel of what it shows all, whatever is chosen above it."""
    missed = ignored(panel, shown)
    if not missed:
        return
    every = "all " + listed([f"{name}s" for name in missed])
    traffic = [name for name in shown if name != "team"]
    if traffic and set(traffic) <= set(missed):
        every = "all teams, all traffic" if "team" in missed else "all traffic"
    panel.title = f"{panel.title} ({every})"
    panel.description += f"\n\nWhat is chosen as {listed(missed)} does not narrow it."


def data_source():
    """The Prometheus that is asked."""
    return dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")


def choice(name, label, query, *, hidden=False, many=True):
    """A variable with values from Prometheus: any of them, or all."""
    made = dashboard.QueryVariable(name).label(label).query(query).datasource(house.SOURCE)
    made = made.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
    made = made.sort(model.VariableSort.ALPHABETICAL_ASC).multi(many)
    made = made.hide(model.VariableHide.HIDE_VARIABLE if hidden else model.VariableHide.DONT_HIDE)
    if not many:
        return made
    everything = model.VariableOption(selected=True, text=["All"], value=["$__all"])
    return made.include_all(True).all_value(".*").current(everything)


def board(uid, title, description, panels, *, uses, more=(), hours=24):
    """The board as plain data. `uses` names the variables of the four that its panels can ask with."""
    made = dashboard.Dashboard(title).uid(f"signalbox-{uid}").description(description)
    made = made.tags(["signalbox"]).timezone("browser").tooltip(model.DashboardCursorSync.CROSSHAIR)
    made = made.time(f"now-{hours}h", "now").refresh("1m").editable().annotations([])
    link = dashboard.DashboardLink("Signalbox").type(model.DashboardLinkType.DASHBOARDS)
    made = made.link(link.tags(["signalbox"]).include_vars(True).keep_time(True))
    made = made.with_variable(data_source())
    for name, (label, query) in CHOICES.items():
        made = made.with_variable(choice(name, label, query, hidden=name not in uses))
    for variable in more:
        made = made.with_variable(variable)
    for number, panel in enumerate(panels, 1):
        made = made.with_panel(panel.id(number))
    built = made.build()
    built.schema_version = house.SCHEMA
    for panel in built.panels:
        unnarrowed(panel, [name for name in CHOICES if name in uses])
    return built
