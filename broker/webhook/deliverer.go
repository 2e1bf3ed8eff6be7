package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/fetch"
)

const (
	readBatch    = 500
	holdReading  = time.Minute
	holdMessages = time.Minute // longer than all of one batch may take
	dueBatch     = 3           // at 15 s each
	callTimeout  = 15 * time.Second
	answerBytes  = 64 << 10 // what is answered is read to its end and thrown away
	// KeepTrying is for how long a message is tried again.
	KeepTrying = 3 * 24 * time.Hour
	// KeepMessages is how long messages rest that were delivered or given up: until then they can be sent again.
	KeepMessages = 14 * 24 * time.Hour
)

// rests are the pauses between attempts; the last one goes on.
func rests() []time.Duration {
	return []time.Duration{5 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour}
}

// Log is the audit log, followed.
type Log interface {
	// Follow returns the events of some types behind a position, writer by writer, and the position behind them. With no
	// position it returns none, and that of now.
	Follow(ctx context.Context, types []audit.Type, after string, limit int) ([]audit.Event, string, error)
}

// Store keeps messages, and how far the log was read. Times are measured by its own clock, which replicas share.
type Store interface {
	// HoldReading gives the position to one replica at a time; false to the others.
	HoldReading(ctx context.Context, replica string, span time.Duration) (position string, held bool, err error)
	// Advance writes how far was read, if the replica still holds it and the position is what it was.
	Advance(ctx context.Context, replica, from, to string) error
	// Queue adds messages of one tenant; an event that an address has a message of already is left as it is.
	Queue(ctx context.Context, t tenant.UID, messages []Message) error
	// TakeDue gives messages that are to be sent now to one caller, for a while.
	TakeDue(ctx context.Context, t tenant.UID, limit int, span time.Duration) ([]Message, error)
	Delivered(ctx context.Context, m Message, outcome string) error
	// Failed has it tried again after a rest; zero gives it up.
	Failed(ctx context.Context, m Message, outcome string, rest time.Duration) error
	// Purge takes away what is older and not pending, at most so many.
	Purge(ctx context.Context, t tenant.UID, older time.Duration, limit int) error
}

// Pictures give tenants.
type Pictures interface {
	Of(ctx context.Context, t tenant.UID) (*snapshot.Tenant, error)
}

// Config is what a deliverer is made of; all but MayRefer is required.
type Config struct {
	Log      Log
	Store    Store
	Pictures Pictures
	Resolve  func(object.SecretRef) (secret.Text, error)
	MayRefer func(object.SecretRef) bool
	Egress   fetch.Policy
	Replica  string
	Slog     *slog.Logger
	Now      func() time.Time
}

// Deliverer makes messages of events, and delivers them.
type Deliverer struct {
	config Config
	door   *fetch.Client
	types  []audit.Type
}

// New refuses a configuration in which a part is missing.
func New(c Config) (*Deliverer, error) {
	if c.Log == nil || c.Store == nil || c.Pictures == nil || c.Resolve == nil || c.Replica == "" || c.Slog == nil || c.Now == nil {
		return nil, errors.New("webhook: a part is missing")
	}
	if err := c.Egress.Validate(); err != nil {
		return nil, err
	}
	d := &Deliverer{config: c, door: fetch.New(c.Egress)}
	for _, name := range object.WebhookEvents() {
		d.types = append(d.types, audit.Type(name))
	}
	return d, nil
}

// Read follows the log and makes messages, where no other replica does. It tells how many were made.
func (d *Deliverer) Read(ctx context.Context) (made int, err error) {
	position, held, err := d.config.Store.HoldReading(ctx, d.config.Replica, holdReading)
	if err != nil || !held {
		return 0, err
	}
	for {
		events, next, err := d.config.Log.Follow(ctx, d.types, position, readBatch)
		if err != nil {
			return made, err
		}
		n, err := d.queue(ctx, events)
		if err != nil { // the same events come again: a message is made once
			return made, err
		}
		made += n
		if next != position {
			if err := d.config.Store.Advance(ctx, d.config.Replica, position, next); err != nil {
				return made, err
			}
		}
		if position = next; len(events) < readBatch {
			return made, nil
		}
	}
}

