// Scripts that want more than they get. After each the container must be the same, and run a plain call and a script.
import { answers, survives } from "../lib/health.mjs";

const KEY = "canary-script-secret-9034";

/** Code, and what its call has to end with: a code of an error, or a test of the result. */
const CODE = {
  endless: {
    loop: ["() => { for (;;) {} }", "script_timeout"],
    loop_caught: ["() => { for (;;) { try { for (;;) {} } catch (e) {} } }", "script_timeout"],
    finally: ["() => { try { for (;;) {} } finally { for (;;) {} } }", "script_timeout"],
    generator: ["() => { function* g() { for (;;) yield 1; } for (const x of g()) {} }", "script_timeout"],
    promises: ["async () => { for (;;) { await null; } }", "script_timeout"],
    promise_that_never_ends: ["() => new Promise(() => {})", "script_failed"],
    thenable: ["() => ({ then(f) { for (;;) {} } })", null],
    to_json: ["() => ({ toJSON() { for (;;) {} } })", "script_timeout"],
    getter: ["() => ({ get a() { for (;;) {} } })", "script_timeout"],
    thrown: ["() => { throw { toString() { for (;;) {} } } }", null],
    regex: ["() => /^(a+)+$/.test('a'.repeat(40) + 'b')", "script_timeout"],
    regex_alternatives: ["() => /^(a|a)*$/.test('a'.repeat(60) + 'b')", "script_timeout"],
    regex_lookahead: ["() => /^(?=(a+)+$)b/.test('a'.repeat(60) + 'c')", "script_timeout"],
    sort: [
      "() => { const a = Array(1e6).fill(0).map((_, i) => i % 7); for (;;) a.sort(() => 0.5 - Math.random()); }",
      null,
    ],
    search: ["() => { const a = 'a'.repeat(4e6); return a.indexOf('a'.repeat(2e6) + 'b'); }", null],
    replace: ["() => 'a'.repeat(2e6).split('').join('b').replaceAll('a', 'bb').length > 0 ? 'x'.repeat(10) : ''", null],
    bigint: ["() => { let a = 3n; for (;;) a = a * a; }", null],
    parse: ["() => JSON.parse('['.repeat(1e6))", "script_failed"],
    hash: ["() => { const a = 'a'.repeat(4e6); for (;;) crypto.hash('sha512', a); }", "script_timeout"],
  },
  recursion: {
    function: ["() => { const f = () => 1 + f(); return f(); }", "script_failed"],
    script: ["() => scripts.main()", "script_failed"],
    to_string: ["() => { const a = { toString() { return `${a}`; } }; return `${a}`; }", "script_failed"],
    getter: ["() => { const a = { get b() { return a.b; } }; return a.b; }", "script_failed"],
    parse: ["() => { let t = '1'; for (let i = 0; i < 1e5; i++) t = '(' + t + ')'; return RegExp(t); }", null],
    regex: ["() => /(?:(?:a|b)*)*c/.test('ab'.repeat(1e6))", null],
    nested_result: ["() => { let a = []; for (let i = 0; i < 1e6; i++) a = [a]; return a; }", "script_failed"],
    cycle: ["() => { const a = {}; a.a = a; return a; }", "script_failed"],
    invoke: ["() => invoke('main')", null],
    breaks_out: ["() => 1) + (globalThis.x = 1, () => 2", "bad_config"],
  },
  memory: {
    strings: ["() => { let s = 'x'; for (;;) s += s; }", "script_failed"],
    repeat: ["() => 'x'.repeat(2 ** 29)", "script_failed"],
    pad: ["() => 'x'.padEnd(2 ** 30 - 1, 'abc')", "script_failed"],
    array: ["() => { const a = []; for (;;) a.push('x'.repeat(1000) + a.length); }", null],
    array_length: ["() => Array.from({ length: 2 ** 32 - 1 })", null],
    sparse: ["() => { const a = []; a[4294967294] = 1; return a.map((x) => x).length; }", null],
    join: ["() => Array(2 ** 27).join('xxxxxxxx')", null],
    typed: ["() => new Uint8Array(2 ** 30)", "script_failed"],
    typed_many: ["() => { const a = []; for (;;) a.push(new Float64Array(1e5)); }", "script_failed"],
    buffer: ["() => new ArrayBuffer(2 ** 40)", "script_failed"],
    map: ["() => { const m = new Map(); for (let i = 0; ; i++) m.set(i, {}); }", null],
    closures: ["() => { let f = () => 1; for (;;) { const g = f; f = () => g(); } }", null],
    symbols: ["() => { const a = {}; for (let i = 0; ; i++) a[Symbol.for('x' + i)] = i; }", null],
    regex: ["() => { const a = []; for (let i = 0; ; i++) a.push(RegExp('a{1000}'.repeat(100) + i)); }", null],
    base64: ["() => { let t = 'x'.repeat(2 ** 20); for (;;) t = base64.encode(t); }", null],
    hex: ["() => { let t = 'x'.repeat(2 ** 20); for (;;) t = hex.encode(t); }", null],
    url: ["() => { let t = '%'.repeat(2 ** 20); for (;;) t = url.encode(t); }", null],
    log: ["() => { console.log('x'.repeat(2 ** 24)); return 1; }", null],
    error: ["() => { throw new Error('x'.repeat(2 ** 24)); }", "script_failed"],
  },
  output: {
    large: ["() => 'x'.repeat(2 ** 20)", "script_failed"],
    many: ["() => Array(1e6).fill(0)", "script_failed"],
    deep: ["() => { let a = []; for (let i = 0; i < 101; i++) a = [a]; return a; }", "script_failed"],
    log_flood: ["() => { for (let i = 0; i < 2e4; i++) console.log('x'.repeat(2000)); return 'done'; }", null],
    log_escape: [
      "() => { console.log('\\u001b[2J\\n2026-01-01T00:00:00Z ERROR forged'); return 'done'; }",
      (body) => body === "done",
    ],
    surrogates: ["() => '\\ud800'", null],
    not_json: ["() => ({ a: () => 1, b: Symbol('x'), c: undefined, d: NaN })", null],
  },
  escape: Object.fromEntries(
    Object.entries({
      function: "() => Function('return 1')()",
      constructor: "() => (() => {}).constructor('return 1')()",
      async_constructor: "() => (async () => {}).constructor('return 1')()",
      generator_constructor: "() => (function* () {}).constructor('yield 1')().next().value",
      helper_constructor: "() => invoke.constructor('return 1')()",
      reflect: "() => Reflect.construct(Object.getPrototypeOf(() => {}).constructor, ['return 1'])()",
      eval: "() => eval('1')",
      eval_indirect: "() => (0, globalThis['ev' + 'al'])('1')",
      set_timeout: "() => setTimeout('1', 0)",
      import: "() => import('os')",
      import_file: "() => import('file:///etc/passwd')",
      require: "() => require('fs').readFileSync('/etc/passwd', 'utf8')",
      process: "() => process.env",
      std: "() => std.loadFile('/etc/passwd')",
      os: "() => os.exec(['id'])",
      fetch: "() => fetch('http://127.0.0.1')",
      xhr: "() => new XMLHttpRequest()",
      socket: "() => new WebSocket('ws://127.0.0.1')",
      wasm: "() => new WebAssembly.Module(new Uint8Array())",
      worker: "() => new Worker('x')",
      proxy: "() => new Proxy({}, {})",
    }).map(([name, code]) => [name, [code, "script_failed"]]),
  ),
};

