package diagnose_test

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/diagnose"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/idptest"
)

func allChecks() []string {
	return []string{
		diagnose.CheckConfiguration, diagnose.CheckEgress, diagnose.CheckDNS, diagnose.CheckTCP, diagnose.CheckProxy, diagnose.CheckTLS, diagnose.CheckCertificate,
		diagnose.CheckDiscovery, diagnose.CheckIssuer, diagnose.CheckKeys, diagnose.CheckAlgorithms, diagnose.CheckClock,
	}
}

func TestNothingIsWrong(t *testing.T) {
	s := newSite(t, nil)
	report := s.test()
	if !report.Passed() {
		t.Fatal(lines(report))
	}
	for _, check := range []string{
		diagnose.CheckConfiguration, diagnose.CheckEgress, diagnose.CheckTCP, diagnose.CheckTLS, diagnose.CheckCertificate,
		diagnose.CheckDiscovery, diagnose.CheckIssuer, diagnose.CheckKeys, diagnose.CheckAlgorithms, diagnose.CheckClock,
	} {
		row(t, report, check, diagnose.Pass, "")
	}
	keys := row(t, report, diagnose.CheckKeys, diagnose.Pass, "")
	if !strings.Contains(strings.Join(keys.Notes, " "), "key-1  ES256") {
		t.Errorf("keys: %v", keys.Notes)
	}
}

