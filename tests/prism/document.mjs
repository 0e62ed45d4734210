// An OpenAPI document: its operations, their parameters and bodies.
import { readFile } from 'node:fs/promises';

import yaml from 'js-yaml';

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'];

export async function read(path) {
  const text = await readFile(path, 'utf8');
  return new Document(text.trimStart().startsWith('{') ? JSON.parse(text) : yaml.load(text, { schema: yaml.JSON_SCHEMA }));
}

export class Document {
  constructor(root) {
    this.root = root;
  }

  /** What a reference leads to; the value itself where it is none. */
  resolve(value) {
    for (let hops = 0; value?.$ref && hops < 32; hops += 1) value = this.target(value.$ref);
    return value ?? {};
  }

  target(reference) {
    const parts = decodeURIComponent(reference.replace(/^#\/?/, '')).split('/');
    return parts.reduce((at, part) => at?.[part.replaceAll('~1', '/').replaceAll('~0', '~')], this.root);
  }

  /** The operations by `METHOD path`, as the path is sent: without the fragment that may tell them apart. */
  operations() {
    const found = new Map();
    for (const [path, reference] of Object.entries(this.root.paths ?? {})) {
      const item = this.resolve(reference);
      for (const method of METHODS.filter((method) => item[method])) {
        const key = `${method.toUpperCase()} ${path.split('#')[0]}`;
        const operation = this.operation(method.toUpperCase(), path.split('#')[0], item, item[method]);
        found.set(key, [...(found.get(key) ?? []), operation]);
      }
    }
    return found;
  }

  operation(method, path, item, spec) {
    const parameters = new Map();
    for (const reference of [...(item.parameters ?? []), ...(spec.parameters ?? [])]) {
      const parameter = this.resolve(reference);
      parameters.set(`${parameter.in} ${parameter.name}`, parameter);
    }
    const places = ['path', 'query', 'header'];
    const sorted = [...parameters.values()].filter((one) => places.includes(one.in));
    sorted.sort((a, b) => places.indexOf(a.in) - places.indexOf(b.in));
    const body = spec.requestBody && this.resolve(spec.requestBody);
    return { id: spec.operationId, method, path, parameters: sorted, body, security: spec.security ?? this.root.security ?? [] };
  }

  /** The credentials that the first of the accepted sets of schemes wants, as headers and query. */
  credentials(operation) {
    const headers = {};
    const query = [];
    for (const name of Object.keys(operation.security[0] ?? {})) {
      const scheme = this.resolve(this.root.components?.securitySchemes?.[name]);
      if (scheme.type === 'apiKey' && scheme.in === 'query') query.push([scheme.name, 'key']);
      else if (scheme.type === 'apiKey' && scheme.in === 'cookie') headers.cookie = `${scheme.name}=key`;
      else if (scheme.type === 'apiKey') headers[scheme.name.toLowerCase()] = 'key';
      else if (scheme.type === 'http' && scheme.scheme.toLowerCase() === 'basic') headers.authorization = `Basic ${btoa('user:pass')}`;
      else headers.authorization = 'Bearer token';
    }
    return { headers, query };
  }
}
