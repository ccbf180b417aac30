"""What callers of Responses get of engines that speak chat completions alone, through the real library:
against the simulated fleet."""

import unittest

import openai
from fleet_test import sim
from pydantic import BaseModel
from setting import client

MODEL = "gpt-oss-20b"
TOOL = {
    "type": "function",
    "name": "rate",
    "description": "The rate of a currency",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"of": {"type": "string"}},
        "required": ["of"],
        "additionalProperties": False,
    },
}
# What an agent at a command line sends beside its input.
AGENT = {
    "model": "auto",
    "instructions": "You are an agent.",
    "tools": [TOOL],
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "reasoning": {"effort": None, "summary": "auto"},
    "text": {"verbosity": "low"},
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "k",
}


class Account(BaseModel):
    name: str
    balance: int


def calls(response):
    return [item for item in response.output if item.type == "function_call"]


class Responses(unittest.TestCase):
    def test_an_answer_with_its_usage(self):
        answer = client().responses.create(
            model=MODEL, input="What is a standing order?", instructions="Be brief."
        )
        self.assertEqual((answer.object, answer.status), ("response", "completed"))
        self.assertEqual(answer.instructions, "Be brief.")
        self.assertTrue(answer.output_text)
        tokens = answer.usage.input_tokens + answer.usage.output_tokens
        self.assertEqual(answer.usage.total_tokens, tokens)

    def test_an_answer_at_its_bound_is_incomplete(self):
        asked = {"model": MODEL, "input": "What is a standing order?", "max_output_tokens": 16}
        answer = client().responses.create(**asked)
        self.assertEqual(answer.status, "incomplete")
        self.assertEqual(answer.incomplete_details.reason, "max_output_tokens")
        *_, last = client().responses.create(**asked, stream=True)
        self.assertEqual(last.type, "response.incomplete")

    def test_a_stream_is_what_its_pieces_say(self):
        with client().responses.stream(model=MODEL, input="What is a standing order?") as stream:
            events = list(stream)
            answer = stream.get_final_response()
        self.assertEqual([event.sequence_number for event in events], list(range(len(events))))
        pieces = [it.delta for it in events if it.type == "response.output_text.delta"]
        self.assertEqual("".join(pieces), answer.output_text)
        self.assertEqual(events[-1].type, "response.completed")

    def test_an_agent_calls_a_tool_and_goes_on(self):
        talk = [{"role": "user", "content": [{"type": "input_text", "text": "The rate of USD?"}]}]
        with client().responses.stream(input=talk, **AGENT) as stream:
            answer = stream.get_final_response()
        (call,) = calls(answer)
        self.assertEqual(call.name, "rate")
        self.assertIn("of", call.parsed_arguments)
        (whole,) = calls(client().responses.create(input=talk, **AGENT))
        self.assertEqual(whole.name, "rate")
        for item in answer.output:
            talk.append(item.model_dump(exclude_none=True, exclude={"parsed_arguments"}))
        talk.append({"type": "function_call_output", "call_id": call.call_id, "output": "1.35"})
        asked = {**AGENT, "tool_choice": "none"}
        self.assertTrue(client().responses.create(input=talk, **asked).output_text)

    def test_an_answer_is_parsed_by_its_schema(self):
        asked = {"model": MODEL, "input": "Make up an account", "text_format": Account}
        self.assertIsInstance(client().responses.parse(**asked).output_parsed, Account)
        with client().responses.stream(**asked) as stream:
            self.assertIsInstance(stream.get_final_response().output_parsed, Account)

    def test_what_cannot_be_said_is_named(self):
        part = {"type": "input_image", "file_id": "f"}
        for fields, param in [
            ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
            ({"input": [{"role": "user", "content": [part]}]}, "input[0].content[0].file_id"),
            ({"previous_response_id": "resp_1"}, "previous_response_id"),
            ({"background": True}, "background"),
        ]:
            with self.subTest(param), self.assertRaises(openai.BadRequestError) as caught:
                client().responses.create(**{"model": MODEL, "input": "a", **fields})
            self.assertEqual(caught.exception.code, "unsupported_parameter")
            self.assertEqual(caught.exception.param, param)

    def test_half_a_stream_ends_with_an_error(self):
        sim("fault", model="deepseek-v3.2", fault="cut_event", times=1)
        stream = client().responses.create(
            model="deepseek-v3.2", input="Tell me of your day", stream=True
        )
        pieces = []
        with self.assertRaises(openai.APIError):
            for event in stream:
                pieces.append(event.type)
        self.assertIn("response.created", pieces)
        self.assertNotIn("response.completed", pieces)


if __name__ == "__main__":
    unittest.main()
