package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/cmd/chancery/config"
)

// load reads a file of this text, without what the machine's environment says.
func load(t *testing.T, text string, environ []string, flags map[string]any) (*config.Loaded, error) {
	t.Helper()
	return config.Load(config.Sources{File: write(t, "chancery.yaml", text), Environ: environ, Flags: flags})
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func must(t *testing.T, text string, environ []string, flags map[string]any) *config.Loaded {
	t.Helper()
	loaded, err := load(t, text, environ, flags)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func TestEmptyFileIsTheDefaults(t *testing.T) {
	loaded := must(t, "", nil, nil)
	if sections := must(t, "server:\nadmin: {token: }\nvault: {}\n", nil, nil); fmt.Sprintf("%+v", sections.Config) != fmt.Sprintf("%+v", loaded.Config) {
		t.Errorf("empty sections: %+v", sections.Config)
	}
	if loaded.Profile != config.Dev || loaded.Server.PublicURL != "http://127.0.0.1:8080" || loaded.Admin.Listen != "127.0.0.1:8081" || loaded.Admin.Token.Env != "CHANCERY_ADMIN_TOKEN" ||
		loaded.Keys.RotateEvery != 720*time.Hour || loaded.Limits.InFlight != 1024 || !loaded.Telemetry.Metrics || loaded.Egress.Mode != "allow" {
		t.Errorf("%+v", loaded.Config)
	}
}

// TestWeakestFirst: defaults, file, environment, flags.
func TestWeakestFirst(t *testing.T) {
	const file = "log: {level: warn, format: text}\nlimits: {in_flight: 7}\nkeys: {rotate_every: 48h}\n"
	environ := []string{"CHANCERY_LOG__LEVEL=error", "CHANCERY_LIMITS__IN_FLIGHT=8", "CHANCERY_KEYS__ROTATE_EVERY=72h", "CHANCERY_TELEMETRY__METRICS=false"}
	flags := map[string]any{"limits.in_flight": 9, "log.level": "debug"}
	tests := []struct {
		name             string
		file             string
		environ          []string
		flags            map[string]any
		level, format    string
		inFlight         int
		rotate           time.Duration
		metrics          bool
		originOfInFlight string
	}{
		{"defaults", "", nil, nil, "info", "json", 1024, 720 * time.Hour, true, "default"},
		{"file", file, nil, nil, "warn", "text", 7, 48 * time.Hour, true, "file"},
		{"environment", file, environ, nil, "error", "text", 8, 72 * time.Hour, false, "environment"},
		{"flags", file, environ, flags, "debug", "text", 9, 72 * time.Hour, false, "flag"},
		{"flags over defaults", "", nil, flags, "debug", "json", 9, 720 * time.Hour, true, "flag"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := must(t, test.file, test.environ, test.flags)
			if l.Log.Level != test.level || l.Log.Format != test.format || l.Limits.InFlight != test.inFlight || l.Keys.RotateEvery != test.rotate || l.Telemetry.Metrics != test.metrics {
				t.Errorf("%+v %+v %+v %+v", l.Log, l.Limits, l.Keys, l.Telemetry)
			}
			found, err := l.Explain("limits.in_flight")
			if err != nil || len(found) != 1 || !strings.HasPrefix(found[0].Origin, test.originOfInFlight) || found[0].Value == nil {
				t.Errorf("%v %+v, want it from %s", err, found, test.originOfInFlight)
			}
		})
	}
}

func TestStrict(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"unknown leaf", "server: {lisen: 127.0.0.1:1}", []string{`unknown key "server.lisen"`, `"server.listen"`}},
		{"unknown section", "sever: {listen: 127.0.0.1:1}", []string{`unknown key "sever.listen"`, `"server.listen"`}},
		{"unknown section's name alone", "databse: x", []string{`unknown key "databse"`, `"database"`}},
		{"nothing near", "zzzzzzzzzzzzzzzz: 1", []string{`unknown key "zzzzzzzzzzzzzzzz"`}},
		{"a section where a value belongs", "log: {level: {info: true}}", []string{`unknown key "log.level.info"`}},
		{"a value where a section belongs", "log: info", []string{`unknown key "log"`}},
		{"an unknown key without a value", "sever:", []string{`unknown key "sever"`}},
		{"a setting without a value", "server: {listen: }", []string{"server.listen: it has no value"}},
		{"twice the same key", "log: {level: info}\nlog: {level: warn}", []string{"already defined"}},
		{"twice the same leaf", "log: {level: info, level: warn}", []string{"already defined"}},
		{"two documents", "log: {level: info}\n---\nlog: {level: warn}", []string{"one document is expected"}},
		{"no mapping", "- a", []string{"cannot unmarshal"}},
		{"no YAML", "log: {", []string{"chancery.yaml"}},
		{"text for a number", "limits: {in_flight: '7'}", []string{"in_flight"}},
		{"a number for text", "log: {level: 3}", []string{"level"}},
		{"text for a bool", "telemetry: {metrics: 'yes'}", []string{"metrics"}},
		{"a number for a duration", "keys: {rotate_every: 720}", []string{"rotate_every"}},
		{"a duration without a unit", "keys: {rotate_every: '720'}", []string{"rotate_every"}},
		{"a value for a list", "objects: here", []string{"objects"}},
		{"a list for a value", "log: {level: [info]}", []string{"level"}},
		{"a number in a list of texts", "objects: [1]", []string{"objects"}},
		{"more than a file may hold", "# " + strings.Repeat("x", 1<<20), []string{"at most"}},
		{"unknown profile", "profile: prod", []string{`"prod"`, "dev, production or regulated"}},
		{"a profile that is no text", "profile: 1", []string{"profile: text is expected"}},
		{"an empty profile", "profile: ''", []string{"dev, production or regulated"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(t, test.text, nil, nil)
			refused(t, err, test.want...)
		})
	}
}

