package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/refresh"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Objects finds holders; a tombstone is object.ErrNotFound.
type Objects interface {
	Get(ctx context.Context, t tenant.UID, kind object.Kind, name string) (object.Stored, error)
	ByUID(ctx context.Context, t tenant.UID, kind object.Kind, uid string) (object.Stored, error)
}

// Journal records facts, all or none of them.
type Journal interface {
	Commit(ctx context.Context, e ledger.Entry) error
}

// Events reads the events of one request.
type Events interface {
	FindTrace(ctx context.Context, t tenant.UID, trace string) ([]audit.Event, error)
}

// Config is what a Revoker needs. Every member but Changed and Connections is required.
type Config struct {
	Tokens  Tokens
	Objects Objects
	Journal Journal
	Events  Events
	Now     func() time.Time
	Log     *slog.Logger
	// Changed is told of a version that this process made, so that it answers nothing older.
	Changed func(t tenant.UID, version int64)
	// Connections are ended with their owner's tokens; nil where nothing is connected.
	Connections Connections
}

// Revoker is the administrators' way to end tokens.
type Revoker struct{ Config }

// New refuses a configuration in which a part is missing.
func New(c Config) (*Revoker, error) {
	if c.Tokens == nil || c.Objects == nil || c.Journal == nil || c.Events == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("lifecycle: a part is missing")
	}
	if c.Changed == nil {
		c.Changed = func(tenant.UID, int64) {}
	}
	return &Revoker{c}, nil
}

// Request says who ends something, and why.
type Request struct {
	By     audit.Principal
	Trace  string
	Reason string
	DryRun bool // only count
}

// Outcome is what a revocation came to.
type Outcome struct {
	Kind Kind
	UID  string // of the holder; of a token its id
	Name string // "" for a token
	// Tokens is how many tokens died, or would die; negative where they could not be counted.
	Tokens int64
	// Families is the same of families of refresh tokens.
	Families int64
	// Connections is how many connected accounts ended; negative where not all could be. Of an IdP and a token: none.
	Connections int64
	Event       string // "" for a dry run, and where nothing was left to end
}

// uncounted says that the tokens are dead and were not counted.
const uncounted = -1

// Apart is how far another replica's clock may be behind ours (F13): until then a
// token that has expired here is active there, and can be ended.
const Apart = time.Minute

// RevokeToken ends one token. One that had ended before stays as it is: no token died.
func (r *Revoker) RevokeToken(ctx context.Context, t tenant.UID, jti string, q Request) (Outcome, error) {
	found, err := r.Tokens.Find(ctx, t, jti)
	if err != nil {
		return Outcome{}, err
	}
	now := r.Now()
	done := Outcome{Kind: Token, UID: found.ID}
	if found.End != nil || !now.Before(found.ExpiresAt.Add(Apart)) {
		return done, nil
	}
	if found.State(now) == Live {
		done.Tokens = 1
	}
	if q.DryRun {
		return done, nil
	}
	revocation, ok := ledger.Revocation(t, found.ID, found.ExpiresAt)
	if !ok {
		return Outcome{}, ErrUnknown
	}
	event := q.event(t, now, audit.TypeTokenRevoked, map[string]string{"tokens": strconv.FormatInt(done.Tokens, 10)})
	event.TokenID, event.OnBehalf = found.ID, found.Subject
	err = r.Journal.Commit(ctx, ledger.Entry{
		Tenant: t, Redemptions: []ledger.Redemption{revocation}, Event: event,
		Conflict: func(ledger.Redemption) audit.Event {
			second := event
			second.Detail = map[string]string{"tokens": "0", "already": "true"}
			return second
		},
	})
	if _, lost := errors.AsType[*ledger.Conflict](err); lost { // somebody else was first: it is dead
		done.Tokens = 0
		return done, nil
	}
	if err != nil {
		return Outcome{}, err
	}
	done.Event = event.ID
	return done, nil
}

