package cimd

import (
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/fetch"
)

func (s *Source) fly(t tenant.UID, u URL, e *entry, f *flight, began time.Time) {
	defer close(f.done)
	d, lifetime, failure := s.attempt(u)
	if former := e.former; failure == nil && former != nil { // written by flights only, one after the other
		if diff := difference(former, d); diff.Any() {
			s.changed(Change{Tenant: t, ClientID: u.raw, Difference: diff, Before: former, After: d})
		}
	}
	s.land(e, f, d, lifetime, failure, began)
	s.observe(Event{Tenant: t, ClientID: u.raw, Took: s.now().Sub(began), Err: failure})
}

var errReading = errors.New("reading the document failed")

// attempt fetches and reads a document.
func (s *Source) attempt(u URL) (d *Document, lifetime time.Duration, err error) {
	// It runs in a goroutine of its own on what strangers wrote: a defect in
	// reading it must cost this client its document, not the process.
	defer func() {
		if v := recover(); v != nil {
			d, lifetime, err = nil, 0, oauth.Fail(oauth.CodeInternal, errReading)
		}
	}()
	limit := fetch.Limit{Bytes: MaxBytes, Timeout: fetchTimeout, ContentTypes: fetch.JSON()}
	response, err := s.fetch.Get(s.life, u.raw, s.network(u.raw), limit)
	if err != nil {
		return nil, 0, fetchError(err)
	}
	// Draft §4: application/json or application/<…>+json; other trees hold other
	// things that are JSON.
	if kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")); !strings.HasPrefix(kind, "application/") {
		return nil, 0, refuse(oauth.CodeCIMDContentType, kind, "application/json")
	}
	if d, err = Parse(response.Body, u); err != nil {
		return nil, 0, err
	}
	return d, lifetimeOf(response.Header), nil
}

// fetchError names what fetch says. What is refused because of an address reads
// outside like a host that is away, so that nobody maps a network by asking.
func fetchError(err error) error {
	switch {
	case errors.Is(err, fetch.ErrRefused):
		return unavailable(oauth.CodeCIMDAddressRefused, err)
	case errors.Is(err, fetch.ErrTooLarge):
		return oauth.Fail(oauth.CodeCIMDTooLarge, err)
	case errors.Is(err, fetch.ErrType):
		return oauth.Fail(oauth.CodeCIMDContentType, err)
	case errors.Is(err, fetch.ErrStatus):
		return oauth.Fail(oauth.CodeCIMDStatus, err)
	default:
		return unavailable(oauth.CodeCIMDUnavailable, err)
	}
}

func unavailable(code oauth.Code, cause error) *oauth.Error {
	refusal := oauth.Fail(code, cause)
	refusal.RetryAfter = Cooldown
	return refusal
}

// away tells a host that does not answer, for which a last good document may
// stand, from one that answers something else: that it is gone, moved or spoilt
// counts at once. An address that is refused does too, since a name that was moved
// to it is not the host that we knew.
func away(failure error) bool {
	if errors.Is(failure, fetch.ErrTransport) || errors.Is(failure, fetch.ErrTimeout) {
		return true
	}
	answer, ok := errors.AsType[*fetch.Error](failure)
	if !ok || !errors.Is(answer.Kind, fetch.ErrStatus) {
		return false
	}
	status, err := strconv.Atoi(answer.Reason)
	return err == nil && (status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout)
}

// lifetimeOf reads Cache-Control (RFC 9111 §5.2.2) within our own bounds. What
// must not be stored is stored for the least time: asking for each request would
// be an amplifier.
func lifetimeOf(header http.Header) time.Duration {
	age := DefaultLifetime
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return MinLifetime
		case "max-age":
			seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if err != nil {
				return MinLifetime // RFC 9111 §4.2.1: unreadable is stale
			}
			age = min(max(time.Duration(seconds)*time.Second, MinLifetime), MaxLifetime)
		}
	}
	return age
}
