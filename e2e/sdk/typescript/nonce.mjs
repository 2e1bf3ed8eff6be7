// The official TypeScript MCP SDK, unmodified, gets DPoP-bound tokens from a server that asks for nonces. What it is to do
// comes as JSON on standard input; what came of it leaves as one line of JSON.
import { readFileSync } from 'node:fs';
import { CrossAppAccessProvider, DpopSession, auth, discoverAndRequestJwtAuthGrant } from '@modelcontextprotocol/client';

const task = JSON.parse(readFileSync(0, 'utf8'));
const answers = [];

// What the SDK's requests are answered, beside the SDK.
async function watch(url, init) {
    const response = await fetch(url, init);
    if (String(url) === `${task.issuer}/token`) {
        answers.push(response.ok ? 'token' : (await response.clone().json()).error);
    }
    return response;
}

async function run() {
    const session = await DpopSession.create({ alg: task.algorithm });
    const provider = new CrossAppAccessProvider({
        clientId: task.client_id,
        clientSecret: task.client_secret,
        expectedIssuer: task.issuer,
        assertion: async context => {
            const grant = await discoverAndRequestJwtAuthGrant({
                idpUrl: task.idp,
                audience: context.authorizationServerUrl,
                resource: context.resourceUrl,
                idToken: task.id_token,
                clientId: task.idp_client_id,
                clientSecret: task.idp_client_secret,
                scope: context.scope,
                fetchFn: context.fetchFn,
            });
            return grant.jwtAuthGrant;
        },
    });
    provider.dpop = () => session;
    for (let i = 0; i < task.times; i++) {
        await auth(provider, {
            serverUrl: task.resource,
            resourceMetadataUrl: new URL(`${task.issuer}/.well-known/oauth-protected-resource/notes`),
            fetchFn: watch,
        });
    }
    const tokens = provider.tokens();
    return { token: tokens.access_token, token_type: tokens.token_type, thumbprint: session.thumbprint, answers };
}

try {
    console.log(JSON.stringify(await run()));
} catch (error) {
    console.log(JSON.stringify({ error: String(error), cause: String(error?.cause ?? ''), answers }));
    process.exitCode = 1;
}
