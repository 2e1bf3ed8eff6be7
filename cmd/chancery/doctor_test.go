package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/cmd/chancery/doctor"
)

// examined runs doctor, and returns its rows.
func (s shell) examined(want int, args ...string) doctor.Report {
	s.t.Helper()
	got := s.run(want, append([]string{"doctor", "--output", "json"}, args...)...)
	var report doctor.Report
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil {
		s.t.Fatalf("%v: %s%s", err, got.stdout, got.stderr)
	}
	return report
}

func rowOf(t *testing.T, r doctor.Report, check string, want doctor.Status, texts ...string) {
	t.Helper()
	i := slices.IndexFunc(r.Rows, func(row doctor.Row) bool { return row.Check == check })
	if i < 0 {
		t.Errorf("there is no row %s in %+v", check, r.Rows)
		return
	}
	row := r.Rows[i]
	if row.Status != want {
		t.Errorf("%s: %s, want %s (%s)", check, row.Status, want, row.Seen)
	}
	has(t, row.Seen+" "+row.Do, texts...)
	if (row.Status == doctor.Fail || row.Status == doctor.Warn) && row.Do == "" {
		t.Errorf("%s: %s, and nothing to do", check, row.Status)
	}
}

// installed is what init makes, with a database, and no server.
func installed(t *testing.T) shell {
	t.Helper()
	s := alone(t)
	s.run(exitDone, "init", "--out", s.folder)
	s.environ = append(s.environ, "CHANCERY_CONFIG="+filepath.Join(s.folder, "chancery.yaml"), "CHANCERY_SERVER__PUBLIC_URL=http://127.0.0.1:1", "CHANCERY_ADMIN__LISTEN=127.0.0.1:2")
	s.run(exitDone, "migrate", "up")
	return s
}

func TestDoctorAlone(t *testing.T) {
	s := installed(t)
	r := s.examined(exitDone)
	for check, status := range map[string]doctor.Status{
		"configuration": doctor.OK, "profile": doctor.OK, "keyring": doctor.OK, "database": doctor.OK, "disk": doctor.OK, "migrations": doctor.OK,
		"role": doctor.Skipped, "clock": doctor.OK, "server": doctor.Skipped, "public": doctor.Warn, "certificate": doctor.Skipped, "keys": doctor.Skipped,
		"audit": doctor.OK, "idps": doctor.Warn, "egress": doctor.OK,
	} {
		rowOf(t, r, check, status)
	}
	has(t, s.run(exitDone, "doctor").stdout, "CHECK", "keyring", "idps (warn): chancery apply")
}

