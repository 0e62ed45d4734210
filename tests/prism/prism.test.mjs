// Values of every kind of schema pass Prism, and wrong ones do not.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { request } from './control.mjs';
import { Document } from './document.mjs';
import { Examples, LEVELS } from './example.mjs';
import { choose, input } from './input.mjs';
import { Prism } from './prism.mjs';

const answer = { responses: { 200: { description: 'done', content: { 'application/json': { schema: { type: 'object' } } } } } };
const query = (name, schema, more = {}) => ({ name, in: 'query', required: true, schema, ...more });
const document = new Document({
  openapi: '3.0.3',
  info: { title: 'Test', version: '1' },
  components: {
    securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    schemas: {
      Node: { type: 'object', required: ['name'], properties: { name: { type: 'string' }, next: { $ref: '#/components/schemas/Node' } } },
    },
  },
  security: [{ token: [] }],
  paths: {
    '/lists/{id}': {
      get: {
        operationId: 'lists',
        parameters: [
          { name: 'id', in: 'path', required: true, schema: { type: 'string', pattern: '^[A-F]{3}-\\d{2,4}$' } },
          { name: 'X-Kind', in: 'header', required: true, schema: { type: 'string', enum: ['', 'b'] } },
          query('from', { type: 'string', format: 'date-time' }),
          query('size', { type: 'integer', minimum: 5, exclusiveMinimum: true, multipleOf: 4 }),
          query('ids', { type: 'array', minItems: 2, uniqueItems: true, items: { type: 'string', format: 'uuid' } }, { explode: false, example: 'no list' }),
          query('filter', { type: 'object', required: ['a'], properties: { a: { type: 'integer' } } }, { style: 'deepObject' }),
        ],
        ...answer,
      },
    },
    '/things': {
      post: {
        operationId: 'things',
        requestBody: {
          required: true,
          content: {
            'application/json': {
              schema: {
                type: 'object',
                additionalProperties: false,
                required: ['id', 'kind', 'tree', 'tags'],
                properties: {
                  id: { type: 'string', readOnly: true },
                  kind: { oneOf: [{ type: 'string', maxLength: 3 }, { type: 'integer' }] },
                  tree: { allOf: [{ $ref: '#/components/schemas/Node' }, { required: ['next'] }] },
                  tags: { type: 'object', minProperties: 2, additionalProperties: { type: 'number', maximum: 0.5 } },
                },
              },
            },
          },
        },
        responses: { ...answer.responses, 422: { description: 'its own refusal' }, 401: { description: 'its own refusal' } },
      },
    },
  },
});
const operation = (key) => document.operations().get(key)[0];
const lists = operation('GET /lists/{id}');
const things = operation('POST /things');
const body = choose(things, { request: { body: {} } });

function sample(operation, level, media) {
  const examples = new Examples(document, level);
  const parameters = new Map(operation.parameters.map((one) => [`${one.in} ${one.name}`, examples.of(one)]));
  return { parameters, body: media && { ...media, value: examples.of(media.spec) } };
}

const ask = (operation, values, credentials = document.credentials(operation)) => prism.send(request(operation, values, credentials));

let folder;
let prism;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prism-test-'));
  await writeFile(join(folder, 'openapi.json'), JSON.stringify(document.root));
  prism = await Prism.start(join(folder, 'openapi.json'), '127.0.0.1');
});
after(async () => {
  prism?.stop();
  await rm(folder, { recursive: true });
});

test('values of every level are accepted', async () => {
  for (const level of LEVELS) {
    assert.equal((await ask(lists, sample(lists, level))).fault, undefined, level.name);
    assert.equal((await ask(things, sample(things, level, body))).fault, undefined, level.name);
  }
});

test('wrong values are refused, each at its place', async () => {
  const cases = [['path id', 'zz', 'path.id'], ['header X-Kind', 'c', 'header.x-kind'], ['query size', 6, 'query.size'], ['query filter', { a: 'x' }, 'query.filter']];
  for (const [name, value, expect] of cases) {
    const values = sample(lists, LEVELS[0]);
    values.parameters.set(name, value);
    assert.match((await ask(lists, values)).fault ?? 'accepted', new RegExp(`^UNPROCESSABLE_ENTITY; ${expect}[^;]*$`), name);
  }
  const values = sample(things, LEVELS[0], body);
  values.body.value.tree = {};
  assert.match((await ask(things, values)).fault ?? 'accepted', /body\.tree/);
  const anonymous = { headers: {}, query: [] };
  assert.match((await ask(lists, sample(lists, LEVELS[0]), anonymous)).fault ?? 'accepted', /^UNAUTHORIZED/);
  assert.match((await ask(things, sample(things, LEVELS[0], body), anonymous)).fault ?? 'accepted', /security/);
});

test('the recorder sees what goes through, and ends pages that never end', async () => {
  prism.begin();
  const { headers } = document.credentials(things);
  const statuses = [];
  for (let turn = 0; turn < 4; turn += 1) statuses.push((await fetch(`${prism.url}/things`, { method: 'POST', headers, body: '{}' })).status);
  assert.equal(statuses.at(-1), 410);
  assert.equal(prism.seen.length, 3);
  assert.ok(prism.seen.every(({ answer }) => answer.fault));
});

test('inputs name properties as the importer does', () => {
  const action = { input: { properties: { id: {}, id_query: {}, 'a_b': {}, body: {} } } };
  const parameters = [{ name: 'id', in: 'path' }, { name: 'id', in: 'query' }, { name: "a'b", in: 'query' }, { name: 'page', in: 'query' }];
  const values = { parameters: new Map(parameters.map((one, index) => [`${one.in} ${one.name}`, index])), body: { format: 'bytes', value: 'hi' } };
  assert.deepEqual(input({ parameters }, action, values), { id: 0, id_query: 1, a_b: 2, body: 'aGk=' });
});
