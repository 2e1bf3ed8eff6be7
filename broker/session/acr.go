package session

import "strings"

// ACRPasskey is the authentication context of a session whose person has proved himself with a passkey here, on top of
// his sign-in at an IdP. Nobody but this server says it.
const ACRPasskey = ownACR + "passkey"

// ownACR begins what only this server says of an authentication.
const ownACR = "urn:chancery:acr:"

// IsOwnACR tells an acr of ours from those of IdPs.
func IsOwnACR(acr string) bool { return strings.HasPrefix(acr, ownACR) }

// ForeignACR is an IdP's word of how a person authenticated. One that claims what only we say claims nothing.
func ForeignACR(acr string) string {
	if IsOwnACR(acr) {
		return ""
	}
	return acr
}
