// An OpenID provider for end-to-end tests. README.md says how to drive it.
import { randomBytes, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

import * as pages from './pages.mjs';
import { Store, all, forget } from './store.mjs';

const setting = (name, fallback) => process.env[name] || fallback;
const settings = {
  host: setting('HOST', '127.0.0.1'),
  port: Number(setting('PORT', '0')),
  clientId: setting('CLIENT_ID', 'sluice'),
  clientSecret: setting('CLIENT_SECRET', 'not-so-secret'),
  clientAuth: setting('CLIENT_AUTH', 'client_secret_basic'),
  redirectUris: setting('REDIRECT_URIS', 'http://127.0.0.1/callback').split(','),
  scopes: setting('SCOPES', 'openid offline_access contacts.read contacts.write').split(' '),
  accessTokenSeconds: Number(setting('ACCESS_TOKEN_SECONDS', '60')),
};

// Standard output is for the URL; what the library has to say goes to standard error.
console.info = console.warn;

/** What was asked, for tests to look at. */
const counters = { token: {}, me: { accepted: 0, refused: 0 }, revocations: 0 };
/** How many token requests to come are answered with 503. */
let failures = 0;
/** The key of an application that the API wants besides the token, if it wants one. */
let appKey = null;

function configuration() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256' };
  return {
    adapter: Store,
    jwks: { keys: [key] },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    clients: [{
      client_id: settings.clientId,
      ...(settings.clientAuth === 'none' ? {} : { client_secret: settings.clientSecret }),
      token_endpoint_auth_method: settings.clientAuth,
      // A native client may come back to any port of the loopback address (RFC 8252, section 7.3).
      application_type: settings.redirectUris.every((uri) => uri.startsWith('https:')) ? 'web' : 'native',
      redirect_uris: settings.redirectUris,
      response_types: ['code'],
      grant_types: [
        'authorization_code',
        'refresh_token',
        'urn:ietf:params:oauth:grant-type:device_code',
        ...(settings.clientAuth === 'none' ? [] : ['client_credentials']),
      ],
      id_token_signed_response_alg: 'ES256',
    }],
    scopes: settings.scopes,
    pkce: { required: () => true },
    rotateRefreshToken: true,
    // Nobody keeps the browser open for as long as a flow runs.
    expiresWithSession: async () => false,
    issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    ttl: {
      AccessToken: settings.accessTokenSeconds,
      ClientCredentials: settings.accessTokenSeconds,
      AuthorizationCode: 60,
      DeviceCode: 600,
      Grant: 14 * 86400,
      IdToken: 3600,
      Interaction: 3600,
      RefreshToken: 14 * 86400,
      Session: 14 * 86400,
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true, allowedPolicy: async (_, client, token) => token.clientId === client.clientId },
      deviceFlow: {
        enabled: true,
        userCodeInputSource: (ctx, form, _, error) => {
          ctx.body = pages.userCode(form, error);
        },
        userCodeConfirmSource: (ctx, form, client, _, code) => {
          ctx.body = pages.confirm(form, client.clientId, code);
        },
        successSource: (ctx) => {
          ctx.body = pages.done();
        },
      },
    },
  };
}

function count(provider) {
  const note = (outcome) => (ctx) => {
    if (ctx.oidc?.route !== 'token') return;
    const grant = ctx.oidc.params?.grant_type ?? 'unknown';
    counters.token[grant] ??= { success: 0, error: 0 };
    counters.token[grant][outcome] += 1;
  };
  provider.on('grant.success', note('success'));
  provider.on('grant.error', note('error'));
}

async function body(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return new URLSearchParams(Buffer.concat(chunks).toString());
}

function answer(response, status, content) {
  const html = typeof content === 'string';
  response.writeHead(status, { 'content-type': html ? 'text/html; charset=utf-8' : 'application/json' });
  response.end(html ? content : JSON.stringify(content));
}

/** Signing in and agreeing. Each ends by sending the browser on. */
async function interaction(provider, request, response, [uid, step]) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  const finish = (result) => provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
  if (request.method === 'GET') {
    const scopes = (params.scope ?? '').split(' ').filter(Boolean);
    return answer(response, 200, prompt.name === 'login' ? pages.login(uid) : pages.consent(uid, params.client_id, scopes));
  }
  if (step === 'abort') return finish({ error: 'access_denied', error_description: 'the person said no' });
  if (step === 'login') return finish({ login: { accountId: (await body(request)).get('account') } });
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope((prompt.details.missingOIDCScope ?? []).join(' '));
  return finish({ consent: { grantId: await grant.save() } });
}

/** The API that tokens are for (RFC 6750). */
async function me(provider, request, response) {
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  const found = token && (await provider.AccessToken.find(token) ?? await provider.ClientCredentials.find(token));
  if (!found) {
    counters.me.refused += 1;
    response.setHeader('www-authenticate', 'Bearer error="invalid_token"');
    return answer(response, 401, { error: 'invalid_token' });
  }
  if (appKey !== null && request.headers['x-app-key'] !== appKey) {
    counters.me.refused += 1;
    return answer(response, 403, { error: 'no such application' });
  }
  counters.me.accepted += 1;
  return answer(response, 200, { account: found.accountId ?? null, client: found.clientId, scope: found.scope ?? '' });
}

/** What a test does behind the provider's back. */
function admin(request, response, [what], query) {
  if (request.method === 'GET' && what === 'counters') return answer(response, 200, counters);
  if (request.method !== 'POST') return answer(response, 404, { error: 'not_found' });
  switch (what) {
    case 'revoke': {
      const account = query.get('account');
      const grants = all(({ model, payload }) => model === 'Grant' && payload.accountId === account);
      const ids = new Set(grants.map(({ payload }) => payload.jti));
      forget(({ model, payload }) => ids.has(payload.grantId) || (model === 'Grant' && ids.has(payload.jti)));
      return answer(response, 200, { grants: ids.size });
    }
    case 'expire':
      return answer(response, 200, { tokens: forget(({ model }) => ['AccessToken', 'ClientCredentials'].includes(model)) });
    case 'expire-codes': {
      // They stay known, as they do with a provider that says why.
      const codes = all(({ model }) => model === 'DeviceCode');
      codes.forEach(({ payload }) => (payload.exp = 1));
      return answer(response, 200, { codes: codes.length });
    }
    case 'app-key':
      appKey = query.get('key');
      return answer(response, 200, {});
    case 'fail':
      failures = Number(query.get('times') ?? '1');
      return answer(response, 200, { failures });
    default:
      return answer(response, 404, { error: 'not_found' });
  }
}

const server = createServer();
server.listen(settings.port, settings.host, () => {
  const url = `http://${settings.host}:${server.address().port}`;
  const provider = new Provider(url, configuration());
  count(provider);
  const others = provider.callback();
  const serve = async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, url);
    const [first, ...rest] = pathname.split('/').slice(1);
    if (first === 'admin') return admin(request, response, rest, searchParams);
    if (first === 'interaction') return interaction(provider, request, response, rest);
    if (pathname === '/me' && request.method === 'GET') return me(provider, request, response);
    if (pathname === '/token' && failures > 0) {
      failures -= 1;
      return answer(response, 503, '<h1>Service Unavailable</h1>');
    }
    if (pathname === '/token/revocation') counters.revocations += 1;
    return others(request, response);
  };
  server.on('request', (request, response) => {
    serve(request, response).catch((error) => {
      console.error(error);
      answer(response, error.statusCode ?? 500, { error: error.error ?? 'server_error', error_description: error.message });
    });
  });
  console.log(url);
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
