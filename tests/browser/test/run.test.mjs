// The driver against a played Sluice and the real provider of tests/oidc.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";

import { Played } from "./sluice.mjs";

const folder = (path) => fileURLToPath(new URL(path, import.meta.url));

let provider;
let url;
before(async () => {
  const env = { ...process.env, REDIRECT_URIS: "http://127.0.0.1/oauth/callback" };
  provider = spawn("node", ["server.mjs"], { cwd: folder("../../oidc"), env, stdio: ["ignore", "pipe", "ignore"] });
  [url] = await once(createInterface({ input: provider.stdout }), "line");
});
after(() => provider.kill());

/** Runs the driver; gives its exit code and its steps by name. */
async function drive(settings) {
  const child = spawn("node", ["run.mjs"], { cwd: folder(".."), stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(`${JSON.stringify(settings)}\n`);
  const steps = {};
  const exited = once(child, "exit");
  for await (const line of createInterface({ input: child.stdout })) {
    const { step, ...rest } = JSON.parse(line);
    steps[step] = rest;
  }
  const [code] = await exited;
  return { code, steps };
}

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

async function played(t) {
  const sluice = await Played.start(url);
  t.after(() => sluice.stop());
  return sluice;
}

const invoke = { function: "put", input: { name: "Ada" } };

test("a host application authorises, calls and revokes", async (t) => {
  const { url: sluice, operator } = await played(t);
  const { code, steps } = await drive({ sluice, operator, instance: "crm", invoke, login: { account: "ada" } });
  assert.equal(code, 0, JSON.stringify(steps, null, 1));
  assert.equal(steps.popup_blocked.value.code, "popup_blocked");
  assert.equal(steps.foreign_session.value.code, "A0002");
  assert.equal(steps.status.value.state, "needs_authorization");
  assert.equal(steps.refuse.value.code, "refused");
  assert.match(steps.refuse.value.page, /access_denied/);
  assert.equal(steps.authorize.value.state, "ok");
  assert.deepEqual(steps.authorize.value.scopes, ["openid", "contacts.read"]);
  assert.deepEqual(steps.invoke.value, {
    action: "put",
    input: { name: "Ada", file: { filename: "hello.txt", content_type: "text/plain", data: "aGVsbG8gZnJvbSBhIGJyb3dzZXI=" } },
  });
  assert.equal(steps.revoke.value.state, "revoked");
  assert.equal(steps.is_authorized_after.value, false);
});

test("a host application may use sessions that were made for it", async (t) => {
  const sluice = await played(t);
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const [token, other] = [sluice.session("crm", origin), sluice.session("shop", origin)];
  const { code, steps } = await drive({ sluice: sluice.url, token, other_token: other, port, instance: "crm" });
  assert.equal(code, 0, JSON.stringify(steps, null, 1));
  assert.equal(steps.host.value, origin);
  assert.equal(steps.foreign_session.value.status, 403);
  assert.equal(steps.invoke, undefined);
});

test("a link is answered without a host application", async (t) => {
  const sluice = await played(t);
  const yes = await drive({ mode: "oauth", start: sluice.link(), login: { account: "ada" } });
  assert.equal(yes.code, 0, JSON.stringify(yes.steps, null, 1));
  assert.deepEqual(yes.steps.answer.value, { text: "The instance crm is authorised. You can close this page.", status: 200, path: "/oauth/callback" });
  const no = await drive({ mode: "oauth", start: sluice.link(), login: { agrees: false } });
  assert.equal(no.steps.answer.value.status, 400);
  assert.match(no.steps.answer.value.text, /access_denied/);
});

test("a run that fails says where and why", async () => {
  const { code, steps } = await drive({ mode: "oauth", start: "http://127.0.0.1:9/oauth/start/x" });
  assert.equal(code, 1);
  assert.equal(steps.open.ok, false);
  assert.equal(steps.end.ok, false);
});
