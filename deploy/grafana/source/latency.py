"""Latency: what callers wait for, and how much of it is the gateway's own."""

from asked import MODEL, SERVER, buckets, quantile
from board import board
from house import About, ask, heat, high, lines, now, number

FIRST = "gen_ai_server_time_to_first_token_seconds"
EACH = "gen_ai_server_time_per_output_token_seconds"
WHOLE = "gen_ai_server_request_duration_seconds"
ATTEMPT = "signalbox_attempt_seconds"
STAGE = "signalbox_stage_seconds"
REPLICAS = "how-replicas-are-chosen-ejected-and-tried-again"
NAMED = "{{gen_ai_request_model}}"


def summary():
    """The time shown in six numbers."""
    first = ("Time from a request's first byte to the first content of its answer, over the time shown; "
             "right within one bucket of the histogram.")
    late = ("see below which model it is, whether its endpoints queue or are ejected (fleet board), and "
            "add a replica or a `hedge`.")
    for x, share, word, steps in (
        (0, 0.5, "half of the requests are faster", high((1, "yellow"), (3, "red"))),
        (4, 0.95, "19 of 20 requests are faster", high((2, "yellow"), (5, "red"))),
        (8, 0.99, "99 of 100 requests are faster", high((5, "yellow"), (10, "red"))),
    ):
        yield number(
            f"First token, p{share * 100:g}", (x, 0, 4, 4), About(f"{first} Here {word}.", late),
            [now(quantile(share, FIRST, SERVER, span="$__range"))], "s", steps=steps)
    yield number(
        "Time per token, p95", (12, 0, 4, 4),
        About("Time for each token after the first of complete streams, over the time shown; people read "
              "about one in 0.1 s.", "the engines are overloaded or their batches too large: see the panel "
              "by model, then add a replica or lower `concurrency_max`."),
        [now(quantile(0.95, EACH, SERVER, span="$__range"))], "s",
        steps=high((0.1, "yellow"), (0.2, "red")))
    yield number(
        "Whole answer, p95", (16, 0, 4, 4),
        About("Time from a request's first byte to the end of its answer, over the time shown. Long answers "
              "take long, so it has no threshold.",
              "compare with the first token and the time per token: if those are as ever, answers became "
              "longer."),
        [now(quantile(0.95, WHOLE, SERVER, span="$__range"))], "s")
    yield number(
        "The gateway's own time, mean", (20, 0, 4, 4),
        About("What the gateway itself adds to an accepted request on average, in the last 5 minutes: all "
              "stages but the wait for the caller's body.",
              "see the stages below; `record` is the ledger's disk, `classify` and `decide` are CPU.",
              "metrics-all-of-them"),
        [now("max(job:signalbox_overhead_seconds:mean5m)")], "s",
        steps=high((0.005, "yellow"), (0.02, "red")))


def pair(y, metric, what, act, none):
    """A histogram's quantiles over time, and its heat map."""
    yield lines(
        f"{what}: half, 19 of 20 and 99 of 100 are faster", (0, y, 12, 8),
        About(f"{what} of the selected models and tasks: p50, p95 and p99, each right within one bucket.",
              act),
        [ask(quantile(share, metric, SERVER), f"p{share * 100:g}") for share in (0.5, 0.95, 0.99)],
        "s", none=none)
    yield heat(
        f"{what}: how many took how long", (12, y, 12, 8),
        About(f"{what}: a column is a moment, a row a span of time, darker is more requests a second. Two "
              "bands are two kinds of requests, or a fast and a slow replica.",
              f"a band that climbs is a queue. {act[0].upper()}{act[1:]}"),
        ask(buckets(metric, SERVER), "{{le}}", shape="heatmap"), "s", none=none)


