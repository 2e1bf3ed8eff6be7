package faults

import (
	"encoding/json"
	"testing"

	"github.com/chancery-dev/chancery/federation/idptest"
)

func jwk(t *testing.T, key *idptest.Key) string {
	t.Helper()
	encoded, err := json.Marshal(key.JWK())
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}
