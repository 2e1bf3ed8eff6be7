package policy

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Keys of input, made once: OPA terms are immutable.
var keys = func() map[string]*ast.Term {
	m := map[string]*ast.Term{}
	for _, k := range []string{
		"version", "action", "tenant", "grant_type", "issuer", "assertion", "user", "actor", "client", "resource",
		"requested", "asserted", "available_scopes", "connection", "network", "time",
		"id", "plan", "name", "preset", "profile", "typ", "iat", "exp", "auth_time", "acr", "amr", "claims",
		"sub", "email", "kind", "guest", "home_tenant", "groups", "group_names", "groups_state", "groups_source",
		"roles", "attributes", "status", "chain", "depth", "iss", "client_id", "type", "auth_method", "dpop",
		"environment", "scopes", "uri", "risk", "authorization_details", "provider", "account", "ip",
		"unix", "rfc3339", "weekday", "hour",
	} {
		m[k] = ast.StringTerm(k)
	}
	return m
}()

// fields builds one object of input, leaving out what is absent.
type fields struct {
	c     *converter
	pairs [][2]*ast.Term
}

func (c *converter) fields(n int) fields {
	return fields{c: c, pairs: make([][2]*ast.Term, 0, n)}
}

func (f *fields) put(key string, t *ast.Term) {
	f.pairs = append(f.pairs, [2]*ast.Term{keys[key], t})
}

func (f *fields) must(key, s string) { f.put(key, f.c.str(s)) }

func (f *fields) str(key, s string) {
	if s != "" {
		f.put(key, f.c.str(s))
	}
}

func (f *fields) strs(key string, list []string) {
	if list != nil {
		f.put(key, f.c.strs(list))
	}
}

func (f *fields) bool(key string, b bool) { f.put(key, ast.InternedTerm(b)) }

func (f *fields) int(key string, n int64) {
	f.put(key, ast.NumberTerm(json.Number(strconv.FormatInt(n, 10))))
}

func (f *fields) seconds(key string, n int64) {
	if n != 0 {
		f.int(key, n)
	}
}

func (f *fields) object(key string, m map[string]any) {
	if m != nil {
		f.put(key, f.c.object(m, 2))
	}
}

func (f *fields) term() *ast.Term { return ast.ObjectTerm(f.pairs...) }

// Value is the input as OPA evaluates it, built by hand: this is the hot path. It
// fails when a value has no JSON form or the whole is too large or too deep.
func (in *Input) Value() (ast.Value, error) {
	c := &converter{room: MaxInputSize}
	f := c.fields(16)
	f.put("version", ast.InternedTerm(InputVersion))
	f.must("action", string(in.Action))

	tenant := c.fields(2)
	tenant.must("id", in.Tenant.ID)
	tenant.str("plan", in.Tenant.Plan)
	f.put("tenant", tenant.term())

	f.str("grant_type", in.GrantType)
	if in.Issuer != nil {
		f.put("issuer", in.Issuer.term(c))
	}
	if in.Assertion != nil {
		f.put("assertion", in.Assertion.term(c))
	}
	if in.User != nil {
		f.put("user", in.User.term(c))
	}
	if in.Actor != nil {
		f.put("actor", in.Actor.term(c))
	}
	if in.Client != nil {
		f.put("client", in.Client.term(c))
	}
	if in.Resource != nil {
		f.put("resource", in.Resource.term(c))
	}
	if in.Requested != nil {
		f.put("requested", in.Requested.term(c))
	}
	if in.Asserted != nil {
		asserted := c.fields(1)
		asserted.strs("scopes", in.Asserted.Scopes)
		f.put("asserted", asserted.term())
	}
	f.strs("available_scopes", in.Available)
	if in.Connection != nil {
		f.put("connection", in.Connection.term(c))
	}
	if in.Network != nil {
		network := c.fields(1)
		network.str("ip", in.Network.IP)
		f.put("network", network.term())
	}
	f.put("time", in.Time.term(c))
	if c.err != nil {
		return nil, fmt.Errorf("policy input: %w", c.err)
	}
	return ast.NewObject(f.pairs...), nil
}

func (i *Issuer) term(c *converter) *ast.Term {
	f := c.fields(3)
	f.must("id", i.ID)
	f.str("name", i.Name)
	f.str("preset", i.Preset)
	return f.term()
}

func (a *Assertion) term(c *converter) *ast.Term {
	f := c.fields(8)
	f.str("profile", a.Profile)
	f.str("typ", a.Type)
	f.seconds("iat", a.IssuedAt)
	f.seconds("exp", a.ExpiresAt)
	f.seconds("auth_time", a.AuthTime)
	f.str("acr", a.ACR)
	f.strs("amr", a.AMR)
	f.object("claims", a.Claims)
	return f.term()
}

func (u *User) term(c *converter) *ast.Term {
	f := c.fields(13)
	f.must("id", u.ID)
	f.str("sub", u.Sub)
	f.str("email", u.Email)
	f.str("kind", u.Kind)
	f.bool("guest", u.Guest)
	f.str("home_tenant", u.HomeTenant)
	f.strs("groups", u.Groups)
	f.strs("group_names", u.GroupNames)
	f.str("groups_state", string(u.GroupsState))
	f.str("groups_source", u.GroupsSource)
	f.strs("roles", u.Roles)
	f.object("attributes", u.Attributes)
	f.str("status", u.Status)
	return f.term()
}

func (a *Actor) term(c *converter) *ast.Term {
	f := c.fields(3)
	f.str("kind", a.Kind)
	if a.Chain != nil {
		links := make([]*ast.Term, len(a.Chain))
		for i, l := range a.Chain {
			link := c.fields(3)
			link.must("sub", l.Sub)
			link.str("iss", l.Issuer)
			link.str("client_id", l.ClientID)
			links[i] = link.term()
		}
		f.put("chain", ast.ArrayTerm(links...))
	}
	f.int("depth", int64(a.Depth))
	return f.term()
}

func (cl *Client) term(c *converter) *ast.Term {
	f := c.fields(8)
	f.must("id", cl.ID)
	f.str("name", cl.Name)
	f.str("type", cl.Type)
	f.str("auth_method", cl.AuthMethod)
	f.bool("dpop", cl.DPoP)
	f.str("plan", cl.Plan)
	f.str("environment", cl.Environment)
	f.strs("scopes", cl.Scopes)
	return f.term()
}

func (r *Resource) term(c *converter) *ast.Term {
	f := c.fields(4)
	f.must("name", r.Name)
	f.str("uri", r.URI)
	f.strs("scopes", r.Scopes)
	if r.Risk != nil {
		f.put("risk", c.stringMap(r.Risk))
	}
	return f.term()
}

func (r *Requested) term(c *converter) *ast.Term {
	f := c.fields(2)
	f.strs("scopes", r.Scopes)
	if r.AuthorizationDetails != nil {
		f.put("authorization_details", c.any(r.AuthorizationDetails, 2))
	}
	return f.term()
}

func (cn *Connection) term(c *converter) *ast.Term {
	f := c.fields(3)
	f.must("provider", cn.Provider)
	f.str("account", cn.Account)
	f.strs("scopes", cn.Scopes)
	return f.term()
}

func (t Time) term(c *converter) *ast.Term {
	f := c.fields(4)
	f.int("unix", t.Unix)
	f.must("rfc3339", t.RFC3339)
	f.must("weekday", t.Weekday)
	f.int("hour", int64(t.Hour))
	return f.term()
}
