package conformance

import (
	"context"
	"crypto/elliptic"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/federation/idptest"
)

// atOnce is how many present one assertion at the same time.
const atOnce = 8

// onceCases present an assertion again. RFC 7523 §3 (7) leaves it to the server
// whether a plain one may come twice; EMA §7.4.2 does not.
func onceCases() []Case {
	const section = "EMA §7.4.2; RFC 7523 §3 (7)"
	plain := map[Profile]Severity{JWTBearer: May}
	want := refusal("invalid_grant")
	replay := func(id, title string, run func(context.Context, *session) Finding) Case {
		return Case{ID: "once." + id, Title: title, Section: section, Severity: Must, Expect: want.String(), Sends: title, severe: plain, run: run}
	}
	return []Case{
		replay("replayed", "an assertion a second time", func(ctx context.Context, s *session) Finding {
			return s.again(ctx, want, "the same assertion twice", nil, nil)
		}),
		replay("replayed_later", "an assertion a second time, after another one", func(ctx context.Context, s *session) Finding {
			between := func() answer { return s.fresh(ctx) }
			return s.again(ctx, want, "an assertion, another one, the first one again", between, nil)
		}),
		replay("jti_reused", "another assertion with the same jti", func(ctx context.Context, s *session) Finding {
			return s.sameJTI(ctx, want, "two assertions with one jti, signed apart", func(d *idptest.Draft) {
				d.Claims["exp"] = s.now().Add(4 * time.Minute).Unix()
			})
		}),
		replay("signature_malleable", "the same assertion with the other ECDSA signature of it", func(ctx context.Context, s *session) Finding {
			return s.again(ctx, want, "an assertion, then the same with (r, n-s) for its signature", nil, malleable)
		}),
		replay("header_changed", "the same claims under another header", func(ctx context.Context, s *session) Finding {
			return s.sameJTI(ctx, want, "the same claims signed twice, the second time with one more header member", func(d *idptest.Draft) {
				d.Header["x-conformance"] = "again"
			})
		}),
		replay("parallel", fmt.Sprintf("one assertion %d times at once", atOnce), parallel),
		{
			ID: "once.other_client", Title: "an assertion presented by another client", Section: "ID-JAG-04 §4.4.1", Severity: Must, Expect: want.String(),
			Sends: "a valid assertion of the client, with the credentials of another", profile: IDJAG, need: []need{needOtherClient},
			run: func(ctx context.Context, s *session) Finding {
				assertion, err := s.assertion()
				if err != nil {
					return Finding{Outcome: Undecided, Got: err.Error()}
				}
				return want.judge("a valid assertion of the client, presented by "+s.settings.OtherClient.ID, s.asOther(ctx, assertion))
			},
		},
		{
			ID: "once.other_client_after_use", Title: "a used assertion presented by another client", Section: section, Severity: Must, Expect: want.String(),
			Sends: "a used assertion, with the credentials of another client", severe: plain, need: []need{needOtherClient},
			run: func(ctx context.Context, s *session) Finding {
				const sent = "an assertion, then the same by another client"
				assertion, err := s.assertion()
				if err != nil {
					return Finding{Outcome: Undecided, Got: err.Error()}
				}
				if first := s.present(ctx, assertion); first.token() == "" {
					return Finding{Outcome: Undecided, Sent: sent, Got: "the first time: " + first.String()}
				}
				return want.judge(sent, s.asOther(ctx, assertion))
			},
		},
	}
}

func (s *session) asOther(ctx context.Context, assertion string) answer {
	r, err := s.authenticated(s.settings.OtherClient)
	if err != nil {
		return answer{err: err}
	}
	s.fill(r, assertion)
	return s.ask(ctx, r)
}

// again presents an assertion twice. The first time must work, or nothing is said.
func (s *session) again(ctx context.Context, want expectation, sent string, between func() answer, change func(string) (string, bool)) Finding {
	assertion, err := s.assertion()
	if err != nil {
		return Finding{Outcome: Undecided, Sent: sent, Got: err.Error()}
	}
	second := assertion
	if change != nil {
		var ok bool
		if second, ok = change(assertion); !ok {
			return Finding{Outcome: NotApplicable, Sent: sent, Got: "the assertions are not signed with ES256"}
		}
	}
	if first := s.present(ctx, assertion); first.token() == "" {
		return Finding{Outcome: Undecided, Sent: sent, Got: "the first time: " + first.String()}
	}
	if between != nil {
		if other := between(); other.token() == "" {
			return Finding{Outcome: Undecided, Sent: sent, Got: "in between: " + other.String()}
		}
	}
	return want.judge(sent, s.present(ctx, second))
}

func (s *session) sameJTI(ctx context.Context, want expectation, sent string, change func(*idptest.Draft)) Finding {
	draft, err := s.draft()
	if err != nil {
		return Finding{Outcome: Undecided, Sent: sent, Got: err.Error()}
	}
	other := copied(draft)
	change(other)
	first, err := draft.Sign()
	if err != nil {
		return Finding{Outcome: Undecided, Sent: sent, Got: err.Error()}
	}
	second, err := other.Sign()
	if err != nil {
		return Finding{Outcome: Undecided, Sent: sent, Got: err.Error()}
	}
	if a := s.present(ctx, first); a.token() == "" {
		return Finding{Outcome: Undecided, Sent: sent, Got: "the first time: " + a.String()}
	}
	return want.judge(sent, s.present(ctx, second))
}

// malleable is the other signature of an ES256 token: (r, n-s) verifies as (r, s)
// does, so that the text of a token says nothing about which one it is.
func malleable(compact string) (string, bool) {
	cut := strings.LastIndexByte(compact, '.')
	signature, err := base64.RawURLEncoding.DecodeString(compact[cut+1:])
	if err != nil || len(signature) != 64 {
		return "", false
	}
	n := elliptic.P256().Params().N
	new(big.Int).Sub(n, new(big.Int).SetBytes(signature[32:])).FillBytes(signature[32:])
	return compact[:cut+1] + base64.RawURLEncoding.EncodeToString(signature), true
}

// parallel sends one assertion at once, over connections of their own, without
// waiting for a turn. Exactly one may become a token.
func parallel(ctx context.Context, s *session) Finding {
	sent := fmt.Sprintf("one assertion in %d requests at once", atOnce)
	assertion, err := s.assertion()
	if err != nil {
		return Finding{Outcome: Undecided, Sent: sent, Got: err.Error()}
	}
	requests := make([]*http.Request, atOnce)
	for i := range requests {
		r, err := s.request(assertion)
		if err != nil {
			return Finding{Outcome: Undecided, Sent: sent, Got: err.Error()}
		}
		if requests[i], err = s.build(ctx, r); err != nil {
			return Finding{Outcome: Undecided, Sent: sent, Got: err.Error()}
		}
	}
	answers := make([]answer, atOnce)
	var all sync.WaitGroup
	for i := range requests {
		all.Go(func() { answers[i] = s.send(requests[i]) })
	}
	all.Wait()
	tokens, silent := 0, 0
	for _, a := range answers {
		switch {
		case a.token() != "":
			tokens++
		case a.err != nil || a.status >= http.StatusInternalServerError || a.status == http.StatusTooManyRequests:
			silent++
		}
	}
	got := fmt.Sprintf("%d tokens, %d refusals, %d without an answer", tokens, atOnce-tokens-silent, silent)
	switch {
	case tokens > 1:
		return fail(Accepted, sent, got)
	case tokens == 0 || silent > 0: // who was not answered was not refused
		return Finding{Outcome: Undecided, Sent: sent, Got: got}
	}
	return pass(sent, got)
}