// TestDoctorFinds: each fault is made for real, and its row says so.
func TestDoctorFinds(t *testing.T) {
	tests := []struct {
		name, check string
		status      doctor.Status
		fault       func(t *testing.T, s *shell)
		texts       []string
	}{
		{"a setting that is not known", "configuration", doctor.Fail, func(t *testing.T, s *shell) {
			t.Helper()
			s.environ = append(s.environ, "CHANCERY_LOG__LEVEL=loud")
		}, []string{"log.level"}},
		{"a size that is none", "configuration", doctor.Fail, set("CHANCERY_POLICY__MEMORY=lots"), []string{"policy.memory"}},
		{"an odd profile", "profile", doctor.Warn, set("CHANCERY_PROFILE=production", "CHANCERY_ADMIN__TOKEN__FILE="), []string{"loopback", "no limits"}},
		{"a credential for everybody", "profile", doctor.Warn, func(t *testing.T, s *shell) {
			t.Helper()
			if err := os.Chmod(s.folder+"/admin-token", 0o644); err != nil {
				t.Fatal(err)
			}
		}, []string{"everybody on this machine may read the file of admin.token"}},
		{"no keyring", "keyring", doctor.Fail, func(t *testing.T, s *shell) {
			t.Helper()
			s.environ = append(s.environ, "CHANCERY_PROFILE=production", "CHANCERY_VAULT__KEYRING__FILE="+s.folder+"/nowhere")
		}, []string{"is not there", "bring back its copy"}},
		{"no keyring in dev", "keyring", doctor.Warn, func(t *testing.T, s *shell) {
			t.Helper()
			s.environ = append(s.environ, "CHANCERY_VAULT__KEYRING__FILE="+s.folder+"/nowhere")
		}, []string{"serve makes it"}},
		{"a keyring for everybody", "keyring", doctor.Fail, func(t *testing.T, s *shell) {
			t.Helper()
			if err := os.Chmod(s.folder+"/keyring", 0o644); err != nil {
				t.Fatal(err)
			}
		}, []string{"0600"}},
		{"a keyring that is damaged", "keyring", doctor.Fail, func(t *testing.T, s *shell) {
			t.Helper()
			s.file("keyring", "{}")
		}, []string{"bring back its copy"}},
		{"no database", "database", doctor.Fail, set("CHANCERY_PROFILE=production", "CHANCERY_DATABASE__URL=sqlite:///nowhere/x.db"), []string{"no such file", "migrate up"}},
		{"no database in dev", "database", doctor.Warn, set("CHANCERY_DATABASE__URL=sqlite:///nowhere/x.db"), []string{"no such file", "serve makes it"}},
		{"no folder for it", "disk", doctor.Fail, set("CHANCERY_DATABASE__URL=sqlite:///nowhere/x.db"), []string{"/nowhere"}},
		{"a database that refuses", "database", doctor.Fail, set("CHANCERY_DATABASE__URL=postgres://app:hunter2@127.0.0.1:1/x"), []string{"does it let this role in"}},
		{"a password that is not there", "database", doctor.Fail, set("CHANCERY_DATABASE__URL__FILE=/nowhere/url"), []string{"database.url"}},
		{"no schema, to be made", "migrations", doctor.Warn, func(t *testing.T, s *shell) {
			t.Helper()
			s.file("empty.db", "")
			s.environ = append(s.environ, "CHANCERY_DATABASE__URL=sqlite://"+s.folder+"/empty.db")
		}, []string{"0 of"}},
		{"no schema", "migrations", doctor.Fail, func(t *testing.T, s *shell) {
			t.Helper()
			s.file("empty.db", "")
			s.environ = append(s.environ, "CHANCERY_DATABASE__URL=sqlite://"+s.folder+"/empty.db", "CHANCERY_DATABASE__MIGRATE=check")
		}, []string{"0 of", "migrate up"}},
		{"more requests than files", "files", doctor.Fail, set("CHANCERY_LIMITS__IN_FLIGHT=1000000000"), []string{"LimitNOFILE"}},
		{"a certificate that is not there", "certificate", doctor.Fail, set("CHANCERY_SERVER__TLS__CERT=/nowhere/c", "CHANCERY_SERVER__TLS__KEY=/nowhere/k"), []string{"PEM files"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := installed(t)
			test.fault(t, &s)
			status := exitDone
			if test.status == doctor.Fail {
				status = exitDiffers
			}
			if test.check == "keyring" && test.status == doctor.Warn || test.check == "database" && test.status == doctor.Warn || test.check == "profile" {
				status = -1
			}
			got := s.runIn(t.Context(), "", "doctor", "--output", "json")
			if status >= 0 && got.status != status {
				t.Errorf("exit status %d, want %d: %s", got.status, status, got.stderr)
			}
			var report doctor.Report
			if err := json.Unmarshal([]byte(got.stdout), &report); err != nil {
				t.Fatalf("%v %s %s", err, got.stdout, got.stderr)
			}
			rowOf(t, report, test.check, test.status, test.texts...)
			hasNot(t, got.stdout+got.stderr, "hunter2")
		})
	}
}

func set(pairs ...string) func(*testing.T, *shell) {
	return func(t *testing.T, s *shell) {
		t.Helper()
		s.environ = append(s.environ, pairs...)
	}
}

// TestDoctorCouldNotLook: what cannot be asked is an error of its own.
func TestDoctorCouldNotLook(t *testing.T) {
	s := alone(t)
	has(t, s.run(exitFailed, "doctor", "--output", "xml").stderr, "--output")
	got := s.run(exitDiffers, "doctor", "--config", s.folder+"/nowhere.yaml")
	has(t, got.stdout, "configuration", "fail", "no such file")
}

