// Answers that are written byte by byte: what is no HTTP, and what does not come to an end.
const HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n";
const KIB = 1024;

const failed =
  (...codes) =>
  (result) =>
    result.code !== "succeeded" && (codes.length === 0 || codes.includes(result.code));

/** Writes as fast as the other side reads. */
function flood(socket, chunk) {
  const more = () => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on("drain", more);
  more();
}

const stream = (variant, write, expect = "an error in time", ok = failed()) => ({
  attack: "stream",
  variant,
  write,
  expect,
  ok,
});
const http = (variant, text, expect = "an error", ok = failed()) => ({
  attack: "http",
  variant,
  expect,
  ok,
  write: (socket) => socket.end(text),
});

export const STREAMS = [
  stream("nothing at all", () => {}),
  stream("status line by the byte", (socket, every) => every(200, () => socket.write("H"))),
  stream("headers by the byte", (socket, every) => {
    socket.write(`${HEAD}x-slow: `);
    every(100, () => socket.write("a"));
  }),
  stream("headers without end", (socket) => {
    socket.write(HEAD);
    flood(socket, "x-more: 1\r\n".repeat(500));
  }),
  stream("one header without end", (socket) => {
    socket.write(`${HEAD}x-long: `);
    flood(socket, "a".repeat(64 * KIB));
  }),
  stream("status line without end", (socket) => flood(socket, "HTTP/1.1 200 ".padEnd(64 * KIB, "a"))),
  stream("continue without end", (socket, every) =>
    every(5, () => socket.write("HTTP/1.1 100 Continue\r\n\r\n".repeat(20))),
  ),
  stream("early hints without end", (socket) =>
    flood(socket, "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(100)),
  ),
  stream("body by the byte", (socket, every) => {
    socket.write(`${HEAD}content-length: 100000\r\n\r\n`);
    every(100, () => socket.write("a"));
  }),
  stream("body that stops", (socket) => socket.write(`${HEAD}content-length: 100\r\n\r\nabc`)),
  stream(
    "body without end",
    (socket) => {
      socket.write(`${HEAD}\r\n`);
      flood(socket, "a".repeat(64 * KIB));
    },
    "response_too_large",
    failed("response_too_large"),
  ),
  stream(
    "chunks without end",
    (socket) => {
      socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n`);
      flood(socket, `10000\r\n${"a".repeat(64 * KIB)}\r\n`);
    },
    "response_too_large",
    failed("response_too_large"),
  ),
  stream("chunks of one byte", (socket) => {
    socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n`);
    flood(socket, "1\r\na\r\n".repeat(4000));
  }),
  stream("a chunk's size without end", (socket) => {
    socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n`);
    flood(socket, "0".repeat(64 * KIB));
  }),
  stream("a chunk's extension without end", (socket) => {
    socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n1;`);
    flood(socket, "a".repeat(64 * KIB));
  }),
  stream("trailers without end", (socket) => {
    socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n`);
    flood(socket, "x-more: 1\r\n".repeat(500));
  }),
  http("length too large", `${HEAD}content-length: 100\r\n\r\nabc`),
  http(
    "length too small",
    `${HEAD}content-length: 1\r\n\r\nabc`,
    "one byte, or an error",
    (result) => result.code !== "succeeded" || result.body === "a",
  ),
  http("length beyond all bounds", `${HEAD}content-length: 99999999999999999999999\r\n\r\nabc`),
  http("length of the largest integer", `${HEAD}content-length: 18446744073709551615\r\n\r\nabc`),
  http("length below zero", `${HEAD}content-length: -1\r\n\r\nabc`),
  http("two lengths", `${HEAD}content-length: 3\r\ncontent-length: 4\r\n\r\nabcd`),
  http(
    "length and chunks",
    `${HEAD}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n`,
    "the chunks, or an error",
    (result) => result.code !== "succeeded" || result.body === "abcde",
  ),
  http("chunk of a size beyond all bounds", `${HEAD}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc\r\n`),
  http("no HTTP", "SSH-2.0-OpenSSH_9.2\r\n"),
  http("HTTP/0.9", "hello\r\n"),
  http("no status", "HTTP/1.1 \r\n\r\n"),
  http("status 999", "HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n"),
  http("status 99", "HTTP/1.1 99 Odd\r\ncontent-length: 0\r\n\r\n"),
  http("switching protocols", "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\nabc"),
  http("nul in a header", `${HEAD}x-a: a\0b\r\ncontent-length: 0\r\n\r\n`, "an error, or no value", () => true),
  http(
    "two answers",
    `${HEAD}content-length: 1\r\n\r\naHTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n"other"`,
    "the first one only",
    (result) => result.body === "a" || result.code !== "succeeded",
  ),
];