func refused(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q is missing in: %v", text, err)
		}
	}
}

func TestFile(t *testing.T) {
	if _, err := config.Load(config.Sources{File: filepath.Join(t.TempDir(), "absent.yaml")}); err == nil {
		t.Error("a file that was named and is not there")
	}
	t.Chdir(t.TempDir())
	l, err := config.Load(config.Sources{})
	if err != nil || l.Path != "" {
		t.Errorf("no chancery.yaml here: %v, read %q", err, l.Path)
	}
	if err := os.WriteFile("chancery.yaml", []byte("log: {level: warn}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err = config.Load(config.Sources{}); err != nil || l.Path != "chancery.yaml" || l.Log.Level != "warn" {
		t.Errorf("%v %+v", err, l)
	}
}

func TestEnvironment(t *testing.T) {
	t.Run("lists", func(t *testing.T) {
		for text, want := range map[string][]string{
			"https://a.example,https://b.example":      {"https://a.example", "https://b.example"},
			"https://a.example, https://b.example":     {"https://a.example", "https://b.example"},
			"[https://a.example, 'https://b.example']": {"https://a.example", "https://b.example"},
			"https://a.example":                        {"https://a.example"},
			"":                                         {},
			"[]":                                       {},
		} {
			l := must(t, "server: {cors_origins: ['https://file.example']}", []string{"CHANCERY_SERVER__CORS_ORIGINS=" + text}, nil)
			if !slices.Equal(l.Server.CORSOrigins, want) {
				t.Errorf("%q: %q, want %q", text, l.Server.CORSOrigins, want)
			}
		}
	})
	t.Run("one step deep", func(t *testing.T) {
		l := must(t, "", []string{"CHANCERY_PROFILE=production", "CHANCERY_OBJECTS=a,b"}, nil)
		if l.Profile != config.Production || !slices.Equal(l.Objects, []string{"a", "b"}) {
			t.Errorf("%s %q", l.Profile, l.Objects)
		}
	})
	t.Run("names that are no settings", func(t *testing.T) {
		must(t, "", []string{"CHANCERY_ADMIN_TOKEN=x", "CHANCERY_ADMIN_URL=http://127.0.0.1:1", "CHANCERY_CONFIG=y", "CHANCERY_MY_SECRET=z", "OTHER__LISTEN=1", "chancery_log__level=x"}, nil)
	})
	for name, environ := range map[string]string{
		"unknown":      "CHANCERY_SERVER__LISEN=1",
		"no list":      "CHANCERY_OBJECTS=[a",
		"no number":    "CHANCERY_LIMITS__IN_FLIGHT=many",
		"no whole one": "CHANCERY_LIMITS__IN_FLIGHT=1.5",
		"no bool":      "CHANCERY_TELEMETRY__METRICS=maybe",
		"no duration":  "CHANCERY_KEYS__ROTATE_EVERY=often",
		"no profile":   "CHANCERY_PROFILE=prod",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, "", []string{environ}, nil)
			refused(t, err)
		})
	}
	_, err := load(t, "", []string{"CHANCERY_SERVER__LISEN=1"}, nil)
	refused(t, err, "CHANCERY_SERVER__LISEN", `"server.listen"`)
	_, err = load(t, "", nil, map[string]any{"server.lisen": "1"})
	refused(t, err, `"server.listen"`)
}

