// Package config reads the one configuration file, its environment variables and
// flags into a value that has been checked. It is strict: an unknown key is an
// error that names the nearest known one, and a setting whose feature is not
// served is refused instead of ignored. It knows no room that serves, so
// that what a setting means is written where it is used.
package config

import (
	"time"
)

// Profile chooses defaults; it never hides a choice.
type Profile string

// The profiles.
const (
	Dev        Profile = "dev"
	Production Profile = "production"
	Regulated  Profile = "regulated"
)

// Config is the whole configuration. Tags: key is the name in the file, doc explains it.
type Config struct {
	Profile   Profile   `key:"profile" doc:"dev, production or regulated: sets defaults, never hides a choice"`
	Server    Server    `key:"server"`
	Admin     Admin     `key:"admin"`
	Database  Database  `key:"database"`
	Keys      Keys      `key:"keys"`
	DPoP      DPoP      `key:"dpop"`
	Policy    Policy    `key:"policy"`
	Refresh   Refresh   `key:"refresh"`
	Limits    Limits    `key:"limits"`
	Clients   Clients   `key:"clients"`
	Vault     Vault     `key:"vault"`
	Egress    Egress    `key:"egress"`
	Audit     Audit     `key:"audit"`
	Decisions Decisions `key:"decisions"`
	Objects   []string  `key:"objects" doc:"files or folders applied at start, before the listener opens; a bad one stops the start"`
	Log       Log       `key:"log"`
	Telemetry Telemetry `key:"telemetry"`
}

// Server is the public listener.
type Server struct {
	PublicURL      string   `key:"public_url" doc:"the issuer, without a trailing slash; http only for loopback"`
	Listen         string   `key:"listen" doc:"host:port of the public listener"`
	TLS            TLS      `key:"tls"`
	TrustedProxies []string `key:"trusted_proxies" doc:"CIDRs whose X-Forwarded-For counts; none unless listed"`
	CORSOrigins    []string `key:"cors_origins" doc:"exact origins of browser clients that may read the token endpoint's answers"`
}

// TLS names a listener's certificate.
type TLS struct {
	Cert     string `key:"cert" doc:"PEM file of the certificate chain; empty: plain HTTP, behind a proxy or on loopback"`
	Key      string `key:"key" doc:"PEM file of the private key"`
	ClientCA string `key:"client_ca" doc:"PEM file of authorities for client certificates"`
}

// Admin is the admin listener.
type Admin struct {
	Listen    string `key:"listen" doc:"host:port of the admin listener; never the public one"`
	PublicURL string `key:"public_url" doc:"how people reach the admin listener, if not by its address"`
	Token     Ref    `key:"token" doc:"bearer credential of a program, by reference; at least 32 characters; refused in regulated"`
	TokenRole string `key:"token_role" doc:"the role of that credential"`
	// SecretReferences are the secrets that objects applied over the admin API may refer to.
	SecretReferences []string `key:"secret_references" doc:"secrets that objects from outside objects: may refer to as an IdP's client_secret: env:NAME or file:/PATH each, exactly"`
}

// Database is where everything is kept.
type Database struct {
	URL      Text   `key:"url" doc:"sqlite:///path or postgres://…"`
	OwnerURL Text   `key:"owner_url" doc:"postgres://… of the role that owns the schema, for migrations; empty: the same as url"`
	Migrate  string `key:"migrate" doc:"auto: bring the schema up at start; check: refuse to start on an older one"`
}

// Keys are the keys that sign tokens.
type Keys struct {
	Backend     string        `key:"backend" doc:"local: sealed by the keyring"`
	Algorithm   string        `key:"algorithm" doc:"ES256, RS256 or EdDSA: what each tenant signs with unless a resource says otherwise"`
	RotateEvery time.Duration `key:"rotate_every" doc:"how long a key signs before its successor takes over"`
}

// DPoP is how proofs of possession are taken.
type DPoP struct {
	Nonce string `key:"nonce" doc:"none, or required: every DPoP proof needs a fresh nonce of this server"`
}

// Policy bounds evaluation.
type Policy struct {
	Isolation  string        `key:"isolation" doc:"in_process, or process: in children with hard limits, as modules of tenants other than default always are; Linux only"`
	TimeBudget time.Duration `key:"time_budget" doc:"longest evaluation of one request's policies; past it the request is denied"`
	Memory     string        `key:"memory" doc:"most that a child may use to evaluate, such as 256MiB; at least 64MiB"`
	Lint       string        `key:"lint" doc:"advise: what a reader finds in a policy's modules is a warning, but for names that no input has; refuse: its errors refuse the policy"`
	// CoverageFloor is in percent of the lines of a policy's own modules.
	CoverageFloor int `key:"coverage_floor" doc:"least part of a policy's own modules, in percent of their lines, that its tests must evaluate before it is published; 0: none"`
	// MaxFlips counts decisions of the last 7 days, at most the newest 10,000.
	MaxFlips int `key:"max_flips" doc:"how many decisions of the last 7 days policies that change may turn before they are refused; -1: any number"`
}

