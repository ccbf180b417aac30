"""What every backend must give through the gateway: run against the simulated fleet and against a
real open model."""

import os
import unittest
import uuid
from decimal import Decimal

from setting import MODEL, ask, client, metric, until

QUESTION = "Explain in three sentences what a standing order at a bank is."

# A simulated model may think before it speaks; the real one does not, and is slow.
ROOM = 160 if "SIGNALBOX_SIM_URL" in os.environ else 24

SPOKEN = {
    "th": "ช่วยอธิบายหน่อยว่าบัญชีออมทรัพย์กับบัญชีกระแสรายวันต่างกันอย่างไร และแบบไหนเหมาะกับร้านค้าเล็ก ๆ",
    "ms": "Tolong terangkan bagaimana saya boleh menukar had pemindahan harian akaun saya melalui aplikasi.",
    "zh-Hans": "请用简单的话解释一下什么是定期存款，提前支取会损失多少利息？",
    "en": "Please explain in simple words how the interest on my savings account is worked out.",
}


class Plain(unittest.TestCase):
    def test_an_answer_with_its_usage(self):
        answer = client().chat.completions.create(
            model=MODEL, messages=ask(QUESTION), max_tokens=ROOM
        )
        self.assertEqual(answer.object, "chat.completion")
        self.assertTrue(answer.choices[0].message.content)
        self.assertIn(answer.choices[0].finish_reason, ("stop", "length"))
        if answer.usage is not None:  # some engines never tell
            tokens = answer.usage.prompt_tokens + answer.usage.completion_tokens
            self.assertEqual(answer.usage.total_tokens, tokens)

    def test_the_head_says_what_was_decided_and_what_it_cost(self):
        raw = client().chat.completions.with_raw_response.create(
            model=MODEL, messages=ask(QUESTION), max_tokens=ROOM
        )
        head = raw.headers
        self.assertEqual(uuid.UUID(head["x-signalbox-id"]).version, 7)
        self.assertEqual(head["x-request-id"], head["x-signalbox-id"])
        self.assertTrue(head["x-signalbox-model"])
        self.assertTrue(head["x-signalbox-rule"])
        self.assertTrue(head["x-signalbox-task"])
        self.assertEqual(head["x-signalbox-language"], "en")
        self.assertEqual(head["x-signalbox-attempts"], "1")
        self.assertGreater(Decimal(head["x-signalbox-cost"]), 0)
        self.assertTrue(raw.parse().choices[0].message.content)

    def test_the_callers_own_request_id_comes_back(self):
        raw = client().chat.completions.with_raw_response.create(
            model=MODEL,
            messages=ask("Say hello."),
            max_tokens=8,
            extra_headers={"x-request-id": "branch-17.desk_4"},
        )
        self.assertEqual(raw.headers["x-request-id"], "branch-17.desk_4")
        self.assertNotEqual(raw.headers["x-signalbox-id"], "branch-17.desk_4")

    def test_the_language_is_recognised(self):
        for language, text in SPOKEN.items():
            with self.subTest(language):
                raw = client().chat.completions.with_raw_response.create(
                    model=MODEL, messages=ask(text), max_tokens=16
                )
                self.assertEqual(raw.headers["x-signalbox-language"], language)


class Streamed(unittest.TestCase):
    def test_pieces_make_an_answer(self):
        with client().chat.completions.create(
            model=MODEL, messages=ask(QUESTION), max_tokens=ROOM, stream=True
        ) as stream:
            chunks = list(stream)
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        finishes = [c.choices[0].finish_reason for c in chunks if c.choices]
        self.assertTrue(text)
        self.assertIn(finishes[-1], ("stop", "length"))
        self.assertGreater(len(chunks), 2)

    def test_usage_comes_only_to_those_who_ask(self):
        def last(**options):
            stream = client().chat.completions.create(
                model=MODEL, messages=ask(QUESTION), max_tokens=ROOM, stream=True, **options
            )
            return list(stream)

        self.assertTrue(all(chunk.choices for chunk in last()))
        asked = last(stream_options={"include_usage": True})[-1]
        self.assertEqual(asked.choices, [])
        self.assertGreater(asked.usage.prompt_tokens, 0)
        self.assertGreater(asked.usage.completion_tokens, 0)
        self.assertGreater(Decimal(asked.model_extra["signalbox"]["cost"]), 0)

    def test_a_stream_has_its_head_before_its_end(self):
        with client().chat.completions.with_streaming_response.create(
            model=MODEL, messages=ask(QUESTION), max_tokens=16, stream=True
        ) as raw:
            self.assertTrue(raw.headers["content-type"].startswith("text/event-stream"))
            self.assertTrue(raw.headers["x-signalbox-model"])
            self.assertNotIn("x-signalbox-cost", raw.headers)
            lines = [line for line in raw.iter_lines() if line]
        self.assertEqual(lines[-1], "data: [DONE]")

    @unittest.skipIf("SIGNALBOX_SIM_URL" in os.environ, "too fast; fleet_test does it with a stall")
    def test_a_caller_who_leaves_is_recorded_as_such(self):
        before = metric("signalbox_requests_total", outcome="cancelled")
        stream = client().chat.completions.create(
            model=MODEL,
            messages=ask("Write a very long story about a ferry captain. Do not stop early."),
            max_tokens=2000,
            stream=True,
        )
        next(iter(stream))
        stream.close()
        until(
            lambda: metric("signalbox_requests_total", outcome="cancelled") == before + 1,
            "the cancelled request in the metrics",
        )


if __name__ == "__main__":
    unittest.main()
