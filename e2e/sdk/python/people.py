"""The official Python MCP SDK, unmodified, in a program of somebody who sits before a browser.

Commands come as lines of JSON on standard input and each is answered by a line: "open" is where the browser is to go, and
"back" what comes then.
"""

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from urllib.parse import parse_qs, urlparse

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata

REDIRECT = "http://127.0.0.1/callback"

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

clock = time.time
ahead = 0
time.time = lambda: clock() + ahead  # the program's clock can be put forward


def say(what):
    print(json.dumps(what), flush=True)


async def hear():
    line = await asyncio.to_thread(sys.stdin.readline)
    return json.loads(line) if line else None


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


async def send_to_browser(url):
    say({"open": url})


async def come_back():
    back = {name: values[0] for name, values in parse_qs(urlparse((await hear())["back"]).query).items()}
    if "error" in back:
        raise RuntimeError(json.dumps(back))
    return AuthorizationCodeResult(code=back["code"], state=back.get("state"), iss=back.get("iss"))


class Missing(httpx2.AsyncHTTPTransport):
    """What the task says is not there is 404; registration shows the initial access token."""

    def __init__(self, task):
        super().__init__()
        self.task = task

    async def handle_async_request(self, request):
        if request.url.path in self.task.get("hide", []):
            return httpx2.Response(404, request=request)
        if request.url.path.endswith("/register") and "initial_access_token" in self.task:
            request.headers["Authorization"] = "Bearer " + self.task["initial_access_token"]
        return await super().handle_async_request(request)


async def open_session(task, storage, stack):
    provider = OAuthClientProvider(
        server_url=task["resource"],
        client_metadata=OAuthClientMetadata(
            client_name="Python",
            redirect_uris=[REDIRECT],
            grant_types=["authorization_code"] + ([] if task.get("offline") is False else ["refresh_token"]),
            token_endpoint_auth_method=task.get("auth_method"),
        ),
        storage=storage,
        redirect_handler=send_to_browser,
        callback_handler=come_back,
        client_metadata_url=task.get("client_metadata_url"),
    )
    http = await stack.enter_async_context(httpx2.AsyncClient(auth=provider, timeout=30, transport=Missing(task)))
    read, write, *_ = await stack.enter_async_context(streamable_http_client(task["resource"], http_client=http))
    session = await stack.enter_async_context(ClientSession(read, write))
    await session.initialize()
    return session


async def call(session, storage, tool, arguments):
    result = await session.call_tool(tool, arguments)
    if result.is_error:
        raise RuntimeError(result.content[0].text)
    seen = result.structured_content or json.loads(result.content[0].text)
    return {"seen": seen, "token_type": storage.tokens.token_type, "refresh": bool(storage.tokens.refresh_token)}


def innermost(error):
    """An exception group says nothing: what is inside of it does."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def connected(task, storage):
    """One connection: until a task wants another one, which is returned."""
    global ahead
    async with AsyncExitStack() as stack:
        session = await open_session(task, storage, stack)
        say(await call(session, storage, "whoami", {}))
        while (task := await hear()) and task["do"] == "call":
            ahead += task.get("later", 0)
            try:
                say(await call(session, storage, task["tool"], task.get("arguments", {})))
            except Exception as error:  # noqa: BLE001 - whatever it is, the test wants to read it
                say({"error": repr(innermost(error))})
        return task


async def run():
    storage, task = Memory(), await hear()
    while task:
        if not task.get("again"):
            storage = Memory()
            if "client_id" in task:
                storage.client = OAuthClientInformationFull(
                    client_id=task["client_id"],
                    client_secret=task.get("client_secret"),
                    token_endpoint_auth_method=task.get("auth_method"),
                    redirect_uris=[REDIRECT],
                    issuer=task["issuer"],
                )
        try:
            task = await connected(task, storage)
        except BaseException as error:  # noqa: BLE001 - as above
            say({"error": repr(innermost(error))})
            task = await hear()


asyncio.run(run())
