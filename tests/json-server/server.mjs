// A CRUD API over HTTP: json-server with its usual routes, kept in memory.
//
// HOST is where to listen, RECORDS how many contacts there are at first. Prints its URL once it listens. Every write gives
// a record the time of now as `updated_at`, as a database would.

import jsonServer from 'json-server';

const host = process.env.HOST ?? '127.0.0.1';
const records = Number(process.env.RECORDS ?? 10);
const first = Date.parse('2026-01-01T00:00:00Z');

// Ten of each moment, so that a moment lies across pages.
const contacts = Array.from({ length: records }, (_, index) => ({
  id: index + 1,
  name: `Contact ${index + 1}`,
  updated_at: new Date(first + Math.floor(index / 10) * 1000).toISOString(),
}));

const server = jsonServer.create();
server.use(jsonServer.defaults({ logger: false }));
server.use(jsonServer.bodyParser);
server.use((request, response, next) => {
  if (['POST', 'PUT', 'PATCH'].includes(request.method)) request.body.updated_at = new Date().toISOString();
  next();
});
server.use(jsonServer.router({ contacts }));
const listener = server.listen(0, host, () => {
  console.log(`http://${host}:${listener.address().port}`);
});
