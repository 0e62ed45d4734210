// Plays Sluice for the tests of this folder: sessions, /embed/v1, and an authorisation that is real.
import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";

const CLIENT = `Basic ${Buffer.from("sluice:not-so-secret").toString("base64")}`;
const random = () => randomBytes(33).toString("base64url");

/** One instance, `crm`, at the provider of tests/oidc. */
export class Played {
  static async start(provider) {
    const played = new Played();
    Object.assign(played, { provider, operator: random(), sessions: new Map(), links: new Map() });
    played.#stands("needs_authorization");
    played.server = createServer((request, response) => {
      played.#serve(request, response).catch((error) => response.writeHead(500).end(String(error.stack)));
    });
    await new Promise((done) => played.server.listen(0, "127.0.0.1", done));
    played.url = `http://127.0.0.1:${played.server.address().port}`;
    return played;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }

  /** A link to authorise the instance. */
  link() {
    const state = random();
    this.links.set(state, { verifier: random() });
    return `${this.url}/oauth/start/${state}`;
  }

  /** A session token for one instance. */
  session(instance, origin) {
    const token = random();
    this.sessions.set(token, { instances: [instance], origin });
    return token;
  }

  #stands(state, more) {
    const nothing = { reason: null, expires_at: null, scopes: null, authorized_at: null };
    this.status = { instance: "crm", connector: "crm@1.0.0", state, ...nothing, ...more };
  }

  async #serve(request, response) {
    const { pathname, searchParams } = new URL(request.url, this.url);
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const bearer = request.headers.authorization?.replace("Bearer ", "");
    if (pathname === "/api/v1/sessions") return this.#mint(bearer, JSON.parse(body), response);
    if (pathname.startsWith("/oauth/start/")) return this.#depart(pathname.split("/")[3], response);
    if (pathname === "/oauth/callback") return this.#arrive(searchParams, response);
    const { origin } = request.headers;
    const session = this.sessions.get(bearer);
    if (request.method === "OPTIONS") return this.#preflight(origin, response);
    if (!session || session.origin !== origin) return this.#refuse(response, 401, "A0001", origin);
    const [, name, verb, action] = /^\/embed\/v1\/instances\/([^/]+)\/?([^/]*)\/?([^/]*)$/.exec(pathname) ?? [];
    if (!session.instances.includes(name)) return this.#refuse(response, 403, "A0002", origin);
    if (verb === "authorize") return this.#json(response, 200, { url: this.link(), expires_at: "2030-01-01T00:00:00Z" }, origin);
    if (verb === "revoke") this.#stands("revoked");
    if (verb !== "invoke") return this.#json(response, 200, this.status, origin);
    const form = await new Response(body, { headers: { "content-type": request.headers["content-type"] } }).formData();
    const { input } = JSON.parse(form.get("request"));
    const file = form.get("file");
    input.file = { filename: file.name, content_type: file.type, data: Buffer.from(await file.arrayBuffer()).toString("base64") };
    return this.#json(response, 200, { outputs: [{ port: "out", body: { action, input } }] }, origin);
  }

  #mint(bearer, { instances, origin }, response) {
    if (bearer !== this.operator) return this.#refuse(response, 401, "A0001");
    return this.#json(response, 200, { token: this.session(instances[0], origin), expires_at: "2030-01-01T00:00:00Z" });
  }

  #preflight(origin, response) {
    response.writeHead(204, {
      "access-control-allow-origin": origin,
      "access-control-allow-methods": "GET, POST",
      "access-control-allow-headers": "authorization, content-type",
    });
    response.end();
  }

  /** Sends the browser to the provider. */
  #depart(state, response) {
    const { verifier } = this.links.get(state);
    const query = new URLSearchParams({
      response_type: "code",
      client_id: "sluice",
      redirect_uri: `${this.url}/oauth/callback`,
      scope: "openid contacts.read",
      state,
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
    });
    response.writeHead(302, { location: `${this.provider}/auth?${query}` }).end();
  }

  /** Exchanges the code, and tells the page that opened the window. */
  async #arrive(query, response) {
    const { verifier } = this.links.get(query.get("state"));
    if (query.has("error")) return this.#page(response, 400, "sluice:refused", `Nothing was authorised: ${query.get("error")}.`);
    const answer = await fetch(`${this.provider}/token`, {
      method: "POST",
      headers: { authorization: CLIENT },
      body: new URLSearchParams({
        grant_type: "authorization_code", code: query.get("code"), redirect_uri: `${this.url}/oauth/callback`, code_verifier: verifier,
      }),
    });
    const { scope } = await answer.json();
    if (!answer.ok) return this.#page(response, 400, "sluice:refused", "Nothing was authorised.");
    this.#stands("ok", { scopes: scope.split(" "), authorized_at: new Date().toISOString() });
    return this.#page(response, 200, "sluice:authorized", "The instance crm is authorised. You can close this page.");
  }

  #page(response, status, type, text) {
    const script = `window.opener?.postMessage(${JSON.stringify({ type, instance: "crm" })}, "*")`;
    response.writeHead(status, { "content-type": "text/html" });
    response.end(`<!doctype html><title>Sluice</title><h1>Sluice</h1><p>${text}</p><script>${script}</script>`);
  }

  #refuse(response, status, code, origin) {
    return this.#json(response, status, { type: `/errors/${code}`, title: code, status, detail: code, code }, origin);
  }

  #json(response, status, body, origin) {
    response.writeHead(status, { "content-type": "application/json", ...(origin && { "access-control-allow-origin": origin, vary: "origin" }) });
    response.end(JSON.stringify(body));
  }
}
