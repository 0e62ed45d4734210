// The operator's API: callers without a token, with too small a one, from another site's page, and with too much.
import { send, sendBytes } from "../lib/http.mjs";
import { outcome } from "../lib/sluice.mjs";

const MIB = 1024 * 1024;

export async function api(world) {
  await tokens(world);
  await pathsOf(world);
  await sites(world);
  await bodies(world);
}

async function tokens(world) {
  const { sluice, attack } = world;
  const { token } = sluice;
  const last = token.endsWith("A") ? "B" : "A";
  const headers = {
    none: {},
    empty: { authorization: "" },
    "no token": { authorization: "Bearer " },
    basic: { authorization: `Basic ${Buffer.from(`x:${token}`).toString("base64")}` },
    "another letter": { authorization: `Bearer ${token.slice(0, -1)}${last}` },
    cut: { authorization: `Bearer ${token.slice(0, -1)}` },
    longer: { authorization: `Bearer ${token}A` },
    "upper case": { authorization: `Bearer ${token.toUpperCase()}` },
    twice: { authorization: [`Bearer ${token}`, "Bearer x"] },
    "in a cookie": { cookie: `token=${token}; authorization=Bearer ${token}` },
    "in another header": { "x-api-key": token },
    large: { authorization: `Bearer ${"a".repeat(12_000)}` },
    sql: { authorization: "Bearer x'--" },
  };
  for (const [variant, given] of Object.entries(headers)) {
    for (const path of ["/api/v1/flows", "/api/v1/tokens"]) {
      const answer = outcome(await send(sluice.url, { path, headers: given }));
      attack("token", `${variant}, ${path}`, "401", answer, answer.status === 401);
    }
  }
  const asked = outcome(await send(sluice.url, { path: `/api/v1/flows?token=${token}&access_token=${token}` }));
  attack("token", "in the query", "401", { ...asked, whole: "" }, asked.status === 401);
  const made = await sluice.call("POST", "/api/v1/tokens", { name: `attacks-${Date.now()}`, permissions: ["read"] });
  const reader = made.json?.token ?? made.json?.secret;
  if (!reader) return world.skip("permission", `no token was made: ${made.status} ${made.text.slice(0, 100)}`);
  const as = async (method, path, body) =>
    outcome(await sluice.call(method, path, body, { authorization: `Bearer ${reader}` }));
  for (const [method, path, body] of [
    ["POST", "/api/v1/apply", { files: [] }],
    ["POST", "/api/v1/connectors", { image: "x" }],
    ["GET", "/api/v1/tokens"],
    ["POST", "/api/v1/tokens", { name: "x", permissions: ["admin"] }],
    ["POST", "/api/v1/instances/plain/invoke/plain", {}],
    ["POST", "/api/v1/sessions", { instances: ["plain"] }],
    ["DELETE", "/api/v1/instances/plain"],
    ["GET", "/api/v1/flows/x/hooks"],
    ["POST", "/api/v1/instances/plain/authorize"],
    ["POST", "/api/v1/instances/plain/revoke"],
  ]) {
    const answer = await as(method, path, body);
    attack("permission", `read: ${method} ${path}`, "403", answer, answer.status === 403);
  }
}

async function pathsOf(world) {
  const { sluice, attack } = world;
  const open = [
    "/healthz/../api/v1/flows",
    "/healthz/%2e%2e/api/v1/flows",
    "/hooks/../api/v1/flows",
    "/oauth/callback/../../api/v1/flows",
    "/embed/v1/../../api/v1/flows",
    "//api/v1/flows",
    "/api//v1/flows",
    "/API/v1/flows",
    "/api/v1/flows/",
    "/api/v1/flows;x=/healthz",
    "/api/v1/flows%2f",
    "/api/v1/flows%00",
    "/api/v1/flows?x=/healthz",
    "/openapi.json/../api/v1/tokens",
  ];
  for (const path of open) {
    const answer = outcome(await send(sluice.url, { path }));
    attack("path", path, "401 or 404", answer, [400, 401, 404].includes(answer.status));
  }
  for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
    const answer = outcome(await send(sluice.url, { method, path: "/healthz" }));
    attack("method", `${method} /healthz`, "401 or 405", answer, [401, 405].includes(answer.status));
  }
  const overrides = {
    "x-http-method-override": "GET",
    "x-original-url": "/healthz",
    "x-rewrite-url": "/healthz",
    "x-forwarded-for": "127.0.0.1",
  };
  const answer = outcome(await send(sluice.url, { path: "/api/v1/flows", headers: overrides }));
  attack("path", "headers that rewrite", "401", answer, answer.status === 401);
  for (const name of [
    "..%2f..%2fetc%2fpasswd",
    "%00",
    "a%0d%0aset-cookie:%20a=1",
    "%ff",
    "x".repeat(3000),
    "%3Cscript%3E",
  ]) {
    const named = await sluice.call("GET", `/api/v1/instances/${name}`);
    attack(
      "name",
      name.slice(0, 30),
      "400 or 404",
      outcome(named),
      [400, 404, 414].includes(named.status) &&
        !named.headers["set-cookie"] &&
        /json/.test(named.headers["content-type"] ?? "json"),
    );
  }
}

