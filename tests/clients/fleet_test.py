"""What the gateway makes of keys, errors and faults: against the simulated fleet alone, which can be
told to fail and tells what it has seen."""

import asyncio
import json
import os
import time
import sqlite3
import unittest

import openai
from setting import URL, ask, client, metric, until

from rig import get

SIM_URL = os.environ["SIGNALBOX_SIM_URL"]
LEDGER = os.environ["SIGNALBOX_LEDGER"]

TOOL = {
    "type": "function",
    "function": {
        "name": "exchange_rate",
        "description": "Today's rate between two currencies",
        "parameters": {
            "type": "object",
            "properties": {"base": {"type": "string"}, "quote": {"type": "string"}},
            "required": ["base", "quote"],
        },
    },
}


def sim(action, **order):
    """Tells the fleet what to do."""
    status, body = get(f"{SIM_URL}/sim/{action}", body=json.dumps(order).encode())
    assert status == 200, body


def seen(model):
    """What the fleet has seen of one model."""
    return json.loads(get(f"{SIM_URL}/sim/seen")[1])[model]


def entry(request_id):
    """A row of the ledger, once it is closed."""

    def closed():
        with sqlite3.connect(f"file:{LEDGER}?mode=ro", uri=True) as books:
            books.row_factory = sqlite3.Row
            rows = books.execute(
                "SELECT * FROM ledger WHERE id = ? AND state <> 'open'", (request_id,)
            ).fetchall()
        return rows

    rows = until(closed, f"entry {request_id} in the ledger")
    assert len(rows) == 1, rows
    return rows[0]


class Answers(unittest.TestCase):
    def test_streamed_and_plain_say_and_use_the_same(self):
        question = {"model": "gpt-oss-120b", "messages": ask("How are card fees worked out?")}
        raw = client().chat.completions.with_raw_response.create(**question)
        plain = raw.parse()
        options = {"stream": True, "stream_options": {"include_usage": True}}
        chunks = list(client().chat.completions.create(**question, **options))
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        self.assertEqual(text, plain.choices[0].message.content)
        self.assertEqual(chunks[-1].usage, plain.usage)
        cost = raw.headers["x-signalbox-cost"]
        self.assertEqual(chunks[-1].model_extra["signalbox"]["cost"], cost)
        row = entry(raw.headers["x-signalbox-id"])
        self.assertEqual((row["state"], row["outcome"], row["cost"]), ("settled", "ok", cost))
        self.assertEqual(row["model"], "gpt-oss-120b")

    def test_a_model_by_its_name_is_that_model(self):
        raw = client().chat.completions.with_raw_response.create(
            model="kimi-k2.6", messages=ask("Good morning")
        )
        self.assertEqual(raw.headers["x-signalbox-model"], "kimi-k2.6")
        self.assertEqual(raw.headers["x-signalbox-rule"], "pin")

    def test_a_tool_call_passes_through(self):
        question = {
            "model": "qwen3-coder-next",
            "messages": ask("What is the euro worth in ringgit today?"),
            "tools": [TOOL],
            "tool_choice": "required",
        }
        answer = client().chat.completions.create(**question).choices[0]
        self.assertEqual(answer.finish_reason, "tool_calls")
        call = answer.message.tool_calls[0]
        self.assertEqual(call.function.name, "exchange_rate")
        self.assertIsInstance(json.loads(call.function.arguments), dict)

        name, arguments = "", ""
        for chunk in client().chat.completions.create(**question, stream=True):
            for part in chunk.choices[0].delta.tool_calls or [] if chunk.choices else []:
                name += part.function.name or ""
                arguments += part.function.arguments or ""
        self.assertEqual((name, arguments), (call.function.name, call.function.arguments))

    def test_what_we_do_not_know_reaches_the_backend_as_it_is(self):
        unknown = {"deep": [1, 2.50, None, {"ไทย": "\u00e9 \\ \""}], "empty": {}}
        client().chat.completions.create(
            model="glm-5.2", messages=ask("Hello"), extra_body={"x_house_rule": unknown}
        )
        last = seen("glm-5.2")["last"]
        self.assertEqual(json.loads(last["body"])["x_house_rule"], unknown)
        self.assertNotIn(os.environ["SIGNALBOX_KEY"], json.dumps(last))

    def test_models_are_listed_with_auto_first(self):
        listed = [model.id for model in client().models.list()]
        self.assertEqual(listed[0], "auto")
        self.assertIn("deepseek-v3.2", listed)
        narrow = [model.id for model in client("SIGNALBOX_NARROW_KEY").models.list()]
        self.assertEqual(narrow, ["auto", "gpt-oss-20b"])

    def test_many_callers_at_once(self):
        async def all_of_them():
            key = os.environ["SIGNALBOX_KEY"]
            async with openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key=key) as caller:

                async def one(number):
                    stream = await caller.chat.completions.create(
                        model="auto", messages=ask(f"Count to {number}"), stream=True
                    )
                    return [chunk async for chunk in stream]

                return await asyncio.gather(*(one(number) for number in range(24)))

        for chunks in asyncio.run(all_of_them()):
            self.assertTrue(any(c.choices and c.choices[0].finish_reason for c in chunks))


