"""The snippets of docs/CLIENTS.md, each as it stands there, with URL and KEY set."""

import os
import re
import unittest
from importlib.util import find_spec
from pathlib import Path

from setting import URL

PAGE = Path(__file__).resolve().parents[2] / "docs/CLIENTS.md"
# The packages that some environment of ours has; each environment runs the snippets that it can.
KNOWN = (
    "pydantic openai anthropic langchain_openai langchain_anthropic litellm pydantic_ai llama_index "
    "instructor"
)


def snippets():
    """Each Python block: the heading above it, the packages that it imports, and the code."""
    heading = ""
    for match in re.finditer(r"^## ([^\n]*)$|^```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S):
        if match[1]:
            heading = match[1]
            continue
        imported = re.findall(r"^(?:from|import) (\w+)", match[2], re.M)
        yield heading, imported, match[2]


class Page(unittest.TestCase):
    def test_each_snippet_runs(self):
        ran = 0
        for heading, imported, code in snippets():
            with self.subTest(heading):
                self.assertTrue(imported)
                self.assertLessEqual(set(imported), set(KNOWN.split()))
                if not all(find_spec(name) for name in imported):
                    continue
                key = os.environ["SIGNALBOX_KEY"]
                exec(compile(code, heading, "exec"), {"URL": URL, "KEY": key})
                ran += 1
        self.assertGreaterEqual(ran, 2)


if __name__ == "__main__":
    unittest.main()
