// The request of an operation as OpenAPI says it is written, without Sluice: what a validator ought to accept.

const text = (value) => (typeof value === 'object' ? JSON.stringify(value) : String(value));
const encode = (value) => encodeURIComponent(text(value));

/** A request for values: parameters by `place name`, and a body with its media type. */
export function request(operation, values, credentials) {
  let path = operation.path;
  const query = [...credentials.query];
  const headers = { accept: 'application/json, */*;q=0.5', ...credentials.headers };
  for (const parameter of operation.parameters) {
    const value = values.parameters.get(`${parameter.in} ${parameter.name}`);
    if (value === undefined) continue;
    const isJson = parameter.content !== undefined;
    if (parameter.in === 'path') path = path.replaceAll(`{${parameter.name}}`, isJson ? encode(JSON.stringify(value)) : simple(value));
    else if (parameter.in === 'header') headers[parameter.name.toLowerCase()] = isJson ? JSON.stringify(value) : [value].flat().map(text).join(',');
    else if (isJson) query.push([parameter.name, JSON.stringify(value)]);
    else query.push(...styled(parameter, value));
  }
  const search = query.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&');
  const body = values.body && written(values.body, headers);
  return { method: operation.method, path: search ? `${path}?${search}` : path, headers, body };
}

const simple = (value) => [value].flat().map(encode).join(',');

function styled(parameter, value) {
  const { name, style = 'form', explode = style === 'form' } = parameter;
  const separator = { spaceDelimited: ' ', pipeDelimited: '|' }[style] ?? ',';
  if (Array.isArray(value)) return explode ? value.map((item) => [name, item]) : [[name, value.map(text).join(separator)]];
  if (typeof value !== 'object' || value === null) return [[name, value]];
  if (style === 'deepObject') return Object.entries(value).flatMap(([key, member]) => [member].flat().map((item) => [`${name}[${key}]`, item]));
  return explode ? Object.entries(value) : [[name, Object.entries(value).flat().map(text).join(',')]];
}

function written({ format, type, value }, headers) {
  headers['content-type'] = type;
  switch (format) {
    case 'json': return JSON.stringify(value);
    case 'form': {
      const pairs = Object.entries(value ?? {}).flatMap(([name, member]) => [member].flat().map((item) => [name, text(item)]));
      return new URLSearchParams(pairs).toString();
    }
    case 'multipart': {
      const boundary = 'sluice-control';
      headers['content-type'] = `multipart/form-data; boundary=${boundary}`;
      const parts = Object.entries(value ?? {}).flatMap(([name, member]) => [member].flat().map((item) => [name, item]));
      const heads = parts.map(([name, item]) => `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${text(item)}\r\n`);
      return `${heads.join('')}--${boundary}--\r\n`;
    }
    default: return text(value);
  }
}