export async function scripts(world) {
  const { sluice, hostile, report } = world;
  report.secret(KEY);
  const actions = { main: { title: "Main", script: "main" }, plain: { title: "Plain", request: { path: "/plain" } } };
  const all = Object.entries(CODE).flatMap(([attack, variants]) =>
    Object.entries(variants).map(([variant, [code, expect]]) => ({ attack, variant, code, expect })),
  );
  const names = all.map((_, n) => `script-${n}`);
  const connectors = all.map(({ code }, n) => ({
    kind: "connector",
    name: names[n],
    http: { base_url: hostile.main.url, timeout_seconds: 3 },
    scripts: { main: { code } },
    actions,
  }));
  await sluice.apply([...connectors, ...names.map((name) => ({ kind: "instance", name, connector: name }))]);
  for (const [n, { attack, variant, expect }] of all.entries()) {
    const { result, survived } = await survives(sluice, () => sluice.invoke(names[n], "main"));
    const script = await answers(sluice, "script");
    const fits = typeof expect === "function" ? expect(result.body) : expect === null || result.code === expect;
    const bounded = result.millis < 20_000 && Buffer.byteLength(result.whole) < 1.2e6;
    const works = survived && script.body?.plain === true && script.tries === 0;
    const wanted = typeof expect === "string" ? expect : "an end in time";
    world.attack(
      attack,
      variant,
      wanted,
      { ...result, detail: `${survived ? "" : "the container ended: "}${result.detail}` },
      fits && bounded && works,
    );
  }
  await tampering(world);
  await crowd(world);
  await stolen(world);
  await hogs(world);
}

/** As many at a time as there are threads, each with almost all the memory that it may have. */
async function hogs({ sluice, hostile, attack }) {
  const code =
    "() => { const a = []; for (let i = 0; i < 13; i++) a.push(new Uint8Array(2 ** 20).fill(1)); for (;;) {} }";
  const http = { base_url: hostile.main.url, timeout_seconds: 3 };
  await sluice.apply([
    {
      kind: "connector",
      name: "hog",
      http,
      scripts: { main: { code } },
      actions: { main: { title: "Main", script: "main" } },
    },
    { kind: "instance", name: "hog", connector: "hog" },
  ]);
  for (const times of [1, 4, 8]) {
    const all = () => Promise.all(Array.from({ length: times }, () => sluice.invoke("hog", "main")));
    const { result, survived } = await survives(sluice, all);
    const detail = `${survived ? `${await sluice.memory()} MiB` : "the container ended"}: ${result[0].detail}`;
    attack("hogs", `${times} at a time`, "the container survives", { ...result[0], detail }, survived);
    if (!survived) break;
  }
}

