// What callers through the AI SDK get, by each of the three dialects: against the simulated fleet.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createCohere } from "@ai-sdk/cohere";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import {
  APICallError,
  defaultSettingsMiddleware,
  embed,
  embedMany,
  generateObject,
  generateText,
  Output,
  rerank,
  stepCountIs,
  streamObject,
  streamText,
  tool,
  wrapLanguageModel,
} from "ai";
import { z } from "zod";
import { all, seen, sim, until, url } from "./setting.mjs";

const baseURL = `${url}/v1`;
const apiKey = process.env.SIGNALBOX_KEY;
const openai = (key = apiKey) => createOpenAI({ baseURL, apiKey: key });
const compatible = (key = apiKey) =>
  createOpenAICompatible({
    name: "signalbox",
    baseURL,
    apiKey: key,
    includeUsage: true,
    supportsStructuredOutputs: true,
  });
const anthropic = (key = apiKey) => createAnthropic({ baseURL, apiKey: key });
// Unless told otherwise it believes that its provider has kept what it said, and refers to that.
const responses = (id, key) => {
  const settings = { providerOptions: { openai: { store: false } } };
  return wrapLanguageModel({
    model: openai(key)(id),
    middleware: defaultSettingsMiddleware({ settings }),
  });
};
const dialects = {
  "chat completions": (id, key) => openai(key).chat(id),
  "chat completions, compatible": (id, key) => compatible(key)(id),
  Responses: responses,
  Messages: (id, key) => anthropic(key)(id),
};

// How each is asked to think, and whether its provider reads what was thought: OpenAI's own reads none
// of chat completions, and of Responses the summary alone.
const thinking = {
  "chat completions": [{ openai: { forceReasoning: true, reasoningEffort: "low" } }, false],
  "chat completions, compatible": [{ signalbox: { reasoningEffort: "low" } }, true],
  Responses: [
    { openai: { forceReasoning: true, reasoningEffort: "low", reasoningSummary: "auto" } },
    true,
  ],
  Messages: [{ anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } } }, true],
};

const thinker = "gpt-oss-20b";
const prompt = "Explain in three sentences what a standing order at a bank is.";
const account = z.object({ name: z.string(), balance: z.number(), tags: z.array(z.string()) });
const rate = (asked) =>
  tool({
    description: "Today's rate between two currencies",
    inputSchema: z.object({ base: z.string(), quote: z.string() }),
    execute: async (input) => {
      asked.push(input);
      return { rate: 4.7231 };
    },
  });
const once = { maxRetries: 0 };

