"""Parts of expressions that several boards share."""

MODEL_TASK = 'model=~"$model", task=~"$task", language=~"$language"'
TRAFFIC = f'{MODEL_TASK}, currency=~"$currency"'
COST = f'team=~"$team", {TRAFFIC}'
BUDGET = 'team=~"$team", currency=~"$currency"'
SERVER = 'gen_ai_request_model=~"$model", signalbox_task=~"$task"'
MODEL = 'model=~"$model"'

# Each hour's money and requests by all labels, recorded; a new line is counted whole.
COST_HOUR = f"team_model_task_language:signalbox_cost:increase1h{{{COST}}}"
REQUESTS_HOUR = f"model_task_language:signalbox_requests:increase1h{{{MODEL_TASK}}}"


def price(label=""):
    """What a thousand requests of the last hour cost, by a label or in all.

    Of all teams, because requests are not counted by team.
    """
    money = f"team_model_task_language:signalbox_cost:increase1h{{{TRAFFIC}}}"
    by = f"{label}, currency" if label else "currency"
    of = f"sum by ({label}) ({REQUESTS_HOUR})" if label else f"sum({REQUESTS_HOUR})"
    return f"1000 * sum by ({by}) ({money}) / on ({label}) group_left () ({of} > 0)"


def grown(metric, matchers=""):
    """What a counter has grown by in the time shown, line by line.

    A line that was not there at its beginning counts whole where that is proved: its target was scraped
    then, or its process began later, and the line never began anew. `increase` would lose its first value.
    """
    line = f"{metric}{{{matchers}}}"
    return f"""(
        (({line} unless {line} offset $__range) unless resets({line}[$__range]) > 0)
        and on (job, instance)
        (up offset $__range == 1 or process_start_time_seconds > time() - $__range_s)
        or increase({line}[$__range]))"""


def extra(attempts, decisions):
    """Attempts beyond the first for each decision.

    Decisions and not ended requests: those have a line for each language and task, and lose in each new
    line its first value.
    """
    return f"clamp_min(sum({attempts}) / (sum({decisions}) > 0) - 1, 0)"


def quantile(share, metric, matchers, by=(), span="$__rate_interval"):
    """A quantile of a histogram, right within one bucket."""
    labels = ", ".join((*by, "le"))
    return f"""histogram_quantile({share},
        sum by ({labels}) (rate({metric}_bucket{{{matchers}}}[{span}]))) >= 0"""


def buckets(metric, matchers):
    """The rows of a heat map: observations a second by bucket."""
    return f"sum by (le) (rate({metric}_bucket{{{matchers}}}[$__rate_interval]))"
