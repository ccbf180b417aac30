"""Agents at a command line, each a turn with a tool: against a scripted model behind the gateway.

They are set up by the blocks of docs/CLIENTS.md, so that the page says what was run.
"""

import json
import os
import re
import secrets
import socketserver
import sqlite3
import subprocess
import sys
import threading
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from rig import ROOT, Rig, first_line, get  # noqa: E402

BINARY = os.environ["SIGNALBOX_BINARY"]
PACKAGES = ROOT / "target/tools/agents/node_modules"
PAGE = (ROOT / "docs/CLIENTS.md").read_text()
KEY = f"sk-{secrets.token_hex(24)}"
ASKED = "When does the ferry leave? It is in note.txt."
NOTE = "the ferry leaves at 07:41"
TEXT = "It leaves at nineteen minutes to eight."

CONFIGURATION = """
[ledger]
sqlite = "signalbox.db"

[alias]
"claude-*" = "auto"

[[model]]
id = "scripted"
context_tokens_max = 200000
capabilities = ["tools", "json_schema", "reasoning", "vision"]
price = {{ input_per_mtok = "0.20", output_per_mtok = "1.50" }}
[[model.endpoint]]
url = "{url}/v1"

[[key]]
name = "main"
secret = "env:SIGNALBOX_KEY"
"""


