package vend_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// sieve finds secrets in what somebody could read, however they are written down. It goes over each place once.
type sieve struct {
	heads map[[head]byte][]mark
	pairs [1 << 16]bool // of first bytes, so that most of a place is passed over
}

// head is how much of a form is looked up at once; no form is shorter.
const head = 8

type mark struct {
	what, how string
	form      []byte
}

// newSieve looks for secrets by their names.
func newSieve(t *testing.T, secrets map[string]string) *sieve {
	t.Helper()
	s := &sieve{heads: map[[head]byte][]mark{}}
	for what, text := range secrets {
		if len(text) < 16 {
			t.Fatalf("%s is too short to be told from chance", what)
		}
		for how, form := range written(text) {
			first := [head]byte([]byte(form))
			s.heads[first] = append(s.heads[first], mark{what, how, []byte(form)})
			s.pairs[int(first[0])<<8|int(first[1])] = true
		}
	}
	return s
}

// written are the forms of a secret.
func written(text string) map[string]string {
	all := map[string]string{"plain": text, "in hex": hex.EncodeToString([]byte(text)), "in capital hex": strings.ToUpper(hex.EncodeToString([]byte(text)))}
	if escaped := url.QueryEscape(text); escaped != text {
		all["escaped"] = escaped
	}
	var wide bytes.Buffer
	for _, u := range utf16.Encode([]rune(text)) {
		wide.WriteByte(byte(u))
		wide.WriteByte(byte(u >> 8))
	}
	all["in UTF-16"] = wide.String()
	for offset := range 3 { // whatever stands before and behind it
		for name, encoding := range map[string]*base64.Encoding{"base64": base64.StdEncoding, "base64url": base64.URLEncoding} {
			encoded := encoding.EncodeToString([]byte(strings.Repeat("x", offset) + text))
			all[fmt.Sprintf("in %s at %d", name, offset)] = strings.TrimRight(encoded[(offset*4+2)/3:len(encoded)-4], "=")
		}
	}
	return all
}

// find tells what is in a place, sorted.
func (s *sieve) find(place []byte) []string {
	found := map[string]bool{}
	for i := 0; i+head <= len(place); i++ {
		if !s.pairs[int(place[i])<<8|int(place[i+1])] {
			continue
		}
		for _, m := range s.heads[[head]byte(place[i:])] {
			if bytes.HasPrefix(place[i:], m.form) {
				found[m.what+", "+m.how] = true
			}
		}
	}
	all := make([]string, 0, len(found))
	for one := range found {
		all = append(all, one)
	}
	slices.Sort(all)
	return all
}

// A sieve that finds nothing proves something if it finds what is there.
func TestSieve(t *testing.T) {
	const secret = "refresh-A7/Q2+HVJ=NW3X"
	s := newSieve(t, map[string]string{"it": secret, "another": "access-5CPS3MZT2KQO"})
	if found := s.find([]byte(strings.Repeat("refresh-A7/Q2+HVJ=NW3Y access-5CPS3MZT2KQ ", 100))); len(found) > 0 {
		t.Errorf("finds %v where they are not", found)
	}
	for how, form := range written(secret) {
		if found := s.find([]byte("before " + form + " behind")); !slices.Contains(found, "it, "+how) {
			t.Errorf("%s: %v", how, found)
		}
	}
	for n := range 7 { // as a whole that is encoded, wherever it stands in it
		whole := []byte(strings.Repeat("-", n) + `{"refresh_token":"` + secret + `","x":1}`)
		for name, text := range map[string]string{
			"base64": base64.StdEncoding.EncodeToString(whole), "base64url": base64.RawURLEncoding.EncodeToString(whole), "hex": hex.EncodeToString(whole),
		} {
			if len(s.find([]byte(text))) == 0 {
				t.Errorf("%s at %d is not found", name, n)
			}
		}
	}
}
