// Sessions of pages: of another origin, for other instances and deeds, forged, over.
import { send } from "../lib/http.mjs";
import { outcome } from "../lib/sluice.mjs";

const MIB = 1024 * 1024;
const ORIGIN = "https://app.example.com";

export async function embed(world) {
  const { sluice, attack } = world;
  const ask = async (more = {}) =>
    sluice.call("POST", "/api/v1/sessions", {
      instances: ["plain"],
      origin: ORIGIN,
      expires_in: "1m",
      allow: ["status", "invoke"],
      ...more,
    });
  const token = (await ask()).json.token;
  world.report.secret(token);
  const invoke = (headers, body = "{}", path = "/embed/v1/instances/plain/invoke/plain") =>
    send(sluice.url, {
      method: "POST",
      path,
      headers: { "content-type": "application/json", authorization: `Bearer ${token}`, origin: ORIGIN, ...headers },
      body,
    });
  const right = await invoke({});
  attack("session", "the right one", "200", outcome(right), right.status === 200);
  const list = {
    "no token": [401, { authorization: "" }],
    "operator's token": [401, { authorization: `Bearer ${sluice.token}` }],
    "another letter": [401, { authorization: `Bearer ${token.slice(0, -2)}${token.endsWith("AA") ? "BB" : "AA"}` }],
    cut: [401, { authorization: `Bearer ${token.slice(0, -8)}` }],
    "another origin": [403, { origin: "https://evil.test" }],
    "origin null": [403, { origin: "null" }],
    "origin with a suffix": [403, { origin: `${ORIGIN}.evil.test` }],
    "origin in http": [403, { origin: ORIGIN.replace("https", "http") }],
    "origin with a port": [403, { origin: `${ORIGIN}:8443` }],
    "origin in upper case": [403, { origin: ORIGIN.toUpperCase() }],
    "text/plain": [415, { "content-type": "text/plain" }],
    form: [415, { "content-type": "application/x-www-form-urlencoded" }],
    gzip: [415, { "content-encoding": "gzip" }],
  };
  for (const [variant, [status, headers]] of Object.entries(list)) {
    const answer = outcome(await invoke(headers));
    attack("session", variant, `${status}`, answer, answer.status === status);
  }
  const paths = {
    "another instance": [403, "/embed/v1/instances/roam/invoke/get"],
    "one that is not there": [403, "/embed/v1/instances/nobody/invoke/get"],
    "not allowed: authorize": [403, "/embed/v1/instances/plain/authorize"],
    "not allowed: revoke": [403, "/embed/v1/instances/plain/revoke"],
    "encoded name": [403, "/embed/v1/instances/plain%2f..%2froam/invoke/get"],
    dots: [400, "/embed/v1/instances/plain/../roam/invoke/get"],
    "to the API": [401, "/embed/v1/../../api/v1/apply"],
    "the API itself": [401, "/api/v1/instances/plain/invoke/plain"],
    sessions: [401, "/api/v1/sessions"],
  };
  for (const [variant, [, path]] of Object.entries(paths)) {
    const answer = outcome(await invoke({}, "{}", path));
    attack("scope", variant, "refused", answer, [400, 401, 403, 404].includes(answer.status));
  }
  const form = (parts) =>
    `${parts.map(([name, text]) => `--b\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${text}\r\n`).join("")}--b--`;
  const multipart = { "content-type": "multipart/form-data; boundary=b" };
  const bodies = {
    "too large": [413, {}, JSON.stringify({ input: "x".repeat(3 * MIB) })],
    "deep JSON": [400, {}, "[".repeat(100_000)],
    raw: [422, {}, '{"input":{},"raw":true}'],
    "raw in a form": [422, multipart, form([["request", '{"raw":true}']])],
    "field twice, a list": [
      200,
      multipart,
      form([
        ["a", "1"],
        ["a", "2"],
      ]),
    ],
    "request twice": [
      400,
      multipart,
      form([
        ["request", "{}"],
        ["request", "{}"],
      ]),
    ],
    "many parts": [400, multipart, form(Array.from({ length: 500 }, (_, n) => [`a${n}`, "1"]))],
    "no boundary": [400, { "content-type": "multipart/form-data" }, "x"],
    prototype: [200, multipart, form([["__proto__", "1"]])],
  };
  for (const [variant, [status, headers, body]] of Object.entries(bodies)) {
    const answer = outcome(await invoke(headers, body));
    attack(
      "body",
      variant,
      `${status}`,
      answer,
      answer.status === status ||
        ([400, 422].includes(status) && [400, 422].includes(answer.status)) ||
        (status === 413 && answer.status === 0),
    );
  }
  for (const [variant, more] of Object.entries({
    "a day": { expires_in: "1d" },
    "no instance": { instances: [] },
    "origin with a path": { origin: `${ORIGIN}/x` },
    "origin star": { origin: "*" },
    "unknown deed": { allow: ["admin"] },
  })) {
    const answer = outcome(await ask(more));
    attack("made", variant, "refused", answer, [400, 422].includes(answer.status));
  }
  const asked = await send(sluice.url, {
    method: "OPTIONS",
    path: "/embed/v1/instances/plain",
    headers: { origin: "https://evil.test", "access-control-request-method": "GET" },
  });
  attack(
    "cors",
    "with cookies",
    "never with credentials",
    outcome(asked),
    asked.headers["access-control-allow-credentials"] === undefined,
  );
}
