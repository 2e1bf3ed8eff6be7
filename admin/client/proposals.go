package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
)

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

// RevisionDiff is what differs between two revisions, or one and a draft.
type RevisionDiff struct {
	From    int64                `json:"from"`
	To      int64                `json:"to,omitempty"`
	Draft   string               `json:"draft,omitempty"`
	Changes []object.FieldChange `json:"changes"`
	Files   []struct {
		Path  string   `json:"path"`
		Lines []string `json:"lines"`
	} `json:"files"`
}

// Proposal is a draft, or a change that waits for a second person.
type Proposal struct {
	ID          string          `json:"id"`
	State       string          `json:"state"`
	Needs       []string        `json:"needs"`
	Kind        string          `json:"kind"`
	Name        string          `json:"name"`
	Hash        string          `json:"hash"`
	Manager     string          `json:"manager"`
	Author      string          `json:"author"`
	Note        string          `json:"note,omitempty"`
	RollbackOf  int64           `json:"rollback_of,omitempty"`
	CreatedAt   time.Time       `json:"created_at"`
	UpdatedAt   time.Time       `json:"updated_at"`
	ExpiresAt   time.Time       `json:"expires_at"`
	ApprovedBy  string          `json:"approved_by,omitempty"`
	ApprovedAt  time.Time       `json:"approved_at,omitzero"`
	SettledBy   string          `json:"settled_by,omitempty"`
	ShadowUntil time.Time       `json:"shadow_until,omitzero"`
	Change      json.RawMessage `json:"change,omitempty"`
	Plan        *object.Plan    `json:"plan,omitempty"`
	Stands      string          `json:"stands,omitempty"`
	Shadow      *Shadow         `json:"shadow,omitempty"`
}

// Shadow is what a draft would have decided.
type Shadow struct {
	Seen       int64            `json:"seen"`
	Dropped    int64            `json:"dropped"`
	Unanswered int64            `json:"unanswered"`
	Same       int64            `json:"same"`
	Changed    int64            `json:"changed"`
	Flips      int64            `json:"flips"`
	Kinds      map[string]int64 `json:"kinds"`
	Examples   []ShadowExample  `json:"examples"`
	Since      time.Time        `json:"since"`
	Problem    string           `json:"problem,omitempty"`
}

// ShadowExample is one decision that a draft would have made otherwise.
type ShadowExample struct {
	At         time.Time `json:"at"`
	Trace      string    `json:"trace"`
	Client     string    `json:"client,omitempty"`
	User       string    `json:"user,omitempty"`
	Resource   string    `json:"resource,omitempty"`
	Changes    []string  `json:"changes"`
	Before     string    `json:"before"`
	After      string    `json:"after"`
	ScopesWon  []string  `json:"scopes_won,omitempty"`
	ScopesLost []string  `json:"scopes_lost,omitempty"`
}

// PolicyStatus is what runs of a policy, where, and what waits.
type PolicyStatus struct {
	Name      string `json:"name"`
	UID       string `json:"uid"`
	ManagedBy string `json:"managed_by"`
	Live      struct {
		Revision int64  `json:"revision"`
		Hash     string `json:"hash"`
	} `json:"live"`
	Replicas []struct {
		Replica  string    `json:"replica"`
		Revision int64     `json:"revision"`
		Hash     string    `json:"hash"`
		Since    time.Time `json:"since"`
		SeenAt   time.Time `json:"seen_at"`
	} `json:"replicas"`
	Agreed    bool       `json:"agreed"`
	Proposals []Proposal `json:"proposals"`
}

// Revisions pages through a policy's revisions, the newest first.
func (c *Client) Revisions(ctx context.Context, name, cursor string, limit int) ([]Revision, string, error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	var answer struct {
		Items []Revision `json:"items"`
		Next  string     `json:"next"`
	}
	err := c.call(ctx, http.MethodGet, c.path("policies", name, "revisions"), query, nil, &answer)
	return answer.Items, answer.Next, err
}