// Refresh bounds refresh tokens.
type Refresh struct {
	Grace    time.Duration `key:"grace" doc:"how long a used refresh token still answers with its successor"`
	Idle     time.Duration `key:"idle" doc:"longest pause between two uses"`
	Absolute time.Duration `key:"absolute" doc:"longest life of a family of refresh tokens"`
}

// Limits bound what one caller can take.
type Limits struct {
	InFlight   int    `key:"in_flight" doc:"requests served at a time; more are answered 503 with Retry-After"`
	PerClient  string `key:"per_client" doc:"rate for each client that authenticates, such as 100/s, 600/m or 100/s burst 200; empty: none"`
	PerAddress string `key:"per_address" doc:"rate for each network address (IPv6: each /64), written as per_client; empty: none"`
}

// Clients are clients that nobody makes an object of.
type Clients struct {
	Preload string `key:"preload" doc:"folder of client ID metadata documents (*.json) that are never fetched; under egress.mode deny there are no others"`
}

// Vault is what seals secrets at rest.
type Vault struct {
	Backend string       `key:"backend" doc:"keyring: a local file; transit: Vault or OpenBao"`
	Keyring VaultKeyring `key:"keyring"`
	Transit VaultTransit `key:"transit"`
}

// VaultKeyring is the local keyring.
type VaultKeyring struct {
	File string `key:"file" doc:"the keyring, mode 0600; made by init, and by serve in dev"`
}

// Egress is what may leave.
type Egress struct {
	Mode  string   `key:"mode" doc:"allow, or deny: nothing leaves but what is listed"`
	Allow []string `key:"allow" doc:"hosts and CIDRs that may be reached under deny"`
}

// Audit is the audit log.
type Audit struct {
	CheckpointEvery time.Duration `key:"checkpoint_every" doc:"time between signed checkpoints"`
	Retain          string        `key:"retain" doc:"how long event bodies are kept; empty: for ever"`
	Sinks           []string      `key:"sinks" doc:"names of AuditSink objects"`
}

// Decisions are recorded policy evaluations.
type Decisions struct {
	Retain time.Duration `key:"retain" doc:"how long recorded inputs and results are kept"`
	Redact []string      `key:"redact" doc:"paths of input that are masked even where a policy reads them; with ! before it, one that is recorded in the clear"`
}

// Log is the process's log.
type Log struct {
	Level  string `key:"level" doc:"debug, info, warn or error"`
	Format string `key:"format" doc:"json or text"`
}

// Telemetry is what the process says about itself.
type Telemetry struct {
	OTLPEndpoint string  `key:"otlp_endpoint" doc:"URL of the OpenTelemetry collector that traces go to (OTLP over HTTP); empty: nowhere"`
	OTLPHeaders  Ref     `key:"otlp_headers" doc:"header for the collector, one Name: value a line, by reference"`
	OTLPCABundle string  `key:"otlp_ca_bundle" doc:"PEM file of the authorities that the collector's certificate may have; empty: the system's"`
	SampleRatio  float64 `key:"sample_ratio" doc:"part of the requests that are traced, above 0 and at most 1"`
	Metrics      bool    `key:"metrics" doc:"serve /metrics on the admin listener"`
}

// defaults are the values before file, environment and flags.
func defaults(p Profile) map[string]any {
	d := map[string]any{
		"profile":                     string(p),
		"server.public_url":           "http://127.0.0.1:8080",
		"server.listen":               "127.0.0.1:8080",
		"admin.listen":                "127.0.0.1:8081",
		"admin.token_role":            "owner",
		"database.url":                "sqlite:///var/lib/chancery/chancery.db",
		"database.migrate":            "auto",
		"keys.backend":                "local",
		"keys.algorithm":              "ES256",
		"keys.rotate_every":           "720h",
		"dpop.nonce":                  "none",
		"policy.isolation":            "in_process",
		"policy.time_budget":          "50ms",
		"policy.memory":               "256MiB",
		"policy.coverage_floor":       0,
		"policy.max_flips":            -1,
		"policy.lint":                 LintAdvise,
		"refresh.grace":               "10s",
		"refresh.idle":                "720h",
		"refresh.absolute":            "2160h",
		"limits.in_flight":            1024,
		"vault.backend":               "keyring",
		"vault.keyring.file":          "/var/lib/chancery/keyring",
		"vault.transit.mount":         "transit",
		"vault.transit.key":           "chancery",
		"vault.transit.timeout":       "1500ms",
		"vault.transit.auth.method":   "token",
		"vault.transit.cache.keys":    0,
		"vault.transit.cache.for":     "0s",
		"vault.transit.auth.jwt_file": "/var/run/secrets/kubernetes.io/serviceaccount/token",
		"egress.mode":                 "allow",
		"audit.checkpoint_every":      "10s",
		"decisions.retain":            "720h",
		"log.level":                   "info",
		"log.format":                  "json",
		"telemetry.sample_ratio":      0.1,
		"telemetry.metrics":           true,
	}
	if p != Dev {
		d["database.migrate"] = "check"
	}
	if p == Regulated {
		d["policy.isolation"] = "process"
		d["policy.lint"] = LintRefuse
		d["egress.mode"] = "deny"
	}
	return d
}
