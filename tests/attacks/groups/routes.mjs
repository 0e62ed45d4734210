// Every route of the API's own document: names, queries and bodies that mean no good, and what a token outlives.
import { setTimeout as sleep } from "node:timers/promises";

import { send, stream } from "../lib/http.mjs";
import { outcome } from "../lib/sluice.mjs";

const METHODS = ["get", "post", "put", "patch", "delete"];
const NAMES = {
  dots: "..%2f..%2f..%2fetc%2fpasswd",
  "dots, encoded twice": "%252e%252e%252f%252e%252e%252fetc",
  backslashes: "..%5c..%5cetc",
  absolute: "%2fetc%2fpasswd",
  nul: "a%00.yaml",
  "line break": "a%0d%0aset-cookie:%20a=1",
  sql: "'%20OR%20'1'='1'%20--",
  "not UTF-8": "%ff%fe",
  markup: "%3Cimg%20src=x%20onerror=alert(1)%3E",
  long: "a".repeat(5000),
  direction: "%e2%80%aegpj.exe",
  escape: "%1b%5b2J",
};
const VALUES = {
  sql: "x' OR 1=1; DROP TABLE flows; --",
  nul: "\0",
  "below zero": "-1",
  "too large": "99999999999999999999",
  exponent: "1e309",
  path: "../../etc/passwd",
  long: "x".repeat(8000),
  object: '{"$gt":""}',
  escape: "\u001b[2J\r\nset-cookie: a=1",
};
/** What somebody would like to decide who may not. */
const OURS = {
  id: "tok_00000000000000000000000000",
  tenant: "acme",
  tenant_id: "acme",
  role: "admin",
  owner: "root",
  created_by: "root",
  issuer: "tok_00000000000000000000000000",
  hash: "00",
  depth: -1,
  revision: 99,
};

export async function routes(world) {
  const document = (await world.sluice.call("GET", "/openapi.json")).json;
  await names(world, document);
  await queries(world, document);
  await bodies(world, document);
  await ours(world);
  await kept(world);
  await revoked(world);
  await nothingElse(world);
}

/** A refusal that a program can read, and nothing of what is behind it. */
function refused(answer, statuses) {
  const { status, json, text, headers } = answer;
  const problem = /problem\+json/.test(headers["content-type"] ?? "") && json?.code && json?.request_id;
  const traces = /panicked|stack backtrace|\.rs:\d+|SQLITE|syntax error|RUST_BACKTRACE/i.test(text);
  return statuses.includes(status) && problem && !traces && !headers["set-cookie"];
}

const streams = (one) => /event-stream|ndjson/.test(Object.keys(one.responses?.["200"]?.content ?? {}).join());

function* operations(document) {
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, one] of Object.entries(methods)) {
      if (METHODS.includes(method)) yield { path, method: method.toUpperCase(), one };
    }
  }
}

async function names({ sluice, attack }, document) {
  for (const [variant, name] of Object.entries(NAMES)) {
    const through = [];
    let asked = 0;
    for (const { path, method } of operations(document)) {
      if (!path.includes("{")) continue;
      const filled = path.replace(/\{\w+\}/g, name);
      const session = path.startsWith("/embed/") ? [401, 403] : [];
      const body = method === "GET" || method === "DELETE" ? undefined : "{}";
      const answer = await sluice.call(method, filled, body);
      asked += 1;
      // A path that long need not come as far as a route.
      const early = name.length > 1000 && [414, 431].includes(answer.status);
      if (!early && !refused(answer, [400, 404, 422, ...session])) {
        through.push(`${method} ${path}: ${answer.status} ${answer.text.slice(0, 80)}`);
      }
    }
    const detail = through.length ? through.join("; ") : `${asked} routes`;
    attack("route_name", variant, "a problem, from every route", { status: 0, detail }, through.length === 0);
  }
}

