package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// repeat says what a request costs that is sent twice.
type repeat int

const (
	harmless repeat = iota // nothing is used up
	windowed               // the provider takes it again for a while
	never                  // it may be used up
)

// presented shows the access token as an agent would.
const presented AuthMethod = "presented"

// request is one call of a provider.
type request struct {
	method string
	url    string // expanded
	params url.Values
	format string // form, json or "" for no body
	body   []byte // instead of params
	auth   AuthMethod
	bearer Secret // with AuthBearer
	repeat repeat
}

// send asks once. It follows no redirect, and reads the answer whole or not at all.
func (p *Provider) send(ctx context.Context, r request) (answer, *Error) {
	if ctx.Err() != nil {
		return answer{}, p.fail(Transient, "canceled before anything was sent")
	}
	// A caller who goes away must not take with it an answer that holds the only successor of a token.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.settings.Timeout)
	defer cancel()
	started := p.now()
	var asked, connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	out, failure := p.compose(ctx, r)
	if failure != nil {
		return answer{}, failure
	}
	response, err := p.settings.Transport.RoundTrip(out)
	if err != nil {
		// Proof that nothing was sent: a connection was looked for, and there was none; or the door says so.
		unsent := asked.Load() && !connected.Load() || p.settings.Unsent != nil && p.settings.Unsent(err)
		if unsent {
			return answer{}, p.fail(Transient, "cannot be reached")
		}
		return answer{}, p.lost(r.repeat, started, 0, "no answer")
	}
	defer response.Body.Close()
	b, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil || len(b) > maxAnswer {
		return answer{}, p.lost(r.repeat, started, response.StatusCode, "an answer cut off, or too long")
	}
	a := answer{status: response.StatusCode, header: response.Header}
	a.read(b)
	return a, p.usable(a, r.repeat, started)
}

// usable refuses answers that say nothing about what was asked.
func (p *Provider) usable(a answer, how repeat, started time.Time) *Error {
	code, _ := p.code(a)
	switch {
	case a.status == http.StatusTooManyRequests, a.status == http.StatusForbidden && a.header.Get("Retry-After") != "":
		return &Error{Provider: p.manifest.Name, Outcome: RateLimited, Status: a.status, RetryAfter: retryAfter(a.header, p.now())}
	case a.status >= 500 && (code == "" || code == "server_error"): // neither says that nothing happened
		failure := p.lost(how, started, a.status, "the provider failed")
		failure.RetryAfter = retryAfter(a.header, p.now())
		return failure
	case a.status == http.StatusOK && a.body == nil && a.list == nil:
		return p.lost(how, started, a.status, "an answer that is not JSON")
	case a.status >= 300 && a.status < 400:
		return &Error{Provider: p.manifest.Name, Outcome: Misconfigured, Status: a.status, Reason: "redirects are not followed; configure the final address"}
	}
	return nil
}

// lost is an answer that did not come, or cannot be read.
func (p *Provider) lost(how repeat, started time.Time, status int, reason string) *Error {
	e := &Error{Provider: p.manifest.Name, Outcome: Unknown, Status: status, Reason: reason}
	switch how {
	case harmless:
		e.Outcome = Transient
	case windowed:
		e.RepeatBefore = started.Add(time.Duration(p.manifest.Refresh.ReuseWindow)).UTC()
	case never:
	}
	return e
}

func (p *Provider) compose(ctx context.Context, r request) (*http.Request, *Error) {
	params := url.Values{}
	maps.Copy(params, r.params)
	header := http.Header{}
	if failure := p.authenticate(r, params, header); failure != nil {
		return nil, failure
	}
	body, contentType := r.body, "application/json"
	switch {
	case body != nil:
	case r.format == "json":
		object := map[string]any{}
		for name := range params {
			object[name] = params.Get(name)
		}
		body, _ = json.Marshal(object) // strings always can
	case r.format == "form":
		body, contentType = []byte(params.Encode()), "application/x-www-form-urlencoded"
	}
	out, err := http.NewRequestWithContext(ctx, r.method, r.url, bytes.NewReader(body))
	if err != nil {
		return nil, p.fail(Misconfigured, "the address is no URL")
	}
	out.Header = header
	if len(body) > 0 {
		header.Set("Content-Type", contentType)
	}
	header.Set("Accept", p.manifest.Accept)
	header.Set("User-Agent", "chancery")
	for name, value := range p.manifest.Headers {
		header.Set(name, value)
	}
	return out, nil
}

// authenticate says who we are.
func (p *Provider) authenticate(r request, params url.Values, header http.Header) *Error {
	s := p.settings
	switch r.auth {
	case AuthBasic: // RFC 6749 §2.3.1: both are form-encoded first
		out := http.Request{Header: header}
		out.SetBasicAuth(url.QueryEscape(s.ClientID), url.QueryEscape(s.ClientSecret.Reveal()))
	case AuthPost:
		params.Set("client_id", s.ClientID)
		params.Set("client_secret", s.ClientSecret.Reveal())
	case AuthKey: // RFC 7523 §2.2
		audience, err := expand(p.manifest.TokenURL, p.config)
		if err != nil {
			return p.fail(Misconfigured, "the address cannot be written")
		}
		assertion, err := p.key.sign(s.KeyID, p.claims(s.ClientID, s.ClientID, audience, defaultAssertion))
		if err != nil {
			return p.fail(Misconfigured, "the private key does not sign")
		}
		params.Set("client_id", s.ClientID)
		params.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		params.Set("client_assertion", assertion)
	case AuthBearer:
		header.Set("Authorization", "Bearer "+r.bearer.Reveal())
	case presented: // as the provider's API wants it
		l := p.Lend(Credential{Access: r.bearer})
		header.Set(l.Header, l.Value().Reveal())
	case AuthNone:
		if len(params) > 0 {
			params.Set("client_id", s.ClientID)
		}
	}
	return nil
}

// address expands one of the manifest's URLs, with values that are ours to put into a path.
func (p *Provider) address(raw string, also map[string]string) (string, *Error) {
	values := map[string]string{}
	maps.Copy(values, p.config)
	maps.Copy(values, also)
	expanded, err := expand(raw, values)
	if err != nil {
		return "", p.fail(Misconfigured, "the address cannot be written")
	}
	return expanded, nil
}

func join(scopes []string, separator string) string { return strings.Join(scopes, separator) }
