// What is said to people: the server's log and the command line repeat what others said, and obey nothing of it.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

import { json } from "../lib/hostile.mjs";
import { send } from "../lib/http.mjs";
import { outcome } from "../lib/sluice.mjs";

const run = promisify(execFile);
const FORGED = "2026-01-01T00:00:00.000000Z ERROR sluice: forged by a client";
/** Clears a screen, names a window, goes back to the beginning of the line, and begins a line of its own. */
const MEAN = `\u001b[2J\u001b]0;owned\u0007\r\u009b31m\n${FORGED}\n\u202egnp.exe`;

export async function told(world) {
  await say(world);
  await log(world);
  await lines(world);
}

/** Everything that a client can make the server write about. */
async function say({ sluice, hostile, attack }) {
  const encoded = encodeURIComponent(MEAN);
  const files = [
    { name: MEAN, text: `sluice: 1\nkind: ${JSON.stringify(MEAN)}\n` },
    {
      name: "x.yaml",
      text: `sluice: 1\nkind: template\nname: x\nversion: 1.0.0\nsteps:\n  - { id: ${JSON.stringify(MEAN)}, use: log/write }\n`,
    },
  ];
  const answers = {
    path: await sluice.call("GET", `/api/v1/instances/${encoded}`),
    route: await sluice.call("GET", `/${encoded}`),
    query: await sluice.call("GET", `/api/v1/flows?cursor=${encoded}`),
    files: await sluice.call("POST", "/api/v1/apply", { files }),
    token: await sluice.call("POST", "/api/v1/tokens", { name: MEAN, permissions: ["read"] }),
    image: await sluice.call("POST", "/api/v1/connectors", { image: MEAN }),
    callback: await send(sluice.url, { path: `/oauth/callback?error=${encoded}&error_description=${encoded}&state=x` }),
    agent: await send(sluice.url, {
      path: "/api/v1/flows",
      headers: { "user-agent": "\u009b31m ERROR forged by a client" },
    }),
  };
  for (const [variant, answer] of Object.entries(answers)) {
    // JSON writes them out; a page and a plain text would not.
    // eslint-disable-next-line no-control-regex
    const raw = /[\u0000-\u0008\u000b-\u001f\u007f]/.test(answer.text);
    attack("answer", variant, "written out", outcome(answer), answer.status < 500 && answer.status >= 400 && !raw);
  }
  hostile.on("/mean", (_, response) => json(response, { error: MEAN, message: MEAN }, 418, { "x-mean": "a" }));
  hostile.on("/kind", (_, response) => json(response, { said: MEAN }));
  const action = (path) => ({ title: "A", request: { path } });
  const code = `() => { console.log(${JSON.stringify(MEAN)}); throw new Error(${JSON.stringify(MEAN)}); }`;
  await sluice.apply([
    {
      kind: "connector",
      name: "mean",
      http: { base_url: hostile.main.url, timeout_seconds: 3 },
      scripts: { main: { code } },
      actions: { refuse: action("/mean"), answer: action("/kind"), script: { title: "S", script: "main" } },
    },
    { kind: "instance", name: "mean", connector: "mean" },
  ]);
  for (const name of ["refuse", "answer", "script"]) {
    const answer = await sluice.invoke("mean", name);
    attack("answer", `of an action: ${name}`, "an answer", answer, answer.status === 200);
  }
}

/** The server's own log: no line is somebody else's, nothing a terminal would obey, no panic, no secret. */
async function log({ attack, report, skip, settings }) {
  if (!settings.log) return skip("log", "the settings do not name the server's log");
  const text = await readFile(settings.log, "utf8");
  const list = text.split("\n").filter(Boolean);
  const tell = (variant, expect, found) => {
    const detail = found.length ? found.slice(0, 3).join(" | ") : `${list.length} lines`;
    attack("log", variant, expect, { status: 0, detail }, found.length === 0);
  };
  // eslint-disable-next-line no-control-regex
  tell(
    "control characters",
    "none",
    list.filter((line) => /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(line)),
  );
  const begins = /^(\d{4}-\d\d-\d\dT[\d:.]+Z\s+(TRACE|DEBUG|INFO|WARN|ERROR) |\{"timestamp":)/;
  tell(
    "lines of others",
    "none",
    list.filter((line) => !begins.test(line) || line.startsWith(FORGED)),
  );
  tell(
    "panics",
    "none",
    list.filter((line) => /panicked|stack backtrace/.test(line)),
  );
  tell(
    "long lines",
    "none",
    list.filter((line) => line.length > 20_000).map((line) => line.slice(0, 100)),
  );
  const shown = [...report.secrets].filter((secret) => text.includes(secret));
  tell(
    "secrets",
    "none",
    shown.map((secret) => `${secret.slice(0, 8)}...`),
  );
}

/** What the command line prints. */
async function lines(world) {
  const { sluice, attack, skip, settings } = world;
  if (!settings.program) return skip("command_line", "the settings do not name the program");
  const env = { PATH: process.env.PATH, HOME: "/nonexistent", SLUICE_URL: sluice.url, SLUICE_TOKEN: sluice.token };
  const commands = {
    "what an action answered": ["instance", "invoke", "mean", "answer"],
    "why an action failed": ["instance", "invoke", "mean", "refuse"],
    "what a script threw": ["instance", "invoke", "mean", "script"],
    "what happened": ["events"],
    instances: ["instance", "list"],
    tokens: ["token", "list"],
  };
  for (const [variant, command] of Object.entries(commands)) {
    for (const form of ["table", "json", "yaml"]) {
      const said = await run(settings.program, ["-o", form, ...command], { env, timeout: 30_000 }).catch(
        (error) => error,
      );
      const text = `${said.stdout ?? ""}${said.stderr ?? ""}`;
      // eslint-disable-next-line no-control-regex
      const obeyed = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/.exec(text);
      const shown = text.includes(sluice.token);
      const detail = obeyed ? `U+${obeyed[0].codePointAt(0).toString(16)} is printed` : text;
      attack(
        "command_line",
        `${variant}, ${form}`,
        "written out",
        { status: said.code ?? 0, detail },
        !obeyed && !shown && text.length > 0,
      );
    }
  }
}
