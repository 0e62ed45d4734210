// Sluice, by its command line and its API. SLUICE_URL and SLUICE_TOKEN say which.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import yaml from 'js-yaml';

const run = promisify(execFile);
const url = process.env.SLUICE_URL ?? 'http://127.0.0.1:7400';
/** The secrets that a connector's `auth` needs, with values. */
function secretsOf(auth) {
  if (auth?.all) return Object.assign({}, ...auth.all.map(secretsOf));
  if (auth?.type === 'basic') return { username: 'user', password: 'pass' };
  if (auth?.type === 'bearer') return { token: 'token' };
  if (auth?.type === 'api_key') return { [auth.secret ?? 'api_key']: 'key' };
  return {};
}

/** Imports a document: the importer's report, and the connector. */
export async function load(program, document, folder) {
  const file = join(folder, 'connector.yaml');
  const done = await run(program, ['connector', 'import', document, '--name', 'prism-subject', '--to', file, '-o', 'json'], {
    maxBuffer: 256 << 20,
  });
  return { report: JSON.parse(done.stdout), connector: yaml.load(await readFile(file, 'utf8')), file };
}

/** Installs the connector under a version of its own, and an instance of it that leads to `address`. */
export async function install(program, { connector, file }, address, folder) {
  const version = `0.0.${Math.floor(Date.now() / 1000)}`;
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replace(/^version: .*$/m, `version: ${version}`));
  const name = `prism-subject-${version.slice(4)}`;
  const wanted = Object.entries(connector.variables?.properties ?? {}).filter(([key]) => connector.variables.required?.includes(key));
  const settings = { ...Object.fromEntries(wanted.map(([key]) => [key, 'text'])), url: address };
  const secrets = Object.entries(secretsOf(connector.auth)).map(([key, value]) => [key, { value }]);
  const plain = Object.fromEntries(secrets.map(([key, { value }]) => [key, { env: `PRISM_${key.toUpperCase()}` }]));
  const instance = { sluice: 1, kind: 'instance', name, connector: connector.name, settings, secrets: plain };
  const instanceFile = join(folder, 'instance.yaml');
  await writeFile(instanceFile, yaml.dump(instance));
  const env = { ...process.env, ...Object.fromEntries(secrets.map(([key, { value }]) => [`PRISM_${key.toUpperCase()}`, value])) };
  const sluice = (...args) => run(program, args, { env, maxBuffer: 64 << 20 });
  await sluice('apply', '-f', file);
  // A version that is not the connector's first is in use only when somebody says so.
  await sluice('connector', 'upgrade', connector.name, '--to', version, '--apply', '--force');
  await sluice('apply', '-f', instanceFile);
  return { name, remove: () => run(program, ['instance', 'delete', name], { env }).catch(() => undefined) };
}

/** Runs an action once: what came of it, or the refusal. */
export async function invoke(instance, action, input) {
  const response = await fetch(`${url}/api/v1/instances/${instance}/invoke/${action}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${process.env.SLUICE_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ input, raw: false, timeout_seconds: 30 }),
  });
  const answer = await response.json();
  return response.ok ? answer : { status: 'refused', error: answer };
}