func TestEveryLeafIsAnEnvironmentVariable(t *testing.T) {
	for _, leaf := range config.Leaves() {
		if leaf.Doc == "" {
			t.Errorf("%s is not explained", leaf.Key)
		}
		if want := "CHANCERY_" + strings.ToUpper(strings.ReplaceAll(leaf.Key, ".", "__")); leaf.Env() != want {
			t.Errorf("%s: %s", leaf.Key, leaf.Env())
		}
	}
}

func TestSecrets(t *testing.T) {
	held := write(t, "secret", "from the file\n")
	environ := []string{"NAMED=from the environment", "EMPTY="}
	tests := []struct {
		name, text string
		want       string
		refusal    string
	}{
		{"environment", "admin: {token: {env: NAMED}}", "from the environment", ""},
		{"file, without its last newline", "admin: {token: {file: " + held + "}}", "from the file", ""},
		{"a variable that is not set", "admin: {token: {env: ABSENT}}", "", "ABSENT is not set"},
		{"a variable that is empty", "admin: {token: {env: EMPTY}}", "", "EMPTY is not set"},
		{"a file that is absent", "admin: {token: {file: /absent}}", "", "/absent"},
		{"a file that is empty", "admin: {token: {file: " + write(t, "empty", "\n") + "}}", "", "empty, or not text"},
		{"a file that is not text", "admin: {token: {file: " + write(t, "binary", "\xff\xfe") + "}}", "", "empty, or not text"},
		{"a file that is too large", "admin: {token: {file: " + write(t, "large", strings.Repeat("x", 1<<17)) + "}}", "", "larger than"},
		{"two sources", "admin: {token: {env: NAMED, file: " + held + "}}", "", "one of them is expected"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l, err := load(t, test.text, environ, nil)
			if err == nil {
				value, resolveErr := l.Admin.Token.Resolve(l.Lookup)
				if resolveErr == nil && value.Reveal() != test.want {
					t.Errorf("%q, want %q", value.Reveal(), test.want)
				}
				err = resolveErr
			}
			if test.refusal != "" {
				refused(t, err, test.refusal)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := (config.Ref{}).Resolve(nil); err == nil {
		t.Error("a reference to nothing is a secret")
	}
	_, err := load(t, "admin: {token: inline}", nil, nil)
	refused(t, err, "admin.token")
}

// TestReferencesReplaceEachOther: a stronger source's way of naming a secret
// leaves nothing of the weaker one's.
func TestReferencesReplaceEachOther(t *testing.T) {
	held := write(t, "secret", "x")
	l := must(t, "admin: {token: {file: "+held+"}}", nil, nil)
	if l.Admin.Token != (config.Ref{File: held}) {
		t.Errorf("file over default: %+v", l.Admin.Token)
	}
	l = must(t, "admin: {token: {file: "+held+"}}", []string{"CHANCERY_ADMIN__TOKEN__ENV=OTHER"}, nil)
	if l.Admin.Token != (config.Ref{Env: "OTHER"}) {
		t.Errorf("environment over file: %+v", l.Admin.Token)
	}
	l = must(t, "database: {url: 'sqlite:///a'}", []string{"CHANCERY_DATABASE__URL__ENV=DB"}, nil)
	if l.Database.URL != (config.Text{Ref: config.Ref{Env: "DB"}}) {
		t.Errorf("reference over text: %+v", l.Database.URL)
	}
	l = must(t, "database: {url: {env: DB}}", []string{"CHANCERY_DATABASE__URL=sqlite:///b"}, nil)
	if l.Database.URL != (config.Text{Plain: "sqlite:///b"}) {
		t.Errorf("text over reference: %+v", l.Database.URL)
	}
	if value, err := l.Text(l.Database.URL); err != nil || value.Reveal() != "sqlite:///b" {
		t.Errorf("%v", err)
	}
	_, err := load(t, "", []string{"CHANCERY_DATABASE__URL=sqlite:///b", "CHANCERY_DATABASE__URL__ENV=DB"}, nil)
	refused(t, err, "database.url and database.url.env")
}

func TestProfiles(t *testing.T) {
	tests := []struct {
		profile                    config.Profile
		migrate, isolation, egress string
		token                      config.Ref
	}{
		{config.Dev, "auto", "in_process", "allow", config.Ref{Env: "CHANCERY_ADMIN_TOKEN"}},
		{config.Production, "check", "in_process", "allow", config.Ref{Env: "CHANCERY_ADMIN_TOKEN"}},
		{config.Regulated, "check", "process", "deny", config.Ref{}},
	}
	for _, test := range tests {
		t.Run(string(test.profile), func(t *testing.T) {
			l := must(t, "profile: "+string(test.profile), nil, nil)
			if l.Database.Migrate != test.migrate || l.Policy.Isolation != test.isolation || l.Egress.Mode != test.egress || l.Admin.Token != test.token {
				t.Errorf("%+v", l.Config)
			}
			// A profile never hides a choice.
			l = must(t, "profile: "+string(test.profile)+"\ndatabase: {migrate: auto}\negress: {mode: allow}", nil, nil)
			if l.Database.Migrate != "auto" || l.Egress.Mode != "allow" {
				t.Errorf("%+v", l.Config)
			}
		})
	}
	l := must(t, "profile: dev", []string{"CHANCERY_PROFILE=production"}, map[string]any{"profile": "regulated"})
	if l.Profile != config.Regulated || l.Egress.Mode != "deny" {
		t.Errorf("%s %s", l.Profile, l.Egress.Mode)
	}
}

func TestRefused(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"http beyond loopback", "server: {public_url: 'http://auth.acme.com'}", "http is for loopback only"},
		{"http to a name that begins like loopback", "server: {public_url: 'http://localhost.acme.com'}", "http is for loopback only"},
		{"another scheme", "server: {public_url: 'ftp://auth.acme.com'}", "https is expected"},
		{"no scheme", "server: {public_url: 'auth.acme.com'}", "no absolute URL"},
		{"a slash at the end", "server: {public_url: 'https://auth.acme.com/'}", "ends in a slash"},
		{"a path", "server: {public_url: 'https://auth.acme.com/x'}", "has a path"},
		{"a query", "server: {public_url: 'https://auth.acme.com?x'}", "query or fragment"},
		{"a fragment", "server: {public_url: 'https://auth.acme.com#x'}", "query or fragment"},
		{"a user", "server: {public_url: 'https://a:b@auth.acme.com'}", "no absolute URL"},
		{"a name that is not ASCII", "server: {public_url: 'https://aüth.acme.com'}", "ASCII"},
		{"an escape in the name", "server: {public_url: 'https://%61uth.acme.com'}", "no absolute URL"},
		{"an empty issuer", "server: {public_url: ''}", "server.public_url"},
		{"no port", "server: {listen: 127.0.0.1}", "server.listen"},
		{"no CIDR", "server: {trusted_proxies: [10.0.0.1]}", "no CIDR"},
		{"a proxy everywhere", "server: {trusted_proxies: [10.0.0.0/8, 0.0.0.0/0]}", `"0.0.0.0/0" is every address`},
		{"a proxy everywhere, IPv6", "server: {trusted_proxies: ['::/0']}", `"::/0" is every address`},
		{"every origin", "server: {cors_origins: ['*']}", "no exact origin"},
		{"an origin with a path", "server: {cors_origins: ['https://a.example/']}", "no exact origin"},
		{"a pattern of origins", "server: {cors_origins: ['https://*.a.example']}", "no exact origin"},
		{"a certificate without a key", "server: {tls: {cert: a.pem}}", "cert and key go together"},
		{"a key without a certificate", "server: {tls: {key: a.pem}}", "cert and key go together"},
		{"one listener for both", "server: {listen: '127.0.0.1:1'}\nadmin: {listen: '127.0.0.1:1'}", "never the public one"},
		{"an admin listener for the network", "admin: {listen: '0.0.0.0:8081'}", "not loopback"},
		{"an admin listener everywhere", "admin: {listen: ':8081'}", "not loopback"},
		{"a credential in regulated", "profile: regulated\nadmin: {token: {env: X}}", "refused in profile regulated"},
		{"a reference without its kind", "admin: {secret_references: [OKTA_SECRET]}", "admin.secret_references"},
		{"a reference to no path", "admin: {secret_references: ['file:secret']}", "admin.secret_references"},
		{"a credential without a role", "admin: {token_role: ''}", "admin.token_role"},
		{"no database", "database: {url: ''}", "database.url"},
		{"another database", "database: {url: 'mysql://h/d'}", "sqlite:///path or postgres://"},
		{"migrate maybe", "database: {migrate: maybe}", "database.migrate"},
		{"keys in a Vault", "keys: {backend: transit}", "keys.backend"},
		{"an algorithm that shares its key", "keys: {algorithm: HS256}", "keys.algorithm"},
		{"rotation without pause", "keys: {rotate_every: 1s}", "keys.rotate_every"},
		{"isolation maybe", "policy: {isolation: maybe}", "policy.isolation"},
		{"little memory", "policy: {memory: 16MiB}", "policy.memory"},
		{"memory without a unit", "policy: {memory: '256'}", "policy.memory"},
		{"memory below nothing", "policy: {memory: '-1GiB'}", "policy.memory"},
		{"more than all lines", "policy: {coverage_floor: 101}", "policy.coverage_floor"},
		{"less than any number", "policy: {max_flips: -2}", "policy.max_flips"},
		{"no time at all", "policy: {time_budget: 0s}", "policy.time_budget"},
		{"nobody served", "limits: {in_flight: 0}", "limits.in_flight"},
		{"a rate without a time", "limits: {per_client: '100'}", "limits.per_client: \"100\": a rate is expected, such as 100/s, 600/m or 100/s burst 200"},
		{"a rate of nothing", "limits: {per_address: 0/s}", "limits.per_address: \"0/s\": a rate is expected"},
		{"a rate that is a number", "limits: {per_address: 100}", "limits.per_address: text is expected"},
		{"addresses behind a proxy that is not listed", "server: {public_url: 'https://auth.acme.com'}\nlimits: {per_address: 10/s}", "all callers count as one"},
		{"nonces maybe", "dpop: {nonce: maybe}", "dpop.nonce"},
		{"nonces that are not said", "dpop: {nonce: ''}", "dpop.nonce"},
		{"another backend", "vault: {backend: kms}", "vault.backend"},
		{"a Vault without an address", "vault: {backend: transit}", "vault.transit.address: required"},
		{"a Vault in the clear", vaultAt("http://vault.acme.com:8200", ""), "vault.transit.address: https is expected"},
		{"a Vault with a password", vaultAt("https://a:hunter2@vault.acme.com", ""), "vault.transit.address: an absolute URL without user"},
		{"a Vault that may not be reached", "egress: {mode: deny}\n" + vaultAt("https://vault.acme.com", ""), "vault.transit.address: vault.acme.com refused by the egress rules"},
		{"a key of another mount", vaultAt("https://vault.acme.com", "key: ../other"), "vault.transit.key"},
		{"a mount with a query", vaultAt("https://vault.acme.com", "mount: 'transit?x'"), "vault.transit.mount"},
		{"a call that lasts", vaultAt("https://vault.acme.com", "timeout: 5s"), "vault.transit.timeout: 5s: 50ms to 1.9s"},
		{"a Vault's bundle that is not there", vaultAt("https://vault.acme.com", "ca_bundle: /nowhere/ca.pem"), "vault.transit.ca_bundle"},
		{"a cache without an end", vaultAt("https://vault.acme.com", "cache: {keys: 100}"), "vault.transit.cache"},
		{"a cache without a bound", vaultAt("https://vault.acme.com", "cache: {for: 1m}"), "vault.transit.cache"},
		{"a cache for a day", vaultAt("https://vault.acme.com", "cache: {keys: 1, for: 24h}"), "vault.transit.cache"},
		{"a cache in regulated", "profile: regulated\negress: {allow: [vault.acme.com]}\n" + vaultAt("https://vault.acme.com", "cache: {keys: 1, for: 1m}"), "vault.transit.cache: refused in profile regulated"},
		{"a login that is not known", "vault: {transit: {address: 'https://v', auth: {method: ldap}}}", "vault.transit.auth.method"},
		{"a login without a token", "vault: {transit: {address: 'https://v'}}", "vault.transit.auth.token: required"},
		{"a login without a role id", "vault: {transit: {address: 'https://v', auth: {method: approle, secret_id: {env: X}}}}", "vault.transit.auth.role_id: required"},
		{"a login without a secret id", "vault: {transit: {address: 'https://v', auth: {method: approle, role_id: r}}}", "vault.transit.auth.secret_id: required"},
		{"a login without a role", "vault: {transit: {address: 'https://v', auth: {method: kubernetes}}}", "vault.transit.auth.role: required"},
		{"a login without a certificate", "vault: {transit: {address: 'https://v', auth: {method: cert}}}", "vault.transit.auth.certificate: required"},
		{"a login whose secret is behind it", "vault: {transit: {address: 'https://v', auth: {token: {vault: 'kv/x#y'}}}}", "what opens Vault cannot lie in it"},
		{"a reference into no Vault", "admin: {token: {vault: 'kv/chancery#admin'}}", "admin.token.vault: vault.transit.address says where Vault is"},
		{"a reference to nothing in Vault", "admin: {token: {vault: 'kv/chancery'}}\n" + vaultAt("https://vault.acme.com", ""), "admin.token.vault"},
		{"a secret with two places", "admin: {token: {vault: 'kv/chancery#admin', env: X}}", "one of them is expected"},
		{"no keyring", "vault: {keyring: {file: ''}}", "vault.keyring.file"},
		{"egress maybe", "egress: {mode: maybe}", "egress.mode"},
		{"checkpoints without pause", "audit: {checkpoint_every: 1ms}", "audit.checkpoint_every"},
		{"decisions that are gone at once", "decisions: {retain: 1s}", "decisions.retain"},
		{"a level", "log: {level: loud}", "log.level"},
		{"a format", "log: {format: xml}", "log.format"},

		// What is not served is refused, never ignored.
		{"client certificates", "server: {tls: {cert: a, key: b, client_ca: c}}", "server.tls.client_ca: not served"},
		{"retention", "audit: {retain: 720h}", "audit.retain: not served"},
		{"sinks", "audit: {sinks: [siem]}", "audit.sinks: not served"},
		{"redaction of what is no member", "decisions: {redact: [user.mail]}", "decisions.redact: \"user.mail\" cannot be masked"},

		{"a collector that may not be reached", "egress: {mode: deny}\ntelemetry: {otlp_endpoint: 'https://otlp.acme.com:4318'}", "telemetry.otlp_endpoint: otlp.acme.com refused by the egress rules: egress.mode is deny"},
		{"a collector in the clear", "telemetry: {otlp_endpoint: 'http://otlp.acme.com:4318'}", "telemetry.otlp_endpoint: otlp.acme.com refused by the egress rules: plain http"},
		{"a collector with a password", "telemetry: {otlp_endpoint: 'https://a:hunter2@otlp.acme.com'}", "credentials belong into telemetry.otlp_headers"},
		{"a collector that is a name", "telemetry: {otlp_endpoint: otlp}", "an https URL"},
		{"no trace at all", "telemetry: {otlp_endpoint: 'https://otlp.acme.com', sample_ratio: 0}", "telemetry.sample_ratio: 0: above 0"},
		{"more than all", "telemetry: {otlp_endpoint: 'https://otlp.acme.com', sample_ratio: 1.5}", "telemetry.sample_ratio: 1.5"},
		{"a ratio that is text", "telemetry: {sample_ratio: 'much'}", "telemetry.sample_ratio: a number is expected"},
		{"a bundle that is not there", "telemetry: {otlp_endpoint: 'https://otlp.acme.com', otlp_ca_bundle: /nowhere/ca.pem}", "telemetry.otlp_ca_bundle"},
		{"headers for nobody", "telemetry: {otlp_headers: {env: X}}", "telemetry.otlp_endpoint: required"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(t, test.text, nil, nil)
			refused(t, err, test.want)
		})
	}
	t.Run("all that is wrong at once", func(t *testing.T) {
		_, err := load(t, "log: {level: loud}\negress: {mode: maybe}", nil, nil)
		refused(t, err, "log.level", "egress.mode")
	})
}