// Every fault: one thing is broken, and one row says so. Each check has exactly one row, in the same order.
func TestOneFaultOneRow(t *testing.T) {
	past := func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
	}
	tests := map[string]struct {
		leaf     func(*x509.Certificate)
		fault    func(*testing.T, *site)
		check    string
		status   diagnose.Status
		code     federation.Code
		contains []string // in what is seen, expected, to be changed, or noted
	}{
		"bundle is no bundle": {nil, func(_ *testing.T, s *site) { s.entry.Keys.Network.CABundle = "/nowhere/ca.pem" }, diagnose.CheckConfiguration, diagnose.Fail, diagnose.CodeConfigInvalid, []string{"ca_bundle"}},
		"issuer is no URL":    {nil, func(_ *testing.T, s *site) { s.entry.Issuer = "spiffe://acme" }, diagnose.CheckConfiguration, diagnose.Fail, diagnose.CodeConfigInvalid, []string{"jwks.inline"}},
		"Okta's custom server": {nil, func(_ *testing.T, s *site) {
			s.entry.Preset, s.entry.Issuer = "okta", s.entry.Issuer+"/oauth2/default"
		}, diagnose.CheckConfiguration, diagnose.Fail, diagnose.CodeOktaCustomAS, []string{"org server", "remove /oauth2/default"}},
		"egress is denied":       {nil, func(_ *testing.T, s *site) { s.egress = fetch.Policy{Mode: "deny"} }, diagnose.CheckEgress, diagnose.Fail, diagnose.CodeEgressRefused, []string{"egress.allow"}},
		"a private address":      {nil, func(_ *testing.T, s *site) { s.entry.Keys.Network.AllowPrivateAddresses = false }, diagnose.CheckEgress, diagnose.Fail, diagnose.CodeEgressRefused, []string{"allow_private_addresses"}},
		"a name that is nowhere": {nil, func(_ *testing.T, s *site) { s.entry.Issuer = "https://idp.invalid" }, diagnose.CheckDNS, diagnose.Fail, diagnose.CodeDNSFailed, nil},
		"nobody listens":         {nil, func(_ *testing.T, s *site) { s.server.Close() }, diagnose.CheckTCP, diagnose.Fail, diagnose.CodeConnectFailed, []string{"refused"}},
		"a proxy that wants a password": {nil, func(t *testing.T, s *site) {
			s.entry.Keys.Network.Proxy = proxy(t, http.StatusProxyAuthRequired)
		}, diagnose.CheckProxy, diagnose.Fail, diagnose.CodeProxy407, []string{"USER:PASSWORD"}},
		"a proxy that forbids": {nil, func(t *testing.T, s *site) { s.entry.Keys.Network.Proxy = proxy(t, http.StatusForbidden) }, diagnose.CheckProxy, diagnose.Fail, diagnose.CodeProxyFailed, []string{"403"}},
		"another authority": {nil, func(t *testing.T, s *site) {
			s.entry.Keys.Network.CABundle = newAuthority(t, "Other Root").pem()
		}, diagnose.CheckTLS, diagnose.Fail, diagnose.CodeTLSUnknownCA, []string{"CN=Acme Root,O=Acme", "ca_bundle"}},
		"a certificate that ended":           {past, nil, diagnose.CheckTLS, diagnose.Fail, diagnose.CodeCertExpired, []string{"CN=idp.acme.test", time.Now().Add(-24 * time.Hour).UTC().Format(time.DateOnly)}},
		"a certificate of another host":      {func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"other.test"} }, nil, diagnose.CheckTLS, diagnose.Fail, diagnose.CodeTLSFailed, []string{"other.test"}},
		"a certificate that ends in 10 days": {func(c *x509.Certificate) { c.NotAfter = time.Now().Add(10 * 24 * time.Hour) }, nil, diagnose.CheckCertificate, diagnose.Warn, diagnose.CodeCertExpiring, []string{"more than 14 days"}},
		"a certificate that ends in 2 days":  {func(c *x509.Certificate) { c.NotAfter = time.Now().Add(2 * 24 * time.Hour) }, nil, diagnose.CheckCertificate, diagnose.Warn, diagnose.CodeCertExpiring, []string{"more than 3 days"}},
		"a certificate that ends in 50 days": {func(c *x509.Certificate) { c.NotAfter = time.Now().Add(50 * 24 * time.Hour) }, nil, diagnose.CheckCertificate, diagnose.Warn, diagnose.CodeCertExpiring, []string{"more than 60 days"}},
		"discovery is down":                  {nil, func(_ *testing.T, s *site) { s.idp.Fail(idptest.PathDiscovery, idptest.FaultDown) }, diagnose.CheckDiscovery, diagnose.Fail, diagnose.CodeDiscoveryFailed, []string{"503"}},
		"discovery is a page":                {nil, func(_ *testing.T, s *site) { s.idp.Fail(idptest.PathDiscovery, idptest.FaultHTML) }, diagnose.CheckDiscovery, diagnose.Fail, diagnose.CodeDiscoveryFailed, []string{"text/html"}},
		"discovery is huge":                  {nil, func(_ *testing.T, s *site) { s.idp.Fail(idptest.PathDiscovery, idptest.FaultHuge) }, diagnose.CheckDiscovery, diagnose.Fail, diagnose.CodeDiscoveryFailed, []string{"131072 bytes"}},
		"discovery redirects":                {nil, func(_ *testing.T, s *site) { s.idp.Fail(idptest.PathDiscovery, idptest.FaultRedirect) }, diagnose.CheckDiscovery, diagnose.Fail, diagnose.CodeDiscoveryFailed, []string{"302"}},
		"discovery is broken JSON":           {nil, func(_ *testing.T, s *site) { s.idp.Fail(idptest.PathDiscovery, idptest.FaultGarbage) }, diagnose.CheckDiscovery, diagnose.Fail, diagnose.CodeDiscoveryFailed, nil},
		"discovery says issuer twice": {nil, func(_ *testing.T, s *site) {
			s.serve = answer("application/json", `{"issuer":"a","issuer":"b","jwks_uri":"https://a/keys"}`)
		}, diagnose.CheckDiscovery, diagnose.Fail, diagnose.CodeDiscoveryFailed, nil},
		"no jwks_uri": {nil, func(_ *testing.T, s *site) {
			s.serve = answer("application/json", fmt.Sprintf(`{"issuer":%q}`, s.server.URL))
		}, diagnose.CheckDiscovery, diagnose.Fail, diagnose.CodeDiscoveryFailed, []string{"jwks_uri"}},
		"the issuer ends in a slash": {nil, func(_ *testing.T, s *site) {
			s.serve = answer("application/json", fmt.Sprintf(`{"issuer":%q,"jwks_uri":"https://a/keys"}`, s.server.URL+"/"))
		}, diagnose.CheckIssuer, diagnose.Fail, diagnose.CodeIssMismatch, []string{"use the second", "ends in a slash", "^"}},
		"ours ends in a slash": {nil, func(_ *testing.T, s *site) { s.entry.Issuer += "/" }, diagnose.CheckIssuer, diagnose.Fail, diagnose.CodeIssMismatch, []string{"the configured one ends in a slash"}},
		"the issuer's case": {nil, func(_ *testing.T, s *site) {
			s.entry.Issuer += "/Realm"
			s.serve = answer("application/json", fmt.Sprintf(`{"issuer":%q,"jwks_uri":"https://a/keys"}`, s.server.URL+"/realm"))
		}, diagnose.CheckIssuer, diagnose.Fail, diagnose.CodeIssMismatch, []string{"upper and lower case"}},
		"the issuer's path": {nil, func(_ *testing.T, s *site) {
			s.serve = answer("application/json", fmt.Sprintf(`{"issuer":%q,"jwks_uri":"https://a/keys"}`, s.server.URL+"/v2.0"))
		}, diagnose.CheckIssuer, diagnose.Fail, diagnose.CodeIssMismatch, []string{`goes on with "/v2.0"`}},
		"the issuer's port": {nil, func(_ *testing.T, s *site) {
			s.serve = answer("application/json", `{"issuer":"https://127.0.0.1","jwks_uri":"https://a/keys"}`)
		}, diagnose.CheckIssuer, diagnose.Fail, diagnose.CodeIssMismatch, []string{"the published one ends here"}},
		"the issuer's host": {nil, func(_ *testing.T, s *site) {
			s.serve = answer("application/json", `{"issuer":"https://idp.acme.test","jwks_uri":"https://a/keys"}`)
		}, diagnose.CheckIssuer, diagnose.Fail, diagnose.CodeIssMismatch, []string{"the hosts differ"}},
		"the issuer is a number": {nil, func(_ *testing.T, s *site) {
			s.serve = answer("application/json", `{"issuer":7,"jwks_uri":"https://a/keys"}`)
		}, diagnose.CheckIssuer, diagnose.Fail, diagnose.CodeIssMismatch, nil},
		"keys are down":     {nil, func(_ *testing.T, s *site) { s.idp.Fail(idptest.PathKeys, idptest.FaultDown) }, diagnose.CheckKeys, diagnose.Fail, diagnose.CodeKeysFailed, []string{"503"}},
		"no keys":           {nil, func(_ *testing.T, s *site) { s.idp.Fail(idptest.PathKeys, idptest.FaultEmpty) }, diagnose.CheckKeys, diagnose.Fail, diagnose.CodeKeysFailed, []string{"no usable key"}},
		"keys are too many": {nil, func(_ *testing.T, s *site) { s.idp.Fail(idptest.PathKeys, idptest.FaultHuge) }, diagnose.CheckKeys, diagnose.Fail, diagnose.CodeKeysFailed, []string{"262144"}},
		"keys are broken":   {nil, func(_ *testing.T, s *site) { s.idp.Fail(idptest.PathKeys, idptest.FaultGarbage) }, diagnose.CheckKeys, diagnose.Fail, diagnose.CodeKeysFailed, nil},
		"keys elsewhere, where nobody is": {nil, func(_ *testing.T, s *site) {
			s.serve = answer("application/json", fmt.Sprintf(`{"issuer":%q,"jwks_uri":"https://keys.invalid/"}`, s.server.URL))
		}, diagnose.CheckKeys, diagnose.Fail, diagnose.CodeDNSFailed, []string{"dns failed", "keys.invalid"}},
		"a private key is published": {nil, func(t *testing.T, s *site) { s.serve = withKeys(t, s, `{"kty":"EC","kid":"leaked","d":"AA"}`) }, diagnose.CheckKeys, diagnose.Warn, diagnose.CodeKeyDropped, []string{"leaked", "private members"}},
		"a kid twice": {nil, func(t *testing.T, s *site) {
			s.serve = withKeys(t, s, `{"kty":"EC","kid":"twin"},{"kty":"EC","kid":"twin"}`)
		}, diagnose.CheckKeys, diagnose.Warn, diagnose.CodeKeyDropped, []string{"twin"}},
		"algorithms of nobody":       {nil, func(_ *testing.T, s *site) { s.entry.Assertions.Algorithms = []string{"RS256"} }, diagnose.CheckAlgorithms, diagnose.Fail, diagnose.CodeAlgorithmsDisjoint, []string{"ES256", "RS256"}},
		"a key of another algorithm": {nil, func(t *testing.T, s *site) { s.serve = withKeys(t, s, rsaKey(t)) }, diagnose.CheckAlgorithms, diagnose.Warn, diagnose.CodeAlgorithmsUncovered, []string{"rsa-1"}},
		"our clock is behind": {nil, func(_ *testing.T, s *site) {
			s.now = func() time.Time { return time.Now().Add(-2 * time.Minute) }
		}, diagnose.CheckClock, diagnose.Fail, federation.CodeClockSkew, []string{"apart", "at most 30s"}},
		"our clock is ahead": {nil, func(_ *testing.T, s *site) {
			s.now = func() time.Time { return time.Now().Add(2 * time.Minute) }
		}, diagnose.CheckClock, diagnose.Fail, federation.CodeClockSkew, []string{"apart"}},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, c.leaf)
			if c.fault != nil {
				c.fault(t, s)
			}
			report := s.test()
			got := row(t, report, c.check, c.status, c.code)
			said := strings.Join(append([]string{got.Seen, got.Expected, got.Change}, got.Notes...), "\n")
			for _, text := range c.contains {
				if !strings.Contains(said, text) {
					t.Errorf("%q is missing in\n%s", text, said)
				}
			}
			if c.status == diagnose.Fail == report.Passed() {
				t.Error("the report as a whole says otherwise")
			}
			var made []string
			for _, r := range report.Rows {
				made = append(made, r.Check)
				if c.status == diagnose.Fail && r.Status == diagnose.Fail && r.Check != c.check && c.check != diagnose.CheckConfiguration && r.Check != diagnose.CheckIssuer {
					t.Errorf("%s failed too: %s", r.Check, r.Seen)
				}
			}
			if !slices.Equal(made, allChecks()) {
				t.Errorf("checks %v", made)
			}
		})
	}
}

