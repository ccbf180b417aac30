"""Fleet: the backends, the queue, the ledger, and the gateway's own process."""

from asked import MODEL, extra, grown, quantile
from board import board
from house import About, Column, ask, bars, high, lines, low, merged, now, number, rows

REPLICAS = "how-replicas-are-chosen-ejected-and-tried-again"
METRICS = "metrics-all-of-them"
# Prometheus and others have process metrics too.
OURS = 'job="signalbox"'


def summary():
    """What is wrong now, in eight numbers; all green is well."""
    yield number(
        "Endpoints that do not serve", (0, 0, 3, 4),
        About("Endpoints that are ejected, down or not known yet to serve, as some replica of the gateway "
              "sees them.", "the table below names them: look at the engine's own log; `signalbox check "
              "--online` asks each.", REPLICAS),
        [now(f"count(min by (model, endpoint) (signalbox_endpoint_up{{{MODEL}}}) == 0) or vector(0)")],
        "short", steps=high((1, "yellow"), (2, "red")), decimals=0)
    yield number(
        "Models without a live endpoint", (3, 0, 3, 4),
        About("Models of which no endpoint serves: requests go to the next model of their route, or are "
              "refused with 503 `no_capacity`.",
              "bring one endpoint back, or take the model out of the rules until then.", REPLICAS),
        [now(f"count(model:signalbox_endpoints_live:min{{{MODEL}}} == 0) or vector(0)")],
        "short", steps=high((1, "red")), decimals=0)
    yield number(
        "Requests that wait", (6, 0, 3, 4),
        About("Requests that wait now for a place at a full model.",
              "the model is full: add a replica, raise `concurrency_max` of its endpoints, or give the rule "
              "a second model.", REPLICAS),
        [now(f"sum(signalbox_queue_waiting{{{MODEL}}})")],
        "short", steps=high((1, "yellow"), (20, "red")), decimals=0, none="None")
    yield number(
        "Ledger rows waiting for the disk", (9, 0, 3, 4),
        About("Rows that wait for the ledger's disk, of the worst replica.",
              "the disk is slow or full: see the commit time and the free space here.", "the-ledger"),
        [now("max(signalbox_ledger_pending)")], "short", steps=high((1000, "red")), decimals=0,
        none="No gateway")
    yield number(
        "Ready", (12, 0, 3, 4),
        About("Each check of `/readyz`, yes if it passes on every replica; a replica that drains fails "
              "`not_draining` on purpose.",
              "`ledger`: make room on its disk. `backends`: no endpoint serves. The log names the cause."),
        [now("min by (check) (signalbox_ready)", "{{check}}")], "none", named=True, yes=True,
        steps=low("red", (1, "green")), decimals=0, none="No gateway")
    yield number(
        "Configuration not in force", (15, 0, 3, 4),
        About("Replicas whose files are not what is in force, because the last reload was refused.",
              "the log names file, line and what was expected; mend it, and it is in force within a second. "
              "Until then a restart would fail."),
        [now("sum(signalbox_config_stale)")], "short", steps=high((1, "red")), decimals=0, none="No gateway")
    yield number(
        "Free on the ledger's disk", (18, 0, 3, 4),
        About("Free bytes where the ledger stands, of the worst replica. Below `ledger.disk_free_bytes_min` "
              "no request is accepted.", "make room, or move old entries away.", "backup-and-rotation"),
        [now("min(signalbox_ledger_disk_free_bytes)")], "bytes",
        steps=low("red", (2**30, "yellow"), (5 * 2**30, "green")), none="The system does not say")
    yield number(
        "Keys that expire within 7 days", (21, 0, 3, 4),
        About("Valid keys that expire within a week; their callers are refused afterwards.",
              "ask their owners, then give new keys or move the date in the configuration."),
        [now('max(signalbox_keys_expiring{within="7d"})')], "short", steps=high((1, "yellow")), decimals=0,
        none="None")


