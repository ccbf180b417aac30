// What every backend must give through the gateway: run against the simulated fleet and against a
// real open model.
import assert from "node:assert/strict";
import { test } from "node:test";
import { all, ask, client, metric, model, simUrl, until } from "./setting.mjs";

const question = "Explain in three sentences what a standing order at a bank is.";

// A simulated model may think before it speaks; the real one does not, and is slow.
const room = simUrl ? 160 : 24;

const spoken = {
  th: "ช่วยอธิบายหน่อยว่าบัญชีออมทรัพย์กับบัญชีกระแสรายวันต่างกันอย่างไร และแบบไหนเหมาะกับร้านค้าเล็ก ๆ",
  ms: "Tolong terangkan bagaimana saya boleh menukar had pemindahan harian akaun saya melalui aplikasi.",
  "zh-Hans": "请用简单的话解释一下什么是定期存款，提前支取会损失多少利息？",
  en: "Please explain in simple words how the interest on my savings account is worked out.",
};

test("an answer, with what was decided in its head", async () => {
  const { data, response } = await client()
    .chat.completions.create({ model, messages: ask(question), max_tokens: room })
    .withResponse();
  assert.ok(data.choices[0].message.content);
  assert.ok(["stop", "length"].includes(data.choices[0].finish_reason));
  const head = response.headers;
  assert.match(head.get("x-signalbox-id"), /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  assert.equal(head.get("x-request-id"), head.get("x-signalbox-id"));
  assert.equal(data._request_id, head.get("x-request-id"));
  assert.equal(head.get("x-signalbox-language"), "en");
  assert.equal(head.get("x-signalbox-attempts"), "1");
  assert.ok(head.get("x-signalbox-model"));
  assert.ok(head.get("x-signalbox-rule"));
  assert.ok(Number(head.get("x-signalbox-cost")) > 0);
});

for (const [language, text] of Object.entries(spoken)) {
  test(`the language is recognised: ${language}`, async () => {
    const { response } = await client()
      .chat.completions.create({ model, messages: ask(text), max_tokens: 16 })
      .withResponse();
    assert.equal(response.headers.get("x-signalbox-language"), language);
  });
}

test("pieces make an answer", async () => {
  const chunks = await all(
    await client().chat.completions.create({
      model,
      messages: ask(question),
      max_tokens: room,
      stream: true,
    }),
  );
  assert.ok(chunks.every((chunk) => chunk.choices.length > 0), "usage nobody asked for");
  assert.ok(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""));
  assert.ok(["stop", "length"].includes(chunks.at(-1).choices[0].finish_reason));
});

test("usage comes at the end of a stream when asked for", async () => {
  const chunks = await all(
    await client().chat.completions.create({
      model,
      messages: ask(question),
      max_tokens: room,
      stream: true,
      stream_options: { include_usage: true },
    }),
  );
  const last = chunks.at(-1);
  assert.deepEqual(last.choices, []);
  assert.ok(last.usage.prompt_tokens > 0);
  assert.ok(last.usage.completion_tokens > 0);
  assert.ok(Number(last.signalbox.cost) > 0);
});

test("the stream helper puts a whole answer together", async () => {
  const stream = client().chat.completions.stream({
    model,
    messages: ask(question),
    max_tokens: room,
  });
  const whole = await stream.finalChatCompletion();
  assert.ok(whole.choices[0].message.content);
});

// The simulated fleet is too fast for this one; fleet.test.mjs does it there with a stall.
test("a caller who leaves is recorded as such", { skip: Boolean(simUrl) }, async () => {
  const cancelled = { outcome: "cancelled" };
  const before = await metric("signalbox_requests_total", cancelled);
  const stream = await client().chat.completions.create({
    model,
    messages: ask("Write a very long story about a ferry captain. Do not stop early."),
    max_tokens: 2000,
    stream: true,
  });
  for await (const chunk of stream) {
    assert.ok(chunk.choices);
    stream.controller.abort();
  }
  await until(
    async () => (await metric("signalbox_requests_total", cancelled)) === before + 1,
    "the cancelled request in the metrics",
  );
});
