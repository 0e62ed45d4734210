// Requests that a well-behaved client would not send.
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