async function queries({ sluice, attack }, document) {
  for (const [variant, value] of Object.entries(VALUES)) {
    const through = [];
    let asked = 0;
    for (const { path, method, one } of operations(document)) {
      if (method !== "GET" || path.includes("{") || path.startsWith("/embed/") || streams(one)) continue;
      for (const { name } of (one.parameters ?? []).filter((parameter) => parameter.in === "query")) {
        const begun = performance.now();
        const answer = await sluice.call("GET", `${path}?${name}=${encodeURIComponent(value)}`);
        asked += 1;
        const slow = performance.now() - begun > 15_000;
        if (slow || !refused(answer, [400, 404])) {
          through.push(`${path}?${name}: ${answer.status} ${answer.text.slice(0, 80)}`);
        }
      }
      const unknown = await sluice.call("GET", `${path}?order_by=${encodeURIComponent(value)}`);
      if (one.parameters?.some((parameter) => parameter.in === "query") && !refused(unknown, [400])) {
        through.push(`${path}?order_by: ${unknown.status}`);
      }
    }
    const detail = through.length ? through.join("; ") : `${asked} parameters`;
    attack("route_query", variant, "a problem, for every parameter", { status: 0, detail }, through.length === 0);
  }
  // A cursor is no secret: it names where a page begins. What is no such place is refused.
  for (const text of ["null", "[[[[]]]]", '{"a":1}', "[".repeat(3000), '"\\ud800"', "-1", '"x"]']) {
    const cursor = Buffer.from(text).toString("base64url");
    const answer = await sluice.call("GET", `/api/v1/executions?cursor=${cursor}`);
    attack("cursor", text.slice(0, 20), "400", outcome(answer), refused(answer, [400]));
  }
}

async function bodies({ sluice, attack }, document) {
  const many = (count, one) => Array.from({ length: count }, one).join();
  const list = {
    null: "null",
    list: "[]",
    text: '"x"',
    number: "-0",
    "no end": '{"a":',
    "two values": "{}{}",
    "name twice": '{"name":"a","name":"b"}',
    prototype: '{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}}}',
    "lone surrogate": '{"name":"\\ud800"}',
    "byte order mark": "\u{feff}{}",
    exponent: '{"name":1e999}',
    "forty digits": `{"name":${"9".repeat(40)}}`,
    "a hundred thousand keys": `{${many(100_000, (_, n) => `"k${n}":0`)}}`,
    "a list of half a million": `{"name":[${many(510_000, () => "0")}]}`,
    deep: `{"name":${"[".repeat(70)}${"]".repeat(70)}}`,
    "UTF-16": Buffer.from('{"name":"x"}', "utf16le"),
  };
  for (const [variant, body] of Object.entries(list)) {
    const through = [];
    let asked = 0;
    for (const { path, method, one } of operations(document)) {
      if (!one.requestBody || path.startsWith("/embed/")) continue;
      const filled = path.replace(/\{\w+\}/g, "nobody");
      const headers = { authorization: `Bearer ${sluice.token}`, "content-type": "application/json" };
      const answer = await send(sluice.url, { method, path: filled, headers, body });
      asked += 1;
      // An object of unknown names passes where all are optional and it is empty, which none here is.
      if (!refused(answer, [400, 404, 409, 413, 422])) {
        through.push(`${method} ${path}: ${answer.status} ${answer.text.slice(0, 80)}`);
      }
    }
    const detail = through.length ? through.join("; ") : `${asked} routes`;
    attack("route_body", variant, "a problem, from every route", { status: 0, detail }, through.length === 0);
  }
}

/** Fields that are not the caller's to say. */
async function ours({ sluice, attack }) {
  const places = {
    "/api/v1/tokens": { name: "x", permissions: ["read"] },
    "/api/v1/sessions": { instances: ["plain"] },
    "/api/v1/instances/plain/invoke/plain": { input: {} },
    "/api/v1/apply": { files: [] },
    "/api/v1/validate": { files: [] },
    "/api/v1/connectors": { image: "sluice/none:1" },
    "/api/v1/mappings/evaluate": { jsonata: "1", input: {} },
  };
  for (const [path, body] of Object.entries(places)) {
    for (const [name, value] of Object.entries(OURS)) {
      const answer = await sluice.call("POST", path, { ...body, [name]: value });
      attack("mass_assignment", `${path} ${name}`, "422", outcome(answer), refused(answer, [422]));
    }
  }
  // A tenant is said by a header, which a tenant's token cannot say of another.
  const made = await sluice.call(
    "POST",
    "/api/v1/tokens",
    { name: `tenant-${Date.now()}`, permissions: ["admin"] },
    { "sluice-tenant": "acme" },
  );
  const authorization = `Bearer ${made.json?.token}`;
  for (const [variant, headers] of Object.entries({
    another: { "sluice-tenant": "other" },
    twice: { "sluice-tenant": ["acme", "other"] },
    "by another case": { "SLUICE-TENANT": "other" },
    "no name": { "sluice-tenant": "../default" },
  })) {
    const answer = await sluice.call("GET", "/api/v1/flows", undefined, { authorization, ...headers });
    attack("tenant_header", variant, "400 or 403", outcome(answer), refused(answer, [400, 403]));
  }
}