class Refusals(unittest.TestCase):
    def refused(self, error, status, code, key="SIGNALBOX_KEY", **request):
        request = {"model": "auto", "messages": ask("Hello"), **request}
        with self.assertRaises(error) as caught:
            client(key).chat.completions.create(**request)
        self.assertEqual(caught.exception.status_code, status)
        self.assertEqual(caught.exception.code, code)
        return caught.exception

    def test_400_names_the_parameter(self):
        extra = {"chat_template": "{{ x }}"}
        error = self.refused(
            openai.BadRequestError, 400, "unsupported_parameter", extra_body=extra
        )
        self.assertEqual(error.param, "chat_template")
        self.refused(openai.BadRequestError, 400, "invalid_type", messages="not a list")

    def test_401_for_a_key_that_is_none(self):
        with self.assertRaises(openai.AuthenticationError) as caught:
            client().with_options(api_key="sk-nobody").chat.completions.create(
                model="auto", messages=ask("Hello")
            )
        self.assertEqual(caught.exception.code, "invalid_api_key")

    def test_403_for_a_model_the_key_may_not_use(self):
        self.refused(
            openai.PermissionDeniedError,
            403,
            "model_forbidden",
            key="SIGNALBOX_NARROW_KEY",
            model="kimi-k2.6",
        )

    def test_404_for_a_model_that_is_none(self):
        self.refused(openai.NotFoundError, 404, "model_not_found", model="gpt-9")

    def test_404_for_what_is_not_supported(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            client().files.list()
        self.assertIn("not supported", str(caught.exception))

    def test_429_when_the_key_is_too_fast(self):
        key = "SIGNALBOX_SLOW_PYTHON_KEY"
        client(key).chat.completions.create(model="auto", messages=ask("Hello"))
        error = self.refused(openai.RateLimitError, 429, "rate_limit_exceeded", key=key)
        self.assertGreater(int(error.response.headers["retry-after"]), 0)

    def test_429_that_is_not_tried_again_when_the_money_is_spent(self):
        error = self.refused(
            openai.RateLimitError, 429, "budget_too_small", key="SIGNALBOX_BROKE_KEY"
        )
        self.assertEqual(error.response.headers["x-should-retry"], "false")

    def test_a_refusal_leaves_no_trace_in_the_next_answer(self):
        caller = client()
        for model in ("gpt-9", "auto", "gpt-9", "auto"):
            if model == "auto":
                answer = caller.chat.completions.create(model=model, messages=ask("Hello"))
                self.assertTrue(answer.choices[0].message.content)
            else:
                with self.assertRaises(openai.NotFoundError):
                    caller.chat.completions.create(model=model, messages=ask("Hello"))


class Faults(unittest.TestCase):
    def test_leaving_stops_the_backend(self):
        sim("fault", model="minimax-m2.5", fault="stall_mid", times=1)
        before = seen("minimax-m2.5")["cancelled"]
        cancelled = {"model": "minimax-m2.5", "outcome": "cancelled"}
        counted = metric("signalbox_requests_total", **cancelled)
        raw = client().chat.completions.with_raw_response.create(
            model="minimax-m2.5", messages=ask("Tell me a story"), stream=True
        )
        request_id = raw.headers["x-signalbox-id"]
        stream = raw.parse()
        next(iter(stream))
        stream.close()
        until(
            lambda: seen("minimax-m2.5")["cancelled"] == before + 1, "the cancel at the backend"
        )
        row = entry(request_id)
        self.assertEqual((row["outcome"], row["usage_source"]), ("cancelled", "estimated"))
        self.assertEqual(metric("signalbox_requests_total", **cancelled), counted + 1)

    def test_a_broken_backend_is_not_seen(self):
        self.back_in_service("kimi-k2.6")
        sim("fault", model="kimi-k2.6", fault="status_500", times=1)
        raw = client().chat.completions.with_raw_response.create(
            model="pair", messages=ask("Good evening")
        )
        self.assertEqual(raw.headers["x-signalbox-model"], "glm-5.2")
        self.assertEqual(raw.headers["x-signalbox-attempts"], "2")
        self.assertEqual(raw.headers["x-signalbox-rule"], "alias:pair")
        attempts = json.loads(entry(raw.headers["x-signalbox-id"])["attempts"])
        self.assertEqual([attempt["result"] for attempt in attempts], ["status", "ok"])

    def test_a_dead_backend_is_not_seen_either(self):
        sim("kill", model="kimi-k2.6")
        try:
            for _ in range(3):
                answer = client().chat.completions.create(model="pair", messages=ask("Hello"))
                self.assertTrue(answer.choices[0].message.content)
        finally:
            sim("revive", model="kimi-k2.6")

    def back_in_service(self, model):
        """Waits until a model that an earlier test killed has had its trial and serves again."""
        until = time.monotonic() + 40
        served = None
        while served != model:
            self.assertLess(time.monotonic(), until, f"{model} does not come back")
            raw = client().chat.completions.with_raw_response.create(
                model="pair", messages=ask("Are you there?")
            )
            served = raw.headers["x-signalbox-model"]

    def test_no_caller_sees_a_backend_die_under_load(self):
        sent = 400 if os.environ.get("SIGNALBOX_TEST_FULL") else 120
        self.back_in_service("kimi-k2.6")

        async def all_of_them():
            options = {"base_url": f"{URL}/v1", "api_key": os.environ["SIGNALBOX_KEY"]}
            served = {"kimi-k2.6": 0, "glm-5.2": 0}
            async with openai.AsyncOpenAI(**options, max_retries=0) as caller:
                numbers = iter(range(sent))

                async def one():
                    for number in numbers:
                        if number == sent // 3:
                            await asyncio.to_thread(sim, "kill", model="kimi-k2.6")
                        raw = await caller.chat.completions.with_raw_response.create(
                            model="pair", messages=ask(f"What is {number} plus one?")
                        )
                        served[raw.headers["x-signalbox-model"]] += 1

                await asyncio.gather(*(one() for _ in range(8)))
            return served

        try:
            served = asyncio.run(all_of_them())
        finally:
            sim("revive", model="kimi-k2.6")
        self.assertEqual(sum(served.values()), sent)
        self.assertGreater(served["kimi-k2.6"], 0)
        self.assertGreater(served["glm-5.2"], 0)

    def test_half_a_stream_ends_with_an_error(self):
        sim("fault", model="deepseek-v3.2", fault="cut_event", times=1)
        stream = client().chat.completions.create(
            model="deepseek-v3.2", messages=ask("Tell me of your day"), stream=True
        )
        pieces = []
        with self.assertRaises(openai.APIError):
            for chunk in stream:
                pieces.append(chunk)
        self.assertTrue(pieces)

    def test_no_backend_left_is_said_so(self):
        sim("fault", model="sea-lion-v4", fault="html", times=4)
        with self.assertRaises(openai.InternalServerError) as caught:
            client().chat.completions.create(model="sea-lion-v4", messages=ask("Hello"))
        self.assertEqual(caught.exception.status_code, 502)
        self.assertEqual(caught.exception.code, "upstream_error")
        sim("fault", model="sea-lion-v4", fault=None)


if __name__ == "__main__":
    unittest.main()
