package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// echo answers every request with one object's absence, and remembers the credential.
func echo(t *testing.T) (url string, seen func() string) {
	t.Helper()
	credential := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		credential = r.Header.Get("Authorization")
		_, _ = w.Write([]byte(`{"items":[]}`))
	}))
	t.Cleanup(server.Close)
	return server.URL, func() string { defer func() { credential = "" }(); return credential }
}

func TestWhereAndWithWhat(t *testing.T) {
	url, seen := echo(t)
	host := strings.TrimPrefix(url, "http://")
	s := alone(t)
	tokenFile := s.file("token", "from-the-flag\n")
	s.file("configured", "from-the-configuration")
	configured := s.file("chancery.yaml", "admin: {listen: '"+host+"', token: {file: "+s.folder+"/configured}}\n")
	proxied := s.file("proxied.yaml", "admin: {public_url: '"+url+"/', token: {file: "+s.folder+"/configured}}\n")
	tests := []struct {
		name    string
		environ []string
		args    []string
		want    string
	}{
		{"flags", []string{"CHANCERY_ADMIN_URL=http://127.0.0.1:1", "CHANCERY_ADMIN_TOKEN=no"}, []string{"--server", url, "--token-file", tokenFile}, "from-the-flag"},
		{"environment", []string{"CHANCERY_ADMIN_URL=" + url, "CHANCERY_ADMIN_TOKEN=from-the-environment"}, nil, "from-the-environment"},
		{"flag before environment", []string{"CHANCERY_ADMIN_URL=" + url, "CHANCERY_ADMIN_TOKEN=no"}, []string{"--token-file", tokenFile}, "from-the-flag"},
		{"configuration", nil, []string{"--config", configured}, "from-the-configuration"},
		{"configuration named by the environment", []string{"CHANCERY_CONFIG=" + configured}, nil, "from-the-configuration"},
		{"configuration's public URL", nil, []string{"--config", proxied}, "from-the-configuration"},
		{"environment before configuration", []string{"CHANCERY_ADMIN_TOKEN=from-the-environment"}, []string{"--config", configured}, "from-the-environment"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := shell{t: t, folder: s.folder, environ: test.environ}
			s.run(exitDone, append([]string{"get", "clients"}, test.args...)...)
			if got := seen(); got != "Bearer "+test.want {
				t.Errorf("the credential is %q, want %q", got, test.want)
			}
		})
	}
}

func TestNoWayThere(t *testing.T) {
	url, _ := echo(t)
	s := alone(t)
	empty := s.file("empty", "\n")
	noConfig := []string{"--config", os.DevNull}
	anywhere := s.file("any.yaml", "admin: {listen: '127.0.0.1:0'}\n")
	tests := []struct {
		name    string
		environ []string
		args    []string
		want    string
	}{
		{"no credential", nil, append(noConfig, "--server", url), "there is no admin credential"},
		{"an empty credential", []string{"CHANCERY_ADMIN_TOKEN="}, append(noConfig, "--server", url), "there is no admin credential"},
		{"an empty file", nil, append(noConfig, "--server", url, "--token-file", empty), "--token-file"},
		{"no such file", []string{"CHANCERY_ADMIN_TOKEN=x"}, append(noConfig, "--server", url, "--token-file", "/absent"), "--token-file"},
		{"no address", []string{"CHANCERY_ADMIN_TOKEN=x"}, []string{"--config", anywhere}, "say --server"},
		{"in the clear", []string{"CHANCERY_ADMIN_TOKEN=x"}, append(noConfig, "--server", "http://admin.acme.example"), "not sent to admin.acme.example in the clear"},
		{"no URL", []string{"CHANCERY_ADMIN_TOKEN=x"}, append(noConfig, "--server", "admin:8081"), "not an http or https URL"},
		{"nobody there", []string{"CHANCERY_ADMIN_TOKEN=x"}, append(noConfig, "--server", "http://127.0.0.1:1"), "connection refused"},
		{"a tenant that is none", []string{"CHANCERY_ADMIN_TOKEN=x"}, append(noConfig, "--server", url, "--tenant", "../acme"), "no tenant's name"},
		{"a configuration that is wrong", nil, []string{"--config", empty + "/absent"}, "absent"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := shell{t: t, folder: s.folder, environ: test.environ}
			has(t, s.run(exitFailed, append([]string{"get", "clients"}, test.args...)...).stderr, test.want)
		})
	}
}

func TestWrongCredential(t *testing.T) {
	s := serving(t)
	s.environ = append([]string{"CHANCERY_ADMIN_TOKEN=another-credential-of-32-characters-x"}, s.environ...)
	for _, args := range [][]string{{"get", "clients"}, {"export"}, {"keys", "list"}, {"audit", "query"}, {"audit", "export"}, {"secret", "create", "claude"}} {
		got := s.run(exitFailed, args...)
		has(t, got.stderr, "(401)")
		if got.stdout != "" {
			t.Errorf("%v printed %q", args, got.stdout)
		}
	}
}

// What an answer says cannot move the cursor of the terminal that shows it.
func TestNothingHiddenReachesTheTerminal(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusConflict)
		_, _ = w.Write([]byte(`{"code":"in_use","detail":"\u001b[2Jcleared\u202e"}`))
	}))
	defer server.Close()
	s := alone(t)
	s.environ = []string{"CHANCERY_ADMIN_URL=" + server.URL, "CHANCERY_ADMIN_TOKEN=x"}
	got := s.run(exitFailed, "delete", "client", "claude")
	has(t, got.stderr, `\u001b[2Jcleared\u202e`)
	hasNot(t, got.stderr, "\x1b", "\u202e")
}
