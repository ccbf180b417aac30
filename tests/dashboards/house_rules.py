"""What a board of deploy/grafana has to be: each rule takes a board and gives back its faults."""

import re

SCHEMA = 38
TYPES = {"stat", "timeseries", "bargauge", "barchart", "table", "heatmap", "text"}
RANGED = {"timeseries", "heatmap"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
EVERYWHERE = {"team", "model", "language", "task"}
# By which variable a label is chosen.
CHOSEN = {it: it for it in (*EVERYWHERE, "currency", "experiment")} | {
    "gen_ai_request_model": "model",
    "signalbox_task": "task",
}


def asked(board):
    """Panel and query of every question that a board asks."""
    return [(panel, target) for panel in board["panels"] for target in panel.get("targets", [])]


def filled(expr):
    """An expression as Prometheus gets it, with everything chosen."""
    for name, value in (("__rate_interval", "5m"), ("__range_s", "3600"), ("__range", "1h")):
        expr = re.sub(rf"\${name}\b", value, expr)
    return re.sub(r"\$[A-Za-z]\w*", ".*", expr)


def whole(stem, board, _):
    """The board itself."""
    faults = [f"{key} is {board.get(key)!r}, not {right!r}" for key, right in (
        ("uid", f"signalbox-{stem}"), ("id", None), ("schemaVersion", SCHEMA), ("tags", ["signalbox"]),
    ) if key not in board or board[key] != right]
    if "version" in board:
        faults.append("it has a version")
    if not re.fullmatch(r"Signalbox: \w+", board["title"]) or not board.get("description"):
        faults.append("no title or description of the house's form")
    if len(board["uid"]) > 40:
        faults.append("its uid is longer than 40 characters")
    # The cost board has two questions more than twenty: what own GPUs cost, and what of it is idle.
    if not 1 <= len(board["panels"]) <= 22:
        faults.append(f"{len(board['panels'])} panels, not 1 to 22")
    linked = [it for it in board["links"] if it["type"] == "dashboards" and it["tags"] == ["signalbox"]]
    if not any(it["includeVars"] and it["keepTime"] for it in linked):
        faults.append("no link to its siblings that keeps variables and time")
    return faults


def placed(_, board, __):
    """Numbers, titles, and the grid of 24 columns."""
    faults, taken = [], {}
    for what in ("id", "title"):
        found = [panel[what] for panel in board["panels"]]
        faults += [f"{what} {it!r} is there twice" for it in sorted(set(found)) if found.count(it) > 1]
    for panel in board["panels"]:
        x, y, w, h = (panel["gridPos"][key] for key in "xywh")
        if x < 0 or y < 0 or w < 1 or h < 1 or x + w > 24:
            faults.append(f"{panel['title']}: outside of the grid: {panel['gridPos']}")
        for cell in ((column, row) for column in range(x, x + w) for row in range(y, y + h)):
            if taken.setdefault(cell, panel["id"]) != panel["id"]:
                faults.append(f"{panel['title']}: overlaps panel {taken[cell]}")
                break
    return faults


def sources(_, board, __):
    """Nothing asks a data source but the chosen one."""
    there = [(panel["title"], panel.get("datasource")) for panel, _ in asked(board)]
    there += [(panel["title"], target.get("datasource")) for panel, target in asked(board)]
    there += [(it["name"], it.get("datasource"))
              for it in board["templating"]["list"] if it["type"] == "query"]
    return sorted({f"{name}: asks {found}" for name, found in there if found != SOURCE})


def told(value):
    """A threshold in the ways in which people say it."""
    ways = [f"{value:g}", f"{value * 100:g} %", f"{value:g} s", f"{value * 1000:g} ms",
            f"{value / 3600:g} hours", f"{value / 86400:g} days", f"{value / 2**30:g} GiB"]
    return "|".join(rf"(?<![\d.]){re.escape(way)}(?![\d.]*\d)" for way in ways)


def described(_, board, anchors):
    """Unit, word for no data, description, what to do, thresholds told, a runbook that exists."""
    faults = []
    for panel in board["panels"]:
        say, title = panel.get("description", ""), panel["title"]
        defaults = panel["fieldConfig"]["defaults"]
        missing = [key for key in ("unit", "noValue") if not defaults.get(key)]
        steps = list((defaults.get("thresholds") or {}).get("steps", []))
        for override in panel["fieldConfig"]["overrides"]:
            for it in override["properties"]:
                steps += it["value"]["steps"] if it["id"] == "thresholds" else []
        act = re.search(r"\*\*When it is (red|high|low):\*\* (\S.{15,}?[.`])(?:\n|$)", say)
        if not act:
            missing.append("sentence that says what to do")
        elif any(it["color"] == "red" for it in steps):
            missing += [] if act[1] == "red" else ["word what to do when it is red"]
        runbooks = re.findall(r"docs/\w+\.md(?:#[\w-]+)?", say)
        missing += [] if runbooks else ["runbook"]
        for it in runbooks:
            page, _, anchor = it.partition("#")
            if page != "docs/OPERATIONS.md" or anchor not in anchors:
                missing.append(f"heading in OPERATIONS for {it}")
        for step in steps:
            if step["value"] is not None and not re.search(told(step["value"]), say):
                missing.append(f"word about its threshold {step['value']}")
        faults += [f"{title}: no {it}" for it in missing]
    return faults


def formed(_, board, __):
    """Types that every Grafana has; numbers once, lines over time; NaN is a word."""
    faults = []
    for panel in board["panels"]:
        title, kind, targets = panel["title"], panel["type"], panel.get("targets", [])
        if kind not in TYPES or not isinstance(panel.get("options"), dict):
            faults.append(f"{title}: of type {kind}, with the options {panel.get('options')}")
        if (kind == "text") == bool(targets):
            faults.append(f"{title}: a text asks nothing, everything else asks something")
        names = [it["refId"] for it in targets]
        if len(names) != len(set(names)):
            faults.append(f"{title}: two queries of one name")
        for it in targets:
            if it["instant"] == it["range"] or it["range"] != (kind in RANGED):
                faults.append(f"{title}: {it['refId']} is asked for the wrong kind of answer")
            if kind in ("table", "heatmap") and it["format"] != kind:
                faults.append(f"{title}: {it['refId']} has the format {it['format']}")
        nan = [it for it in panel["fieldConfig"]["defaults"].get("mappings", [])
               if it["type"] == "special" and it["options"]["match"] == "nan"]
        if targets and not nan:
            faults.append(f"{title}: NaN is shown as NaN")
    return faults


def spans(_, board, __):
    """Windows follow the time shown: `$__rate_interval` for a pace, `$__range` for a sum."""
    faults = []
    for panel, target in asked(board):
        for found in re.findall(r"\[([^\]]*)\]", target["expr"]):
            if found not in ("$__rate_interval", "$__range"):
                faults.append(f"{panel['title']}: looks back [{found}]")
    return faults


def chosen(_, board, metrics):
    """Each variable does something, or is hidden; each metric with its label is asked by it.

    Without, where another metric of the same panel has no such label: they would not compare.
    """
    variables = {it["name"]: it for it in board["templating"]["list"]}
    faults = [f"no variable {it}" for it in sorted({"datasource", *EVERYWHERE} - set(variables))]
    every = " ".join(target["expr"] for _, target in asked(board))
    for name, it in variables.items():
        used = name == "datasource" or re.search(rf"\${name}\b", every)
        if bool(used) == bool(it["hide"]):
            faults.append(f"the variable {name} is {'used' if used else 'not used'}: hide is {it['hide']}")
    faults += [f"nobody declares ${it}" for it in sorted(
        {it for it in re.findall(r"\$(\w+)", every) if not it.startswith("__")} - set(variables))]
    for panel in board["panels"]:
        hidden = {name for name, it in variables.items() if it["hide"]}
        faults += [f"{panel['title']}: {it}" for it in unchosen(panel, metrics, hidden)]
    return faults


def unchosen(panel, metrics, hidden):
    """Metrics of a panel that have the label of a variable that is shown, and are not asked by it."""
    exprs = [target["expr"] for target in panel.get("targets", [])]
    names = {it for expr in exprs for it in re.findall(r"[A-Za-z_:][\w:]*", expr) if it in metrics}
    able = {it: {CHOSEN[label] for label in metrics[it] if label in CHOSEN} - hidden for it in names}
    faults = set()
    for expr in exprs:
        for found in re.finditer(r"(?<![\w:$\"])([A-Za-z_:][\w:]*)(?:\{([^{}]*)\})?", expr):
            name, matchers = found[1], found[2] or ""
            for label in metrics[name] if name in able else ():
                variable = CHOSEN.get(label)
                apart = any(others and variable not in others for others in able.values())
                free = not variable or variable in hidden or apart
                if not free and f'{label}=~"${variable}"' not in matchers:
                    faults.add(f"{name} is not asked by ${variable}")
    return sorted(faults)


# Metrics of a process: nobody thinks that a choice of team or model narrows them.
OF_A_PROCESS = r"(job:)?(process_|signalbox_(ledger|ready|config|keys|build))[\w:]*"


def narrowed(_, board, metrics):
    """A panel that a shown variable does not narrow says so in its title, with the word "all", and beneath.

    "All traffic" is all models, languages and tasks. What says so of a variable that narrows it is wrong too.
    """
    shown = [it["name"] for it in board["templating"]["list"] if it["name"] in EVERYWHERE and not it["hide"]]
    faults = []
    for panel in board["panels"]:
        exprs = [target["expr"] for target in panel.get("targets", [])]
        names = {it for expr in exprs for it in re.findall(r"[A-Za-z_:][\w:]*", expr) if it in metrics}
        if all(re.fullmatch(OF_A_PROCESS, name) for name in names):
            continue
        said = re.search(r"\((all [^()]*)\)$", panel["title"])
        said = said[1].replace("all traffic", "models, languages, tasks") if said else ""
        beneath = re.search(r"What is chosen as (.*) does not narrow it\.", panel["description"])
        for name in shown:
            missed = any(f"${name}" not in expr for expr in exprs)
            if missed != (f"{name}s" in said) or missed != bool(beneath and name in beneath[1]):
                truth = "not narrowed" if missed else "narrowed"
                faults.append(f"{panel['title']}: it is {truth} by ${name}, and says else")
    return faults


RULES = [
    ("the board", whole, "nothing"), ("its grid", placed, "nothing"), ("its data source", sources, "nothing"),
    ("what its panels say", described, "anchors"), ("the form of its panels", formed, "nothing"),
    ("its windows", spans, "nothing"), ("its variables", chosen, "metrics"),
    ("what narrows its panels", narrowed, "metrics"),
]