def by_name():
    """Who is slow."""
    yield lines(
        "First token p95, by model", (0, 28, 8, 8),
        About("19 of 20 requests of a model have their first content sooner than this.",
              "that model's endpoints are slow or full: see the fleet board; `signalbox why ID` shows one "
              "request's attempts."),
        [ask(quantile(0.95, FIRST, SERVER, ["gen_ai_request_model"]), NAMED)], "s")
    yield lines(
        "First token p95, by task", (8, 28, 8, 8),
        About("19 of 20 requests of a task have their first content sooner than this.",
              "see which model answers this task on the routing board, and whether a faster one may."),
        [ask(quantile(0.95, FIRST, SERVER, ["signalbox_task"]), "{{signalbox_task}}")], "s")
    yield lines(
        "Time per token p95, by model", (16, 28, 8, 8),
        About("19 of 20 complete streams of a model need less than this for each token after the first.",
              "the engine is overloaded: add a replica, or lower the `concurrency_max` of its endpoints."),
        [ask(quantile(0.95, EACH, SERVER, ["gen_ai_request_model"]), NAMED)], "s",
        none="No complete streams")
    yield lines(
        "Whole answer p95, by model", (0, 36, 8, 8),
        About("19 of 20 answers of a model end sooner than this.",
              "if first token and time per token are as ever, its answers became longer: see tokens on "
              "the routing board."),
        [ask(quantile(0.95, WHOLE, SERVER, ["gen_ai_request_model"]), NAMED)], "s")
    yield lines(
        "Attempt p95, by model and endpoint", (8, 36, 8, 8),
        About("How long 19 of 20 attempts at an endpoint took from their beginning to their end, however "
              "they ended. Replicas of one model should lie together.",
              "one replica far above its like is ill: look at its own log, and take it out of the "
              "configuration (in force within a second).", REPLICAS),
        [ask(quantile(0.95, ATTEMPT, MODEL, ["model", "endpoint"]), "{{model}}: {{endpoint}}")], "s")
    yield lines(
        "Attempt p50, by model and endpoint", (16, 36, 8, 8),
        About("How long half of the attempts at an endpoint took. Next to p95 it tells a slow replica from "
              "one with a few slow requests.",
              "a replica whose half is slow is overloaded or throttled: compare its requests in flight on "
              "the fleet board.", REPLICAS),
        [ask(quantile(0.5, ATTEMPT, MODEL, ["model", "endpoint"]), "{{model}}: {{endpoint}}")], "s")


def own():
    """The gateway's part."""
    yield lines(
        "The gateway's own time: p99 of each stage", (0, 44, 12, 8),
        About("The 99th percentile of each stage of the gateway's work. `receive` waits for the caller's "
              "body, `record` for the ledger's disk, `dispatch` is the backends' time and has no line.",
              "`record`: the disk (fleet board, ledger). `classify`, `decide`, `admit`: CPU is short. "
              "`receive`: callers send slowly.", "metrics-all-of-them"),
        [ask("stage:signalbox_stage_seconds:p99_5m", "{{stage}}")], "s")
    yield lines(
        "The gateway's own time: mean, and sum of the stages' p99", (12, 44, 12, 8),
        About("What the gateway adds to an accepted request, without the wait for its body. The mean is "
              "exact; the sum of the stages' p99 is usually above the true p99.",
              "see the stages beside it; a climb of both is short CPU (fleet board).",
              "metrics-all-of-them"),
        [ask("max(job:signalbox_overhead_seconds:mean5m)", "mean"),
         ask("max(job:signalbox_overhead_seconds:p99_sum5m)", "sum of p99")], "s")


def made():
    """The board."""
    first = "see by model and by endpoint below who is slow, then the fleet board."
    panels = [*summary(), *pair(4, FIRST, "First token", first, "No traffic"),
              *pair(12, EACH, "Time per token", first, "No complete streams"),
              *pair(20, WHOLE, "Whole answer", first, "No traffic"), *by_name(), *own()]
    return board(
        "latency", "Signalbox: Latency",
        "How long callers wait: first token, time per token, whole answers, and the gateway's own part.",
        panels, uses={"model", "task"}, hours=6)
