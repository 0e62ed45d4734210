// Values that satisfy schemas. The same schema gives the same value, always.
import RandExp from 'randexp';

const FORMATS = {
  'date-time': '2024-01-02T03:04:05Z',
  date: '2024-01-02',
  time: '03:04:05Z',
  duration: 'P1D',
  email: 'ada@example.com',
  'idn-email': 'ada@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com/a',
  url: 'https://example.com/a',
  'uri-reference': '/a',
  uuid: '3fa85f64-5717-4562-b3fc-2c963f66afa6',
  'json-pointer': '/a',
  regex: 'a',
  byte: 'aGVsbG8=',
  binary: 'hello',
};
/** How deep optional members are filled in, and where even required ones end. */
const DEEP = 5;
const BOTTOM = 40;

/** What is asked of values: optional members too, and the examples of schemas. */
export const LEVELS = [
  { name: 'examples of the document', given: true, all: true, examples: true },
  { name: 'all members, examples of schemas', given: false, all: true, examples: true },
  { name: 'all members', given: false, all: true, examples: false },
  { name: 'required members, examples of schemas', given: false, all: false, examples: true },
  { name: 'required members', given: false, all: false, examples: false },
];

export class Examples {
  constructor(document, level) {
    this.document = document;
    this.level = level;
  }

  /** The value of a parameter or media type: the document's own example where it is wanted. */
  of(described) {
    const schema = described.schema ?? Object.values(described.content ?? {})[0]?.schema ?? {};
    if (this.level.given) {
      const first = Object.values(described.examples ?? {})[0];
      const given = [described.example, first && this.document.resolve(first).value];
      // Examples that are another type than their schema are mistakes of the document.
      const fitting = given.find((value) => fits(value, this.type(this.flat(schema))));
      if (fitting !== undefined) return fitting;
    }
    return this.value(schema);
  }

  value(schema, depth = 0, index = 0) {
    const flat = this.flat(schema);
    if (flat.const !== undefined) return flat.const;
    if (flat.enum?.length) {
      const choices = flat.enum.filter((choice) => choice !== null && choice !== '');
      return choices.length ? choices[index % choices.length] : flat.enum[0];
    }
    const type = this.type(flat);
    if (this.level.examples && index === 0) {
      const given = [flat.example, flat.examples?.[0], flat.default].find((value) => fits(value, type));
      if (given !== undefined) return given;
    }
    switch (type) {
      case 'object': return this.object(flat, depth);
      case 'array': return this.array(flat, depth);
      case 'integer': case 'number': return number(flat, type === 'integer', index);
      case 'boolean': return true;
      case 'null': return null;
      default: return string(flat, index);
    }
  }

  object(schema, depth) {
    const value = {};
    const required = new Set(schema.required ?? []);
    for (const [name, member] of Object.entries(schema.properties ?? {})) {
      const resolved = this.document.resolve(member);
      const isRead = resolved.readOnly === true || member.readOnly === true;
      const isWanted = required.has(name) ? depth < BOTTOM : this.level.all && depth < DEEP;
      if (!isRead && isWanted && member !== false) value[name] = this.value(member, depth + 1);
    }
    const others = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : {};
    for (const name of required) if (!schema.properties || !(name in schema.properties)) value[name] = this.value(others, depth + 1);
    const names = Object.keys(schema.properties ?? {}).filter((name) => !(name in value));
    while (Object.keys(value).length < (schema.minProperties ?? 0)) {
      const name = names.shift();
      if (name !== undefined) value[name] = this.value(schema.properties[name], depth + 1);
      else if (schema.additionalProperties === false) break;
      else value[`key${Object.keys(value).length}`] = this.value(others, depth + 1);
    }
    return value;
  }

  array(schema, depth) {
    if (schema.prefixItems) return schema.prefixItems.map((item) => this.value(item, depth + 1));
    const usual = depth < DEEP ? 1 : 0;
    const count = Math.min(Math.max(schema.minItems ?? 0, usual), schema.maxItems ?? 1000);
    const items = new Map();
    for (let index = 0; items.size < count && index < count + 20; index += 1) {
      const item = this.value(schema.items ?? {}, depth + 1, index);
      items.set(schema.uniqueItems ? JSON.stringify(item) : index, item);
    }
    return [...items.values()];
  }

  type(schema) {
    const types = [schema.type ?? []].flat().filter((type) => type !== 'null');
    if (types.length) return types[0];
    if (schema.type) return 'null';
    if (schema.properties || schema.additionalProperties || schema.required) return 'object';
    if (schema.items) return 'array';
    return schema.minimum !== undefined || schema.maximum !== undefined ? 'number' : 'string';
  }

