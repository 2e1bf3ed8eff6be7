package diagnose

import (
	"slices"
	"time"

	"github.com/chancery-dev/chancery/federation"
)

// Status is how a check ended.
type Status string

// The statuses. Skipped is neither good nor bad: the check was not made, and Seen
// says why.
const (
	Pass    Status = "pass"
	Warn    Status = "warn"
	Fail    Status = "fail"
	Skipped Status = "skipped"
)

// Codes of what is wrong with a connection; each is a row of the catalogue.
const (
	CodeConfigInvalid       federation.Code = "idp_config_invalid"
	CodeEgressRefused       federation.Code = "egress_refused"
	CodeDNSFailed           federation.Code = "dns_failed"
	CodeConnectFailed       federation.Code = "connect_failed"
	CodeProxy407            federation.Code = "proxy_407"
	CodeProxyFailed         federation.Code = "proxy_failed"
	CodeTLSUnknownCA        federation.Code = "tls_unknown_ca"
	CodeTLSFailed           federation.Code = "tls_failed"
	CodeCertExpired         federation.Code = "cert_expired"
	CodeCertExpiring        federation.Code = "cert_expiring"
	CodeDiscoveryFailed     federation.Code = "discovery_failed"
	CodeIssMismatch         federation.Code = "iss_mismatch"
	CodeOktaCustomAS        federation.Code = "okta_custom_as"
	CodeIssuerTaken         federation.Code = "issuer_taken"
	CodeKeysFailed          federation.Code = "keys_failed"
	CodeKeyDropped          federation.Code = "key_dropped"
	CodeAlgorithmsDisjoint  federation.Code = "algorithms_disjoint"
	CodeAlgorithmsUncovered federation.Code = "algorithms_uncovered"
)

// Codes lists them.
func Codes() []federation.Code {
	return []federation.Code{
		CodeConfigInvalid, CodeEgressRefused, CodeDNSFailed, CodeConnectFailed, CodeProxy407, CodeProxyFailed,
		CodeTLSUnknownCA, CodeTLSFailed, CodeCertExpired, CodeCertExpiring, CodeDiscoveryFailed, CodeIssMismatch,
		CodeOktaCustomAS, CodeIssuerTaken, CodeKeysFailed, CodeKeyDropped, federation.CodeJWKSStale, CodeAlgorithmsDisjoint, CodeAlgorithmsUncovered,
		CodeMetadataPending,
	}
}

// Row is one check.
type Row struct {
	Check    string          `json:"check"`
	Status   Status          `json:"status"`
	Code     federation.Code `json:"code,omitempty"`
	Seen     string          `json:"seen,omitempty"`
	Expected string          `json:"expected,omitempty"`
	Change   string          `json:"change,omitempty"` // what to do about it
	Notes    []string        `json:"notes,omitempty"`  // further lines: a difference, a chain, the keys
}

// Report is what a test came to.
type Report struct {
	IdP    string    `json:"idp"`
	Issuer string    `json:"issuer"`
	At     time.Time `json:"at"`
	Rows   []Row     `json:"checks"`
	// Give is what to enter at the IdP, where people sign in through it.
	Give []Given `json:"give,omitempty"`
}

// Passed tells whether no check failed. One that was skipped did not pass, but
// there is always one that failed before it.
func (r Report) Passed() bool {
	return !slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Status == Fail })
}

// Row finds a check by its name.
func (r Report) Row(check string) (Row, bool) {
	i := slices.IndexFunc(r.Rows, func(row Row) bool { return row.Check == check })
	if i < 0 {
		return Row{}, false
	}
	return r.Rows[i], true
}

func (r *Report) pass(check, seen, expected string, notes ...string) {
	r.Rows = append(r.Rows, Row{Check: check, Status: Pass, Seen: clip(seen), Expected: clip(expected), Notes: notes})
}

func (r *Report) add(row Row) {
	row.Seen, row.Expected = clip(row.Seen), clip(row.Expected)
	r.Rows = append(r.Rows, row)
}

// skip names checks that were not made, and why.
func (r *Report) skip(why string, checks ...string) {
	for _, check := range checks {
		r.Rows = append(r.Rows, Row{Check: check, Status: Skipped, Seen: why})
	}
}

func clip(s string) string { return federation.Clip(s) }