def block(heading, language):
    """The page's block of code under a heading."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)[1]
    return re.search(rf"^```{language}\n(.*?)^```", section, re.M | re.S)[1]


class Outside(socketserver.ThreadingTCPServer):
    """A proxy to everywhere else, which remembers what it was asked and lets nobody through."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Refusal)
        self.asked = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def settings(self):
        proxy = f"http://127.0.0.1:{self.server_address[1]}"
        names = {name: proxy for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")}
        names["NO_PROXY"] = "127.0.0.1"
        return names | {name.lower(): value for name, value in names.items()}


class Refusal(socketserver.StreamRequestHandler):
    def handle(self):
        self.server.asked.append(self.rfile.readline(1000).decode(errors="replace").strip())
        self.wfile.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")


class Agents(unittest.TestCase):
    def setUp(self):
        self.rig = self.enterContext(Rig(BINARY))
        self.outside = self.enterContext(Outside())
        self.addCleanup(self.outside.shutdown)
        self.home = self.rig.folder / "home"
        self.work = self.rig.folder / "work"
        for folder in (self.home, self.work):
            folder.mkdir()
        self.note = self.work / "note.txt"
        self.note.write_text(f"{NOTE}\n")

    def serve(self, calls):
        """A model that calls the first of these tools that it is offered, and a gateway before it."""
        script = json.dumps({"calls": calls, "text": TEXT})
        command = [sys.executable, str(HERE / "agents/model.py"), script]
        self.model = first_line(self.rig.start("model", command, stdout=subprocess.PIPE))["url"]
        _, self.url, _ = self.rig.gateway(
            CONFIGURATION.format(url=self.model), {"SIGNALBOX_KEY": KEY}
        )

    def ask(self, command, **env):
        """What the agent says, which has nothing but the page's settings."""
        run = subprocess.run(
            [str(it) for it in command],
            cwd=self.work,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                **self.outside.settings(),
                **env,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=40,
        )
        self.log = run.stdout + run.stderr
        return run

    def told(self, run, tool, dialect):
        """Proves a turn: a tool was called, its result came to the model, and both are in the books."""
        self.assertEqual(run.returncode, 0, self.log)
        status, seen = get(f"{self.model}/seen")
        self.assertEqual(status, 200)
        first, second = json.loads(seen)
        self.assertNotIn("tool", [it["role"] for it in first["messages"]])
        self.assertIn(ASKED, json.dumps(first["messages"]))
        results = [it for it in second["messages"] if it["role"] == "tool"]
        self.assertEqual([it["tool_call_id"] for it in results], ["call_1"])
        self.assertIn(NOTE, json.dumps(results[0]["content"]))
        called = [it for it in second["messages"] if it.get("tool_calls")]
        self.assertEqual([it["tool_calls"][0]["function"]["name"] for it in called], [tool])
        self.assertEqual(self.entries(), [("main", dialect, "settled", "ok", "scripted", 100, 10)] * 2)
        self.assertEqual(self.outside.asked, [], "asked of others, through the proxy")

    def entries(self):
        fields = "key, dialect, state, outcome, model, input_tokens, output_tokens"
        with sqlite3.connect(self.rig.folder / "signalbox.db") as books:
            return books.execute(f"SELECT {fields} FROM ledger").fetchall()

    def claude(self, key, *flags):
        (program,) = PACKAGES.glob("@anthropic-ai/claude-code-*/claude")
        # The page's settings, but the line that starts it.
        *settings, _ = block("Claude Code", "sh").splitlines()
        script = "\n".join([*settings, 'exec "$@"'])
        command = ["sh", "-c", script, "sh", program, "-p", ASKED, "--output-format", "json", *flags]
        return self.ask(command, URL=self.url, KEY=key, CLAUDE_CODE_MAX_RETRIES="0")

    def test_claude_code_reads_a_file(self):
        self.serve({"Read": {"file_path": str(self.note)}})
        run = self.claude(KEY, "--allowedTools", "Read")
        self.told(run, "Read", "anthropic")
        answer = json.loads(run.stdout)
        self.assertEqual((answer["is_error"], answer["num_turns"]), (False, 2))
        self.assertEqual(answer["result"], TEXT)

    def test_claude_code_runs_a_command(self):
        self.serve({"Bash": {"command": "cat note.txt", "description": "Read the note"}})
        run = self.claude(KEY, "--allowedTools", "Bash", "--model", "haiku")
        self.told(run, "Bash", "anthropic")
        self.assertEqual(json.loads(run.stdout)["result"], TEXT)

    def test_claude_code_says_that_its_key_is_none(self):
        self.serve({})
        run = self.claude("sk-nobody")
        self.assertEqual(run.returncode, 1, self.log)
        answer = json.loads(run.stdout)
        self.assertEqual((answer["is_error"], answer["api_error_status"]), (True, 401))
        self.assertEqual(self.entries(), [])

    def codex(self, key, *flags):
        program = PACKAGES / "@openai/codex/bin/codex.js"
        settings = block("Codex", "toml").replace("https://ai.bank.example", self.url)
        folder = self.home / ".codex"
        folder.mkdir()
        (folder / "config.toml").write_text(settings)
        # No sandbox within a sandbox: the command is a `cat` in a folder that is thrown away.
        flags = ["--skip-git-repo-check", "--json", "--sandbox", "danger-full-access", *flags]
        return self.ask(["node", program, "exec", *flags, ASKED], SIGNALBOX_KEY=key)

    def test_codex_runs_a_command(self):
        self.serve({"exec_command": {"cmd": "cat note.txt"}})
        run = self.codex(KEY)
        self.told(run, "exec_command", "responses")
        events = [json.loads(line) for line in run.stdout.splitlines()]
        items = [it["item"] for it in events if it["type"] == "item.completed"]
        self.assertEqual((items[-1]["type"], items[-1]["text"]), ("agent_message", TEXT))
        self.assertEqual(events[-1]["type"], "turn.completed")
        usage = events[-1]["usage"]
        self.assertEqual((usage["input_tokens"], usage["output_tokens"]), (200, 20))

    def test_codex_says_that_its_key_is_none(self):
        self.serve({})
        run = self.codex("sk-nobody", "-c", "model_providers.signalbox.stream_max_retries=0")
        self.assertEqual(run.returncode, 1, self.log)
        self.assertIn("401", run.stdout)
        self.assertEqual(self.entries(), [])

    def test_continue_reads_a_file(self):
        self.serve({"Read": {"filepath": str(self.note)}})
        settings = self.work / "config.yaml"
        page = block("Continue", "yaml").replace("https://ai.bank.example", self.url)
        settings.write_text(page)
        program = PACKAGES / "@continuedev/cli/dist/cn.js"
        names = self.rig.folder / "names.log"
        command = ["node", "--require", HERE / "agents/names.cjs", program, "-p", "--config", settings]
        env = {"SIGNALBOX_KEY": KEY, "CONTINUE_CLI_ENABLE_TELEMETRY": "0", "NAMES_LOG": str(names)}
        run = self.ask([*command, "--allow", "Read", ASKED], **env)
        self.told(run, "Read", "openai")
        self.assertEqual(run.stdout.strip(), TEXT)
        # It tells its maker an id of the machine, and nothing turns that off.
        self.assertEqual(set(names.read_text().split()), {"api.continue.dev"})


if __name__ == "__main__":
    unittest.main()
