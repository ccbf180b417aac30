"""Cost: for the people who pay. Plain words; what a number leaves out is said beside it."""

from asked import BUDGET, COST, COST_HOUR, MODEL, grown, price
from board import CURRENCY, board, choice
from house import MONEY, About, Column, ask, bars, high, lines, low, merged, note, now, number, rows

MONTH = f'window="month", {BUDGET}'
SPENT = "team_window:signalbox_budget_spent:sum"
LIMIT = "team_window:signalbox_budget_limit:sum"
# What is left of a window, by the gateway's own calendar; a total has no end.
LEFT = "clamp_min(max by (team, window, currency) ({}{{{}}}) - time(), 0)"
# Of all teams: an hour is not paid for by some of them.
OWN = f'{MODEL}, currency=~"$currency"'
END = "signalbox_budget_window_end_timestamp_seconds"
START = "signalbox_budget_window_start_timestamp_seconds"
EXHAUSTION = "team_window:signalbox_budget_exhaustion:seconds"


def forecast(only):
    """A budget's money at the window's end, if the last day's pace goes on."""
    return f"""{SPENT}{{{only}}}
        + team_window:signalbox_budget_spent:rate1d{{{only}}} * {LEFT.format(END, only)}"""


def even(only):
    """The same, if the average pace of the window so far goes on."""
    past = f"(time() - max by (team, window, currency) ({START}{{{only}}}))"
    return f"{SPENT}{{{only}}} * (1 + {LEFT.format(END, only)} / ({past} > 0))"


def top():
    """What a head of finance asks first."""
    hour = "sum by (currency) (team_model_task_language:signalbox_cost:increase1h{{{}}})".format(COST)
    saving = "currency:signalbox_saving_to_{}:ratio1h{{currency=~\"$currency\"}}"
    yield number(
        "Spent in the last hour", (0, 0, 4, 4),
        About("Money charged in the last 60 minutes, all selected teams together.",
              "see below which team and model it is, then `signalbox spend --by key --since 1h` for who; "
              "a loop in a program looks like this.", "what-was-spent"),
        [now(hour, "{{currency}}")], MONEY, named=True, decimals=2, none="Nothing spent")
    yield number(
        "Spent in the time shown", (4, 0, 4, 4),
        About("Money charged between the two moments that are set at the top right; with *This month so "
              "far* it is the month to date.",
              "compare it with the same span before (move the time back) and with the teams below.",
              "what-was-spent"),
        [now(f"sum by (currency) ({grown('signalbox_cost_total', COST)})", "{{currency}}")],
        MONEY, named=True, decimals=2, none="Nothing spent")
    yield number(
        "Price of 1,000 requests", (8, 0, 4, 4),
        About("What a thousand answered requests cost on average in the last hour, of all teams: requests "
              "are not counted by team.",
              "look at the price by model below: either dearer models answer, or answers became longer; "
              "`policy replay` shows what another policy would have cost.", "what-was-spent"),
        [now(price(), "{{currency}}")],
        MONEY, named=True, decimals=2)
    yield number(
        "Saved by routing, in the last hour", (12, 0, 7, 4),
        About("The share of money not spent because not everything went to the dearest model, and the same "
              "against the largest model, which `rules.yml` names (SET THIS). An estimate: another model "
              "would have used another number of tokens. Below 0 where that model would have been cheaper.",
              "all is well; when it is low or below 0, look at the routing board at which model answers "
              "what, and ask whether the rules are right.", "what-was-spent"),
        [now(saving.format("dearest"), "against the dearest model"),
         now(saving.format("largest"), "against the largest model")],
        "percentunit", named=True, decimals=1, none="Not known yet")
    yield number(
        "Charged since the gateway started, as in the ledger", (19, 0, 5, 4),
        About("What the running processes have charged since they began, read from their counters and not "
              "estimated: to the billionth the ledger's sum over the same time, with nothing selected.",
              "if it differs from `signalbox spend`, prove the ledger with `signalbox ledger verify` and "
              "see when each process began; a restart begins this number anew, never the ledger's.",
              "what-was-spent"),
        [now(f"sum by (currency) (signalbox_cost_total{{{COST}}})", "{{currency}}")],
        "locale", named=True, decimals=2, none="Nothing spent")