  /** A schema with its references, its `allOf`, and the first of its alternatives written into one. */
  flat(schema, fuel = 24) {
    if (typeof schema !== 'object' || schema === null || fuel === 0) return {};
    let { $ref, allOf, oneOf, anyOf, ...flat } = schema;
    if ($ref) flat = merge(this.flat(this.document.target($ref), fuel - 1), flat);
    for (const part of allOf ?? []) flat = merge(flat, this.flat(part, fuel - 1));
    for (const choices of [oneOf, anyOf].filter((choices) => choices?.length)) {
      const choice = choices.find((choice) => this.document.resolve(choice).type !== 'null') ?? choices[0];
      flat = merge(flat, this.flat(choice, fuel - 1));
    }
    return flat;
  }
}

function merge(a, b) {
  const merged = { ...a, ...b };
  if (a.properties && b.properties) merged.properties = { ...a.properties, ...b.properties };
  if (a.required && b.required) merged.required = [...new Set([...a.required, ...b.required])];
  if (a.enum && b.enum) merged.enum = a.enum.filter((choice) => b.enum.includes(choice));
  if (merged.enum && merged.const !== undefined && !merged.enum.includes(merged.const)) delete merged.const;
  if (a.example && b.example === undefined) merged.example = a.example;
  return merged;
}

function fits(value, type) {
  if (value === undefined || value === null) return false;
  if (Array.isArray(value)) return type === 'array';
  if (type === 'integer') return Number.isInteger(value);
  return typeof value === type;
}

function number(schema, isInteger, index) {
  const step = schema.multipleOf ?? (isInteger ? 1 : 0.5);
  let low = schema.minimum;
  if (typeof schema.exclusiveMinimum === 'number') low = schema.exclusiveMinimum + step;
  else if (schema.exclusiveMinimum === true && low !== undefined) low += step;
  let high = schema.maximum;
  if (typeof schema.exclusiveMaximum === 'number') high = schema.exclusiveMaximum - step;
  else if (schema.exclusiveMaximum === true && high !== undefined) high -= step;
  // Bounds that JavaScript cannot keep exactly are none.
  if (!(Math.abs(low) <= Number.MAX_SAFE_INTEGER)) low = undefined;
  let value = low ?? Math.min(1, high ?? 1);
  if (schema.multipleOf) value = Math.ceil(value / step) * step;
  if (isInteger) value = Math.ceil(value);
  return index === 0 || (high !== undefined && value + index * step > high) ? value : value + index * step;
}

function string(schema, index) {
  const { minLength = 0, maxLength = Infinity } = schema;
  if (schema.pattern) {
    const made = matching(schema.pattern, minLength, maxLength, index);
    if (made !== undefined) return made;
  }
  if (FORMATS[schema.format]) return other(FORMATS[schema.format], index);
  return (index === 0 ? 'text' : `text${index}`).padEnd(minLength, 'x').slice(0, maxLength);
}

/** Another text of the same format: its last digit, or else its first letter, is another. */
function other(text, index) {
  if (index === 0) return text;
  const at = /\d/.test(text) ? text.search(/\d(?=\D*$)/) : 0;
  const digits = '0123456789';
  const letter = /\d/.test(text) ? digits[(Number(text[at]) + index) % 10] : String.fromCharCode(97 + (index % 26));
  return text.slice(0, at) + letter + text.slice(at + 1);
}

/** A text that matches a pattern and has the length, the shortest first. */
function matching(pattern, minLength, maxLength, index) {
  let expression;
  try {
    expression = new RegExp(pattern, 'u');
  } catch {
    try {
      expression = new RegExp(pattern);
    } catch {
      return undefined;
    }
  }
  const plain = 'text'.padEnd(minLength, 'x').slice(0, maxLength);
  if (index === 0 && expression.test(plain)) return plain;
  for (const most of [1, 2, 4, 8, 16, 36, 100]) {
    for (let turn = 0; turn < 8; turn += 1) {
      const maker = new RandExp(new RegExp(pattern));
      maker.max = most;
      let seed = turn + index * 8;
      maker.randInt = (low, high) => low + ((seed = (seed * 7 + turn) % 1009) % (high - low + 1));
      const made = maker.gen();
      if (expression.test(made) && made.length >= minLength && made.length <= maxLength) return made;
    }
  }
  return undefined;
}
