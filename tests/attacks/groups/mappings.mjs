// Mappings and expressions that want more time, memory or knowledge than they get. They are tried where operators try
// theirs, by the code that runs live.
import { send } from "../lib/http.mjs";
import { outcome, resident } from "../lib/sluice.mjs";

/** What an evaluation may take, and what the way there and back may. */
const PATIENCE = 4000;
/** What must not grow in the server by a few dozen of them, in MiB. */
const GROWTH = 300;

const RUNAWAY = {
  "recursion for ever": "($f := function($x) { $f($x + 1) }; $f(0))",
  "recursion at the tail": "($f := function($x) { $x > -1 ? $f($x + 1) : 0 }; $f(0))",
  "recursion, not at the tail": "($f := function($x) { 1 + $f($x + 1) }; $f(0))",
  "recursion by twos": "($f := function($x) { $x > 40 ? 1 : $f($x + 1) + $f($x + 1) }; $f(0))",
  "two by turns": "($f := function($x) { $g($x) }; $g := function($x) { $f($x) }; $f(0))",
  "by itself, without a name": "(function($f) { $f($f) })(function($f) { $f($f) })",
  "ten million": "[1..10000000]",
  "ten thousand by ten thousand": "[1..10000].([1..10000])",
  "sums of ranges": "$sum([1..100000].$sum([1..100000]))",
  "a range beyond all bounds": "[1..9007199254740991]",
  "a range that ends nowhere": "[1..1e308]",
  padding: '$pad("x", 1000000000)',
  "padding of pads": '$pad("x", 100000000, $pad("y", 100000000))',
  doubling: '($d := function($s, $n) { $n = 0 ? $s : $d($s & $s, $n - 1) }; $d("x", 40))',
  "lists doubled": "($d := function($a, $n) { $n = 0 ? $a : $d($append($a, $a), $n - 1) }; $d([1], 40))",
  "objects doubled": "($d := function($o, $n) { $n = 0 ? $o : $d({ 'a': $o, 'b': $o }, $n - 1) }; $d({}, 40))",
  joining: "$join([1..100000].$string([1..1000]))",
  "sorting by something slow": "$sort([1..100000], function($a, $b) { $sum([1..10000]) > 0 })",
  shuffling: "[1..1000].$shuffle([1..100000])",
  "a picture of a number": '$formatNumber(1, "0".$pad("0", 1000000, "0"))',
  "a base of a number": "[1..1000000].$formatBase($, 2)",
  "a list of regular expressions": '$match($pad("a", 50000, "a"), /(a+)+$/)',
  "regular expressions that backtrack": '$match($pad("a", 50000, "a") & "!", /^(a|a)*$/)',
  "regular expressions that repeat": '$contains($pad("a", 10000, "a"), /((a{1,90}){1,90}){1,90}b/)',
  "replacing without end": '$replace($pad("a", 100000, "a"), /a/, function($m) { $pad("b", 100000, "b") })',
  splitting: '$split($pad("a", 10000000, ","), "")',
  "evaluated text": '$eval("$eval(\\"[1..10000000]\\")")',
  "dates by the million": '[1..1000000].$toMillis("2020-01-01T00:00:00Z")',
  "a picture of a date": '$fromMillis(0, $pad("[Y9,999999-999999]", 100000, "[Y]"))',
  "base64 of much": '$base64encode($pad("x", 100000000))',
  "each of each": "$each($merge([1..100000].{ $string($): $ }), function($v) { [1..1000] })",
  "wildcards of wildcards": "**.**.**.**.**",
};
const FUNCTIONS = (
  "string length substring substringBefore substringAfter uppercase lowercase trim pad contains split join match " +
  "replace eval base64encode base64decode encodeUrlComponent number abs floor round power sqrt random formatNumber " +
  "formatBase formatInteger parseInteger sum max min average boolean not exists count append sort reverse shuffle " +
  "distinct zip keys lookup spread merge sift each error assert type map filter single reduce now millis fromMillis toMillis"
).split(" ");
const OUT = [
  "$env",
  "$secrets",
  "$credentials",
  "$process.env",
  "$require('fs')",
  "$fetch('http://127.0.0.1')",
  "$readFile('/etc/passwd')",
  "$import('os')",
  "$constructor",
  "$.constructor.constructor('return process')()",
  "$toString.constructor('return 1')()",
  "$eval('$env')",
  "__proto__.polluted",
  "$lookup($, '__proto__')",
  "$globalThis",
];

export async function mappings(world) {
  const before = world.settings.pid ? await resident(world.settings.pid) : 0;
  await runaway(world);
  await counts(world);
  await paths(world);
  await ways(world);
  await data(world);
  await results(world);
  await crowd(world);
  if (!world.settings.pid) return;
  const grown = (await resident(world.settings.pid)) - before;
  const said = { status: 0, detail: `${grown} MiB more` };
  world.attack("memory", "of the server", `below ${GROWTH} MiB more`, said, grown < GROWTH);
}

async function evaluate({ sluice }, body) {
  const begun = performance.now();
  const answer = await sluice.call("POST", "/api/v1/mappings/evaluate", body);
  return { ...outcome(answer), json: answer.json, millis: Math.round(performance.now() - begun) };
}

const INPUT = { body: { a: "x", list: [1, 2, 3], deep: { b: [{ c: 1 }, { c: 2 }] } } };

async function runaway(world) {
  for (const [variant, jsonata] of Object.entries(RUNAWAY)) {
    const answer = await evaluate(world, { jsonata, input: INPUT });
    const ended = [200, 400, 422].includes(answer.status) && answer.millis < PATIENCE;
    const small = answer.whole.length < 9_000_000;
    world.attack("runaway", variant, "an end within four seconds", answer, ended && small);
  }
}

