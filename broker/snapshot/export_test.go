package snapshot

// IdentityProviderOf is identityProvider, for tests.
var IdentityProviderOf = identityProvider
