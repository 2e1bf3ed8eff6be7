// An authorization server that nobody here wrote (panva/node-oidc-provider), for one test of what is
// borrowed from it: refresh tokens are good once. Clients come as JSON in CHANCERY_CLIENTS, the issuer
// goes to standard output. A line "end" takes everything back that it gave; it ends with its standard input.
import { generateKeyPairSync } from 'node:crypto';
import http from 'node:http';
import readline from 'node:readline';
import Provider from 'oidc-provider';

const server = http.createServer();
const grants = new Set();
let provider;
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  provider = new Provider(issuer, {
    clients: JSON.parse(process.env.CHANCERY_CLIENTS),
    jwks: { keys: [{ ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }), kid: 'key-1', use: 'sig' }] },
    scopes: ['openid', 'a', 'b'],
    pkce: { required: () => true },
    cookies: { keys: ['a', 'b'] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    ttl: { AccessToken: 64 },
    features: { devInteractions: { enabled: true }, revocation: { enabled: true }, introspection: { enabled: true } },
  });
  provider.on('grant.success', (ctx) => { if (ctx.oidc.entities.Grant) grants.add(ctx.oidc.entities.Grant.jti); });
  provider.on('server_error', (_, error) => console.error(error));
  provider.on('grant.error', (_, error) => console.error('refused:', error.message, error.error_detail));
  server.on('request', provider.callback());
  console.log(issuer);
});
const lines = readline.createInterface({ input: process.stdin });
lines.on('line', async (line) => {
  if (line !== 'end') return;
  for (const grant of grants) {
    for (const kind of [provider.RefreshToken, provider.AccessToken]) await kind.revokeByGrantId(grant);
  }
  console.log('ended');
});
lines.on('close', () => process.exit(0));
