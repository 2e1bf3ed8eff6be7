"""The official Python MCP SDK, unmodified, against a running server.

What it is to do comes as JSON on standard input; what came of it leaves as one line of JSON.
"""

import asyncio
import json
import sys

import httpx2
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider, PrivateKeyJWTOAuthProvider, SignedJWTParameters
from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client


class Memory:
    """Where the SDK keeps its tokens."""

    def __init__(self):
        self.tokens = None
        self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


def identity_assertion(task, storage):
    async def assertion(audience, resource):
        """Leg 1, which the SDK leaves to its user."""
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requested_token_type": "urn:ietf:params:oauth:token-type:id-jag",
            "audience": audience,
            "resource": resource,
            "scope": task["scope"],
            "subject_token": task["id_token"],
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
            "client_id": task["idp_client_id"],
            "client_secret": task["idp_client_secret"],
        }
        async with httpx2.AsyncClient() as http:
            answer = await http.post(task["idp_token_endpoint"], data=form)
        answer.raise_for_status()
        return answer.json()["access_token"]

    return IdentityAssertionOAuthProvider(
        server_url=task["resource"],
        storage=storage,
        client_id=task["client_id"],
        client_secret=task["client_secret"],
        issuer=task["issuer"],
        assertion_provider=assertion,
        scope=task.get("scope"),
        token_endpoint_auth_method=task.get("auth_method", "client_secret_post"),
    )


def client_credentials(task, storage):
    return ClientCredentialsOAuthProvider(
        server_url=task["resource"],
        storage=storage,
        client_id=task["client_id"],
        client_secret=task["client_secret"],
        token_endpoint_auth_method=task.get("auth_method", "client_secret_basic"),
        scope=task.get("scope"),
        issuer=task["issuer"],
    )


def private_key_jwt(task, storage):
    signer = SignedJWTParameters(
        issuer=task["client_id"], subject=task["client_id"], signing_algorithm="ES256", signing_key=task["private_key"]
    )
    return PrivateKeyJWTOAuthProvider(
        server_url=task["resource"],
        storage=storage,
        client_id=task["client_id"],
        assertion_provider=signer.create_assertion_provider(),
        scope=task.get("scope"),
        issuer=task["issuer"],
    )


PROVIDERS = {
    "cross-app-access": identity_assertion,
    "client-credentials": client_credentials,
    "private-key-jwt": private_key_jwt,
}


async def run(task):
    storage = Memory()
    provider = PROVIDERS[task["mode"]](task, storage)
    async with httpx2.AsyncClient(auth=provider, timeout=30) as http:
        async with streamable_http_client(task["resource"], http_client=http) as (read, write, *_):
            async with ClientSession(read, write) as session:
                await session.initialize()
                result = await session.call_tool("whoami", {})
    seen = result.structured_content or json.loads(result.content[0].text)
    return {"seen": seen, "token_type": storage.tokens.token_type, "scope": storage.tokens.scope}


def innermost(error):
    """An exception group says nothing: what is inside of it does."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

try:
    print(json.dumps(asyncio.run(run(json.load(sys.stdin)))))
except BaseException as error:  # noqa: BLE001 - whatever it is, the test wants to read it
    print(json.dumps({"error": repr(innermost(error))}))
    sys.exit(1)
