// What is sent when a function is called, and what comes back.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Sluice } from "../sluice.js";
import { Embed } from "./server.mjs";

let embed;
let sluice;
beforeEach(async () => {
  embed = await Embed.start();
  sluice = new Sluice({ url: embed.url, token: "good" });
});
afterEach(() => embed.stop());

const hello = () => new File(["hello"], "hello.txt", { type: "text/plain" });
/** As the server of these tests gives it to the function. */
const HELLO = { filename: "hello.txt", content_type: "text/plain", data: "aGVsbG8=" };

/** The function got this input, in a request of this type. */
async function gets(options, input, type = "application/json") {
  const body = await sluice.invoke("shop.put", options);
  assert.deepEqual(body.input, input);
  const sent = embed.requests.at(-1);
  assert.equal(sent.path, "/embed/v1/instances/shop/invoke/put");
  assert.equal(sent.headers["content-type"].split(";")[0], type);
}

test("the body of the first output comes back", async () => {
  const body = await sluice.invoke("shop.list", { input: { page: 2 }, config: { size: 5 } });
  assert.deepEqual(body, { action: "list", input: { page: 2 }, config: { size: 5 } });
});

test("a function without outputs gives null", async () => {
  assert.equal(await sluice.invoke("shop.nothing"), null);
});

test("raw gives the whole answer", async () => {
  const answer = await sluice.invoke("shop.list", { raw: true });
  assert.equal(answer.outputs.length, 2);
  assert.equal(answer.micros, 1);
});

test("variables and parts are members of the input, the later ones win", async () => {
  await gets({}, {});
  await gets({ input: [1, 2] }, [1, 2]);
  await gets({ input: null }, null);
  await gets({ input: { a: 1, b: 1 }, variables: { b: 2, c: 2 }, parts: { c: "3", d: { deep: true } } }, { a: 1, b: 2, c: "3", d: { deep: true } });
});

test("a file makes the request a form", async () => {
  const form = "multipart/form-data";
  await gets({ file: hello() }, { file: HELLO }, form);
  await gets({ input: { name: "Ada" }, parts: { scan: hello(), note: "x" } }, { name: "Ada", note: "x", scan: HELLO }, form);
  await gets({ input: { scan: hello() } }, { scan: HELLO }, form);
  await gets({ file: new Blob(["hello"]) }, { file: { ...HELLO, filename: "file", content_type: "application/octet-stream" } }, form);
});

test("the content type may be chosen", async () => {
  await gets({ variables: { a: 1 }, contentType: "multipart/form-data" }, { a: 1 }, "multipart/form-data");
});

test("the bytes of a file stay what they are", async () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
  const { input } = await sluice.invoke("shop.put", { file: new Blob([bytes]) });
  assert.deepEqual(new Uint8Array(Buffer.from(input.file.data, "base64")), bytes);
});

test("a form is sent again after a 401", async () => {
  const tokens = ["old", "good"];
  sluice = new Sluice({ url: embed.url, token: () => tokens.shift() });
  await gets({ file: hello() }, { file: HELLO }, "multipart/form-data");
  assert.equal(embed.requests.length, 2);
});

test("what cannot be sent is refused before any request", async () => {
  const ring = {};
  ring.ring = ring;
  for (const options of [
    { input: { deep: { file: hello() } } },
    { input: hello() },
    { input: [1], file: hello() },
    { input: "text", variables: { a: 1 } },
    { parts: { request: hello() } },
    { input: ring },
    { contentType: "text/plain" },
    { file: hello(), contentType: "application/json" },
  ]) {
    await assert.rejects(sluice.invoke("shop.put", options), { code: "bad_input" });
  }
  assert.equal(embed.requests.length, 0);
});

test("a function that failed is an error, and with raw an answer", async () => {
  const body = { status: "failed", outputs: [], error: { code: "not_found", message: "no such contact", retryable: false } };
  embed.next.push({ status: 200, body }, { status: 200, body });
  await assert.rejects(sluice.invoke("shop.list"), { name: "SluiceError", code: "not_found", detail: "no such contact", status: 200 });
  assert.deepEqual(await sluice.invoke("shop.list", { raw: true }), body);
});

test("too large a request is refused by the server", async () => {
  const file = new Blob([new Uint8Array(1024 * 1024)]);
  await assert.rejects(sluice.invoke("shop.put", { file }), { code: "A0012", status: 413 });
});
