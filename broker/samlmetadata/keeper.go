package samlmetadata

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/saml"
)

// When IdPs are asked.
const (
	Every      = 24 * time.Hour
	RetryFirst = time.Minute      // while nothing is in use
	Retry      = 30 * time.Minute // else
	hold       = 2 * time.Minute  // what one who asks has for it
	patience   = 10 * time.Second // of one look
)

// Entry is a SAML IdP whose entry has a metadata_url, or what it would say written in.
type Entry struct {
	Tenant     tenant.UID
	TenantName string
	IdPUID     string
	Name       string
	URL        string
	EntityID   string              // saml.idp_entity_id, "" for the one that the document has
	Signers    []*x509.Certificate // saml.metadata_certificates; nil asks for no signature
	Network    fetch.Network
	// Pinned, if not nil, is what is written into the entry: nobody is asked, and only its end is watched.
	Pinned *saml.Metadata
}

// source names the address and who must have signed what it says: a document that was taken under another rule counts for
// nothing under this one.
func (e Entry) source() string {
	if e.Signers == nil {
		return e.URL
	}
	signers := make([]string, len(e.Signers))
	for i, certificate := range e.Signers {
		signers[i] = saml.Fingerprint(certificate)
	}
	slices.Sort(signers)
	return e.URL + " signed by " + strings.Join(signers, " ")
}

func (e Entry) expected() saml.Expected {
	return saml.Expected{EntityID: e.EntityID, Signers: e.Signers, Loopback: e.Network.AllowPrivateAddresses}
}

// Config is what a Keeper needs; all but the log is required.
type Config struct {
	Store Store
	Fetch saml.Getter
	// Entries lists the SAML IdPs of all tenants.
	Entries func(ctx context.Context) ([]Entry, error)
	Now     func() time.Time
	Log     *slog.Logger
}

// Keeper keeps metadata. It is safe for concurrent use.
type Keeper struct {
	config Config
	wake   chan struct{}

	mu       sync.Mutex
	standing []Standing
	told     map[tellKey]int
}

// New makes a Keeper.
func New(c Config) (*Keeper, error) {
	if c.Store == nil || c.Fetch == nil || c.Entries == nil || c.Now == nil {
		return nil, errors.New("samlmetadata: store, door, entries and clock are required")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Keeper{config: c, wake: make(chan struct{}, 1), told: map[tellKey]int{}}, nil
}

// Document returns the metadata of an IdP that is in use, if it was had from this address and signed by one of these signers
// (nil asks for no signature); found is false while there is none, and nothing may be trusted in its place. Its signature, if
// the IdP's had one, was verified when it was fetched: it has none of its own.
func (k *Keeper) Document(ctx context.Context, t tenant.UID, idpUID, url string, signers []*x509.Certificate) (document []byte, found bool, err error) {
	row, err := k.config.Store.Metadata(ctx, t, idpUID)
	if errors.Is(err, ErrNone) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("load metadata: %w", err)
	}
	if row.Source != (Entry{URL: url, Signers: signers}).source() { // an entry that was changed a moment ago
		return nil, false, nil
	}
	return row.Document, row.Document != nil, nil
}

// State is what an administrator sees of one IdP's metadata.
type State struct {
	Source        string
	InUse         *saml.Metadata // nil: nothing is, and nobody signs in
	Digest        string
	AcceptedAt    time.Time
	Pending       *saml.Metadata
	PendingDigest string
	PendingSince  time.Time
	Changes       []saml.Change // from what is in use to what is pending
	CheckedAt     time.Time
	DueAt         time.Time
	Failure       string
}

// Look asks the IdP now, whatever the hour, and takes what it says as it is taken every day. A failure of the IdP is in
// the state and not an error.
func (k *Keeper) Look(ctx context.Context, e Entry, by audit.Principal) (State, error) {
	if err := e.Tenant.Check(); err != nil {
		return State{}, err
	}
	if err := k.forgetOther(ctx, e, by); err != nil {
		return State{}, err
	}
	if _, err := k.config.Store.ClaimMetadata(ctx, e.Tenant, e.IdPUID, e.source(), hold); err != nil { // makes the row
		return State{}, fmt.Errorf("claim metadata: %w", err)
	}
	return k.ask(ctx, e, by)
}

