package client

import (
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/limit"
	"github.com/chancery-dev/chancery/broker/oauth"
)

func limited(t *testing.T, b *bench) *Limited {
	t.Helper()
	budget, err := limit.New[Key](limit.Rate{Count: 3, Per: time.Minute, Burst: 3}, 10, func() time.Time { return b.now })
	if err != nil {
		t.Fatal(err)
	}
	l, err := Limit(b.Authenticator, budget)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (b *bench) with(id, secret string) Request {
	r := request()
	r.Authorization = []string{basic(id, secret)}
	return r
}

func TestLimited(t *testing.T) {
	b := newBench(t)
	l := limited(t, b)
	good := b.with("basic", b.secrets["basic"])
	for range 3 {
		if auth, err := l.Authenticate(t.Context(), good); err != nil || !auth.Proved() {
			t.Fatal(err)
		}
	}
	auth, err := l.Authenticate(t.Context(), good)
	refusal := refusalOf(t, err, oauth.CodeClientRateExceeded)
	if auth.Client() == nil || auth.Client().Name != "basic" {
		t.Error("the record does not know who it was")
	}
	if refusal.RetryAfter <= 0 || refusal.RetryAfter > 20*time.Second || refusal.TriedBasic {
		t.Errorf("refusal %+v", refusal)
	}
	if wire := refusal.Wire(issuer, "trc_1"); wire.Status != 429 || wire.Error != "temporarily_unavailable" {
		t.Errorf("on the wire %+v", wire)
	}
	if _, err := l.Authenticate(t.Context(), b.with("post", b.secrets["post"])); err != nil { // another client has a budget of its own
		t.Error(err)
	}
	b.now = b.now.Add(refusal.RetryAfter)
	if _, err := l.Authenticate(t.Context(), good); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}

// A limit is no way to lock a client out: who does not prove to be the client does not spend its budget.
func TestNamesSpendNoBudget(t *testing.T) {
	b := newBench(t)
	l := limited(t, b)
	assertion := validAssertion("jwt")
	assertion.key = other
	for range 20 {
		for name, r := range map[string]Request{
			"a wrong secret":  b.with("basic", "wrong"),
			"a name alone":    {Tenant: acme, Issuer: issuer, TokenEndpoint: tokenEndpoint, ClientID: "basic"},
			"another's key":   assertion.request(t),
			"another method":  b.with("jwt", "wrong"),
			"another tenant":  {Tenant: globex, Issuer: issuer, TokenEndpoint: tokenEndpoint, Authorization: []string{basic("basic", b.secrets["basic"])}},
			"an unknown name": b.with("nobody", "wrong"),
		} {
			_, err := l.Authenticate(t.Context(), r)
			if refusal := refusalOf(t, err, oauth.CodeClientAuthenticationFailed); refusal.RetryAfter != 0 {
				t.Fatalf("%s: %+v", name, refusal)
			}
		}
	}
	// A public client's name proves nothing either: there is no budget that a name could spend.
	for range 20 {
		r := request()
		r.ClientID = "public"
		if _, err := l.Authenticate(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []Request{b.with("basic", b.secrets["basic"]), validAssertion("jwt").request(t)} {
		if _, err := l.Authenticate(t.Context(), r); err != nil {
			t.Errorf("the owner is locked out: %v", err)
		}
	}
}

func TestLimitNeedsItsParts(t *testing.T) {
	b := newBench(t)
	if _, err := Limit(nil, &limit.Limiter[Key]{}); err == nil {
		t.Error("without an authenticator")
	}
	if _, err := Limit(b.Authenticator, nil); err == nil {
		t.Error("without a budget")
	}
}

// The tokens of a workload spend the budget of the client that they lead to.
func TestRulesSpendTheBudget(t *testing.T) {
	b := newBench(t)
	l := limited(t, b)
	for range 3 {
		if auth, err := l.ByRule(t.Context(), acme, "workload", nil); err != nil || auth.Method() != MethodWorkload {
			t.Fatal(err)
		}
	}
	auth, err := l.ByRule(t.Context(), acme, "workload", nil)
	if refusal := refusalOf(t, err, oauth.CodeClientRateExceeded); refusal.RetryAfter <= 0 || auth.Client() == nil {
		t.Errorf("refusal %+v of %v", refusal, auth.Client())
	}
	_, err = l.ByRule(t.Context(), acme, "nobody", nil)
	refused(t, err, oauth.CodeClientAuthenticationFailed)
}

// A request that is decided again has one place in the budget, and another request has another.
func TestSpentOnce(t *testing.T) {
	b := newBench(t)
	l := limited(t, b)
	for range 3 {
		once := &Spent{}
		for range 4 {
			r := b.with("basic", b.secrets["basic"])
			r.Spent = once
			if _, err := l.Authenticate(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
	}
	once := &Spent{}
	for range 2 { // a refusal has not spent
		r := b.with("basic", b.secrets["basic"])
		r.Spent = once
		_, err := l.Authenticate(t.Context(), r)
		refused(t, err, oauth.CodeClientRateExceeded)
	}
	// What was spent of one client's budget is nothing in another's.
	if auth, err := l.ByRule(t.Context(), acme, "workload", once); err != nil || auth.Client() == nil {
		t.Fatal(err)
	}
	for range 4 {
		if _, err := l.ByRule(t.Context(), acme, "workload", once); err != nil {
			t.Fatal(err)
		}
	}
}
