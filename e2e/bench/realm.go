package main

// realm is what Keycloak imports: the same clients, secret and users, an ES256 key, and an IdP whose plain assertions it takes.
func (s *scene) realm() map[string]any {
	const audienceMapper = "oidc-audience-mapper"
	var users []any
	for i := range s.users {
		name := subject(i)
		users = append(users, map[string]any{
			"username": name, "enabled": true, "email": name + "@bench.example", "emailVerified": true, "firstName": "A", "lastName": "B",
			"federatedIdentities": []any{map[string]any{"identityProvider": "bench-idp", "userId": name, "userName": name}},
		})
	}
	client := func(id string) map[string]any {
		return map[string]any{
			"clientId": id, "enabled": true, "publicClient": false, "secret": s.clientSecret, "standardFlowEnabled": false,
			"serviceAccountsEnabled": true, "fullScopeAllowed": false, "defaultClientScopes": []string{"basic"},
			"optionalClientScopes": []string{"notes:read"},
			"attributes": map[string]string{
				"oauth2.jwt.authorization.grant.enabled": "true", "oauth2.jwt.authorization.grant.idp": "bench-idp",
			},
		}
	}
	provider := func(name, id string, config map[string]any) map[string]any {
		return map[string]any{"name": name, "providerId": id, "config": config}
	}
	return map[string]any{
		"realm": "bench", "enabled": true, "sslRequired": "none", "accessTokenLifespan": 600, "defaultSignatureAlgorithm": "ES256",
		"components": map[string]any{"org.keycloak.keys.KeyProvider": []any{
			provider("ecdsa", "ecdsa-generated", map[string]any{"priority": []string{"200"}, "ecdsaEllipticCurveKey": []string{"P-256"}}),
			provider("rsa", "rsa-generated", map[string]any{"priority": []string{"100"}}),
			provider("hmac", "hmac-generated", map[string]any{"priority": []string{"100"}, "algorithm": []string{"HS512"}}),
			provider("aes", "aes-generated", map[string]any{"priority": []string{"100"}}),
		}},
		"clientScopes": []any{map[string]any{
			"name": "notes:read", "protocol": "openid-connect", "attributes": map[string]string{"include.in.token.scope": "true"},
			"protocolMappers": []any{
				map[string]any{
					"name": "notes", "protocol": "openid-connect", "protocolMapper": audienceMapper,
					"config": map[string]string{"included.custom.audience": resourceURI, "access.token.claim": "true"},
				},
				map[string]any{ // who introspects must be meant
					"name": "server", "protocol": "openid-connect", "protocolMapper": audienceMapper,
					"config": map[string]string{"included.client.audience": serverID, "access.token.claim": "true", "introspection.token.claim": "true"},
				},
			},
		}},
		"clients": []any{client(clientID), client(serverID)},
		"users":   users,
		"identityProviders": []any{map[string]any{
			"alias": "bench-idp", "providerId": "jwt-authorization-grant", "enabled": true,
			"config": map[string]string{
				"issuer": s.plainIssuer, "useJwksUrl": "true", "jwksUrl": s.plainIssuer + keysPath, "jwtAuthorizationGrantEnabled": "true",
				"jwtAuthorizationGrantAssertionSignatureAlg": "ES256", "jwtAuthorizationGrantAssertionReuseAllowed": "false",
				"jwtAuthorizationGrantMaxAllowedAssertionExpiration": "300", "jwtAuthorizationGrantAllowedClockSkew": "15",
			},
		}},
	}
}
