package consent

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Part is what a client asks of one resource, or of the person's own account here.
type Part struct {
	Resource *snapshot.Resource // nil: the own account
	Scopes   []string           // never none
}

// UID is the resource's; empty for the own account.
func (p Part) UID() string {
	if p.Resource == nil {
		return ""
	}
	return p.Resource.UID
}

// Question is what a person would be asked.
type Question struct {
	Tenant      *snapshot.Tenant
	UserUID     string
	Client      *client.Client
	RedirectURI string // verified: the client's
	Parts       []Part
	Prompt      bool // the client wants the person to be asked (prompt=consent)
}

// Ruling is what becomes of a question.
type Ruling struct {
	// Ask tells that the person has to be asked.
	Ask bool
	// Remember tells that the answer will be kept: until something changes, nobody is asked again.
	Remember bool
	// Meaning is a digest of all that would be shown.
	Meaning [sha256.Size]byte
}

// Store keeps consents.
type Store interface {
	// Of gives what a person let one client do, or, with an empty client, every client.
	Of(ctx context.Context, t tenant.UID, userUID, clientUID string) ([]Consent, error)
	// Give puts the consents in the place of those for the same client and resource, with the event.
	Give(ctx context.Context, given []Consent, e audit.Event) error
	// Withdraw removes what a person let one client do at one resource, ends the refresh tokens and the tokens that the
	// client holds for him, and raises the tenant's version, so that nothing that was decided before is still issued: of
	// codes and approvals that are on their way, the version tells that they came before.
	// It answers ErrNone if there is nothing.
	Withdraw(ctx context.Context, t tenant.UID, userUID, clientUID, resourceUID string, e audit.Event) error
	// Use notes that access was given on the word of these, at their UsedAt. One that is not there is added.
	Use(ctx context.Context, used []Consent) error
}

// ErrNone is a Store's answer for what was never given, or is withdrawn.
var ErrNone = errors.New("no such consent")

// usedWithin is how old a note of the last use may be.
const usedWithin = time.Minute

// Rules decide when a person is asked.
type Rules struct {
	store Store
	now   func() time.Time
}

// NewRules makes Rules. Both are required.
func NewRules(store Store, now func() time.Time) (*Rules, error) {
	if store == nil || now == nil {
		return nil, errors.New("consent: a store and a clock are needed")
	}
	return &Rules{store: store, now: now}, nil
}

// Rule decides a question. What cannot be read is an error: nobody is taken to have agreed.
func (r *Rules) Rule(ctx context.Context, q Question) (Ruling, error) {
	if err := q.check(); err != nil {
		return Ruling{}, err
	}
	ruling := Ruling{Ask: true, Remember: rememberable(q.Client, q.RedirectURI), Meaning: q.meaning()}
	switch {
	case q.Prompt: // OIDC Core §3.1.2.1
		return ruling, nil
	case q.Client.Approved && q.Client.Origin == client.OriginCompany: // an administrator agreed for everybody
		ruling.Ask = false
		return ruling, nil
	case !ruling.Remember:
		return ruling, nil
	}
	known, err := r.store.Of(ctx, q.Tenant.UID, q.UserUID, q.Client.UID)
	if err != nil {
		return Ruling{}, fmt.Errorf("read consents: %w", err)
	}
	ruling.Ask = slices.ContainsFunc(q.Parts, func(p Part) bool { return !q.covered(p, known) })
	return ruling, nil
}

// Give keeps a person's yes. Where it is not remembered, it is kept without a meaning: nothing is ever the same as that,
// and the person still sees on his account page what he allowed.
func (r *Rules) Give(ctx context.Context, q Question, e audit.Event) error {
	if err := q.check(); err != nil {
		return err
	}
	known, err := r.store.Of(ctx, q.Tenant.UID, q.UserUID, q.Client.UID)
	if err != nil {
		return fmt.Errorf("read consents: %w", err)
	}
	given := make([]Consent, 0, len(q.Parts))
	for _, p := range q.Parts {
		one := q.consent(p, r.now())
		if rememberable(q.Client, q.RedirectURI) {
			if before, ok := q.standing(p, known); ok { // what was agreed to still means the same: both count
				one.Scopes = append(one.Scopes, before.Scopes...)
				slices.Sort(one.Scopes)
				one.Scopes = slices.Compact(one.Scopes)
			}
			one.Meaning = q.meaningOf(Part{p.Resource, one.Scopes})
		}
		given = append(given, one)
	}
	return r.store.Give(ctx, given, e)
}

// consent is a part as it rests, without a meaning.
func (q Question) consent(p Part, now time.Time) Consent {
	scopes := slices.Clone(p.Scopes)
	slices.Sort(scopes)
	return Consent{
		Tenant: q.Tenant.UID, UserUID: q.UserUID, ClientUID: q.Client.UID, ClientID: q.Client.ClientID, ResourceUID: p.UID(),
		Scopes: slices.Compact(scopes), GivenAt: now,
	}
}

