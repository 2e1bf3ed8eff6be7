package main

// realmPath is where Keycloak has everything.
const realmPath = "/realms/bench"

// at is a path of the subject: Keycloak's below its realm, or ours.
func (s *scene) at(keycloak, ours string) string {
	if s.keycloak {
		return realmPath + keycloak
	}
	return ours
}

func (s *scene) tokenPath() string { return s.at("/protocol/openid-connect/token", "/token") }

func (s *scene) introspectionPath() string {
	return s.at("/protocol/openid-connect/token/introspect", "/introspect")
}

func (s *scene) revocationPath() string { return s.at("/protocol/openid-connect/revoke", "/revoke") }

func (s *scene) jwksPath() string {
	return s.at("/protocol/openid-connect/certs", "/.well-known/jwks.json")
}

func (s *scene) metadataPath() string {
	return s.at("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")
}