func TestDoctorServing(t *testing.T) {
	s, _, redeem := working(t)
	_ = redeem
	s.environ = append(s.environ,
		"CHANCERY_SERVER__PUBLIC_URL=http://127.0.0.1:1", "CHANCERY_DATABASE__URL=sqlite://"+filepath.Join(s.folder, "chancery.db"),
		"CHANCERY_VAULT__KEYRING__FILE="+filepath.Join(s.folder, "keyring"))
	r := s.examined(exitDiffers)
	rowOf(t, r, "database", doctor.OK, "a server holds the file")
	rowOf(t, r, "server", doctor.OK)
	rowOf(t, r, "admin", doctor.OK)
	rowOf(t, r, "keys of default", doctor.OK, "ES256 since", "all open")
	rowOf(t, r, "idp acme", doctor.OK, "checks passed")
	rowOf(t, r, "public", doctor.Fail, "nothing answers at http://127.0.0.1:1")
	hasNot(t, s.run(exitDiffers, "doctor").stdout, testToken)

	// The issuer that the server has is another than what the configuration says at its address.
	other := s
	other.environ = append(slices.Clone(s.environ), "CHANCERY_SERVER__PUBLIC_URL="+s.public)
	rowOf(t, other.examined(exitDiffers), "public", doctor.Fail, `the metadata says issuer "http://127.0.0.1:1"`)

	// Another keyring than the keys were sealed with.
	stranger := installed(t)
	wrong := s
	wrong.environ = append(slices.Clone(s.environ), "CHANCERY_VAULT__KEYRING__FILE="+filepath.Join(stranger.folder, "keyring"))
	rowOf(t, wrong.examined(exitDiffers), "keys of default", doctor.Fail, "does not open out of the keyring")

	// A credential that the server does not know.
	unknown := s
	unknown.environ = append([]string{"CHANCERY_ADMIN_TOKEN=another-token-of-enough-characters-0123"}, s.environ...) // the first counts
	r = unknown.examined(exitDiffers)
	rowOf(t, r, "admin", doctor.Fail, "does not know the credential")
	rowOf(t, r, "idp acme", doctor.OK) // from here

	// Rotation that is overdue, and an IdP that is gone.
	late := s
	late.environ = append(slices.Clone(s.environ), "CHANCERY_KEYS__ROTATE_EVERY=1h")
	rowOf(t, late.examined(exitDiffers), "keys of default", doctor.OK) // it is an hour old at most
	s.pipe(exitDone, strings.ReplaceAll(trustText[strings.LastIndex(trustText[:strings.Index(trustText, "kind: IdentityProvider")], "apiVersion"):strings.Index(trustText, "kind: User")-len("---\napiVersion: chancery/v1\n")], "IDP", "http://127.0.0.1:1"), "apply", "-f", "-")
	rowOf(t, s.examined(exitDiffers), "idp acme", doctor.Fail, "tcp connect_failed")

	// No server at the address, while one holds the file.
	lost := s
	lost.environ = append([]string{"CHANCERY_ADMIN_URL=http://127.0.0.1:1"}, s.environ...)
	rowOf(t, lost.examined(exitDiffers), "server", doctor.Fail, "holds the SQLite file")
}

func TestDoctorEgress(t *testing.T) {
	s, _, _ := working(t)
	s.environ = append(s.environ, "CHANCERY_DATABASE__URL=sqlite://"+filepath.Join(s.folder, "chancery.db"), "CHANCERY_SERVER__PUBLIC_URL=http://127.0.0.1:1")
	list := func(want int, pairs ...string) map[string]doctor.Call {
		t.Helper()
		one := s
		one.environ = append(slices.Clone(s.environ), pairs...)
		var calls []doctor.Call
		if err := json.Unmarshal([]byte(one.run(want, "doctor", "egress", "--output", "json").stdout), &calls); err != nil {
			t.Fatal(err)
		}
		all := map[string]doctor.Call{}
		for _, call := range calls {
			all[call.Feature] = call
		}
		return all
	}
	calls := list(exitDone, "CHANCERY_TELEMETRY__OTLP_ENDPOINT=http://127.0.0.1:4318")
	if c := calls["keys of IdP acme"]; c.Verdict != doctor.Allowed || !strings.HasPrefix(c.Host, "127.0.0.1:") {
		t.Errorf("%+v", c)
	}
	if c := calls["traces"]; c.Verdict != doctor.Allowed || c.Host != "127.0.0.1:4318" {
		t.Errorf("%+v", c)
	}
	if c := calls["webhooks"]; c.Verdict != doctor.Never {
		t.Errorf("%+v", c)
	}
	calls = list(exitDiffers, "CHANCERY_EGRESS__MODE=deny")
	if c := calls["keys of IdP acme"]; c.Verdict != doctor.Denied || !strings.Contains(c.Instead, "idp bundle import") || !strings.Contains(c.Why, "egress.mode is deny") {
		t.Errorf("%+v", c)
	}
	calls = list(exitDone, "CHANCERY_EGRESS__MODE=deny", "CHANCERY_EGRESS__ALLOW=127.0.0.1")
	if c := calls["keys of IdP acme"]; c.Verdict != doctor.Allowed {
		t.Errorf("%+v", c)
	}
	has(t, s.run(exitDiffers, "doctor", "egress", "--set", "egress.mode=deny").stdout, "FEATURE", "denied", "instead, carry its keys")
	rowOf(t, s.examined(exitDiffers, "--set", "egress.mode=deny"), "egress", doctor.Warn, "keys of IdP acme")
}
