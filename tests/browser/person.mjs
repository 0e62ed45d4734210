// What a person does at the pages of tests/oidc.

/**
 * Signs in where that is asked for, then agrees or refuses. Ends at Sluice's own page, and gives what it says; gives
 * null when the window was closed for the person, as the SDK does.
 */
export async function answer(page, { account = "ada", agrees = true } = {}) {
  const name = page.getByPlaceholder("any name");
  const verdict = page.getByRole("button", { name: agrees ? "Agree" : "Refuse" });
  const end = page.getByRole("heading", { name: "Sluice", exact: true });
  try {
    for (;;) {
      await name.or(verdict).or(end).first().waitFor();
      if (await end.isVisible()) return (await page.locator("body p").allInnerTexts()).join("\n");
      if (await name.isVisible()) {
        await name.fill(account);
        await leave(page, page.getByRole("button", { name: "Sign in" }));
      } else {
        await leave(page, verdict);
      }
    }
  } catch (error) {
    if (page.isClosed()) return null;
    throw error;
  }
}

/** Clicks, and waits for another page. */
async function leave(page, button) {
  const here = page.url();
  await Promise.all([page.waitForURL((url) => url.href !== here), button.click()]);
}
