package conformance

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// requestCases break the request around a valid assertion.
func requestCases() []Case {
	broken := func(id, title, section string, want expectation, change func(*session, *request)) Case {
		return Case{
			ID: "request." + id, Title: title, Section: section, Severity: Must, Expect: want.String(), Sends: title,
			run: func(ctx context.Context, s *session) Finding {
				return want.judge(title, s.fresh(ctx, func(r *request) { change(s, r) }))
			},
		}
	}
	invalid, client := refusal("invalid_request"), refusal("invalid_client", "invalid_request")
	drop := func(names ...string) func(*session, *request) {
		return func(_ *session, r *request) {
			for _, name := range names {
				r.form.Del(name)
			}
		}
	}
	twice := func(name string) func(*session, *request) {
		return func(_ *session, r *request) { r.form.Add(name, r.form.Get(name)) }
	}
	return []Case{
		broken("assertion_absent", "no assertion", "RFC 7521 §4.1", refusal("invalid_request", "invalid_grant"), drop("assertion")),
		broken("assertion_empty", "an empty assertion", "RFC 6749 §3.2", refusal("invalid_request", "invalid_grant"), func(_ *session, r *request) { r.form.Set("assertion", "") }),
		broken("assertion_twice", "two assertion parameters", "RFC 6749 §3.2", invalid, twice("assertion")),
		broken("grant_type_absent", "no grant_type", "RFC 7521 §4.1", invalid, drop("grant_type")),
		broken("grant_type_twice", "two grant_type parameters", "RFC 6749 §3.2", invalid, twice("grant_type")),
		broken("grant_type_unknown", "a grant type that nobody knows", "RFC 6749 §5.2", refusal("unsupported_grant_type"), func(_ *session, r *request) {
			r.form.Set("grant_type", "urn:example:"+marker())
		}),
		broken("json_body", "a JSON body", "RFC 6749 §3.2, appendix B", refusal("invalid_request", "invalid_client"), func(_ *session, r *request) {
			fields := map[string]string{}
			for name := range r.form {
				fields[name] = r.form.Get(name)
			}
			r.body, _ = json.Marshal(fields) // strings encode
			r.contentType = "application/json"
		}).orAnyRefusal(),
		broken("assertion_in_the_url", "the assertion in the query", "EMA §7", refusal("invalid_request"), func(_ *session, r *request) {
			r.query.Set("assertion", r.form.Get("assertion"))
			r.form.Del("assertion")
		}).orAnyRefusal(),
		broken("get", "a GET with everything in the query but credentials", "RFC 6749 §3.2", refusal("invalid_request"), func(s *session, r *request) {
			for name, values := range r.form {
				if name != "client_secret" && name != "client_assertion" {
					r.query[name] = values
				}
			}
			r.method, r.form = http.MethodGet, url.Values{}
			basicOf(s, r)
		}).orAnyRefusal(),
		broken("client_not_authenticated", "a confidential client without its credentials", "RFC 6749 §3.2.1", client, func(s *session, r *request) {
			anonymous(r)
			r.form.Set("client_id", s.settings.Client.ID)
		}),
		broken("client_absent", "no client at all", "ID-JAG-04 §4.4; EMA §7.7", client, func(_ *session, r *request) { anonymous(r) }).only(IDJAG),
		broken("client_wrong_secret", "a wrong secret", "RFC 6749 §5.2", refusal("invalid_client"), func(s *session, r *request) {
			anonymous(r)
			basic(r, s.settings.Client.ID, marker())
		}),
		broken("client_unknown", "a client that nobody knows", "RFC 6749 §5.2", refusal("invalid_client"), func(_ *session, r *request) {
			anonymous(r)
			basic(r, marker(), marker())
		}),
		broken("client_other_in_the_body", "another client_id beside the credentials", "RFC 6749 §2.3", client, func(s *session, r *request) {
			anonymous(r)
			if s.settings.Client.Auth == PrivateKeyJWT {
				again, err := s.authenticated(s.settings.Client)
				if err == nil {
					r.form.Set("client_assertion", again.form.Get("client_assertion"))
					r.form.Set("client_assertion_type", assertionJWT)
				}
			} else {
				basic(r, s.settings.Client.ID, s.settings.Client.Secret.Reveal())
			}
			r.form.Set("client_id", marker())
		}),
		broken("client_authenticated_twice", "two ways of client authentication", "RFC 6749 §2.3", client, func(s *session, r *request) {
			secret := s.settings.Client.Secret.Reveal()
			if secret == "" {
				secret = marker()
			}
			basic(r, s.settings.Client.ID, secret)
			r.form.Set("client_id", s.settings.Client.ID)
			r.form.Set("client_secret", secret)
		}),
		broken("scope_twice", "two scope parameters", "RFC 6749 §3.2", invalid, func(_ *session, r *request) {
			r.form.Add("scope", r.form.Get("scope"))
		}).needs(needScope),
	}
}

// anonymous takes every credential away.
func anonymous(r *request) {
	r.header.Del("Authorization")
	for _, name := range []string{"client_id", "client_secret", "client_assertion", "client_assertion_type"} {
		r.form.Del(name)
	}
}

// basicOf authenticates by header where the client has a secret.
func basicOf(s *session, r *request) {
	if s.settings.Client.Auth != PrivateKeyJWT {
		basic(r, s.settings.Client.ID, s.settings.Client.Secret.Reveal())
	}
}

func (c Case) only(p Profile) Case {
	c.profile = p
	return c
}

func (c Case) needs(n ...need) Case {
	c.need = append(c.need, n...)
	return c
}

// orAnyRefusal: the standard says that it is wrong, and not with which answer.
func (c Case) orAnyRefusal() Case {
	run := c.run
	c.Expect = "refused"
	c.run = func(ctx context.Context, s *session) Finding {
		f := run(ctx, s)
		if f.Outcome == Failed && (f.Fault == WrongError || f.Fault == NoOAuthError) {
			return pass(f.Sent, f.Got)
		}
		return f
	}
	return c
}
