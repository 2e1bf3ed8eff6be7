package authorize

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// renderer is every model of a page.
type renderer interface {
	Render(f page.Frame) (page.Page, error)
}

// show makes a page the reply.
func (d *Desk) show(v Visit, status int, model renderer, uiLocales ...string) (Reply, error) {
	shown, err := model.Render(d.frame(v, uiLocales))
	if err != nil {
		return Reply{}, err
	}
	return Reply{Status: status, Page: shown}, nil
}

func (d *Desk) frame(v Visit, uiLocales []string) page.Frame {
	return page.Frame{
		Brand:    d.brands.of(v.Tenant, d.Log),
		Language: page.Choose(strings.Join(uiLocales, " "), v.Request.Header.Get("Accept-Language")),
		Trace:    v.Trace,
	}
}

// failed is an error with what the person can do about it.
type failed struct {
	error
	again    string // a path of ours, as the browser asks for it
	recorded bool   // by the room it comes from
}

// Unwrap gives the refusal, for oauth.AsError.
func (f failed) Unwrap() error { return f.error }

// recorded marks what another room has written down already.
func recorded(err error) error { return failed{error: err, recorded: true} }

// within tells the rooms below who calls, for what they record.
func (v Visit) within(ctx context.Context) context.Context {
	return session.WithCaller(ctx, session.Caller{Trace: v.Trace, Remote: v.Remote})
}

// shown answers what goes wrong with a page, in one place.
func (d *Desk) shown(h Handler) Handler {
	return func(ctx context.Context, v Visit) (Reply, error) {
		ctx = v.within(ctx)
		reply, err := h(ctx, v)
		if err == nil {
			return reply, nil
		}
		return d.failure(ctx, v, err).with(reply.Cookies...), nil
	}
}

// unchained ends the chain of redirects that a form of ours began. Browsers hold all of it to the policy of the form's page,
// and a path of ours may lead elsewhere next: to an IdP, or to the client. The two pages that people take things away on do
// not, for who has just been shown them.
func (d *Desk) unchained(h Handler) Handler {
	return func(ctx context.Context, v Visit) (Reply, error) {
		reply, err := h(ctx, v)
		if err != nil || reply.Status != http.StatusSeeOther || !samePath(reply.Location) || slices.Contains([]string{v.path(accountPath), v.path(passkeysPath)}, reply.Location) {
			return reply, err
		}
		on, err := d.show(v, http.StatusOK, page.Onward{URL: strings.TrimSuffix(v.Tenant.Issuer, prefixOf(v.Tenant)) + reply.Location})
		return on.with(reply.Cookies...), err
	}
}

func (d *Desk) failure(ctx context.Context, v Visit, err error) Reply {
	refusal := oauth.AsError(err)
	row := oauth.Public(refusal.Code)
	if row.Status >= http.StatusInternalServerError && ctx.Err() == nil {
		d.Log.LogAttrs(ctx, slog.LevelError, "page failed", slog.String("trace_id", v.Trace), slog.String("code", string(refusal.Code)), slog.String("error", refusal.Error()))
	}
	var f failed
	if !errors.As(err, &f) || !f.recorded {
		d.record(v, nil, refusal)
	}
	model := page.Failure{Code: refusal.Code, Again: f.again}
	reply, err := d.show(v, row.Status, model)
	if err != nil { // a path that cannot be shown, nothing else is checked
		model.Again = ""
		if reply, err = d.show(v, row.Status, model); err != nil {
			return Reply{Status: http.StatusInternalServerError, Type: "text/plain; charset=utf-8", Body: []byte("internal\n")}
		}
	}
	reply.RetryAfter = refusal.Wait()
	return reply
}

// record writes a refusal down in the bounded lane: whoever opens a link is nobody yet.
func (d *Desk) record(v Visit, c *client.Client, refusal *oauth.Error) {
	now := d.Now()
	event := audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: v.Tenant.UID, Trace: v.Trace, Type: audit.TypeAuthorizeRefused, Outcome: audit.Refused, Code: string(refusal.Code),
		Principal: audit.Principal{Kind: "anonymous"}, Remote: v.Remote,
		Checks: []audit.Check{{Name: "authorization", Received: refusal.Received, Expected: refusal.Expected}},
	}
	if c != nil {
		event.Client = c.Name
	}
	d.Lane.Add(event, v.Remote)
}

