package bundle_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation/bundle"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
)

func made(t *testing.T) (*idptest.Running, bundle.Bundle, []byte) {
	t.Helper()
	idp := idptest.Start(t, idptest.Options{})
	now := time.Now()
	b, err := bundle.Create(t.Context(), fetch.New(fetch.Policy{Mode: "allow"}),
		jwks.Source{Issuer: idp.Issuer(), Network: fetch.Network{AllowPrivateAddresses: true}}, now, now.Add(bundle.DefaultLife))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return idp, b, text
}

func TestBundle(t *testing.T) {
	_, b, text := made(t)
	read, err := bundle.Parse(text)
	if err != nil || read.SHA256 != b.SHA256 || read.Issuer != b.Issuer || !read.NotAfter.Equal(b.NotAfter) {
		t.Fatalf("%+v %v", read, err)
	}
	if keys, _, err := read.Keys(); err != nil || len(keys) != 1 {
		t.Errorf("%v %v", keys, err)
	}
	if err := read.Current(b.NotAfter.Add(-time.Second)); err != nil {
		t.Error(err)
	}
	if err := read.Current(b.NotAfter); !errors.Is(err, bundle.ErrExpired) {
		t.Error(err)
	}
}

// One thing is changed, and the bundle is refused.
func TestRefused(t *testing.T) {
	idp, _, text := made(t)
	for name, c := range map[string]struct {
		from, to string
		want     error
	}{
		"issuer":       {`"issuer": "` + idp.Issuer() + `",` + "\n  \"fetched", `"issuer": "https://other.test",` + "\n  \"fetched", bundle.ErrHash},
		"a key":        {`"key-1"`, `"key-2"`, bundle.ErrHash},
		"its end":      {`"not_after": "2`, `"not_after": "3`, bundle.ErrHash},
		"its format":   {bundle.Format, "chancery-idp-bundle/v2", bundle.ErrMalformed},
		"a new member": {`"format"`, `"mode": 1, "format"`, bundle.ErrMalformed},
		"twice":        {`"format"`, `"issuer": "x", "format"`, bundle.ErrMalformed},
		"the end":      {"}", "", bundle.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(string(text), c.from, c.to, 1)
			if changed == string(text) {
				t.Fatal("nothing was changed")
			}
			if _, err := bundle.Parse([]byte(changed)); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestCreateRefuses(t *testing.T) {
	idp, _, _ := made(t)
	now := time.Now()
	source := jwks.Source{Issuer: idp.Issuer(), Network: fetch.Network{AllowPrivateAddresses: true}}
	door := fetch.New(fetch.Policy{Mode: "allow"})
	if _, err := bundle.Create(t.Context(), door, source, now, now); !errors.Is(err, bundle.ErrLife) {
		t.Errorf("no life: %v", err)
	}
	if _, err := bundle.Create(t.Context(), door, source, now, now.Add(400*24*time.Hour)); !errors.Is(err, bundle.ErrLife) {
		t.Errorf("too long: %v", err)
	}
	slash := source
	slash.Issuer += "/"
	if _, err := bundle.Create(t.Context(), door, slash, now, now.Add(time.Hour)); !errors.Is(err, bundle.ErrIssuer) {
		t.Errorf("another issuer: %v", err)
	}
	idp.Fail(idptest.PathKeys, idptest.FaultEmpty)
	if _, err := bundle.Create(t.Context(), door, source, now, now.Add(time.Hour)); !errors.Is(err, jwks.ErrNoKeys) {
		t.Errorf("no keys: %v", err)
	}
}

// Overlap is honoured only where it is asked for, and a kid names one key.
func TestMerge(t *testing.T) {
	idp, err := idptest.New(idptest.Options{Issuer: "https://idp.test"})
	if err != nil {
		t.Fatal(err)
	}
	former := idp.Keys()
	if _, err := idp.Rotate(false); err != nil {
		t.Fatal(err)
	}
	next := idp.Keys()
	count := func(set map[string]any) int { list, _ := set["keys"].([]any); return len(list) }

	set, diff, err := bundle.Merge(former, next, false)
	if err != nil || count(set) != 1 || len(diff.Added) != 1 || len(diff.Removed) != 1 || len(diff.Kept) != 0 {
		t.Errorf("without: %v %+v %v", set, diff, err)
	}
	set, diff, err = bundle.Merge(former, next, true)
	if err != nil || count(set) != 2 || len(diff.Added) != 1 || len(diff.Removed) != 0 || len(diff.Kept) != 1 {
		t.Errorf("with: %v %+v %v", set, diff, err)
	}
	// The same kid, another key: the new one.
	twin, err := idptest.New(idptest.Options{Issuer: "https://idp.test"})
	if err != nil {
		t.Fatal(err)
	}
	set, diff, err = bundle.Merge(former, twin.Keys(), true)
	if err != nil || count(set) != 1 || len(diff.Removed) != 1 || len(diff.Added) != 1 {
		t.Errorf("twin: %v %+v %v", set, diff, err)
	}
	if set, diff, err = bundle.Merge(nil, next, true); err != nil || count(set) != 1 || len(diff.Added) != 1 {
		t.Errorf("first: %v %+v %v", set, diff, err)
	}
	if _, _, err := bundle.Merge(former, []byte(`{"keys":[]}`), true); !errors.Is(err, jwks.ErrNoKeys) {
		t.Errorf("nothing: %v", err)
	}
}
