package client

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// TestByRule: a rule leads to one client of its tenant that is in use; all else looks unknown.
func TestByRule(t *testing.T) {
	for name, c := range map[string]struct {
		change func(b *bench, c *Client)
		tenant tenant.UID
		asked  string
		code   oauth.Code
	}{
		"good":                 {},
		"expires later":        {change: func(_ *bench, c *Client) { c.ExpiresAt = now.Add(time.Second) }},
		"disabled":             {change: func(_ *bench, c *Client) { c.Disabled = true }, code: oauth.CodeClientAuthenticationFailed},
		"expired":              {change: func(_ *bench, c *Client) { c.ExpiresAt = now }, code: oauth.CodeClientAuthenticationFailed},
		"unknown":              {asked: "nobody", code: oauth.CodeClientAuthenticationFailed},
		"no name":              {asked: "-", code: oauth.CodeClientAuthenticationFailed},
		"another tenant's":     {tenant: globex, code: oauth.CodeClientAuthenticationFailed},
		"no tenant":            {tenant: tenant.UID{}, asked: "no tenant", code: oauth.CodeInternal},
		"the registry is gone": {change: func(b *bench, _ *Client) { b.registry.err = errors.New("reset") }, code: oauth.CodeTenantUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			client := b.registry.clients["workload"]
			if c.change != nil {
				c.change(b, client)
			}
			asked, owner := "workload", acme
			switch c.asked {
			case "-":
				asked = ""
			case "no tenant":
				owner = tenant.UID{}
			case "":
			default:
				asked = c.asked
			}
			if !c.tenant.IsZero() {
				owner = c.tenant
			}
			auth, err := b.ByRule(t.Context(), owner, asked, nil)
			if c.code != "" {
				refused(t, err, c.code)
				if auth.Client() != nil || auth.Proved() {
					t.Errorf("a refusal with %v", auth.Client())
				}
				return
			}
			if err != nil || auth.Client() != client || auth.Method() != MethodWorkload || !auth.Proved() || auth.Redemption() != nil {
				t.Errorf("%+v, %v", auth, err)
			}
		})
	}
}

// folding is a registry that finds more than was asked for.
type folding struct{ registry }

func (f folding) Named(ctx context.Context, t tenant.UID, _ string) (*Client, error) {
	return f.registry.Named(ctx, t, "workload")
}

func TestByRuleIsExact(t *testing.T) {
	b := newBench(t)
	a, err := NewAuthenticator(folding{b.registry}, b.keys, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.ByRule(t.Context(), acme, "Workload", nil)
	refused(t, err, oauth.CodeClientAuthenticationFailed)
}

// TestWorkloadShowsNothing: a client that only rules lead to cannot authenticate, whatever is left in its registration.
func TestWorkloadShowsNothing(t *testing.T) {
	b := newBench(t)
	for name, change := range map[string]func(r *Request){
		"its name":       func(r *Request) { r.ClientID = "workload" },
		"a secret":       func(r *Request) { r.ClientID, r.ClientSecret = "workload", b.secrets["basic"] },
		"a secret, head": func(r *Request) { r.Authorization = []string{basic("workload", b.secrets["basic"])} },
		"an assertion": func(r *Request) {
			r.Assertion, r.AssertionType = validAssertion("workload").sign(t), oauth.AssertionTypeJWT
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := request()
			change(&r)
			_, err := b.Authenticate(t.Context(), r)
			refused(t, err, oauth.CodeClientAuthenticationFailed)
		})
	}
}
