// What callers of Messages get through Anthropic's library for Node.
import assert from "node:assert/strict";
import { test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { ask, model, simUrl, url } from "./setting.mjs";

const room = simUrl ? 160 : 24;
const question = "Explain in three sentences what a standing order at a bank is.";
const client = new Anthropic({ baseURL: url, apiKey: process.env.SIGNALBOX_KEY, maxRetries: 0 });

test("an answer, with what was decided in its head", async () => {
  const { data, response } = await client.messages
    .create({ model, max_tokens: room, messages: ask(question) })
    .withResponse();
  assert.ok(data.content.some((it) => it.type === "text" && it.text));
  assert.ok(data.usage.output_tokens > 0);
  assert.equal(response.headers.get("x-signalbox-language"), "en");
});

test("pieces make an answer", async () => {
  const stream = client.messages.stream({ model, max_tokens: room, messages: ask(question) });
  let pieces = "";
  stream.on("text", (text) => (pieces += text));
  const answer = await stream.finalMessage();
  const texts = answer.content.filter((it) => it.type === "text").map((it) => it.text);
  assert.equal(pieces, texts.join(""));
  assert.ok(pieces);
});

test("a fault raises what it is", async () => {
  const asked = { model: "nobody", max_tokens: 4, messages: ask("Hi") };
  await assert.rejects(client.messages.create(asked), Anthropic.NotFoundError);
});

test("tokens are counted without an answer", async () => {
  const few = await client.messages.countTokens({ model, messages: ask("Hi") });
  const many = await client.messages.countTokens({ model, messages: ask(question) });
  assert.ok(few.input_tokens > 0);
  assert.ok(many.input_tokens > few.input_tokens);
});

test("models are listed", async () => {
  const names = [];
  for await (const it of client.models.list()) names.push(it.id);
  assert.equal(names[0], "auto");
});