/** What the page of another site can make a browser send. */
async function sites(world) {
  const { sluice, attack } = world;
  const body = JSON.stringify({ files: [] });
  for (const kind of [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "text/plain; application/json",
    "text/json",
    "",
  ]) {
    const answer = outcome(
      await sluice.call("POST", "/api/v1/apply", body, { "content-type": kind, origin: "https://evil.test" }),
    );
    attack("content_type", kind || "none", "415, even with a token", answer, answer.status === 415);
  }
  for (const origin of ["https://evil.test", "null"]) {
    const asked = {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization",
    };
    const answer = await send(sluice.url, { method: "OPTIONS", path: "/api/v1/apply", headers: asked });
    attack("cors", origin, "no leave given", outcome(answer), !answer.headers["access-control-allow-origin"]);
    const plain = await sluice.call("GET", "/api/v1/flows", undefined, { origin });
    attack(
      "cors",
      `${origin}, read`,
      "no leave given",
      { ...outcome(plain), detail: "" },
      !plain.headers["access-control-allow-origin"],
    );
  }
}

async function bodies(world) {
  const { sluice, attack } = world;
  const file = (text) => JSON.stringify({ files: [{ name: "x.yaml", text }] });
  const laughs = Array.from(
    { length: 12 },
    (_, n) =>
      `a${n}: &a${n} [${Array(10)
        .fill(n ? `*a${n - 1}` : "x")
        .join(",")}]`,
  ).join("\n");
  const cases = {
    "too large": [[413, 0], file("x".repeat(12 * MIB))],
    "deep JSON": [[400], "[".repeat(200_000)],
    "deep JSON in place": [[400, 422], `{"files":${"[".repeat(500)}${"]".repeat(500)}}`],
    "duplicate fields": [[400, 422], '{"files":[],"files":[]}'],
    "unknown field": [[422], '{"files":[],"tenant":"x"}'],
    "no JSON": [[400], "{"],
    "yaml aliases": [[413, 422], file(`sluice: 1\nkind: template\n${laughs}`)],
    "deep yaml": [[413, 422], file("[".repeat(100_000))],
    "deep yaml blocks": [[413, 422], file(Array.from({ length: 2000 }, (_, n) => `${" ".repeat(n)}a:`).join("\n"))],
    "yaml tags": [[422], file("sluice: 1\nkind: !!python/object/apply:os.system [id]\n")],
    "many documents": [[413, 422], file("---\na: 1\n".repeat(200_000))],
    "invalid unicode": [[400], Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
  };
  for (const [variant, [statuses, body]] of Object.entries(cases)) {
    const begun = performance.now();
    const headers = { "content-type": "application/json", authorization: `Bearer ${sluice.token}` };
    const answer = outcome(await send(sluice.url, { method: "POST", path: "/api/v1/apply", headers, body }));
    const millis = Math.round(performance.now() - begun);
    attack(
      "body",
      variant,
      statuses.join(" or "),
      { ...answer, millis },
      statuses.includes(answer.status) && millis < 20_000,
    );
  }
  const packed = outcome(await sluice.call("POST", "/api/v1/apply", "x", { "content-encoding": "gzip" }));
  attack("body", "gzip", "415", packed, packed.status === 415);
  const head = "GET /api/v1/flows HTTP/1.1\r\nhost: x\r\n";
  for (const [variant, bytes] of Object.entries({
    "many headers": `${head}${"x-a: 1\r\n".repeat(500)}\r\n`,
    "long header": `${head}x-a: ${"a".repeat(200_000)}\r\n\r\n`,
    "long path": `GET /${"a".repeat(200_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
    "two lengths": `POST /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 9\r\n\r\n`,
    "no HTTP": "\0\0\0\0\r\n\r\n",
    "HTTP/2 preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "whole URL": `GET http://evil.test/api/v1/flows HTTP/1.1\r\nhost: x\r\n\r\n`,
    connect: "CONNECT 127.0.0.1:5672 HTTP/1.1\r\nhost: x\r\n\r\n",
  })) {
    const answer = outcome(await sendBytes(sluice.url, bytes));
    attack("raw", variant, "refused", answer, answer.status === 0 || answer.status >= 400);
  }
}
