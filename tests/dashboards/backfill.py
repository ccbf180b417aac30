"""A real Prometheus over a recorded day: its samples as blocks, and every recording rule over them.

Rules that read other rules are evaluated after them: what a level answers is written as blocks like the
samples were, and Prometheus starts anew to see them. That is what it would have recorded itself, minute by
minute, had it been there all day; but where a rule has fallen silent, what reads it sees its last value for
five more minutes.
"""

import json
import re
import subprocess
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

from rig import free_port, get, stop, wait

STEP_SECONDS = 60
NAME = re.compile(r"[A-Za-z_:][\w:]*")


class Fault(Exception):
    """What Prometheus says is wrong with a query."""


class Prometheus:
    """A Prometheus on a free port of loopback, in the rig's folder."""

    def __init__(self, rig, name, configuration=None):
        self.rig, self.name = rig, name
        self.data = rig.folder / f"{name}-data"
        self.configuration = configuration
        if configuration is None:
            self.configuration = rig.folder / f"{name}.yml"
            self.configuration.write_text("global: {}\n")
        self.process = None

    def start(self):
        """Starts it, and waits until it answers."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = ["prometheus", f"--config.file={self.configuration}", f"--storage.tsdb.path={self.data}"]
        command += [f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=90d"]
        self.process = self.rig.start(self.name, [*command, "--log.level=error"])
        wait(self.process, f"{self.url}/-/ready", seconds=60)
        return self

    def stop(self):
        """Ends it; its blocks stay."""
        if self.process:
            stop(self.process)
            self.rig.processes.remove(self.process)
            self.process = None

    def add(self, families):
        """Lays samples into its folder as blocks, and starts it on them."""
        if not any(families.values()):
            return self if self.process else self.start()
        path = self.rig.folder / f"{self.name}.om"
        self.stop()
        with open(path, "w") as out:
            for name, series in families.items():
                for labels, points in series.items():
                    head = f"{name}{{{labels}}}" if labels else name
                    out.writelines(f"{head} {value} {at:.3f}\n" for at, value in points)
            out.write("# EOF\n")
        self.data.mkdir(exist_ok=True)
        checked(["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q", str(path), str(self.data)])
        path.unlink()
        return self.start()

    def api(self, path, **form):
        """What the API answers, or its fault."""
        body = urllib.parse.urlencode(form).encode() if form else None
        _, text = get(f"{self.url}/api/v1/{path}", body=body, timeout=120)
        answer = json.loads(text)
        if answer["status"] != "success":
            raise Fault(answer["error"])
        return answer["data"]

    def instant(self, expr, at):
        """Labels, and the one point, of each series at a moment."""
        data = self.api("query", query=expr, time=f"{at:.3f}")
        if data["resultType"] == "scalar":
            return [({}, [point(data["result"])])]
        return [(it["metric"], [point(it["value"])]) for it in data["result"]]

    def range(self, expr, begin, end, step=STEP_SECONDS):
        """Labels and points of each series between two moments."""
        data = self.api("query_range", query=expr, start=f"{begin:.3f}", end=f"{end:.3f}", step=str(step))
        return [(it["metric"], [point(value) for value in it["values"]]) for it in data["result"]]


def point(pair):
    """A time in seconds, and a number."""
    return float(pair[0]), float(pair[1])


def levels(rules):
    """Rules in passes: each reads only those of passes before it."""
    left, passes = list(rules), []
    while left:
        waiting = {rule["name"] for rule in left}
        now = [rule for rule in left if not waiting & (set(NAME.findall(rule["query"])) - {rule["name"]})]
        if not now:
            raise RuntimeError(f"rules read each other in a circle: {sorted(waiting)}")
        passes.append(now)
        left = [rule for rule in left if rule not in now]
    return passes


def text(labels):
    """Labels as the exposition has them."""
    escape = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
    return ",".join(f'{k}="{v.translate(escape)}"' for k, v in sorted(labels.items()))


def recorded(name, labels, found):
    """The series of a rule's answer under its own name."""
    out = {}
    for metric, points in found:
        own = {k: v for k, v in {**metric, **labels}.items() if k != "__name__"}
        out[text(own)] = [(at, repr(value)) for at, value in points]
    return name, out


def alerts(rule, found):
    """What `ALERTS` would have said: pending, and firing once the expression has held for long enough."""
    out = {}
    for metric, points in found:
        own = {**metric, **rule["labels"], "alertname": rule["name"]}
        own.pop("__name__", None)
        since = before = None
        for at, _ in points:
            if before is None or at - before > 1.5 * STEP_SECONDS:
                since = at
            before = at
            state = "firing" if at - since >= rule["duration"] else "pending"
            out.setdefault(text({**own, "alertstate": state}), []).append((at, "1"))
    return out


def backfill(prometheus, samples, groups, begin, end):
    """Loads a day and evaluates all rules over it, minute by minute up to its end; their faults, by name."""
    begin = end - (end - begin) // STEP_SECONDS * STEP_SECONDS
    rules = [rule for group in groups for rule in group["rules"]]
    prometheus.add(samples)
    faults = {}

    def answer(rule):
        try:
            return rule, prometheus.range(rule["query"], begin, end)
        except Fault as fault:
            faults[rule["name"]] = str(fault)
            return rule, []

    with ThreadPoolExecutor(2) as pool:
        for level in levels(rule for rule in rules if rule["type"] == "recording"):
            answers = list(pool.map(answer, level))
            families = {}
            for rule, found in answers:
                name, series = recorded(rule["name"], rule.get("labels") or {}, found)
                families.setdefault(name, {}).update(series)
            prometheus.add(families)
        firing = {}
        for rule, found in pool.map(answer, (rule for rule in rules if rule["type"] == "alerting")):
            firing.update(alerts(rule, found))
    prometheus.add({"ALERTS": firing})
    return faults


def checked(command):
    """Runs a command that has to succeed; what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    if done.returncode:
        said = (done.stderr or done.stdout)[-2000:]
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {said}")
    return done.stdout