func (d *Deliverer) queue(ctx context.Context, events []audit.Event) (made int, err error) {
	messages := map[tenant.UID][]Message{}
	for _, e := range events {
		t, err := d.config.Pictures.Of(ctx, e.Tenant)
		if errors.Is(err, snapshot.ErrUnknownTenant) { // gone: there is nobody to tell
			continue
		}
		if err != nil {
			return 0, err
		}
		for _, w := range t.Webhooks {
			// In an air gap nothing is made that could never leave.
			if !slices.Contains(w.Events, string(e.Type)) || d.door.Judge(w.URL, w.Network) != nil {
				continue
			}
			m, err := newMessage(e, t.Name, w.URL, d.config.Now())
			if err != nil {
				return 0, err
			}
			messages[e.Tenant] = append(messages[e.Tenant], m)
		}
	}
	for t, all := range messages {
		if err := d.config.Store.Queue(ctx, t, all); err != nil {
			return 0, err
		}
		made += len(all)
	}
	return made, nil
}

// Deliver sends what is due, of one tenant, and tells how many were taken and how many refused.
func (d *Deliverer) Deliver(ctx context.Context, t tenant.UID) (delivered, failed int, err error) {
	picture, err := d.config.Pictures.Of(ctx, t)
	if err != nil {
		return 0, 0, err
	}
	for ctx.Err() == nil {
		due, err := d.config.Store.TakeDue(ctx, t, dueBatch, holdMessages)
		if err != nil {
			return delivered, failed, err
		}
		for _, m := range due {
			ok, err := d.deliver(ctx, picture, m)
			if err != nil {
				return delivered, failed, err
			}
			if ok {
				delivered++
			} else {
				failed++
			}
		}
		if len(due) < dueBatch {
			break
		}
	}
	return delivered, failed, ctx.Err()
}

func (d *Deliverer) deliver(ctx context.Context, t *snapshot.Tenant, m Message) (bool, error) {
	at := slices.IndexFunc(t.Webhooks, func(w snapshot.Webhook) bool { return w.URL == m.Endpoint })
	if at < 0 { // the tenant does not want it any more
		return false, d.config.Store.Failed(ctx, m, "the tenant names the address no more", 0)
	}
	outcome, err := d.send(ctx, t.Webhooks[at], m)
	if err == nil {
		return true, d.config.Store.Delivered(ctx, m, outcome)
	}
	if ctx.Err() != nil { // we end: nobody knows whether it arrived, and it is sent again
		return false, ctx.Err()
	}
	all := rests()
	rest := all[min(m.Attempts, len(all)-1)]
	if d.config.Now().Sub(m.CreatedAt) > KeepTrying {
		rest = 0
	}
	d.config.Slog.WarnContext(ctx, "a webhook was not delivered", "tenant", t.Name, "message", m.ID, "type", m.Type, "attempt", m.Attempts+1, "again_in", rest, "error", err)
	return false, d.config.Store.Failed(ctx, m, err.Error(), rest)
}

// send is one attempt. Errors hold no secret and nothing that the receiver said.
func (d *Deliverer) send(ctx context.Context, w snapshot.Webhook, m Message) (string, error) {
	key, err := d.key(w)
	if err != nil {
		return "", err
	}
	transport, err := d.door.RoundTripper(w.Network, fetch.Limit{Bytes: answerBytes, Timeout: callTimeout})
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(m.Body))
	if err != nil {
		return "", errors.New("the address cannot be used")
	}
	now := d.config.Now()
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(HeaderID, m.ID)
	request.Header.Set(HeaderTimestamp, strconv.FormatInt(now.Unix(), 10))
	request.Header.Set(HeaderSignature, Sign(key, m.ID, now, m.Body))
	response, err := transport.RoundTrip(request) // follows no redirect: the signature is for this address
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, response.Body) // the status is the answer
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return "", fmt.Errorf("answered with status %d", response.StatusCode)
	}
	return strconv.Itoa(response.StatusCode), nil
}

func (d *Deliverer) key(w snapshot.Webhook) ([]byte, error) {
	if w.ManagedBy != object.ManagerConfig && (d.config.MayRefer == nil || !d.config.MayRefer(w.Secret)) {
		return nil, fmt.Errorf("secret %s: the object is not among those of the configuration, and admin.secret_references does not name it", w.Secret)
	}
	text, err := d.config.Resolve(w.Secret)
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", w.Secret, err)
	}
	return keyOf(text.Reveal())
}

// Tidy takes away what is old.
func (d *Deliverer) Tidy(ctx context.Context, t tenant.UID) error {
	return d.config.Store.Purge(ctx, t, KeepMessages, readBatch)
}
