// The official TypeScript MCP SDK, unmodified, in a program of somebody who sits before a browser. Commands come as lines of
// JSON on standard input and each is answered by a line: {open} is where the browser is to go, and {back} what comes then.
import { createInterface } from 'node:readline';

// With the argument 1 it is the SDK's first version.
const first = process.argv[2] === '1';
const { Client, DpopSession, StreamableHTTPClientTransport } = first
    ? { ...(await import('@modelcontextprotocol/sdk/client/index.js')), ...(await import('@modelcontextprotocol/sdk/client/streamableHttp.js')) }
    : await import('@modelcontextprotocol/client');
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = what => console.log(JSON.stringify(what));
const redirect = 'http://127.0.0.1/callback';

// What the SDK asks its user for: where things are kept, and the way to the browser.
class Provider {
    constructor(task) {
        this.task = task;
        this.clientMetadataUrl = task.client_metadata_url;
        if (task.client_id) {
            this.client = { client_id: task.client_id, client_secret: task.client_secret, token_endpoint_auth_method: task.auth_method };
        }
    }
    get redirectUrl() {
        return redirect;
    }
    get clientMetadata() {
        return {
            client_name: 'TypeScript',
            redirect_uris: [redirect],
            grant_types: this.task.offline === false ? ['authorization_code'] : ['authorization_code', 'refresh_token'],
            response_types: ['code'],
            token_endpoint_auth_method: this.task.auth_method,
        };
    }
    state() {
        return (this.sent = crypto.randomUUID());
    }
    clientInformation() {
        return this.client;
    }
    saveClientInformation(client) {
        this.client = client;
    }
    tokens() {
        return this.kept;
    }
    saveTokens(tokens) {
        this.kept = tokens;
    }
    codeVerifier() {
        return this.verifier;
    }
    saveCodeVerifier(verifier) {
        this.verifier = verifier;
    }
    discoveryState() {
        return this.discovered;
    }
    saveDiscoveryState(state) {
        this.discovered = state;
    }
    redirectToAuthorization(url) {
        this.open = url;
    }
}

let provider, client, transport, task;

// What the task says is not there is 404, and registration shows the initial access token.
function reach(url, init) {
    const path = new URL(url).pathname;
    if (task.hide?.includes(path)) {
        return new Response('', { status: 404 });
    }
    if (task.initial_access_token && path.endsWith('/register')) {
        init = { ...init, headers: { ...Object.fromEntries(new Headers(init.headers)), authorization: `Bearer ${task.initial_access_token}` } };
    }
    return fetch(url, init);
}

// A person who is sent to the browser comes back, and what was begun is begun again: once, as the SDK leaves it to its user.
async function withPerson(action) {
    for (let opened = 0; ; opened++) {
        try {
            return await action();
        } catch (error) {
            if (!provider.open || opened === 1) {
                throw error;
            }
            say({ open: provider.open.href });
            provider.open = undefined;
            const back = new URL(JSON.parse((await lines.next()).value).back).searchParams;
            if (back.get('state') !== provider.sent) {
                throw new Error('another state');
            }
            await transport.finishAuth(first ? back.get('code') : back);
        }
    }
}

const steps = {
    async connect(what) {
        await client?.close();
        task = what;
        if (task.again) {
            provider.discovered = undefined; // as after a restart: credentials and tokens are kept
        } else {
            provider = new Provider(task);
        }
        if (task.dpop) {
            const session = await DpopSession.create();
            provider.dpop = () => session;
        }
        await withPerson(async () => {
            transport = new StreamableHTTPClientTransport(new URL(task.resource), { authProvider: provider, fetch: reach });
            client = new Client({ name: 'e2e', version: '1.0.0' });
            await client.connect(transport);
        });
        return steps.call({ tool: 'whoami' });
    },
    async call({ tool, arguments: given = {} }) {
        const result = await withPerson(() => client.callTool({ name: tool, arguments: given }));
        return { seen: result.structuredContent, token_type: provider.kept.token_type, refresh: Boolean(provider.kept.refresh_token) };
    },
};

for (let line = await lines.next(); !line.done; line = await lines.next()) {
    const what = JSON.parse(line.value);
    try {
        say(await steps[what.do](what));
    } catch (error) {
        say({ error: `${error} ${error?.cause ?? ''} ${error?.code ?? ''}` });
    }
}
process.exit(0);
