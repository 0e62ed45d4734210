// Many, slow or endless: one client's patience must not be everybody's.
import { setTimeout as sleep } from "node:timers/promises";

import { hold, send, sendEndless, stream } from "../lib/http.mjs";
import { outcome, resident } from "../lib/sluice.mjs";

const MIB = 1024 * 1024;
/** More connections than the server keeps at a time. */
const CONNECTIONS = 700;
/** How long a plain request of somebody else may take meanwhile, in milliseconds: less than the silent ones may stay. */
const PROMPT = 8000;
/** Until when what says nothing has to be gone, in milliseconds: many times what the server grants. */
const GONE = 90_000;

export async function crowds(world) {
  const { sluice } = world;
  const headers = `host: x\r\nauthorization: Bearer ${sluice.token}\r\ncontent-type: application/json\r\n`;
  const beginnings = {
    "nothing is said": "",
    "half a line": "GET /heal",
    "headers without end": "GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: ",
    "a request, then half of one": "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /hea",
    "a body that does not come": "POST /hooks/nobody HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{",
    "a body without a token": "POST /api/v1/apply HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{",
  };
  for (const [variant, beginning] of Object.entries(beginnings)) await slow(world, variant, beginning);
  await bodies(world, headers);
  await doors(world);
  await streams(world);
  await guesses(world);
  await weight(world);
}

/** Whether others are answered while something is held. */
async function others({ sluice }, path = "/healthz", more = {}) {
  const took = [];
  for (let n = 0; n < 5; n += 1) {
    const begun = performance.now();
    const answer = await send(sluice.url, { path, ...more });
    took.push({ status: answer.status, millis: Math.round(performance.now() - begun) });
  }
  return took;
}

async function slow(world, variant, beginning) {
  const held = await hold(world.sluice.url, CONNECTIONS, beginning);
  const took = await others(world);
  const good = took.every(({ status, millis }) => status === 200 && millis < PROMPT);
  // What says nothing is closed, whoever else comes.
  let waited = 0;
  while (held.open() > 0 && waited < GONE) {
    await sleep(250);
    waited += 250;
  }
  const left = held.open();
  held.close();
  const worst = Math.max(...took.map(({ millis }) => millis));
  const detail = `others waited ${worst} ms at most, ${left} of ${CONNECTIONS} are left after ${waited} ms`;
  const answer = { status: took[0].status, detail };
  world.attack("slow", variant, "others are answered, and it is closed in time", answer, good && left === 0);
}

/** Bodies that never end, or end before they should. */
async function bodies({ sluice, attack, settings }, headers) {
  const before = settings.pid ? await resident(settings.pid) : 0;
  for (const [variant, path] of Object.entries({
    "in chunks": "/api/v1/apply",
    "in chunks, without a token": "/api/v1/apply",
    "in chunks, at a webhook": "/hooks/nobody",
    "in chunks, at a page's route": "/embed/v1/instances/plain/invoke/plain",
  })) {
    const head = variant.includes("chunks,") ? "host: x\r\ncontent-type: application/json\r\n" : headers;
    const begun = performance.now();
    const answer = await sendEndless(sluice.url, `POST ${path} HTTP/1.1\r\n${head}transfer-encoding: chunked\r\n\r\n`);
    const millis = Math.round(performance.now() - begun);
    const detail = `${answer.sent} bytes were taken`;
    const refused = answer.closed && [0, 400, 401, 404, 413].includes(answer.status) && answer.sent < 64 * MIB;
    attack("endless", variant, "refused and closed", { status: answer.status, detail, millis }, refused);
  }
  if (settings.pid) {
    const grown = (await resident(settings.pid)) - before;
    attack("endless", "memory", "below 64 MiB more", { status: 0, detail: `${grown} MiB more` }, grown < 64);
  }
  const short = await hold(sluice.url, 50, `POST /api/v1/apply HTTP/1.1\r\n${headers}content-length: 5000\r\n\r\n{"fi`);
  short.close();
  const took = await others({ sluice });
  const good = took.every(({ status }) => status === 200);
  attack("endless", "bodies that break off", "others are answered", { status: took[0].status, detail: "" }, good);
}

