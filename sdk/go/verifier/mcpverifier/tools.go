package mcpverifier

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/chancery-dev/chancery/sdk/go/verifier"
)

const (
	// maxSkew is more than the verifier allows: it has judged the time already.
	maxSkew = 2 * time.Minute
	// maxPeek is the longest request in which Require looks for the name of a tool.
	maxPeek = 1 << 20
)

// ToolRequirements says what each tool needs besides what the server needs. A tool that
// is not named is called by nobody; one that needs nothing more is named with nil.
type ToolRequirements map[string][]verifier.Requirement

// check holds a token against what a tool needs.
func (t ToolRequirements) check(token *verifier.Token, tool string) error {
	needs, named := t[tool]
	if !named {
		return fmt.Errorf("tool %q is not open to anybody", tool)
	}
	return token.Check(needs...)
}

// Tools enforces what each tool needs, after the SDK has read the request. It fails
// closed: a call without a token that [Require] or [TokenVerifier] verified is refused.
func Tools(tools ToolRequirements) mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, request mcp.Request) (mcp.Result, error) {
			if method != "tools/call" {
				return next(ctx, method, request)
			}
			call, ok := request.(*mcp.CallToolRequest)
			if !ok || call.Params == nil {
				return nil, fmt.Errorf("tools/call without parameters: %T", request)
			}
			token, ok := Token(request)
			if !ok {
				return nil, fmt.Errorf("tool %q: an access token is needed", call.Params.Name)
			}
			if err := tools.check(token, call.Params.Name); err != nil {
				return nil, err
			}
			return next(ctx, method, request)
		}
	}
}

// peek refuses a call over HTTP where its tool can be told: 403 insufficient_scope with
// the scopes makes a client ask for them. Whatever cannot be told is for [Tools].
func (t ToolRequirements) peek(r *http.Request, token *verifier.Token) error {
	if t == nil || r.Method != http.MethodPost || r.Body == nil || r.ContentLength > maxPeek {
		return nil
	}
	tool := toolOf(r)
	if _, named := t[tool]; !named {
		return nil
	}
	return t.check(token, tool)
}

// toolOf reads the name of the tool that a request calls, "" where it cannot be told, and
// puts the body back.
func toolOf(r *http.Request) string {
	head, err := io.ReadAll(io.LimitReader(r.Body, maxPeek))
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), r.Body), r.Body}
	var call struct {
		Method string `json:"method"`
		Params struct {
			Name string `json:"name"`
		} `json:"params"`
	}
	if err != nil || json.Unmarshal(head, &call) != nil || call.Method != "tools/call" {
		return ""
	}
	return call.Params.Name
}
