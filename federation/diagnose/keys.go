package diagnose

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// keys fetches the key set. Where the metadata was not asked, this is the way on
// which the rows of the network are made.
func (t Tester) keys(ctx context.Context, r *Report, source jwks.Source, location string) (jwks.Set, clockReading, bool) {
	before := t.Now()
	response, sight, err := t.Fetch.Probe(ctx, location, source.Network, fetch.Limit{Bytes: jwks.MaxBytes})
	clock := clockReading{theirs: sight.Date, before: before, after: t.Now()}
	if source.URI != "" {
		passed := t.network(r, sight, err)
		r.skip(uriGiven, CheckDiscovery, CheckIssuer)
		if !passed {
			r.skip(earlier, CheckKeys)
			return nil, clock, false
		}
	}
	if failed := t.failure(sight, err); failed.Check != "" { // its own host: the row of the network says why
		failed.Notes = append([]string{clip(location), failed.Check + " failed"}, failed.Notes...)
		failed.Check = CheckKeys
		r.add(failed)
		return nil, clock, false
	}
	if err != nil {
		r.add(Row{Check: CheckKeys, Status: Fail, Code: CodeKeysFailed, Seen: err.Error(), Expected: "200 and a JWK set", Change: "ask who runs the IdP", Notes: []string{clip(location)}})
		return nil, clock, false
	}
	keys, dropped, err := source.Parse(response.Body)
	if err != nil {
		r.add(Row{
			Check: CheckKeys, Status: Fail, Code: CodeKeysFailed, Seen: err.Error(), Expected: "a JWK set with a usable key",
			Change: "ask who runs the IdP", Notes: append([]string{clip(location)}, warnings(dropped)...),
		})
		return nil, clock, false
	}
	row := keysRow(keys, dropped)
	row.Notes = append([]string{clip(location)}, row.Notes...)
	r.add(row)
	return keys, clock, true
}

func keysRow(keys jwks.Set, dropped []jwks.Warning) Row {
	row := Row{Check: CheckKeys, Status: Pass, Seen: fmt.Sprintf("usable keys: %d", len(keys)), Expected: "at least one"}
	for _, key := range keys {
		row.Notes = append(row.Notes, KeyLine(key))
	}
	if len(dropped) > 0 {
		row.Status, row.Code = Warn, CodeKeyDropped
		row.Seen += fmt.Sprintf(", dropped: %d", len(dropped))
		row.Change = "who runs the IdP must mend the keys that are dropped; they verify nothing"
		row.Notes = append(row.Notes, warnings(dropped)...)
	}
	return row
}

// KeyLine names a key for people: kid, what it may sign with, thumbprint.
func KeyLine(key jwks.Key) string {
	kid := key.ID
	if kid == "" {
		kid = "(no kid)"
	}
	return fmt.Sprintf("%s  %s  %s", kid, strings.Join(Algorithms(key), "/"), key.Thumbprint)
}

func warnings(dropped []jwks.Warning) []string {
	lines := make([]string, len(dropped))
	for i, w := range dropped {
		lines[i] = w.String()
	}
	return lines
}

// Algorithms are those that a key may be used with: its own, or all that fit it.
func Algorithms(key jwks.Key) []string {
	if key.Algorithm != "" {
		return []string{key.Algorithm}
	}
	var fitting []string
	for _, algorithm := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"} {
		if jwks.Fits(algorithm, key.Public) {
			fitting = append(fitting, algorithm)
		}
	}
	return fitting
}

// checkAlgorithms: an entry whose algorithms no key has refuses every assertion.
func checkAlgorithms(r *Report, idp *federation.IdentityProvider, keys jwks.Set) {
	var offered, common []string
	for _, key := range keys {
		for _, algorithm := range Algorithms(key) {
			if !slices.Contains(offered, algorithm) {
				offered = append(offered, algorithm)
			}
			if slices.Contains(idp.Assertions.Algorithms, algorithm) && !slices.Contains(common, algorithm) {
				common = append(common, algorithm)
			}
		}
	}
	seen, expected := "keys for "+strings.Join(offered, " "), "one of "+strings.Join(idp.Assertions.Algorithms, " ")
	if len(common) == 0 {
		r.add(Row{Check: CheckAlgorithms, Status: Fail, Code: CodeAlgorithmsDisjoint, Seen: seen, Expected: expected, Change: "put the algorithm that the IdP signs with into assertions.algorithms"})
		return
	}
	var outside []string
	for _, key := range keys {
		if !slices.ContainsFunc(Algorithms(key), func(a string) bool { return slices.Contains(idp.Assertions.Algorithms, a) }) {
			outside = append(outside, KeyLine(key))
		}
	}
	if len(outside) > 0 {
		r.add(Row{
			Check: CheckAlgorithms, Status: Warn, Code: CodeAlgorithmsUncovered, Seen: seen, Expected: expected,
			Change: "if the IdP signs assertions with these keys, put their algorithm into assertions.algorithms", Notes: outside,
		})
		return
	}
	r.pass(CheckAlgorithms, seen, expected)
}

// checkClock compares their Date (RFC 9110 §6.6.1, whole seconds) with our clock
// during the exchange. What the entry forgives is the bound: beyond it, assertions
// that are fresh are refused.
func checkClock(r *Report, idp *federation.IdentityProvider, c clockReading) {
	if c.theirs.IsZero() {
		r.skip("no answer with a Date header", CheckClock)
		return
	}
	allowed := min(max(idp.Assertions.ClockSkew, 0), federation.MaxClockSkew)
	var skew time.Duration // how far they are ahead, at least
	switch {
	case c.theirs.After(c.after):
		skew = c.theirs.Sub(c.after)
	case c.theirs.Add(time.Second).Before(c.before):
		skew = c.theirs.Add(time.Second).Sub(c.before)
	}
	seen := fmt.Sprintf("their clock %s, ours %s: %s apart", stamp(c.theirs), stamp(c.after), skew.Abs().Round(time.Second))
	expected := "at most " + allowed.String()
	if skew.Abs() > allowed {
		r.add(Row{
			Check: CheckClock, Status: Fail, Code: federation.CodeClockSkew, Seen: seen, Expected: expected,
			Change: "set the clock that is wrong by NTP; raising assertions.clock_skew helps for at most 60s",
		})
		return
	}
	r.pass(CheckClock, seen, expected)
}