def endpoints():
    """The backends."""
    span = "[$__rate_interval]"
    slow = quantile(0.95, "signalbox_attempt_seconds", MODEL, ["model", "endpoint"])
    tried = f"sum by (model, endpoint) (rate(signalbox_attempts_total{{{MODEL}}}{span}))"
    failed = (f'sum by (model, endpoint) (rate(signalbox_attempts_total{{{MODEL}, '
              f'result=~"cut|connect|timeout|status|invalid"}}{span}))')
    yield merged(
        "Endpoints", (0, 4, 24, 8),
        About("Every endpoint as the worst view of all replicas has it: whether it serves, its requests in "
              "flight, attempts a second, the part of them that failed, how long 19 of 20 took, and how "
              "often it was ejected in the time shown.",
              "its own log first; a 429 or 503 means it is full, `connect` that nobody listens.", REPLICAS),
        [rows(f"min by (model, endpoint) (signalbox_endpoint_up{{{MODEL}}})"),
         rows(f"sum by (model, endpoint) (signalbox_endpoint_in_flight{{{MODEL}}})"),
         rows(tried), rows(f"({failed} or 0 * {tried}) / ({tried} > 0)"), rows(slow),
         rows(f"sum by (model, endpoint) ({grown('signalbox_ejections_total', MODEL)})")],
        {"model": Column("Model"), "endpoint": Column("Endpoint"),
         "A": Column("Serves", "none", low("red", (1, "green")), yes=True),
         "B": Column("In flight", "none"), "C": Column("Attempts", "reqps"),
         "D": Column("Failed", "percentunit", high((0.01, "yellow"), (0.05, "red"))),
         "E": Column("Attempt p95", "s"), "F": Column("Ejections", "none", high((1, "yellow")))},
        order="Failed", none="No endpoint")
    yield lines(
        "In flight, by endpoint", (0, 12, 8, 8),
        About("Requests under way at each endpoint, of all replicas of the gateway.",
              "one far above its like is slow; all at their `concurrency_max` are full: add a replica.",
              REPLICAS),
        [ask(f"sum by (model, endpoint) (signalbox_endpoint_in_flight{{{MODEL}}})",
             "{{model}}: {{endpoint}}")], "short", decimals=0, none="No endpoint")
    yield lines(
        "Waiting, by model", (8, 12, 8, 8),
        About("Requests that wait for a place at a full model, of all replicas.",
              "add a replica, raise `concurrency_max` of its endpoints, or give the rule a second model.",
              REPLICAS),
        [ask(f"sum by (model) (signalbox_queue_waiting{{{MODEL}}})", "{{model}}")], "short",
        steps=high((20, "red")), decimals=0, none="None")
    yield bars(
        "Ejections in the time shown, by endpoint and cause", (16, 12, 8, 8),
        About("How often an endpoint was taken out of service, and why.",
              "the cause says where to look: `slow` at the engine's load, anything else at its log.",
              REPLICAS),
        [now("topk(20, round(sum by (model, endpoint, cause) ({})) > 0)".format(
            grown("signalbox_ejections_total", MODEL)), "{{model}}: {{endpoint}} {{cause}}")],
        "short", decimals=0, none="None")