/** Bodies that do not come, to a webhook that there is: the other webhooks are open all the while. */
async function doors(world) {
  const { sluice, attack } = world;
  const triggers = {
    one: { title: "One", kind: "webhook", signature: { preset: "github" } },
    other: { title: "Other", kind: "webhook", signature: { preset: "none" } },
  };
  await sluice.apply(
    [
      { kind: "connector", name: "gates", triggers },
      {
        kind: "template",
        name: "gates",
        version: sluice.version,
        instances: { gates: { connector: "gates" } },
        steps: [
          { id: "one", use: "gates/one" },
          { id: "other", use: "gates/other", after: [] },
        ],
      },
      { kind: "instance", name: "gates", connector: "gates", secrets: { signing_secret: { env: "S" } } },
      { kind: "flow", name: "gates", template: "gates", instances: { gates: "gates" } },
    ],
    { gates: { signing_secret: "a secret of gates" } },
  );
  const { json } = await sluice.call("GET", "/api/v1/flows/gates/hooks");
  const path = Object.fromEntries(json.map((hook) => [hook.step, hook.urls[0].path]));
  const other = { method: "POST", headers: { "content-type": "application/json", "content-length": 2 }, body: "{}" };
  // The flow has to run before it takes anything.
  for (let tries = 0; tries < 40 && (await send(sluice.url, { path: path.other, ...other })).status !== 202; tries += 1)
    await sleep(250);
  for (const [variant, held] of Object.entries({
    "of a key that there is": path.one,
    "of keys that there are not": "/hooks/nobody",
  })) {
    const head = `POST ${held} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{`;
    const crowd = await hold(sluice.url, 100, head);
    const took = await others({ sluice }, path.other, other);
    crowd.close();
    const good = took.every(({ status, millis }) => status === 202 && millis < PROMPT);
    const detail = took.map(({ status, millis }) => `${status} after ${millis} ms`).join(", ");
    attack("doors", variant, "another webhook takes what comes", { status: took[0].status, detail }, good);
  }
  // The same one as often as it can be asked: told to come later at worst, and others get in.
  const flood = Array.from({ length: 400 }, () => send(sluice.url, { path: path.one, ...other }));
  const took = await others({ sluice }, "/healthz");
  const statuses = new Set((await Promise.all(flood)).map((one) => one.status));
  const known = [...statuses].every((status) => [401, 429, 503].includes(status));
  const good = known && took.every(({ status, millis }) => status === 200 && millis < PROMPT);
  const said = { status: 0, detail: [...statuses].join(" ") };
  attack("doors", "four hundred at once", "401, 429 or 503, and others are answered", said, good);
}

/** Streams hold connections: there are only so many, and the API is open all the while. */
async function streams({ sluice, attack }) {
  const made = await sluice.call("POST", "/api/v1/tokens", { name: `streams-${Date.now()}`, permissions: ["read"] });
  const headers = { authorization: `Bearer ${made.json.token}` };
  const open = Array.from({ length: 600 }, () => stream(sluice.url, { path: "/api/v1/events/stream", headers }));
  const statuses = await Promise.race([Promise.all(open.map((one) => one.status)), sleep(15_000, null)]);
  const took = await others({ sluice });
  const list = await send(sluice.url, { path: "/api/v1/flows", headers });
  open.forEach((one) => one.close());
  const live = statuses?.filter((status) => status === 200).length ?? "?";
  const later = statuses?.filter((status) => status === 429).length ?? "?";
  const good = took.every(({ status, millis }) => status === 200 && millis < PROMPT) && list.status === 200;
  const detail = `${live} streams, ${later} refused`;
  const bounded = statuses !== null && live < 512 && live + later === 600;
  attack("streams", "six hundred", "some are refused, others are answered", { status: 0, detail }, good && bounded);
}

/** Guesses at tokens: none is right, and the right one works all the while. */
async function guesses({ sluice, attack }) {
  const guess = (n) => `sluice_api_${Buffer.from(`${n}`.padEnd(32, "x")).toString("base64url")}`;
  const wrong = Array.from({ length: 1000 }, (_, n) =>
    send(sluice.url, { path: "/api/v1/flows", headers: { authorization: `Bearer ${guess(n)}` } }),
  );
  const right = { headers: { authorization: `Bearer ${sluice.token}` } };
  const took = await others({ sluice }, "/api/v1/flows", right);
  const answers = await Promise.all(wrong);
  // On a busy machine a connection that says nothing for a while makes room for another: that guess has no answer at all.
  const said = answers.filter((one) => one.status !== 0);
  const all = said.length > 500 && said.every((one) => one.status === 401);
  const bodies = new Set(said.map((one) => one.text.replace(/"request_id":"\w+"/, "")));
  const good = took.every(({ status, millis }) => status === 200 && millis < PROMPT);
  const detail = `${said.length} answers of ${bodies.size} kind; the right token within ${Math.max(...took.map((one) => one.millis))} ms`;
  const ok = all && good && bodies.size === 1;
  attack("guesses", "a thousand at once", "401 or no answer, the right one works", { status: 401, detail }, ok);
}

/** Bodies below their bound that would weigh a hundred times as much in memory. */
async function weight({ sluice, attack, settings }) {
  if (!settings.pid) return;
  const before = await resident(settings.pid);
  const large = `{"files":[],"dry_run":true,"params":{"x":[${"[],".repeat(2_700_000)}0]}}`;
  const answers = await Promise.all(Array.from({ length: 6 }, () => sluice.call("POST", "/api/v1/apply", large)));
  const grown = (await resident(settings.pid)) - before;
  const refused = answers.every((one) => one.status === 400 && one.json?.code === "A0005");
  const detail = `${grown} MiB more; ${answers[0].text.slice(0, 80)}`;
  attack("weight", "millions of empty lists", "400", { ...outcome(answers[0]), detail }, refused && grown < 400);
}
