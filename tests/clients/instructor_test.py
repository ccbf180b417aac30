"""Structured answers by instructor, against the simulated fleet."""

import os
import unittest

import anthropic
import instructor
from pydantic import BaseModel, field_validator
from setting import URL, ask, client

MODEL = "gpt-oss-20b"
QUESTION = ask("Make up an account with 120 in it")
MODES = [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA, instructor.Mode.JSON]


class Owner(BaseModel):
    name: str


class Account(BaseModel):
    owner: Owner
    balance: int
    kinds: list[str]


def messages_client():
    key = os.environ["SIGNALBOX_KEY"]
    return anthropic.Anthropic(base_url=URL, api_key=key, max_retries=0, timeout=60)


def ways():
    """Each way to ask, by its name."""
    for mode in MODES:
        asked = instructor.from_openai(client(), mode=mode)
        yield f"openai {mode.name}", asked, {"model": MODEL}
    asked = instructor.from_anthropic(messages_client(), mode=instructor.Mode.TOOLS)
    yield "anthropic TOOLS", asked, {"model": MODEL, "max_tokens": 2000}


def each_way(case):
    """The same case by each way."""

    def run(self):
        for name, asked, options in ways():
            with self.subTest(name):
                case(self, asked, options)

    return run


class Structured(unittest.TestCase):
    @each_way
    def test_an_answer_is_an_object(self, asked, options):
        account = asked.chat.completions.create(
            messages=QUESTION, response_model=Account, **options
        )
        self.assertIsInstance(account, Account)
        self.assertEqual(account.balance, 120)

    @each_way
    def test_a_stream_is_an_object_that_grows(self, asked, options):
        *earlier, last = asked.chat.completions.create_partial(
            messages=QUESTION, response_model=Account, **options
        )
        self.assertTrue(earlier)
        self.assertEqual(last.balance, 120)

    @each_way
    def test_what_does_not_hold_is_asked_again(self, asked, options):
        seen = []

        class Strict(Account):
            @field_validator("balance")
            @classmethod
            def once_more(cls, value):
                seen.append(value)
                if len(seen) == 1:
                    raise ValueError("that is too much")
                return value

        account = asked.chat.completions.create(
            messages=QUESTION, response_model=Strict, max_retries=2, **options
        )
        self.assertIsInstance(account, Account)
        self.assertEqual(len(seen), 2)


if __name__ == "__main__":
    unittest.main()
