// Prism as a mock server that validates, and a recorder before it that containers reach.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, request as ask } from 'node:http';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('node_modules/.bin/prism', import.meta.url));
const ERRORS = 'https://stoplight.io/prism/errors#';
/** What says that a request violates the document. Other errors of Prism are about its own answer. */
const REFUSALS = [
  'UNPROCESSABLE_ENTITY', 'UNAUTHORIZED', 'NO_PATH_MATCHED_ERROR', 'NO_METHOD_MATCHED_ERROR', 'NO_SERVER_MATCHED_ERROR',
  'NO_SERVER_CONFIGURATION_PROVIDED_ERROR', 'NO_PATH_MATCHED', 'INVALID_CONTENT_TYPE', 'NOT_ACCEPTABLE',
];
/** How many requests of one invocation are let through: pages of a mock never end. */
const PAGES = 3;

export class Prism {
  /** Starts Prism for a document, and the recorder on `host`. */
  static async start(document, host) {
    const prism = new Prism();
    prism.port = await free();
    prism.process = spawn(PROGRAM, ['mock', '--errors', '--verboseLevel', 'warn', '--host', '127.0.0.1', '--port', prism.port, document], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, NODE_OPTIONS: '--max-old-space-size=6144' },
    });
    prism.server = createServer((from, to) => prism.record(from, to));
    prism.server.listen(0, host);
    await Promise.all([once(prism.server, 'listening'), prism.ready()]);
    prism.url = `http://${host}:${prism.server.address().port}`;
    return prism;
  }

  async ready() {
    for (let turn = 0; turn < 1200; turn += 1) {
      if (this.process.exitCode !== null) throw new Error('Prism ended; the lines above say why');
      const answer = await this.send({ method: 'GET', path: '/', headers: {} }).catch(() => undefined);
      if (answer) return;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    throw new Error('Prism did not start in five minutes');
  }

  stop() {
    this.process.kill();
    this.server.closeAllConnections();
    this.server.close();
  }

  /** Sends a request to Prism and gives its verdict. */
  send({ method, path, headers, body }) {
    return new Promise((resolve, reject) => {
      const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
      const options = { host: '127.0.0.1', port: this.port, method, path, headers: { ...headers, ...length }, agent: false };
      const sent = ask(options, (answer) => {
        const chunks = [];
        answer.on('data', (chunk) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const bytes = Buffer.concat(chunks);
          resolve({ status: answer.statusCode, headers: answer.headers, bytes, fault: fault(answer, bytes) });
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  /** Begins to collect the requests that come through the recorder. */
  begin() {
    this.seen = [];
  }

  async record(from, to) {
    const chunks = [];
    for await (const chunk of from) chunks.push(chunk);
    const body = chunks.length ? Buffer.concat(chunks) : undefined;
    if (this.seen.length >= PAGES) return to.writeHead(410).end();
    const { host, connection, 'transfer-encoding': _, 'content-length': __, ...headers } = from.headers;
    const request = { method: from.method, path: from.url, headers, body };
    try {
      const answer = await this.send(request);
      this.seen.push({ request, answer });
      const { 'transfer-encoding': _, connection: __, 'content-length': ___, ...back } = answer.headers;
      to.writeHead(answer.status, back).end(answer.bytes);
    } catch (error) {
      this.seen.push({ request, answer: { status: 0, fault: `no answer: ${error.message}` } });
      to.writeHead(502).end();
    }
  }
}

/**
 * Why Prism refuses a request; nothing where it does not. It says so in a header, with an answer of the document's own, and
 * in a problem where the document has none.
 */
function fault({ statusCode, headers }, bytes) {
  const violations = parsed(headers['sl-violations'] ?? '') ?? [];
  const problem = (statusCode >= 400 && parsed(bytes)) || {};
  const isProblem = typeof problem.type === 'string' && problem.type.startsWith(ERRORS);
  const name = isProblem ? problem.type.slice(ERRORS.length) : 'violations';
  const said = [...violations, ...((isProblem && problem.validation) || [])]
    .filter((one) => one.location?.[0] !== 'response' && one.severity !== 'Warning')
    .map((one) => `${(one.location ?? []).filter((part) => part !== 'request').join('.')}: ${one.message}`);
  if (said.length === 0 && !(isProblem && REFUSALS.includes(name))) return undefined;
  return [name, ...(said.length ? new Set(said) : [problem.detail ?? ''])].join('; ');
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function free() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
