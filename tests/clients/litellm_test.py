"""litellm as a client: by chat completions, Responses, Messages, embeddings and rerank, against the
simulated fleet."""

import asyncio
import json
import os
import unittest

import litellm
from setting import URL, ask

KEY = os.environ["SIGNALBOX_KEY"]
OPENAI = {"api_base": f"{URL}/v1", "api_key": KEY, "timeout": 60}
ANTHROPIC = {"api_base": URL, "api_key": KEY, "timeout": 60}
QUESTION = ask("Explain in three sentences what a standing order at a bank is.")
TOOL = {
    "type": "function",
    "function": {
        "name": "rate",
        "description": "The rate of a currency",
        "parameters": {
            "type": "object",
            "properties": {"of": {"type": "string"}},
            "required": ["of"],
        },
    },
}
# The same questions by both dialects of a chat.
WAYS = [
    {"model": "openai/gpt-oss-20b", **OPENAI},
    {"model": "anthropic/gpt-oss-20b", "max_tokens": 2000, **ANTHROPIC},
]


def each_way(case):
    """The same case by each way."""

    def run(self):
        for way in WAYS:
            with self.subTest(way["model"]):
                case(self, way)

    return run


class Chats(unittest.TestCase):
    @each_way
    def test_an_answer_with_its_usage(self, way):
        answer = litellm.completion(messages=QUESTION, **way)
        self.assertTrue(answer.choices[0].message.content)
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertGreater(answer.usage.completion_tokens, 0)

    @each_way
    def test_a_stream_is_what_its_pieces_say(self, way):
        options = {"stream": True, "stream_options": {"include_usage": True}}
        chunks = list(litellm.completion(messages=QUESTION, **options, **way))
        whole = litellm.stream_chunk_builder(chunks, messages=QUESTION)
        self.assertGreater(len(chunks), 2)
        text = litellm.completion(messages=QUESTION, **way).choices[0].message.content
        self.assertEqual(whole.choices[0].message.content, text)
        self.assertGreater(whole.usage.completion_tokens, 0)

    def test_many_at_once(self):
        async def all_of_them(way):
            asked = (litellm.acompletion(messages=QUESTION, **way) for _ in range(8))
            return await asyncio.gather(*asked)

        async def both():
            return [await all_of_them(way) for way in WAYS]

        for answers in asyncio.run(both()):
            self.assertEqual(len({it.choices[0].message.content for it in answers}), 1)

    @each_way
    def test_an_agent_calls_a_tool_and_goes_on(self, way):
        for stream in (False, True):
            talk = ask("What is the rate of SGD?")
            asked = {"tools": [TOOL], "tool_choice": "required", "stream": stream, **way}
            answer = litellm.completion(messages=talk, **asked)
            if stream:
                answer = litellm.stream_chunk_builder(list(answer), messages=talk)
            self.assertEqual(answer.choices[0].finish_reason, "tool_calls")
            (call,) = answer.choices[0].message.tool_calls
            self.assertEqual(call.function.name, "rate")
            self.assertIn("of", json.loads(call.function.arguments))
            talk.append(answer.choices[0].message.model_dump())
            talk.append({"role": "tool", "tool_call_id": call.id, "content": "1.35"})
            last = litellm.completion(messages=talk, tools=[TOOL], **way)
            self.assertTrue(last.choices[0].message.content)

    @each_way
    def test_faults_raise_what_they_are(self, way):
        dialect = way["model"].split("/")[0]
        for asked, error in [
            ({"model": f"{dialect}/nobody"}, litellm.NotFoundError),
            ({"api_key": "sk-nobody"}, litellm.AuthenticationError),
        ]:
            with self.assertRaises(error):
                litellm.completion(messages=QUESTION, num_retries=0, **{**way, **asked})


class Others(unittest.TestCase):
    def test_responses(self):
        asked = {"model": "openai/gpt-oss-20b", "input": "What is a standing order?", **OPENAI}
        answer = litellm.responses(**asked)
        self.assertEqual(answer.status, "completed")
        (text,) = [it for it in answer.output if it.type == "message"]
        *_, last = litellm.responses(stream=True, **asked)
        self.assertEqual(last.type, "response.completed")
        (streamed,) = [it for it in last.response.output if it.type == "message"]
        self.assertEqual(streamed.content[0].text, text.content[0].text)

    def test_embeddings(self):
        answer = litellm.embedding(model="openai/bge-m3", input=["a fee", "a loan"], **OPENAI)
        self.assertEqual([len(it["embedding"]) for it in answer.data], [64, 64])

    def test_rerank(self):
        answer = litellm.rerank(
            model="hosted_vllm/bge-reranker",
            query="card fees",
            documents=["the weather", "fees of a card"],
            top_n=1,
            **OPENAI,
        )
        self.assertEqual([it["index"] for it in answer.results], [1])


if __name__ == "__main__":
    unittest.main()
