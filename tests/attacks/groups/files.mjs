// Files that mean no good: graphs, names, containers, credentials, images.
import { outcome } from "../lib/sluice.mjs";

const HEAD = "sluice: 1\nkind: template\nversion: 1.0.0\n";
const TICK = "{ id: tick, use: timer/tick, schedule: { every: 1h } }";

export async function files(world) {
  await sound(world);
  await graphs(world);
  await names(world);
  await walls(world);
  await schemas(world);
  await secrets(world);
  await images(world);
}

/** What the others are told from: the same without the harm is taken. */
async function sound({ sluice, attack }) {
  const text = template(list(TICK, "{ id: a, use: log/write, limits: { memory: 64MiB } }"));
  const answer = await sluice.call("POST", "/api/v1/apply", { files: [{ name: "x.yaml", text }], dry_run: true });
  attack("sound", "a template", "200", outcome(answer), answer.status === 200);
  const instance = "sluice: 1\nkind: instance\nname: x\nconnector: log\n";
  const bound = await sluice.call("POST", "/api/v1/apply", {
    files: [{ name: "x.yaml", text: instance }],
    dry_run: true,
  });
  attack("sound", "an instance", "200", outcome(bound), bound.status === 200);
}

/** Applies a text and tells whether it was refused as files are: with diagnostics, soon, and without a fault of ours. */
async function refuses({ sluice, attack }, group, variant, text, { statuses = [422], code, params = {} } = {}) {
  const begun = performance.now();
  const answer = await sluice.call("POST", "/api/v1/apply", {
    files: [{ name: "x.yaml", text }],
    dry_run: true,
    params,
  });
  const millis = Math.round(performance.now() - begun);
  const codes = (answer.json?.diagnostics ?? []).map((one) => one.code);
  const fits = statuses.includes(answer.status) && (!code || codes.includes(code));
  const shown = /panicked|root:x|RUST_BACKTRACE/.test(answer.text);
  const detail = `${[...new Set(codes)].join(" ")} ${answer.json?.diagnostics?.[0]?.message ?? answer.json?.detail ?? ""}`;
  const expect = `${statuses.join(" or ")}${code ? ` ${code}` : ""} within 10 s`;
  attack(group, variant, expect, { ...outcome(answer), detail, millis }, fits && !shown && millis < 20_000);
}

const template = (steps, more = "", name = "mean") => `${HEAD}name: ${name}\n${more}steps:\n${steps}`;
const list = (...steps) => steps.map((step) => `  - ${step}\n`).join("");

async function graphs(world) {
  const say = (id, more) => `{ id: ${id}, use: log/write, ${more} }`;
  const chain = (count) => list(TICK, ...Array.from({ length: count }, (_, n) => `{ id: s${n}, use: log/write }`));
  const cases = {
    "to itself": list(TICK, say("a", "after: [tick, a]")),
    "in a circle": list(TICK, say("a", "after: [tick, c]"), say("b", "after: a"), say("c", "after: b")),
    "in a circle by errors": list(TICK, say("a", "on_error: { to: b }"), say("b", "on_error: { to: a }")),
    "five hundred and one": chain(500),
    "ten thousand": chain(10_000),
    "a step that is not there": list(TICK, say("a", "after: nobody")),
    "ids twice": list(TICK, say("a", "when: = true"), say("a", "when: = true")),
    "a port that is not there": list(TICK, say("a", "after: tick.nowhere")),
    "after by the thousand": list(TICK, say("a", `after: [${Array(20_000).fill("tick").join()}]`)),
  };
  for (const [variant, steps] of Object.entries(cases)) {
    await refuses(world, "graph", variant, template(steps), { statuses: [413, 422] });
  }
  const wide = Array.from({ length: 499 }, (_, n) => say(`s${n}`, "after: [tick]"));
  const every = Array.from({ length: 60 }, (_, n) =>
    say(`s${n}`, `after: [tick${Array.from({ length: n }, (__, m) => `, s${m}`).join("")}]`),
  );
  // These are sound, however many ways lead through them: what is asked is that they are judged soon.
  for (const [variant, steps] of Object.entries({ wide, "every step behind every other": every })) {
    await refuses(world, "graph", variant, template(list(TICK, ...steps)), { statuses: [200, 422] });
  }
}

/** Names that would like to be a path, a pattern, a command or somebody else. */
const NAMES = {
  climbing: "../../etc",
  absolute: "/etc/passwd",
  pattern: "v1.*",
  hash: "a#b",
  star: "'*'",
  command: "'$(id)'",
  option: "--privileged",
  "three hundred letters": "a".repeat(300),
  emoji: "🦀",
  direction: '"a\\u202eb"',
  "zero width": '"a\\u200bb"',
  look_alike: '"оrders"',
  nul: '"a\\0b"',
  "line break": '"a\\nb"',
  "upper case": "Orders",
  prototype: "__proto__",
  empty: '""',
  number: "1e3",
};

