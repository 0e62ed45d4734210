// The way of a person through a host application's page that uses the SDK.
import { serve } from "./host.mjs";
import { answer } from "./person.mjs";

const FILE = { name: "hello.txt", mimeType: "text/plain", text: "hello from a browser" };

/** Takes all steps; `step(name, run)` reports each. */
export async function embed(settings, browser, step) {
  const host = await serve(settings);
  try {
    const page = await browser.newPage();
    await step("host", async () => host.origin);
    await step("popup_blocked", () => blocked(page, host.origin));
    await step("foreign_session", () => foreign(page, host.origin));
    await visit(page, host.origin);
    await step("status", () => press(page, "status"));
    await step("refuse", () => refuse(page, settings.login));
    await step("authorize", () => authorize(page, settings.login));
    await step("is_authorized", async () => equal(await press(page, "is_authorized"), true));
    if (settings.invoke) await step("invoke", () => invoke(page, settings.invoke));
    await step("revoke", () => press(page, "revoke"));
    await step("is_authorized_after", async () => equal(await press(page, "is_authorized"), false));
  } finally {
    await host.stop();
  }
}

/** A window that no click asked for. */
async function blocked(page, origin) {
  await page.goto(`${origin}/?unasked`);
  return failure(await shown(page), ({ code }) => code === "popup_blocked");
}

/** A session on an instance that it is not for. */
async function foreign(page, origin) {
  await visit(page, `${origin}/?foreign`);
  return failure(await click(page, "status"), ({ status }) => status === 403);
}

/** A person who says no. The window stays to say why, and the person closes it. */
async function refuse(page, login) {
  const [popup, answered] = await opened(page, { ...login, agrees: false });
  const text = await answered;
  await popup.close();
  const { error } = await shown(page);
  // Where the window was cut off from the page, nobody but its closing tells.
  failure({ error }, ({ code }) => code === "refused" || code === "window_closed");
  return { ...error, page: text };
}

/** A person who agrees. The SDK closes the window. */
async function authorize(page, login) {
  const [popup, answered] = await opened(page, login);
  const text = await answered;
  const status = success(await shown(page));
  if (!popup.isClosed()) await popup.waitForEvent("close");
  return { ...status, page: text };
}

/** Clicks, and gives the window with the promise of what its last page says. */
async function opened(page, login) {
  const waiting = page.waitForEvent("popup");
  await page.locator("#authorize").click();
  const popup = await waiting;
  return [popup, answer(popup, login)];
}

async function invoke(page, { file = FILE }) {
  const { name, mimeType, text } = { ...FILE, ...file };
  await page.locator("#file").setInputFiles({ name, mimeType, buffer: Buffer.from(text) });
  return press(page, "invoke");
}

async function visit(page, url) {
  await page.goto(url);
  await page.locator("body[data-ready]").waitFor();
}

/** Clicks a button, and gives what the SDK's promise resolved with. */
async function press(page, id) {
  return success(await click(page, id));
}

async function click(page, id) {
  await page.locator(`#${id}`).click();
  return shown(page);
}

/** What the page shows, once what was begun last is at its end. */
async function shown(page) {
  return JSON.parse(await page.locator("#answer[data-busy=no]").innerText());
}

function success({ value, error }) {
  if (error) throw new Error(JSON.stringify(error));
  return value;
}

function failure({ value, error }, fits) {
  if (!error || !fits(error)) throw new Error(`not the refusal that it should be: ${JSON.stringify(error ?? value)}`);
  return error;
}

function equal(value, expected) {
  if (value !== expected) throw new Error(`${JSON.stringify(value)} where ${JSON.stringify(expected)} should be`);
  return value;
}
