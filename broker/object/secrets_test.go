package object_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

func TestGeneratedSecrets(t *testing.T) {
	h := newHouse(t)
	h.apply(t, clientDoc, by("apply"))
	first, err := h.path.AddSecret(t.Context(), "default", "claude", by("api"))
	if err != nil || !strings.HasPrefix(first.Text.Reveal(), "chs_") || len(first.Text.Reveal()) < 47 {
		t.Fatalf("%v %v", first, err)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", first, first, first), first.Text.Reveal()) {
		t.Fatal("the secret prints itself")
	}
	if _, err := h.path.AddSecret(t.Context(), "default", "claude", by("api")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.path.AddSecret(t.Context(), "default", "claude", by("api")); !errors.Is(err, object.ErrTooManySecrets) {
		t.Fatal(err)
	}
	live, err := h.path.LiveSecrets(t.Context(), "default", "claude")
	sum := sha256.Sum256([]byte(first.Text.Reveal()))
	if err != nil || len(live) != 2 || string(live[0].Digest) != string(sum[:]) || live[0].Scheme != "sha256" {
		t.Fatalf("%v %v", live, err)
	}
	if err := h.path.RevokeSecret(t.Context(), "default", "claude", first.ID, by("api")); err != nil {
		t.Fatal(err)
	}
	if err := h.path.RevokeSecret(t.Context(), "default", "claude", first.ID, by("api")); !errors.Is(err, object.ErrNotFound) {
		t.Fatal(err)
	}
	for _, e := range h.store.Events {
		if strings.Contains(fmt.Sprint(e), first.Text.Reveal()) {
			t.Fatal("the secret is in the audit log")
		}
	}
	if e := h.store.Events[len(h.store.Events)-1]; e.Type != audit.TypeSecretRevoked || e.Detail["secret"] != first.ID || e.Client != "claude" {
		t.Fatalf("%+v", e)
	}
}

func TestSecretsAreForClientsThatUseThem(t *testing.T) {
	h := newHouse(t)
	h.apply(t, mutate(t, mutate(t, clientDoc, "client_secret_basic", "private_key_jwt"), "jwks: {}", "jwks: "+keySet), by("apply"))
	if _, err := h.path.AddSecret(t.Context(), "default", "claude", by("api")); !errors.Is(err, object.ErrNoSecretClient) {
		t.Fatal(err)
	}
	if _, err := h.path.AddSecret(t.Context(), "default", "nobody", by("api")); !errors.Is(err, object.ErrNotFound) {
		t.Fatal(err)
	}
	if _, err := h.path.AddSecret(t.Context(), "nowhere", "claude", by("api")); !errors.Is(err, object.ErrTenantUnknown) {
		t.Fatal(err)
	}
}

// A reference is read on the server's machine: only the configuration file may name one.
func TestReferencesAreForConfig(t *testing.T) {
	h := newHouse(t)
	h.ref["env:CLAUDE"] = strings.Repeat("s", 32)
	referring := mutate(t, clientDoc, "secret: {}", "secret: {env: CLAUDE}")
	for _, manager := range []string{"apply", "api", "console"} {
		err := h.applyError(t, referring, by(manager))
		if !strings.Contains(err.Error(), "POST …/clients/claude/secrets") {
			t.Fatal(err)
		}
	}
	h.apply(t, referring, by(object.ManagerConfig))
	live, _ := h.path.LiveSecrets(t.Context(), "default", "claude")
	sum := sha256.Sum256([]byte(strings.Repeat("s", 32)))
	if len(live) != 1 || string(live[0].Digest) != string(sum[:]) {
		t.Fatalf("%v", live)
	}
	if _, err := h.path.AddSecret(t.Context(), "default", "claude", by("api")); !errors.Is(err, object.ErrSuppliedSecret) {
		t.Fatal(err)
	}

	h.apply(t, referring, by(object.ManagerConfig)) // nothing new
	if again, _ := h.path.LiveSecrets(t.Context(), "default", "claude"); len(again) != 1 || again[0].ID != live[0].ID {
		t.Fatalf("%v", again)
	}
	h.ref["env:CLAUDE"] = strings.Repeat("t", 32) // the old one dies with the new
	h.apply(t, referring, by(object.ManagerConfig))
	if again, _ := h.path.LiveSecrets(t.Context(), "default", "claude"); len(again) != 1 || again[0].ID == live[0].ID {
		t.Fatalf("%v", again)
	}
	h.apply(t, clientDoc, by(object.ManagerConfig)) // and with the reference
	if again, _ := h.path.LiveSecrets(t.Context(), "default", "claude"); len(again) != 0 {
		t.Fatalf("%v", again)
	}
}

func TestReferencesThatLeadNowhereStopTheApply(t *testing.T) {
	referring := mutate(t, clientDoc, "secret: {}", "secret: {env: CLAUDE}")
	for name, value := range map[string]string{"absent": "", "short": strings.Repeat("s", 31)} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			if value != "" {
				h.ref["env:CLAUDE"] = value
			}
			err := h.applyError(t, referring, by(object.ManagerConfig))
			if !strings.Contains(err.Error(), "env:CLAUDE") || value != "" && strings.Contains(err.Error(), value) {
				t.Fatal(err)
			}
		})
	}
}

// A client whose secret is not there yet could be taken for one that has none.
func TestAClientAndItsSecretAreOneWrite(t *testing.T) {
	h := newHouse(t)
	h.ref["env:CLAUDE"] = strings.Repeat("s", 32)
	referring := mutate(t, clientDoc, "secret: {}", "secret: {env: CLAUDE}")
	writes := 0
	h.store.Before = func(map[tenant.UID]int64) { writes++ }
	h.apply(t, referring, by(object.ManagerConfig))
	if live, err := h.path.LiveSecrets(t.Context(), "default", "claude"); err != nil || len(live) != 1 || writes != 1 {
		t.Fatalf("%v, %v, after %d writes", live, err, writes)
	}
	h.ref["env:CLAUDE"] = strings.Repeat("t", 32)
	h.store.Fail = object.ErrConflict
	if _, err := h.path.Apply(t.Context(), "default", decode(t, referring), by(object.ManagerConfig)); !errors.Is(err, object.ErrConflict) {
		t.Fatal(err)
	}
	h.store.Fail = nil
	sum := sha256.Sum256([]byte(strings.Repeat("s", 32)))
	if live, _ := h.path.LiveSecrets(t.Context(), "default", "claude"); len(live) != 1 || string(live[0].Digest) != string(sum[:]) {
		t.Fatalf("the old one is gone and the new one not there: %v", live)
	}
	last := h.store.Events[len(h.store.Events)-1]
	h.apply(t, referring, by(object.ManagerConfig))
	if told := h.store.Events[len(h.store.Events)-2:]; told[0].Type != audit.TypeSecretRevoked || told[1].Type != audit.TypeSecretCreated || last.Type != audit.TypeSecretCreated {
		t.Fatalf("%+v", told)
	}
}