// vaultAt is a configuration of Vault that is good but for what is added.
func vaultAt(address, more string) string {
	if more != "" {
		more += ", "
	}
	return fmt.Sprintf("vault: {backend: transit, transit: {address: '%s', %sauth: {token: {env: VAULT}}}}", address, more)
}

func TestVault(t *testing.T) {
	l := must(t, vaultAt("https://vault.acme.com:8200", "namespace: team, cache: {keys: 10, for: 1m}"), nil, nil)
	if v := l.Vault.Transit; !v.Used() || v.Mount != "transit" || v.Key != "chancery" || v.Timeout != 1500*time.Millisecond || v.Cache.Keys != 10 || v.Auth.Method != "token" || l.Served() != nil {
		t.Errorf("%+v", v)
	}
	if l := must(t, "", nil, nil); l.Vault.Transit.Used() || l.Vault.Transit.Cache.Keys != 0 {
		t.Error("a Vault that nobody named, or a cache")
	}
}

func TestSecretsInVault(t *testing.T) {
	l := must(t, "admin: {token: {vault: 'kv/chancery#admin'}}\n"+vaultAt("https://vault.acme.com:8200", ""), nil, nil)
	if _, err := l.Secret(l.Admin.Token); err == nil {
		t.Error("read without anybody to ask")
	}
	l.UseVault(func(reference string) (string, error) {
		if reference == "kv/chancery#admin" {
			return "a secret of Vault's", nil
		}
		return "", nil
	})
	if text, err := l.Secret(l.Admin.Token); err != nil || text.Reveal() != "a secret of Vault's" {
		t.Errorf("%v", err)
	}
	if _, err := l.Secret(config.Ref{Vault: "kv/other#x"}); err == nil {
		t.Error("an empty secret is one")
	}
	if _, err := l.Secret(config.Ref{Vault: "kv/chancery#admin", Env: "X"}); err == nil {
		t.Error("a secret of two places")
	}
}

