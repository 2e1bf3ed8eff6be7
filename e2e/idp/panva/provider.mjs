// An OpenID provider that nobody here wrote (panva/node-oidc-provider), for one test:
// clients and people come as JSON in CHANCERY_IDP, the issuer goes to standard output,
// and it ends with its standard input.
import { generateKeyPairSync } from 'node:crypto';
import http from 'node:http';
import Provider from 'oidc-provider';

const { clients, people } = JSON.parse(process.env.CHANCERY_IDP);
// A key of each kind; a client says which one signs its ID tokens.
const keys = [['rsa', { modulusLength: 2048 }], ['ec', { namedCurve: 'P-256' }], ['ec', { namedCurve: 'P-384' }], ['ed25519', {}]].map(([kind, options], i) => ({
  ...generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' }), kid: `key-${i}`, use: 'sig',
}));
const server = http.createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients,
    jwks: { keys },
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519'] },
    scopes: ['openid', 'offline_access'],
    claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'], groups: ['groups'], acr: null, auth_time: null, sid: null },
    conformIdTokenClaims: false, // what the scopes ask for is in the ID token too
    acrValues: ['phr'], // which it advertises, and never says of anybody
    pkce: { required: () => true },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    cookies: { keys: ['a', 'b'] },
    fetch: (url, { dispatcher, ...options }) => fetch(url, options), // to loopback too, where the test is
    findAccount: (_, id) => (people[id] ? { accountId: id, claims: () => people[id] } : undefined),
    features: {
      devInteractions: { enabled: true },
      backchannelLogout: { enabled: true },
      jwtUserinfo: { enabled: true },
      pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: process.env.CHANCERY_IDP_PUSHED === 'yes' },
      rpInitiatedLogout: { enabled: true },
    },
  });
  provider.on('backchannel.error', (_, error) => console.error('back channel:', error));
  provider.on('server_error', (_, error) => console.error(error));
  server.on('request', provider.callback());
  console.log(issuer);
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