/** Idempotency keys. */
async function kept({ sluice, attack }) {
  const key = `key-${Date.now()}`;
  const post = (body, headers) => sluice.call("POST", "/api/v1/apply", body, headers);
  const first = await post({ files: [] }, { "idempotency-key": key });
  const again = await post({ files: [] }, { "idempotency-key": key });
  const same = first.status === 200 && again.headers["idempotent-replay"] === "true" && again.text === first.text;
  attack("idempotency", "again", "the first answer", outcome(again), same);
  const other = await post({ files: [], dry_run: true }, { "idempotency-key": key });
  attack("idempotency", "another body", "422", outcome(other), refused(other, [422]) && other.json.code === "A0018");
  for (const [variant, value] of Object.entries({
    empty: "",
    long: "x".repeat(256),
    blank: "a b",
    twice: ["a", "b"],
  })) {
    const answer = await post({ files: [] }, { "idempotency-key": value });
    attack("idempotency", variant, "400", outcome(answer), refused(answer, [400]));
  }
  const tenant = await post({ files: [], dry_run: true }, { "idempotency-key": key, "sluice-tenant": "acme" });
  const apart = tenant.status === 200 && !("idempotent-replay" in tenant.headers);
  attack("idempotency", "of another tenant", "nobody else's answer", outcome(tenant), apart);
  const crowd = await Promise.all(
    Array.from({ length: 12 }, () => post({ files: [] }, { "idempotency-key": `${key}-crowd` })),
  );
  const done = crowd.filter((one) => one.status === 200 && !("idempotent-replay" in one.headers)).length;
  const all = crowd.every((one) => [200, 409].includes(one.status));
  const statuses = crowd.map((one) => one.status).join(" ");
  attack("idempotency", "twelve at once", "done once", { status: 0, detail: statuses }, done === 1 && all);
}

/** A token that was revoked is dead at once, also for what was begun with it. */
async function revoked({ sluice, attack }) {
  const made = await sluice.call("POST", "/api/v1/tokens", { name: `gone-${Date.now()}`, permissions: ["read"] });
  const headers = { authorization: `Bearer ${made.json.token}` };
  const open = ["/api/v1/events/stream", "/api/v1/tail"].map((path) => ({
    path,
    live: stream(sluice.url, { path, headers }),
  }));
  const statuses = await Promise.all(open.map(({ live }) => live.status));
  const before = await send(sluice.url, { path: "/api/v1/flows", headers });
  const removed = await sluice.call("DELETE", `/api/v1/tokens/${made.json.id}`);
  const after = await send(sluice.url, { path: "/api/v1/flows", headers });
  const dead = before.status === 200 && removed.status === 204 && after.status === 401;
  attack("revoked", "a request", "401 at once", outcome(after), dead);
  for (const [n, { path, live }] of open.entries()) {
    const ended = await Promise.race([live.ended.then(() => true), sleep(20_000, false)]);
    live.close();
    const detail = `${statuses[n]}, ${ended ? "ended" : "went on for 20 s"}`;
    attack("revoked", path, "the stream ends", { status: 0, detail }, statuses[n] === 200 && ended);
  }
}

/** Nothing is there that nobody speaks of. */
async function nothingElse({ sluice, attack }) {
  for (const path of [
    "/metrics",
    "/debug",
    "/debug/pprof/heap",
    "/actuator/env",
    "/.env",
    "/config",
    "/server-status",
    "/swagger-ui",
    "/console",
    "/api/v1/config",
    "/api/v1/environment",
    "/gateway/v1/session",
    "/setup",
    "/api/v1/setup",
    "/.git/config",
  ]) {
    const outside = await send(sluice.url, { path });
    attack("hidden", path, "401", outcome(outside), refused(outside, [401]));
    const inside = await sluice.call("GET", path);
    attack("hidden", `${path}, with a token`, "404", outcome(inside), refused(inside, [404]));
  }
  for (const path of ["/healthz", "/readyz"]) {
    const answer = await send(sluice.url, { path });
    const shy = !/amqp|sqlite|\/var|\/tmp|docker|rabbit|sluice-/i.test(answer.text);
    attack("hidden", `${path}, without a token`, "nothing of what is behind", outcome(answer), shy);
  }
}
