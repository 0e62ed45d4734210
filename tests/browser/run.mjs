// A person at a real browser. README.md says what the settings are; each step is one line of JSON on standard output.
import { once } from "node:events";
import { createInterface } from "node:readline";

import { withBrowser } from "./chromium.mjs";
import { embed } from "./embed.mjs";
import { oauth } from "./oauth.mjs";

/** How long all of it may take, in milliseconds. */
const LIMIT = 180_000;
const MODES = { embed, oauth };

/** Runs a step and tells what came of it. The first that fails ends the run. */
async function step(name, run) {
  try {
    const value = (await run()) ?? null;
    print({ step: name, ok: true, value });
    return value;
  } catch (error) {
    print({ step: name, ok: false, value: error.message });
    throw error;
  }
}

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function settings() {
  const lines = createInterface({ input: process.stdin });
  const text = process.argv[2] ?? (await once(lines, "line"))[0];
  lines.close();
  return JSON.parse(text);
}

const watchdog = setTimeout(() => {
  print({ step: "end", ok: false, value: `not at an end after ${LIMIT} ms` });
  process.exit(1);
}, LIMIT);

try {
  const { mode = "embed", ...given } = await settings();
  if (!Object.hasOwn(MODES, mode)) throw new Error(`there is no mode ${mode}`);
  await withBrowser((browser) => MODES[mode](given, browser, step));
  print({ step: "end", ok: true, value: null });
} catch (error) {
  console.error(error);
  print({ step: "end", ok: false, value: error.message });
  process.exitCode = 1;
} finally {
  clearTimeout(watchdog);
  process.stdin.destroy();
}