// State tells what is kept, and asks nobody. ErrNone: nothing was fetched yet.
func (k *Keeper) State(ctx context.Context, t tenant.UID, idpUID string) (State, error) {
	row, err := k.config.Store.Metadata(ctx, t, idpUID)
	if err != nil {
		return State{}, err
	}
	return k.state(row)
}

func (k *Keeper) state(row Row) (State, error) {
	s := State{
		Source: row.Source, Digest: row.Digest, AcceptedAt: row.AcceptedAt, PendingDigest: row.PendingDigest, PendingSince: row.PendingSince,
		CheckedAt: row.CheckedAt, DueAt: row.DueAt, Failure: row.Failure,
	}
	var err error
	if s.InUse, err = read(row.Document); err != nil {
		return State{}, err
	}
	if s.Pending, err = read(row.Pending); err != nil {
		return State{}, err
	}
	if s.Pending != nil {
		before := saml.Metadata{}
		if s.InUse != nil {
			before = *s.InUse
		}
		s.Changes = saml.Diff(before, *s.Pending)
	}
	return s, nil
}

// read reads what Write wrote. When it ends is the keeper's to say, not the reader's; loopback was judged when it came.
func read(document []byte) (*saml.Metadata, error) {
	if document == nil {
		return nil, nil //nolint:nilnil // nothing in use is an answer
	}
	m, err := saml.ParseMetadata(document, saml.Expected{Loopback: true}, time.Time{})
	if err != nil {
		return nil, fmt.Errorf("the metadata that is kept: %w", err)
	}
	return &m, nil
}

// ask fetches and records, once more where somebody else was faster.
func (k *Keeper) ask(ctx context.Context, e Entry, by audit.Principal) (State, error) {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	verifier := saml.Verifier{Now: k.config.Now}
	document, failure := verifier.FetchMetadata(bounded, k.config.Fetch, e.URL, e.Network, e.expected())
	for range attempts {
		row, err := k.config.Store.Metadata(ctx, e.Tenant, e.IdPUID)
		if err != nil {
			return State{}, fmt.Errorf("load metadata: %w", err)
		}
		if row.Source != e.source() {
			return State{}, ErrConflict // the entry was changed while we asked
		}
		if failure != nil {
			row, err = k.failed(ctx, e, row, failure)
		} else {
			row, err = k.record(ctx, e, row, document, by)
		}
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil {
			return State{}, err
		}
		return k.state(row)
	}
	return State{}, ErrConflict
}

// attempts bounds how often a change that lost a race is decided again.
const attempts = 5

// failed keeps what is in use, unless its own end has come.
func (k *Keeper) failed(ctx context.Context, e Entry, row Row, failure error) (Row, error) {
	now := k.config.Now()
	if row.Failure == "" {
		k.config.Log.WarnContext(ctx, "an IdP's metadata cannot be read", "tenant", e.TenantName, "idp", e.Name, "error", failure)
	}
	row.Failure, row.DueAt = clip(failure.Error()), now.Add(Retry)
	if row.Document == nil {
		row.DueAt = now.Add(RetryFirst)
	}
	current, err := read(row.Document)
	if err != nil {
		return Row{}, err
	}
	if !isOver(current, now) {
		return row, k.note(ctx, e, row)
	}
	before := row.mark()
	row.Document = nil // Digest stays: the same again needs nobody's word
	return row, k.change(ctx, Change{
		Tenant: e.Tenant, Before: before, Row: row, Raise: true,
		Events: []audit.Event{k.event(e, audit.TypeMetadataChanged, system(), map[string]string{"reason": "valid_until", "valid_until": current.ValidUntil.UTC().Format(time.RFC3339)})},
	})
}

func (k *Keeper) note(ctx context.Context, e Entry, row Row) error {
	if err := k.config.Store.NoteMetadata(ctx, e.Tenant, row); err != nil {
		return fmt.Errorf("note metadata: %w", err)
	}
	return nil
}

func (k *Keeper) change(ctx context.Context, c Change) error {
	if err := k.config.Store.ChangeMetadata(ctx, c); err != nil {
		return fmt.Errorf("change metadata: %w", err)
	}
	return nil
}

// maxFailure bounds what is kept of an error.
const maxFailure = 500

func clip(s string) string {
	if len(s) <= maxFailure {
		return s
	}
	return s[:maxFailure] + "…"
}
