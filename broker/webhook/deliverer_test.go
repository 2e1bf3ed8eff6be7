package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/snapshot/snapshottest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/broker/webhook"
	"github.com/chancery-dev/chancery/federation/fetch"
)

var begin = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const hush = "a-secret-of-enough-characters"

// post is a deliverer with its surroundings.
type post struct {
	*webhook.Deliverer
	now      time.Time
	picture  *snapshot.Tenant
	events   []audit.Event
	position string
	held     bool
	queued   map[string]webhook.Message // event and address
	done     map[string]string
	rests    []time.Duration
	advance  error
	arrived  []*http.Request
	bodies   []string
	status   int
}

func newPost(t *testing.T, change func(*webhook.Config), spec string) *post {
	t.Helper()
	p := &post{now: begin, position: "1", held: true, queued: map[string]webhook.Message{}, done: map[string]string{}, status: 204}
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.arrived, p.bodies = append(p.arrived, r), append(p.bodies, string(body))
		w.Header().Set("Location", "https://elsewhere.example")
		w.WriteHeader(p.status)
	}))
	t.Cleanup(service.Close)
	doc := `{"apiVersion":"chancery/v1","kind":"Tenant","metadata":{"name":"default"},"spec":{"webhooks":[` + strings.ReplaceAll(spec, "URL", service.URL) + `]}}`
	_, source := snapshottest.New(t, "https://auth.acme.com", func() time.Time { return p.now }, doc)
	var err error
	if p.picture, err = source.Get(t.Context(), tenant.DefaultName); err != nil {
		t.Fatal(err)
	}
	c := webhook.Config{
		Log: p, Store: p, Pictures: source, Resolve: func(object.SecretRef) (secret.Text, error) { return secret.New(hush), nil },
		Egress: fetch.Policy{Mode: "allow"}, Replica: "rep_1", Slog: slog.New(slog.DiscardHandler), Now: func() time.Time { return p.now },
	}
	if change != nil {
		change(&c)
	}
	if p.Deliverer, err = webhook.New(c); err != nil {
		t.Fatal(err)
	}
	p.events = []audit.Event{{
		ID: "evt_1", At: begin, Tenant: p.picture.UID, Type: audit.TypeConnectionRevoked, Principal: audit.Principal{Kind: "token", Name: "ci"}, OnBehalf: "usr_1",
		Detail: map[string]string{"connection": "con_1", "provider": "github"},
	}}
	return p
}

const wanted = `{"url":"URL/hook","secret":{"env":"HOOK"},"events":["connection.revoked"],"network":{"allow_private_addresses":true}}`

func (p *post) Follow(_ context.Context, types []audit.Type, after string, _ int) ([]audit.Event, string, error) {
	if len(types) == 0 || after != "1" {
		return nil, after, nil
	}
	return p.events, "2", nil
}

func (p *post) HoldReading(context.Context, string, time.Duration) (string, bool, error) {
	return p.position, p.held, nil
}

func (p *post) Advance(_ context.Context, _, from, to string) error {
	if p.advance == nil && p.position == from {
		p.position = to
	}
	return p.advance
}

func (p *post) Queue(_ context.Context, t tenant.UID, messages []webhook.Message) error {
	for _, m := range messages {
		if _, there := p.queued[m.EventID+m.Endpoint]; !there && m.Tenant == t {
			m.CreatedAt = p.now
			p.queued[m.EventID+m.Endpoint] = m
		}
	}
	return nil
}

func (p *post) TakeDue(context.Context, tenant.UID, int, time.Duration) ([]webhook.Message, error) {
	var due []webhook.Message
	for _, m := range p.queued {
		if _, over := p.done[m.ID]; !over {
			due = append(due, m)
		}
	}
	return due, nil
}

func (p *post) Delivered(_ context.Context, m webhook.Message, outcome string) error {
	p.done[m.ID] = outcome
	return nil
}

func (p *post) Failed(_ context.Context, m webhook.Message, outcome string, rest time.Duration) error {
	p.rests = append(p.rests, rest)
	if rest == 0 {
		p.done[m.ID] = "given up: " + outcome
	}
	m.Attempts++
	p.queued[m.EventID+m.Endpoint] = m
	return nil
}

func (p *post) Purge(context.Context, tenant.UID, time.Duration, int) error { return nil }

func TestDelivered(t *testing.T) {
	p := newPost(t, nil, wanted)
	if made, err := p.Read(t.Context()); err != nil || made != 1 || p.position != "2" {
		t.Fatalf("%d %v %s", made, err, p.position)
	}
	if ok, failed, err := p.Deliver(t.Context(), p.picture.UID); err != nil || ok != 1 || failed != 0 || len(p.arrived) != 1 {
		t.Fatalf("%d %d %v", ok, failed, err)
	}
	r, body := p.arrived[0], p.bodies[0]
	at, err := strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64)
	if err != nil || at != begin.Unix() || r.Method != http.MethodPost || r.URL.Path != "/hook" {
		t.Errorf("%v %s %s", r.Header, r.Method, r.URL)
	}
	if want := webhook.Sign([]byte(hush), r.Header.Get("webhook-id"), begin, []byte(body)); r.Header.Get("webhook-signature") != want || !strings.HasPrefix(want, "v1,") {
		t.Errorf("%s, want %s", r.Header.Get("webhook-signature"), want)
	}
	var content struct {
		Type string
		Data struct {
			Event  string `json:"event_id"`
			Tenant string
			User   string
			Detail map[string]string
		}
	}
	if err := json.Unmarshal([]byte(body), &content); err != nil || content.Type != "connection.revoked" || content.Data.Event != "evt_1" ||
		content.Data.Tenant != "default" || content.Data.User != "usr_1" || content.Data.Detail["connection"] != "con_1" {
		t.Errorf("%s %v", body, err)
	}
}

