package object_test

import (
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/object"
)

// TestApplications: an administrator can register what programs that people use are known by, byte for byte.
func TestApplications(t *testing.T) {
	const doc = "apiVersion: chancery/v1\nkind: Client\nmetadata: {name: cursor}\nspec: {type: public, auth: {method: none}, grant_types: [authorization_code], redirect_uris: [\"URI\"]}\n"
	newHouse(t).apply(t, strings.Replace(doc, "URI", "cursor://anysphere.cursor-mcp/oauth/callback", 1), by(object.ManagerApply))
	for _, uri := range []string{"cursor://anysphere.cursor-mcp/oauth/callback/", "cursor://evil.extension/cb", "vscode://evil.extension/cb"} {
		_ = decodeError(t, strings.Replace(doc, "URI", uri, 1))
	}
}
