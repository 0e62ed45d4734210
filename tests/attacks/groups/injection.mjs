// Values of the input that would like to be more than values: headers, queries, paths, cookies, file names.
import { json } from "../lib/hostile.mjs";

const KEY = "canary-script-key-2207";
const ANY = { type: "object" };
const MEAN = {
  crlf: "a\r\nX-Injected: 1",
  lf: "a\nX-Injected: 1",
  cr: "a\rX-Injected: 1",
  crlf_body: "a\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
  nul: "a\u0000b",
  escape: "a\u001b[31mb",
  del: "a\u007fb",
  c1: "a\u0085X-Injected: 1",
  separator: "a\u2028X-Injected: 1",
  folded: "a\r\n X-Injected: 1",
};

export async function injection(world) {
  const { sluice, hostile, report } = world;
  report.secret(KEY);
  const action = (request) => ({ title: "A", input: ANY, request });
  await sluice.apply(
    [
      {
        kind: "connector",
        name: "inject",
        http: { base_url: `${hostile.main.url}/base`, timeout_seconds: 3 },
        actions: {
          header: action({ path: "/h", headers: { "x-value": "$.input.v" } }),
          query: action({ path: "/q", query: { q: "$.input.v" } }),
          segment: { ...action({ path: "/tenant/{v}" }), input: { type: "object", properties: { v: {} } } },
          expression: action({ path: "= '/tenant/' & input.v" }),
          cookie: action({ path: "/c", headers: { cookie: "= 'session=' & input.v" } }),
          multipart: action({ method: "POST", path: "/m", body: { format: "multipart", value: "= input.form" } }),
          form: action({
            method: "POST",
            path: "/f",
            body: { format: "form", value: "= { 'v': input.v, 'last': 'mine' }" },
          }),
          xml: action({ method: "POST", path: "/x", body: { format: "xml", value: "= { 'a': { 'v': input.v } }" } }),
          xml_names: action({ method: "POST", path: "/x", body: { format: "xml", value: "= { 'a': input.form }" } }),
        },
      },
      { kind: "instance", name: "inject", connector: "inject" },
      {
        kind: "connector",
        name: "signed",
        http: { base_url: `${hostile.main.url}/base`, timeout_seconds: 3 },
        auth: { type: "script", script: "sign", secrets: ["key"] },
        // Names are fixed in files; only scripts make them.
        scripts: { sign: { code: "(request) => JSON.parse(request.query.made)" } },
        actions: { send: action({ path: "/h", query: { made: "= $string(input)" } }) },
      },
      { kind: "instance", name: "signed", connector: "signed", secrets: { key: { env: "K" } } },
    ],
    { signed: { key: KEY } },
  );
  await values(world);
  await names(world);
  await paths(world);
  await bodies(world);
}

/** Whether one request came, and nothing of it that was not meant. */
function clean(requests) {
  const injected = (one) => "x-injected" in one.headers || one.url.includes("smuggled HTTP") || one.url === "/smuggled";
  return requests.length <= 1 && !requests.some(injected);
}

async function values({ sluice, hostile, attack }) {
  for (const action of ["header", "cookie", "query"]) {
    for (const [variant, v] of Object.entries(MEAN)) {
      const { result, requests } = await hostile.during(() => sluice.invoke("inject", action, { v }));
      const control = /[\0-\x08\x0a-\x1f\x7f]/.test(v);
      const ok = clean(requests) && (action === "query" || !control || result.code === "bad_header");
      attack(action, variant, action === "query" ? "encoded" : "bad_header, or sent as it is", result, ok);
    }
  }
  for (const [variant, v] of [
    ["long", "x".repeat(9000)],
    ["list", Array(20).fill("x".repeat(8000))],
    ["object", { a: 1 }],
  ]) {
    const { result, requests } = await hostile.during(() => sluice.invoke("inject", "header", { v }));
    attack("header", variant, "bad_header", result, result.code === "bad_header" && requests.length === 0);
  }
  const long = await hostile.during(() => sluice.invoke("inject", "query", { v: "x".repeat(40_000) }));
  attack("query", "long", "bad_url", long.result, long.result.code === "bad_url" && long.requests.length === 0);
}

async function names({ sluice, hostile, attack }) {
  const headers = {
    crlf: { "x-a: 1\r\nx-injected": "1" },
    space: { "x injected": "1" },
    colon: { "x-a:x-injected": "1" },
    empty: { "": "1" },
    nul: { "x-\u0000": "1" },
  };
  for (const [variant, value] of Object.entries(headers)) {
    const { result, requests } = await hostile.during(() => sluice.invoke("signed", "send", { headers: value }));
    attack("header_name", variant, "refused, no request", result, result.code !== "succeeded" && requests.length === 0);
  }
  const smuggling = {
    transfer_encoding: { "transfer-encoding": "chunked" },
    content_length: { "content-length": "500" },
    connection: { connection: "upgrade", upgrade: "h2c" },
    expect: { expect: "100-continue" },
    host: { host: "evil.test" },
  };
  hostile.on("/base/h", (one, response) => json(response, { body: one.body, host: one.headers.host }));
  for (const [variant, value] of Object.entries(smuggling)) {
    const { result, requests } = await hostile.during(() => sluice.invoke("signed", "send", { headers: value }));
    const plain = await sluice.invoke("plain", "plain");
    attack(
      "header_name",
      variant,
      "no second request comes of it, the next call works",
      result,
      requests.length <= 1 && plain.body?.plain === true,
    );
  }
  const query = { crlf: { "a\r\nx-injected: 1": "1" }, ampersand: { "a&admin": "1" }, hash: { "a#b": "1" } };
  for (const [variant, value] of Object.entries(query)) {
    const { result, requests } = await hostile.during(() => sluice.invoke("signed", "send", { query: value }));
    const search = new URL(requests[0]?.url ?? "/", "http://x").searchParams;
    attack(
      "query_name",
      variant,
      "encoded",
      result,
      clean(requests) && !search.has("admin") && [...search].length <= 2,
    );
  }
}

