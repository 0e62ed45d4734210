// Webhooks once more: what a sender says that is not its to say, and what a flow answers that is not its to answer.
import { createHmac } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { send, sendBytes } from "../lib/http.mjs";
import { outcome } from "../lib/sluice.mjs";

const SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const JSON_TYPE = { "content-type": "application/json" };

export async function senders(world) {
  world.report.secret(SECRET);
  const urls = await install(world);
  await signatures(world, urls);
  await controls(world, urls);
  await contents(world, urls);
  await answers(world, urls);
  await heads(world, urls);
  await states(world, urls);
}

async function install({ sluice }) {
  const hook = (title, more) => ({ title, kind: "webhook", ...more });
  const triggers = {
    standard: hook("Standard", { signature: { preset: "standard" } }),
    said: hook("Said", { signature: { preset: "none" }, headers: ["x-kept"] }),
    asked: hook("Asked", { signature: { preset: "none" } }),
  };
  const instances = { post: { connector: "post" } };
  const template = (name, steps) => ({ kind: "template", name, version: sluice.version, instances, steps });
  const flow = (name, of = name) => ({ kind: "flow", name, template: of, instances: { post: "post" } });
  const reply = (input) => ({ id: "reply", use: "sluice/respond", timeout: "5s", input });
  await sluice.apply(
    [
      { kind: "connector", name: "post", triggers },
      { kind: "instance", name: "post", connector: "post", secrets: { signing_secret: { env: "S" } } },
      template("post-standard", [{ id: "standard", use: "post/standard" }]),
      // Shows all that expressions see of a request.
      template("post-said", [
        { id: "said", use: "post/said" },
        reply({ body: { body: "$.body", headers: "$.headers", execution: "= execution", flow: "= flow.name" } }),
      ]),
      template("post-asked", [
        { id: "asked", use: "post/asked" },
        reply({ status: "$.body.status", headers: "$.body.headers", body: "$.body.body" }),
      ]),
      flow("post-standard"),
      flow("post-said"),
      flow("post-asked"),
      flow("post-gone", "post-said"),
    ],
    { post: { signing_secret: SECRET } },
  );
  const urls = {};
  for (const name of ["post-standard", "post-said", "post-asked", "post-gone"]) {
    for (let tries = 0; tries < 40; tries += 1) {
      const { json } = await sluice.call("GET", `/api/v1/flows/${name}`);
      if (json?.status === "running") break;
      await sleep(250);
    }
    urls[name] = (await sluice.call("GET", `/api/v1/flows/${name}/hooks`)).json[0].urls[0].path;
  }
  return urls;
}

const post = (world, path, headers, body) => send(world.sluice.url, { method: "POST", path, headers, body });

async function signatures(world, urls) {
  const { attack } = world;
  const path = urls["post-standard"];
  const time = `${Math.floor(Date.now() / 1000)}`;
  const key = Buffer.from(SECRET.replace("whsec_", ""), "base64");
  const sign = (id, at, body) => createHmac("sha256", key).update(`${id}.${at}.${body}`).digest("base64");
  const body = '{"n":1}';
  const head = (id, at, signature) => ({
    ...JSON_TYPE,
    "webhook-id": id,
    "webhook-timestamp": at,
    "webhook-signature": signature,
  });
  const id = `once-${Date.now()}`;
  const right = `v1,${sign(id, time, body)}`;
  const wrong = `v1,${sign(id, time, "other")}`;
  const { "webhook-timestamp": _, ...untimed } = head(id, time, right);
  const cases = {
    "a version and nothing": head(id, time, "v1,"),
    "a version that is not known": head(id, time, right.replace("v1,", "v2,")),
    "two hundred signatures, the right one last": head(id, time, `${Array(200).fill(wrong).join(" ")} ${right}`),
    "no time": untimed,
    "a time with a sign": head(id, `+${time}`, `v1,${sign(id, `+${time}`, body)}`),
    "a time with a fraction": head(id, `${time}.0`, `v1,${sign(id, `${time}.0`, body)}`),
    "a time in hexadecimal": head(id, `0x${Number(time).toString(16)}`, right),
    "a time of nothing": head(id, "", `v1,${sign(id, "", body)}`),
    "an id with the divider": head(`${id}.x`, time, `v1,${sign(`${id}.x`, time, body)}`),
    "an id of nothing": head("", time, `v1,${sign("", time, body)}`),
    "an id of a kilobyte": head("x".repeat(1000), time, `v1,${sign("x".repeat(1000), time, body)}`),
    "an id twice": { ...head(id, time, right), "webhook-id": [id, "other"] },
    "a signature twice": { ...head(id, time, right), "webhook-signature": [wrong, right] },
  };
  for (const [variant, headers] of Object.entries(cases)) {
    const answer = outcome(await post(world, path, headers, body));
    attack("sign", variant, "401", answer, answer.status === 401);
  }
  // What was signed as one text must not be read as another: the divisions put elsewhere.
  const inner = `${time}.{"n":2}`;
  const whole = `v1,${sign("msg", time, inner)}`;
  const moved = outcome(await post(world, path, head(`msg.${time}`, time, whole), '{"n":2}'));
  attack("sign", "divisions put elsewhere", "401", moved, moved.status === 401);
  for (const [variant, changed] of Object.entries({
    "one blank more": '{"n": 1}',
    "written anew": '{"n":1.0}',
    "a line break at its end": '{"n":1}\n',
  })) {
    const answer = outcome(await post(world, path, head(id, time, right), changed));
    attack("sign", variant, "401", answer, answer.status === 401);
  }
  const good = outcome(await post(world, path, head(id, time, right), body));
  attack("sign", "the right one", "202", good, good.status === 202);
}

