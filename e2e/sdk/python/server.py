"""A FastMCP server guarded by FastMCP's own JWTVerifier: it knows the issuer, the key set and its own name."""

import json
import sys

import uvicorn
from fastmcp import FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.providers.jwt import JWTVerifier
from fastmcp.server.dependencies import get_access_token

task = json.load(sys.stdin)

mcp = FastMCP(
    "notes",
    auth=RemoteAuthProvider(
        token_verifier=JWTVerifier(
            jwks_uri=task["issuer"] + "/.well-known/jwks.json",
            issuer=task["issuer"],
            audience=task["resource"],
            algorithm=task["algorithm"],
            required_scopes=["notes:read"],
        ),
        authorization_servers=[task["issuer"]],
        base_url=task["base"],
    ),
)


@mcp.tool
def whoami() -> dict:
    token = get_access_token()
    return {"subject": token.claims["sub"], "scopes": token.scopes, "client": token.client_id}


uvicorn.run(mcp.http_app(path="/mcp", stateless_http=True), host="127.0.0.1", port=task["port"], log_level="warning")
