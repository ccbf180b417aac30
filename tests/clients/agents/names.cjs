// Notes which names a program of Node looks up, and finds none: its own `fetch` goes past a proxy.
const dns = require("node:dns");
const { appendFileSync } = require("node:fs");

const { lookup } = dns;
dns.lookup = (name, ...rest) => {
  if (name === "127.0.0.1") return lookup(name, ...rest);
  appendFileSync(process.env.NAMES_LOG, `${name}\n`);
  const fault = Object.assign(new Error(`no such name: ${name}`), { code: "ENOTFOUND" });
  process.nextTick(rest.at(-1), fault);
};
