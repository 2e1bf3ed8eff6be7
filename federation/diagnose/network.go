package diagnose

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation/fetch"
)

// network makes the rows from the egress rule to the certificate, of what one
// probe saw. It is false where the way ended before an answer.
func (t Tester) network(r *Report, sight fetch.Sight, err error) bool {
	failed := t.failure(sight, err)
	for _, check := range networkChecks() {
		if failed.Check == check {
			r.add(failed)
			checks := networkChecks()
			r.skip(earlier, checks[slices.Index(checks, check)+1:]...)
			return false
		}
		r.add(t.reached(check, sight))
	}
	return true
}

// reached is the row of a check that the way has passed.
func (t Tester) reached(check string, s fetch.Sight) Row {
	row := Row{Check: check, Status: Pass}
	switch check {
	case CheckEgress:
		row.Seen = "the rules let it pass"
	case CheckDNS:
		row.Seen = strings.Join(s.Addresses, " ")
		if len(s.Addresses) == 0 {
			row.Status, row.Seen = Skipped, "the host is an address"
		}
	case CheckTCP:
		row.Seen = "connected to " + s.Remote
	case CheckProxy:
		row.Seen = s.Proxy + " lets it pass"
		if s.Proxy == "" {
			row.Status, row.Seen = Skipped, "the entry has no proxy"
		}
	case CheckTLS:
		row.Seen, row.Notes = tls.VersionName(s.TLSVersion), chain(s.Chain)
		if len(s.Chain) == 0 {
			row.Status, row.Seen = Skipped, "plain http, on loopback"
		}
	case CheckCertificate:
		return t.certificate(s)
	}
	return row
}

// certificate warns before the one that ends first ends.
func (t Tester) certificate(s fetch.Sight) Row {
	row := Row{Check: CheckCertificate, Status: Pass}
	if len(s.Chain) == 0 {
		row.Status, row.Seen = Skipped, "plain http, on loopback"
		return row
	}
	first := s.Chain[0]
	for _, c := range s.Chain[1:] {
		if c.NotAfter.Before(first.NotAfter) {
			first = c
		}
	}
	row.Seen = fmt.Sprintf("%s ends at %s", subject(first), stamp(first.NotAfter))
	if days, soon := Threshold(first.NotAfter.Sub(t.Now())); soon {
		row.Status, row.Code = Warn, CodeCertExpiring
		row.Expected, row.Change = fmt.Sprintf("more than %d days", days), "who runs the IdP must renew it before then"
	}
	return row
}

// failure is the row of the check at which the way ended; zero where it came to an
// answer.
func (t Tester) failure(s fetch.Sight, err error) Row {
	if err == nil || s.Failed == fetch.StageAnswer && s.ProxyStatus != 407 {
		return Row{}
	}
	reason, change := err.Error(), ""
	if e, ok := errors.AsType[*fetch.Error](err); ok {
		change = e.Change
	}
	row := Row{Status: Fail, Seen: reason, Change: change}
	switch s.Failed {
	case fetch.StageConfig:
		row.Check, row.Code, row.Expected = CheckEgress, CodeConfigInvalid, "a bundle and a proxy that can be read"
	case fetch.StageRule:
		row.Check, row.Code, row.Expected = CheckEgress, CodeEgressRefused, "an address that may be reached"
		if row.Change == "" {
			row.Change = "nothing lets this address pass: the IdP must be reachable at another"
		}
	case fetch.StageDNS:
		row.Check, row.Code, row.Expected = CheckDNS, CodeDNSFailed, "an address for the name"
		row.Change = "check the name in spec.issuer, and the resolver of this server"
	case fetch.StageConnect:
		row.Check, row.Code, row.Expected = CheckTCP, CodeConnectFailed, "somebody who accepts the connection"
		row.Change = "check firewalls between this server and the IdP, and whether a proxy is needed (spec.network.proxy)"
	case fetch.StageProxy:
		row.Check, row.Code, row.Expected = CheckProxy, CodeProxyFailed, "200 to CONNECT"
		row.Seen = fmt.Sprintf("%s answered %d", s.Proxy, s.ProxyStatus)
		if s.ProxyStatus == 0 {
			row.Seen = s.Proxy + ": " + reason
		}
		row.Change = "ask who runs the proxy to let this server through to the IdP"
		if s.ProxyStatus == 407 {
			row.Code, row.Change = CodeProxy407, "the proxy wants a user and a password: put them into spec.network.proxy (http://USER:PASSWORD@HOST:PORT)"
		}
	case fetch.StageTLS:
		return t.tlsFailure(s, err)
	case fetch.StageAnswer:
	}
	return row
}

// tlsFailure finds whose certificate it is that does not hold.
func (t Tester) tlsFailure(s fetch.Sight, err error) Row {
	row := Row{Check: CheckTLS, Status: Fail, Code: CodeTLSFailed, Seen: err.Error(), Expected: "a certificate chain that this server trusts", Notes: chain(s.Chain)}
	now := t.Now()
	for _, c := range s.Chain {
		if now.After(c.NotAfter) || now.Before(c.NotBefore) {
			row.Code, row.Seen = CodeCertExpired, fmt.Sprintf("%s is good from %s to %s", subject(c), stamp(c.NotBefore), stamp(c.NotAfter))
			row.Expected, row.Change = "valid at "+stamp(now), "who runs the IdP must renew it; check this server's clock too"
			return row
		}
	}
	if len(s.Chain) > 0 && strings.Contains(err.Error(), "unknown authority") {
		last := s.Chain[len(s.Chain)-1]
		row.Code, row.Seen = CodeTLSUnknownCA, subject(last)+", issued by "+name(last.Issuer.String())
		row.Change = "put the certificate of that authority into spec.network.ca_bundle"
		return row
	}
	if len(s.Chain) > 0 && strings.Contains(err.Error(), "not valid for this host") {
		row.Seen = subject(s.Chain[0]) + " is for " + strings.Join(s.Chain[0].DNSNames, " ")
		row.Change = "check the host in spec.issuer; else who runs the IdP must put the name into the certificate"
	}
	return row
}

func chain(certificates []*x509.Certificate) []string {
	var lines []string
	for _, c := range certificates {
		lines = append(lines, fmt.Sprintf("%s, issued by %s, %s to %s", subject(c), name(c.Issuer.String()), c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly)))
	}
	return lines
}

func subject(c *x509.Certificate) string { return name(c.Subject.String()) }

func name(dn string) string {
	if dn == "" {
		return "(no subject)"
	}
	return clip(dn)
}
