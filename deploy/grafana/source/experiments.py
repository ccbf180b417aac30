"""Experiments: arms side by side. The verdict with its statistics is the command's, not the board's."""

from asked import grown
from board import EXPERIMENT, board, choice
from house import About, Column, ask, bars, high, lines, merged, note, now, number, rows

NONE = "No experiment runs"
ONE = 'experiment=~"$experiment"'
REQUESTS = "signalbox_experiment_requests_total"
RUNBOOK = "why-a-request-went-where-it-went"
ARM = "{{experiment}}: {{arm}}"
BAD = f'{ONE}, outcome=~"cut|failed"'


def every(matchers=ONE):
    """Requests of each arm in the time shown."""
    return f"sum by (experiment, arm) ({grown(REQUESTS, matchers)})"


def rate(matchers=ONE):
    """Requests of each arm a second."""
    return f"sum by (experiment, arm) (rate({REQUESTS}{{{matchers}}}[$__rate_interval]))"


def summary():
    """Is something on, and does it go well?"""
    yield number(
        "Experiments", (0, 0, 6, 4),
        About("Experiments that have had requests.", "nothing is wrong; know who runs each.", RUNBOOK),
        [now(f"count(count by (experiment) ({REQUESTS}{{{ONE}}}))")], "none", decimals=0, none=NONE)
    yield number(
        "Requests in experiments", (6, 0, 6, 4),
        About("Requests of all arms in the time shown.", "compare with the share that was to take part.",
              RUNBOOK),
        [now(f"sum({grown(REQUESTS, ONE)})")], "none", decimals=0, none=NONE)
    yield number(
        "Worst arm: cut or failed", (12, 0, 6, 4),
        About("The part of an arm's requests in the time shown that were cut or failed, of the worst arm.",
              "a guard stops an arm by itself; without one, stop the experiment in the policy "
              "(in force within a second).", RUNBOOK),
        [now(f"max(({every(BAD)} or 0 * {every()}) / ({every()} > 0))")], "percentunit",
        steps=high((0.01, "yellow"), (0.02, "red")), decimals=2, none=NONE)
    yield number(
        "Guards that stopped an arm", (18, 0, 6, 4),
        About("Arms with a guard that does not hold: they get the control's route on every replica.",
              "read `signalbox experiment report NAME`; mend the arm or end the experiment.", RUNBOOK),
        [now(f"sum(signalbox_experiment_guard{{{ONE}}})")], "none", steps=high((1, "red")), decimals=0,
        none=NONE)


def compared():
    """The arms beside each other."""
    yield merged(
        "Arms side by side, in the time shown", (0, 4, 16, 8),
        About("Each arm: units that take part, its requests, and the part of them that was cut or failed. "
              "Differences of a few requests are chance.",
              "wait for `signalbox experiment report NAME`, which says when a difference is more than "
              "chance; do not stop an experiment because a line is ahead.", RUNBOOK),
        [rows(f"max by (experiment, arm) (signalbox_experiment_units{{{ONE}}})"), rows(every()),
         rows(f"({every(BAD)} or 0 * {every()}) / ({every()} > 0)"),
         rows(f"max by (experiment, arm) (signalbox_experiment_guard{{{ONE}}})")],
        {"experiment": Column("Experiment"), "arm": Column("Arm"), "A": Column("Units", "none"),
         "B": Column("Requests", "none"),
         "C": Column("Cut or failed", "percentunit", high((0.01, "yellow"), (0.02, "red"))),
         "D": Column("Stopped by a guard", "none", high((1, "red")), yes=True)},
        order="Requests", none=NONE)
    yield note(
        "How to read this", (16, 4, 8, 8),
        "A board shows what happens; whether a difference is real is a question of statistics.",
        "ask the report before you decide.", """
A line that is ahead today may be chance. What decides:

```
signalbox experiment report NAME
```

It has each arm's mean with its bounds, which hold however often you look, the verdict, and a warning when
the arms' shares are not what they should be.
""", RUNBOOK)
    yield lines(
        "Requests a second, by arm", (0, 12, 12, 8),
        About("Requests of each arm.", "an arm that takes more than its share is a fault: see its units.",
              RUNBOOK),
        [ask(rate(), ARM)], "reqps", none=NONE)
    yield lines(
        "Cut or failed, by arm", (12, 12, 12, 8),
        About("The part of each arm's requests that broke.",
              "its guard stops it by itself once that is sure; see the arm's model on the fleet board.",
              RUNBOOK),
        [ask(f"({rate(BAD)} or 0 * {rate()}) / ({rate()} > 0)", ARM)], "percentunit",
        steps=high((0.02, "red")), decimals=2, none=NONE)
    yield bars(
        "Units by arm", (0, 20, 8, 8),
        About("Users, keys or sessions that take part, by arm. They should stand as the arms' shares.",
              "the report names a mismatch of shares (`srm`): then no comparison holds.", RUNBOOK),
        [now(f"max by (experiment, arm) (signalbox_experiment_units{{{ONE}}})", ARM)], "none", decimals=0,
        none=NONE)
    yield lines(
        "Requests by outcome and arm", (8, 20, 8, 8),
        About("How the requests of each arm ended, a second.",
              "`cut` and `failed` are the arm's, `cancelled` the callers': many of those may mean that they "
              "did not want to wait.", RUNBOOK),
        [ask(f"sum by (experiment, arm, outcome) (rate({REQUESTS}{{{ONE}}}[$__rate_interval]))",
             ARM + " {{outcome}}")], "reqps", none=NONE)
    yield bars(
        "Guards, by arm and metric", (16, 20, 8, 8),
        About("1 where a guard does not hold: the arm is stopped; 0 where it holds.",
              "read `signalbox experiment report NAME`; the arm stays stopped until somebody resumes it.",
              RUNBOOK),
        [now(f"max by (experiment, arm, metric) (signalbox_experiment_guard{{{ONE}}})",
             ARM + " {{metric}}")], "none", steps=high((1, "red")), most=1, decimals=0, none=NONE)
    feedback = grown("signalbox_feedback_total", ONE)
    yield bars(
        "Feedback in the time shown, by arm and name", (0, 28, 12, 8),
        About("How many values callers sent, by arm and name of the feedback; what the values were is in "
              "the report.", "an arm without feedback cannot be judged by it: see whether its callers send "
              "any.", RUNBOOK),
        [now(f"sort_desc(sum by (experiment, arm, name) ({feedback}))", ARM + " {{name}}")], "none",
        decimals=0, none=NONE)
    yield bars(
        "Feedback for each request, by arm and name", (12, 28, 12, 8),
        About("How many of an arm's requests had feedback. Arms that differ much here are compared by "
              "callers who differ.", "find out why one arm's callers answer more often.", RUNBOOK),
        [now(f"sum by (experiment, arm, name) ({feedback}) / on (experiment, arm) group_left () "
             f"({every()} > 0)", ARM + " {{name}}")], "percentunit", decimals=1, none=NONE)


def made():
    """The board."""
    return board(
        "experiments", "Signalbox: Experiments",
        "The arms of each experiment beside each other: requests, outcomes, units, guards, feedback.",
        [*summary(), *compared()], uses=set(), hours=168, more=[choice("experiment", *EXPERIMENT)])
