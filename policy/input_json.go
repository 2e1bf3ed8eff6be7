package policy

import (
	"fmt"
	"strconv"
)

// JSON is the input as it is recorded: the same content that Value gives to policy,
// within the same limits. It is written by hand, member by member in the order of
// the struct's tags, because it is made for every request.
func (in *Input) JSON() ([]byte, error) {
	w := &writer{c: converter{room: MaxInputSize}, out: make([]byte, 0, 2048)}
	w.open()
	w.int("version", InputVersion)
	w.must("action", string(in.Action))
	w.begin("tenant")
	w.must("id", in.Tenant.ID)
	w.str("plan", in.Tenant.Plan)
	w.shut()
	w.str("grant_type", in.GrantType)
	if in.Issuer != nil {
		w.begin("issuer")
		w.must("id", in.Issuer.ID)
		w.str("name", in.Issuer.Name)
		w.str("preset", in.Issuer.Preset)
		w.shut()
	}
	w.assertion(in.Assertion)
	w.user(in.User)
	if in.Subject != nil {
		w.begin("subject")
		w.str("kind", in.Subject.Kind)
		w.shut()
	}
	w.actor(in.Actor)
	if in.Workload != nil {
		w.begin("workload")
		w.must("name", in.Workload.Name)
		w.str("sub", in.Workload.Sub)
		w.shut()
	}
	w.client(in.Client)
	w.resource(in.Resource)
	if in.Requested != nil {
		w.begin("requested")
		w.strs("scopes", in.Requested.Scopes)
		w.details("authorization_details", in.Requested.AuthorizationDetails)
		w.shut()
	}
	if in.Asserted != nil {
		w.begin("asserted")
		w.strs("scopes", in.Asserted.Scopes)
		w.shut()
	}
	w.strs("available_scopes", in.Available)
	if in.Connection != nil {
		w.begin("connection")
		w.must("provider", in.Connection.Provider)
		w.str("account", in.Connection.Account)
		w.strs("scopes", in.Connection.Scopes)
		w.str("narrowing", in.Connection.Narrowing)
		w.shut()
	}
	if in.Network != nil {
		w.begin("network")
		w.str("ip", in.Network.IP)
		w.shut()
	}
	w.begin("time")
	w.int("unix", in.Time.Unix)
	w.must("rfc3339", in.Time.RFC3339)
	w.must("weekday", in.Time.Weekday)
	w.int("hour", int64(in.Time.Hour))
	w.shut()
	w.shut()
	if w.c.err != nil {
		return nil, fmt.Errorf("policy input: %w", w.c.err)
	}
	return w.out, nil
}

// writer writes JSON objects whose names need no escape. Its converter holds the limits and the first error.
type writer struct {
	c    converter
	out  []byte
	more bool // a member precedes the next one
}

func (w *writer) open() {
	w.out = append(w.out, '{')
	w.more = false
}

func (w *writer) shut() {
	w.out = append(w.out, '}')
	w.more = true
}

func (w *writer) name(name string) {
	if w.more {
		w.out = append(w.out, ',')
	}
	w.more = true
	w.out = append(w.out, '"')
	w.out = append(w.out, name...)
	w.out = append(w.out, '"', ':')
}

func (w *writer) begin(name string) {
	w.name(name)
	w.open()
}

func (w *writer) must(name, s string) {
	w.name(name)
	w.quote(s)
}

func (w *writer) str(name, s string) {
	if s != "" {
		w.must(name, s)
	}
}

func (w *writer) bool(name string, b bool) {
	w.name(name)
	w.out = strconv.AppendBool(w.out, b)
}

func (w *writer) int(name string, n int64) {
	w.name(name)
	w.out = strconv.AppendInt(w.out, n, 10)
}

func (w *writer) seconds(name string, n int64) {
	if n != 0 {
		w.int(name, n)
	}
}

func (w *writer) strs(name string, list []string) {
	if list == nil {
		return
	}
	w.name(name)
	w.c.take(0)
	w.out = append(w.out, '[')
	for i, s := range list {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		w.quote(s)
	}
	w.out = append(w.out, ']')
}

