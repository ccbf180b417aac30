"""The money of the dashboards beside the ledger's.

Three say what a day cost: the ledger (asked by SQL and by `signalbox spend`), `/metrics`, and Prometheus.
They have to be one to the billionth of a unit, by every label; what a panel shows, to the cent.
"""

import json
from decimal import Decimal

from backfill import checked
from record import COST, labelled, lines

LABELS = ["team", "model", "task", "language"]
NANO = Decimal("0.000000001")
CENT = Decimal("0.01")


def by_sql(copy, label):
    """Money of the settled entries by a label, from the ledger's file."""
    query = f'SELECT "{label}", sum(cost_nano) FROM ledger WHERE state = \'settled\' GROUP BY 1'
    rows = json.loads(checked(["sqlite3", "-json", str(copy), query]) or "[]")
    return kept({str(row[label]): int(row["sum(cost_nano)"] or 0) * NANO for row in rows})


def by_spend(binary, configuration, copy, label):
    """The same as `signalbox spend` says it."""
    command = [binary, "spend", "--config", str(configuration), "--ledger", str(copy)]
    said = json.loads(checked([*command, "--by", label, "--since", "30d", "--format", "json"]))
    return kept({str(row[label]): Decimal(row["cost"]) for row in said["rows"]})


def by_metrics(text, label):
    """The same from the text of a scrape."""
    sums = {}
    for name, labels, value in lines(text):
        if name == COST:
            key = labelled(labels)[label]
            sums[key] = sums.get(key, 0) + Decimal(value)
    return kept(sums)


def by_prometheus(prometheus, at, label):
    """The same as Prometheus adds it up."""
    found = prometheus.instant(f"sum by ({label}) ({COST})", at)
    return kept({labels[label]: nano(points[0][1]) for labels, points in found})


def nano(value):
    """A floating number as money."""
    return Decimal(repr(value)).quantize(NANO)


def kept(sums):
    """Without what cost nothing: there is no line for what nobody was charged."""
    return {key: value for key, value in sorted(sums.items()) if value}


def reconcile(books, say):
    """Compares them all; `say` takes the name of each comparison and its faults. The ledger's sums."""
    binary, configuration, copy, text, prometheus, at = books
    ledger = {}
    for label in LABELS:
        ledger[label] = by_sql(copy, label)
        others = {
            "spend": by_spend(binary, configuration, copy, label),
            "/metrics": by_metrics(text, label),
            "Prometheus": by_prometheus(prometheus, at, label),
        }
        for name, sums in others.items():
            say(f"money by {label}: ledger = {name}", difference(ledger[label], sums))
        shown = ", ".join(f"{key} {value}" for key, value in ledger[label].items())
        print(f"  by {label}: {shown}")
    whole = sum(ledger["team"].values(), Decimal(0))
    sums = {
        "spend": sum(others["spend"].values(), Decimal(0)),
        "/metrics": sum(by_metrics(text, "team").values(), Decimal(0)),
        "Prometheus": nano(prometheus.instant(f"sum({COST})", at)[0][1][0][1]),
    }
    print(f"  total: ledger {whole}, " + ", ".join(f"{name} {value}" for name, value in sums.items()))
    say("there is money in the ledger", [] if whole > CENT else [f"only {whole}"])
    for name, value in sums.items():
        say(f"money in all: ledger = {name}", [] if value == whole else [f"{whole} is not {value}"])
    return whole, ledger


def difference(ledger, other):
    """Where two tables of money differ."""
    keys = sorted(ledger.keys() | other.keys())
    return [
        f"{key}: the ledger has {ledger.get(key, 0)}, not {other.get(key, 0)}"
        for key in keys
        if ledger.get(key, 0) != other.get(key, 0)
    ]


def to_the_cent(shown, whole):
    """Whether a panel's number is the ledger's, as it is shown."""
    return Decimal(repr(shown)).quantize(CENT) == whole.quantize(CENT)
