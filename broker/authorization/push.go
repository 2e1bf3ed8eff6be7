package authorization

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// PushedLifetime is how long a pushed request waits for its browser (RFC 9126 §2.2: expires_in).
const PushedLifetime = time.Minute

// requestURIPrefix is the form of our own request_uri values (RFC 9126 §2.2).
const requestURIPrefix = "urn:ietf:params:oauth:request_uri:"

const handleSize = 32

// ErrNotPushed is a Store's answer for what it does not have: never pushed, taken,
// expired, or another client's.
var ErrNotPushed = errors.New("no such pushed request")

// ErrCrowded is a Store's answer where too many rest already: of strangers, or of the client that authenticated.
var ErrCrowded = errors.New("too many pushed requests")

// Handle is what a pushed request is kept under: a digest, so that who reads the
// store cannot make a request_uri of it.
type Handle [sha256.Size]byte

// PushedRequest is what rests between the push and the browser.
type PushedRequest struct {
	ClientUID  string
	Parameters string // Request.Parameters
	ExpiresAt  time.Time
	// ProvedBy is ClientUID where the client authenticated, and somebody vouches for it; "" where nobody did.
	ProvedBy string
}

// Taken is a request as its client pushed it.
type Taken struct {
	Form     oauth.Form
	ProvedBy string // as in PushedRequest
}

// Store keeps pushed requests of a tenant; all replicas share it.
type Store interface {
	// Push answers ErrCrowded where too many rest.
	Push(ctx context.Context, t tenant.UID, h Handle, p PushedRequest) error
	// Take gives and removes, in one step, what is kept under the handle for this client and has not expired at now;
	// of any number who ask one gets it. Otherwise it answers ErrNotPushed, and removes nothing.
	Take(ctx context.Context, t tenant.UID, h Handle, clientUID string, now time.Time) (PushedRequest, error)
}

// Pushes keeps requests that clients push (RFC 9126) until their browsers come.
type Pushes struct {
	store Store
	now   func() time.Time
}

// NewPushes makes Pushes. Both are required.
func NewPushes(store Store, now func() time.Time) (*Pushes, error) {
	if store == nil || now == nil {
		return nil, errors.New("pushed requests need a store and a clock")
	}
	return &Pushes{store: store, now: now}, nil
}

// Push keeps a request that was parsed with Via Pushing, and gives its request_uri. proved: its client is no stranger, and
// authenticated.
func (p *Pushes) Push(ctx context.Context, t tenant.UID, r Request, proved bool) (uri string, err error) {
	if err := t.Check(); err != nil {
		return "", err
	}
	if r.client == nil || r.client.UID == "" || r.parameters == "" {
		return "", errors.New("only a parsed request is pushed")
	}
	var id [handleSize]byte
	_, _ = rand.Read(id[:]) // never fails: crypto/rand crashes the program first
	kept := PushedRequest{ClientUID: r.client.UID, Parameters: r.parameters, ExpiresAt: p.now().Add(PushedLifetime)}
	if proved {
		kept.ProvedBy = kept.ClientUID
	}
	if err := p.store.Push(ctx, t, sha256.Sum256(id[:]), kept); err != nil {
		return "", fmt.Errorf("keep pushed request: %w", err)
	}
	return requestURIPrefix + base64.RawURLEncoding.EncodeToString(id[:]), nil
}

// PushedURI gives the request_uri of a browser's request if it is of our own form; then nothing else of that request
// counts but client_id (RFC 9126 §4), and Take is next.
func PushedURI(form oauth.Form) (string, bool) {
	uri := form.Get("request_uri")
	return uri, strings.HasPrefix(uri, requestURIPrefix)
}

// Take gives what was pushed under a request_uri, once, to be parsed with Via
// Pushed. Its refusal is *Shown: where the answer could go went with the request.
func (p *Pushes) Take(ctx context.Context, t tenant.UID, party Party, uri string) (Taken, error) {
	if err := t.Check(); err != nil {
		return Taken{}, err
	}
	h, ok := handleOf(uri)
	if !ok || party.Client == nil || party.Client.UID == "" {
		return Taken{}, show(oauth.CodeRequestURIInvalid, "a request_uri of another form, or of no client", "one that the client pushed")
	}
	now := p.now()
	taken, err := p.store.Take(ctx, t, h, party.Client.UID, now)
	switch {
	case errors.Is(err, ErrNotPushed):
		return Taken{}, show(oauth.CodeRequestURIInvalid, "a request_uri that is not there", "one that the client pushed")
	case err != nil:
		return Taken{}, fmt.Errorf("take pushed request: %w", err)
	// The store has asked the same; a store that is wrong must not be enough.
	case taken.ClientUID != party.Client.UID || !now.Before(taken.ExpiresAt):
		return Taken{}, show(oauth.CodeRequestURIInvalid, "a request_uri of another client or time", "one that the client pushed")
	}
	form, err := oauth.ParseForm([]byte(taken.Parameters))
	return Taken{Form: form, ProvedBy: taken.ProvedBy}, err
}

func handleOf(uri string) (Handle, bool) {
	id, ok := strings.CutPrefix(uri, requestURIPrefix)
	if !ok || !isDigest(id) {
		return Handle{}, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(id)
	return sha256.Sum256(raw), err == nil
}
