package assembly_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/cmd/chancery/assembly"
	"github.com/chancery-dev/chancery/federation/idptest"
)

func TestOptionsAreComplete(t *testing.T) {
	if _, err := assembly.New(t.Context(), assembly.Options{}); err == nil {
		t.Error("made of nothing")
	}
}

// TestServe redeems one assertion, once.
func TestServe(t *testing.T) {
	eachEngine(t, func(t *testing.T, p *place) {
		s, _ := p.start(t, settings{"objects": []string{p.write(t, objects)}})
		assertion := p.idp.IDJAG(idptest.Alice)
		if status, code := p.redeem(t, s, secretText, assertion); status != http.StatusOK {
			t.Errorf("refused: %d %s", status, code)
		}
		if status, code := p.redeem(t, s, secretText, assertion); status != http.StatusBadRequest || code != "jti_replayed" {
			t.Errorf("answered %d %s", status, code)
		}
		if status, _ := get(t, "http://"+s.PublicAddress()+"/readyz"); status != http.StatusOK {
			t.Errorf("readyz %d", status)
		}
	})
}

// TestRestart: what was redeemed stays redeemed, what was signed stays verifiable, what the files do not name any more goes.
func TestRestart(t *testing.T) {
	eachEngine(t, func(t *testing.T, p *place) {
		const other = "---\napiVersion: chancery/v1\nkind: Tenant\nmetadata: {name: other}\nspec: {}\n---\napiVersion: chancery/v1\nkind: Resource\nmetadata: {name: wiki, tenant: other}\nspec: {uri: \"https://mcp.acme.example/wiki\"}\n"
		file := p.write(t, objects+other)
		configured := settings{"objects": []string{file}}
		s, stop := p.start(t, configured)
		assertion := p.idp.IDJAG(idptest.Alice)
		if status, _ := p.redeem(t, s, secretText, assertion); status != http.StatusOK {
			t.Fatal("not granted")
		}
		keysBefore, err := p.admin(t, s).Keys(t.Context())
		must(t, err)
		_, err = p.admin(t, s).Delete(t.Context(), object.KindUser, "alice", false)
		if err == nil {
			t.Error("an object of the configuration was deleted through the API")
		}
		stop()

		p.write(t, objects) // the other tenant is not mentioned any more
		s, stop = p.start(t, configured)
		if _, code := p.redeem(t, s, secretText, assertion); code != "jti_replayed" {
			t.Errorf("after a restart: %s", code)
		}
		p.expects(t, s, http.StatusOK, "")
		keysAfter, err := p.admin(t, s).Keys(t.Context())
		must(t, err)
		if len(keysBefore) == 0 || len(keysAfter) != len(keysBefore) || keysAfter[0].KeyID != keysBefore[0].KeyID {
			t.Errorf("keys %v, then %v", keysBefore, keysAfter)
		}
		if left, err := p.admin(t, s).Tenant("other").List(t.Context(), object.KindResource); err != nil || len(left) != 0 {
			t.Errorf("left in the other tenant: %v, %v", left, err)
		}
		stop()

		p.write(t, providerDoc+restDocs) // no client
		s, stop = p.start(t, configured)
		p.expects(t, s, http.StatusUnauthorized, "client_authentication_failed")
		stop()

		must(t, os.WriteFile(file, []byte("# nothing is configured\n"), 0o600))
		s, _ = p.start(t, configured)
		for _, kind := range object.Kinds() {
			if kind == object.KindTenant {
				continue
			}
			if left, err := p.admin(t, s).List(t.Context(), kind); err != nil || len(left) != 0 {
				t.Errorf("left of %s: %v, %v", kind, left, err)
			}
		}
	})
}

// TestBadObjectStopsTheStart: all or none, and nothing stays open.
func TestBadObjectStopsTheStart(t *testing.T) {
	eachEngine(t, func(t *testing.T, p *place) {
		for name, text := range map[string]string{
			"unknown member": strings.Replace(objects, "preset: generic", "presets: generic", 1),
			"bad policy":     strings.Replace(objects, "template: group-scopes", "template: group-scope", 1),
			"no secret":      strings.Replace(objects, "AGENT_SECRET", "NO_SUCH_SECRET", 1),
			"taken key":      objects + "---\napiVersion: chancery/v1\nkind: Resource\nmetadata: {name: twin}\nspec: {uri: \"https://mcp.acme.example/notes\"}\n",
			"no YAML":        "{{",
		} {
			t.Run(name, func(t *testing.T) { p.refuses(t, settings{"objects": []string{p.write(t, text)}}, "objects: ") })
		}
		p.refuses(t, settings{"objects": []string{filepath.Join(p.folder, "nowhere.yaml")}}, "objects: ")
		s, _ := p.start(t, settings{}) // what was opened was closed: on SQLite it would be refused otherwise
		for _, kind := range []object.Kind{object.KindClient, object.KindResource, object.KindPolicy} {
			if left, err := p.admin(t, s).List(t.Context(), kind); err != nil || len(left) != 0 {
				t.Errorf("left of %s: %v, %v", kind, left, err)
			}
		}
	})
}

// TestReplicas: what is applied on one is in force on the other; once the API has answered, no token commits against it.
func TestReplicas(t *testing.T) {
	eachEngine(t, func(t *testing.T, p *place) {
		first, _ := p.start(t, settings{})
		second := first
		if p.ownerURL == "" { // SQLite has one process
			p.refuses(t, settings{}, "")
		} else {
			second, _ = p.start(t, settings{})
		}
		api := p.admin(t, first)
		parsed, err := decode(p, strings.Replace(objects, ", secret: {env: AGENT_SECRET}", "", 1))
		must(t, err)
		_, err = api.ApplyAll(t.Context(), parsed, applied)
		must(t, err)
		made, err := api.AddSecret(t.Context(), "agent")
		must(t, err)
		text := made.Text.Reveal()

		start := time.Now()
		until(t, 3*time.Second, "the second replica does not know the client", func() bool {
			status, _ := p.redeem(t, second, text)
			return status == http.StatusOK
		})
		if took := time.Since(start); took > 1500*time.Millisecond {
			t.Errorf("known after %s", took)
		}
		disabled, err := decode(p, strings.Replace(strings.Replace(clientDoc, ", secret: {env: AGENT_SECRET}", "", 1), "spec:\n", "spec:\n  disabled: true\n", 1))
		must(t, err)
		_, err = api.ApplyAll(t.Context(), disabled, applied)
		must(t, err)
		for _, s := range []*assembly.Server{first, second} { // at once, not within a second
			if status, code := p.redeem(t, s, text); status != http.StatusUnauthorized || code != "client_authentication_failed" {
				t.Errorf("after the API's answer: %d %s", status, code)
			}
		}
	})
}

func until(t *testing.T, patience time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatal(what)
		case <-ticks.C:
		}
	}
}
