// What docs/CLIENTS.md shows for Node, as it stands there: against the simulated fleet.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { promisify } from "node:util";
import { url } from "./setting.mjs";

const page = await readFile(new URL("../../docs/CLIENTS.md", import.meta.url), "utf8");
const blocks = [...page.matchAll(/^```js\n(.*?)^```/gms)].map((block) => block[1]);
const given = `const URL = ${JSON.stringify(url)}, KEY = process.env.SIGNALBOX_KEY;\n`;
const told = "console.log(typeof text, text.length > 0);\n";

for (const [nth, block] of blocks.entries()) {
  test(`block ${nth + 1} of the page`, async () => {
    const flags = ["--input-type=module", "--eval", given + block + told];
    const { stdout } = await promisify(execFile)(process.execPath, flags);
    assert.equal(stdout.trim(), "string true");
  });
}

test("there are blocks", () => assert.equal(blocks.length, 2));