async function names(world) {
  for (const [variant, name] of Object.entries(NAMES)) {
    const step = template(list(TICK, `{ id: ${name}, use: log/write }`));
    // An id may have an underscore, and digits are letters here.
    if (!["prototype"].includes(variant)) await refuses(world, "name_step", variant, step);
    await refuses(world, "name_template", variant, template(list(TICK), "", name));
    await refuses(world, "name_instance", variant, `sluice: 1\nkind: instance\nname: ${name}\nconnector: log\n`);
    await refuses(world, "name_connector", variant, `sluice: 1\nkind: instance\nname: x\nconnector: ${name}\n`);
  }
  for (const use of [
    "log/../timer",
    "../log/write",
    "log/write;id",
    "log",
    "/write",
    "log/write/more",
    "sluice/gateway",
  ])
    await refuses(world, "name_use", use, template(list(TICK, `{ id: a, use: ${use} }`)));
}

/** What a container may not ask for, in every place where something might listen. */
async function walls(world) {
  const asked = [
    "privileged: true",
    "network: host",
    "volumes: [/:/host]",
    "binds: [/var/run/docker.sock]",
    "devices: [/dev/mem]",
    "cap_add: [SYS_ADMIN]",
    "pid: host",
    "user: root",
    "runtime: runc",
    "env: { LD_PRELOAD: /tmp/x.so }",
    "image: evil/image:latest",
    "command: [sh]",
    "entrypoint: [sh]",
    "labels: { io.sluice.deployment: dep_0 }",
    "security_opt: [seccomp=unconfined]",
    "ports: [80]",
  ];
  for (const what of asked) {
    await refuses(world, "wall_step", what, template(list(TICK, `{ id: a, use: log/write, ${what} }`)));
    const limits = template(list(TICK, `{ id: a, use: log/write, limits: { ${what} } }`));
    await refuses(world, "wall_limits", what, limits);
    await refuses(world, "wall_instance", what, `sluice: 1\nkind: instance\nname: x\nconnector: log\n${what}\n`);
    await refuses(world, "wall_template", what, template(list(TICK), `${what}\n`));
  }
  for (const limit of [
    "memory: 1PiB",
    "memory: -1MiB",
    "memory: 1KiB",
    "cpus: -1",
    "cpus: .nan",
    "cpus: .inf",
    "cpus: 1e9",
  ])
    await refuses(world, "wall_size", limit, template(list(TICK, `{ id: a, use: log/write, limits: { ${limit} } }`)));
  for (const isolation of ["host", "none", "privileged", "../step"])
    await refuses(
      world,
      "wall_isolation",
      isolation,
      template(list(TICK, `{ id: a, use: log/write, isolation: ${isolation} }`)),
    );
}

/** Schemas, expressions, schedules and references that cost more than they say. */
async function schemas(world) {
  const parameters = (schema) => template(list(TICK), `parameters: ${JSON.stringify({ type: "object", ...schema })}\n`);
  const doubling = {};
  for (let n = 0; n < 40; n += 1) doubling[`d${n}`] = { anyOf: Array(2).fill({ $ref: `#/$defs/d${n + 1}` }) };
  doubling.d40 = { type: "string" };
  // Some are no schema, others are one that no value can be held against for ever.
  const cases = {
    "fetched by URL": { properties: { a: { $ref: `${world.hostile.main.url}/schema.json` } } },
    "fetched from a file": { properties: { a: { $ref: "file:///etc/passwd" } } },
    "to itself": { properties: { a: { $ref: "#/properties/a" } } },
    "doubling at each level": { properties: { a: { $ref: "#/$defs/d0" } }, $defs: doubling },
    "a pattern of a megabyte": { properties: { a: { type: "string", pattern: "(a|b)".repeat(200_000) } } },
    "a pattern that repeats": {
      properties: { a: { type: "string", pattern: "((((a{1,99}){1,99}){1,99}){1,99}){1,99}" } },
    },
  };
  for (const [variant, schema] of Object.entries(cases)) {
    const { requests } = await world.hostile.during(() =>
      refuses(world, "schema", variant, parameters(schema), { statuses: [200, 422], params: { a: "x" } }),
    );
    if (requests.length) world.attack("schema", `${variant}, fetched`, "no request", { status: 0, detail: "" }, false);
  }
  // A pattern is matched in time that grows with the text only.
  const pattern = parameters({ properties: { a: { type: "string", pattern: "^(a+)+$" } } }).replace("mean", "pattern");
  const begun = performance.now();
  const body = { files: [{ name: "x.yaml", text: pattern }], params: { a: `${"a".repeat(50_000)}!` }, dry_run: true };
  const answer = outcome(await world.sluice.call("POST", "/api/v1/apply", body));
  const millis = Math.round(performance.now() - begun);
  const good = [200, 422].includes(answer.status) && millis < 15_000;
  world.attack("schema", "a pattern that others backtrack in", "an answer in time", { ...answer, millis }, good);
  // What names nothing is an expression without a value; what cannot be read or would cost too much is refused.
  for (const [variant, expression] of Object.entries({
    parentheses: `= ${"(".repeat(100_000)}`,
    "five megabytes": `= ${"1 + ".repeat(900_000)}1`,
    "no end": "= $map([1], function($x) {",
    environment: "= $env.PATH",
    secrets: "= $secrets.api_key",
    credentials: "= credentials.token",
    "another step": "= steps.nobody.body",
    "a path without end": `$${"..*".repeat(3000)}`,
    "a pattern that backtracks": "= $match(body.a, /(a+)+(?=b)/)",
  })) {
    const text = template(list(TICK, `{ id: a, use: log/write, input: { x: ${JSON.stringify(expression)} } }`));
    await refuses(world, "expression", variant, text, { statuses: [200, 413, 422] });
  }
  for (const cron of [
    "0 0 31 2 *",
    "* * * * * * *",
    "99 99 * * *",
    "*/0 * * * *",
    "0-99999999 * * * *",
    `${"0,".repeat(50_000)}0 * * * *`,
  ])
    await refuses(
      world,
      "cron",
      cron.slice(0, 20),
      template(list(`{ id: tick, use: timer/tick, schedule: { cron: "${cron}" } }`)),
    );
  for (const every of ["0s", "1ns", "-1s", "99999999999999999999d", "1e9h"])
    await refuses(
      world,
      "every",
      every,
      template(list(`{ id: tick, use: timer/tick, schedule: { every: ${every} } }`)),
    );
}

