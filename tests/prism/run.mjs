// Imports an OpenAPI document, calls every action once against Prism, and counts which requests Prism accepts.
// README.md says how to run it.
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { request } from './control.mjs';
import { read } from './document.mjs';
import { Examples, LEVELS } from './example.mjs';
import { choose, input } from './input.mjs';
import { Prism } from './prism.mjs';
import { install, invoke, load } from './sluice.mjs';

const { values: options } = parseArgs({
  options: {
    document: { type: 'string' },
    sluice: { type: 'string', default: 'sluice' },
    host: { type: 'string' },
    network: { type: 'string', default: 'sluice-sluice' },
    only: { type: 'string' },
    'at-least': { type: 'string', default: '0.98' },
    json: { type: 'string' },
  },
});
if (!options.document || !process.env.SLUICE_TOKEN) {
  console.error('usage: SLUICE_TOKEN=... node run.mjs --document FILE; README.md says more');
  process.exit(2);
}

/** What a result means, the best first. */
const CLASSES = {
  accepted: 'accepted',
  sluice: 'Sluice at fault: the same values are accepted when they are sent without Sluice',
  refused: 'Sluice at fault: the input was refused, or no request was made',
  document: 'document, Prism or generator at fault: no example is accepted without Sluice either',
};

let prism;
let instance;
process.once('SIGTERM', () => process.exit(1)).once('SIGINT', () => process.exit(1)).on('exit', () => prism?.process?.kill());

const host = options.host ?? gateway(options.network);
const folder = await mkdtemp(join(tmpdir(), 'sluice-prism-'));
try {
  const path = resolve(options.document);
  const document = await read(path);
  const imported = await load(options.sluice, path, folder);
  prism = await Prism.start(path, host);
  instance = await install(options.sluice, imported, prism.url, folder);
  const results = await all(document, imported.connector);
  const share = print(imported.report, results);
  if (options.json) await writeFile(options.json, JSON.stringify({ report: imported.report, results }, null, 1));
  process.exitCode = share >= Number(options['at-least']) ? 0 : 1;
} finally {
  await instance?.remove();
  prism?.stop();
  await rm(folder, { recursive: true });
}

/** The address of this machine on a network of the container engine. */
function gateway(network) {
  return execFileSync('docker', ['network', 'inspect', network, '--format', '{{(index .IPAM.Config 0).Gateway}}'], { encoding: 'utf8' }).trim();
}

async function all(document, connector) {
  const operations = document.operations();
  const letters = (text = '') => text.toLowerCase().replace(/[^a-z]/g, '');
  const results = [];
  for (const [name, action] of Object.entries(connector.actions)) {
    if (options.only && name !== options.only) continue;
    const key = `${action.request.method ?? 'GET'} ${action.request.path}`;
    const same = operations.get(key) ?? [];
    // Operations that only a fragment of the path tells apart: by name, whose end may be cut off and numbered.
    const alike = same.filter(({ id }) => letters(id).startsWith(letters(name)));
    const number = Number(/_(\d+)$/.exec(name)?.[1] ?? 1);
    const operation = same.find(({ id }) => letters(id) === letters(name)) ?? alike[number - 1] ?? alike[0] ?? same[0];
    if (!operation) throw new Error(`${name}: the document has no ${key}`);
    results.push({ name, operation: key, ...(await once(document, operation, name, action)) });
    if (process.stderr.isTTY) process.stderr.write(`\r${results.length}/${Object.keys(connector.actions).length} `);
  }
  return results;
}

/** Whether Prism refuses a request that is wrong; nothing where the operation has nothing that could be. */
async function refuses(document, operation, media) {
  const values = made(document, operation, media, LEVELS.at(-1));
  const typed = operation.parameters.find((one) => one.in !== 'path' && ['integer', 'number', 'boolean'].includes(document.resolve(one.schema).type));
  const needed = operation.parameters.find((one) => one.in !== 'path' && one.required);
  if (media?.format === 'json' && media.spec.schema) values.body.value = Array.isArray(values.body.value) ? { wrong: 1 } : ['wrong'];
  else if (typed) values.parameters.set(`${typed.in} ${typed.name}`, 'wrong');
  else if (needed) values.parameters.delete(`${needed.in} ${needed.name}`);
  else return undefined;
  const { fault } = await prism.send(request(operation, values, document.credentials(operation)));
  return fault !== undefined;
}

