"""Numbers as Grafana writes them, and a panel's colours by value."""

import re

LETTERS = {"currencyUSD": "$", "currencyEUR": "€", "currencyGBP": "£", "currencyJPY": "¥"}
SUFFIXES = {
    "reqps": " req/s", "ops": " ops/s", "cps": "/s", "pps": "/s", "percent": "%", "Bps": " B/s",
    "binBps": " B/s", "rps": "/s", "wps": "/s", "opm": "/min", "reqpm": " req/min",
}
SECONDS = [
    (31_536_000, "years"), (604_800, "weeks"), (86_400, "days"), (3600, "hours"), (60, "min"), (1, "s"),
    (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"),
]
SCALES = {"s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9, "dtdurations": 1, "m": 60, "h": 3600, "d": 86_400}
# What Grafana's names of colours are here: a shade that can be read on white.
COLOURS = {
    "green": "#2f8f4e", "yellow": "#c98a00", "orange": "#d9660a", "red": "#c4162a", "blue": "#1f60c4",
    "text": "#1f2937", "transparent": "#1f2937", "purple": "#7a3fa8", "semi-dark-green": "#2f8f4e",
    "semi-dark-red": "#c4162a", "dark-red": "#a01020", "dark-green": "#1f6b38", "light-green": "#73bf69",
    "semi-dark-orange": "#d9660a", "semi-dark-yellow": "#c98a00", "semi-dark-blue": "#1f60c4",
    "gray": "#6b7280", "grey": "#6b7280",
}


def rounded(value, decimals, most=2):
    """With thousands apart; without asked decimals, as many as tell something."""
    if decimals is None:
        size = abs(value)
        decimals = 0 if size >= 1000 or value == int(value) else most if size < 10 else 1
        if 0 < size < 0.1 and most:
            decimals = most + 1 if size >= 0.01 else most + 2
        text = f"{value:,.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:,.{decimals}f}"


def seconds(value, decimals):
    """A duration in the largest unit that it fills."""
    if value == 0:
        return "0 s"
    for size, name in SECONDS:
        if abs(value) >= size:
            break
    number = rounded(value / size, decimals, 1)
    return f"{number} {name[:-1] if number == '1' and len(name) > 3 else name}"


def scaled(value, decimals, base, names):
    """A number by the largest power of the base that it fills."""
    at = 0
    while abs(value) >= base and at < len(names) - 1:
        value, at = value / base, at + 1
    return f"{rounded(value, decimals)}{names[at]}"


def shown(value, unit, decimals=None):
    """A number by its unit."""
    if value in (float("inf"), float("-inf")):
        return "∞" if value > 0 else "-∞"
    if unit in LETTERS:
        sign = "-" if value < 0 else ""
        return f"{sign}{LETTERS[unit]}{money(abs(value), decimals)}"
    if unit == "percentunit":
        return f"{rounded(value * 100, decimals, 1)}%"
    if unit in SCALES:
        return seconds(value * SCALES[unit], decimals)
    if unit in ("bytes", "decbytes"):
        base, names = (1024, [" B", " KiB", " MiB", " GiB", " TiB"]) if unit == "bytes" else (
            1000, [" B", " kB", " MB", " GB", " TB"])
        return scaled(value, decimals, base, names)
    if unit == "short":
        return scaled(value, decimals, 1000, ["", " K", " Mil", " Bil"])
    if unit.startswith("suffix:"):
        return f"{rounded(value, decimals)} {unit[7:].strip()}"
    if unit.startswith("prefix:"):
        return f"{unit[7:]}{rounded(value, decimals)}"
    if unit == "bool_yes_no":
        return "Yes" if value else "No"
    return f"{rounded(value, decimals)}{SUFFIXES.get(unit, '')}"


def money(value, decimals):
    """Cents, unless a number is too small for them and none were asked for."""
    if decimals is None:
        decimals = 2 if value >= 0.01 or value == 0 else 4
    return f"{value:,.{decimals}f}"


def matches(override, name, numeric=True):
    """Whether an override is about the series or column of this name."""
    matcher = override["matcher"]
    kind, options = matcher["id"], matcher.get("options")
    if kind == "byName":
        return name == options
    if kind == "byRegexp":
        return re.search(str(options).strip("/"), name) is not None
    return kind == "byType" and options == "number" and numeric


def properties(panel, name, numeric=True):
    """What holds for one series: the panel's defaults, then its overrides."""
    defaults = panel.defaults
    found = {
        "unit": panel.unit,
        "decimals": defaults.get("decimals"),
        "thresholds": defaults.get("thresholds"),
        "mappings": defaults.get("mappings", []),
        "noValue": defaults.get("noValue", "No data"),
    }
    for override in panel.spec.get("fieldConfig", {}).get("overrides", []):
        if matches(override, name, numeric):
            found.update({it["id"]: it.get("value") for it in override["properties"]})
    return found


def spoken(panel, name, value):
    """A series' value as the panel shows it: its word for nothing, a mapping's word, or the number."""
    its = properties(panel, name)
    if value is None or value != value:
        return its["noValue"]
    for mapping in its["mappings"] or []:
        options = mapping.get("options", {})
        key = f"{value:g}"
        if mapping.get("type") == "value" and key in options:
            return options[key].get("text") or shown(value, its["unit"], its["decimals"])
    return shown(value, its["unit"], its["decimals"])


def steps(thresholds):
    """Values and colours of thresholds, the lowest first."""
    found = (thresholds or {}).get("steps") or []
    return [(float("-inf") if it.get("value") is None else it["value"], it["color"]) for it in found]


def colour(name):
    """A colour of Grafana's."""
    return COLOURS.get(name, name if str(name).startswith("#") else COLOURS["text"])


def coloured(panel, name, value):
    """The colour of a value by its thresholds, or by its mapping."""
    its = properties(panel, name)
    if value is None or value != value:
        return COLOURS["gray"]
    for mapping in its["mappings"] or []:
        option = mapping.get("options", {}).get(f"{value:g}", {})
        if mapping.get("type") == "value" and option.get("color"):
            return colour(option["color"])
    reached = [shade for least, shade in steps(its["thresholds"]) if value >= least]
    return colour(reached[-1]) if reached else COLOURS["text"]