def attempts():
    """How attempts ended."""
    yield lines(
        "Attempts a second, by result", (0, 20, 12, 8),
        About("How attempts at endpoints ended. `lost_hedge` is the slower of two on purpose, `cancelled` a "
              "caller who went away; `status`, `connect`, `timeout`, `cut`, `invalid` are the backends'.",
              "the table above names the endpoint; then its own log.", REPLICAS),
        [ask(f"sum by (result) (rate(signalbox_attempts_total{{{MODEL}}}[$__rate_interval]))", "{{result}}")],
        "reqps", stacked="normal")
    tried = f"rate(signalbox_attempts_total{{{MODEL}}}[$__rate_interval])"
    planned = f"rate(signalbox_decisions_total{{{MODEL}}}[$__rate_interval])"
    lost = f'sum(rate(signalbox_attempts_total{{{MODEL}, result="lost_hedge"}}[$__rate_interval]))'
    yield lines(
        "Extra attempts and hedges, per request", (12, 20, 12, 8),
        About("Attempts beyond the first for each request, and those of them that were the slower half of a "
              "hedge. Retries are bounded; this is how much of the bound is used.",
              "extra attempts that are no hedges are failures: see the results beside it. Many hedges cost "
              "capacity: raise the rule's `hedge` delay.", REPLICAS),
        [ask(extra(tried, planned), "extra attempts"),
         ask(f"({lost} or vector(0)) / (sum({planned}) > 0)", "lost hedges")], "short",
        steps=high((0.2, "red")), decimals=3)


def process():
    """The ledger and the process."""
    yield lines(
        "Ledger rows not yet on disk", (0, 28, 6, 8),
        About("Rows that wait for the ledger's disk, by replica.",
              "the disk does not keep up: see the commit time beside it.", "the-ledger"),
        [ask("signalbox_ledger_pending", "{{instance}}")], "short", steps=high((1000, "red")), decimals=0,
        none="No gateway")
    commit = quantile(0.5, "signalbox_ledger_commit_seconds", 'job="signalbox"')
    yield lines(
        "Time to make ledger rows durable", (6, 28, 6, 8),
        About("Time to write one group of rows and have it on disk: half and 99 of 100 are faster.",
              "the disk is shared or failing; give the ledger one of its own.", "the-ledger"),
        [ask(commit, "p50"), ask("job:signalbox_ledger_commit_seconds:p99_5m", "p99")], "s",
        steps=high((0.25, "red")))
    yield lines(
        "CPU, by replica", (12, 28, 4, 8),
        About("Cores that each replica uses.", "add a replica before all cores of the machine are used.",
              METRICS),
        [ask(f"rate(process_cpu_seconds_total{{{OURS}}}[$__rate_interval])", "{{instance}}")], "short",
        decimals=2, none="No gateway")
    yield lines(
        "Memory, by replica", (16, 28, 4, 8),
        About("Resident memory of each replica.",
              "it follows the requests in flight; if it climbs without them, tell us.", METRICS),
        [ask(f"process_resident_memory_bytes{{{OURS}}}", "{{instance}}")], "bytes", none="No gateway")
    yield lines(
        "File descriptors in use", (20, 28, 4, 8),
        About("The part of the allowed file descriptors that is open, connections among them.",
              "raise the limit (`LimitNOFILE`, `ulimit -n`) before new connections fail.", METRICS),
        [ask(f"process_open_fds{{{OURS}}} / process_max_fds{{{OURS}}}", "{{instance}}")], "percentunit",
        steps=high((0.8, "red")), none="No gateway")
    yield merged(
        "What runs: version and configuration", (0, 36, 24, 5),
        About("One row a replica; version and hash should be the same on all of them. The hash is of the "
              "whole configuration with its policy.",
              "a number of seconds that is small is a restart. Replicas that differ in a hash serve by "
              "different rules: reload the one behind.", "a-new-build-without-an-outage"),
        [rows(f"max by (instance) (time() - process_start_time_seconds{{{OURS}}})"),
         rows("max by (instance, version) (signalbox_build_info)"),
         rows("max by (instance, hash) (signalbox_config_info)")],
        {"instance": Column("Replica"), "A": Column("Runs for", "s"), "version": Column("Version"),
         "hash": Column("Configuration and policy (hash)")}, order="Runs for", none="No gateway")


def made():
    """The board."""
    return board(
        "fleet", "Signalbox: Fleet",
        "Backends, queue, ledger and process: what serves, what is full, what was taken out and why.",
        [*summary(), *endpoints(), *attempts(), *process()], uses={"model"}, hours=3)
