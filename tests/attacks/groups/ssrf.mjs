// Where a connector may be led: by the settings of its instance, by its input, and by what it is answered.
import { lookup } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { json } from "../lib/hostile.mjs";

const TOKEN = "canary-bearer-7781";
/** Refusals that come before any connection. */
const REFUSED = ["host_refused", "bad_base_url", "bad_path", "redirect_refused", "bad_next_url", "bad_url"];

const CONNECTOR = {
  kind: "connector",
  name: "roam",
  variables: { type: "object", required: ["url"], properties: { url: { type: "string" } } },
  http: { base_url: "= vars.url", timeout_seconds: 2 },
  auth: { type: "bearer" },
  actions: {
    get: { title: "Get", request: { path: "/secret" } },
    path: { title: "A path of the input", input: { type: "object" }, request: { path: "= input.path" } },
    pages: {
      title: "Pages",
      request: { path: "/pages" },
      response: { result: "$.response.body.items" },
      pagination: { type: "next_url", next: "$.response.body.next" },
    },
    links: {
      title: "Pages by links",
      request: { path: "/links" },
      response: { result: "$.response.body.items" },
      pagination: { type: "link" },
    },
  },
};

/** Spellings of this machine; `port` is where a server listens on its loopback. */
const loopbacks = (port) =>
  Object.entries({
    dotted: `http://127.0.0.1:${port}`,
    other: `http://127.8.9.10:${port}`,
    name: `http://localhost:${port}`,
    name_dot: `http://localhost.:${port}`,
    zero: `http://0.0.0.0:${port}`,
    short: `http://127.1:${port}`,
    decimal: `http://2130706433:${port}`,
    hex: `http://0x7f000001:${port}`,
    hex_parts: `http://0x7f.0x0.0x0.0x1:${port}`,
    octal: `http://0177.0.0.1:${port}`,
    full_width: `http://１２７.０.０.１:${port}`,
    circled: `http://①②⑦.0.0.1:${port}`,
    dot_at_end: `http://127.0.0.1.:${port}`,
    v6: `http://[::1]:${port}`,
    v6_long: `http://[0:0:0:0:0:0:0:1]:${port}`,
    v6_unspecified: `http://[::]:${port}`,
    v6_mapped: `http://[::ffff:127.0.0.1]:${port}`,
    v6_mapped_hex: `http://[::ffff:7f00:1]:${port}`,
  });

/** Spellings of the metadata services of clouds and of other link-local addresses. */
const NEVER = Object.entries({
  dotted: "http://169.254.169.254",
  decimal: "http://2852039166",
  hex: "http://0xa9fea9fe",
  octal: "http://0251.0376.0251.0376",
  dot_at_end: "http://169.254.169.254.",
  full_width: "http://１６９.２５４.１６９.２５４",
  link_local: "http://169.254.1.1",
  v6_mapped: "http://[::ffff:169.254.169.254]",
  v6_compatible: "http://[::169.254.169.254]",
  v6_translated: "http://[::ffff:0:169.254.169.254]",
  v6_nat64: "http://[64:ff9b::a9fe:a9fe]",
  v6_nat64_local: "http://[64:ff9b:1::a9fe:a9fe]",
  v6_6to4: "http://[2002:a9fe:a9fe::1]",
  v6_link_local: "http://[fe80::1]",
  v6_amazon: "http://[fd00:ec2::254]",
  v6_google: "http://[fd20:ce::254]",
  alibaba: "http://100.100.100.200",
  azure: "http://168.63.129.16",
  oracle: "http://192.0.0.192",
});

const SCHEMES = Object.entries({
  file: "file:///etc/passwd",
  gopher: "gopher://127.0.0.1:6379/_INFO",
  ftp: "ftp://127.0.0.1/",
  unix: "unix:///var/run/docker.sock",
  data: "data:application/json,{}",
  javascript: "javascript:1",
  ws: "ws://127.0.0.1/",
  none: "//127.0.0.1/",
});

export async function ssrf(world) {
  const { sluice, hostile, report } = world;
  report.secret(TOKEN);
  const { host, port } = new URL(hostile.main.url);
  const canary = new URL(hostile.loopback.url).port;
  const settings = [
    ...loopbacks(canary).map(([name, url]) => ["loopback", name, url]),
    ...NEVER.map(([name, url]) => ["metadata", name, url]),
    ...SCHEMES.map(([name, url]) => ["scheme", name, url]),
    ["userinfo", "allowed_first", `http://${host}@127.0.0.1:${canary}`],
    ["userinfo", "password", `http://a:b@${host}`],
    ["userinfo", "backslash", `http://127.0.0.1:${canary}\\@${host}`],
    ["userinfo", "fragment", `http://127.0.0.1:${canary}#@${host}`],
    ["port", "broker", `http://${hostile.main.address}:5672`],
    ["port", "broker_management", `http://${hostile.main.address}:15672`],
    ["port", "docker", `http://${hostile.main.address}:2375`],
    ["port", "docker_tls", `http://${hostile.main.address}:2376`],
    ["port", "gateway", `http://${hostile.main.address}:${world.settings.gateway ?? 7402}`],
    ["port", "api", `${world.settings.sluice.replace(/127\.0\.0\.1|localhost/, hostile.main.address)}`],
  ];
  const instances = settings.map(([, , url], n) => instance(`roam-${n}`, url));
  const secrets = Object.fromEntries(
    ["roam", ...instances.map((one) => one.name)].map((name) => [name, { token: TOKEN }]),
  );
  await sluice.apply([CONNECTOR, instance("roam", hostile.main.url), ...instances], secrets);
  await bySettings(world, settings);
  await byInput(world, port);
  await byAnswers(world, canary);
}

