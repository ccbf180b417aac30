"""Where the gateway is and with which keys it is asked; `run` sets all of it."""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from openai import OpenAI  # noqa: E402

from rig import get  # noqa: E402

URL = os.environ["SIGNALBOX_URL"]
ADMIN_URL = os.environ["SIGNALBOX_ADMIN_URL"]
MODEL = os.environ.get("SIGNALBOX_MODEL", "auto")


def client(key="SIGNALBOX_KEY", **options):
    """A client of the gateway that does not try again by itself."""
    options = {"max_retries": 0, "timeout": 60, **options}
    return OpenAI(base_url=f"{URL}/v1", api_key=os.environ[key], **options)


def ask(text):
    """A conversation of one message."""
    return [{"role": "user", "content": text}]


def until(condition, what, seconds=10):
    """Waits for something that happens after the caller has gone."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


def metric(name, **labels):
    """The sum of a metric's series that have these labels."""
    status, text = get(f"{ADMIN_URL}/metrics")
    assert status == 200, status
    total = 0.0
    for line in text.decode().splitlines():
        if line.startswith(f"{name}{{") and all(f'{k}="{v}"' in line for k, v in labels.items()):
            total += float(line.rsplit(" ", 1)[1])
    return total
