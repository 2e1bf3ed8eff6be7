package jws_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

type vectorFile struct {
	TestGroups []struct {
		Public  json.RawMessage `json:"public"`
		Private json.RawMessage `json:"private"`
		Tests   []struct {
			ID     int    `json:"tcId"`
			JWS    any    `json:"jws"`
			JWE    any    `json:"jwe"`
			Result string `json:"result"`
		} `json:"tests"`
	} `json:"testGroups"`
}

// exception is a vector that we answer otherwise than its file says, and why.
type exception struct {
	File   string `json:"file"`
	IDs    []int  `json:"ids"`
	Reason string `json:"reason"`
}

func readExceptions(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/wycheproof_exceptions.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []exception
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{}
	for _, e := range list {
		for _, id := range e.IDs {
			reasons[fmt.Sprintf("%s %d", e.File, id)] = e.Reason
		}
	}
	return reasons
}

// TestWycheproof runs the JOSE vectors of Wycheproof through Parse and Verify,
// every algorithm allowed. Each divergence must be in the file of exceptions,
// and each exception must still be one.
func TestWycheproof(t *testing.T) {
	root := os.Getenv("CHANCERY_CORPORA")
	if root == "" {
		t.Skip("CHANCERY_CORPORA is unset: the Wycheproof vectors are not run")
	}
	reasons := readExceptions(t)
	for _, file := range []string{"json_web_signature_test.json", "json_web_key_test.json", "json_web_crypto_test.json"} {
		text, err := os.ReadFile(filepath.Join(root, "wycheproof", file))
		if err != nil {
			t.Fatal(err)
		}
		var vectors vectorFile
		if err := json.Unmarshal(text, &vectors); err != nil {
			t.Fatal(err)
		}
		count := 0
		for _, group := range vectors.TestGroups {
			keys := vectorKeys(group.Public, group.Private)
			for _, test := range group.Tests {
				count++
				token := test.JWE
				if test.JWS != nil {
					token = test.JWS
				}
				err := verify(vectorText(t, token), keys)
				name := fmt.Sprintf("%s %d", file, test.ID)
				reason, excepted := reasons[name]
				diverges := (test.Result == "valid") != (err == nil)
				switch {
				case diverges && !excepted:
					t.Errorf("%s: %s, but got %v", name, test.Result, err)
				case !diverges && excepted:
					t.Errorf("%s does not diverge any more: %s", name, reason)
				}
			}
		}
		if count < 26 {
			t.Errorf("%s has only %d vectors", file, count)
		}
	}
}

func verify(compact string, keys []jwks.Key) error {
	message, err := jws.Parse(compact)
	if err != nil {
		return err
	}
	_, _, err = message.Verify(keys, append(jws.Algorithms(), "HS256", "HS384", "HS512", "none"))
	return err
}

// vectorKeys reads a group's public key or set; a group that has none is about
// symmetric keys.
func vectorKeys(public, private json.RawMessage) []jwks.Key {
	set := public
	if len(set) == 0 {
		set = private
	}
	if !strings.Contains(string(set), `"keys"`) {
		set = []byte(`{"keys":[` + string(set) + `]}`)
	}
	keys, _, err := jwks.Parse(set)
	if err != nil {
		return nil
	}
	return keys
}

// vectorText: one vector is a token in JSON serialization.
func vectorText(t *testing.T, token any) string {
	t.Helper()
	if compact, ok := token.(string); ok {
		return compact
	}
	text, err := json.Marshal(token)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