/** Headers and parameters by which other systems are steered are data here. */
async function controls(world, urls) {
  const path = urls["post-said"];
  const execution = "exec_00000000000000000000000000";
  const names = [
    "x-death",
    "cc",
    "bcc",
    "CAmelExecCommand",
    "x-flow-id",
    "x-sluice-flow",
    "sluice-tenant",
    "x-delay",
    "x-match",
    "reply-to",
    "execution",
    "step",
    "attempt",
    "x-forwarded-for",
    "x-original-url",
    "idempotency-key",
  ];
  for (const name of names) {
    const headers = { ...JSON_TYPE, [name]: execution, "x-kept": "kept" };
    const answer = await post(world, `${path}?${name}=${execution}&flow=other`, headers, `{"${name}":"${execution}"}`);
    const seen = answer.json ?? {};
    const only =
      Object.keys(seen.headers ?? {})
        .sort()
        .join() === "method,query,x-kept";
    const own = seen.flow === "post-said" && seen.execution !== execution && seen.body?.[name] === execution;
    world.attack("control", name, "data of the message, and nothing else", outcome(answer), only && own);
  }
  for (const trace of ["00-x", `00-${"0".repeat(32)}-${"0".repeat(16)}-01`, "x".repeat(4000)]) {
    const answer = await post(world, path, { ...JSON_TYPE, traceparent: trace }, "{}");
    world.attack("control", `traceparent ${trace.slice(0, 10)}`, "200", outcome(answer), answer.status === 200);
  }
}

/** A body is what its type says; nothing in it names a file of the server. */
async function contents(world, urls) {
  const { attack } = world;
  const path = urls["post-said"];
  const file = { filepath: "/etc/passwd", path: "/etc/passwd", originalFilename: "x", file: "/etc/passwd" };
  const part = '--b\r\ncontent-disposition: form-data; name="f"; filename="/etc/passwd"\r\n\r\nmine\r\n--b--\r\n';
  const cases = {
    "files in JSON": [
      JSON_TYPE,
      JSON.stringify({ files: { f: file }, binary: { data: file } }),
      (one) => one.status === 200,
    ],
    "a form as JSON": [JSON_TYPE, part, (one) => one.status === 400],
    "JSON as a form": [{ "content-type": "multipart/form-data; boundary=b" }, '{"a":1}', (one) => one.status === 400],
    "a form with a path for a name": [
      { "content-type": "multipart/form-data; boundary=b" },
      part,
      (one) => one.status === 200 && /mine|bWluZQ/.test(one.text),
    ],
    "no type": [{}, '{"files":{"f":"/etc/passwd"}}', (one) => [200, 400, 415].includes(one.status)],
    "two types": [{ "content-type": ["application/json", "text/plain"] }, "{}", (one) => one.status < 500],
    "a type of its own": [{ "content-type": "application/x-java-serialized-object" }, "x", (one) => one.status < 500],
    "XML with an entity": [
      { "content-type": "text/xml" },
      '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
      (one) => one.status === 400,
    ],
  };
  for (const [variant, [headers, body, ok]] of Object.entries(cases)) {
    const answer = await post(world, path, headers, body);
    const read = /root:x|daemon:/.test(answer.text);
    attack("content", variant, "as it is declared, and no file is read", outcome(answer), ok(answer) && !read);
  }
}