function instance(name, url) {
  return { kind: "instance", name, connector: "roam", settings: { url }, secrets: { token: { env: "T" } } };
}

/** The setting of an instance names the host. An operator may name internal hosts, but never a metadata service. */
async function bySettings({ sluice, hostile, attack }, settings) {
  for (const [n, [kind, variant, url]] of settings.entries()) {
    const { result, requests } = await hostile.during(() => sluice.invoke(`roam-${n}`, "get"));
    const reached = requests.length > 0 && kind !== "userinfo";
    const leaked = requests.some((one) => one.at === hostile.loopback);
    const refused = result.code !== "succeeded" && !reached && !leaked;
    const early = REFUSED.includes(result.code);
    const needsEarly =
      kind === "metadata" || kind === "scheme" || variant === "password" || variant === "allowed_first";
    const expect = needsEarly ? "refused before any connection" : "nothing of this machine is reached";
    attack(
      `settings_${kind}`,
      variant,
      expect,
      { ...result, detail: `${url} ${result.detail}` },
      refused && (early || !needsEarly),
    );
  }
}

/** The path comes from the input: it stays a path of the one host. */
async function byInput({ sluice, hostile, attack }, port) {
  const canary = new URL(hostile.loopback.url).host;
  const paths = {
    slashes: `//${canary}/x`,
    backslashes: `\\\\${canary}\\x`,
    slash_backslash: `/\\${canary}/x`,
    whole_url: `http://${canary}/x`,
    userinfo: `@${canary}/x`,
    port: `:${Number(port) + 1}/x`,
    host_suffix: `.evil.test/x`,
    tab: `/\t/${canary}/x`,
    line_break: `/\n/${canary}/x`,
    authority_in_query: `?@${canary}/x`,
    authority_in_fragment: `#@${canary}/x`,
    nothing: "",
  };
  for (const [variant, path] of Object.entries(paths)) {
    const { result, requests } = await hostile.during(() => sluice.invoke("roam", "path", { path }));
    const ok = requests.every((one) => one.at === hostile.main) && (requests.length > 0 || result.code !== "succeeded");
    attack("input_path", variant, "no request to another host", result, ok);
  }
}

/** An answer names the next host: only those of the file are let in, and no internal one by a wildcard. */
async function byAnswers({ sluice, hostile, attack, skip }, canary) {
  const targets = [
    ...loopbacks(canary),
    ...NEVER,
    ...SCHEMES,
    ["userinfo", `http://${new URL(hostile.main.url).host}@127.0.0.1:${canary}/`],
    ["other_name", `http://evil.test/`],
    ["suffix", `http://${hostile.main.address}.evil.test/`],
  ];
  for (const [action, path] of [
    ["pages", "/pages"],
    ["links", "/links"],
  ]) {
    for (const [variant, url] of targets) {
      if (action === "links" && /[^\x20-\x7e]/.test(url)) continue;
      const next = `${url.replace(/\/$/, "")}/x`;
      hostile.on(path, (_, response) =>
        json(response, { items: [1], next }, 200, action === "links" ? { link: `<${next}>; rel="next"` } : {}),
      );
      const { result, requests } = await hostile.during(() => sluice.invoke("roam", action));
      const ok = result.code !== "succeeded" && requests.length === 1;
      attack(
        `answer_${action}`,
        variant,
        "refused, no second request",
        { ...result, detail: `${url} ${result.detail}` },
        ok,
      );
    }
  }
  await byWildcard({ sluice, hostile, attack, skip }, canary);
}

/** A wildcard lets in names, but only those with public addresses. */
async function byWildcard({ sluice, hostile, attack, skip }, canary) {
  const name = await internalName();
  const targets = [["literal", "*.0.0.1", `http://127.0.0.1:${canary}/`]];
  if (name) targets.push(["name_with_internal_address", `*.${name.replace(/^[^.]*\./, "")}`, `http://${name}:${canary}/`]);
  else skip("answer_wildcard", "this machine knows no name with a dot that has an internal address");
  for (const [n, [variant, pattern, next]] of targets.entries()) {
    const wild = `wild-${n}`;
    const http = { ...CONNECTOR.http, base_url: hostile.main.url, allowed_hosts: [pattern] };
    const actions = { pages: CONNECTOR.actions.pages };
    try {
      await sluice.apply([
        { ...CONNECTOR, name: wild, variables: undefined, http, auth: { type: "none" }, actions },
        { kind: "instance", name: wild, connector: wild },
      ]);
    } catch (error) {
      attack("answer_wildcard", variant, "refused", { status: 422, code: "apply", detail: error.message }, true);
      continue;
    }
    hostile.on("/pages", (_, response) => json(response, { items: [1], next }));
    const { result, requests } = await hostile.during(() => sluice.invoke(wild, "pages"));
    const ok = result.code === "host_refused" && requests.length === 1;
    attack("answer_wildcard", variant, "host_refused", { ...result, detail: `${next} ${result.detail}` }, ok);
  }
}

/** A name with a dot that has an internal address. The proxy looks names up as this machine does. */
async function internalName() {
  const lines = (await readFile("/etc/hosts", "utf8")).split("\n");
  const names = lines.flatMap((line) => line.replace(/#.*/, "").trim().split(/\s+/).slice(1));
  for (const name of names.filter((name) => /^[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(name))) {
    const found = await lookup(name).catch(() => undefined);
    if (found && /^(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/.test(found.address)) return name;
  }
}
