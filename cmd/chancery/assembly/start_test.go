package assembly_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/cmd/chancery/assembly"
)

var applied = client.ApplyOptions{}

func decode(p *place, text string) ([]object.Object, error) {
	return object.Decode(strings.NewReader(strings.ReplaceAll(text, "IDP", p.idp.Issuer())), object.Options{})
}

// TestClock: a process whose clock and the database's disagree does not start: what is used once is remembered by the
// database's clock.
func TestClock(t *testing.T) {
	eachEngine(t, func(t *testing.T, p *place) {
		for offset, starts := range map[time.Duration]bool{
			31 * time.Second: false, -31 * time.Second: false, 24 * time.Hour: false, 25 * time.Second: true, -25 * time.Second: true,
		} {
			if p.ownerURL == "" && !starts {
				continue // SQLite's clock is this machine's; the comparison is the same code
			}
			o := p.options(t, nil)
			o.Now = func() time.Time { return time.Now().Add(offset) }
			s, err := assembly.New(t.Context(), o)
			if (err == nil) != starts || err != nil && !strings.Contains(err.Error(), "clock") {
				t.Errorf("%s apart: %v", offset, err)
			}
			if err == nil {
				must(t, s.Stop(t.Context())) // before it was started
			}
		}
	})
}

// TestKeyring: profile dev makes one, the others refuse to start without.
func TestKeyring(t *testing.T) {
	p := newPlace(t)
	file := filepath.Join(p.folder, "keyring")
	for _, profile := range []string{"production", "regulated"} {
		p.refuses(t, settings{"profile": profile, "database.migrate": "auto", "policy.isolation": "in_process", "admin.token.env": ""}, "vault.keyring.file")
	}
	if _, err := os.Stat(file); err == nil {
		t.Fatal("one was made")
	}
	_, stop := p.start(t, nil)
	stop()
	info, err := os.Stat(file)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	must(t, os.WriteFile(file, []byte("{}"), 0o600))
	p.refuses(t, nil, "vault.keyring.file")
}

// TestSchema: migrate: check refuses an empty database; auto brings it up as the owner, and the runtime role serves.
func TestSchema(t *testing.T) {
	eachEngine(t, func(t *testing.T, p *place) {
		p.refuses(t, settings{"database.migrate": "check"}, "database: ")
		if p.ownerURL != "" { // the runtime role may not make tables
			p.refuses(t, settings{"database.owner_url": ""}, "database: ")
		}
		_, stop := p.start(t, settings{"database.migrate": "auto"})
		stop()
		_, stop = p.start(t, settings{"database.migrate": "check"})
		stop()
		if p.ownerURL != "" { // checking needs no more than the runtime role
			_, stop = p.start(t, settings{"database.migrate": "check", "database.owner_url": ""})
			stop()
		}
		schema, err := assembly.OpenSchema(t.Context(), p.load(t, nil))
		must(t, err)
		done, err := schema.Up(t.Context())
		must(t, err)
		if len(done) != 0 {
			t.Errorf("again: %v", done)
		}
		must(t, schema.Close())
	})
}

// TestRefusesToStart where a check would be empty or a promise would not be kept.
func TestRefusesToStart(t *testing.T) {
	p := newPlace(t)
	for reason, changes := range map[string]settings{
		"policy.isolation": {"policy.isolation": "process"}, // without a binary to make children of
		"admin.token":      {"admin.token.env": "NO_SUCH_TOKEN"},
		"database":         {"database.url": "sqlite://" + filepath.Join(p.folder, "no", "such", "folder", "x.db")},
	} {
		p.refuses(t, changes, reason)
	}
	must(t, os.WriteFile(filepath.Join(p.folder, "short"), []byte("short"), 0o600))
	_, stop := p.start(t, nil) // makes the keyring, which profile production does not
	stop()
	p.refuses(t, settings{"profile": "production", "database.migrate": "auto", "admin.token.file": filepath.Join(p.folder, "short")}, "32")
	const password = "hunter2-in-the-url"
	for _, bad := range []string{"postgres://user:" + password + "%zz@127.0.0.1:1/x", "postgres://user:" + password + "@127.0.0.1:1/x?connect_timeout=1"} {
		_, err := assembly.New(t.Context(), p.options(t, settings{"database.url": bad}))
		if err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("%v", err)
		}
	}
	_, stop = p.start(t, nil)
	stop()
}

// TestTheRoleThatServesIsBound: outside dev, a role to which row-level security and the ledger's rights mean nothing is
// refused.
func TestTheRoleThatServesIsBound(t *testing.T) {
	eachEngine(t, func(t *testing.T, p *place) {
		if p.ownerURL == "" {
			return // SQLite has no roles
		}
		_, stop := p.start(t, nil) // makes schema and keyring
		stop()
		token := filepath.Join(p.folder, "token")
		must(t, os.WriteFile(token, []byte(adminToken), 0o600))
		production := settings{"profile": "production", "admin.token.file": token}
		_, stop = p.start(t, production)
		stop()
		production["database.url"] = p.ownerURL
		p.refuses(t, production, "owns the tables")
	})
}
