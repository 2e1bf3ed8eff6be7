package diagnose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// Prober fetches one document and tells what was seen on the way; *fetch.Client does.
type Prober interface {
	Probe(ctx context.Context, rawURL string, n fetch.Network, limit fetch.Limit) (fetch.Response, fetch.Sight, error)
}

// Tester tests connections. Both members are required.
type Tester struct {
	Fetch Prober
	Now   func() time.Time
}

// ErrIncomplete is returned where a check would be empty.
var ErrIncomplete = errors.New("diagnose: a part is missing")

// The checks of a connection, in their order.
const (
	CheckConfiguration = "configuration"
	CheckEgress        = "egress"
	CheckDNS           = "dns"
	CheckTCP           = "tcp"
	CheckProxy         = "proxy"
	CheckTLS           = "tls"
	CheckCertificate   = "certificate"
	CheckDiscovery     = "discovery"
	CheckIssuer        = "issuer"
	CheckKeys          = "keys"
	CheckAlgorithms    = "algorithms"
	CheckClock         = "clock"
)

func networkChecks() []string {
	return []string{CheckEgress, CheckDNS, CheckTCP, CheckProxy, CheckTLS, CheckCertificate}
}

const (
	earlier  = "an earlier check failed"
	noFetch  = "the keys are in the entry: nothing is fetched"
	uriGiven = "jwks.uri is set: the metadata is not asked"
	// maxMetadata bounds a metadata document, as the key cache does.
	maxMetadata = 128 << 10
)

// Connection tests the way to an entry's keys. The error is ErrIncomplete or the
// context's; everything else is a row.
func (t Tester) Connection(ctx context.Context, idp federation.IdentityProvider) (Report, error) {
	if t.Fetch == nil || t.Now == nil {
		return Report{}, ErrIncomplete
	}
	r := Report{IdP: idp.Name, Issuer: idp.Issuer, At: t.Now().UTC()}
	source := idp.Keys
	source.Issuer, source.SVID = idp.Issuer, idp.Dialect.SPIFFE
	t.walk(ctx, &r, &idp, source)
	return r, ctx.Err()
}

func (t Tester) walk(ctx context.Context, r *Report, idp *federation.IdentityProvider, source jwks.Source) {
	afterConfig := slices.Concat(networkChecks(), []string{CheckDiscovery, CheckIssuer, CheckKeys, CheckAlgorithms, CheckClock})

	// 1. What the entry says, before anything leaves.
	if !checkConfiguration(r, idp, source) {
		r.skip(earlier, afterConfig...)
		return
	}
	// 2. Keys in the entry are never fetched.
	if len(source.Inline) > 0 {
		r.skip(noFetch, slices.Concat(networkChecks(), []string{CheckDiscovery, CheckIssuer})...)
		t.inline(r, idp, source)
		r.skip(noFetch, CheckClock)
		return
	}
	// 3. Where the keys are: the entry says it, or the issuer's metadata.
	location, clock, ok := source.URI, clockReading{}, true
	if location == "" {
		location, clock, ok = t.discovery(ctx, r, idp, source)
	}
	if !ok {
		r.skip(earlier, CheckKeys, CheckAlgorithms)
		checkClock(r, idp, clock)
		return
	}
	// 4. The keys.
	keys, read, ok := t.keys(ctx, r, source, location)
	if source.URI != "" {
		clock = read
	}
	if ok {
		checkAlgorithms(r, idp, keys)
	} else {
		r.skip(earlier, CheckAlgorithms)
	}
	// 5. Whether their clock and ours agree.
	checkClock(r, idp, clock)
}

// unusable says what is wrong with what the entry says of its network. Who writes an entry need not know the server's
// files: of a bundle that is named by its path it is not said whether there is one, whether it can be opened, and what it is.
func unusable(n fetch.Network, err error) string {
	bundle := n
	bundle.Proxy = ""
	if n.CABundle != "" && !strings.Contains(n.CABundle, "-----BEGIN") && bundle.Validate() != nil {
		return "network.ca_bundle: no certificates can be read from a file of this path"
	}
	return err.Error()
}

