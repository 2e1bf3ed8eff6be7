package oauth

// IsApplication tells whether a redirect URI is that of a program known to claim it, though its scheme has no dot and so
// names no domain in reverse (RFC 8252 §7.1). Each is one URI, byte for byte: no other with its scheme is let through.
// Whatever program on the machine claims such a scheme can take the answer, as with a port of loopback: PKCE is what the
// code is worth nothing without.
func IsApplication(uri string) bool {
	switch uri {
	case "cursor://anysphere.cursor-mcp/oauth/callback": // Cursor: its documentation of MCP, and what it registers
		return true
	default:
		return false
	}
}
