"""LlamaIndex's classes for whatever speaks as OpenAI does, against the simulated fleet."""

import asyncio
import os
import unittest

from llama_index.core.llms import ChatMessage
from llama_index.core.program import FunctionCallingProgram
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel
from setting import URL

QUESTION = "Explain in three sentences what a standing order at a bank is."
ASKED = {"api_base": f"{URL}/v1", "api_key": os.environ["SIGNALBOX_KEY"], "max_retries": 0}


class Account(BaseModel):
    """An account of a customer."""

    name: str
    balance: int


def model(**options):
    options = {"is_chat_model": True, "is_function_calling_model": True, **options}
    return OpenAILike(model="gpt-oss-20b", context_window=131072, **options, **ASKED)


def rate(of: str) -> str:
    """The rate of a currency."""
    return "1.35"


TALK = [ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content=QUESTION)]


class Model(unittest.TestCase):
    def test_a_chat(self):
        answer = model().chat(TALK)
        self.assertTrue(answer.message.content)
        self.assertGreater(answer.raw.usage.completion_tokens, 0)

    def test_a_stream_says_the_same(self):
        chunks = list(model().stream_chat(TALK))
        self.assertGreater(len(chunks), 2)
        self.assertEqual(chunks[-1].message.content, model().chat(TALK).message.content)

    def test_many_at_once(self):
        async def all_of_them():
            asked = model()
            return await asyncio.gather(*(asked.achat(TALK) for _ in range(8)))

        self.assertEqual(len({it.message.content for it in asyncio.run(all_of_them())}), 1)

    def test_a_completion_by_either_api(self):
        for chat in (True, False):
            with self.subTest(chat=chat):
                asked = model(is_chat_model=chat, max_tokens=80)
                text = asked.complete(QUESTION).text
                self.assertTrue(text)
                self.assertEqual(list(asked.stream_complete(QUESTION))[-1].text, text)

    def test_a_tool_is_called_and_its_result_goes_back(self):
        asked, tool = model(), FunctionTool.from_defaults(rate)
        for answer in (
            asked.chat_with_tools([tool], "What is the rate of SGD?", tool_required=True),
            list(asked.stream_chat_with_tools([tool], "What is the rate of SGD?"))[-1],
        ):
            (call,) = asked.get_tool_calls_from_response(answer)
            self.assertEqual(call.tool_name, "rate")
            self.assertIn("of", call.tool_kwargs)
            talk = [
                ChatMessage(role="user", content="What is the rate of SGD?"),
                answer.message,
                ChatMessage(
                    role="tool", content="1.35", additional_kwargs={"tool_call_id": call.tool_id}
                ),
            ]
            self.assertTrue(asked.chat_with_tools([tool], chat_history=talk).message.content)

    def test_a_result_has_its_form(self):
        program = FunctionCallingProgram.from_defaults(
            output_cls=Account, prompt_template_str="{text}", llm=model(), tool_required=True
        )
        self.assertIsInstance(program(text="An account with 120 in it"), Account)
        structured = model().as_structured_llm(Account).complete("An account with 120 in it")
        self.assertIsInstance(structured.raw, Account)


class Vectors(unittest.TestCase):
    def test_embeddings(self):
        asked = OpenAILikeEmbedding(model_name="bge-m3", **ASKED)
        one = asked.get_query_embedding("a fee")
        self.assertEqual(len(one), 64)
        many = asked.get_text_embedding_batch([f"text {number}" for number in range(25)])
        self.assertEqual([len(it) for it in many], [64] * 25)
        self.assertEqual(asyncio.run(asked.aget_query_embedding("a fee")), one)


if __name__ == "__main__":
    unittest.main()
