package diagnose

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/strict"
)

// clockReading is their Date beside ours: both ends of the exchange.
type clockReading struct {
	theirs        time.Time // zero where they do not say
	before, after time.Time
}

// discovery asks for the metadata as the key cache does, and makes the rows of the
// network from its first place.
func (t Tester) discovery(ctx context.Context, r *Report, idp *federation.IdentityProvider, source jwks.Source) (location string, clock clockReading, ok bool) {
	places, err := jwks.MetadataURLs(source.Issuer)
	if err != nil { // was checked
		r.skip(earlier, CheckDiscovery, CheckIssuer)
		return "", clock, false
	}
	limit := fetch.Limit{Bytes: maxMetadata, ContentTypes: fetch.JSON()}
	var notes []string
	for i, place := range places {
		before := t.Now()
		response, sight, err := t.Fetch.Probe(ctx, place, source.Network, limit)
		if i == 0 {
			clock = clockReading{theirs: sight.Date, before: before, after: t.Now()}
			if !t.network(r, sight, err) {
				r.skip(earlier, CheckDiscovery, CheckIssuer)
				return "", clock, false
			}
		}
		if errors.Is(err, fetch.ErrStatus) || errors.Is(err, fetch.ErrType) { // not a document: the next place
			notes = append(notes, place+": "+answer(sight))
			continue
		}
		if err != nil {
			r.add(Row{Check: CheckDiscovery, Status: Fail, Code: CodeDiscoveryFailed, Seen: err.Error(), Expected: "one JSON document", Change: "ask who runs the IdP", Notes: append(notes, place)})
			r.skip(earlier, CheckIssuer)
			return "", clock, false
		}
		location, ok := readMetadata(r, idp, place, response, sight, notes)
		return location, clock, ok
	}
	r.add(Row{
		Check: CheckDiscovery, Status: Fail, Code: CodeDiscoveryFailed, Seen: "no metadata at either place", Expected: "200 and application/json",
		Change: "compare spec.issuer with the IdP's own page, or set jwks.uri", Notes: notes,
	})
	r.skip(earlier, CheckIssuer)
	return "", clock, false
}

func answer(s fetch.Sight) string {
	text := strconv.Itoa(s.Status) + " " + http.StatusText(s.Status)
	if s.ContentType != "" {
		text += ", " + clip(s.ContentType)
	}
	return text
}

func readMetadata(r *Report, idp *federation.IdentityProvider, place string, response fetch.Response, sight fetch.Sight, notes []string) (location string, ok bool) {
	seen := fmt.Sprintf("%s, %d bytes", answer(sight), sight.Bytes)
	members, err := strict.Object(response.Body, strict.Limits{Bytes: maxMetadata, Reserved: strict.Reserve("issuer", "jwks_uri")})
	if err != nil {
		r.add(Row{Check: CheckDiscovery, Status: Fail, Code: CodeDiscoveryFailed, Seen: seen + "; " + err.Error(), Expected: "one strict JSON object", Change: "ask who runs the IdP, or what stands before it", Notes: append(notes, place)})
		r.skip(earlier, CheckIssuer)
		return "", false
	}
	location, _ = members["jwks_uri"].(string)
	if location == "" {
		r.add(Row{Check: CheckDiscovery, Status: Fail, Code: CodeDiscoveryFailed, Seen: seen + "; jwks_uri is absent", Expected: "a jwks_uri", Change: "set jwks.uri in the entry", Notes: append(notes, place)})
	} else {
		r.pass(CheckDiscovery, seen, "200, application/json, strict JSON", append(notes, place)...)
	}
	// RFC 8414 §3.3, OpenID Connect Discovery 1.0 §4.3: the identical string.
	published, isText := members["issuer"].(string)
	switch {
	case !isText:
		r.add(Row{Check: CheckIssuer, Status: Fail, Code: CodeIssMismatch, Seen: "no issuer is published", Expected: idp.Issuer, Change: "ask who runs the IdP"})
		return "", false
	case published != idp.Issuer:
		r.add(Row{
			Check: CheckIssuer, Status: Fail, Code: CodeIssMismatch, Seen: published, Expected: idp.Issuer,
			Change: "use the second: set spec.issuer to " + clip(published) + ", if that is your IdP", Notes: Difference(idp.Issuer, published),
		})
		return "", false
	}
	r.pass(CheckIssuer, published, idp.Issuer)
	return location, location != ""
}