// checkConfiguration refuses what no fetch could mend.
func checkConfiguration(r *Report, idp *federation.IdentityProvider, source jwks.Source) bool {
	if err := source.Network.Validate(); err != nil {
		r.add(Row{Check: CheckConfiguration, Status: Fail, Code: CodeConfigInvalid, Seen: unusable(source.Network, err), Expected: "a bundle and a proxy that can be read by this server", Change: "mend spec.network of the entry"})
		return false
	}
	if len(source.Inline) == 0 && source.URI == "" {
		if _, err := jwks.MetadataURLs(source.Issuer); err != nil {
			r.add(Row{Check: CheckConfiguration, Status: Fail, Code: CodeConfigInvalid, Seen: source.Issuer, Expected: "an https URL without query and fragment", Change: "mend spec.issuer, or set jwks.uri or jwks.inline"})
			return false
		}
	}
	if row, wrong := oktaCustom(idp); wrong {
		r.add(row)
		return true // it can be reached, and its keys are the wrong ones: go on and show them
	}
	row := Row{Check: CheckConfiguration, Status: Pass, Seen: "issuer " + idp.Issuer}
	if idp.Disabled {
		row.Status, row.Notes = Warn, []string{"the entry is disabled: its assertions are refused"}
	}
	if len(idp.Assertions.Profiles) == 0 {
		row.Status, row.Notes = Warn, append(row.Notes, "assertions.profiles is absent: its assertions are refused")
	}
	r.add(row)
	return true
}

// oktaCustom: ID-JAGs are signed by Okta's org server; a custom authorization
// server has other keys and another issuer.
func oktaCustom(idp *federation.IdentityProvider) (Row, bool) {
	org, _, found := strings.Cut(idp.Issuer, "/oauth2/")
	if !found || idp.Preset != "okta" {
		return Row{}, false
	}
	return Row{
		Check: CheckConfiguration, Status: Fail, Code: CodeOktaCustomAS, Seen: idp.Issuer, Expected: org,
		Change: "ID-JAGs come from the org server: remove " + idp.Issuer[len(org):] + " from spec.issuer",
	}, true
}

func (t Tester) inline(r *Report, idp *federation.IdentityProvider, source jwks.Source) {
	left := source.NotAfter.Sub(t.Now())
	if !source.NotAfter.IsZero() && left < 0 {
		r.add(Row{
			Check: CheckKeys, Status: Fail, Code: federation.CodeJWKSStale, Seen: "not_after was " + stamp(source.NotAfter), Expected: "after " + stamp(t.Now()),
			Change: "make a new bundle on the connected side and import it: chancery idp bundle import",
		})
		r.skip(earlier, CheckAlgorithms)
		return
	}
	keys, dropped, err := source.Parse(source.Inline)
	if err != nil {
		r.add(Row{Check: CheckKeys, Status: Fail, Code: CodeKeysFailed, Seen: err.Error(), Expected: "a JWK set with a usable key", Notes: warnings(dropped), Change: "mend jwks.inline of the entry"})
		r.skip(earlier, CheckAlgorithms)
		return
	}
	row := keysRow(keys, dropped)
	if days, soon := Threshold(left); !source.NotAfter.IsZero() && soon {
		row.Status, row.Code = Warn, federation.CodeJWKSStale
		row.Change = fmt.Sprintf("less than %d days are left of jwks.not_after (%s): carry a new bundle", days, stamp(source.NotAfter))
	}
	r.add(row)
	checkAlgorithms(r, idp, keys)
}

// Threshold tells which of the days of warning is reached by what is left: 60, 30,
// 14, 3 or 0.
func Threshold(left time.Duration) (days int, reached bool) {
	for _, days := range []int{0, 3, 14, 30, 60} {
		if left <= time.Duration(days)*24*time.Hour {
			return days, true
		}
	}
	return 0, false
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Taken is the report on a draft whose issuer another entry has: it could not be
// applied, so that nothing else is asked.
func Taken(draft federation.IdentityProvider, holder string, now time.Time) Report {
	r := Report{IdP: draft.Name, Issuer: draft.Issuer, At: now.UTC()}
	r.add(Row{
		Check: CheckConfiguration, Status: Fail, Code: CodeIssuerTaken, Seen: "the entry " + holder + " has this issuer", Expected: "one entry for an issuer",
		Change: "use the entry " + holder + ", or delete it first",
	})
	r.skip(earlier, slices.Concat(networkChecks(), []string{CheckDiscovery, CheckIssuer, CheckKeys, CheckAlgorithms, CheckClock})...)
	return r
}
