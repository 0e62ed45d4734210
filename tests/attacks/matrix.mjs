// The list of what Sluice is to withstand: checks that the tests which it names are there, and writes it into the documentation.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, "../..");
const PAGE = join(ROOT, "docs/security.md");
const BEGIN = "<!-- written by `node tests/attacks/matrix.mjs table` from tests/attacks/matrix.json -->";
const END = "<!-- end of what is written -->";
/** How many rows there are to be. */
const ROWS = 111;

/** The rows and the headings between them. */
export const matrix = () => JSON.parse(readFileSync(join(HERE, "matrix.json"), "utf8"));

/** The attacks that rows name, as `group/attack`. */
export function named() {
  return new Set(matrix().flatMap((row) => row.attacks ?? []));
}

/** Texts in quotes in a source; what is computed in one stands for anything. */
function texts(source) {
  const plain = [...source.matchAll(/"((?:[^"\\\n]|\\.)*)"/g)].map(([, text]) => text);
  const computed = [...source.matchAll(/`([^`]*)`/g)]
    .map(([, text]) => text)
    .filter((text) => text.includes("${") && /^\w/.test(text) && !/\s/.test(text.replace(/\$\{[^}]*\}/g, "")))
    .map((text) => text.split(/\$\{[^}]*\}/).map((part) => part.replace(/[.*+?^()[\]\\|{}]/g, "\\$&")));
  // Keys of objects are names, too.
  const keys = [...source.matchAll(/^\s*(\w+): /gm)].map(([, text]) => text);
  return {
    plain: new Set([...plain, ...keys]),
    computed: computed.map((parts) => new RegExp(`^${parts.join("\\w+")}$`)),
  };
}

function attacks() {
  const read = (folder, name) => readFileSync(join(HERE, folder, name), "utf8");
  const shared = readdirSync(join(HERE, "lib")).map((name) => read("lib", name));
  const groups = readdirSync(join(HERE, "groups")).map((name) => [name.replace(".mjs", ""), read("groups", name)]);
  return new Map(groups.map(([name, source]) => [name, texts([source, ...shared].join("\n"))]));
}

/** What is wrong with the matrix, a line each. */
function faults() {
  const found = [];
  const rows = matrix().filter((one) => one.row);
  const numbers = rows.map((one) => one.row);
  for (let n = 1; n <= ROWS; n += 1) {
    const count = numbers.filter((number) => number === n).length;
    if (count !== 1) found.push(`row ${n} is there ${count} times`);
  }
  const groups = attacks();
  for (const one of rows) {
    const tried = [...(one.attacks ?? []), ...(one.tests ?? [])];
    if (!one.what) found.push(`row ${one.row} does not say what it is about`);
    if (!one.not_here && !one.expect) found.push(`row ${one.row} does not say what is expected`);
    if (!one.not_here === (tried.length === 0))
      found.push(`row ${one.row} has tests, or a reason why not: one of both`);
    for (const name of one.attacks ?? []) {
      const [group, attack] = name.split("/");
      const known = groups.get(group);
      const there = known && (known.plain.has(attack) || known.computed.some((form) => form.test(attack)));
      if (!there) found.push(`row ${one.row}: there is no attack ${name}`);
    }
    for (const name of one.tests ?? []) {
      const [path, test] = name.split("::");
      let source = "";
      try {
        source = readFileSync(join(ROOT, path), "utf8");
      } catch {
        found.push(`row ${one.row}: there is no file ${path}`);
        continue;
      }
      if (!new RegExp(`\\bfn ${test}\\b`).test(source)) found.push(`row ${one.row}: there is no test ${name}`);
    }
  }
  if (page() !== readFileSync(PAGE, "utf8")) found.push("docs/security.md is not what `node matrix.mjs table` writes");
  return found;
}

const cell = (text) => text.replace(/\|/g, "\\|");

/** The table, in Markdown. */
function table() {
  const lines = ["| | what | what is expected | what tries it |", "| --- | --- | --- | --- |"];
  for (const one of matrix()) {
    if (one.section) {
      lines.push(`| | **${one.section}** | | |`);
      continue;
    }
    const attacked = (one.attacks ?? []).map((name) => `\`${name}\``);
    const tested = (one.tests ?? []).map((name) => {
      const [path, test] = name.split("::");
      return `[${test}](../${path})`;
    });
    const tried = [...attacked, ...tested].join(", ");
    const why = one.not_here ? `nothing: ${one.not_here}` : one.left ? `${tried}. *Not here:* ${one.left}` : tried;
    lines.push(`| ${one.row} | ${cell(one.what)} | ${cell(one.expect)} | ${cell(why)} |`);
  }
  return lines.join("\n");
}

/** The page with the table between its marks. */
function page() {
  const text = readFileSync(PAGE, "utf8");
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`docs/security.md lacks the marks ${BEGIN} and ${END}`);
  return `${text.slice(0, from + BEGIN.length)}\n\n${table()}\n\n${text.slice(to)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === "check") {
    const found = faults();
    for (const fault of found) console.log(fault);
    const tried = matrix().filter((one) => one.attacks || one.tests).length;
    if (found.length === 0) console.log(`${ROWS} rows, ${tried} of them tried`);
    process.exitCode = found.length === 0 ? 0 : 1;
  } else if (process.argv[2] === "table") {
    writeFileSync(PAGE, page());
  } else {
    console.error("usage: node matrix.mjs check | table");
    process.exitCode = 2;
  }
}
