// Status, revocation, tokens and errors.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Sluice, SluiceError } from "../sluice.js";
import { Embed, problem } from "./server.mjs";

let embed;
beforeEach(async () => (embed = await Embed.start()));
afterEach(() => embed.stop());

const sluice = (token = "good", more = {}) => new Sluice({ url: embed.url, token, ...more });

/** The refusal's members are those expected. */
async function refuses(promise, expected) {
  const error = await promise.then(() => assert.fail("it did not refuse"), (error) => error);
  assert.ok(error instanceof SluiceError, String(error.stack));
  const found = Object.fromEntries(Object.keys(expected).map((name) => [name, error[name]]));
  assert.deepEqual(found, expected);
  return error;
}

test("the status is what the server says", async () => {
  assert.deepEqual(await sluice().status("shop"), embed.instances.shop);
});

test("ok and expiring are authorised, nothing else", async () => {
  for (const [state, expected] of [["ok", true], ["expiring", true], ["needs_authorization", false], ["needs_reauth", false], ["revoked", false]]) {
    embed.instances.crm.state = state;
    assert.equal(await sluice().isAuthorized("crm"), expected, state);
  }
});

test("a revocation gives the new status", async () => {
  assert.equal((await sluice().revoke("shop")).state, "revoked");
  assert.equal(embed.asked("/revoke")[0].method, "POST");
});

test("the token is in one header and in no URL", async () => {
  await sluice().status("crm");
  const [{ path, headers }] = embed.requests;
  assert.equal(path, "/embed/v1/instances/crm");
  assert.equal(headers.authorization, "Bearer good");
  assert.equal(headers.cookie, undefined);
  assert.doesNotMatch(JSON.stringify({ ...headers, authorization: "" }) + path, /good/);
});

test("the URL of Sluice may have a path and a slash at its end", async () => {
  embed.next.push({ status: 200, body: {} });
  await new Sluice({ url: `${embed.url}/sluice/?x#y`, token: "good" }).status("crm");
  assert.equal(embed.requests[0].path, "/sluice/embed/v1/instances/crm");
});

test("a token is asked for once and anew after a 401", async () => {
  let asked = 0;
  const page = sluice(async () => (asked++ === 0 ? "old" : "good"));
  await Promise.all([page.status("crm"), page.status("shop")]);
  await page.status("crm");
  assert.equal(asked, 2);
});

test("a second 401 is a refusal, and the next call asks again", async () => {
  const tokens = ["old", "older", "good"];
  const page = sluice(() => tokens.shift());
  await refuses(page.status("crm"), { code: "A0001", status: 401 });
  embed.tokens.add("older");
  assert.equal((await page.status("crm")).instance, "crm");
});

test("a fixed token is not tried twice", async () => {
  await refuses(sluice("bad").status("crm"), { code: "A0001", status: 401 });
  assert.equal(embed.requests.length, 1);
});

test("a token function that fails is told, and asked again", async () => {
  const answers = [() => { throw new Error("no session"); }, () => undefined, () => "with\nline", () => "good"];
  const page = sluice(() => answers.shift()());
  const error = await refuses(page.status("crm"), { code: "token", status: 0 });
  assert.equal(error.cause.message, "no session");
  await refuses(page.status("crm"), { code: "token" });
  await refuses(page.status("crm"), { code: "token" });
  await page.status("crm");
  assert.equal(embed.requests.length, 1);
});

test("a problem becomes an error with its code and sentence", async () => {
  await refuses(sluice().status("other"), {
    code: "A0002", status: 403, detail: "the session is not for the instance other", message: "the session is not for the instance other", retryAfter: null,
  });
});

test("the time to wait is of the problem, else of the header", async () => {
  const later = new Date(Date.now() + 60_000).toUTCString();
  for (const [more, check] of [
    [{ body: { retry_after: 7 }, headers: { "retry-after": "9" } }, (value) => value === 7],
    [{ headers: { "retry-after": "9" } }, (value) => value === 9],
    [{ headers: { "retry-after": later } }, (value) => value > 50 && value <= 60],
    [{ headers: { "retry-after": "soon" } }, (value) => value === null],
  ]) {
    embed.next.push(problem(429, "A0031", "too much", more));
    const error = await refuses(sluice().status("crm"), { code: "A0031", status: 429 });
    assert.ok(check(error.retryAfter), String(error.retryAfter));
  }
});

test("answers of others are told apart", async () => {
  embed.next.push({ status: 502, body: "<h1>Bad gateway</h1>" });
  await refuses(sluice().status("crm"), { code: "http_502", status: 502, detail: "the server answered with status 502" });
  embed.next.push({ status: 200, body: "<h1>Welcome</h1>" });
  await refuses(sluice().status("crm"), { code: "bad_answer", status: 200 });
  embed.next.push({ status: 302, headers: { location: `${embed.url}/embed/v1/instances/shop` }, body: "" });
  await refuses(sluice().status("crm"), { code: "network", status: 0 });
});

test("a server that is away is a network error", async () => {
  const page = sluice();
  await embed.stop();
  await refuses(page.status("crm"), { code: "network", status: 0 });
});

test("a request ends with its time or its signal", async () => {
  embed.next.push("hang", "hang");
  await refuses(sluice("good", { timeout: 50 }).status("crm"), { code: "timeout" });
  const stop = new AbortController();
  const waiting = sluice().status("crm", { signal: stop.signal });
  stop.abort("enough");
  const error = await refuses(waiting, { code: "aborted" });
  assert.equal(error.cause, "enough");
});

test("the time counts while a token is waited for", async () => {
  await refuses(sluice(() => new Promise(() => {})).status("crm", { timeout: 50 }), { code: "timeout" });
});

test("options and names that make no sense are refused before any request", async () => {
  for (const options of [undefined, {}, { url: "sluice" }, { url: "ftp://x", token: "t" }, { url: "https://u:p@x", token: "t" }, { url: "https://x" }]) {
    assert.throws(() => new Sluice(options), { name: "SluiceError", code: "bad_input" });
  }
  for (const name of ["", ".", "..", undefined, 7]) await refuses(sluice().status(name), { code: "bad_input" });
  await refuses(sluice().invoke("crm"), { code: "bad_input" });
  await refuses(sluice().invoke("crm..."), { code: "bad_input" });
  await refuses(sluice().invoke(".list"), { code: "bad_input" });
  assert.equal(embed.requests.length, 0);
});

test("a name cannot lead elsewhere", async () => {
  await refuses(sluice().status("a/../../b?x=1"), { status: 403 });
  assert.equal(embed.requests[0].path, "/embed/v1/instances/a%2F..%2F..%2Fb%3Fx%3D1");
});
