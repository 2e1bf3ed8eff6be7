package federation

import "strings"

// IsEveryTenant tells the places, in whatever letters, where an issuer of many
// tenants names no single one: "common" and the like, the tenant of personal
// accounts, in which anybody can be, and the placeholder of Entra's metadata (T12).
func IsEveryTenant(tenant string) bool {
	switch strings.ToLower(tenant) {
	case "common", "organizations", "consumers", PersonalAccounts, "{tenantid}", "%7btenantid%7d":
		return true
	default:
		return false
	}
}

// PersonalAccounts is Entra's tenant of personal accounts.
const PersonalAccounts = "9188040d-6c67-4c5b-b112-36a304b66dad"
