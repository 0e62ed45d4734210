// The way of a person through a link to authorise an instance, without any host application.
import { answer } from "./person.mjs";

/** Opens the link, signs in, agrees or refuses, and gives Sluice's last page. */
export async function oauth({ start, login }, browser, step) {
  const page = await browser.newPage();
  let last = null;
  page.on("response", (response) => {
    if (response.request().isNavigationRequest()) last = response;
  });
  await step("open", async () => new URL((await page.goto(start), page.url())).origin);
  await step("answer", async () => ({ text: await answer(page, login), status: last.status(), path: new URL(last.url()).pathname }));
}