// Used notes that what was agreed to was used; also where an administrator agreed, so that the person sees it.
func (r *Rules) Used(ctx context.Context, q Question) error {
	if err := q.check(); err != nil {
		return err
	}
	known, err := r.store.Of(ctx, q.Tenant.UID, q.UserUID, q.Client.UID)
	if err != nil {
		return fmt.Errorf("read consents: %w", err)
	}
	now := r.now()
	var used []Consent
	for _, p := range q.Parts {
		if c, ok := find(known, p.UID()); ok && now.Sub(c.UsedAt) <= usedWithin {
			continue
		}
		one := q.consent(p, now)
		one.UsedAt = now
		used = append(used, one)
	}
	if len(used) == 0 {
		return nil
	}
	return r.store.Use(ctx, used)
}

// Of lists what a person let clients do.
func (r *Rules) Of(ctx context.Context, t tenant.UID, userUID string) ([]Consent, error) {
	return r.store.Of(ctx, t, userUID, "")
}

// Withdraw takes a yes back.
func (r *Rules) Withdraw(ctx context.Context, t tenant.UID, userUID, clientUID, resourceUID string, e audit.Event) error {
	return r.store.Withdraw(ctx, t, userUID, clientUID, resourceUID, e)
}

// rememberable: where an answer reaches whatever program listens on the person's machine, or whichever took a scheme, it is
// not known who asks the next time (RFC 8252 §8.6), unless an administrator vouches for the client (T40). A client that
// registered itself is asked about every time.
func rememberable(c *client.Client, redirect string) bool {
	switch c.Origin {
	case client.OriginCompany:
		return true
	case client.OriginDocument:
		return strings.HasPrefix(redirect, "https://")
	case client.OriginDynamic:
	}
	return false
}

func (q Question) check() error {
	switch {
	case q.Tenant == nil || q.UserUID == "" || q.Client == nil || q.Client.UID == "" || q.RedirectURI == "" || len(q.Parts) == 0:
		return errors.New("consent: of nobody, or to nothing")
	case slices.ContainsFunc(q.Parts, func(p Part) bool { return len(p.Scopes) == 0 || p.Resource != nil && p.Resource.UID == "" }):
		return errors.New("consent: a part without a scope")
	}
	return q.Tenant.UID.Check()
}

// covered: everything of the part was agreed to, and it means today what it meant then.
func (q Question) covered(p Part, known []Consent) bool {
	c, ok := q.standing(p, known)
	return ok && !slices.ContainsFunc(p.Scopes, func(s string) bool { return !slices.Contains(c.Scopes, s) })
}

// standing is the consent for a part if it still means the same.
func (q Question) standing(p Part, known []Consent) (Consent, bool) {
	c, ok := find(known, p.UID())
	if !ok || c.UserUID != q.UserUID || c.ClientUID != q.Client.UID || c.Tenant != q.Tenant.UID {
		return Consent{}, false
	}
	return c, c.Meaning == q.meaningOf(Part{p.Resource, c.Scopes})
}

func find(known []Consent, resourceUID string) (Consent, bool) {
	at := slices.IndexFunc(known, func(c Consent) bool { return c.ResourceUID == resourceUID })
	if at < 0 {
		return Consent{}, false
	}
	return known[at], true
}

// meaning is of the whole question, as it is shown on one page.
func (q Question) meaning() [sha256.Size]byte {
	var all []string
	for _, p := range q.Parts {
		m := q.meaningOf(p)
		all = append(all, string(m[:]))
	}
	return digest(all...)
}

// meaningOf covers what a person is shown of a part: who asks and who vouches for it, where the answer goes to the byte, which
// resource, and each scope with its words, its risk and what it implies.
func (q Question) meaningOf(p Part) [sha256.Size]byte {
	parts := []string{
		fmt.Sprint(int(q.Client.Origin)), q.Client.Name, q.Client.DisplayName, q.Client.Host, place(q.RedirectURI), p.UID(),
	}
	if q.Client.Origin == client.OriginDocument { // whoever writes the document can put another in the client's place (CIMD draft -03 §6)
		auth := q.Client.Auth
		parts = append(parts, "keys", string(auth.Method), auth.Keys.URI, string(auth.Keys.Inline))
	}
	if p.Resource != nil {
		parts = append(parts, p.Resource.Name, p.Resource.URI)
	}
	scopes := slices.Clone(p.Scopes)
	slices.Sort(scopes)
	for _, s := range slices.Compact(scopes) {
		parts = append(parts, "scope", s)
		if p.Resource == nil {
			continue
		}
		description, known := p.Resource.Scopes[s]
		implied := slices.Clone(p.Resource.Implies[s])
		slices.Sort(implied)
		parts = append(parts, fmt.Sprint(known), description, p.Resource.Risk[s], strings.Join(implied, " "))
	}
	return digest(parts...)
}

// place is where an answer goes: another path of a host may be another's. A program on loopback listens on another port
// every time.
func place(redirect string) string {
	u, err := url.Parse(redirect)
	if err != nil || !authorization.Loopback(redirect) {
		return redirect
	}
	u.Host = u.Hostname()
	return u.String()
}

// digest keeps the parts apart by their lengths.
func digest(parts ...string) [sha256.Size]byte {
	h := sha256.New()
	for _, p := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		h.Write(size[:])
		h.Write([]byte(p))
	}
	return [sha256.Size]byte(h.Sum(nil))
}