// TestSignatureOfTheStandard: the example of the Standard Webhooks specification.
func TestSignatureOfTheStandard(t *testing.T) {
	p := newPost(t, func(c *webhook.Config) {
		c.Resolve = func(object.SecretRef) (secret.Text, error) {
			return secret.New("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), nil
		}
	}, wanted)
	_, _ = p.Read(t.Context())
	if ok, _, err := p.Deliver(t.Context(), p.picture.UID); err != nil || ok != 1 {
		t.Fatal(err)
	}
	key := []byte{0x31, 0xf2, 0x90, 0xf6, 0xbf, 0x06, 0x29, 0x8a, 0xab, 0x4f, 0x08, 0xd4, 0x3c, 0x3f, 0x08, 0x2c, 0xf6, 0x48, 0xa3, 0x62, 0xda, 0x2d, 0xa4, 0xb0}
	const want = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	if got := webhook.Sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := p.arrived[0].Header.Get("webhook-signature"); got != webhook.Sign(key, p.arrived[0].Header.Get("webhook-id"), begin, []byte(p.bodies[0])) {
		t.Errorf("whsec_ is not read: %s", got)
	}
}

func TestNotQueued(t *testing.T) {
	for name, test := range map[string]struct {
		spec   string
		change func(*webhook.Config)
		event  func(*audit.Event)
	}{
		"another event":  {strings.ReplaceAll(wanted, "connection.revoked", "connection.created"), nil, nil},
		"no event":       {strings.ReplaceAll(wanted, `"connection.revoked"`, ""), nil, nil},
		"disabled":       {strings.ReplaceAll(wanted, `"network"`, `"disabled":true,"network"`), nil, nil},
		"an air gap":     {wanted, func(c *webhook.Config) { c.Egress = fetch.Policy{Mode: "deny"} }, nil},
		"another tenant": {wanted, nil, func(e *audit.Event) { e.Tenant = tenant.MustParseUID("ten_01Q3G98TG000000000000000BB") }},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPost(t, test.change, test.spec)
			if test.event != nil {
				test.event(&p.events[0])
			}
			if made, err := p.Read(t.Context()); err != nil || made != 0 || p.position != "2" {
				t.Errorf("%d %v %s", made, err, p.position)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*post, *webhook.Config)
		status int
		sent   bool
	}{
		"it fails":        {nil, 500, true},
		"it redirects":    {nil, 302, true},
		"it is not there": {nil, 404, true},
		"no secret": {func(_ *post, c *webhook.Config) {
			c.Resolve = func(object.SecretRef) (secret.Text, error) { return secret.Text{}, errors.New("no such file") }
		}, 204, false},
		"a secret too short": {func(_ *post, c *webhook.Config) {
			c.Resolve = func(object.SecretRef) (secret.Text, error) { return secret.New("short"), nil }
		}, 204, false},
		"a secret that is bad": {func(_ *post, c *webhook.Config) {
			c.Resolve = func(object.SecretRef) (secret.Text, error) { return secret.New("whsec_!"), nil }
		}, 204, false},
	} {
		t.Run(name, func(t *testing.T) {
			var p *post
			p = newPost(t, func(c *webhook.Config) {
				if test.change != nil {
					test.change(p, c)
				}
			}, wanted)
			p.status = test.status
			_, _ = p.Read(t.Context())
			if ok, failed, err := p.Deliver(t.Context(), p.picture.UID); err != nil || ok != 0 || failed != 1 || len(p.rests) != 1 || p.rests[0] != 5*time.Second || (len(p.arrived) == 1) != test.sent {
				t.Fatalf("%d %d %v %v, arrived %d", ok, failed, err, p.rests, len(p.arrived))
			}
			for range 8 {
				_, _, _ = p.Deliver(t.Context(), p.picture.UID)
			}
			if last := p.rests[len(p.rests)-1]; last != 6*time.Hour {
				t.Errorf("the last rest: %s", last)
			}
			p.now = p.now.Add(4 * 24 * time.Hour)
			if _, _, _ = p.Deliver(t.Context(), p.picture.UID); p.rests[len(p.rests)-1] != 0 {
				t.Error("it is never given up")
			}
		})
	}
}

// A position that could not be written brings the same events again, and one message each.
func TestReadTwice(t *testing.T) {
	p := newPost(t, nil, wanted)
	p.advance = errors.New("another replica reads")
	if _, err := p.Read(t.Context()); err == nil {
		t.Error("nobody is told")
	}
	p.advance = nil
	if _, err := p.Read(t.Context()); err != nil || len(p.queued) != 1 {
		t.Errorf("%v %d", err, len(p.queued))
	}
	p.held = false
	if made, err := p.Read(t.Context()); err != nil || made != 0 {
		t.Errorf("what another replica reads: %d %v", made, err)
	}
}
