"""Routing: what comes in, what decides, and who answers."""

from asked import MODEL, MODEL_TASK, REQUESTS_HOUR, extra, grown
from board import board
from house import About, Column, ask, bars, high, lines, matrix, merged, note, now, number, rows

POLICY = "why-a-request-went-where-it-went"
REPLICAS = "how-replicas-are-chosen-ejected-and-tried-again"
REQUESTS = f"signalbox_requests_total{{{MODEL_TASK}}}"


def share(only):
    """The share of the last hour's requests that match."""
    some = f"model_task_language:signalbox_requests:increase1h{{{MODEL_TASK}, {only}}}"
    return f"(sum({some}) or vector(0)) / (sum({REQUESTS_HOUR}) > 0)"


def summary():
    """The last hour in six numbers."""
    yield number(
        "Requests in the last hour", (0, 0, 4, 4),
        About("Accepted requests that ended in the last hour, of the selected models, tasks, languages.",
              "see below which task and language it is, and on the cost board whose."),
        [now(f"sum({REQUESTS_HOUR})")], "short", decimals=0)
    yield number(
        "Language not recognised", (4, 0, 4, 4),
        About("The share of the last hour's requests with the language `und`: too little text, several "
              "languages at once, or none (numbers, code). Rules by language do not see them.",
              "read some of them (`signalbox ledger -f` shows them as they come, `why ID` explains one): "
              "short or mixed texts are right as they are; for the rest let callers send "
              "`x-signalbox-language`.", POLICY),
        [now(share('language="und"'))], "percentunit", steps=high((0.1, "yellow"), (0.25, "red")), decimals=1)
    yield number(
        'Language or task is "other"', (8, 0, 4, 4),
        About("The share of the last hour's requests whose language or task is `other`: a task of no kind "
              "that is known, or a label folded because `metrics.series_max` is reached.",
              "if `signalbox_series_folded_total` grows, raise `metrics.series_max`; else have "
              "callers hint `x-signalbox-task`.", "metrics-all-of-them"),
        [now(share('language="other"'), "language"), now(share('task="other"'), "task")],
        "percentunit", named=True, steps=high((0.5, "yellow"), (0.8, "red")), decimals=1)
    yield number(
        "Extra attempts per request", (12, 0, 4, 4),
        About("How many attempts a request needed more than one, in the time shown: retries on another "
              "replica, falls to the next model, and hedges. Of one model: attempts at it for each request "
              "that was planned for it, what it took over among them.",
              "see attempts by result below and the fleet board: an endpoint fails or is full.", REPLICAS),
        [now(extra(grown("signalbox_attempts_total", MODEL), grown("signalbox_decisions_total", MODEL)))],
        "short", steps=high((0.05, "yellow"), (0.2, "red")), decimals=3)
    yield number(
        "Last resorts in the time shown", (16, 0, 4, 4),
        About("How often an ejected endpoint was asked all the same, because no model of the route had "
              "another.", "add a second replica or a second model to the route; mend the ejected endpoint.",
              REPLICAS),
        [now(f"sum({grown('signalbox_last_resort_total', MODEL)}) or vector(0)")],
        "short", steps=high((1, "yellow"), (100, "red")), decimals=0, none="None")
    yield number(
        "Turned away in the last 15 minutes", (20, 0, 4, 4),
        About("Requests refused before they were accepted, for whatever reason.",
              "see the kinds below: `no_capacity` and `unavailable` are ours, most others are the "
              "caller's.", "errors-and-whose-fault-each-is"),
        [now("sum(stage_kind:signalbox_refusals:increase15m) or vector(0)")], "short", decimals=0,
        none="None")


def what():
    """What comes in."""
    yield matrix(
        "Requests by language and task, in the time shown", (0, 4, 12, 9),
        About("Accepted requests: a row a language, a column a task.",
              "a full cell under `und` or `other` is traffic that rules by language or task do not see; a "
              "cell that surprises you is a misreading, to be seen with `signalbox why ID`.", POLICY),
        rows(f"round(sum by (language, task) ({grown('signalbox_requests_total', MODEL_TASK)}))"),
        "none", row="language", column="task", decimals=0)
    yield matrix(
        "Decisions by rule and first model, in the time shown", (12, 4, 12, 9),
        About("What decided, and the first model of its plan: a row a rule, a column a model. `pin` is a "
              "caller who named the model, `alias:…` an alias, `default` no rule.",
              "much under `default` means that rules miss traffic; much under `pin` that callers go around "
              "them. `policy replay` tries other rules on the same traffic.", POLICY),
        rows(f"round(sum by (rule, model) ({grown('signalbox_decisions_total', MODEL)}))"),
        "none", row="rule", column="model", decimals=0)
    yield lines(
        "Share of each rule", (0, 13, 12, 8),
        About("Which rule decided the requests of the hour that ends at each moment; 1 is all.",
              "a rule that jumps has a new caller or a changed policy: see the configuration's "
              "hash on the fleet board, and `policy diff`.", POLICY),
        [ask("rule:signalbox_decisions:share1h", "{{rule}}")], "percentunit", stacked="normal")
    yield lines(
        "Share of each model", (12, 13, 12, 8),
        About("Which model answered the requests of the hour that ends at each moment; 1 is all.",
              "a dear model that grows shows on the cost board: see which rule sends to it.", POLICY),
        [ask(f"model:signalbox_requests:share1h{{{MODEL}}}", "{{model}}")], "percentunit", stacked="normal")
    yield lines(
        "Share of each task", (0, 21, 8, 8),
        About("What the requests of the hour that ends at each moment were, as the classifier saw them.",
              "a task that jumps without a new caller is a misreading: `signalbox why ID` of some.", POLICY),
        [ask('task:signalbox_requests:share1h{task=~"$task"}', "{{task}}")], "percentunit", stacked="normal")
    yield lines(
        "Share of each language", (8, 21, 8, 8),
        About("Which language the requests of the hour that ends at each moment were in; `und` is not "
              "recognised.", "much `und`: see the number above.", POLICY),
        [ask('language:signalbox_requests:share1h{language=~"$language"}', "{{language}}")],
        "percentunit", stacked="normal")
    yield note(
        "How sure it was: ask the ledger", (16, 21, 8, 8),
        "Confidence is a number of each request and no metric. The ledger has it for language and task.",
        "read the least sure requests and set `confidence` in the rules that need it.", """
Each entry of the ledger has `language_confidence` and `task_confidence`. One request:

```
signalbox why ID
```

What other rules would have done with the same traffic, and what it would have cost:

```
signalbox policy replay --policy new.toml --since 7d
```
""", POLICY)