/** A flow answers for itself, and not for the origin that it shares with the operator's API. */
async function answers(world, urls) {
  const { attack } = world;
  const path = urls["post-asked"];
  const ask = (said) => post(world, path, JSON_TYPE, JSON.stringify(said));
  const page = "<script>fetch('/api/v1/flows')</script>";
  for (const [variant, headers] of Object.entries({
    "a page": { "content-type": "text/html" },
    "an image with a script": { "content-type": "image/svg+xml" },
    "a page with a policy of its own": {
      "content-type": "text/html",
      "content-security-policy": "default-src * 'unsafe-inline' 'unsafe-eval'",
    },
    "a page that another may frame": { "content-type": "text/html", "x-frame-options": "ALLOWALL" },
  })) {
    const answer = await ask({ status: 200, headers, body: page });
    const policies = answer.headers["content-security-policy"] ?? "";
    const alone =
      /(^|[;,]\s*)sandbox(\s*(;|,|$))/.test(policies) && answer.headers["x-content-type-options"] === "nosniff";
    const detail = `${answer.headers["content-type"]} | ${policies}`;
    attack("answer", variant, "alone, and not sniffed", { ...outcome(answer), detail }, answer.status === 200 && alone);
  }
  for (const [variant, headers] of Object.entries({
    "a cookie": { "set-cookie": "sluice_oauth_x=1; Path=/" },
    "sniffing allowed": { "content-type": "text/plain", "x-content-type-options": "none" },
    "a line break": { "x-a": "1\r\nset-cookie: a=1" },
    "a name with a line break": { "x-a: 1\r\nset-cookie": "a=1" },
    "a length": { "content-length": "1" },
    chunks: { "transfer-encoding": "chunked" },
    upgrade: { connection: "upgrade", upgrade: "h2c" },
    "all data cleared": { "clear-site-data": '"*"' },
    "transport for ever": { "strict-transport-security": "max-age=99999999" },
    "a worker for all": { "service-worker-allowed": "/" },
    "a header of nine kilobytes": { "x-a": "x".repeat(9000) },
    "a hundred headers": Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`x-${n}`, "1"])),
  })) {
    const answer = await ask({ status: 200, headers, body: page });
    const names = Object.keys(answer.headers);
    const planted = names.some((name) => ["set-cookie", "clear-site-data", "strict-transport-security"].includes(name));
    const refused = answer.status === 502 && !planted && answer.headers["x-content-type-options"] === "nosniff";
    attack("answer", variant, "502", outcome(answer), refused);
  }
  for (const status of [0, 100, 101, 199, 600, 1e9, -200, "200", null]) {
    const answer = await ask({ status, headers: {}, body: "x" });
    const refused = answer.status === 502 || (status === null && answer.status === 200);
    attack("answer", `status ${status}`, "502", outcome(answer), refused);
  }
}

/** Heads of requests that are too much. */
async function heads(world, urls) {
  const head = `POST ${urls["post-said"]} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n`;
  for (const [variant, more] of Object.entries({
    "two thousand headers": "x-a: 1\r\n".repeat(2000),
    "a header of a megabyte": `x-a: ${"a".repeat(1024 * 1024)}\r\n`,
    "a name of a megabyte": `${"a".repeat(1024 * 1024)}: 1\r\n`,
  })) {
    const answer = outcome(await sendBytes(world.sluice.url, `${head}${more}\r\n{}`));
    // A server that closes before it has read everything refuses, too.
    world.attack("head", variant, "431", answer, [0, 400, 431].includes(answer.status));
  }
}

/** What stands behind a key is nobody's business: gone, and never there, are the same. */
async function states(world, urls) {
  const { sluice, attack } = world;
  const path = urls["post-gone"];
  const shape = (answer) => answer.text.replace(/"request_id":"\w+"/, "");
  const never = await post(world, `/hooks/${"A".repeat(43)}`, JSON_TYPE, "{}");
  const running = await post(world, path, JSON_TYPE, "{}");
  attack("state", "running", "200", outcome(running), running.status === 200);
  await sluice.call("POST", "/api/v1/flows/post-gone/pause");
  let paused = await post(world, path, JSON_TYPE, "{}");
  for (let tries = 0; tries < 40 && paused.status !== 503; tries += 1) {
    await sleep(250);
    paused = await post(world, path, JSON_TYPE, "{}");
  }
  const quiet = !/post-gone|paused by|flow_[0-9a-z]{20}/.test(paused.text);
  attack("state", "paused", "503, and no name", outcome(paused), paused.status === 503 && quiet);
  await sluice.call("DELETE", "/api/v1/flows/post-gone");
  let gone = await post(world, path, JSON_TYPE, "{}");
  for (let tries = 0; tries < 120 && gone.status !== 404; tries += 1) {
    await sleep(250);
    gone = await post(world, path, JSON_TYPE, "{}");
  }
  const same = gone.status === 404 && shape(gone) === shape(never);
  attack("state", "deleted", "the same as one that never was", outcome(gone), same);
}
