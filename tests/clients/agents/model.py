"""A scripted model that speaks chat completions: `model.py SCRIPT`, a file of JSON, prints where it is.

Until a tool has answered it calls the first tool that it has arguments for (`calls`); then it says
`text`. What it was sent is kept, and told at `/seen`.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SCRIPT = json.loads(sys.argv[1])
SEEN = []


def said(asked):
    """The message that answers a request, and why it ends."""
    offered = [tool["function"]["name"] for tool in asked.get("tools") or []]
    name = next((it for it in SCRIPT["calls"] if it in offered), None)
    answered = any(it["role"] == "tool" for it in asked["messages"])
    if name is None or answered:
        return {"content": SCRIPT["text"]}, "stop"
    function = {"name": name, "arguments": json.dumps(SCRIPT["calls"][name])}
    call = {"index": 0, "id": "call_1", "type": "function", "function": function}
    return {"content": None, "tool_calls": [call]}, "tool_calls"


class Model(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/seen":
            return self.answer(SEEN)
        return self.answer({"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        SEEN.append(asked)
        message, finish = said(asked)
        message["role"] = "assistant"
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        head = {"id": f"chatcmpl-{len(SEEN)}", "created": 1, "model": asked["model"]}
        if not asked.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": finish}
            whole = {"object": "chat.completion", "choices": [choice], "usage": usage}
            return self.answer(head | whole)
        piece = {"object": "chat.completion.chunk", "usage": None}
        first = {"index": 0, "delta": message, "finish_reason": None}
        last = {"index": 0, "delta": {}, "finish_reason": finish}
        events = [head | piece | {"choices": [it]} for it in (first, last)]
        events.append(head | piece | {"choices": [], "usage": usage})
        lines = [f"data: {json.dumps(it)}\n\n" for it in events] + ["data: [DONE]\n\n"]
        return self.send("".join(lines), "text/event-stream")

    def answer(self, value):
        self.send(json.dumps(value), "application/json")

    def send(self, text, kind):
        body = text.encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """What it is asked is told at `/seen` alone."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}), flush=True)
    server.serve_forever()
