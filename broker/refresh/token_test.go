package refresh_test

import (
	"encoding/base64"
	"errors"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/refresh"
	"github.com/chancery-dev/chancery/broker/tenant"
)

var (
	acme   = tenant.MustParseUID("ten_acme")
	globex = tenant.MustParseUID("ten_globex")
)

// keys are root keys, the one to use first.
type keys [][]byte

func (k keys) Derive(purpose string) ([][]byte, error) {
	if purpose != "chancery refresh token v1: mac" {
		return nil, errors.New("another purpose")
	}
	return k, nil
}

func key(b byte) []byte { return []byte(strings.Repeat(string(rune(b)), 32)) }

func tokensOf(t *testing.T, k keys) *refresh.Tokens {
	t.Helper()
	tokens, err := refresh.NewTokens(k)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func issue(t *testing.T, tokens *refresh.Tokens, family string, generation int64) string {
	t.Helper()
	text, err := tokens.Issue(acme, family, generation)
	if err != nil {
		t.Fatal(err)
	}
	return text.Reveal()
}

func TestToken(t *testing.T) {
	tokens, family := tokensOf(t, keys{key('a')}), id.New(id.Family, time.Now())
	seen := map[string]bool{}
	for _, generation := range []int64{1, 2, 1 << 31, refresh.MaxGeneration} {
		text := issue(t, tokens, family, generation)
		if !strings.HasPrefix(text, "rft_") || !refresh.IsToken(text) || len(text) != 81 || seen[text] {
			t.Errorf("%d characters", len(text))
		}
		seen[text] = true
		if again := issue(t, tokens, family, generation); again != text {
			t.Error("asked again, another one")
		}
		p, err := tokens.Parse(acme, text)
		if err != nil || p.Family() != family || p.Generation() != generation {
			t.Errorf("%+v, %v", p, err)
		}
		if sum := crc32.ChecksumIEEE([]byte(text[:len(text)-6])); text[len(text)-6:] != base64.RawURLEncoding.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}) {
			t.Error("a scanner cannot tell it")
		}
	}
}

// Whatever is wrong is one answer.
func TestParseRefuses(t *testing.T) {
	tokens, family := tokensOf(t, keys{key('a')}), id.New(id.Family, time.Now())
	text := issue(t, tokens, family, 3)
	raw, err := base64.RawURLEncoding.DecodeString(text[4 : len(text)-6])
	if err != nil {
		t.Fatal(err)
	}
	// sign writes a token of other bytes, with a checksum that fits.
	sign := func(change func(raw []byte) []byte) string {
		b := change(append([]byte{}, raw...))
		body := "rft_" + base64.RawURLEncoding.EncodeToString(b)
		sum := crc32.ChecksumIEEE([]byte(body))
		return body + base64.RawURLEncoding.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
	}
	flip := func(at int) string {
		return sign(func(raw []byte) []byte { raw[at] ^= 1; return raw })
	}
	for name, broken := range map[string]string{
		"nothing":             "",
		"the prefix alone":    "rft_",
		"another prefix":      "cod_" + text[4:],
		"no prefix":           text[4:],
		"a character more":    text + "A",
		"a character less":    text[:len(text)-1],
		"a line break":        text[:40] + "\n" + text[40:],
		"another checksum":    text[:len(text)-1] + "-",
		"padding":             text[:len(text)-7] + "=" + text[len(text)-6:],
		"the next generation": flip(20),
		"another family":      flip(5),
		"another version":     flip(0),
		"another MAC":         flip(30),
		"the last of the MAC": flip(52),
		"shorter":             sign(func(raw []byte) []byte { return raw[:52] }),
		"longer":              sign(func(raw []byte) []byte { return append(raw, 0) }),
		"no MAC":              sign(func(raw []byte) []byte { return append(raw[:21], make([]byte, 32)...) }),
	} {
		if p, err := tokens.Parse(acme, broken); oauth.AsError(err).Code != oauth.CodeRefreshTokenInvalid || p != (refresh.Presented{}) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	if _, err := tokens.Parse(globex, text); oauth.AsError(err).Code != oauth.CodeRefreshTokenInvalid {
		t.Errorf("another tenant's: %v", err)
	}
	if _, err := tokens.Parse(tenant.UID{}, text); !errors.Is(err, tenant.ErrNoTenant) {
		t.Errorf("no tenant: %v", err)
	}
}

func TestIssueRefuses(t *testing.T) {
	tokens, family := tokensOf(t, keys{key('a')}), id.New(id.Family, time.Now())
	for name, c := range map[string]struct {
		family     string
		generation int64
	}{
		"no family": {"", 1}, "another kind": {id.New(id.Token, time.Now()), 1}, "lower case": {"fam_" + strings.ToLower(family[4:]), 1},
		"no generation": {family, 0}, "before the first": {family, -1}, "after the last": {family, refresh.MaxGeneration + 1},
	} {
		if text, err := tokens.Issue(acme, c.family, c.generation); err == nil || !text.IsZero() {
			t.Errorf("%s: issued", name)
		}
	}
	for name, k := range map[string]refresh.Keys{"no keys": keys{}, "none at all": nil} {
		tokens, err := refresh.NewTokens(k)
		if err == nil {
			_, err = tokens.Issue(acme, family, 1)
		}
		if err == nil {
			t.Errorf("%s: issued", name)
		}
	}
}

// A rotation of the keyring ends no token.
func TestKeysRotate(t *testing.T) {
	family := id.New(id.Family, time.Now())
	old := issue(t, tokensOf(t, keys{key('a')}), family, 1)
	both := tokensOf(t, keys{key('b'), key('a')})
	if _, err := both.Parse(acme, old); err != nil {
		t.Error(err)
	}
	if next := issue(t, both, family, 1); next == old {
		t.Error("the old key is still used")
	}
	if _, err := tokensOf(t, keys{key('b')}).Parse(acme, old); err == nil {
		t.Error("a key that is gone still counts")
	}
}

func FuzzParse(f *testing.F) {
	tokens, err := refresh.NewTokens(keys{key('a')})
	if err != nil {
		f.Fatal(err)
	}
	family := id.New(id.Family, time.Now())
	text, err := tokens.Issue(acme, family, 7)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text.Reveal())
	f.Add("rft_")
	f.Fuzz(func(t *testing.T, other string) {
		if p, err := tokens.Parse(acme, other); err == nil && other != text.Reveal() {
			t.Errorf("%q is %+v", other, p)
		}
	})
}