/** Calls an action with the fullest example that Prism accepts when it is sent without Sluice, and that fits the input. */
async function once(document, operation, name, action) {
  const media = choose(operation, action);
  let example;
  let invoked;
  let given;
  for (const level of LEVELS) {
    const values = made(document, operation, media, level);
    const answer = await prism.send(request(operation, values, document.credentials(operation)));
    example = { level: level.name, control: answer.fault, misfit: example?.misfit };
    if (answer.fault && level !== LEVELS.at(-1)) continue;
    prism.begin();
    given = input(operation, action, values);
    invoked = await invoke(instance.name, name, given);
    // Prism is not strict everywhere, and examples may break their own schemas: then a smaller one has to do.
    if (invoked.error?.reason !== 'misfit') break;
    example.misfit ??= invoked.error.detail;
  }
  const seen = prism.seen;
  const fault = seen.map(({ answer }) => answer.fault).find(Boolean);
  const result = { level: example.level, strict: await refuses(document, operation, media), misfit: example.misfit, requests: seen.length };
  if (seen.length > 0 && !fault) return { class: 'accepted', ...result };
  const details = { fault, control: example.control, error: invoked.error, input: given, sent: seen.map(({ request }) => shown(request)) };
  if (example.control) return { class: 'document', ...result, ...details };
  return { class: seen.length ? 'sluice' : 'refused', ...result, ...details };
}

function made(document, operation, media, level) {
  const examples = new Examples(document, level);
  const wanted = operation.parameters.filter((one) => one.required || one.in === 'path' || level.all);
  const parameters = new Map(wanted.map((one) => [`${one.in} ${one.name}`, examples.of(one)]));
  const body = media && { ...media, value: examples.of(media.spec) };
  return { parameters, body };
}

function shown({ method, path, headers, body }) {
  return { method, path, headers, body: body?.toString('utf8').slice(0, 2000) };
}

function print(report, results) {
  const count = (name) => results.filter((one) => one.class === name).length;
  console.log(`OpenAPI ${report.openapi}: ${report.operations} operations, ${report.actions} actions`);
  for (const remark of report.remarks) console.log(`  ${remark.kind}: ${remark.places.length} × ${remark.message}`);
  console.log('\nInvoked, by outcome:');
  for (const [name, meaning] of Object.entries(CLASSES)) console.log(`  ${String(count(name)).padStart(6)}  ${meaning}`);
  console.log('\nAccepted, by how full the example is:');
  for (const { name } of LEVELS) {
    const accepted = results.filter((one) => one.class === 'accepted' && one.level === name).length;
    console.log(`  ${String(accepted).padStart(6)}  ${name}`);
  }
  const strict = [true, false, undefined].map((wanted) => results.filter((one) => one.strict === wanted).length);
  console.log(`\nA request that is wrong on purpose: ${strict[0]} refused by Prism, ${strict[1]} not, ${strict[2]} have nothing that could be wrong`);
  const misfits = results.filter((one) => one.misfit);
  if (misfits.length) console.log('\nExamples that Prism takes and the check of inputs of Sluice does not, so that a smaller one was tried:');
  for (const one of misfits) console.log(`  ${one.operation}: ${one.misfit.slice(0, 200)}`);
  const rejected = results.filter((one) => one.class !== 'accepted');
  if (rejected.length) console.log('\nNot accepted:');
  for (const one of rejected) {
    const why = one.fault ?? JSON.stringify(one.error ?? 'no request');
    console.log(`  ${one.class}  ${one.operation} (${one.name}): ${why.slice(0, 300)}`);
  }
  const share = results.length ? count('accepted') / results.length : 0;
  console.log(`\n${count('accepted')} of ${results.length} accepted: ${(share * 100).toFixed(1)} %`);
  return share;
}
