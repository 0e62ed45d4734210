// A small server that answers as Sluice does under /embed/v1, for the unit tests.
import { createServer } from "node:http";

const LIMIT = 1024 * 1024;

/** Everything that it was asked, and the levers of a test. */
export class Embed {
  /** Tokens that are taken. */
  tokens = new Set(["good"]);
  /** Instances that the tokens are good for. */
  instances = { crm: status("crm", "needs_authorization"), shop: status("shop", "ok") };
  /** Each request: `{ method, path, headers, body }`. */
  requests = [];
  /** What to answer before anything else, first in first out: `{ status, headers?, body? }`, or `hang`. */
  next = [];
  /** What the link of an authorisation is. */
  link = () => `${this.url}/oauth/start/secret`;

  static async start() {
    const embed = new Embed();
    embed.server = createServer((request, response) => embed.#serve(request, response));
    await new Promise((done) => embed.server.listen(0, "127.0.0.1", done));
    embed.url = `http://127.0.0.1:${embed.server.address().port}`;
    return embed;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }

  /** As when the callback has come back from the provider. */
  agree(instance, at = new Date().toISOString()) {
    this.instances[instance] = { ...status(instance, "ok"), authorized_at: at, scopes: ["contacts.read"] };
  }

  /** The requests whose path ends so. */
  asked(end) {
    return this.requests.filter(({ path }) => path.endsWith(end));
  }

  async #serve(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    this.requests.push({ method: request.method, path: request.url, headers: request.headers, body: body.toString("latin1") });
    const answer = this.next.shift() ?? (await this.#answer(request, body));
    if (answer === "hang") return;
    const type = answer.status < 400 ? "application/json" : "application/problem+json";
    response.writeHead(answer.status, { "content-type": type, ...answer.headers });
    response.end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body));
  }

  async #answer({ method, url, headers }, body) {
    const [, name, verb, action, ...rest] = /^\/embed\/v1\/instances\/([^/]+)(?:\/([^/]+)(?:\/([^/]+))?)?$/.exec(url) ?? [];
    if (!this.tokens.has(headers.authorization?.replace("Bearer ", ""))) return problem(401, "A0001", "a valid token is needed");
    if (body.length > LIMIT) return problem(413, "A0012", "the body is too large");
    if (!name || rest.length) return problem(404, "A0003", "there is no such page");
    const found = this.instances[name];
    if (!found) return problem(403, "A0002", `the session is not for the instance ${name}`);
    if (method === "GET" && !verb) return { status: 200, body: found };
    if (method !== "POST") return problem(405, "A0014", "the method is not allowed here");
    if (verb === "authorize") return { status: 200, body: { url: this.link(), expires_at: "2030-01-01T00:00:00Z" } };
    if (verb === "revoke") return { status: 200, body: (this.instances[name] = status(name, "revoked")) };
    if (verb !== "invoke" || !action) return problem(404, "A0003", "there is no such page");
    const { input, config } = await request(headers, body);
    const outputs = action === "nothing" ? [] : [{ port: "out", body: { action, input, config: config ?? null } }, { port: "out", body: 2 }];
    return { status: 200, body: { outputs, micros: 1 } };
  }
}

/** The request of an invocation, its files put into the input. */
async function request(headers, body) {
  const read = new Response(body, { headers: { "content-type": headers["content-type"] } });
  if (headers["content-type"] === "application/json") return read.json();
  const form = await read.formData();
  const given = JSON.parse(form.get("request"));
  for (const [name, file] of form) {
    if (name === "request") continue;
    const data = Buffer.from(await file.arrayBuffer()).toString("base64");
    given.input[name] = { filename: file.name, content_type: file.type, data };
  }
  return given;
}

function status(instance, state) {
  return { instance, connector: `${instance}@1.0.0`, state, reason: null, expires_at: null, scopes: null, authorized_at: null };
}

/** A refusal (RFC 9457). */
export function problem(status, code, detail, more = {}) {
  return { status, ...more, body: { type: `/errors/${code}`, title: code, status, detail, code, ...more.body } };
}
