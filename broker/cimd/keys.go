package cimd

import (
	"encoding/json"
	"slices"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/strict"
)

// readKeys: with private_key_jwt there is one place of keys, or the client could
// never authenticate (RFC 7591 §2: jwks and jwks_uri MUST NOT both be present).
// With none, keys are for uses that we do not have, and are not kept.
func (d *Document) readKeys(members map[string]any) error {
	place, err := d.uri(members, "jwks_uri")
	if err != nil {
		return err
	}
	set, hasSet := members["jwks"]
	object, ok := set.(map[string]any)
	if hasSet && !ok {
		return refuse(oauth.CodeCIMDMalformed, "jwks", "an object")
	}
	if err := checkPrivate(object); err != nil {
		return err
	}
	if d.method != client.MethodPrivateKeyJWT {
		return nil
	}
	switch {
	case hasSet && place != "":
		return refuse(oauth.CodeCIMDKeysMissing, "both", "jwks or jwks_uri")
	case !hasSet && place == "":
		return refuse(oauth.CodeCIMDKeysMissing, "neither", "jwks or jwks_uri")
	case !hasSet:
		d.jwksURI = place
		return nil
	}
	return d.keepKeys(object)
}

func (d *Document) keepKeys(object map[string]any) error {
	raw, err := json.Marshal(object)
	if err != nil {
		return oauth.Fail(oauth.CodeCIMDKeysUnusable, err)
	}
	keys, _, err := jwks.Parse(raw)
	if err != nil {
		return oauth.Fail(oauth.CodeCIMDKeysUnusable, err)
	}
	d.keySet = raw
	for _, key := range keys {
		d.thumbprints = append(d.thumbprints, key.Thumbprint)
	}
	slices.Sort(d.thumbprints)
	return nil
}

// checkPrivate: draft §4.1, no private keys; a symmetric one is private too. The
// whole document is refused, not the key alone: its owner has to know.
func checkPrivate(set map[string]any) error {
	list, _ := set["keys"].([]any)
	secret := strict.Reserve("d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv")
	for _, entry := range list {
		key, _ := entry.(map[string]any)
		if key["kty"] == "oct" {
			return refuse(oauth.CodeCIMDPrivateKey, "oct", "public keys")
		}
		for name := range key {
			if _, resembles := secret.Resembles(name); resembles || secret.Has(name) {
				return refuse(oauth.CodeCIMDPrivateKey, name, "public keys")
			}
		}
	}
	return nil
}