async function paths(world) {
  const list = {
    descents: `$${"..*".repeat(400)}`,
    wildcards: `$${"[*]".repeat(4000)}`,
    brackets: `$${"[".repeat(20_000)}`,
    "filters in filters": `$${"[?(@".repeat(2000)}`,
    "a filter of everything": "$..[?@..[?@..[?@..*]]]",
    "a slice that steps by zero": "$.body.list[::0]",
    "an index beyond all bounds": "$.body.list[99999999999999999999]",
    "a pattern": "$.body[?search(@, '(a+)+$')]",
    "a pattern of a megabyte": `$.body[?match(@, '${"(a|b)".repeat(3000)}')]`,
    names: `$['${"a".repeat(100_000)}']`,
    nul: "$['\\u0000']",
  };
  for (const [variant, jsonpath] of Object.entries(list)) {
    const answer = await evaluate(world, { jsonpath, input: INPUT });
    const ended = [200, 400, 422].includes(answer.status) && answer.millis < PATIENCE;
    world.attack("path", variant, "an end within four seconds", answer, ended);
  }
}

/** Each function with fewer and with more arguments than it has: an error of the expression at worst. */
async function counts(world) {
  for (const name of FUNCTIONS) {
    const calls = [0, 1, 2, 3, 4, 5].flatMap((count) => {
      const given = Array(count).fill("null").join();
      return [`$${name}(${given})`, `${name}(${given})`, `[1].$${name}(${given})`];
    });
    const answers = [];
    for (const jsonata of calls) answers.push({ jsonata, ...(await evaluate(world, { jsonata, input: INPUT })) });
    const through = answers.filter((one) => ![200, 400].includes(one.status));
    const detail = through.map((one) => `${one.jsonata}: ${one.status}`).join("; ") || `${calls.length} calls`;
    world.attack("counts", name, "a value, or an error", { status: 0, detail }, through.length === 0);
  }
}

/** There is nothing behind an expression but its input and the functions of the language. */
async function ways(world) {
  for (const jsonata of OUT) {
    const answer = await evaluate(world, { jsonata, input: INPUT });
    const value = JSON.stringify(answer.json?.value ?? null);
    const nothing = answer.status === 400 || (answer.status === 200 && value === "null");
    const told = /PATH=|HOME|root:x|SLUICE__/.test(answer.whole);
    world.attack("ways_out", jsonata, "no value, or an error", answer, nothing && !told);
  }
}

/** Names that are more than names elsewhere are plain data here. */
async function data(world) {
  const input = JSON.parse('{"__proto__":{"x":1},"constructor":2,"toString":3,"hasOwnProperty":4}');
  const raw = '{"__proto__":{"x":1},"constructor":2,"toString":3,"hasOwnProperty":4}';
  for (const [variant, expression, expect] of [
    ["prototype", '= $lookup($, "__proto__").x', 1],
    ["constructor", "= constructor", 2],
    ["toString", "= toString", 3],
    ["hasOwnProperty", "$.hasOwnProperty", 4],
  ]) {
    const body = `{"mapping":{"it":${JSON.stringify(expression)}},"input":${raw}}`;
    const headers = { authorization: `Bearer ${world.sluice.token}`, "content-type": "application/json" };
    const sent = await send(world.sluice.url, { method: "POST", path: "/api/v1/mappings/evaluate", headers, body });
    const good = sent.status === 200 && sent.json?.value?.it === expect;
    world.attack("names", variant, "plain data", outcome(sent), good);
  }
  const made = await evaluate(world, { mapping: { ["__proto__"]: "$.constructor", b: "= 1" }, input });
  world.attack("names", "made by a mapping", "200", made, made.status === 200 && made.json?.value?.b === 1);
}

async function results(world) {
  const deep = JSON.parse(`${'{"a":'.repeat(40)}"$.body"${"}".repeat(40)}`);
  for (const [variant, mapping, statuses] of [
    [
      "five thousand keys",
      Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`k${n}`, "$.body"])),
      [200, 400, 422],
    ],
    ["deep", deep, [200, 400, 422]],
    ["no number", { a: "= 1 / 0" }, [200, 400]],
    ["not a number", { a: "= $sqrt(-1)" }, [200, 400]],
    ["a function", { a: "= function($x) { $x }" }, [200, 400]],
    ["control characters", { a: "= $string(body.a) & '\\u000d\\u000a'" }, [200, 400]],
  ]) {
    const answer = await evaluate(world, { mapping, input: INPUT });
    const bounded = answer.whole.length < 9_000_000 && answer.millis < PATIENCE;
    const valid = answer.json !== null;
    world.attack("result", variant, "JSON, or an error", answer, statuses.includes(answer.status) && bounded && valid);
  }
}

/** More at a time than there are threads for them: others are answered meanwhile. */
async function crowd(world) {
  const jsonata = RUNAWAY["recursion at the tail"];
  const begun = performance.now();
  const all = Array.from({ length: 40 }, () => evaluate(world, { jsonata, input: {} }));
  const took = [];
  for (let n = 0; n < 5; n += 1) {
    const from = performance.now();
    const answer = await send(world.sluice.url, { path: "/healthz" });
    took.push(answer.status === 200 ? Math.round(performance.now() - from) : 99_999);
  }
  const ended = await Promise.all(all);
  const seconds = Math.round((performance.now() - begun) / 1000);
  const good = Math.max(...took) < 15_000 && ended.every((one) => one.status === 400) && seconds < 120;
  const detail = `over after ${seconds} s; others waited ${Math.max(...took)} ms at most`;
  world.attack("crowd", "forty loops", "others are answered", { ...ended[0], detail }, good);
}