def budgets():
    """The month against its budget, and where it goes."""
    yield bars(
        "This month against budget, by team", (0, 4, 8, 7),
        About("The part of each team's monthly budget that is spent, with the teams below it: the ledger's "
              "own number, which no restart touches.",
              "raise the budget's `amount` (in force within a second), route the team to a cheaper model, "
              "or let it end: under a hard budget its callers are refused until the month ends.",
              "what-is-charged"),
        [now(f"sort_desc(team_window:signalbox_budget_used:ratio{{{MONTH}}})", "{{team}}")],
        "percentunit", steps=high((0.8, "yellow"), (0.98, "red")), most=1, decimals=1,
        none="No team has a monthly budget")
    yield bars(
        "Forecast for the month's end, as part of the budget", (8, 4, 8, 7),
        About("Where each team's monthly budget will stand at the month's end, if the last 24 hours go on "
              "like this. In a gateway's first day it is too low; after a weekend too.",
              "talk to the team before the money is gone: see which model and task it is, then raise the "
              "amount or use a cheaper model.", "what-is-charged"),
        [now(f"sort_desc(({forecast(MONTH)}) / ({LIMIT}{{{MONTH}}} > 0))", "{{team}}")],
        "percentunit", steps=high((0.9, "yellow"), (1, "red")), most=1, decimals=1,
        none="No team has a monthly budget")
    yield bars(
        "Budgets that will not last: time until they are spent", (16, 4, 8, 7),
        About("How soon a budget is gone that ends before its window does: a day's at the last hour's pace, "
              "a longer one's at the last day's; of a total, which has no end, any. 0 s is spent.",
              "raise the amount or route to a cheaper model before callers are refused; the table below "
              "says which budgets refuse.", "what-is-charged"),
        [now(f"""sort({EXHAUSTION}{{{BUDGET}}} < {LEFT.format(END, BUDGET)}
                 or {EXHAUSTION}{{window="total", {BUDGET}}})""", "{{team}}, {{window}}")],
        "s", steps=low("red", (7200, "yellow"), (172800, "green")), decimals=1,
        none="Every budget lasts")
    yield merged(
        "Every budget: amount, spent, forecast", (0, 11, 24, 7),
        About("All budgets in units of their currency. Reserved is held by requests under way and is given "
              "back in part when they end. The two forecasts are for the window's end: at the last 24 "
              "hours' pace, and at the window's average pace so far.",
              "see the three panels above; a forecast above the budget means refusals before the window "
              "ends if the budget is hard.", "what-is-charged"),
        [rows(f"{LIMIT}{{{BUDGET}}}"), rows(f"{SPENT}{{{BUDGET}}}"),
         rows(f"team_window:signalbox_budget_used:ratio{{{BUDGET}}}"),
         rows(f"team_window:signalbox_budget_reserved:sum{{{BUDGET}}}"),
         rows(forecast(BUDGET)), rows(even(BUDGET)), rows(LEFT.format(END, BUDGET)),
         rows(f"{EXHAUSTION}{{{BUDGET}}}"),
         rows(f"max by (team, window, currency) (signalbox_budget_hard{{{BUDGET}}})")],
        {"team": Column("Team"), "window": Column("Window"), "currency": Column("Currency"),
         "A": Column("Budget"), "B": Column("Spent"),
         "C": Column("Used", "percentunit", high((0.8, "yellow"), (0.98, "red"))),
         "D": Column("Reserved"), "E": Column("Forecast, last day's pace"),
         "F": Column("Forecast, average pace"), "G": Column("Window ends in", "s"),
         "H": Column("Spent in", "s"), "I": Column("Refuses when spent", "none", yes=True)},
        order="Used", unit=MONEY, decimals=2, none="No team has a budget")
    yield lines(
        "Spent this month, and the budget, by team", (0, 18, 12, 8),
        About("How each team's month went so far, with the amount it has. It begins anew at 0 with the "
              "month.",
              "a line that will cross its budget before the month ends needs a decision: a larger amount "
              "or a cheaper model.", "what-is-charged"),
        [ask(f"{SPENT}{{{MONTH}}}", "{{team}} spent {{currency}}"),
         ask(f"{LIMIT}{{{MONTH}}}", "{{team}} budget {{currency}}")],
        MONEY, decimals=2, none="No team has a monthly budget")


def split(title, at, label, act, more=""):
    """The hour's money over time, in parts by one label; `more` is said of it too."""
    return lines(
        title, at,
        About(f"Money of the hour that ends at each moment, by {label}; the parts add up to the whole."
              f"{more}", act, "what-was-spent"),
        [ask(f"sum by ({label}, currency) ({COST_HOUR})", f"{{{{{label}}}}} {{{{currency}}}}")],
        MONEY, stacked="normal", decimals=2, none="Nothing spent")