async function paths({ sluice, hostile, attack }) {
  const list = {
    dots: "..",
    dots_slash: "../../admin",
    dots_inside: "a/../../admin",
    encoded: "%2e%2e",
    encoded_slash: "%2e%2e%2fadmin",
    encoded_twice: "%252e%252e%252fadmin",
    half_encoded: ".%2e/admin",
    backslash: "..\\..\\admin",
    tab: ".\t./.\t./admin",
    line_break: ".\n./.\r./admin",
    tab_encoded: "%2\te%2e/%2e%2\te/admin",
    full_width: "．．/．．/admin",
    semicolon: "..;/admin",
    parameter: "x;a=b/../admin",
    nul: "a\u0000/../admin",
    query: "x?admin=1",
    fragment: "x#/../../admin",
    crlf: "x HTTP/1.1\r\nx-injected: 1\r\n\r\n",
  };
  for (const action of ["segment", "expression"]) {
    for (const [variant, v] of Object.entries(list)) {
      const { result, requests } = await hostile.during(() => sluice.invoke("inject", action, { v }));
      const inside = requests.every((one) => new URL(one.url, "http://x").pathname.startsWith("/base/tenant/"));
      const whole =
        action === "expression" || requests.every((one) => !/[?#]/.test(one.url) && one.url.split("/").length === 4);
      const detail = requests.length ? `asked for ${requests[0].url}` : result.detail;
      attack(
        `path_${action}`,
        variant,
        "bad_path, or below /base/tenant/",
        { ...result, detail },
        clean(requests) && inside && whole,
      );
    }
  }
}

async function bodies({ sluice, hostile, attack }) {
  const file = (filename, more = {}) => ({ file: { value: "x", filename, ...more } });
  const forms = {
    filename_crlf: file('a"\r\nX-Injected: 1\r\n\r\nevil'),
    filename_quote: file('a"; name="admin'),
    filename_path: file("../../etc/passwd"),
    filename_nul: file("a\u0000.png"),
    type_crlf: file("a", { content_type: "text/plain\r\nX-Injected: 1" }),
    name_crlf: { 'a"\r\nX-Injected: 1\r\n\r\nevil': "x" },
    name_quote: { 'a"; filename="evil.sh': "x" },
    boundary: { a: '\r\n--boundary\r\nContent-Disposition: form-data; name="admin"\r\n\r\n1' },
  };
  for (const [variant, form] of Object.entries(forms)) {
    const { result, requests } = await hostile.during(() => sluice.invoke("inject", "multipart", { form }));
    const heads = requests.flatMap(({ body, headers }) => parts(body, headers["content-type"]));
    const names = heads.map((head) => head.toLowerCase());
    const extra = names.some(
      (head) => head.includes("\nx-injected") || /; name="admin"/.test(head) || head.includes('"; filename="evil'),
    );
    attack(
      "multipart",
      variant,
      "encoded, or refused",
      { ...result, detail: heads.join(" | ") || result.detail },
      heads.length <= 1 && !extra,
    );
  }
  const form = await hostile.during(() => sluice.invoke("inject", "form", { v: "1&last=evil\r\nadmin=1" }));
  const sent = new URLSearchParams(form.requests[0]?.body);
  attack(
    "form",
    "ampersand",
    "encoded",
    form.result,
    sent.get("last") === "mine" && sent.getAll("last").length === 1 && !sent.has("admin"),
  );
  const markup = await hostile.during(() => sluice.invoke("inject", "xml", { v: '<evil a="1"/>]]>&x;<!--' }));
  attack(
    "xml",
    "markup",
    "escaped",
    { ...markup.result, detail: markup.requests[0]?.body },
    !markup.requests[0]?.body.includes("<evil"),
  );
  for (const name of ["b><evil/><b", "b x='1'", "b\u0000", "?xml", "!DOCTYPE a"]) {
    const { result, requests } = await hostile.during(() =>
      sluice.invoke("inject", "xml_names", { form: { [name]: "1" } }),
    );
    attack(
      "xml_name",
      JSON.stringify(name),
      "refused",
      { ...result, detail: requests[0]?.body ?? result.detail },
      requests.length === 0,
    );
  }
}

/** The headers of the parts of a multipart body. */
function parts(body, type = "") {
  const boundary = /boundary="?([^";]+)/.exec(type)?.[1];
  if (!boundary) return [];
  const pieces = body.split(`--${boundary}`).slice(1, -1);
  return pieces.map((piece) => piece.replace(/^\r\n/, "").split("\r\n\r\n")[0]);
}
