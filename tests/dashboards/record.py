"""A demo's day, and what `/metrics` said at each of its minutes.

The demo replays hours in minutes. A scrape's time is stretched back onto the day's own clock, so that the day
lies behind us and ends when it did: eight hours of samples a minute apart, as Prometheus would have kept them
of a day that took as long as it says. Counters, money and latencies stay what they were; only their distances
grow, so that a rate is lower than on the machine by the pace.
"""

import json
import re
import signal
import subprocess
import threading
import time
from decimal import Decimal
from pathlib import Path

from backfill import checked
from rig import get, stop

# One scrape each minute of the day: what five-minute windows of the rules need, five times over.
STEP_SECONDS = 60
# How long a day may take to begin: a debug build on a busy machine, and ten backends.
BEGIN_SECONDS_MAX = 60
# How long it may take beyond its own length.
OVERTIME_SECONDS_MAX = 120
SETTLE_SECONDS_MAX = 60

LINE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
COST = "signalbox_cost_total"


class Clock:
    """The day's clock: where a moment of the replay lies on it. Seconds since 1970, in and out."""

    def __init__(self, begin, end, pace, first_hour):
        self.begun, self.end, self.pace, self.first_hour = begin, end, pace, first_hour
        self.begin = self.at(begin)

    def at(self, moment):
        """The day's time of a moment; before it began and after it ended, time goes as it goes."""
        within = min(max(moment, self.begun), self.end)
        return self.end - (self.end - within) * self.pace + (moment - within)

    def hour(self, at):
        """What the day's clock shows: 9.5 is half past nine."""
        return self.first_hour + (at - self.begin) / 3600


class Day:
    """A demo that replays a day, scraped while it does."""

    def __init__(self, rig, hours, pace):
        self.rig, self.hours, self.pace = rig, hours, pace
        self.folder = rig.folder / "signalbox-demo"
        self.scrapes, self.missed = [], 0
        self.clock = None
        self._over = threading.Event()
        command = [rig.binary, "demo", "--hours", f"{hours:g}", "--pace", f"{pace:g}"]
        self.process = rig.start("demo", [*command, "--folder", str(self.folder)])

    def plan(self):
        """What the demo says of its day; nothing while it is being written."""
        try:
            return json.loads((self.folder / "day.json").read_text())
        except (OSError, ValueError):
            return {}

    def begin(self):
        """Waits until the day begins, and scrapes from then on in a thread of its own."""
        self._poll(lambda: "begins_unix_ms" in self.plan(), BEGIN_SECONDS_MAX, "the day does not begin")
        listen = re.search(r'^\[admin\]\n(?:.+\n)*?listen = "([^"]+)"', self._text("signalbox.toml"), re.M)
        self.instance = listen[1]
        self._headers = {"authorization": f"Bearer {self._text('admin.token').strip()}"}
        self._poll(self.scrape, BEGIN_SECONDS_MAX, "the demo answers no scrape")
        self._thread = threading.Thread(target=self._record, daemon=True)
        self._thread.start()

    def wait(self):
        """Waits until the day is over; its clock is known from then on."""
        most = self.hours * 3600 / self.pace + OVERTIME_SECONDS_MAX
        self._poll(lambda: self.plan().get("ended_unix_ms"), most, "the day does not end")
        plan = self.plan()
        begun, ended = plan["begins_unix_ms"] / 1000, plan["ended_unix_ms"] / 1000
        # Its last answer is its end, late as a busy machine may be with it; what it waits for then is no part
        # of the day. A day that was late was replayed at a lower pace.
        length = plan["hours"] * 3600
        ended = min(ended, max(begun + length / plan["pace"], self._last_answer()))
        self.clock = Clock(begun, ended, length / (ended - begun), plan["first_hour"])

    def _last_answer(self):
        """When the last request was counted."""
        before, at = None, 0.0
        for asked, text in list(self.scrapes):
            now = total(text, "signalbox_requests_total")
            if before is not None and now != before:
                at = asked
            before = now
        return at

    def settle(self):
        """A copy of the ledger that was made while the counters stood still, and what they said.

        The demo goes on after its day, and a row is durable a moment after it is counted. Between two
        scrapes that say the same money, with no row pending, ledger and counters have to be one.
        """
        copy = self.rig.folder / "ledger-copy.db"
        found = []

        def still():
            before = self.scrape()
            if before is None or total(before, "signalbox_ledger_pending"):
                return False
            copy.unlink(missing_ok=True)
            checked(["sqlite3", f"file:{self.folder / 'signalbox.db'}?mode=ro", f".backup '{copy}'"])
            after = self.scrape()
            found[:] = [after]
            return after is not None and money(before) == money(after)

        self._poll(still, SETTLE_SECONDS_MAX, "the counters never stand still")
        self._over.set()
        self._thread.join(timeout=10)
        return copy, found[0]

    def end(self):
        """Ends the demo as Ctrl-C does, so that it ends what it has started."""
        self._over.set()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                stop(self.process)

    def scrape(self):
        """Asks once, keeps the answer with the moment it was asked at, and gives it back."""
        asked = time.time()
        try:
            status, text = get(f"http://{self.instance}/metrics", self._headers, timeout=5)
        except OSError:
            status, text = 0, b""
        if status != 200:
            return None
        text = text.decode()
        self.scrapes.append((asked, text))
        return text

    def samples(self):
        """Every series of the day: name, labels as text, and its points on the day's clock."""
        target = f'job="signalbox",instance="{self.instance}",ledger="demo"'
        families = {"up": {target: []}}
        last = 0.0
        for asked, text in sorted(self.scrapes):
            at = round(self.clock.at(asked), 3)
            # Two scrapes in one millisecond of the day are one.
            if at <= last:
                continue
            last = at
            families["up"][target].append((at, "1"))
            for name, labels, value in lines(text):
                if name == "process_start_time_seconds":
                    value = f"{self.clock.at(float(value)):.3f}"
                labels = f"{target},{labels}" if labels else target
                families.setdefault(name, {}).setdefault(labels, []).append((at, value))
        self.first, self.last = families["up"][target][0][0], last
        return families

    def _record(self):
        step = STEP_SECONDS / self.pace
        due = time.monotonic()
        while not self._over.is_set():
            if self.scrape() is None:
                self.missed += 1
            due = max(due + step, time.monotonic())
            self._over.wait(due - time.monotonic())

    def _poll(self, found, seconds, fault):
        end = time.monotonic() + seconds
        while not found():
            if self.process.poll() is not None:
                raise RuntimeError(f"the demo ended with code {self.process.returncode}")
            if time.monotonic() > end:
                raise RuntimeError(f"{fault}, within {seconds:.0f} s")
            time.sleep(0.05)

    def _text(self, name):
        return Path(self.folder / name).read_text()


def lines(text):
    """Name, labels as text, and value of each line of an exposition."""
    for line in text.splitlines():
        found = None if line.startswith("#") else LINE.match(line)
        if found:
            yield found[1], found[2] or "", found[3]


def labelled(text):
    """Labels of a line by name, their escapes undone."""
    pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', text)
    undo = {"n": "\n"}
    return {k: re.sub(r"\\(.)", lambda m: undo.get(m[1], m[1]), v) for k, v in pairs}


def total(text, metric):
    """The exact sum of a metric's lines."""
    return sum((Decimal(value) for name, _, value in lines(text) if name == metric), Decimal(0))


def money(text):
    """The lines of money, as they stand."""
    return sorted(line for line in lines(text) if line[0] == COST)
