package provider_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/chancery-dev/chancery/vault/provider"
)

// However it is printed, by value and by pointer, a credential does not show its secrets.
func TestNothingPrints(t *testing.T) {
	canary := provider.NewSecret("canary-1")
	held := struct {
		Shown  provider.Credential
		hidden provider.Secret
	}{provider.Credential{Access: canary, Refresh: canary}, canary}
	for name, v := range map[string]any{
		"secret": canary, "credential": held.Shown, "held": held, "pointer": &held, "lease": provider.Lease{Access: canary}, "value": provider.Lease{Access: canary, Scheme: "Bearer"}.Value(),
		"departure": provider.Departure{State: canary, Verifier: canary}, "ask": provider.Ask{Claims: canary}, "presented": provider.Presented{Token: canary, Actor: canary},
		"settings": provider.Settings{ClientSecret: canary, PrivateKey: canary}, "error": &provider.Error{Claims: canary},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				fmt.Fprintf(&out, verb, v)
			}
			slog.New(slog.NewJSONHandler(&out, nil)).Info("", "v", v)
			slog.New(slog.NewTextHandler(&out, nil)).Info("", "v", v)
			if name != "settings" { // it holds functions
				b, _ := json.Marshal(v)
				out.Write(b)
				b, _ = yaml.Marshal(v)
				out.Write(b)
			}
			if strings.Contains(out.String(), "canary") || strings.Contains(out.String(), fmt.Sprintf("%x", "canary")) {
				t.Errorf("it prints: %s", out.String())
			}
		})
	}
}

// Nor does a provider that holds the company's own secrets.
func TestAProviderDoesNotPrint(t *testing.T) {
	w := meet(t, "oauth2")
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if s := fmt.Sprintf(verb, w.Provider); strings.Contains(s, "canary") || strings.Contains(s, "PRIVATE KEY") {
			t.Errorf("it prints with %s", verb)
		}
	}
}

func TestCredentialRests(t *testing.T) {
	at := time.Date(2026, 11, 21, 9, 0, 0, 123000, time.UTC)
	want := provider.Credential{
		Origin: provider.FromPerson, Access: provider.NewSecret("a"), Refresh: provider.NewSecret("r"), Scopes: []string{"s"}, Resources: []string{"x"},
		IssuedAt: at, ExpiresAt: at.Add(time.Hour), RefreshExpiresAt: at.Add(time.Hour * 24), Subject: "42", Kept: map[string]string{"k": "v"},
	}
	plaintext, err := want.Plaintext()
	if err != nil {
		t.Fatal(err)
	}
	got, err := provider.ParseCredential(plaintext)
	if err != nil {
		t.Fatal(err)
	}
	again, err := got.Plaintext()
	if err != nil || !bytes.Equal(again, plaintext) || got.Access.Reveal() != "a" || !got.ExpiresAt.Equal(want.ExpiresAt) {
		t.Errorf("%s became %s", plaintext, again)
	}
	for name, b := range map[string]string{
		"nothing": "", "no JSON": "canary", "half": `{"v":1,"access":"canary`, "no token": `{"v":1}`, "of the future": `{"v":2,"access":"canary"}`, "of no version": `{"access":"canary"}`,
	} {
		_, err := provider.ParseCredential([]byte(b))
		if !errors.Is(err, provider.ErrNotCredential) {
			t.Errorf("%s: %v", name, err)
		}
		checkQuiet(t, err)
	}
	if _, err := provider.ParseDeparture([]byte(`{"state":""}`)); err == nil {
		t.Error("a departure without a state was read")
	}
}

func TestRefreshAt(t *testing.T) {
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	for life, lead := range map[time.Duration]time.Duration{time.Hour: 6 * time.Minute, 10 * time.Minute: time.Minute, 5 * time.Minute: time.Minute, 12 * time.Hour: 72 * time.Minute} {
		c := provider.Credential{IssuedAt: at, ExpiresAt: at.Add(life)}
		if got := c.ExpiresAt.Sub(c.RefreshAt()); got != lead {
			t.Errorf("of %v: %v before the end, want %v", life, got, lead)
		}
	}
}
