// A provider that means no good, and people who bring back what was not given to them.
import { send } from "../lib/http.mjs";
import { json } from "../lib/hostile.mjs";
import { outcome } from "../lib/sluice.mjs";

const SECRET = "canary-client-secret-6120";
const TOKEN = "canary-access-token-8852";
const MARKUP = '<script>alert(1)</script><img src=x onerror="alert(1)">';
const MIB = 1024 * 1024;

export async function oauth(world) {
  const { sluice, hostile, report } = world;
  report.secret(SECRET, TOKEN);
  hostile.on("/token", (_, response) =>
    json(response, { access_token: TOKEN, token_type: "Bearer", expires_in: 3600 }),
  );
  const urls = { provider: hostile.main.url, ...places(hostile) };
  const names = Object.keys(urls);
  await sluice.apply(
    [connector("login", hostile), ...names.map((name) => instance(`login-${name.replaceAll("_", "-")}`, urls[name]))],
    Object.fromEntries(
      names.map((name) => [`login-${name.replaceAll("_", "-")}`, { client_id: "attacks", client_secret: SECRET }]),
    ),
  );
  await callbacks(world);
  await pages(world);
  await providers(world);
  await internal(
    world,
    names.filter((name) => name !== "provider"),
    urls,
  );
}

/** Token endpoints where no token may be asked for. */
function places(hostile) {
  return {
    metadata: "http://169.254.169.254",
    metadata_decimal: "http://2852039166",
    metadata_mapped: "http://[::ffff:169.254.169.254]",
    link_local: "http://[fe80::1]",
    loopback: hostile.loopback.url,
    loopback_decimal: `http://2130706433:${hostile.loopback.port}`,
    loopback_mapped: `http://[::ffff:127.0.0.1]:${hostile.loopback.port}`,
    loopback_name: `http://localhost:${hostile.loopback.port}`,
    public_plain: "http://93.184.216.34",
    userinfo: `http://a:b@${new URL(hostile.main.url).host}`,
    file: "file:///etc",
    gopher: "gopher://127.0.0.1:6379",
  };
}

function connector(name, hostile) {
  const authorize_url = `${hostile.main.url.replace(/\/\/[^:]*/, "//127.0.0.1")}/auth`;
  const auth = {
    type: "oauth2",
    oauth2: { authorize_url, token_url: "= vars.url & '/token'", issuer: "https://login.example" },
  };
  const variables = { type: "object", required: ["url"], properties: { url: { type: "string" } } };
  return {
    kind: "connector",
    name,
    variables,
    http: { base_url: hostile.main.url },
    auth,
    actions: { me: { title: "Me", request: { path: "/plain" } } },
  };
}

function instance(name, url) {
  return {
    kind: "instance",
    name,
    connector: "login",
    settings: { url },
    secrets: { client_id: { env: "I" }, client_secret: { env: "S" } },
  };
}

/** Begins an authorisation in a browser: its cookie, the state, and where the provider is told to send back to. */
async function begin({ sluice }, name = "login-provider", query = "") {
  const todo = await sluice.call("POST", `/api/v1/instances/${name}/authorize`);
  const link = todo.json?.url && new URL(todo.json.url);
  if (!link) return { answer: outcome(todo) };
  const gone = await send(sluice.url, { path: link.pathname + query });
  const to = gone.headers.location && new URL(gone.headers.location);
  return {
    link,
    answer: outcome(gone),
    cookie: gone.headers["set-cookie"]?.[0]?.split(";")[0],
    cookies: gone.headers["set-cookie"],
    state: to?.searchParams.get("state"),
    to,
  };
}

const ISSUER = "https://login.example";
const back = async ({ sluice }, query, cookie) => {
  const path = `/oauth/callback?${typeof query === "string" ? query : new URLSearchParams(query)}`;
  const answer = await send(sluice.url, { path, headers: cookie ? { cookie } : {} });
  return {
    ...outcome(answer),
    code: null,
    headers: answer.headers,
    detail: answer.text.replace(/.*<p>|<\/p>.*/gs, ""),
  };
};

