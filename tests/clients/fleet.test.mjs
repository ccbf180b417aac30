// What the gateway makes of keys, errors and faults: against the simulated fleet alone, which can be
// told to fail and tells what it has seen.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { all, ask, client, metric, seen, sim, until, url } from "./setting.mjs";

const tool = {
  type: "function",
  function: {
    name: "exchange_rate",
    description: "Today's rate between two currencies",
    parameters: {
      type: "object",
      properties: { base: { type: "string" }, quote: { type: "string" } },
      required: ["base", "quote"],
    },
  },
};

function refused(error, code, key, request) {
  const asked = client(key).chat.completions.create({ model: "auto", messages: ask("Hello"), ...request });
  return assert.rejects(asked, (caught) => {
    assert.ok(caught instanceof error, `${caught}`);
    assert.equal(caught.code, code);
    return true;
  });
}

test("a tool call passes through", async () => {
  const question = {
    model: "qwen3-coder-next",
    messages: ask("What is the euro worth in ringgit today?"),
    tools: [tool],
    tool_choice: "required",
  };
  const answer = (await client().chat.completions.create(question)).choices[0];
  assert.equal(answer.finish_reason, "tool_calls");
  const call = answer.message.tool_calls[0].function;
  assert.equal(call.name, "exchange_rate");
  assert.equal(typeof JSON.parse(call.arguments), "object");
  const stream = client().chat.completions.stream(question);
  const streamed = (await stream.finalChatCompletion()).choices[0].message.tool_calls[0].function;
  assert.equal(streamed.arguments, call.arguments);
});

test("models are listed with auto first", async () => {
  const listed = (await all(await client().models.list())).map((model) => model.id);
  assert.equal(listed[0], "auto");
  assert.ok(listed.includes("deepseek-v3.2"));
});

test("what we do not know reaches the backend as it is", async () => {
  const unknown = { deep: [1, 2.5, null, { ไทย: 'é \\ "' }], empty: {} };
  await client().chat.completions.create({
    model: "glm-5.2",
    messages: ask("Hello"),
    x_house_rule: unknown,
  });
  const last = (await seen("glm-5.2")).last;
  assert.ok(last.body.includes(`"x_house_rule":${JSON.stringify(unknown)}`));
  assert.ok(!JSON.stringify(last).includes(process.env.SIGNALBOX_KEY));
});

test("400 names the parameter", () =>
  refused(OpenAI.BadRequestError, "unsupported_parameter", undefined, { chat_template: "{{ x }}" }));

test("401 for a key that is none", () => {
  const nobody = new OpenAI({ baseURL: `${url}/v1`, apiKey: "sk-nobody", maxRetries: 0 });
  return assert.rejects(nobody.models.list(), OpenAI.AuthenticationError);
});

test("403 for a model the key may not use", () =>
  refused(OpenAI.PermissionDeniedError, "model_forbidden", "SIGNALBOX_NARROW_KEY", {
    model: "kimi-k2.6",
  }));

test("404 for a model that is none", () =>
  refused(OpenAI.NotFoundError, "model_not_found", undefined, { model: "gpt-9" }));

test("429 when the key is too fast", async () => {
  const key = "SIGNALBOX_SLOW_NODE_KEY";
  await client(key).chat.completions.create({ model: "auto", messages: ask("Hello") });
  await refused(OpenAI.RateLimitError, "rate_limit_exceeded", key, {});
});

test("429 when the money is spent", () =>
  refused(OpenAI.RateLimitError, "budget_too_small", "SIGNALBOX_BROKE_KEY", {}));

test("leaving stops the backend", async () => {
  await sim("fault", { model: "minimax-m2.5", fault: "stall_mid", times: 1 });
  const before = (await seen("minimax-m2.5")).cancelled;
  const cancelled = { model: "minimax-m2.5", outcome: "cancelled" };
  const counted = await metric("signalbox_requests_total", cancelled);
  const stream = await client().chat.completions.create({
    model: "minimax-m2.5",
    messages: ask("Tell me a story"),
    stream: true,
  });
  for await (const chunk of stream) {
    assert.ok(chunk.choices);
    break; // the library closes the connection
  }
  await until(
    async () => (await seen("minimax-m2.5")).cancelled === before + 1,
    "the cancel at the backend",
  );
  await until(
    async () => (await metric("signalbox_requests_total", cancelled)) === counted + 1,
    "the cancelled request in the metrics",
  );
});

// A model that another test killed is ejected until its trial.
const backInService = (model) =>
  until(async () => {
    const { response } = await client()
      .chat.completions.create({ model: "pair", messages: ask("Are you there?") })
      .withResponse();
    return response.headers.get("x-signalbox-model") === model;
  }, `${model} back in service`);

test("a broken backend is not seen", async () => {
  await backInService("kimi-k2.6");
  await sim("fault", { model: "kimi-k2.6", fault: "status_503", times: 1 });
  const { response } = await client()
    .chat.completions.create({ model: "pair", messages: ask("Good evening") })
    .withResponse();
  assert.equal(response.headers.get("x-signalbox-model"), "glm-5.2");
  assert.equal(response.headers.get("x-signalbox-attempts"), "2");
});

test("half a stream ends with an error", async () => {
  await sim("fault", { model: "deepseek-v3.2", fault: "cut_event", times: 1 });
  const stream = await client().chat.completions.create({
    model: "deepseek-v3.2",
    messages: ask("Tell me of your day"),
    stream: true,
  });
  await assert.rejects(all(stream), OpenAI.APIError);
});