// RevisionText is a revision with the policy as it was.
func (c *Client) RevisionText(ctx context.Context, name, number string) (Revision, *object.PolicySpec, error) {
	var answer struct {
		Revision
		Spec object.PolicySpec `json:"spec"`
	}
	err := c.call(ctx, http.MethodGet, c.path("policies", name, "revisions", number), nil, nil, &answer)
	return answer.Revision, &answer.Spec, err
}

// DiffRevisions compares; "" is the one in force.
func (c *Client) DiffRevisions(ctx context.Context, name, from, to string) (RevisionDiff, error) {
	query := url.Values{}
	if from != "" {
		query.Set("from", from)
	}
	if to != "" {
		query.Set("to", to)
	}
	var d RevisionDiff
	err := c.call(ctx, http.MethodGet, c.path("policies", name, "diff"), query, nil, &d)
	return d, err
}

// Rollback publishes the content of an earlier revision again.
func (c *Client) Rollback(ctx context.Context, name string, number int64, note string, dryRun bool) (object.Plan, error) {
	query := url.Values{}
	if dryRun {
		query.Set("dry_run", "true")
	}
	var plan object.Plan
	err := c.call(ctx, http.MethodPost, c.path("policies", name, "rollback"), query, map[string]any{"revision": number, "note": note}, &plan)
	return plan, err
}

// PolicyStatus says what runs of a policy, where, and what waits.
func (c *Client) PolicyStatus(ctx context.Context, name string) (PolicyStatus, error) {
	var s PolicyStatus
	err := c.call(ctx, http.MethodGet, c.path("policies", name, "status"), nil, nil, &s)
	return s, err
}

// Draft keeps a policy that is not in force.
func (c *Client) Draft(ctx context.Context, o object.Object, note string) (Proposal, error) {
	var p Proposal
	err := c.call(ctx, http.MethodPost, c.path("policies", o.Metadata.Name, "drafts"), noted(note), o, &p)
	return p, err
}

// Revise gives a proposal other content.
func (c *Client) Revise(ctx context.Context, id, hash string, o object.Object, note string) (Proposal, error) {
	query := noted(note)
	query.Set("hash", hash)
	var p Proposal
	err := c.call(ctx, http.MethodPut, c.path("proposals", id), query, o, &p)
	return p, err
}

func noted(note string) url.Values {
	if note == "" {
		return url.Values{}
	}
	return url.Values{"note": {note}}
}

// Proposals pages through drafts and what waits or did, the newest first.
func (c *Client) Proposals(ctx context.Context, cursor string, limit int) ([]Proposal, string, error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	var answer struct {
		Items []Proposal `json:"items"`
		Next  string     `json:"next"`
	}
	err := c.call(ctx, http.MethodGet, c.path("proposals"), query, nil, &answer)
	return answer.Items, answer.Next, err
}

// Proposal shows one, with its change and what it would do now.
func (c *Client) Proposal(ctx context.Context, id string) (Proposal, error) {
	var p Proposal
	err := c.call(ctx, http.MethodGet, c.path("proposals", id), nil, nil, &p)
	return p, err
}

// Word is what is said of a proposal.
type Word struct {
	Hash    string `json:"hash,omitempty"`
	Note    string `json:"note,omitempty"`
	Publish bool   `json:"publish,omitempty"`
	For     string `json:"for,omitempty"`
	// MaxFlips is how many recorded decisions it may turn; nil: as many as the server says.
	MaxFlips *int `json:"max_flips,omitempty"`
}

// Say says it: propose, approve, reject, withdraw, publish or shadow.
func (c *Client) Say(ctx context.Context, id, verb string, w Word) (Proposal, error) {
	var p Proposal
	err := c.call(ctx, http.MethodPost, c.path("proposals", id, verb), nil, w, &p)
	return p, err
}

// Objects are what a change makes so.
func (p Proposal) Objects() ([]object.Object, error) {
	var change struct {
		Objects json.RawMessage `json:"objects"`
	}
	if err := json.Unmarshal(p.Change, &change); err != nil || len(change.Objects) == 0 {
		return nil, errors.Join(err)
	}
	return object.Decode(bytes.NewReader(change.Objects), object.Options{Format: object.JSON})
}