/** Every way back but the right one. */
async function callbacks(world) {
  const { attack, hostile } = world;
  const never = async (variant, query, cookie) => {
    const { result, requests } = await hostile.during(() => back(world, query, cookie));
    attack(
      "callback",
      variant,
      "400, no token is asked for",
      result,
      result.status === 400 && requests.every((one) => !one.url.startsWith("/token")),
    );
  };
  const mine = await begin(world);
  const good = { code: "forged", state: mine.state, iss: ISSUER };
  await never("unknown state", { ...good, state: "forged" }, mine.cookie);
  await never("no state", { code: "x", iss: ISSUER }, mine.cookie);
  await never("long state", { ...good, state: "x".repeat(9000) }, mine.cookie);
  await never("state twice", `code=x&iss=${ISSUER}&state=${mine.state}&state=forged`, mine.cookie);
  await never("no code", { state: mine.state, iss: ISSUER }, mine.cookie);
  await never("no cookie", good);
  const theirs = await begin(world);
  await never("cookie of another browser", good, theirs.cookie);
  await never("cookie by another name", good, mine.cookie.replace(/=.*/, `=${theirs.cookie.split("=")[1]}`));
  const mixed = await begin(world);
  await never("another issuer", { code: "x", state: mixed.state, iss: "https://evil.test" }, mixed.cookie);
  const without = await begin(world);
  await never("no issuer", { code: "x", state: without.state }, without.cookie);
  const slash = await begin(world);
  await never("issuer with a slash", { code: "x", state: slash.state, iss: `${ISSUER}/` }, slash.cookie);
  // The one right way, once; then again.
  const right = await begin(world);
  const { result } = await hostile.during(() =>
    back(world, { code: "c", state: right.state, iss: ISSUER }, right.cookie),
  );
  attack("callback", "the right one", "200", result, result.status === 200);
  await never("replayed", { code: "c", state: right.state, iss: ISSUER }, right.cookie);
  const again = outcome(await send(world.sluice.url, { path: right.link.pathname }));
  attack(
    "start",
    "a link used before",
    "400",
    { ...again, code: null, detail: again.detail.replace(/.*<p>|<\/p>.*/gs, "") },
    again.status === 400,
  );
  for (const path of [
    "/oauth/start/forged",
    "/oauth/start/%2e%2e",
    `/oauth/start/${"x".repeat(5000)}`,
    "/oauth/start/%00",
  ]) {
    const answer = outcome(await send(world.sluice.url, { path }));
    attack(
      "start",
      path.slice(0, 30),
      "400",
      { ...answer, code: null, detail: answer.detail.replace(/.*<p>|<\/p>.*/gs, "") },
      [400, 401].includes(answer.status),
    );
  }
  const told = await begin(world, "login-provider", "?redirect_uri=https://evil.test/&state=x&client_id=evil");
  const uri = told.to?.searchParams.get("redirect_uri") ?? "";
  const ok =
    !told.to?.href.includes("evil") && uri.endsWith("/oauth/callback") && told.to.searchParams.has("code_challenge");
  attack("start", "redirect_uri in the query", "not taken", { ...told.answer, detail: uri }, ok);
  const flags = told.cookies?.[0] ?? "";
  attack(
    "start",
    "cookie",
    "HttpOnly, SameSite, bound to the callback",
    { status: 302, detail: flags.replace(/=[^;]*/, "=...") },
    /HttpOnly/.test(flags) && /SameSite=Lax/.test(flags) && /Path=\/oauth\/callback/.test(flags),
  );
}

