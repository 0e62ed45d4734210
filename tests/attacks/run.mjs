// Attacks on a running Sluice. README.md says what the settings are; each attack is one line of JSON on standard output.
import { once } from "node:events";
import { createInterface } from "node:readline";

import { GROUPS } from "./groups.mjs";
import { named } from "./matrix.mjs";
import { Hostile } from "./lib/hostile.mjs";
import { alive, plainConnector } from "./lib/health.mjs";
import { Report } from "./lib/report.mjs";
import { Sluice } from "./lib/sluice.mjs";

async function settings() {
  const lines = createInterface({ input: process.stdin });
  const text = process.argv[2] ?? (await once(lines, "line"))[0];
  lines.close();
  return JSON.parse(text);
}

async function main() {
  const given = await settings();
  const sluice = new Sluice(given);
  const hostile = await Hostile.start(given.host);
  const report = new Report();
  report.secret(given.token);
  try {
    await plainConnector(sluice, hostile);
    for (const [name, run] of Object.entries(GROUPS)) {
      if (given.only && !given.only.includes(name)) continue;
      if (report.dead) {
        report.group(name);
        report.skip(name, "all", "the server does not answer any more");
        continue;
      }
      const attack = report.group(name);
      const world = { sluice, hostile, attack, report, settings: given, skip: (...one) => report.skip(name, ...one) };
      await run(world);
      report.dead = !(await alive(world));
    }
  } finally {
    hostile.stop();
  }
  if (!given.only) report.expect(named());
  return report.end();
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  process.stdin.destroy();
}
