// Webhooks: senders who are not who they say, requests that came before, and bodies that are too much.
import { createHmac } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";

import { send, sendBytes } from "../lib/http.mjs";
import { outcome } from "../lib/sluice.mjs";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const TOKEN = "canary-webhook-token-3341";
const MIB = 1024 * 1024;
const JSON_TYPE = { "content-type": "application/json" };
const TRIGGERS = {
  standard: { signature: { preset: "standard" } },
  github: { signature: { preset: "github" } },
  stripe: { signature: { preset: "stripe" } },
  slack: { signature: { preset: "slack" } },
  shopify: { signature: { preset: "shopify" } },
  token: { signature: { preset: "token", header: "x-token" } },
  open: { signature: { preset: "none" } },
  asked: {
    signature: { preset: "github" },
    challenge: { when: "= $exists(request.query.challenge)", body: "$.request.query.challenge" },
  },
};

export async function webhooks(world) {
  world.report.secret(SECRET, TOKEN);
  const urls = await install(world);
  await signatures(world, urls);
  await replays(world, urls);
  await keys(world, urls);
  await bodies(world, urls);
  await questions(world, urls);
  await race(world, urls);
}

async function install({ sluice }) {
  const triggers = Object.fromEntries(
    Object.entries(TRIGGERS).map(([name, one]) => [name, { title: name, kind: "webhook", ...one }]),
  );
  const steps = Object.keys(TRIGGERS).map((name, n) => ({
    id: name,
    use: `doors/${name}`,
    ...(n > 0 && { after: [] }),
  }));
  const reply = {
    id: "reply",
    use: "sluice/respond",
    after: Object.keys(TRIGGERS),
    timeout: "5s",
    input: { body: { got: true } },
  };
  const instance = (name) => ({
    kind: "instance",
    name,
    connector: "doors",
    secrets: { signing_secret: { env: "S" } },
  });
  await sluice.apply(
    [
      { kind: "connector", name: "doors", triggers },
      {
        kind: "template",
        name: "hear",
        version: sluice.version,
        instances: { doors: { connector: "doors" } },
        steps: [...steps, reply],
      },
      instance("doors"),
      instance("blank"),
      { kind: "flow", name: "doors", template: "hear", instances: { doors: "doors" } },
      { kind: "flow", name: "blank", template: "hear", instances: { doors: "blank" } },
    ],
    { doors: { signing_secret: SECRET }, blank: { signing_secret: " " } },
  );
  const of = async (flow) => {
    const { json } = await sluice.call("GET", `/api/v1/flows/${flow}/hooks`);
    return Object.fromEntries(json.map((hook) => [hook.step, hook.urls[0].path]));
  };
  const urls = { ...(await of("doors")), blank: (await of("blank")).github };
  for (let tries = 0; tries < 40; tries += 1) {
    const { json } = await sluice.call("GET", "/api/v1/flows/doors");
    if (json?.status === "running") break;
    await sleep(250);
  }
  return urls;
}

const now = () => Math.floor(Date.now() / 1000);
const mac = (key, text, encoding, hash = "sha256") => createHmac(hash, key).update(text).digest(encoding);

/** The headers that a provider sends with this body. */
function sign(preset, id, body, { time = now(), secret = SECRET } = {}) {
  switch (preset) {
    case "standard": {
      const key = Buffer.from(secret.replace("whsec_", ""), "base64");
      return {
        "webhook-id": id,
        "webhook-timestamp": `${time}`,
        "webhook-signature": `v1,${mac(key, `${id}.${time}.${body}`, "base64")}`,
      };
    }
    case "stripe":
      return { "stripe-signature": `t=${time},v1=${mac(secret, `${time}.${body}`, "hex")}` };
    case "slack":
      return {
        "x-slack-request-timestamp": `${time}`,
        "x-slack-signature": `v0=${mac(secret, `v0:${time}:${body}`, "hex")}`,
      };
    case "shopify":
      return { "x-shopify-webhook-id": id, "x-shopify-hmac-sha256": mac(secret, body, "base64") };
    default:
      return { "x-github-delivery": id, "x-hub-signature-256": `sha256=${mac(secret, body, "hex")}` };
  }
}

