"""Agents of Pydantic AI by its three ways of asking, against the simulated fleet."""

import os
import unittest

from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput, PromptedOutput
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from setting import URL

KEY = os.environ["SIGNALBOX_KEY"]
QUESTION = "Explain in three sentences what a standing order at a bank is."


def ways(model="gpt-oss-20b"):
    """A model by each API. Each has a client of its own, for a client lives in one event loop."""
    # The library goes by the names of Anthropic's models, and knows none of ours.
    able = ModelProfile(supports_json_schema_output=True)
    anthropic = AnthropicProvider(base_url=URL, api_key=KEY)
    openai = lambda: OpenAIProvider(base_url=f"{URL}/v1", api_key=KEY)  # noqa: E731
    return [
        OpenAIChatModel(model, provider=openai()),
        OpenAIResponsesModel(model, provider=openai()),
        AnthropicModel(model, provider=anthropic, profile=able),
    ]


def each_way(case):
    """The same case by each way."""

    async def run(self):
        for way in ways():
            with self.subTest(type(way).__name__):
                await case(self, way)

    return run


class Account(BaseModel):
    name: str
    balance: int


class Agents(unittest.IsolatedAsyncioTestCase):
    @each_way
    async def test_an_answer_with_its_usage(self, way):
        run = await Agent(way, instructions="Be brief.").run(QUESTION)
        self.assertTrue(run.output)
        self.assertGreater(run.usage.output_tokens, 0)

    @each_way
    async def test_a_stream_says_the_same(self, way):
        agent = Agent(way)
        async with agent.run_stream(QUESTION) as run:
            pieces = [piece async for piece in run.stream_text(delta=True, debounce_by=None)]
        self.assertGreater(len(pieces), 2)
        self.assertEqual("".join(pieces), (await agent.run(QUESTION)).output)

    @each_way
    async def test_a_talk_goes_on(self, way):
        agent = Agent(way)
        first = await agent.run(QUESTION)
        second = await agent.run("And a direct debit?", message_history=first.all_messages())
        self.assertTrue(second.output)

    @each_way
    async def test_a_tool_is_called_and_its_result_goes_back(self, way):
        agent, asked = Agent(way), []

        @agent.tool_plain
        def rate(of: str) -> str:
            """The rate of a currency."""
            asked.append(of)
            return "1.35"

        run = await agent.run("What is the rate of SGD?")
        self.assertEqual(len(asked), 1)
        self.assertTrue(run.output)
        self.assertEqual(run.usage.tool_calls, 1)

    @each_way
    async def test_a_result_has_its_form(self, way):
        forms = [Account, NativeOutput(Account)]
        # Messages has no mode for JSON without a schema, and simulated models obey no prompt.
        forms += [] if isinstance(way, AnthropicModel) else [PromptedOutput(Account)]
        for form in forms:
            with self.subTest(form=type(form).__name__):
                run = await Agent(way, output_type=form).run("Make up an account with 120 in it")
                self.assertIsInstance(run.output, Account)
                self.assertEqual(run.output.balance, 120)

    @each_way
    async def test_a_streamed_result_has_its_form(self, way):
        async with Agent(way, output_type=Account).run_stream("An account with 120") as run:
            self.assertIsInstance(await run.get_output(), Account)

    @each_way
    async def test_a_tool_comes_before_the_result(self, way):
        agent, asked = Agent(way, output_type=Account), []

        @agent.tool_plain
        def balance(name: str) -> int:
            """The balance of an account."""
            asked.append(name)
            return 120

        run = await agent.run("The balance of account 7")
        self.assertEqual(len(asked), 1)
        self.assertIsInstance(run.output, Account)

    async def test_a_fault_is_raised_as_it_is(self):
        for way in ways("nobody"):
            with self.subTest(type(way).__name__), self.assertRaises(ModelHTTPError) as caught:
                await Agent(way).run(QUESTION)
            self.assertEqual(caught.exception.status_code, 404)


if __name__ == "__main__":
    unittest.main()