// TestLimits: rates are kept as they are written; each of the three ways to know who asks will do.
func TestLimits(t *testing.T) {
	const rates = "limits: {per_client: 600/m, per_address: 100/s burst 200}\n"
	for name, text := range map[string]string{
		"no proxy":        rates,
		"our certificate": rates + "server: {public_url: 'https://auth.acme.com', tls: {cert: a, key: b}}",
		"a known proxy":   rates + "server: {public_url: 'https://auth.acme.com', trusted_proxies: [10.1.0.0/16, 'fd00::/8']}",
	} {
		t.Run(name, func(t *testing.T) {
			l := must(t, text, nil, nil)
			if l.Limits.PerClient != "600/m" || l.Limits.PerAddress != "100/s burst 200" {
				t.Errorf("%+v", l.Limits)
			}
		})
	}
	l := must(t, "", []string{"CHANCERY_LIMITS__PER_ADDRESS=10/s", "CHANCERY_DPOP__NONCE=required"}, nil)
	if l.Limits.PerAddress != "10/s" || l.Limits.PerClient != "" || l.DPoP.Nonce != config.NonceRequired {
		t.Errorf("%+v %+v", l.Limits, l.DPoP)
	}
	if l = must(t, "", nil, nil); l.DPoP.Nonce != config.NonceNone {
		t.Errorf("%+v", l.DPoP)
	}
}