def parts():
    """Who and what costs."""
    yield split("Spent per hour, by team", (12, 18, 12, 8), "team",
                "ask the team what it began then; `signalbox spend --by key --team TEAM` names the key.",
                " It stands at the team whose key was used; the budgets above have the teams below in them.")
    yield split("Spent per hour, by model", (0, 26, 8, 8), "model",
                "a dearer model took over: see the routing board for the rule that sends requests to it.")
    yield split("Spent per hour, by task", (8, 26, 8, 8), "task",
                "see which model answers that task on the routing board; a cheaper one may do.")
    yield split("Spent per hour, by language", (16, 26, 8, 8), "language",
                "see which model answers that language on the routing board; a cheaper one may do.")
    yield bars(
        "The ten dearest pairs of team and model", (0, 34, 12, 8),
        About("Where most of the money of the time shown went.",
              "begin here when costs have to go down: another model for this team's rule moves most.",
              "what-was-spent"),
        [now("topk(10, sum by (team, model, currency) ({}) > 0)".format(
            grown("signalbox_cost_total", COST)), "{{team}}: {{model}} {{currency}}")],
        MONEY, decimals=2, none="Nothing spent")
    yield note(
        "The ten dearest keys: ask the ledger", (12, 34, 6, 8),
        "Keys are no label of any metric: a firm has thousands, and a dashboard is read by more people "
        "than may know whose key it is. The ledger knows each.",
        "run the command on the machine with the ledger; `key disable` stops one key at once.", """
The metrics do not know keys, by design. The ledger does, to the billionth:

```
signalbox spend --by key --since 30d
signalbox spend --by key --team TEAM
```

The dearest comes first. `--format csv` is for a spreadsheet, `--format focus` for a FinOps tool.
""", "what-was-spent")
    yield bars(
        "Answers whose tokens we had to count", (18, 34, 6, 8),
        About("The share of the last hour's answers for which a backend reported no plausible usage, by "
              "model: they are charged by our own count.",
              "have the backend report usage (stream_options.include_usage); until then its bill is an "
              "estimate.", "what-is-charged"),
        [now(f"sort_desc(clamp_max(model:signalbox_usage_estimated:ratio1h{{{MODEL}}}, 1))", "{{model}}")],
        "percentunit", steps=high((0.01, "red")), most=1, decimals=1)


def prices():
    """What a unit of work costs, and what is saved."""
    why = ("answers became longer or a dearer model answers: compare tokens and models on the routing "
           "board, and try another policy with `policy replay`.")
    yield lines(
        "Price of 1,000 requests, by model", (0, 42, 8, 8),
        About("Money of an hour by the requests that the model answered in it, times 1,000; of all teams.",
              why, "what-was-spent"),
        [ask(price("model"), "{{model}} {{currency}}")], MONEY, decimals=2)
    yield lines(
        "Price of 1,000 requests, by task", (8, 42, 8, 8),
        About("Money of an hour by the requests of the task in it, times 1,000; of all teams.",
              why, "what-was-spent"),
        [ask(price("task"), "{{task}} {{currency}}")], MONEY, decimals=2)
    yield lines(
        "Saved per hour by routing", (16, 42, 8, 8),
        About("What the hour's tokens would have cost at the dearest and at the largest model, less what "
              "they did cost. An estimate: another model would have used another number of tokens.",
              "nothing is wrong when it is high. When it falls to 0, all goes to the dearest model: see "
              "the routing board.", "what-was-spent"),
        [ask('currency:signalbox_saving_to_dearest:increase1h{currency=~"$currency"}',
             "against the dearest {{currency}}"),
         ask('currency:signalbox_saving_to_largest:increase1h{currency=~"$currency"}',
             "against the largest {{currency}}")],
        MONEY, decimals=2, none="Not known yet")


def machines():
    """What own machines cost, and what of it nobody used."""
    paid = f'max by (model, currency) (signalbox_gpu_cost_per_hour{{{OWN}}})'
    charged = f"sum by (model, currency) (team_model_task_language:signalbox_cost:increase1h{{{OWN}}})"
    why = ("fewer replicas, more traffic by the policy, or a running rate that fits; `signalbox spend "
           "--true-cost --by model` says it to the billionth, with the list price elsewhere.")
    yield lines(
        "Own GPUs: paid and charged per hour, by model", (0, 50, 16, 8),
        About("What an hour of the machines costs that are paid by the hour, and what the hour that ends at "
              "each moment charged by the running rates, all teams together.",
              f"where the charge stays far below: {why}", "own-gpus-what-a-token-really-cost"),
        [ask(paid, "{{model}} paid {{currency}}"),
         ask(f"{charged} and {paid}", "{{model}} charged {{currency}}")],
        MONEY, decimals=2, none="No model is paid by the hour")
    yield bars(
        "Own GPUs: idle share of the last hour", (16, 50, 8, 8),
        About("The share of the hour's cost that no charge has covered, by model; 0 where more was charged.",
              why, "own-gpus-what-a-token-really-cost"),
        [now(f"sort_desc(clamp_min(1 - ({charged} and {paid} or 0 * {paid}) / {paid}, 0))",
             "{{model}}")],
        "percentunit", steps=high((0.5, "yellow"), (0.9, "red")), most=1, decimals=1,
        none="No model is paid by the hour")


def made():
    """The board."""
    panels = [*top(), *budgets(), *parts(), *prices(), *machines()]
    return board(
        "cost", "Signalbox: Cost",
        "What the models cost: now, this month against the budgets, and who spends it on what.",
        panels, uses={"team", "model", "language", "task"},
        more=[choice("currency", *CURRENCY, many=False)])