const text = (id) => JSON.stringify({ id, event_id: id, n: 1 });
const post = async (world, path, headers, body, more = {}) =>
  outcome(await send(world.sluice.url, { method: "POST", path, headers: { ...JSON_TYPE, ...headers }, body, ...more }));

async function signatures(world, urls) {
  const { attack } = world;
  for (const preset of ["standard", "github", "stripe", "slack", "shopify"]) {
    const id = `forged-${preset}-${Date.now()}`;
    const body = text(id);
    const good = sign(preset, id, body);
    const edit = (change) =>
      Object.fromEntries(Object.entries(good).map(([name, value]) => [name, change(name, value)]));
    const isSignature = (name) => /signature|hmac/.test(name);
    const ways = {
      missing: [{}, body],
      empty: [edit((name, value) => (isSignature(name) ? "" : value)), body],
      "another secret": [sign(preset, id, body, { secret: "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }), body],
      "empty secret": [sign(preset, id, body, { secret: "" }), body],
      "another body": [good, body.replace("{", "{ ")],
      "no body": [good, ""],
      "cut off": [edit((name, value) => (isSignature(name) ? value.slice(0, -2) : value)), body],
      sha1: [
        { ...good, "x-hub-signature": `sha1=${mac(SECRET, body, "hex", "sha1")}`, "x-hub-signature-256": undefined },
        body,
      ],
      zeros: [edit((name, value) => (isSignature(name) ? value.replace(/[0-9a-f]/g, "0") : value)), body],
    };
    if (preset !== "github") delete ways.sha1;
    if (["standard", "stripe", "slack"].includes(preset)) {
      ways["too old"] = [sign(preset, id, body, { time: now() - 400 }), body];
      ways["too new"] = [sign(preset, id, body, { time: now() + 400 }), body];
      ways["time below zero"] = [sign(preset, id, body, { time: -1 }), body];
      ways["time beyond bounds"] = [sign(preset, id, body, { time: "99999999999999999999" }), body];
      ways["another time"] = [
        edit((name, value) => (/timestamp/.test(name) ? `${now() - 5}` : value.replace(/t=\d+/, `t=${now() - 5}`))),
        body,
      ];
    }
    for (const [variant, [headers, sent]] of Object.entries(ways)) {
      const present = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));
      const answer = await post(world, urls[preset], present, sent);
      attack(`signature_${preset}`, variant, "401", answer, answer.status === 401);
    }
    const right = await post(world, urls[preset], good, body);
    attack(`signature_${preset}`, "the right one", "200", right, right.status === 200);
  }
  const id = `blank-${Date.now()}`;
  for (const secret of [" ", "", SECRET]) {
    const answer = await post(world, urls.blank, sign("github", id, text(id), { secret }), text(id));
    attack(
      "signature_blank",
      JSON.stringify(secret === SECRET ? "of another instance" : secret),
      "401",
      answer,
      answer.status === 401,
    );
  }
  for (const [variant, headers] of Object.entries({
    missing: {},
    empty: { "x-token": "" },
    wrong: { "x-token": `${SECRET}x` },
    cut: { "x-token": SECRET.slice(0, -1) },
  })) {
    const answer = await post(world, urls.token, headers, text(id));
    attack("signature_token", variant, "401", answer, answer.status === 401);
  }
}

/** What was taken once is acknowledged, and nothing more happens: the answer of the flow does not come. */
async function replays(world, urls) {
  const { attack } = world;
  for (const preset of ["standard", "github", "stripe", "slack", "shopify"]) {
    const id = `replay-${preset}-${Date.now()}`;
    const headers = sign(preset, id, text(id));
    const first = await post(world, urls[preset], headers, text(id));
    const again = [
      await post(world, urls[preset], headers, text(id)),
      await post(world, urls[preset], headers, text(id)),
    ];
    const taken = again.filter((one) => one.whole.includes("got"));
    const ok =
      first.whole.includes("got") && taken.length === 0 && again.every((one) => [200, 503].includes(one.status));
    attack("replay", preset, "200, and nothing more", again[0], ok);
    const elsewhere = await post(world, urls.blank, headers, text(id));
    attack("replay", `${preset} at another flow`, "401", elsewhere, elsewhere.status === 401);
  }
}

async function keys(world, urls) {
  const { attack } = world;
  const key = urls.open.split("/").pop();
  const guesses = {
    none: "/hooks/",
    short: "/hooks/a",
    "another letter": `/hooks/${key.slice(0, -1)}${key.endsWith("A") ? "B" : "A"}`,
    "upper case": `/hooks/${key.toUpperCase()}`,
    longer: `/hooks/${key}A`,
    "a slash more": `/hooks/${key}/`,
    "two slashes": `//hooks/${key}`,
    dots: `/hooks/x/../${key}`,
    "encoded dots": `/hooks/%2e%2e/hooks/${key}`,
    "encoded slash": `/hooks%2f${key}`,
    nul: `/hooks/${key}%00`,
    semicolon: `/hooks/${key};x=1`,
    "very long": `/hooks/${"A".repeat(8000)}`,
    "not UTF-8": "/hooks/%ff%fe",
    sql: "/hooks/'%20OR%201=1--",
    star: "/hooks/%25",
    "up to the API": `/hooks/../api/v1/flows`,
    "up to the API, encoded": `/hooks/%2e%2e%2fapi%2fv1%2fflows`,
  };
  for (const [variant, path] of Object.entries(guesses)) {
    const answer = await post(world, path, {}, "{}");
    const bodies = !answer.whole.includes(key);
    attack(
      "key",
      variant,
      "404 or 401, the key not repeated",
      answer,
      [400, 401, 404].includes(answer.status) && bodies,
    );
  }
  const random = await Promise.all(
    Array.from({ length: 200 }, (_, n) =>
      post(world, `/hooks/${createHmac("sha256", "guess").update(`${n}`).digest("base64url")}`, {}, "{}"),
    ),
  );
  attack(
    "key",
    "200 guesses",
    "404, or 503 where too many come at once",
    random[0],
    random.every((one) => [404, 503].includes(one.status)),
  );
  for (const method of ["DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"]) {
    const answer = outcome(await send(world.sluice.url, { method, path: urls.open }));
    attack("method", method, "405", answer, [401, 404, 405].includes(answer.status));
  }
  const hosts = await post(
    world,
    urls.github,
    { host: "evil.test", "x-forwarded-host": "evil.test", "x-forwarded-proto": "javascript" },
    "{}",
  );
  attack(
    "host",
    "forged",
    "401, the host not repeated",
    hosts,
    hosts.status === 401 && !hosts.whole.includes("evil.test"),
  );
  const shown = await world.sluice.call("GET", "/api/v1/flows/doors/hooks", undefined, {
    host: "evil.test",
    "x-forwarded-host": "evil.test",
  });
  attack(
    "host",
    "forged, at the list of URLs",
    "the host not repeated",
    { ...outcome(shown), detail: "", whole: "" },
    shown.status === 200 && !shown.text.includes("evil.test"),
  );
}

async function bodies(world, urls) {
  const { attack, sluice } = world;
  const open = (headers, body) => post(world, urls.open, headers, body);
  const cases = {
    "too large": [413, {}, Buffer.alloc(11 * MIB, " ")],
    "larger than a message": [413, {}, JSON.stringify("x".repeat(2 * MIB))],
    gzip: [415, { "content-encoding": "gzip" }, gzipSync(Buffer.alloc(50 * MIB, "["))],
    "unknown encoding": [415, { "content-encoding": "zstd" }, "x"],
    "deep JSON": [400, {}, "[".repeat(100_000)],
    "no JSON": [400, {}, "{"],
    "xml entity": [
      400,
      { "content-type": "application/xml" },
      '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    ],
    "deep xml": [400, { "content-type": "application/xml" }, "<a>".repeat(100_000)],
    "many values": [400, {}, `[${"[],".repeat(2_000_000)}0]`],
    "multipart without boundary": [400, { "content-type": "multipart/form-data" }, "x"],
    "many parts": [
      400,
      { "content-type": "multipart/form-data; boundary=b" },
      "--b\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n".repeat(20_000) + "--b--",
    ],
  };
  for (const [variant, [status, headers, body]] of Object.entries(cases)) {
    const answer = await open(headers, body);
    // A connection that is closed before everything was sent is a refusal, too.
    attack("body", variant, `${status}`, answer, answer.status === status || (status === 413 && answer.status === 0));
    const unsigned = await post(
      world,
      urls.github,
      { ...headers, "x-hub-signature-256": `sha256=${"0".repeat(64)}` },
      body,
    );
    const early =
      unsigned.status === 401 || unsigned.status === 413 || unsigned.status === 415 || unsigned.status === 0;
    attack("body_unsigned", variant, "401 before the body is read", unsigned, early);
  }
  const { hostname, port } = new URL(sluice.url);
  const head = `POST ${urls.open} HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-type: application/json\r\n`;
  const raw = {
    "two lengths": `${head}content-length: 2\r\ncontent-length: 40\r\n\r\n{}`,
    "length and chunks": `${head}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /api/v1/flows HTTP/1.1\r\nhost: x\r\n\r\n`,
    "chunks, misspelt": `${head}transfer-encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    "line break in a header": `${head}x-a: 1\r\n x-b: 2\r\ncontent-length: 2\r\n\r\n{}`,
    "many headers": `${head}${"x-a: 1\r\n".repeat(200)}content-length: 2\r\n\r\n{}`,
    "long header": `${head}x-a: ${"a".repeat(100_000)}\r\ncontent-length: 2\r\n\r\n{}`,
  };
  for (const [variant, bytes] of Object.entries(raw)) {
    const answer = await sendBytes(sluice.url, bytes);
    const smuggled = /"items"/.test(answer.text) || answer.text.split("HTTP/1.1 200").length > 2;
    attack("smuggling", variant, "no request hidden in another", outcome(answer), !smuggled);
  }
}

/** Only a GET is answered before its signature is looked at, and as plain text. */
async function questions(world, urls) {
  const { attack } = world;
  const markup = "%3Cscript%3Ealert(1)%3C/script%3E";
  const asked = await send(world.sluice.url, { path: `${urls.asked}?challenge=${markup}` });
  const kind = asked.headers["content-type"] ?? "";
  const sniffed = asked.headers["x-content-type-options"] === "nosniff";
  attack(
    "question",
    "markup",
    "plain text, not sniffed",
    { ...outcome(asked), detail: `${kind} ${asked.headers["x-content-type-options"] ?? "without nosniff"}` },
    kind.startsWith("text/plain") && sniffed,
  );
  const posted = await post(world, `${urls.asked}?challenge=x`, {}, "{}");
  attack("question", "as a POST", "401", posted, posted.status === 401);
  const large = outcome(
    await send(world.sluice.url, {
      path: `${urls.asked}?challenge=x`,
      headers: { ...JSON_TYPE, "content-length": 9 * MIB },
      body: Buffer.alloc(9 * MIB, "["),
    }),
  );
  attack(
    "question",
    "with a large body",
    "the body is not read as JSON",
    large,
    large.status === 200 || large.status === 400 || large.status === 413,
  );
}

/** The same delivery ten times at once: one is taken, the others are acknowledged or told to come again. */
async function race(world, urls) {
  const id = `race-${Date.now()}`;
  const all = await Promise.all(
    Array.from({ length: 10 }, () => post(world, urls.github, sign("github", id, text(id)), text(id))),
  );
  const told = all.map((one) => one.status).join(" ");
  const taken = all.filter((one) => one.whole.includes("got")).length;
  const answered = all.every((one) => [200, 503].includes(one.status));
  world.attack(
    "race",
    "ten at once",
    "one is taken, all are answered",
    { ...all[0], detail: `${taken} taken; ${told}` },
    taken === 1 && answered,
  );
}