/** Nothing that a call changes is there in the next, of the same connector or another. */
async function tampering({ sluice, attack, hostile }) {
  const spoil = `(input) => {
    const seen = [typeof ({}).spoiled, typeof globalThis.kept, [1].map((x) => x)[0], typeof JSON.parse, crypto.hash('md5', '')];
    for (const [at, name, value] of [[Object.prototype, 'spoiled', 1], [globalThis, 'kept', 1], [Array.prototype, 'map', () => [2]],
      [JSON, 'parse', null], [crypto, 'hash', () => 'forged'], [Promise.prototype, 'then', null], [scripts, 'main', null]]) {
      try { at[name] = value; } catch (e) {}
    }
    return seen;
  }`;
  const http = { base_url: hostile.main.url, timeout_seconds: 3 };
  const actions = { main: { title: "Main", script: "main" } };
  const names = ["spoil-a", "spoil-b"];
  await sluice.apply(
    names.flatMap((name) => [
      { kind: "connector", name, http, scripts: { main: { code: spoil } }, actions },
      { kind: "instance", name, connector: name },
    ]),
  );
  const expect = JSON.stringify(["undefined", "undefined", 1, "function", "d41d8cd98f00b204e9800998ecf8427e"]);
  for (const [n, name] of ["spoil-a", "spoil-a", "spoil-b", "spoil-a"].entries()) {
    const answer = await sluice.invoke(name, "main", { __proto__: null, ["__proto__"]: { spoiled: 1 } });
    attack("tampering", `call ${n + 1}`, "nothing of an earlier call", answer, JSON.stringify(answer.body) === expect);
  }
}

/** More at a time than there are threads: others wait, and are answered. */
async function crowd({ sluice, attack }) {
  for (const [variant, instance] of [
    ["loops", "script-0"],
    ["promises", "script-4"],
  ]) {
    const begun = performance.now();
    const all = Array.from({ length: 12 }, () => sluice.invoke(instance, "main"));
    const plain = await sluice.invoke("plain", "plain");
    const ended = await Promise.all(all);
    const script = await answers(sluice, "script");
    const seconds = Math.round((performance.now() - begun) / 1000);
    const ok =
      plain.body?.plain === true &&
      script.body?.plain === true &&
      ended.every((one) => one.code !== "succeeded") &&
      seconds < 20;
    attack(
      "crowd",
      variant,
      "a plain call is answered meanwhile",
      { ...plain, detail: `12 at a time, over after ${seconds} s, plain call after ${plain.millis} ms` },
      ok,
    );
  }
}

/** The script that signs sees secrets, and cannot tell them by what it throws, logs or returns. */
async function stolen({ sluice, hostile, attack }) {
  const ways = {
    thrown: "(r, s) => { throw new Error('the key is ' + s.key); }",
    thrown_object: "(r, s) => { throw { key: s.key }; }",
    thrown_encoded: "(r, s) => { throw new Error(base64.encode(s.key) + ' ' + hex.encode(s.key)); }",
    header_name: "(r, s) => ({ headers: { [s.key + ' x']: '1' } })",
    wrong_shape: "(r, s) => ({ [s.key]: 1 })",
    echoed: "(r, s) => ({ headers: { 'x-key': s.key }, query: { key: s.key } })",
  };
  hostile.on("/echo", (one, response) => {
    response.writeHead(500, { "content-type": "text/plain" });
    response.end(`you sent ${one.url} ${JSON.stringify(one.headers)}`);
  });
  for (const [variant, code] of Object.entries(ways)) {
    const name = `stolen-${variant.replaceAll("_", "-")}`;
    await sluice.apply(
      [
        {
          kind: "connector",
          name,
          http: { base_url: hostile.main.url, timeout_seconds: 3 },
          auth: { type: "script", script: "sign", secrets: ["key"] },
          scripts: { sign: { code } },
          actions: { get: { title: "Get", request: { path: "/echo" } } },
        },
        { kind: "instance", name, connector: name, secrets: { key: { env: "K" } } },
      ],
      { [name]: { key: KEY } },
    );
    const answer = await sluice.invoke(name, "get", {}, { raw: true });
    const hidden = [KEY, Buffer.from(KEY).toString("base64"), Buffer.from(KEY).toString("hex")].every(
      (text) => !answer.whole.includes(text),
    );
    attack("stolen", variant, "no secret in the answer", answer, hidden && answer.code !== "succeeded");
  }
}
