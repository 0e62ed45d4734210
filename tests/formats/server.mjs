// Reads bodies with the parsers that others use, says what it understood, and answers in the same formats.
//
// HOST is where to listen. Prints its URL once it listens.
//
//   POST /read/{json,form,xml,multipart}   what the parser understood, as JSON; of files their size and SHA-256
//   GET  /write/{json,form,xml,csv,ndjson} the same two records in a format
//   GET  /file?bytes=N                     N bytes, never held whole

import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';

import busboy from 'busboy';
import express from 'express';
import xml2js from 'xml2js';

const host = process.env.HOST ?? '127.0.0.1';
const app = express();

app.post('/read/json', express.json({ limit: '1mb' }), (request, response) => response.json(request.body));
app.post('/read/form', express.urlencoded({ extended: true }), (request, response) => response.json(request.body));
app.post('/read/xml', express.text({ type: ['application/xml', 'text/xml'] }), async (request, response) => {
  response.json(await xml2js.parseStringPromise(request.body, { explicitArray: false }));
});

app.post('/read/multipart', (request, response) => {
  const parser = busboy({ headers: request.headers, defParamCharset: 'utf8', limits: { fileSize: 64 << 20 } });
  const read = {};
  parser.on('field', (name, value, info) => {
    read[name] = info.mimeType === 'application/json' ? JSON.parse(value) : value;
  });
  parser.on('file', (name, stream, info) => {
    const hash = createHash('sha256');
    const file = { filename: info.filename, type: info.mimeType, bytes: 0 };
    read[name] = file;
    stream.on('data', (chunk) => {
      hash.update(chunk);
      file.bytes += chunk.length;
    });
    stream.on('end', () => (file.sha256 = hash.digest('hex')));
  });
  parser.on('close', () => response.json(read));
  parser.on('error', (error) => response.status(400).json({ error: error.message }));
  request.pipe(parser);
});

const records = [{ id: 1, name: 'Ada & co' }, { id: 2, name: 'Grace <h>' }];
const written = {
  json: ['application/json', JSON.stringify(records)],
  form: ['application/x-www-form-urlencoded', new URLSearchParams({ id: '1', name: 'Ada & co' }).toString()],
  xml: ['application/xml', new xml2js.Builder({ rootName: 'records' }).buildObject({ record: records })],
  csv: ['text/csv', 'id,name\r\n1,"Ada & co"\r\n2,Grace <h>\r\n'],
  ndjson: ['application/x-ndjson', records.map((record) => `${JSON.stringify(record)}\n`).join('')],
};
app.get('/write/:format', (request, response) => {
  const [type, body] = written[request.params.format];
  response.type(type).send(body);
});

app.get('/file', (request, response) => {
  let left = Number(request.query.bytes);
  const block = Buffer.alloc(64 << 10, 'sluice');
  response.set('content-length', String(left));
  Readable.from(
    (function* () {
      for (; left > 0; left -= block.length) yield block.subarray(0, Math.min(left, block.length));
    })(),
    { objectMode: false },
  ).pipe(response);
});

const listener = app.listen(0, host, () => console.log(`http://${host}:${listener.address().port}`));