// send carries an answer to the client. What follows a form goes by a page of its own, for browsers hold every redirect
// after a form to the form's page's policy (docs/pages.md). asked: the form is the consent's, whose policy names the
// client's address.
func (d *Desk) send(v Visit, a authorization.Answer, asked bool) (Reply, error) {
	byForm := v.posted()
	if toProgram(a.Location()) {
		byForm = byForm && !asked || !v.meant()
	}
	switch {
	case a.Mode() == authorization.FormPost:
		fields := make([]page.Field, 0, len(a.Fields()))
		for _, f := range a.Fields() {
			fields = append(fields, page.Field{Name: f.Name, Value: f.Value})
		}
		return d.show(v, http.StatusOK, page.Answer{RedirectURI: a.Action(), Fields: fields})
	case byForm:
		return d.show(v, http.StatusOK, page.Onward{URL: a.Location()})
	}
	return Reply{Status: http.StatusSeeOther, Location: a.Location()}, nil
}

// toProgram tells an address that a browser hands to a program (RFC 8252 §7.1). It does so only at once after a person's
// press of a key or a button, and otherwise stays where it is: then a page with a link has to be there.
func toProgram(address string) bool {
	scheme, _, found := strings.Cut(address, ":")
	return found && scheme != "https" && scheme != "http"
}

// meant tells a visit that a person's own press leads to, redirects included (Fetch Metadata §2.4). A browser that does not
// say so is not believed to have one.
func (v Visit) meant() bool { return v.Request.Header.Get("Sec-Fetch-User") == "?1" }

// person is who is signed in, as his IdP called him the last time.
func (d *Desk) person(ctx context.Context, t *snapshot.Tenant, s *session.Session) (page.Person, error) {
	profile, _, err := d.Sessions.Profile(ctx, t, s.UserUID, s.IdPUID)
	if err != nil {
		return page.Person{}, unavailable(err)
	}
	who := page.Person{Name: profile.Name, Email: profile.Email, IdP: t.SignIn.Titles[s.IdPUID]}
	for _, name := range []string{profile.Subject, s.UserUID} { // an IdP that gives neither name nor address
		if who.Label() == "" {
			who.Name = name
		}
	}
	return who, nil
}

// clientOf is how pages speak of a client.
func clientOf(c *client.Client) page.Client {
	name := c.DisplayName
	if name == "" {
		name = c.Name
	}
	switch c.Origin {
	case client.OriginCompany:
		return page.Client{Name: name, Vouch: page.VouchCompany}
	case client.OriginDocument:
		if c.Host != "" {
			return page.Client{Name: name, Vouch: page.VouchDocument, Host: c.Host}
		}
	case client.OriginDynamic:
	}
	return page.Client{Name: name, Vouch: page.VouchNobody}
}

func unavailable(err error) error {
	if _, known := errors.AsType[*oauth.Error](err); known {
		return err
	}
	return &oauth.Error{Code: oauth.CodeTenantUnavailable, Cause: err, RetryAfter: retryAfter}
}

// brands keeps each tenant's looks for as long as its picture stays.
type brands struct {
	mu   sync.Mutex
	kept map[tenant.UID]brand
}

type brand struct {
	version int64
	page.Brand
}

func (b *brands) of(t *snapshot.Tenant, log *slog.Logger) page.Brand {
	b.mu.Lock()
	defer b.mu.Unlock()
	if kept, ok := b.kept[t.UID]; ok && kept.version == t.Version {
		return kept.Brand
	}
	made, err := page.NewBrand(t.SignIn.Branding.Name, t.SignIn.Branding.Logo, t.SignIn.Branding.Colour)
	if err != nil { // apply refuses it; the pages of a sign-in are worth more than a colour
		log.Warn("branding not used", "tenant", t.Name, "error", err)
	}
	if b.kept == nil {
		b.kept = map[tenant.UID]brand{}
	}
	b.kept[t.UID] = brand{t.Version, made}
	return made
}