/** Files name secrets; the server reads none of its own files or variables for them. */
async function secrets(world) {
  const { sluice, attack } = world;
  const connector = {
    kind: "connector",
    name: "keyed",
    http: { base_url: world.hostile.main.url },
    auth: { type: "api_key", name: "X-Key" },
    actions: { get: { title: "Get", request: { path: "/keyed" } } },
  };
  await sluice.apply([connector]);
  const instance = (name, said) =>
    `sluice: 1\nkind: instance\nname: ${name}\nconnector: keyed\nsecrets: { api_key: ${said} }\n`;
  for (const [variant, said] of Object.entries({
    "a file": "{ file: /etc/passwd }",
    "a file of the server": "{ file: keys }",
    "a variable": "{ env: PATH }",
    "the broker's password": "{ env: SLUICE__BROKER__URL }",
    "in the clear": "hunter2",
    "both ways": "{ env: A, file: b }",
    "of another instance": "{ instance: plain }",
  })) {
    const answer = await sluice.call("POST", "/api/v1/apply", {
      files: [{ name: "x.yaml", text: instance("stolen", said) }],
    });
    const { requests } = await world.hostile.during(() => sluice.invoke("stolen", "get"));
    const sent = requests.map((one) => one.headers["x-key"]).filter(Boolean);
    const clean = sent.length === 0 && !/root:x|amqp:|\/usr\/bin/.test(answer.text);
    const detail = `${answer.status} ${answer.json?.detail ?? ""} ${answer.json?.diagnostics?.[0]?.message ?? ""}`;
    attack(
      "secret",
      variant,
      "nothing of the server's is read",
      { ...outcome(answer), detail },
      clean && answer.status < 500,
    );
    await sluice.call("DELETE", "/api/v1/instances/stolen");
  }
  // What was given is never given back.
  const given = "canary-given-4471";
  world.report.secret(given);
  const applied = await sluice.call("POST", "/api/v1/apply", {
    files: [{ name: "x.yaml", text: instance("giver", "{ env: A }") }],
    secrets: { giver: { api_key: given } },
  });
  attack("secret", "given", "200, not repeated", outcome(applied), applied.status === 200);
  for (const path of ["instances", "instances/giver", "connectors/keyed", "events"]) {
    const answer = outcome(await sluice.call("GET", `/api/v1/${path}`));
    attack("secret", `read back at ${path}`, "not there", { ...answer, detail: "" }, !answer.whole.includes(given));
  }
  const wrong = await sluice.call("POST", "/api/v1/apply", { files: [], secrets: { giver: { nothing: given } } });
  attack("secret", "of a field that is not there", "not repeated", outcome(wrong), wrong.status < 500);
}

/** Images: what is no reference is refused before anybody is asked for it. */
async function images({ sluice, attack }) {
  const none = [
    "",
    "../../etc",
    "/etc/passwd",
    "--privileged",
    "-v /:/x",
    "a;id",
    "$(id)",
    "a b",
    "a\nb",
    "a/../b",
    "a//b",
  ];
  for (const image of [
    ...none,
    "http://evil.test/a",
    "x".repeat(5000),
    "a?b",
    "a%2fb",
    "\u0430/b",
    "UPPER/case",
    "a:tag:tag",
    "a@sha256:00",
    `a@sha256:${"g".repeat(64)}`,
    ":::",
    "a@b@c",
  ]) {
    const answer = outcome(await sluice.call("POST", "/api/v1/connectors", { image }));
    attack("image", JSON.stringify(image).slice(0, 40), "422", answer, answer.status === 422);
  }
}
