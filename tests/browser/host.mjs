// The host application: another origin than Sluice's, with a page that uses the SDK and a backend that gets sessions.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const FILES = {
  "/": [new URL("host/page.html", import.meta.url), "text/html; charset=utf-8"],
  "/page.js": [new URL("host/page.js", import.meta.url), "text/javascript"],
  "/sluice.js": [new URL("../../component-sdk/js/sluice.js", import.meta.url), "text/javascript"],
};

/** What a session of the host's own page may be used for. */
const SESSION = { expires_in: "15m", allow: ["status", "authorize", "revoke", "invoke"] };

/** Starts it; gives its origin and how to stop it. */
export async function serve(settings) {
  const server = createServer((request, response) => {
    handle(settings, server.origin, request, response).catch((error) => {
      response.writeHead(500, { "content-type": "text/plain" }).end(String(error));
    });
  });
  await new Promise((done, failed) => server.once("error", failed).listen(settings.port ?? 0, "127.0.0.1", done));
  server.origin = `http://127.0.0.1:${server.address().port}`;
  const stop = () => {
    server.closeAllConnections();
    return new Promise((done) => server.close(done));
  };
  return { origin: server.origin, stop };
}

async function handle(settings, origin, request, response) {
  const { pathname, searchParams } = new URL(request.url, origin);
  if (FILES[pathname]) {
    const [file, type] = FILES[pathname];
    return response.writeHead(200, { "content-type": type, "cache-control": "no-store" }).end(await readFile(file));
  }
  if (pathname === "/settings") {
    const { sluice, instance, other_token: token, other_instance: other = "another", invoke } = settings;
    const foreign = token ? instance : other;
    const shown = { sluice, instance, foreign, function: invoke?.function, input: invoke?.input, config: invoke?.config };
    return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(shown));
  }
  if (pathname === "/session" && request.method === "POST") {
    const token = await session(settings, origin, searchParams.has("foreign"));
    return response.writeHead(200, { "content-type": "text/plain", "cache-control": "no-store" }).end(token);
  }
  return response.writeHead(404).end();
}

/** The token that was given, or one that Sluice makes for the operator's. */
async function session(settings, origin, foreign) {
  if (foreign && settings.other_token) return settings.other_token;
  if (!settings.operator) return settings.token;
  const answer = await fetch(`${settings.sluice}/api/v1/sessions`, {
    method: "POST",
    headers: { authorization: `Bearer ${settings.operator}`, "content-type": "application/json" },
    body: JSON.stringify({ instances: [settings.instance], origin, ...SESSION }),
  });
  if (!answer.ok) throw new Error(`no session: ${answer.status} ${await answer.text()}`);
  return (await answer.json()).token;
}
