// An HTTP server that means no good, on several addresses of this machine. It keeps what it was asked.
import { createServer } from "node:http";
import { networkInterfaces } from "node:os";

/** Listens on one address. Handlers are shared by all of them. */
class Listener {
  constructor(hostile, address) {
    this.address = address;
    this.server = createServer((request, response) => hostile.take(this, request, response));
    this.server.on("clientError", (_, socket) => socket.destroy());
    this.server.requestTimeout = 0;
  }

  async start() {
    await new Promise((resolve, reject) => this.server.once("error", reject).listen(0, this.address, resolve));
    this.port = this.server.address().port;
    this.url = `http://${this.address}:${this.port}`;
    return this;
  }
}

export class Hostile {
  /** Starts servers on `host`, on a second port of it, on another address of this machine and on its loopback. */
  static async start(host) {
    const hostile = new Hostile();
    const other = otherAddress(host);
    hostile.main = await new Listener(hostile, host).start();
    hostile.port = await new Listener(hostile, host).start();
    hostile.other = other && (await new Listener(hostile, other).start());
    hostile.loopback = await new Listener(hostile, "127.0.0.1").start();
    return hostile;
  }

  constructor() {
    this.requests = [];
    this.handlers = new Map();
    this.on("/plain", (_, response) => json(response, { plain: true }));
  }

  /** Answers requests to this path, whatever their query. */
  on(path, handler) {
    this.handlers.set(path, handler);
    return this;
  }

  take(listener, request, response) {
    const chunks = [];
    request.on("error", () => {});
    response.on("error", () => {});
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const { method, url, headers, rawHeaders } = request;
      const kept = { at: listener, method, url, headers, rawHeaders, body: Buffer.concat(chunks).toString() };
      this.requests.push(kept);
      const handler = this.handlers.get(url.split("?")[0]);
      if (handler) handler(kept, response);
      else json(response, { path: url });
    });
  }

  /** What it is asked while something runs, and what that gives. */
  async during(work) {
    const before = this.requests.length;
    const result = await work();
    return { result, requests: this.requests.slice(before) };
  }

  stop() {
    for (const { server } of [this.main, this.port, this.other, this.loopback].filter(Boolean)) {
      server.closeAllConnections();
      server.close();
    }
  }
}

/** Answers with JSON. */
export function json(response, value, status = 200, headers = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(value));
}

function otherAddress(host) {
  const all = Object.values(networkInterfaces()).flat();
  return all.find((one) => one.family === "IPv4" && !one.internal && one.address !== host)?.address;
}
