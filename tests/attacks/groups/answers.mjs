// Answers of an API that are too much: too large, too deep, too slow, without end, or not what they say.
import { DOCUMENTS, TABLES } from "../lib/documents.mjs";
import { survives } from "../lib/health.mjs";
import { json } from "../lib/hostile.mjs";
import { STREAMS } from "../lib/streams.mjs";

/** What the connector allows a request, and what an invocation may take beyond that, in seconds. */
const TIMEOUT = 2;
const SLACK = 6;

export async function answers(world) {
  const { sluice, hostile } = world;
  await sluice.apply([
    {
      kind: "connector",
      name: "eat",
      http: { base_url: hostile.main.url, timeout_seconds: TIMEOUT },
      actions: {
        get: { title: "Get", request: { path: "/feed" }, response: { result: "= $type(response.body)" } },
        whole: { title: "Whole", request: { path: "/feed" } },
        csv: {
          title: "CSV",
          request: { path: "/feed" },
          response: { format: "csv", result: "= $count(response.body)" },
        },
        text: { title: "Text", request: { path: "/feed" }, response: { format: "text" } },
        pages: {
          title: "Pages",
          request: { path: "/feed" },
          response: { result: "$.response.body.items" },
          pagination: { type: "next_url", next: "$.response.body.next", max_pages: 50 },
        },
      },
    },
    { kind: "instance", name: "eat", connector: "eat" },
  ]);
  await documents(world);
  await streams(world);
  await pages(world);
  await heavy(world);
}

/** Feeds an answer and looks what becomes of it, of the time, and of the container. */
async function feed({ sluice, hostile }, handler, action = "get") {
  hostile.on("/feed", handler);
  const { result: both, requests } = await hostile.during(() => survives(sluice, () => sluice.invoke("eat", action)));
  return { ...both, requests, timely: both.result.millis < (TIMEOUT + SLACK) * 1000 };
}

function ended(result, survived, timely) {
  return {
    ...result,
    detail: survived
      ? timely
        ? result.detail
        : `too slow: ${result.detail}`
      : `the container ended: ${result.detail}`,
  };
}

/** Bodies that come whole. */
async function documents(world) {
  for (const { attack, variant, body, type, headers = {}, action, expect, ok } of DOCUMENTS(world.hostile)) {
    const answer = (_, response) => {
      response.writeHead(200, { ...(type && { "content-type": type }), ...headers });
      response.end(body());
    };
    const { result, survived, timely, requests } = await feed(world, answer, action);
    const fetched = requests.some((one) => one.url.startsWith("/external"));
    world.attack(
      attack,
      variant,
      expect,
      ended(result, survived, timely),
      survived && timely && !fetched && ok(result),
    );
  }
}

/** Answers that are written byte by byte, and many never end. */
async function streams(world) {
  for (const { attack, variant, write, expect, ok } of STREAMS) {
    const timers = [];
    const answer = (_, response) => {
      const socket = response.socket;
      socket.on("error", () => {});
      socket.on("close", () => timers.forEach(clearInterval));
      write(socket, (millis, work) => timers.push(setInterval(() => !socket.destroyed && work(), millis)));
    };
    const { result, survived, timely } = await feed(world, answer, "text");
    timers.forEach(clearInterval);
    world.attack(attack, variant, expect, ended(result, survived, timely), survived && timely && ok(result));
  }
}

/** Pages that lead to themselves, and pages without end. */
async function pages(world) {
  const { hostile } = world;
  let n = 0;
  const ways = {
    "to itself": ["pagination_loop", () => `${hostile.main.url}/feed`],
    "always another": ["page_limit", () => `${hostile.main.url}/feed?n=${(n += 1)}`],
  };
  for (const [variant, [code, next]] of Object.entries(ways)) {
    const answer = (_, response) => json(response, { items: [1], next: next() });
    const { result, survived, timely, requests } = await feed(world, answer, "pages");
    const bounded = requests.length <= 60 && (result.code === code || result.outputs.length <= 50);
    const detail = `${requests.length} requests; ${result.detail}`;
    world.attack("pages", variant, "an end after at most 50", { ...result, detail }, survived && timely && bounded);
  }
}

/** Bodies below the limit of bytes that cost as much memory as can be: one alone, then eight at a time. */
async function heavy(world) {
  const { sluice, hostile, attack, skip } = world;
  let down = false;
  for (const times of [1, 8]) {
    for (const [variant, type, body] of TABLES) {
      // A container that ended is started again after a pause, which grows.
      if (down) {
        skip(`memory_${times}`, `${variant}: the container ended by the one before`);
        continue;
      }
      hostile.on("/feed", (_, response) => {
        response.writeHead(200, { "content-type": type });
        response.end(body);
      });
      const all = Array.from({ length: times }, () => "get");
      const { result, survived } = await survives(sluice, () =>
        Promise.all(all.map((action) => sluice.invoke("eat", action))),
      );
      const size = `${times} of ${body.length} bytes, ${await sluice.memory()} MiB`;
      attack(
        `memory_${times}`,
        variant,
        "the container survives",
        ended({ ...result[0], detail: `${size}: ${result[0].detail}` }, survived, true),
        survived,
      );
      down = !survived;
    }
  }
}
