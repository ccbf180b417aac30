"""Starts what tests and benchmarks need, on free loopback ports in a folder of its own, and stops it.

Only processes that were started here are ever ended, each by its own id.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Loopback never goes through a proxy, whatever the machine is set to.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port():
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url, headers=None, body=None, timeout=10):
    """Status and body of one request, whatever the status is."""
    request = urllib.request.Request(url, headers=headers or {}, data=body)
    try:
        with _DIRECT.open(request, timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class Rig:
    """A temporary folder and the processes that live in it."""

    def __init__(self, binary):
        self.binary = str(Path(binary).resolve())
        self.folder = Path(tempfile.mkdtemp(prefix="signalbox-"))
        self.processes = []
        # A test run that is told to stop still stops what it started.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.end_all()
        if kind is not None and not issubclass(kind, (SystemExit, KeyboardInterrupt)):
            for log in sorted(self.folder.glob("*.log")):
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}", file=sys.stderr)
        shutil.rmtree(self.folder, ignore_errors=True)

    def end_all(self):
        """Ends what was started, the last first."""
        while self.processes:
            stop(self.processes.pop())

    def start(self, name, command, env=None, **streams):
        """Starts a process; what it says goes to NAME.log unless `streams` takes it."""
        with open(self.folder / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, **(env or {})},
                **{"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **streams},
            )
        process.name = name
        self.processes.append(process)
        return process

    def sim(self, *flags):
        """A simulated fleet: where it is controlled, and each model's base addresses."""
        command = [self.binary, "sim", "--json", *flags]
        process = self.start("sim", command, stdout=subprocess.PIPE)
        return process, first_line(process)

    def real_model(self, python, *flags, name="model"):
        """A small open model served by llama.cpp: its base address."""
        command = [python, str(ROOT / "gateway/sim/real_server.py")]
        command += ["--model-file", str(ROOT / "target/tools/gemma-3-270m.gguf"), *flags]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        return first_line(self.start(name, command, **pipes))["url"]

    def gateway(self, configuration, env=None, name="gateway"):
        """A gateway with this configuration, ready to serve."""
        listen, admin = free_port(), free_port()
        path = self.folder / f"{name}.toml"
        path.write_text(
            f'[server]\nlisten = "127.0.0.1:{listen}"\ndrain_grace_ms = 0\n'
            f'[admin]\nlisten = "127.0.0.1:{admin}"\n{configuration}'
        )
        process = self.start(name, [self.binary, "serve", "--config", str(path)], env)
        wait(process, f"http://127.0.0.1:{admin}/readyz")
        return process, f"http://127.0.0.1:{listen}", f"http://127.0.0.1:{admin}"


def first_line(process):
    """The line of JSON that a server prints when it serves."""
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.name} did not start")
    return json.loads(line)


def wait(process, url, seconds=30, status=200):
    """Waits until an address answers, or says that its process has ended."""
    end = time.monotonic() + seconds
    last = "nothing"
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{process.name} ended with code {process.returncode}")
        try:
            last = get(url, timeout=2)
            if last[0] == status:
                return
        except OSError as error:
            last = error
        time.sleep(0.05)
    raise RuntimeError(f"{process.name} is not ready after {seconds} s: {last}")


def stop(process):
    """Asks a process to end, and ends it if it does not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def models(fleet, price='{ input_per_mtok = "0.20", output_per_mtok = "1.50" }'):
    """The `[[model]]` sections for a simulated fleet."""
    sections = []
    for model, urls in fleet.items():
        sections.append(
            f'[[model]]\nid = "{model}"\ncontext_tokens_max = 131072\nzone = "on_prem"\n'
            f'capabilities = ["tools", "json_schema", "reasoning"]\nprice = {price}\n'
        )
        sections.extend(f'[[model.endpoint]]\nurl = "{url}"\n' for url in urls)
    return "".join(sections)
