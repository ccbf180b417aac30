"""What a real engine gives by every surface: a llama.cpp server and a small open model behind the gateway.

The servers and the models that are asked for here are set up by `run`: `gemma-4-31b` is asked by chat
completions alone, `native` is the same server asked in its own Messages and Responses, `small` has less room
than its configuration says, `blind` takes no images though its configuration says so, `vectors` has vectors.
"""

import base64
import json
import os
import sqlite3
import struct
import unittest
from decimal import Decimal

import anthropic
import openai
from setting import MODEL, URL, ask, metric, until
from setting import client as openai_client

LEDGER = os.environ["SIGNALBOX_LEDGER"]
QUESTION = "What is a standing order at a bank?"
# More tokens than the small server has room for, and fewer than its configuration says.
LONG = "bank account number seven. " * 150
# The fewest that Responses take.
FEWEST = 16
SCHEMA = {
    "type": "object",
    "properties": {
        "colour": {"enum": ["red", "green"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
    },
    "required": ["colour", "count"],
    "additionalProperties": False,
}
PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def client():
    """A client with the patience for a model on a busy machine."""
    return openai_client(timeout=280)


def messages_client():
    """The same for Messages."""
    key = os.environ["SIGNALBOX_KEY"]
    return anthropic.Anthropic(base_url=URL, api_key=key, max_retries=0, timeout=280)


def entry(request_id):
    """The one row of the ledger of a request, once it is closed."""

    def closed():
        with sqlite3.connect(f"file:{LEDGER}?mode=ro", uri=True) as books:
            books.row_factory = sqlite3.Row
            return books.execute(
                "SELECT * FROM ledger WHERE id = ? AND state <> 'open'", (request_id,)
            ).fetchall()

    rows = until(closed, f"entry {request_id} in the ledger")
    assert len(rows) == 1, rows
    return rows[0]


def holds(text):
    """Whether a text is what the schema asks for."""
    said = json.loads(text)
    return said["colour"] in ("red", "green") and 1 <= said["count"] <= 9 and len(said) == 2


class Case(unittest.TestCase):
    def booked(self, head, told, model=MODEL):
        """The entry of a request, which holds what the engine told the caller: input and output."""
        row = entry(head["x-signalbox-id"])
        self.assertEqual((row["state"], row["outcome"], row["model"]), ("settled", "ok", model))
        self.assertEqual(row["usage_source"], "reported")
        read = row["input_tokens"] + row["cached_input_tokens"] + row["cache_write_tokens"]
        self.assertEqual((read, row["output_tokens"] + row["reasoning_tokens"]), told)
        self.assertGreater(Decimal(row["cost"]), 0)
        if "x-signalbox-cost" in head:
            self.assertEqual(row["cost"], head["x-signalbox-cost"])
        return row


class Chat(Case):
    """Chat completions and the older completions."""

    def test_an_answer_is_booked_as_the_engine_tells_it(self):
        raw = client().chat.completions.with_raw_response.create(
            model=MODEL, messages=ask(QUESTION), max_tokens=6
        )
        answer = raw.parse()
        self.assertEqual(answer.choices[0].finish_reason, "length")
        used = answer.usage
        self.booked(raw.headers, (used.prompt_tokens, used.completion_tokens))

    def test_a_stream_is_booked_as_the_engine_tells_it(self):
        raw = client().chat.completions.with_raw_response.create(
            model=MODEL,
            messages=ask(QUESTION),
            max_tokens=6,
            stream=True,
            stream_options={"include_usage": True},
        )
        *_, last = raw.parse()
        used = last.usage
        row = self.booked(raw.headers, (used.prompt_tokens, used.completion_tokens))
        self.assertEqual(last.model_extra["signalbox"]["cost"], row["cost"])

    def test_a_stream_that_asks_for_no_usage_is_booked_as_well(self):
        raw = client().chat.completions.with_raw_response.create(
            model=MODEL, messages=ask(QUESTION), max_tokens=6, stream=True
        )
        chunks = list(raw.parse())
        self.assertTrue(all(chunk.choices for chunk in chunks))
        row = entry(raw.headers["x-signalbox-id"])
        self.assertEqual((row["usage_source"], row["output_tokens"]), ("reported", 6))

    def test_a_prompt_is_completed(self):
        asked = {"model": MODEL, "prompt": "A bank is", "max_tokens": 6}
        raw = client().completions.with_raw_response.create(**asked)
        answer = raw.parse()
        used = answer.usage
        self.assertEqual(answer.object, "text_completion")
        self.booked(raw.headers, (used.prompt_tokens, used.completion_tokens))
        streamed = client().completions.with_raw_response.create(
            **asked, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(streamed.parse())
        said = "".join(it.choices[0].text for it in chunks if it.choices)
        self.assertEqual(said, answer.choices[0].text)
        used = chunks[-1].usage
        self.booked(streamed.headers, (used.prompt_tokens, used.completion_tokens))

    def test_an_answer_holds_to_its_schema(self):
        schema = {"name": "answer", "schema": SCHEMA, "strict": True}
        asked = {
            "model": MODEL,
            "messages": ask("Which colour?"),
            "max_tokens": 40,
            "response_format": {"type": "json_schema", "json_schema": schema},
        }
        answer = client().chat.completions.create(**asked)
        self.assertTrue(holds(answer.choices[0].message.content))
        chunks = client().chat.completions.create(**asked, stream=True)
        self.assertTrue(holds("".join(it.choices[0].delta.content or "" for it in chunks)))

    def test_options_have_their_effect(self):
        def said(**options):
            asked = {"model": MODEL, "messages": ask(QUESTION), "max_tokens": 6, **options}
            return client().chat.completions.create(**asked)

        self.assertEqual(len(said(n=2).choices), 2)
        stopped = said(max_tokens=40, stop=[" have"]).choices[0]
        self.assertEqual(stopped.finish_reason, "stop")
        self.assertNotIn(" have", stopped.message.content)
        first, second = (said(seed=7, temperature=1.0).choices[0].message for _ in range(2))
        self.assertEqual(first.content, second.content)
        logged = said(max_tokens=1, logprobs=True, top_logprobs=2).choices[0]
        self.assertEqual(len(logged.logprobs.content[0].top_logprobs), 2)
        # What the engine does not know it passes over, as it does without the gateway.
        self.assertTrue(said(extra_body={"x_house_rule": {"deep": [1, None]}}).id)

    def test_a_template_without_tools_is_answered_in_text(self):
        function = {"name": "rate", "parameters": {"type": "object", "properties": {}}}
        answer = client().chat.completions.create(
            model=MODEL,
            messages=ask(QUESTION),
            max_tokens=6,
            tools=[{"type": "function", "function": function}],
            tool_choice="required",
        )
        self.assertIsNone(answer.choices[0].message.tool_calls)
        self.assertTrue(answer.choices[0].message.content)


class Responses(Case):
    def asked(self, model, **options):
        asked = {"model": model, "input": QUESTION, "max_output_tokens": FEWEST, **options}
        raw = client().responses.with_raw_response.create(**asked)
        return raw.headers, raw.parse()

    def test_an_answer_is_booked_translated_or_not(self):
        for model in (MODEL, "native"):
            with self.subTest(model):
                head, answer = self.asked(model)
                self.assertTrue(answer.output_text)
                used = (answer.usage.input_tokens, answer.usage.output_tokens)
                self.booked(head, used, model)

    def test_a_stream_is_booked_translated_or_not(self):
        for model in (MODEL, "native"):
            with self.subTest(model):
                head, stream = self.asked(model, stream=True)
                events = list(stream)
                pieces = [it.delta for it in events if it.type == "response.output_text.delta"]
                last = events[-1].response
                self.assertEqual(last.output[0].content[0].text, "".join(pieces))
                used = (last.usage.input_tokens, last.usage.output_tokens)
                self.booked(head, used, model)

    def test_the_end_at_a_bound_is_said_where_the_gateway_writes_the_answer(self):
        # This engine's own Responses call it completed.
        answers = {model: self.asked(model)[1] for model in (MODEL, "native")}
        self.assertEqual(answers[MODEL].status, "incomplete")
        self.assertEqual(answers[MODEL].incomplete_details.reason, "max_output_tokens")
        self.assertEqual(answers["native"].usage.output_tokens, FEWEST)

    def test_an_answer_holds_to_its_schema(self):
        form = {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}
        _, answer = self.asked(MODEL, max_output_tokens=40, text={"format": form})
        self.assertTrue(holds(answer.output_text))


class Messages(Case):
    ASKED = {"max_tokens": 6, "messages": ask(QUESTION)}

    def used(self, usage):
        read = usage.input_tokens + (usage.cache_read_input_tokens or 0)
        return read, usage.output_tokens

    def test_an_answer_is_booked_translated_or_not(self):
        for model in (MODEL, "native"):
            with self.subTest(model):
                raw = messages_client().messages.with_raw_response.create(
                    model=model, **self.ASKED
                )
                answer = raw.parse()
                self.assertEqual(answer.stop_reason, "max_tokens")
                self.booked(raw.headers, self.used(answer.usage), model)

    def test_a_stream_is_booked_translated_or_not(self):
        for model in (MODEL, "native"):
            with self.subTest(model):
                with messages_client().messages.stream(model=model, **self.ASKED) as stream:
                    pieces = "".join(stream.text_stream)
                    answer = stream.get_final_message()
                    head = stream.response.headers
                self.assertEqual(answer.content[0].text, pieces)
                self.booked(head, self.used(answer.usage), model)

    def test_an_answer_holds_to_its_schema(self):
        answer = messages_client().messages.create(
            model=MODEL,
            max_tokens=40,
            messages=ask("Which colour?"),
            output_config={"format": {"type": "json_schema", "schema": SCHEMA}},
        )
        self.assertTrue(holds(answer.content[0].text))


class Vectors(Case):
    def test_vectors_are_booked_in_either_encoding(self):
        asked = {"model": "vectors", "input": ["a bank", "the sea"]}
        raw = client().embeddings.with_raw_response.create(**asked, encoding_format="float")
        answer = raw.parse()
        self.assertEqual([it.index for it in answer.data], [0, 1])
        self.booked(raw.headers, (answer.usage.prompt_tokens, 0), "vectors")
        packed = client().embeddings.with_raw_response.create(**asked, encoding_format="base64")
        for one, other in zip(answer.data, json.loads(packed.text)["data"]):
            figures = struct.unpack(
                f"<{len(one.embedding)}f", base64.b64decode(other["embedding"])
            )
            for a, b in zip(one.embedding, figures):
                self.assertAlmostEqual(a, b, places=4)


class Refusals(Case):
    def ejections(self, model):
        return metric("signalbox_ejections_total", model=model)

    def test_a_prompt_beyond_the_engines_room_goes_to_a_larger_one(self):
        asked = {
            "chat": lambda: client().chat.completions.with_raw_response.create(
                model="roomier", messages=ask(LONG), max_tokens=2
            ),
            "stream": lambda: client().chat.completions.with_raw_response.create(
                model="roomier", messages=ask(LONG), max_tokens=2, stream=True
            ),
            "responses": lambda: client().responses.with_raw_response.create(
                model="roomier", input=LONG, max_output_tokens=FEWEST
            ),
            "messages": lambda: messages_client().messages.with_raw_response.create(
                model="roomier", messages=ask(LONG), max_tokens=2
            ),
        }
        for name, call in asked.items():
            with self.subTest(name):
                raw = call()
                if name == "stream":
                    self.assertTrue(list(raw.parse()))
                self.assertEqual(raw.headers["x-signalbox-model"], MODEL)
                row = entry(raw.headers["x-signalbox-id"])
                tried = [
                    (it["model"], it["result"], it.get("status"))
                    for it in json.loads(row["attempts"])
                ]
                self.assertEqual(tried, [("small", "status", 400), (MODEL, "ok", None)])
        with self.assertRaises(openai.BadRequestError) as caught:
            client().chat.completions.create(model="small", messages=ask(LONG), max_tokens=2)
        self.assertEqual(caught.exception.code, "context_length_exceeded")
        self.assertEqual(self.ejections("small"), 0)

    def test_an_image_where_none_can_be_read_is_refused(self):
        parts = [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": PICTURE}},
        ]
        talk = [{"role": "user", "content": parts}]
        with self.assertRaises(openai.BadRequestError) as caught:
            client().chat.completions.create(model=MODEL, messages=talk, max_tokens=2)
        self.assertEqual(caught.exception.code, "no_capable_model")
        # The engine calls it an error of its own, as often as it is asked.
        for _ in range(4):
            with self.assertRaises(openai.InternalServerError):
                client().chat.completions.create(model="blind", messages=talk, max_tokens=2)
        self.assertEqual(self.ejections("blind"), 0)

    def test_what_the_engine_refuses_is_said_in_its_words(self):
        talk = {"model": MODEL, "messages": ask(QUESTION), "max_tokens": 2}
        schema = {"name": "answer", "schema": {"type": "nonsense"}}
        form = {"type": "json_schema", "json_schema": schema}
        for wrong, words in [
            ({"top_logprobs": 2}, "top_logprobs requires logprobs"),
            ({"response_format": form}, "unrecognized type nonsense"),
        ]:
            with self.subTest(words), self.assertRaises(openai.BadRequestError) as caught:
                client().chat.completions.create(**talk, **wrong)
            self.assertIn(words, str(caught.exception))
        with self.assertRaises(openai.BadRequestError) as caught:
            client().chat.completions.create(**talk, temperature="x")
        self.assertEqual(caught.exception.param, "temperature")


if __name__ == "__main__":
    unittest.main()
