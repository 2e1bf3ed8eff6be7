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
		"version", "action", "tenant", "grant_type", "issuer", "assertion", "user", "subject", "actor", "workload", "client", "resource",
		"requested", "asserted", "available_scopes", "connection", "network", "time",
		"id", "plan", "name", "preset", "profile", "typ", "iat", "exp", "auth_time", "acr", "amr", "claims",
		"sub", "email", "kind", "guest", "home_tenant", "groups", "group_names", "groups_state", "groups_source",
		"roles", "attributes", "status", "facets", "parent_app", "chain", "depth", "iss", "client_id", "type", "auth_method", "dpop",
		"environment", "scopes", "uri", "risk", "authorization_details", "provider", "account", "narrowing", "ip",
		"unix", "rfc3339", "weekday", "hour",
	} {
		m[k] = ast.StringTerm(k)
	}
	return m
}()

// fields builds one object of input, leaving out what is absent.
type fields struct {
	c     *converter
	only  map[string]bool // members to make; nil is all
	pairs [][2]*ast.Term
}

func (c *converter) fields(n int, only map[string]bool) fields {
	if only != nil {
		n = min(n, len(only))
	}
	return fields{c: c, only: only, pairs: make([][2]*ast.Term, 0, n)}
}

func (f *fields) skip(key string) bool { return f.only != nil && !f.only[key] }

func (f *fields) put(key string, t *ast.Term) {
	f.pairs = append(f.pairs, [2]*ast.Term{keys[key], t})
}

func (f *fields) must(key, s string) {
	if !f.skip(key) {
		f.put(key, f.c.str(s))
	}
}

func (f *fields) str(key, s string) {
	if s != "" && !f.skip(key) {
		f.put(key, f.c.str(s))
	}
}

func (f *fields) strs(key string, list []string) {
	if list != nil && !f.skip(key) {
		f.put(key, f.c.strs(list))
	}
}

func (f *fields) bool(key string, b bool) {
	if !f.skip(key) {
		f.put(key, ast.InternedTerm(b))
	}
}

func (f *fields) int(key string, n int64) {
	if f.skip(key) {
		return
	}
	f.put(key, ast.NumberTerm(json.Number(strconv.FormatInt(n, 10))))
}

func (f *fields) seconds(key string, n int64) {
	if n != 0 {
		f.int(key, n)
	}
}

func (f *fields) object(key string, m map[string]any) {
	if m != nil && !f.skip(key) {
		f.put(key, f.c.object(m, 2))
	}
}

func (f *fields) term() *ast.Term { return ast.ObjectTerm(f.pairs...) }

// Value is the input as OPA evaluates it, built by hand: this is the hot path. It
// fails when a value has no JSON form or the whole is too large or too deep.
func (in *Input) Value() (ast.Value, error) { return in.value(nil) }