for (const [dialect, ask] of Object.entries(dialects)) {
  test(`${dialect}: a text with its usage and what was decided`, async () => {
    const answer = await generateText({
      model: ask("auto"),
      system: "Be brief.",
      prompt,
      maxOutputTokens: 400,
      ...once,
    });
    assert.ok(answer.text);
    assert.equal(answer.finishReason, "stop");
    assert.ok(answer.usage.inputTokens > 0 && answer.usage.outputTokens > 0);
    assert.equal(answer.response.headers["x-signalbox-language"], "en");
    assert.deepEqual(answer.warnings ?? [], []);
  });

  test(`${dialect}: an answer at its bound says so`, async () => {
    const answer = await generateText({ model: ask("auto"), prompt, maxOutputTokens: 16, ...once });
    assert.equal(answer.finishReason, "length");
  });

  test(`${dialect}: a stream is its pieces, with reasoning apart`, async () => {
    const answer = streamText({ model: ask(thinker), prompt, ...once });
    const parts = await all(answer.fullStream);
    const said = (type) => parts.filter((it) => it.type === type).map((it) => it.text).join("");
    assert.equal(said("text-delta"), await answer.text);
    assert.ok(await answer.text);
    assert.equal(await answer.finishReason, "stop");
    assert.ok((await answer.usage).outputTokens > 0);
    assert.equal(said("reasoning-delta"), await answer.reasoningText ?? "");
    assert.ok(!parts.some((it) => it.type === "error"));
  });

  test(`${dialect}: an object by its schema, whole and in pieces`, async () => {
    const asked = { model: ask(thinker), schema: account, prompt: "Make up an account", ...once };
    account.parse((await generateObject(asked)).object);
    const stream = streamObject(asked);
    await all(stream.partialObjectStream);
    account.parse(await stream.object);
  });

  test(`${dialect}: a text's output has a schema`, async () => {
    const output = Output.object({ schema: account });
    const asked = { model: ask(thinker), output, prompt: "Make up an account", ...once };
    account.parse((await generateText(asked)).output);
  });

  test(`${dialect}: a tool is called once when only one step is allowed`, async () => {
    const asked = [];
    const answer = await generateText({
      model: ask(thinker),
      prompt: "What is the rate of the euro in ringgit?",
      tools: { exchange_rate: rate(asked) },
      toolChoice: "required",
      ...once,
    });
    assert.equal(answer.finishReason, "tool-calls");
    assert.equal(answer.toolCalls[0].toolName, "exchange_rate");
    assert.deepEqual(answer.toolResults[0].output, { rate: 4.7231 });
    assert.deepEqual(asked, [answer.toolCalls[0].input]);
  });

  for (const [how, run] of Object.entries({ whole: generateText, streamed: streamText })) {
    test(`${dialect}: a loop of tools comes to a text, ${how}`, async () => {
      const asked = [];
      const answer = run({
        model: ask(thinker),
        prompt: "What is the exchange rate of the euro in ringgit?",
        tools: { exchange_rate: rate(asked) },
        stopWhen: stepCountIs(4),
        ...once,
      });
      if (how === "streamed") await answer.consumeStream();
      const { steps, text, finishReason } = how === "streamed" ? answer : await answer;
      assert.ok(await text);
      assert.equal(await finishReason, "stop");
      assert.equal((await steps).length, 2);
      assert.equal(asked.length, 1);
      const last = (await seen(thinker)).last.body;
      assert.ok(last.includes("4.7231"), "the tool's result at the engine");
    });
  }

  test(`${dialect}: asked to think, it goes on after a tool`, async () => {
    const [providerOptions, read] = thinking[dialect];
    const asked = [];
    const answer = await generateText({
      model: ask(thinker),
      providerOptions,
      prompt: "What is the exchange rate of the euro in ringgit?",
      tools: { exchange_rate: rate(asked) },
      stopWhen: stepCountIs(4),
      ...once,
    });
    assert.equal(answer.steps.length, 2);
    assert.ok(answer.text);
    assert.equal(asked.length, 1);
    assert.equal(Boolean(answer.reasoningText), read);
  });

  test(`${dialect}: who leaves stops the model`, async () => {
    const model = "minimax-m2.5";
    await sim("fault", { model, fault: "stall_mid", times: 1 });
    const before = (await seen(model)).cancelled;
    const leave = new AbortController();
    const abortSignal = leave.signal;
    const stream = streamText({ model: ask(model), prompt: "Tell me a story", abortSignal, ...once });
    for await (const part of stream.fullStream) if (part.type.endsWith("-delta")) leave.abort();
    await until(async () => (await seen(model)).cancelled === before + 1, "the cancel at the backend");
  });

  for (const [what, fault] of Object.entries({
    "a model that is none": { id: "gpt-9", status: 404 },
    "a key that is none": { id: "auto", key: "sk-nobody", status: 401 },
    "a model the key may not use": {
      id: "kimi-k2.6",
      key: process.env.SIGNALBOX_NARROW_KEY,
      status: 403,
    },
    "money that is spent": { id: "auto", key: process.env.SIGNALBOX_BROKE_KEY, status: 429 },
  })) {
    test(`${dialect}: the error says what it is: ${what}`, async () => {
      const model = ask(fault.id, fault.key);
      await assert.rejects(generateText({ model, prompt: "Hello", ...once }), (error) => {
        assert.ok(APICallError.isInstance(error), `${error}`);
        assert.equal(error.statusCode, fault.status);
        assert.ok(error.data?.error.message, error.responseBody);
        assert.equal(error.message, error.data.error.message);
        return true;
      });
    });
  }

  test(`${dialect}: half a stream ends with an error`, async () => {
    await sim("fault", { model: "deepseek-v3.2", fault: "cut_event", times: 1 });
    const faults = [];
    const onError = ({ error }) => faults.push(error);
    const model = ask("deepseek-v3.2");
    const stream = streamText({ model, prompt: "Tell me of your day", onError, ...once });
    const parts = await all(stream.fullStream);
    assert.ok(faults.length === 1, `${faults}`);
    assert.ok(parts.some((it) => it.type === "error"));
    assert.notEqual(parts.findLast((it) => it.type === "finish")?.finishReason, "stop");
  });
}

test("what is said to be kept elsewhere is refused by its place", async () => {
  const asked = {
    model: openai()(thinker),
    prompt: "What is the exchange rate of the euro in ringgit?",
    tools: { exchange_rate: rate([]) },
    stopWhen: stepCountIs(4),
    ...once,
  };
  await assert.rejects(generateText(asked), /^AI_APICallError: input\[1\]\.type /);
});

test("vectors, one and many", async () => {
  const values = ["a ferry", "a harbour", "a bank"];
  for (const model of [openai().embedding("bge-m3"), compatible().embeddingModel("bge-m3")]) {
    const { embeddings, usage } = await embedMany({ model, values, ...once });
    assert.deepEqual(embeddings.map((it) => it.length), [64, 64, 64]);
    assert.ok(usage.tokens > 0);
    const { embedding } = await embed({ model, value: values[1], ...once });
    assert.deepEqual(embedding, embeddings[1]);
  }
});

// It insists on a field that engines which serve rerank do not send.
const withMeta = async (...asked) => {
  const answer = await fetch(...asked);
  return Response.json({ meta: null, ...(await answer.json()) }, { status: answer.status });
};

test("documents in the order of their relevance", async () => {
  const model = createCohere({ baseURL, apiKey, fetch: withMeta }).reranking("bge-reranker");
  const documents = ["the weather in June", "how a standing order works", "a ferry"];
  const { ranking, rerankedDocuments } = await rerank({
    model,
    documents,
    query: "what is a standing order",
    topN: 2,
    ...once,
  });
  assert.equal(ranking.length, 2);
  assert.equal(rerankedDocuments[0], documents[1]);
});

test("completions", async () => {
  for (const model of [openai().completion(thinker), compatible().completionModel(thinker)]) {
    const answer = await generateText({ model, prompt: "A standing order is", ...once });
    assert.ok(answer.text);
    const stream = streamText({ model, prompt: "A standing order is", ...once });
    assert.equal((await all(stream.textStream)).join(""), answer.text);
  }
});
