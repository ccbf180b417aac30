// Where the gateway is and with which keys it is asked; `run` sets all of it.
import OpenAI from "openai";

export const url = process.env.SIGNALBOX_URL;
export const adminUrl = process.env.SIGNALBOX_ADMIN_URL;
export const simUrl = process.env.SIGNALBOX_SIM_URL;
export const model = process.env.SIGNALBOX_MODEL ?? "auto";

// A client of the gateway that does not try again by itself.
export function client(key = "SIGNALBOX_KEY") {
  const apiKey = process.env[key];
  return new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0, timeout: 60_000 });
}

// A conversation of one message.
export function ask(text) {
  return [{ role: "user", content: text }];
}

// All of a stream.
export async function all(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

// Waits for something that happens after the caller has gone.
export async function until(condition, what, seconds = 10) {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    if (await condition()) return;
    await new Promise((wake) => setTimeout(wake, 20));
  }
  throw new Error(`not within ${seconds} s: ${what}`);
}

// The sum of a metric's series that have these labels.
export async function metric(name, labels) {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return text
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) && wanted.every((pair) => line.includes(pair)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

// Tells the simulated fleet what to do.
export async function sim(action, order) {
  const answer = await fetch(`${simUrl}/sim/${action}`, {
    method: "POST",
    body: JSON.stringify(order),
  });
  if (!answer.ok) throw new Error(await answer.text());
}

// What the simulated fleet has seen of one model.
export async function seen(id) {
  return (await (await fetch(`${simUrl}/sim/seen`)).json())[id];
}
