// Requests that a well-behaved client would not send.
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";

/** How long an answer may take, in milliseconds. */
const PATIENCE = 30_000;

/** Sends a request, its path and headers as they are given; the status, headers, text and JSON of the answer. */
export function send(base, { method = "GET", path = "/", headers = {}, body } = {}) {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const options = { hostname, port, method, path, headers, agent: false, timeout: PATIENCE };
    const asked = request(options, async (response) => {
      const chunks = [];
      try {
        for await (const chunk of response) chunks.push(chunk);
      } catch {
        // What came is all there is.
      }
      const text = Buffer.concat(chunks).toString();
      resolve({ status: response.statusCode, headers: response.headers, text, json: parsed(text) });
    });
    asked.on("timeout", () => asked.destroy(new Error(`no answer within ${PATIENCE} ms`)));
    // A server may refuse a large body before it has read it, and close.
    asked.on("error", (error) => resolve({ status: 0, headers: {}, text: error.code ?? error.message, json: null }));
    asked.on("close", () => reject(new Error("closed without an answer")));
    if (body !== undefined) asked.write(body);
    asked.end();
  });
}

/** A request whose answer does not end by itself: its status, when it ended, and what ends it from here. */
export function stream(base, { method = "GET", path, headers = {} }) {
  const { hostname, port } = new URL(base);
  const asked = request({ hostname, port, method, path, headers, agent: false });
  const live = { close: () => asked.destroy() };
  live.ended = new Promise((resolve) => {
    asked.on("close", resolve);
    asked.on("error", resolve);
  });
  live.status = new Promise((resolve) => {
    asked.on("error", () => resolve(0));
    asked.on("response", (response) => {
      response.on("error", () => {});
      response.resume();
      resolve(response.statusCode);
    });
  });
  asked.end();
  return live;
}

/** Connections that say the beginning of something and no more; how many there are, how many are open still, and their end. */
export async function hold(base, count, beginning = "") {
  const { hostname, port } = new URL(base);
  const sockets = [];
  await Promise.all(
    Array.from({ length: count }, () => {
      const socket = connect(Number(port), hostname);
      sockets.push(socket);
      return new Promise((resolve) => {
        socket.on("error", resolve);
        socket.on("data", () => {});
        socket.once("connect", () => {
          if (beginning) socket.write(beginning, resolve);
          else resolve();
        });
      });
    }),
  );
  return {
    open: () => open(Number(port), sockets),
    say: (text) => sockets.forEach((one) => one.writable && one.write(text)),
    close: () => sockets.forEach((one) => one.destroy()),
  };
}

/**
 * How many of these connections both sides hold. A kernel that is pressed drops the last packet of a handshake, and the
 * one who called takes a connection for made of which the server never hears: it says nothing of what the server keeps.
 */
function open(port, sockets) {
  const ours = new Set(sockets.filter((one) => !one.destroyed && !one.readableEnded).map((one) => one.localPort));
  const ESTABLISHED = "01";
  const portOf = (address) => Number.parseInt(address.split(":")[1], 16);
  return ["tcp", "tcp6"]
    .flatMap((table) => readFileSync(`/proc/net/${table}`, "utf8").split("\n").slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, remote, state]) => state === ESTABLISHED && portOf(local) === port && ours.has(portOf(remote)))
    .length;
}

/** Sends a body in chunks for as long as the server takes them; what it answered, how much it took and whether it closed. */
export function sendEndless(base, head, wait = 20_000) {
  const { hostname, port } = new URL(base);
  const chunk = Buffer.concat([Buffer.from("10000\r\n"), Buffer.alloc(65_536, " "), Buffer.from("\r\n")]);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(head);
      more();
    });
    let text = "";
    let closed = false;
    const more = () => {
      while (!socket.destroyed && socket.writable && socket.write(chunk));
    };
    const done = () => {
      clearTimeout(timer);
      socket.destroy();
      const status = /^HTTP\/1\.1 (\d+)/.exec(text);
      resolve({ status: status ? Number(status[1]) : 0, sent: socket.bytesWritten, closed, text });
    };
    const timer = setTimeout(done, wait);
    socket.on("drain", more);
    socket.on("data", (data) => (text += data));
    const end = () => {
      closed = true;
      done();
    };
    socket.on("close", end);
    socket.on("error", end);
  });
}

/** Writes bytes to a server and gives what it says until it closes, or until `wait` milliseconds are over. */
export function sendBytes(base, bytes, wait = 3000) {
  const { hostname, port } = new URL(base);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    let text = "";
    const done = () => {
      clearTimeout(timer);
      socket.destroy();
      const status = /^HTTP\/1\.1 (\d+)/.exec(text);
      resolve({ status: status ? Number(status[1]) : 0, headers: {}, text, json: parsed(text.split("\r\n\r\n")[1]) });
    };
    const timer = setTimeout(done, wait);
    socket.on("data", (data) => (text += data));
    socket.on("close", done);
    socket.on("error", done);
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
