package connect

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Prefix begins the id of a link.
const Prefix = "lnk_"

// Bounds.
const (
	// Lifetime is how long a link waits for its person, and each step of his on the way.
	Lifetime = 10 * time.Minute
	// reusable is how much of a link must be left for it to be given again: a person needs time.
	reusable = Lifetime / 2
	// MaxLinks is how many links of one person and client wait at once; the oldest goes.
	MaxLinks = 8
	// MaxTrips is how often one person may be under way at once; the oldest goes.
	MaxTrips = 10
	// maxScopes bounds what is asked at once.
	maxScopes = 200
)

// What is refused.
var (
	// ErrGone: there is no such link or trip, it was used, or another one took its place.
	ErrGone = errors.New("nothing waits under this name")
	// ErrExpired: its time is over.
	ErrExpired = errors.New("the time to connect is over")
	// ErrWrongPerson: somebody else is signed in than the one for whom it waits.
	ErrWrongPerson = errors.New("another person's")
	// ErrWrongBrowser: the person departed in another browser.
	ErrWrongBrowser = errors.New("another browser's")
	// ErrDeclined: the person said no at the provider.
	ErrDeclined = errors.New("declined at the provider")
	// ErrHeld: the account's connection is suspended, and only an administrator changes that.
	ErrHeld = errors.New("the connection is suspended")
	// ErrEnded: the person, the client or the provider was ended or changed since the trip began.
	ErrEnded = errors.New("revoked since it began")
	// ErrUnknownSite: a site that the account does not reach.
	ErrUnknownSite = errors.New("not a site of the account")
)

// Order is an agent's demand: somebody has to connect an account.
type Order struct {
	Tenant      string // uid
	UserUID     string
	ClientUID   string
	ClientID    string // by which the client is found
	ClientName  string
	ProviderUID string
	Scopes      []string // the provider's, that are needed
	Account     string   // id or label of the account that is meant; empty: any
	Trace       string
}

func (o Order) complete() bool {
	return o.Tenant != "" && o.UserUID != "" && o.ClientUID != "" && o.ProviderUID != "" && len(o.Scopes) <= maxScopes
}

// Link waits for its person. It rests under the digest of its id.
type Link struct {
	Handle [sha256.Size]byte
	Order
	// Sealed is the id, so that a client that asks again gets the same link.
	Sealed    []byte
	BegunAt   time.Time
	ExpiresAt time.Time
}

// Person is who is signed in, in which browser.
type Person struct {
	UserUID string
	Browser [sha256.Size]byte // digest of what the browser keeps
	Version int64             // of the tenant when he signed in: a mark above it ends what he began
}

func (p Person) complete() bool { return p.UserUID != "" && p.Browser != [sha256.Size]byte{} }

// Stage is how far a trip is.
type Stage string

// The stages.
const (
	Departed Stage = "departed" // the person is at the provider
	Arrived  Stage = "arrived"  // there is a credential, and nobody has confirmed the account
)

// Trip is one way to a provider and back. It rests under the digest of its state, and from its arrival on under that of a
// new secret.
type Trip struct {
	Handle      [sha256.Size]byte
	Tenant      string
	Stage       Stage
	UserUID     string
	Browser     [sha256.Size]byte
	Version     int64
	ProviderUID string
	Link        [sha256.Size]byte // zero: the person came by himself
	ClientUID   string            // of the link
	ClientID    string
	ClientName  string
	Account     string // id or label of the account that is meant; empty: any
	Sealed      []byte // provider.Departure, or what was obtained
	BegunAt     time.Time
	ExpiresAt   time.Time
}

// Visit is where a request comes from, for the record.
type Visit struct{ Trace, Remote string }

// Made is a connection that begins, or whose credential is replaced: what the record says of it.
type Made struct {
	Visit
	Trip       Trip
	Connection string // id
	Provider   string // name
	Account    provider.Account
	Scopes     []string
	Again      bool // the account was connected already
	At         time.Time
}

func newSecret(prefix string) (text string, rests [sha256.Size]byte) {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand crashes the program first
	text = prefix + base64.RawURLEncoding.EncodeToString(raw[:])
	return text, digest(text)
}

// readSecret gives the digest of what newSecret made, in its only form.
func readSecret(prefix, text string) (rests [sha256.Size]byte, ok bool) {
	if len(text) < len(prefix) || text[:len(prefix)] != prefix {
		return rests, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text[len(prefix):])
	if err != nil || len(raw) != 32 {
		return rests, false
	}
	return digest(text), true
}

func digest(text string) [sha256.Size]byte { return sha256.Sum256([]byte(text)) }

// ownedBy is whose the connection will be.
func ownedBy(userUID string) connection.Owner {
	return connection.Owner{Kind: connection.User, UID: userUID}
}
