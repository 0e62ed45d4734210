// A new Chromium with an empty profile, which leaves nothing behind.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

/** How long a condition may take, in milliseconds. */
const PATIENCE = 30_000;

const FLAGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-proxy-server",
];

/** Runs `use` with a browser, and ends the browser whatever comes of it. */
export async function withBrowser(use) {
  const profile = await mkdtemp(join(tmpdir(), "sluice-browser-"));
  try {
    const browser = await chromium.launchPersistentContext(profile, {
      executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
      args: FLAGS,
      // A person's browser blocks windows that nobody clicked for.
      ignoreDefaultArgs: ["--disable-popup-blocking"],
    });
    browser.setDefaultTimeout(PATIENCE);
    try {
      return await use(browser);
    } finally {
      await browser.close();
    }
  } finally {
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