/** What a provider says is shown as text. */
async function pages(world) {
  for (const [variant, more] of Object.entries({
    error: { error: MARKUP },
    error_description: { error: "access_denied", error_description: MARKUP },
    "line breaks": { error: "a\r\nset-cookie: a=1" },
  })) {
    const one = await begin(world);
    const answer = await back(world, { state: one.state, iss: ISSUER, ...more }, one.cookie);
    const strict =
      /default-src 'none'/.test(answer.headers["content-security-policy"]) &&
      answer.headers["x-content-type-options"] === "nosniff";
    world.attack(
      "page",
      variant,
      "escaped, with a strict policy",
      answer,
      !answer.whole.includes("<script>") && !answer.whole.includes("<img") && strict && !answer.headers["set-cookie"],
    );
  }
}

/** What the token endpoint may do. */
async function providers(world) {
  const { hostile, attack } = world;
  const elsewhere = new URL(hostile.loopback.url);
  const answers = {
    "redirect elsewhere": (_, response) => response.writeHead(307, { location: `${elsewhere.origin}/stolen` }).end(),
    "redirect to metadata": (_, response) => response.writeHead(302, { location: "http://169.254.169.254/" }).end(),
    "error with markup": (_, response) => json(response, { error: "invalid_grant", error_description: MARKUP }, 400),
    "error that echoes": (one, response) =>
      json(
        response,
        {
          error: "invalid_grant",
          error_description: `${one.body} ${one.headers.authorization} ${Buffer.from((one.headers.authorization ?? " ").split(" ")[1], "base64")}`,
        },
        400,
      ),
    "deep JSON": (_, response) => response.end("[".repeat(200_000)),
    "too large": (_, response) => response.end(Buffer.alloc(5 * MIB, " ")),
    "without end": (_, response) => {
      const more = () => !response.destroyed && response.write(Buffer.alloc(65536, "a"), more);
      more();
    },
    "token with a line break": (_, response) =>
      json(response, { access_token: "a\r\nx-injected: 1", token_type: "Bearer" }),
    "token of a megabyte": (_, response) => json(response, { access_token: "a".repeat(900_000), token_type: "Bearer" }),
    "another type": (_, response) => json(response, { access_token: "a", token_type: "mac" }),
    "no token": (_, response) => json(response, {}),
    html: (_, response) => response.writeHead(200, { "content-type": "text/html" }).end(MARKUP),
  };
  const odd = ["token with a line break", "token of a megabyte", "another type"];
  for (const [variant, handler] of Object.entries(answers)) {
    hostile.on("/token", handler);
    const one = await begin(world);
    const { result, requests } = await hostile.during(() =>
      back(world, { code: "c", state: one.state, iss: ISSUER }, one.cookie),
    );
    const taken = requests.some((request) => request.at === hostile.loopback);
    const text = result.whole;
    const quiet =
      !text.includes("<script>") &&
      !text.includes(SECRET) &&
      !text.includes(Buffer.from(`attacks:${SECRET}`).toString("base64"));
    const used = odd.includes(variant);
    const expect = used ? "refused, or nothing comes of it in requests" : "refused, nothing shown, nobody else asked";
    const harmless = used ? await plainly(world) : result.status >= 400;
    attack("token_endpoint", variant, expect, result, harmless && !taken && quiet);
    const shown = await world.sluice.call("GET", "/api/v1/instances/login-provider");
    if (shown.text.includes(SECRET))
      attack("token_endpoint", `${variant}, at the instance`, "no secret", outcome(shown), false);
  }
}

/** Whether a request with the token that there is now brings no header of its own. */
async function plainly({ sluice, hostile }) {
  const { requests } = await hostile.during(() => sluice.invoke("login-provider", "me"));
  return requests.every((one) => !("x-injected" in one.headers));
}

async function internal(world, names, urls) {
  for (const name of names) {
    const one = await begin(world, `login-${name.replaceAll("_", "-")}`);
    const { result: answer, requests } = await world.hostile.during(() =>
      one.state ? back(world, { code: "c", state: one.state, iss: ISSUER }, one.cookie) : one.answer,
    );
    world.attack(
      "token_url",
      name,
      "refused",
      { ...answer, detail: `${urls[name]} ${answer.detail}` },
      answer.status >= 400 && answer.millis !== 0 && requests.length === 0,
    );
  }
}