func TestExplain(t *testing.T) {
	l := must(t, "server: {listen: '127.0.0.1:1'}", nil, nil)
	found, err := l.Explain("server.listen")
	if err != nil || len(found) != 1 || found[0].Value != "127.0.0.1:1" || found[0].Origin != "file "+l.Path || found[0].Type != "string" || found[0].Doc == "" {
		t.Errorf("%v %+v", err, found)
	}
	if found, err = l.Explain("server"); err != nil || len(found) < 5 {
		t.Errorf("a section: %v %+v", err, found)
	}
	if found, err = l.Explain("audit.retain"); err != nil || found[0].Value != nil || found[0].Origin != "not set" {
		t.Errorf("not set: %v %+v", err, found)
	}
	_, err = l.Explain("server.lisen")
	refused(t, err, `"server.listen"`)
	_, err = l.Explain("")
	refused(t, err)
}

// TestPasswordsAreNotShown: a database URL may hold one, in more places than one.
func TestPasswordsAreNotShown(t *testing.T) {
	const password = "hunter2"
	for i, u := range []string{
		"postgres://app:" + password + "@db.acme.com/chancery",
		"postgresql://app:" + password + "@db.acme.com:5432/chancery?sslmode=verify-full",
		"postgres://db.acme.com/chancery?user=app&password=" + password,
		"postgres://db.acme.com/chancery?PASSWORD=" + password,
		"postgres://db.acme.com/chancery?sslmode=require&sslpassword=" + password,
		"postgres://app:" + password + "%40" + password + "@db.acme.com/chancery",
		"postgres://app:a@" + password + "@db.acme.com/chancery",
		"postgres://app:a/" + password + "@db.acme.com/chancery",
		"postgres://app:a?" + password + "@db.acme.com/chancery",
		"postgres://db.acme.com/chancery?pass%77ord=" + password,
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			l := must(t, "database: {url: '"+u+"', owner_url: '"+u+"'}", nil, nil)
			effective, err := l.Effective()
			if err != nil {
				t.Fatal(err)
			}
			found, err := l.Explain("database")
			if err != nil {
				t.Fatal(err)
			}
			said := string(effective) + fmt.Sprint(found)
			if strings.Contains(said, password) {
				t.Errorf("the password is shown:\n%s", said)
			}
			if !strings.Contains(said, "redacted") {
				t.Errorf("it is not said that something is hidden:\n%s", said)
			}
		})
	}
	l := must(t, "database: {url: 'sqlite:///var/lib/x.db'}", nil, nil)
	if effective, err := l.Effective(); err != nil || !strings.Contains(string(effective), "url: sqlite:///var/lib/x.db") {
		t.Errorf("%v\n%s", err, effective)
	}
	l = must(t, "database: {url: 'postgres://app@db.acme.com/chancery'}", nil, nil)
	if effective, err := l.Effective(); err != nil || !strings.Contains(string(effective), "app@db.acme.com/chancery") {
		t.Errorf("%v\n%s", err, effective)
	}
}

// TestMistakesShowNoPassword: what is refused is named, and not quoted where it may be secret.
func TestMistakesShowNoPassword(t *testing.T) {
	_, err := load(t, "database: {url: 'mysql://app:hunter2@db/x'}", nil, nil)
	refused(t, err, "database.url")
	if strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
	_, err = load(t, "admin: {token: hunter2}", nil, nil)
	refused(t, err)
	if strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

// TestEffectiveLoadsAgain: what is printed is a configuration, and the same one.
func TestEffectiveLoadsAgain(t *testing.T) {
	l := must(t, "log: {level: warn}\nobjects: [a, b]\ndatabase: {url: {env: DB}}", []string{"CHANCERY_LIMITS__IN_FLIGHT=8"}, map[string]any{"egress.mode": "deny"})
	first, err := l.Effective()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"level: warn # file", "in_flight: 8 # environment", "mode: deny # flag", "format: json\n"} {
		if !strings.Contains(string(first), want) {
			t.Errorf("%q is missing in:\n%s", want, first)
		}
	}
	again := must(t, string(first), nil, nil)
	if fmt.Sprintf("%+v", again.Config) != fmt.Sprintf("%+v", l.Config) {
		t.Errorf("%+v\n%+v", again.Config, l.Config)
	}
}