// RevokeHolder ends everything that a client, a user or an IdP was given. which is its name or its uid.
//
//  1. the mark, at a new version of the tenant: what was decided on an older one does not commit;
//  2. only then the count, of what was committed before, so that nothing holds the end up;
//  3. the count, in an event of its own.
func (r *Revoker) RevokeHolder(ctx context.Context, t tenant.UID, kind Kind, which string, q Request) (Outcome, error) {
	h, name, err := r.holder(ctx, t, kind, which)
	if err != nil {
		return Outcome{}, err
	}
	done := Outcome{Kind: kind, UID: h.UID, Name: name}
	if q.DryRun {
		if done.Tokens, err = r.Tokens.Count(ctx, t, h, 0); err != nil {
			return done, err
		}
		if done.Families, err = r.Tokens.CountFamilies(ctx, t, h, 0); err != nil {
			return done, err
		}
		done.Connections, err = r.countConnections(ctx, t, h)
		return done, err
	}
	now := r.Now()
	detail := map[string]string{"kind": string(kind), "uid": h.UID, "name": name}
	event := q.event(t, now, audit.TypeTokensRevoked, detail)
	version, err := r.Tokens.Mark(ctx, t, Mark{Holder: h, Until: now.Add(longestLife + ledger.Margin), Event: event})
	if err != nil {
		return Outcome{}, err
	}
	r.Changed(t, version)
	done.Event = event.ID
	done.Connections = r.endConnections(ctx, t, h, q)
	done.Tokens, done.Families = r.count(ctx, t, h, version)
	if done.Tokens == uncounted || done.Families == uncounted {
		return done, nil
	}
	counted := q.event(t, now, audit.TypeTokensCounted, map[string]string{
		"kind": string(kind), "uid": h.UID, "name": name, "revocation": event.ID, "tokens": strconv.FormatInt(done.Tokens, 10),
		"refresh_families": strconv.FormatInt(done.Families, 10), "connections": strconv.FormatInt(done.Connections, 10),
	})
	if err := r.Journal.Commit(ctx, ledger.Entry{Tenant: t, Event: counted}); err != nil {
		r.Log.Warn("the count of a revocation was not recorded", "trace_id", q.Trace, "error", err)
	}
	return done, nil
}

// count never fails: what is revoked is revoked, however many it was.
func (r *Revoker) count(ctx context.Context, t tenant.UID, h Holder, below int64) (tokens, families int64) {
	counts := [...]int64{uncounted, uncounted}
	for i, count := range []func(context.Context, tenant.UID, Holder, int64) (int64, error){r.Tokens.Count, r.Tokens.CountFamilies} {
		n, err := count(ctx, t, h, below)
		if err != nil {
			r.Log.Warn("what was revoked could not be counted", "kind", h.Kind, "uid", h.UID, "error", err)
			continue
		}
		counts[i] = n
	}
	return counts[0], counts[1]
}

// longestLife is that of the longest-lived thing that a mark ends.
const longestLife = max(object.MaxTokenLifetime, refresh.MaxAbsolute)

// holder finds an object by its name or its uid: no name has an underscore, every uid has one.
func (r *Revoker) holder(ctx context.Context, t tenant.UID, kind Kind, which string) (h Holder, name string, err error) {
	of, err := objectKind(kind)
	if err != nil {
		return Holder{}, "", err
	}
	if kind == Client && isUnmade(which) {
		return Holder{Kind: kind, UID: which}, "", nil
	}
	find := r.Objects.ByUID
	if object.IsName(which) {
		find = r.Objects.Get
	}
	stored, err := find(ctx, t, of, which)
	if err != nil {
		return Holder{}, "", fmt.Errorf("%s %q: %w", kind, which, err)
	}
	return Holder{Kind: kind, UID: stored.UID}, stored.Name, nil
}

// isUnmade tells the uid of a client that no object stands for: it came by its metadata document, or registered itself. It
// may be gone, and what it was given is ended all the same.
func isUnmade(which string) bool {
	_, registered := id.Time(id.DynamicClient, which)
	return registered || cimd.IsUID(which)
}

func objectKind(k Kind) (object.Kind, error) {
	switch k {
	case Client:
		return object.KindClient, nil
	case User:
		return object.KindUser, nil
	case IdP:
		return object.KindIdentityProvider, nil
	case Token, Key:
	}
	return "", ErrHolder
}

func (q Request) event(t tenant.UID, now time.Time, kind audit.Type, detail map[string]string) audit.Event {
	if q.Reason != "" {
		detail["reason"] = q.Reason
	}
	return audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: t, Trace: q.Trace, Type: kind, Outcome: audit.Changed, Principal: q.By, Detail: detail,
	}
}
