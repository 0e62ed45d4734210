// The input of an action for the values of an operation, by the rules that docs/declarative-connectors.md states.

/** The media type of a body that an action sends: its format, its name in the document, and what is said of it. */
export function choose(operation, action) {
  const sent = action.request.body;
  const content = operation.body?.content;
  if (!sent || !content) return undefined;
  const format = sent.format ?? 'json';
  const fits = {
    json: (type) => /^application\/json|[/+]json$|^\*\/\*$|^application\/\*$/.test(type),
    form: (type) => type === 'application/x-www-form-urlencoded',
    multipart: (type) => type === 'multipart/form-data',
    text: (type) => type.startsWith('text/'),
    xml: (type) => /[/+]xml$/.test(type),
    bytes: () => true,
  }[format];
  const names = Object.keys(content);
  const essence = (name) => name.split(';')[0].trim().toLowerCase();
  const type = names.find((name) => name === sent.content_type) ?? names.find((name) => fits(essence(name))) ?? names[0];
  return { format, type: type.includes('*') ? 'application/json' : type, spec: content[type] };
}

/** The input: a property for each parameter, and `body`. */
export function input(operation, action, values) {
  const known = action.input?.properties ?? {};
  const given = {};
  for (const parameter of operation.parameters) {
    const plain = parameter.name.replace(/['"\\`]/g, '_');
    const name = [plain, `${plain}_${parameter.in}`].find((name) => name in known && !(name in given) && !(name === 'body' && values.body));
    const value = values.parameters.get(`${parameter.in} ${parameter.name}`);
    // What the document says and the action has no property for was left out, or belongs to the pagination.
    if (name !== undefined && value !== undefined) given[name] = value;
  }
  if (values.body) given.body = values.body.format === 'bytes' ? btoa(String(values.body.value)) : values.body.value;
  return given;
}
