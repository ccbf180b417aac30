"""What callers of Messages get of engines that speak chat completions alone, through the real library."""

import os
import unittest

import anthropic
from setting import MODEL, URL

# A simulated model may think before it speaks; the real one does not, and is slow.
ROOM = 160 if "SIGNALBOX_SIM_URL" in os.environ else 24
QUESTION = "Explain in three sentences what a standing order at a bank is."
TOOL = {
    "name": "rate",
    "description": "The rate of a currency",
    "input_schema": {
        "type": "object",
        "properties": {"of": {"type": "string"}},
        "required": ["of"],
    },
}


def client(key="SIGNALBOX_KEY", **options):
    """A client of the gateway that does not try again by itself."""
    options = {"max_retries": 0, "timeout": 60, **options}
    return anthropic.Anthropic(base_url=URL, api_key=os.environ[key], **options)


def ask(text):
    return [{"role": "user", "content": text}]


class Messages(unittest.TestCase):
    def test_an_answer_with_its_usage(self):
        answer = client().messages.create(
            model=MODEL, max_tokens=ROOM, system="Be brief.", messages=ask(QUESTION)
        )
        self.assertEqual((answer.type, answer.role), ("message", "assistant"))
        self.assertTrue(any(it.type == "text" and it.text for it in answer.content))
        self.assertIn(answer.stop_reason, ("end_turn", "max_tokens"))
        self.assertGreater(answer.usage.input_tokens, 0)
        self.assertGreater(answer.usage.output_tokens, 0)

    def test_tokens_are_counted_without_an_answer(self):
        few = client().messages.count_tokens(model=MODEL, messages=ask("Hi"))
        many = client().messages.count_tokens(
            model=MODEL, system="Be brief.", messages=ask(QUESTION), tools=[TOOL]
        )
        self.assertGreater(few.input_tokens, 0)
        self.assertGreater(many.input_tokens, few.input_tokens)
        with self.assertRaises(anthropic.NotFoundError):
            client().messages.count_tokens(model="nobody", messages=ask("Hi"))

    def test_the_head_says_what_was_decided(self):
        raw = client().messages.with_raw_response.create(
            model=MODEL, max_tokens=8, messages=ask("请用简单的话解释一下什么是定期存款？")
        )
        self.assertEqual(raw.headers["x-signalbox-language"], "zh-Hans")
        self.assertTrue(raw.headers["x-signalbox-rule"])
        self.assertTrue(raw.headers["x-signalbox-cost"])

    def test_a_stream_is_what_its_pieces_say(self):
        with client().messages.stream(
            model=MODEL, max_tokens=ROOM, messages=ask(QUESTION)
        ) as stream:
            pieces = "".join(stream.text_stream)
            answer = stream.get_final_message()
        text = "".join(it.text for it in answer.content if it.type == "text")
        self.assertEqual(pieces, text)
        self.assertTrue(text)
        self.assertGreater(answer.usage.output_tokens, 0)

    def test_an_answer_at_its_bound_says_so(self):
        answer = client().messages.create(model=MODEL, max_tokens=4, messages=ask(QUESTION))
        self.assertEqual(answer.stop_reason, "max_tokens")

    def test_a_bearer_token_is_a_key_too(self):
        token = os.environ["SIGNALBOX_KEY"]
        asked = anthropic.Anthropic(base_url=URL, auth_token=token, api_key=None, max_retries=0)
        self.assertTrue(asked.messages.create(model=MODEL, max_tokens=4, messages=ask("Hi")).id)

    def test_models_are_listed(self):
        names = [it.id for it in client().models.list()]
        self.assertEqual(names[0], "auto")
        self.assertEqual(client().models.retrieve(names[1]).id, names[1])

    def test_faults_raise_what_they_are(self):
        for asked, error in [
            ({"model": "nobody"}, anthropic.NotFoundError),
            ({"messages": []}, anthropic.BadRequestError),
            ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
             anthropic.BadRequestError),
        ]:
            body = {"model": MODEL, "max_tokens": 4, "messages": ask("Hi"), **asked}
            with self.subTest(asked), self.assertRaises(error):
                client().messages.create(**body)
        stranger = anthropic.Anthropic(base_url=URL, api_key="sk-nobody", max_retries=0)
        with self.assertRaises(anthropic.AuthenticationError):
            stranger.messages.create(model=MODEL, max_tokens=4, messages=ask("Hi"))


@unittest.skipUnless("SIGNALBOX_SIM_URL" in os.environ, "a small real model calls no tools")
class Fleet(unittest.TestCase):
    def test_an_agent_calls_a_tool_and_goes_on(self):
        talk = ask("What is the rate of SGD?")
        asked = {"model": MODEL, "max_tokens": 400, "tools": [TOOL]}
        with client().messages.stream(
            messages=talk, tool_choice={"type": "any"}, **asked
        ) as stream:
            answer = stream.get_final_message()
        self.assertEqual(answer.stop_reason, "tool_use")
        (call,) = [it for it in answer.content if it.type == "tool_use"]
        self.assertIn("of", call.input)
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "1.35"}
        talk += [
            {"role": "assistant", "content": [it.model_dump() for it in answer.content]},
            {"role": "user", "content": [result]},
        ]
        last = client().messages.create(messages=talk, tool_choice={"type": "none"}, **asked)
        self.assertEqual(last.stop_reason, "end_turn")

    def test_thinking_is_shown_and_may_come_back(self):
        answer = client().messages.create(
            model="gpt-oss-20b",
            max_tokens=2000,
            thinking={"type": "enabled", "budget_tokens": 1024},
            messages=ask("What is 17 times 23?"),
        )
        thinking, *_ = answer.content
        self.assertEqual(thinking.type, "thinking")
        self.assertTrue(thinking.thinking and thinking.signature)
        talk = ask("What is 17 times 23?")
        talk.append({"role": "assistant", "content": [it.model_dump() for it in answer.content]})
        talk += ask("And 18 times 23?")
        self.assertTrue(
            client().messages.create(model="gpt-oss-20b", max_tokens=200, messages=talk).id
        )

    def test_thinking_is_not_shown_to_those_who_do_not_ask(self):
        asked = {"model": "gpt-oss-20b", "max_tokens": 2000, "messages": ask(QUESTION)}
        whole = client().messages.create(**asked)
        with client().messages.stream(**asked) as stream:
            streamed = stream.get_final_message()
        for answer in (whole, streamed):
            self.assertEqual([it.type for it in answer.content], ["text"])

    def test_half_a_stream_ends_with_an_error(self):
        from fleet_test import sim

        sim("fault", model="deepseek-v3.2", fault="cut_event", times=1)
        seen = []
        with self.assertRaises(anthropic.APIStatusError):
            for event in client().messages.create(
                model="deepseek-v3.2",
                max_tokens=200,
                messages=ask("Tell me of your day"),
                stream=True,
            ):
                seen.append(event.type)
        self.assertIn("message_start", seen)
        self.assertNotIn("message_stop", seen)


if __name__ == "__main__":
    unittest.main()