// What was not looked at did not pass.
// What an IdP says at length is cut: a report is for people.
func TestLongTextIsCut(t *testing.T) {
	long := strings.Repeat("x", 40_000)
	for name, body := range map[string]string{
		"jwks_uri": `{"issuer":"ISSUER","jwks_uri":"https://keys.invalid/` + long + `"}`,
		"issuer":   `{"issuer":"https://` + long + `","jwks_uri":"https://keys.invalid/"}`,
		"members":  `{"issuer":"ISSUER","jwks_uri":"https://keys.invalid/","` + long + `":1,"` + long + `":2}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			s.serve = answer("application/json", strings.ReplaceAll(body, "ISSUER", s.server.URL))
			report := s.test()
			text, err := json.Marshal(report)
			if err != nil || len(text) > 12<<10 || report.Passed() {
				t.Errorf("%d bytes, %v, passed %v", len(text), err, report.Passed())
			}
		})
	}
}

func TestWhatComesAfterAFailureIsSkipped(t *testing.T) {
	s := newSite(t, nil)
	s.server.Close()
	report := s.test()
	for _, check := range allChecks()[4:] {
		row(t, report, check, diagnose.Skipped, "")
	}
}

func TestKeysOfTheEntry(t *testing.T) {
	s := newSite(t, nil)
	s.entry.Keys.Inline = s.idp.Keys()
	report := s.test()
	row(t, report, diagnose.CheckKeys, diagnose.Pass, "")
	row(t, report, diagnose.CheckTCP, diagnose.Skipped, "")
	if s.idp.AllRequests() != 0 {
		t.Error("something was fetched")
	}
	s.entry.Keys.NotAfter = time.Now().Add(13 * 24 * time.Hour)
	soon := row(t, s.test(), diagnose.CheckKeys, diagnose.Warn, federation.CodeJWKSStale)
	if !strings.Contains(soon.Change, "14 days") {
		t.Error(soon.Change)
	}
	s.entry.Keys.NotAfter = time.Now().Add(-time.Second)
	row(t, s.test(), diagnose.CheckKeys, diagnose.Fail, federation.CodeJWKSStale)
	row(t, s.test(), diagnose.CheckAlgorithms, diagnose.Skipped, "")
}

func TestURIOfTheEntry(t *testing.T) {
	s := newSite(t, nil)
	s.entry.Keys.URI = s.idp.KeysURI()
	report := s.test()
	row(t, report, diagnose.CheckTLS, diagnose.Pass, "")
	row(t, report, diagnose.CheckDiscovery, diagnose.Skipped, "")
	row(t, report, diagnose.CheckKeys, diagnose.Pass, "")
	row(t, report, diagnose.CheckClock, diagnose.Pass, "")
	if s.idp.Requests(idptest.PathDiscovery) != 0 {
		t.Error("the metadata was asked")
	}
}

func TestDisabledIsSaid(t *testing.T) {
	s := newSite(t, nil)
	s.entry.Disabled, s.entry.Assertions.Profiles = true, nil
	if got := row(t, s.test(), diagnose.CheckConfiguration, diagnose.Warn, ""); len(got.Notes) != 2 {
		t.Error(got.Notes)
	}
}

func TestIncomplete(t *testing.T) {
	if _, err := (diagnose.Tester{Now: time.Now}).Connection(t.Context(), federation.IdentityProvider{}); !errors.Is(err, diagnose.ErrIncomplete) {
		t.Error(err)
	}
}

// proxy answers every CONNECT with a status.
func proxy(t *testing.T, status int) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	t.Cleanup(server.Close)
	return server.URL
}

// withKeys serves the IdP with further keys in its set.
func withKeys(t *testing.T, s *site, more string) http.Handler {
	t.Helper()
	set := strings.Replace(string(s.idp.Keys()), `]`, `,`+more+`]`, 1)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == idptest.PathKeys {
			answer("application/json", set)(w, r)
			return
		}
		s.idp.ServeHTTP(w, r)
	})
}

func rsaKey(t *testing.T) string {
	t.Helper()
	other, err := idptest.New(idptest.Options{Issuer: "https://other.test", Algorithm: "RS256"})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(string(other.Keys())), `{"keys":[`), `]}`), `"key-1"`, `"rsa-1"`, 1)
}
