// Bodies of answers that come whole.
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";

const MIB = 1024 * 1024;
const XML = "application/xml";
const JSON_TYPE = "application/json";

const failed =
  (...codes) =>
  (result) =>
    result.code !== "succeeded" && (codes.length === 0 || codes.includes(result.code));
const harmless = () => true;

/** Whether a body was read without anything of a file or another document in it. */
const literal = (result) => !/root:|EXPANDED|external-text/.test(result.whole);

function laughs(levels, width) {
  let text = '<!DOCTYPE a [<!ENTITY x0 "EXPANDED">';
  for (let n = 1; n <= levels; n += 1) text += `<!ENTITY x${n} "${`&x${n - 1};`.repeat(width)}">`;
  return `${text}]><a>&x${levels};</a>`;
}

/** A body of zeros or brackets, packed. */
const packed = (pack, bytes) => () => pack(bytes);

/** All of them; `hostile` is where external entities would be fetched from. */
export function DOCUMENTS(hostile) {
  const external = `${hostile.main.url}/external`;
  const xml = (variant, text, more = {}) => ({
    attack: "xml",
    variant,
    type: XML,
    action: "whole",
    body: () => text,
    expect: "refused",
    ok: failed("bad_response"),
    ...more,
  });
  const asJson = (variant, body, more = {}) => ({
    attack: "json",
    variant,
    type: JSON_TYPE,
    body,
    expect: "refused",
    ok: failed("bad_response", "response_too_large"),
    ...more,
  });
  const bomb = (variant, encoding, pack, bytes, type = JSON_TYPE) => ({
    attack: "packed",
    variant,
    type,
    headers: { "content-encoding": encoding },
    body: packed(pack, bytes),
    expect: "not unpacked beyond the limit",
    ok: failed(),
  });
  const read = { expect: "read as it is, or refused", ok: harmless };
  return [
    xml("external file", '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'),
    xml("external url", `<!DOCTYPE a [<!ENTITY x SYSTEM "${external}/a">]><a>&x;</a>`),
    xml("external dtd", `<!DOCTYPE a SYSTEM "${external}/a.dtd"><a/>`),
    xml("parameter entity", `<!DOCTYPE a [<!ENTITY % x SYSTEM "${external}/b">%x;]><a/>`),
    xml("billion laughs", laughs(10, 10)),
    xml("quadratic", `<!DOCTYPE a [<!ENTITY x "${"EXPANDED".repeat(10_000)}">]><a>${"&x;".repeat(10_000)}</a>`),
    xml("entity to itself", '<!DOCTYPE a [<!ENTITY x "&y;"><!ENTITY y "&x;">]><a>&x;</a>'),
    xml("empty doctype", "<!DOCTYPE a><a/>"),
    xml("unknown entity", "<a>&nbsp;</a>"),
    xml(
      "xinclude",
      `<a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="file:///etc/passwd" parse="text"/></a>`,
      { expect: "read as it is", ok: literal },
    ),
    xml("stylesheet", `<?xml-stylesheet href="${external}/c"?><a/>`, { expect: "read as it is", ok: literal }),
    xml("deep", "<a>".repeat(100_000) + "</a>".repeat(100_000)),
    xml("deep, never closed", "<a>".repeat(1_000_000)),
    xml("attributes", `<a ${Array.from({ length: 200_000 }, (_, n) => `a${n}="1"`).join(" ")}/>`, read),
    xml("long name", `<${"a".repeat(4 * MIB)}/>`, read),
    xml("nul", "<a>\0</a>"),
    xml("character reference", "<a>&#0;&#xD800;&#x110000;</a>"),
    xml("another charset", Buffer.from('<?xml version="1.0" encoding="UTF-7"?><a>+ADw-evil/+AD4-</a>'), {
      type: XML,
      expect: "refused, or nothing decoded",
      ok: (result) => !/"evil"/.test(JSON.stringify(result.body ?? null)),
    }),
    asJson("deep lists", () => "[".repeat(200_000) + "]".repeat(200_000)),
    asJson("deep objects", () => '{"a":'.repeat(100_000) + "1" + "}".repeat(100_000)),
    asJson("deep, never closed", () => "[".repeat(4 * MIB)),
    asJson("a level too deep", () => "[".repeat(127) + "]".repeat(127)),
    asJson("huge exponent", () => "[1e999999999, -1e999999999]", read),
    asJson("many digits", () => `[${"9".repeat(MIB)}]`, read),
    asJson("duplicate names", () => '{"a":1,"a":2,"a":{"b":1}}', read),
    asJson("prototype", () => '{"__proto__":{"x":1},"constructor":{"prototype":{"x":1}}}', read),
    asJson("lone surrogates", () => '["\\ud800", "\\udfff\\ud800"]', read),
    asJson("no number", () => "[NaN, Infinity, 0x10, 1_000]"),
    asJson("cut off", () => '{"a": [1, 2'),
    asJson("too large", () => Buffer.alloc(9 * MIB, " "), { ok: failed("response_too_large") }),
    asJson("much too large", () => Buffer.alloc(80 * MIB, " "), { ok: failed("response_too_large") }),
    asJson("not UTF-8", () => Buffer.from([0x22, 0xc3, 0x28, 0xff, 0x22]), read),
    asJson("byte order marks", () => Buffer.from([0xff, 0xfe, 0x5b, 0x00, 0x5d, 0x00]), read),
    asJson("another charset", () => Buffer.from([0x22, 0xe9, 0x22]), {
      type: "application/json; charset=iso-8859-1",
      ...read,
    }),
    asJson("unknown charset", () => '"a"', { type: "application/json; charset=../../etc/passwd", ...read }),
    asJson("long content type", () => '"a"', { type: `application/json; ${"a=b; ".repeat(1500)}`, ...read }),
    bomb("gzip, zeros", "gzip", gzipSync, Buffer.alloc(100 * MIB)),
    bomb("gzip, deep JSON", "gzip", gzipSync, Buffer.alloc(50 * MIB, "[")),
    bomb("gzip in gzip", "gzip, gzip", (bytes) => gzipSync(gzipSync(bytes)), Buffer.alloc(100 * MIB)),
    bomb("deflate", "deflate", deflateSync, Buffer.alloc(100 * MIB, "[")),
    bomb("brotli", "br", brotliCompressSync, Buffer.alloc(50 * MIB, "[")),
    { ...bomb("not gzip at all", "gzip", (bytes) => bytes, Buffer.from("[1]")), ...read },
    {
      attack: "csv",
      variant: "a million columns",
      type: "text/csv",
      action: "csv",
      body: () => `${"a,".repeat(1_000_000)}\n1\n`,
      expect: "read within limits, or refused",
      ok: harmless,
    },
    {
      attack: "csv",
      variant: "a quote without end",
      type: "text/csv",
      action: "csv",
      body: () => `a\n"${"x".repeat(4 * MIB)}`,
      expect: "read as it is, or refused",
      ok: harmless,
    },
    {
      attack: "ndjson",
      variant: "a million lines",
      type: "application/x-ndjson",
      body: () => "{}\n".repeat(1_000_001),
      expect: "refused",
      ok: failed("bad_response", "response_too_large"),
    },
  ];
}

/** Bodies below 8 MiB and 2,000,000 values that cost most memory for their size. */
export const TABLES = [
  ["numbers", JSON_TYPE, `[${"0,".repeat(1_990_000)}0]`],
  ["objects of one member", JSON_TYPE, `[${'{"":0},'.repeat(950_000)}0]`],
  ["empty objects", JSON_TYPE, `[${"{},".repeat(1_950_000)}0]`],
  ["short texts", JSON_TYPE, `[${'"a",'.repeat(1_950_000)}0]`],
  ["lists of one", JSON_TYPE, `[${"[0],".repeat(950_000)}0]`],
  ["csv rows", "text/csv", `a,b\n${"1,2\n".repeat(490_000)}`],
  ["csv cells", "text/csv", `a,b,c,d\n${",,,\n".repeat(390_000)}`],
  ["form fields", "application/x-www-form-urlencoded", "a=1&".repeat(990_000)],
  ["xml elements", XML, `<a>${"<b/>".repeat(1_900_000)}</a>`],
];