// value is the part of input that w says is read.
func (in *Input) value(w wanted) (ast.Value, error) {
	c := &converter{room: MaxInputSize}
	f := c.fields(18, nil)
	f.put("version", ast.InternedTerm(InputVersion))
	f.must("action", string(in.Action))
	if w.has("tenant") {
		tenant := c.fields(2, w["tenant"])
		tenant.must("id", in.Tenant.ID)
		tenant.str("plan", in.Tenant.Plan)
		f.put("tenant", tenant.term())
	}
	f.str("grant_type", in.GrantType)
	if in.Issuer != nil && w.has("issuer") {
		f.put("issuer", in.Issuer.term(c, w["issuer"]))
	}
	if in.Assertion != nil && w.has("assertion") {
		f.put("assertion", in.Assertion.term(c, w["assertion"]))
	}
	if in.User != nil && w.has("user") {
		f.put("user", in.User.term(c, w["user"]))
	}
	if in.Subject != nil && w.has("subject") {
		subject := c.fields(1, w["subject"])
		subject.str("kind", in.Subject.Kind)
		f.put("subject", subject.term())
	}
	if in.Actor != nil && w.has("actor") {
		f.put("actor", in.Actor.term(c, w["actor"]))
	}
	if in.Workload != nil && w.has("workload") {
		workload := c.fields(2, w["workload"])
		workload.must("name", in.Workload.Name)
		workload.str("sub", in.Workload.Sub)
		f.put("workload", workload.term())
	}
	if in.Client != nil && w.has("client") {
		f.put("client", in.Client.term(c, w["client"]))
	}
	if in.Resource != nil && w.has("resource") {
		f.put("resource", in.Resource.term(c, w["resource"]))
	}
	if in.Requested != nil && w.has("requested") {
		f.put("requested", in.Requested.term(c, w["requested"]))
	}
	if in.Asserted != nil && w.has("asserted") {
		asserted := c.fields(1, w["asserted"])
		asserted.strs("scopes", in.Asserted.Scopes)
		f.put("asserted", asserted.term())
	}
	if w.has("available_scopes") {
		f.strs("available_scopes", in.Available)
	}
	if in.Connection != nil && w.has("connection") {
		f.put("connection", in.Connection.term(c, w["connection"]))
	}
	if in.Network != nil && w.has("network") {
		network := c.fields(1, w["network"])
		network.str("ip", in.Network.IP)
		f.put("network", network.term())
	}
	if w.has("time") {
		f.put("time", in.Time.term(c, w["time"]))
	}
	if c.err != nil {
		return nil, fmt.Errorf("policy input: %w", c.err)
	}
	return ast.NewObject(f.pairs...), nil
}

func (i *Issuer) term(c *converter, only map[string]bool) *ast.Term {
	f := c.fields(3, only)
	f.must("id", i.ID)
	f.str("name", i.Name)
	f.str("preset", i.Preset)
	return f.term()
}

func (a *Assertion) term(c *converter, only map[string]bool) *ast.Term {
	f := c.fields(8, only)
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

func (u *User) term(c *converter, only map[string]bool) *ast.Term {
	f := c.fields(13, only)
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

func (a *Actor) term(c *converter, only map[string]bool) *ast.Term {
	f := c.fields(5, only)
	f.str("kind", a.Kind)
	f.strs("facets", a.Facets)
	f.str("parent_app", a.ParentApp)
	if a.Chain != nil && !f.skip("chain") {
		links := make([]*ast.Term, len(a.Chain))
		for i, l := range a.Chain {
			link := c.fields(3, nil)
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

func (cl *Client) term(c *converter, only map[string]bool) *ast.Term {
	f := c.fields(8, only)
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

func (r *Resource) term(c *converter, only map[string]bool) *ast.Term {
	f := c.fields(4, only)
	f.must("name", r.Name)
	f.str("uri", r.URI)
	f.strs("scopes", r.Scopes)
	if r.Risk != nil && !f.skip("risk") {
		f.put("risk", c.stringMap(r.Risk))
	}
	return f.term()
}

func (r *Requested) term(c *converter, only map[string]bool) *ast.Term {
	f := c.fields(2, only)
	f.strs("scopes", r.Scopes)
	if r.AuthorizationDetails != nil && !f.skip("authorization_details") {
		f.put("authorization_details", c.any(r.AuthorizationDetails, 2))
	}
	return f.term()
}

func (cn *Connection) term(c *converter, only map[string]bool) *ast.Term {
	f := c.fields(4, only)
	f.must("provider", cn.Provider)
	f.str("account", cn.Account)
	f.strs("scopes", cn.Scopes)
	f.str("narrowing", cn.Narrowing)
	return f.term()
}

func (t Time) term(c *converter, only map[string]bool) *ast.Term {
	f := c.fields(4, only)
	f.int("unix", t.Unix)
	f.must("rfc3339", t.RFC3339)
	f.must("weekday", t.Weekday)
	f.int("hour", int64(t.Hour))
	return f.term()
}
