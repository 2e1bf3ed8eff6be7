package saml

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/fetch"
)

// Getter is the outbound door.
type Getter interface {
	Get(ctx context.Context, rawURL string, n fetch.Network, limit fetch.Limit) (fetch.Response, error)
}

// FetchMetadata gets metadata from a URL and reads it.
func (v *Verifier) FetchMetadata(ctx context.Context, get Getter, location string, n fetch.Network, expected Expected) (Metadata, error) {
	if v.Now == nil {
		return Metadata{}, ErrIncomplete
	}
	answer, err := get.Get(ctx, location, n, fetch.Limit{Bytes: MaxBytes})
	if err != nil {
		return Metadata{}, fmt.Errorf("fetch metadata: %w", err)
	}
	return ParseMetadata(answer.Body, expected, v.Now())
}

// Change is one difference between what is configured and what an IdP says now.
type Change struct {
	Field  string // entity_id, certificates, sign_on, logout, wants_signed
	Before string
	After  string
	// Trust tells that the change would let somebody else speak, or send people
	// elsewhere: it waits for a person, however the metadata came (T31).
	Trust bool
}

// Refresh is what an IdP says now, beside what is configured. It changes nothing.
type Refresh struct {
	Metadata Metadata
	Changes  []Change
}

// NeedsApproval tells whether a person must look before it is taken over.
func (r Refresh) NeedsApproval() bool {
	return slices.ContainsFunc(r.Changes, func(c Change) bool { return c.Trust })
}

// Refresh fetches metadata again. An IdP that has another entity ID now is another
// IdP.
func (v *Verifier) Refresh(ctx context.Context, get Getter, location string, n fetch.Network, current Metadata, signers []*x509.Certificate) (Refresh, error) {
	next, err := v.FetchMetadata(ctx, get, location, n, Expected{EntityID: current.EntityID, Signers: signers, Loopback: n.AllowPrivateAddresses})
	if err != nil {
		return Refresh{}, err
	}
	return Refresh{Metadata: next, Changes: Diff(current, next)}, nil
}

// Diff says what changed. A certificate that goes takes something away and needs
// nobody; one that comes, and an endpoint that moves, do.
func Diff(current, next Metadata) []Change {
	var changes []Change
	note := func(field, before, after string, trust bool) {
		if before != after {
			changes = append(changes, Change{Field: field, Before: before, After: after, Trust: trust})
		}
	}
	note("entity_id", current.EntityID, next.EntityID, true)
	before, after := prints(current.Certificates), prints(next.Certificates)
	added := slices.ContainsFunc(after, func(s string) bool { return !slices.Contains(before, s) })
	note("certificates", joined(before), joined(after), added)
	note("sign_on", places(current.SignOn), places(next.SignOn), true)
	note("logout", places(current.Logout), places(next.Logout), true)
	note("wants_signed", fmt.Sprint(current.WantsSigned), fmt.Sprint(next.WantsSigned), false)
	return changes
}

func prints(certificates []*x509.Certificate) []string {
	list := make([]string, 0, len(certificates))
	for _, certificate := range certificates {
		list = append(list, Fingerprint(certificate))
	}
	slices.Sort(list)
	return list
}

func places(endpoints []Endpoint) string {
	list := make([]string, 0, len(endpoints))
	for _, e := range endpoints {
		list = append(list, strings.TrimSpace(e.Binding+" "+e.Location+" "+e.ResponseLocation))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// Expiry is a certificate that ends soon, or has ended.
type Expiry struct {
	Fingerprint string
	Subject     string
	NotAfter    time.Time
	Days        int // the mark that was passed: 60, 30, 14, 3, or 0 for one that has ended
}

// Marks are the days before its end at which a certificate is spoken of.
func Marks() []int { return []int{60, 30, 14, 3} }

// Expiries lists the certificates that have passed a mark, the most urgent mark of
// each. That another one stays valid does not silence it: the IdP may be signing
// with this one.
func Expiries(certificates []*x509.Certificate, now time.Time) []Expiry {
	var list []Expiry
	for _, certificate := range certificates {
		left := certificate.NotAfter.Sub(now)
		mark := -1
		for _, days := range Marks() {
			if left <= time.Duration(days)*24*time.Hour {
				mark = days
			}
		}
		if left <= 0 {
			mark = 0
		}
		if mark >= 0 {
			list = append(list, Expiry{Fingerprint(certificate), federation.Clip(certificate.Subject.String()), certificate.NotAfter, mark})
		}
	}
	return list
}
