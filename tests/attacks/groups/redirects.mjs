// Redirects: to where nothing may go, and to others who would like the credentials.
import { json } from "../lib/hostile.mjs";

const SECRET = "canary-credential-5519";
const KINDS = {
  bearer: [{ type: "bearer" }, { token: SECRET }],
  basic: [{ type: "basic" }, { username: "ada", password: SECRET }],
  header: [{ type: "api_key", in: "header", name: "X-Key" }, { api_key: SECRET }],
  query: [{ type: "api_key", in: "query", name: "key" }, { api_key: SECRET }],
  cookie: [{ type: "api_key", in: "cookie", name: "key" }, { api_key: SECRET }],
  script: [{ type: "script", script: "sign", secrets: ["key"] }, { key: SECRET }],
};
const SIGN = "(request, secrets) => ({ headers: { 'x-signature': secrets.key }, query: { signed: secrets.key } })";

export async function redirects(world) {
  const { sluice, hostile, report } = world;
  report.secret(SECRET, Buffer.from(`ada:${SECRET}`).toString("base64"));
  const documents = [];
  const secrets = {};
  for (const [kind, [auth, values]] of Object.entries(KINDS)) {
    documents.push(connector(`redirect-${kind}`, auth, hostile), instance(`redirect-${kind}`, values));
    secrets[`redirect-${kind}`] = values;
  }
  await sluice.apply(documents, secrets);
  await targets(world);
  await credentials(world);
  await endless(world);
}

function connector(name, auth, hostile) {
  const allowed_hosts = hostile.other ? [hostile.other.address] : [];
  const http = { base_url: hostile.main.url, timeout_seconds: 3, allowed_hosts };
  const body = { value: "$.input.note" };
  const input = { type: "object", properties: { note: {} } };
  return {
    kind: "connector",
    name,
    http,
    auth,
    scripts: auth.type === "script" ? { sign: { code: SIGN } } : undefined,
    actions: {
      get: { title: "Get", request: { path: "/redirect" } },
      post: { title: "Post", input, request: { method: "POST", path: "/redirect", body } },
    },
  };
}

function instance(name, values) {
  const secrets = Object.fromEntries(Object.keys(values).map((key) => [key, { env: "S" }]));
  return { kind: "instance", name, connector: name, secrets };
}

function lead(hostile, location, status = 302) {
  hostile.on("/redirect", (_, response) => {
    response.writeHead(status, { location, "set-cookie": "planted=1" });
    response.end();
  });
}

async function targets({ sluice, hostile, attack }) {
  const canary = new URL(hostile.loopback.url).host;
  const list = {
    loopback: `http://${canary}/x`,
    loopback_decimal: `http://2130706433:${canary.split(":")[1]}/x`,
    loopback_v6_mapped: `http://[::ffff:127.0.0.1]:${canary.split(":")[1]}/x`,
    no_scheme: `//${canary}/x`,
    no_scheme_backslash: `\\\\${canary}\\x`,
    metadata: "http://169.254.169.254/latest/meta-data/",
    metadata_decimal: "http://2852039166/",
    metadata_name: "http://metadata.google.internal/",
    not_allowed: "http://evil.test/x",
    userinfo: `http://${new URL(hostile.main.url).host}@${canary}/x`,
    userinfo_same_host: `http://a:b@${new URL(hostile.main.url).host}/x`,
    file: "file:///etc/passwd",
    gopher: "gopher://127.0.0.1:6379/_INFO",
    ftp: "ftp://127.0.0.1/x",
    data: "data:application/json,{}",
    javascript: "javascript:1",
    no_url: "http://[",
    empty: "",
  };
  for (const [variant, location] of Object.entries(list)) {
    for (const status of variant === "loopback" ? [301, 302, 303, 307, 308] : [302]) {
      lead(hostile, location, status);
      const { result, requests } = await hostile.during(() => sluice.invoke("redirect-bearer", "get"));
      const ok =
        result.code !== "succeeded" && requests.every((one) => one.at === hostile.main && one.url === "/redirect");
      attack(
        "redirect",
        status === 302 ? variant : `${variant}_${status}`,
        "refused",
        { ...result, detail: `${location} ${result.detail}` },
        ok,
      );
    }
  }
}

/** To another host that is allowed the request goes without credentials; to another port of the same one it does not go. */
async function credentials({ sluice, hostile, attack, skip }) {
  const places = { other_port: hostile.port };
  if (hostile.other) places.other_host = hostile.other;
  else skip("credentials", "this machine has no further address");
  for (const [place, listener] of Object.entries(places)) {
    for (const kind of Object.keys(KINDS)) {
      for (const action of ["get", "post"]) {
        lead(hostile, `${listener.url}/taken`, action === "get" ? 302 : 307);
        const { result, requests } = await hostile.during(() =>
          sluice.invoke(`redirect-${kind}`, action, { note: "n" }),
        );
        const seen = requests.filter((one) => one.at === listener);
        const wire = JSON.stringify(seen.map(({ url, rawHeaders, body }) => [url, rawHeaders, body]));
        const basic = Buffer.from(`ada:${SECRET}`).toString("base64");
        const names = seen.flatMap((one) => Object.keys(one.headers));
        const kept = ["authorization", "cookie", "x-key", "x-signature"].filter((name) => names.includes(name));
        const stays = place === "other_port";
        const went = stays ? seen.length === 0 && result.code === "host_refused" : seen.length === 1;
        const ok = went && !wire.includes(SECRET) && !wire.includes(basic) && kept.length === 0;
        const detail = `${seen.length} request with ${kept.join(", ") || "no credential"}; ${result.detail}`;
        const expect = stays ? "host_refused" : "no credential arrives";
        attack(`credentials_${place}`, `${kind}_${action}`, expect, { ...result, detail }, ok);
      }
    }
  }
  // Between hosts and back: the credential is for the origin of `base_url` alone, wherever the way led through.
  hostile.on("/back", (_, response) => json(response, { back: true }));
  hostile.on("/taken", (one, response) => json(response, { query: one.url.split("?")[1] ?? "" }));
}

async function endless({ sluice, hostile, attack }) {
  hostile.on("/taken", (_, response) => json(response, {}));
  lead(hostile, "/redirect");
  const own = await hostile.during(() => sluice.invoke("redirect-bearer", "get"));
  attack(
    "endless",
    "to itself",
    "too_many_redirects",
    own.result,
    own.result.code === "too_many_redirects" && own.requests.length <= 6,
  );
  let n = 0;
  hostile.on("/redirect", (_, response) => {
    response.writeHead(307, { location: `/redirect?n=${(n += 1)}` });
    response.end();
  });
  const chain = await hostile.during(() => sluice.invoke("redirect-bearer", "post", { note: "n" }));
  attack(
    "endless",
    "always another",
    "too_many_redirects",
    chain.result,
    chain.result.code === "too_many_redirects" && chain.requests.length <= 6,
  );
}
