// What callers of Responses, embeddings and completions get through OpenAI's library for Node: against
// the simulated fleet.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { zodResponsesFunction, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { all, client, seen, sim } from "./setting.mjs";

const model = "gpt-oss-20b";
const input = "What is a standing order?";
const account = z.object({ name: z.string(), balance: z.number() });
const rate = zodResponsesFunction({
  name: "rate",
  description: "The rate of a currency",
  parameters: z.object({ of: z.string() }),
});

test("an answer with its usage", async () => {
  const asked = { model, input, instructions: "Be brief." };
  const { data, response } = await client().responses.create(asked).withResponse();
  assert.deepEqual([data.object, data.status], ["response", "completed"]);
  assert.ok(data.output_text);
  assert.ok(data.output.some((it) => it.type === "reasoning"));
  assert.equal(data.usage.total_tokens, data.usage.input_tokens + data.usage.output_tokens);
  assert.equal(response.headers.get("x-signalbox-language"), "en");
});

test("a stream is what its pieces say", async () => {
  const events = await all(await client().responses.create({ model, input, stream: true }));
  assert.deepEqual(events.map((it) => it.sequence_number), [...events.keys()]);
  const last = events.at(-1);
  assert.equal(last.type, "response.completed");
  const pieces = events.filter((it) => it.type === "response.output_text.delta");
  const parts = last.response.output.flatMap((it) => it.content ?? []);
  const texts = parts.filter((it) => it.type === "output_text");
  assert.equal(pieces.map((it) => it.delta).join(""), texts.map((it) => it.text).join(""));
  const whole = await client().responses.stream({ model, input }).finalResponse();
  assert.ok(whole.output_text);
});

test("a tool is called, and its result comes to a text", async () => {
  const talk = [{ role: "user", content: "The rate of USD?" }];
  const asked = { model, tools: [rate], tool_choice: "required", parallel_tool_calls: false };
  const answer = await client().responses.parse({ ...asked, input: talk });
  const call = answer.output.find((it) => it.type === "function_call");
  assert.equal(typeof call.parsed_arguments.of, "string");
  const streamed = await client().responses.stream({ ...asked, input: talk }).finalResponse();
  const again = streamed.output.find((it) => it.type === "function_call");
  assert.equal(again.arguments, call.arguments);
  const item = ({ parsed_arguments: _, ...rest }) => rest;
  talk.push(...answer.output.map(item));
  talk.push({ type: "function_call_output", call_id: call.call_id, output: "1.3579" });
  const final = await client().responses.create({ ...asked, tool_choice: "auto", input: talk });
  assert.ok(final.output_text);
  assert.ok((await seen(model)).last.body.includes("1.3579"));
});

test("an answer is parsed by its schema", async () => {
  const text = { format: zodTextFormat(account, "account") };
  const asked = { model, input: "Make up an account", text };
  account.parse((await client().responses.parse(asked)).output_parsed);
  account.parse((await client().responses.stream(asked).finalResponse()).output_parsed);
});

test("what cannot be said is named", () =>
  assert.rejects(client().responses.create({ model, input, background: true }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.deepEqual([error.code, error.param], ["unsupported_parameter", "background"]);
    return true;
  }));

test("half a stream ends with an error", async () => {
  await sim("fault", { model: "deepseek-v3.2", fault: "cut_event", times: 1 });
  const asked = { model: "deepseek-v3.2", input: "Tell me of your day", stream: true };
  await assert.rejects(client().responses.create(asked).then(all), OpenAI.APIError);
});

// The library asks for base64 unless told otherwise, and reads it back.
test("vectors are the same by floats, by base64 and by the library's own way", async () => {
  const asked = { model: "bge-m3", input: ["a ferry", "a harbour"] };
  const { data, usage } = await client().embeddings.create(asked);
  assert.deepEqual(data.map((it) => it.embedding.length), [64, 64]);
  assert.ok(usage.prompt_tokens > 0);
  const floats = await client().embeddings.create({ ...asked, encoding_format: "float" });
  const base64 = await client().embeddings.create({ ...asked, encoding_format: "base64" });
  for (const [nth, { embedding }] of data.entries()) {
    assert.deepEqual(floats.data[nth].embedding.map(Math.fround), embedding);
    const bytes = Buffer.from(base64.data[nth].embedding, "base64");
    assert.deepEqual(Array.from({ length: 64 }, (_, at) => bytes.readFloatLE(4 * at)), embedding);
  }
  const short = await client().embeddings.create({ ...asked, dimensions: 16 });
  assert.equal(short.data[0].embedding.length, 16);
});

test("a completion, whole and in pieces", async () => {
  const asked = { model, prompt: "A standing order is" };
  const whole = await client().completions.create(asked);
  assert.ok(whole.choices[0].text);
  const pieces = await all(await client().completions.create({ ...asked, stream: true }));
  assert.equal(pieces.map((it) => it.choices[0]?.text ?? "").join(""), whole.choices[0].text);
});