func (w *writer) object(name string, m map[string]any) {
	if m == nil {
		return
	}
	w.name(name)
	w.c.object(m, 2) // for its limits
	w.rest(m)
}

func (w *writer) details(name string, list []map[string]any) {
	if len(list) == 0 {
		if list != nil {
			w.name(name)
			w.out = append(w.out, '[', ']')
		}
		return
	}
	w.name(name)
	w.c.any(list, 2)
	w.rest(list)
}

// rest writes what has no fixed shape.
func (w *writer) rest(v any) {
	if w.c.err != nil {
		return
	}
	text, err := marshal(v)
	if err != nil {
		w.c.fail(err)
		return
	}
	w.out = append(w.out, text...)
}

// quote writes a string. Nearly every one is plain; the others are written by encoding/json.
func (w *writer) quote(s string) {
	if !w.c.fits(s) {
		return
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			w.rest(s)
			return
		}
	}
	w.out = append(w.out, '"')
	w.out = append(w.out, s...)
	w.out = append(w.out, '"')
}

func (w *writer) assertion(a *Assertion) {
	if a == nil {
		return
	}
	w.begin("assertion")
	w.str("profile", a.Profile)
	w.str("typ", a.Type)
	w.seconds("iat", a.IssuedAt)
	w.seconds("exp", a.ExpiresAt)
	w.seconds("auth_time", a.AuthTime)
	w.str("acr", a.ACR)
	w.strs("amr", a.AMR)
	w.object("claims", a.Claims)
	w.shut()
}

func (w *writer) user(u *User) {
	if u == nil {
		return
	}
	w.begin("user")
	w.must("id", u.ID)
	w.str("sub", u.Sub)
	w.str("email", u.Email)
	w.str("kind", u.Kind)
	w.bool("guest", u.Guest)
	w.str("home_tenant", u.HomeTenant)
	w.strs("groups", u.Groups)
	w.strs("group_names", u.GroupNames)
	w.str("groups_state", string(u.GroupsState))
	w.str("groups_source", u.GroupsSource)
	w.strs("roles", u.Roles)
	w.object("attributes", u.Attributes)
	w.str("status", u.Status)
	w.shut()
}

func (w *writer) actor(a *Actor) {
	if a == nil {
		return
	}
	w.begin("actor")
	w.str("kind", a.Kind)
	w.strs("facets", a.Facets)
	w.str("parent_app", a.ParentApp)
	if a.Chain != nil {
		w.name("chain")
		w.out = append(w.out, '[')
		for i, l := range a.Chain {
			if i > 0 {
				w.out = append(w.out, ',')
			}
			w.open()
			w.must("sub", l.Sub)
			w.str("iss", l.Issuer)
			w.str("client_id", l.ClientID)
			w.shut()
		}
		w.out = append(w.out, ']')
	}
	w.int("depth", int64(a.Depth))
	w.shut()
}

func (w *writer) client(c *Client) {
	if c == nil {
		return
	}
	w.begin("client")
	w.must("id", c.ID)
	w.str("name", c.Name)
	w.str("type", c.Type)
	w.str("auth_method", c.AuthMethod)
	w.bool("dpop", c.DPoP)
	w.str("plan", c.Plan)
	w.str("environment", c.Environment)
	w.strs("scopes", c.Scopes)
	w.shut()
}

func (w *writer) resource(r *Resource) {
	if r == nil {
		return
	}
	w.begin("resource")
	w.must("name", r.Name)
	w.str("uri", r.URI)
	w.strs("scopes", r.Scopes)
	if r.Risk != nil {
		w.c.take(0)
		w.begin("risk")
		for i, scope := range sortedKeys(r.Risk) {
			if i > 0 {
				w.out = append(w.out, ',')
			}
			w.quote(scope)
			w.out = append(w.out, ':')
			w.quote(r.Risk[scope])
		}
		w.shut()
	}
	w.shut()
}
