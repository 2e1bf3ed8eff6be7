// The official TypeScript MCP SDK, unmodified, against a running server. What it is to do comes as JSON on standard
// input; what came of it leaves as one line of JSON.
import { readFileSync } from 'node:fs';
import {
    Client,
    ClientCredentialsProvider,
    CrossAppAccessProvider,
    DpopSession,
    PrivateKeyJwtProvider,
    StreamableHTTPClientTransport,
    discoverAndRequestJwtAuthGrant,
} from '@modelcontextprotocol/client';

const task = JSON.parse(readFileSync(0, 'utf8'));
let legs = 0;

const providers = {
    // Both legs of an ID-JAG: the SDK finds the authorization server in the resource's metadata.
    'cross-app-access': () =>
        new CrossAppAccessProvider({
            clientId: task.client_id,
            clientSecret: task.client_secret,
            expectedIssuer: task.issuer,
            assertion: async context => {
                legs++;
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
        }),
    'client-credentials': () =>
        new ClientCredentialsProvider({
            clientId: task.client_id,
            clientSecret: task.client_secret,
            expectedIssuer: task.issuer,
            scope: task.scope,
        }),
    'private-key-jwt': () =>
        new PrivateKeyJwtProvider({
            clientId: task.client_id,
            privateKey: task.private_key,
            algorithm: 'ES256',
            expectedIssuer: task.issuer,
            scope: task.scope,
        }),
};

async function run() {
    const provider = providers[task.mode]();
    if (task.dpop) {
        const session = await DpopSession.create();
        provider.dpop = () => session;
    }
    const client = new Client({ name: 'e2e', version: '1.0.0' });
    await client.connect(new StreamableHTTPClientTransport(new URL(task.resource), { authProvider: provider }));
    const result = await client.callTool({ name: 'whoami', arguments: {} });
    await client.close();
    return { seen: result.structuredContent ?? JSON.parse(result.content[0].text), token_type: provider.tokens()?.token_type, legs };
}

try {
    console.log(JSON.stringify(await run()));
} catch (error) {
    console.log(JSON.stringify({ error: String(error), cause: String(error?.cause ?? '') }));
    process.exitCode = 1;
}
