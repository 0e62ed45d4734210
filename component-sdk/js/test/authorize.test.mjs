// Authorising in a window that the test plays.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Sluice } from "../sluice.js";
import { Page, until } from "./browser.mjs";
import { Embed, problem } from "./server.mjs";

let embed;
let page;
let sluice;
beforeEach(async () => {
  embed = await Embed.start();
  page = globalThis.window = new Page();
  sluice = new Sluice({ url: embed.url, token: "good" });
});
afterEach(() => embed.stop());

const looks = () => embed.asked("/crm").length;

test("the window is opened at once and sent on later", async () => {
  const done = sluice.authorize("crm");
  assert.deepEqual(page.popups[0].opened, ["about:blank", "_blank", "popup,width=560,height=720"]);
  assert.equal(embed.requests.length, 0);
  const popup = await page.sent();
  assert.equal(popup.went, `${embed.url}/oauth/start/secret`);
  embed.agree("crm");
  const status = await done;
  assert.equal(status.state, "ok");
  assert.deepEqual(status, embed.instances.crm);
  assert.equal(popup.closed, true);
});

test("a tab is a window without measures", async () => {
  const done = sluice.authorize("crm", { window: "tab" });
  assert.equal(page.popups[0].opened[2], "");
  await page.sent();
  embed.agree("crm");
  await done;
});

test("a blocked window is told, and nothing is asked", async () => {
  page.blocks = true;
  await assert.rejects(sluice.authorize("crm"), { code: "popup_blocked" });
  assert.equal(embed.requests.length, 0);
});

test("an instance that is authorised already waits for a newer authorisation", async () => {
  embed.agree("crm", "2026-01-01T00:00:00Z");
  const done = sluice.authorize("crm");
  await page.sent();
  await until(() => looks() >= 3);
  embed.agree("crm", "2026-01-02T00:00:00Z");
  assert.equal((await done).authorized_at, "2026-01-02T00:00:00Z");
});

test("a refresh of the token is no new authorisation", async () => {
  embed.agree("crm", "2026-01-01T00:00:00Z");
  const done = sluice.authorize("crm");
  await page.sent();
  await until(() => looks() >= 2);
  Object.assign(embed.instances.crm, { updated_at: "2026-01-02T00:00:00Z", expires_at: "2026-01-02T01:00:00Z" });
  const before = looks();
  await until(() => looks() >= before + 2);
  assert.equal(page.popups[0].closed, false);
  embed.agree("crm", "2026-01-03T00:00:00Z");
  assert.equal((await done).authorized_at, "2026-01-03T00:00:00Z");
});

test("where nobody has to agree, the window closes at once", async () => {
  embed.instances.crm.state = "ok";
  embed.link = () => undefined;
  assert.equal((await sluice.authorize("crm")).state, "ok");
  assert.equal(page.popups[0].went, null);
  await until(() => page.popups[0].closed);
});

test("calls for one instance share a window, others have their own", async () => {
  const two = [sluice.authorize("crm"), sluice.authorize("crm")];
  const other = sluice.authorize("shop");
  await page.sent(1);
  assert.equal(page.popups.length, 2);
  assert.equal(page.popups[0].focused, 1);
  embed.agree("crm");
  embed.agree("shop");
  assert.deepEqual(await two[0], await two[1]);
  await other;
  assert.equal(embed.asked("/crm/authorize").length, 1);
  const again = sluice.authorize("crm");
  assert.equal(page.popups.length, 3);
  await page.sent(2);
  page.popups[2].closed = true;
  await assert.rejects(again, { code: "window_closed" });
});

test("one caller may leave, and the last one closes the window", async () => {
  const [first, second] = [new AbortController(), new AbortController()];
  const both = [sluice.authorize("crm", { signal: first.signal }), sluice.authorize("crm", { signal: second.signal })];
  const popup = await page.sent();
  first.abort();
  await assert.rejects(both[0], { code: "aborted" });
  assert.equal(popup.closed, false);
  second.abort("enough");
  await assert.rejects(both[1], { code: "aborted", cause: "enough" });
  await until(() => popup.closed);
});