def who():
    """Who answers, and who had to step in."""
    yield merged(
        "Planned and answered, by model, in the time shown", (0, 29, 10, 8),
        About("How often a model was first of a plan, how many requests it then had last, and their "
              "difference: below 0 others stood in for it. What is open still or failed before a model "
              "was asked makes small differences.",
              "a model far below 0 is full, ejected or slow: see the fleet board.", REPLICAS),
        [rows(f"round(sum by (model) ({grown('signalbox_decisions_total', MODEL)}))"),
         rows(f"round(sum by (model) ({grown('signalbox_requests_total', MODEL)}))"),
         rows(f"round(sum by (model) ({grown('signalbox_requests_total', MODEL)})"
              f" - sum by (model) ({grown('signalbox_decisions_total', MODEL)}))")],
        {"model": Column("Model"), "A": Column("Planned first"), "B": Column("Answered"),
         "C": Column("Difference")}, order="Planned first", unit="none", decimals=0)
    yield lines(
        "Extra attempts per request, over time", (10, 29, 7, 8),
        About("Retries, falls to the next model, and hedges for each request.",
              "see which result grows on the fleet board.", REPLICAS),
        [ask(extra(f"rate(signalbox_attempts_total{{{MODEL}}}[$__rate_interval])",
                   f"rate(signalbox_decisions_total{{{MODEL}}}[$__rate_interval])"), "extra attempts")],
        "short", steps=high((0.05, "yellow"), (0.2, "red")), decimals=3)
    yield lines(
        "Last resorts, by model", (17, 29, 7, 8),
        About("Attempts a second at ejected endpoints, because no model of the route had another.",
              "the model has no healthy endpoint left and its route no other model: mend it or add one.",
              REPLICAS),
        [ask(f"sum by (model) (rate(signalbox_last_resort_total{{{MODEL}}}[$__rate_interval]))"
             f" or 0 * sum by (model) (rate(signalbox_requests_total{{{MODEL}}}[$__rate_interval]))",
             "{{model}}")], "reqps", none="None")
    yield lines(
        "Turned away, by kind, in 15 minutes", (0, 37, 8, 8),
        About("Requests refused before they were accepted, by stage and kind.",
              "the page of errors says whose fault each kind is and what helps.",
              "errors-and-whose-fault-each-is"),
        [ask("""stage_kind:signalbox_refusals:increase15m
                or on () label_replace(vector(0), "kind", "nobody", "", "")""",
             "{{kind}} {{stage}}")], "short", stacked="normal", decimals=0, none="None")
    yield lines(
        "How accepted requests ended", (8, 37, 8, 8),
        About("Accepted requests a second by outcome. `cancelled` is the caller's choice, `cut` an answer "
              "that broke off, `failed` one that never came.",
              "`cut` and `failed`: `signalbox why ID` of one, then its endpoint on the fleet board."),
        [ask(f"sum by (outcome) (rate({REQUESTS}[$__rate_interval]))", "{{outcome}}")], "reqps",
        stacked="normal")
    yield lines(
        "Tokens a second, by type", (16, 37, 8, 8),
        About("Tokens by type; no token is in two of them. Cached input is cheaper.",
              "more `output` and `reasoning` is what costs: set bounds (`max_tokens`) or a model that "
              "thinks less.", "what-is-charged"),
        [ask(f"sum by (type) (rate(signalbox_tokens_total{{{MODEL}}}[$__rate_interval]))",
             "{{type}}")], "short", stacked="normal")
    yield bars(
        "Tokens by team and model, the ten largest, in the last hour", (0, 45, 24, 8),
        About("Which team uses which model: the only view of routing by team, since requests are not "
              "counted by team.",
              "a team on a model that it should not use: `models` of its keys and team, or a rule."),
        [now(f"topk(10, team_model:signalbox_tokens:increase1h{{{MODEL}}} > 0)",
             "{{team}}: {{model}}")], "short", decimals=1)


def made():
    """The board."""
    return board(
        "routing", "Signalbox: Routing",
        "What comes in by language and task, which rule decides, which model answers, who stands in.",
        [*summary(), *what(), *who()], uses={"model", "language", "task"}, hours=6)
