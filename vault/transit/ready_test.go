package transit_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/transit"
	"github.com/chancery-dev/chancery/vault/transit/transittest"
)

// A permission that is missing is named, whichever it is; each of the four is needed.
func TestReadyNamesThePermission(t *testing.T) {
	for path, capability := range map[string]string{"transit/keys/": "read", "transit/encrypt/": "update", "transit/rewrap/": "update", "transit/decrypt/": "update"} {
		t.Run(path, func(t *testing.T) {
			s := transittest.Start(t)
			client := clientOf(t, s, nil)
			if key, err := client.Ready(t.Context()); err != nil || key.Latest != 1 {
				t.Fatalf("%+v %v", key, err)
			}
			s.DenyPath(path)
			_, err := client.Ready(t.Context())
			wantOutage(t, err, transit.Denied)
			if err == nil || !strings.Contains(err.Error(), `needs "`+capability+`" on `+path+"chancery") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestReadyRefusesKeys(t *testing.T) {
	s := transittest.Start(t)
	s.AddKey("open", true, true)
	s.AddKey("flat", false, false)
	for name, want := range map[string]string{"open": "exportable", "flat": "not derived", "none": "there is no key"} {
		client := clientOf(t, s, func(c *transit.Config) { c.Key = name })
		if _, err := client.Ready(t.Context()); !errors.Is(err, transit.ErrKey) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestToken(t *testing.T) {
	s := transittest.Start(t)
	token := s.Issue(time.Hour)
	client := clientOf(t, s, func(c *transit.Config) {
		c.Auth = transit.TokenAuth{Token: func() (string, error) { return token, nil }}
	})
	got, err := client.Token(t.Context())
	if err != nil || got.TTL != time.Hour || !got.Renewable || len(got.Policies) != 2 {
		t.Errorf("%+v %v", got, err)
	}
	s.Revoke(token)
	_, err = client.Token(t.Context())
	wantOutage(t, err, transit.Denied)
}

// Each call is heard of once, with what it was and how it ended, and every outage is one for those who know no Vault.
func TestObserve(t *testing.T) {
	s := transittest.Start(t)
	var heard []string
	client := clientOf(t, s, func(c *transit.Config) {
		c.Observe = func(operation, outcome string, _ time.Duration) { heard = append(heard, operation+" "+outcome) }
	})
	blob := mustSeal(t, client, content)
	_, _ = client.Open(t.Context(), blob, place)
	elsewhere := place
	elsewhere.UID = "another"
	_, _ = client.Open(t.Context(), blob, elsewhere)
	_, _ = client.Check(t.Context())
	_, _ = client.Secret(t.Context(), "kv/none#x")
	s.Break(transittest.Failing)
	if client.State() != transit.Closed {
		t.Error("the breaker is not closed")
	}
	for range 5 {
		if _, err := client.Open(t.Context(), blob, place); !errors.Is(err, vault.ErrUnavailable) {
			t.Errorf("%v", err)
		}
	}
	_, _ = client.Open(t.Context(), blob, place)
	if client.State() != transit.Open {
		t.Error("the breaker is not open")
	}
	want := "encrypt done,decrypt done,decrypt unopened,key done,read absent" + strings.Repeat(",decrypt failing", 5) + ",decrypt resting"
	if got := strings.Join(heard, ","); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