test("it ends with its time", async () => {
  const done = sluice.authorize("crm", { timeout: 100 });
  await assert.rejects(done, { code: "timeout" });
  await until(() => page.popups[0].closed);
});

test("a signal that has fired opens nothing", async () => {
  await assert.rejects(sluice.authorize("crm", { signal: AbortSignal.abort() }), { code: "aborted" });
  assert.equal(page.popups.length, 0);
});

test("a message of Sluice's own makes it look at once, and proves nothing", async () => {
  const done = sluice.authorize("crm");
  await page.sent();
  const before = looks();
  page.say({ type: "sluice:authorized", instance: "crm" }, { origin: embed.url });
  await until(() => looks() > before);
  embed.agree("crm");
  page.say({ type: "sluice:authorized", instance: "crm" }, { origin: embed.url });
  assert.equal((await done).state, "ok");
});

test("a refusal ends it after a look, and leaves the window to say why", async () => {
  const done = sluice.authorize("crm");
  const popup = await page.sent();
  embed.instances.crm.reason = "its authorisation was revoked";
  embed.instances.crm.failure = "the person said no";
  page.say({ type: "sluice:refused", instance: "crm" }, { origin: embed.url });
  await assert.rejects(done, { code: "refused", detail: "the person said no" });
  assert.equal(popup.closed, false);
});

test("messages of others are not heard", async () => {
  const done = sluice.authorize("crm");
  await page.sent();
  page.say({ type: "sluice:refused" }, { origin: "https://evil.example.com" });
  page.say({ type: "sluice:refused" }, { origin: embed.url, source: {} });
  page.say({ type: "something" }, { origin: embed.url });
  page.say(null, { origin: embed.url });
  await until(() => looks() >= 2);
  embed.agree("crm");
  assert.equal((await done).state, "ok");
});

test("a window that was closed counts after two more looks", async () => {
  const done = sluice.authorize("crm");
  const popup = await page.sent();
  const before = looks();
  popup.closed = true;
  page.dispatchEvent(new Event("focus"));
  await assert.rejects(done, { code: "window_closed" });
  assert.equal(looks() - before, 2);
});

test("what was agreed to while the window closed counts", async () => {
  const done = sluice.authorize("crm");
  const popup = await page.sent();
  popup.closed = true;
  embed.agree("crm");
  assert.equal((await done).state, "ok");
});

test("a window that the provider cut off is waited for until the person is back", async () => {
  const done = sluice.authorize("crm");
  const popup = await page.sent();
  page.focused = false;
  popup.closed = true;
  const before = looks();
  await until(() => looks() >= before + 3);
  embed.agree("crm");
  assert.equal((await done).state, "ok");
});

test("a server that is away for a while is waited for", async () => {
  const done = sluice.authorize("crm");
  await page.sent();
  embed.next.push({ status: 503, body: "" }, problem(429, "A0031", "too much", { body: { retry_after: 0 } }));
  await until(() => embed.next.length === 0);
  embed.agree("crm");
  assert.equal((await done).state, "ok");
});

test("a session that may not look any more ends it", async () => {
  const done = sluice.authorize("crm");
  const popup = await page.sent();
  embed.tokens.clear();
  await assert.rejects(done, { code: "A0001", status: 401 });
  assert.equal(popup.closed, true);
});

test("a link that is not one of the web is not opened", async () => {
  for (const link of ["javascript:alert(1)", "data:text/html,x", undefined]) {
    embed.link = () => link;
    await assert.rejects(sluice.authorize("crm"), { code: "unsupported" });
    const popup = page.popups.at(-1);
    assert.equal(popup.went, null);
    assert.equal(popup.closed, true);
  }
});

test("a session for another instance is refused, and its window closed", async () => {
  await assert.rejects(sluice.authorize("other"), { code: "A0002", status: 403 });
  assert.equal(page.popups[0].closed, true);
});

test("nothing is kept of a page's listeners", async () => {
  let count = 0;
  const [add, remove] = [page.addEventListener, page.removeEventListener];
  page.addEventListener = (...args) => (count++, add.apply(page, args));
  page.removeEventListener = (...args) => (count--, remove.apply(page, args));
  const done = sluice.authorize("crm");
  await page.sent();
  embed.agree("crm");
  await done;
  assert.equal(count, 0);
});
