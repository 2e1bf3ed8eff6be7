// Package revision is the past of policies: each published revision with its text, content hash, author, note and time, none of which
// ever changes. A revision's number is that of the Policy object when it was published (metadata.revision), which is what decisions
// record. It writes nothing: revisions come to be where objects change, in the same transaction. It knows no HTTP and no database.
package revision

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
)

// ErrUnknown says that the policy has no such revision.
var ErrUnknown = errors.New("the policy has no such revision")

// Stored is a revision as it rests.
type Stored struct {
	Tenant     tenant.UID
	PolicyUID  string
	Name       string // of the policy
	ManagedBy  string // of the policy now
	Number     int64
	Spec       []byte // JSON of an object.PolicySpec
	ChangedBy  string
	At         time.Time
	Deleted    bool // the policy ended with it
	Hash       string
	Note       string
	Author     audit.Principal
	ApprovedBy string
	Proposal   string
	RollbackOf int64
}

// Store reads them.
type Store interface {
	// List returns the newest first, those before a number.
	List(ctx context.Context, t tenant.UID, policyUID string, before int64, limit int) ([]Stored, error)
	// Get answers ErrUnknown for one that is not there.
	Get(ctx context.Context, t tenant.UID, policyUID string, number int64) (Stored, error)
}

// Revision is one of a policy's, without its text.
type Revision struct {
	Number     int64     `json:"revision"`
	Hash       string    `json:"hash"`
	Author     string    `json:"author"`
	Note       string    `json:"note,omitempty"`
	At         time.Time `json:"at"`
	ApprovedBy string    `json:"approved_by,omitempty"`
	Proposal   string    `json:"proposal,omitempty"`
	RollbackOf int64     `json:"rollback_of,omitempty"`
	Deleted    bool      `json:"deleted,omitempty"`
	Live       bool      `json:"live,omitempty"`
}

// Revisions answers what is asked about the past of policies.
type Revisions struct{ Store Store }

// List pages through a policy's revisions, the newest first: those before a number, 0 for all.
func (r Revisions) List(ctx context.Context, t tenant.UID, policyUID string, before int64, limit int) ([]Revision, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	found, err := r.Store.List(ctx, t, policyUID, before, limit)
	if err != nil {
		return nil, err
	}
	all := make([]Revision, 0, len(found))
	for _, s := range found {
		one, _, err := s.read()
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// Of is one revision with its spec.
func (r Revisions) Of(ctx context.Context, t tenant.UID, policyUID string, number int64) (Revision, *object.PolicySpec, error) {
	s, err := r.Store.Get(ctx, t, policyUID, number)
	if err != nil {
		return Revision{}, nil, err
	}
	return s.read()
}

// Get is a revision as the policy engine reads it. One that is not there is ErrUnknown; what a recorded decision rested on is.
func (r Revisions) Get(ctx context.Context, t tenant.UID, policyUID string, number int64) (policy.Source, error) {
	s, err := r.Store.Get(ctx, t, policyUID, number)
	if err != nil {
		return policy.Source{}, err
	}
	_, spec, err := s.read()
	if err != nil {
		return policy.Source{}, err
	}
	return regocheck.Source(policyUID, s.Name, number, spec), nil
}

// read takes a row apart. A hash that is kept is what its text must still have.
func (s Stored) read() (Revision, *object.PolicySpec, error) {
	parsed, err := object.ParseSpec(object.KindPolicy, s.Spec)
	if err != nil {
		return Revision{}, nil, fmt.Errorf("revision %d: %w", s.Number, err)
	}
	spec, ok := parsed.(*object.PolicySpec)
	if !ok {
		return Revision{}, nil, fmt.Errorf("revision %d is of no policy", s.Number)
	}
	hash := regocheck.Hash(spec)
	if s.Hash != "" && s.Hash != hash {
		return Revision{}, nil, fmt.Errorf("revision %d: its text is not the one that was published: hash %s is recorded, %s is found", s.Number, s.Hash, hash)
	}
	author := s.ChangedBy
	if s.Author != (audit.Principal{}) {
		author = object.PrincipalName(s.Author)
	}
	return Revision{
		Number: s.Number, Hash: hash, Author: author, Note: s.Note, At: s.At, ApprovedBy: s.ApprovedBy, Proposal: s.Proposal,
		RollbackOf: s.RollbackOf, Deleted: s.Deleted,
	}, spec, nil
}

// Diff is what differs between two revisions of a policy, member by member, with whole files as lines.
type Diff struct {
	From    int64                `json:"from"`
	To      int64                `json:"to,omitempty"`
	Draft   string               `json:"draft,omitempty"` // a proposal, in place of To
	Changes []object.FieldChange `json:"changes"`
	Files   []File               `json:"files"`
}

// Diff compares two revisions.
func (r Revisions) Diff(ctx context.Context, t tenant.UID, policyUID string, from, to int64) (Diff, error) {
	before, err := r.Store.Get(ctx, t, policyUID, from)
	if err != nil {
		return Diff{}, err
	}
	after, err := r.Store.Get(ctx, t, policyUID, to)
	if err != nil {
		return Diff{}, err
	}
	_, was, err := before.read()
	if err != nil {
		return Diff{}, err
	}
	_, is, err := after.read()
	if err != nil {
		return Diff{}, err
	}
	d, err := Between(was, is)
	d.From, d.To = from, to
	return d, err
}
