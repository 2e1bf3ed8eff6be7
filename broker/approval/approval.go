// Package approval is a token request that waits for other people: policy lets a client have something for a person only if a
// member of a group says yes first. A request waits under an id, for one person, client, resource, set of scopes and state of
// the policies; each group that is asked for is answered once, by another person than the one for whom it is; and what was
// allowed is used up by one token. Whoever changes any of that asks anew.
//
// It knows no HTML and no SQL, and issues nothing: its one use is a redemption in the entry of the token's ledger.
package approval

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Bounds of an approval.
const (
	// Default is how long a request waits where policy does not say.
	Default = 10 * time.Minute
	// Longest is how long it waits at most.
	Longest = 24 * time.Hour
	// Interval is how long a client waits before it asks again.
	Interval = 5 * time.Second
	// kept is how long what was allowed waits for its client at most: he asks every few seconds.
	kept = 10 * time.Minute
	// MaxWaiting is how many requests of one user and client wait at once.
	MaxWaiting = 8
	// MaxNeeds is how many groups one request asks.
	MaxNeeds = 8
	// MaxListed bounds what is looked through for what waits for somebody.
	MaxListed = 500
)

// Space is that of the ledger in which the use of an approval is redeemed.
const Space ledger.Space = "approval"

// What is refused.
var (
	// ErrGone: there is no such request, or its time is over.
	ErrGone = errors.New("nothing waits under this id")
	// ErrSubject: nobody allows what he is to get himself.
	ErrSubject = errors.New("what is asked is for the person who would allow it")
	// ErrNotAsked: the person is in none of the groups that are asked, or has answered already.
	ErrNotAsked = errors.New("the person is not asked")
	// ErrSettled: everybody has answered, or somebody said no.
	ErrSettled = errors.New("the request is settled")
	// ErrCrowded: too many requests of the user and client wait.
	ErrCrowded = errors.New("too many requests of one client and user wait")
)

// State is how far a request is.
type State string

// The states. What is over, by its time or its use, is not there any more.
const (
	Waiting State = "waiting"
	Allowed State = "allowed"
	Denied  State = "denied"
)

// Policy is a policy at a revision.
type Policy struct {
	UID      string `json:"uid"`
	Name     string `json:"name"`
	Revision int64  `json:"revision"`
	Hash     string `json:"hash,omitempty"`
}

// Word is what one person said for one group.
type Word struct {
	Group   string
	UserUID string
	Name    string
	IdPUID  string // which vouched for him
	Allow   bool
	At      time.Time
}

// Approval is a request and what was said to it.
type Approval struct {
	ID          string
	Tenant      tenant.UID
	Binding     [32]byte
	UserUID     string // for whom; "" where the client asks for itself
	ClientUID   string
	ClientID    string // by which its client is found
	ResourceUID string
	Provider    string // whose scopes they are; "" for the resource's own
	Scopes      []string
	Policies    []Policy
	Groups      []string // each of which is needed, in order
	Within      time.Duration
	Lifetime    time.Duration // of what is given, at most: those who are asked are told
	DecisionID  string        // of the first time that it was asked
	State       State
	BegunAt     time.Time
	ExpiresAt   time.Time
	Words       []Word
}

// binding is what an approval binds: a request that differs in any of it is another one.
func (a Approval) binding(beside []string) ([32]byte, error) {
	policies := slices.Clone(a.Policies)
	for i := range policies {
		policies[i].Name = "" // another name of the same content changes nothing
	}
	slices.SortFunc(policies, func(x, y Policy) int { return compare(x.UID, y.UID) })
	bound := []any{a.UserUID, a.ClientUID, a.ResourceUID, a.Provider, sorted(a.Scopes), policies, a.Groups, int64(a.Within)}
	if len(beside) > 0 {
		bound = append(bound, beside)
	}
	text, err := json.Marshal(bound)
	return sha256.Sum256(text), err
}

func compare(x, y string) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	default:
		return 0
	}
}

func sorted(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// complete tells whether everything that makes it one is there.
func (a Approval) complete() bool {
	return a.Tenant.Check() == nil && a.ClientUID != "" && a.ClientID != "" && a.ResourceUID != "" && len(a.Scopes) > 0 &&
		len(a.Policies) > 0 && len(a.Groups) > 0 && len(a.Groups) <= MaxNeeds && !slices.Contains(a.Groups, "") && a.Within > 0
}

// Open are the groups of which nobody has answered yet.
func (a Approval) Open() []string {
	return slices.DeleteFunc(slices.Clone(a.Groups), func(g string) bool {
		return slices.ContainsFunc(a.Words, func(w Word) bool { return w.Group == g })
	})
}

// Redemption is the one use of what was allowed.
func (a Approval) Redemption() ledger.Redemption {
	return ledger.Redemption{
		Tenant: a.Tenant, Space: Space, Key: RedemptionKey(a.ID), ExpiresAt: a.ExpiresAt.Add(Longest), Code: string(oauth.CodeApprovalUsed),
	}
}

// RedemptionKey names the use of an approval.
func RedemptionKey(id string) [32]byte { return sha256.Sum256([]byte("approval\x00" + id)) }

// Say adds a word, once for each group and once of each person: of any number who say it at a time, one does. What follows from
// it is the request's new state.
func (a Approval) Say(w Word) (Approval, error) {
	if a.State != Waiting || w.At.IsZero() || !w.At.Before(a.ExpiresAt) {
		return Approval{}, ErrSettled
	}
	if w.UserUID == "" || w.UserUID == a.UserUID {
		return Approval{}, ErrSubject
	}
	if !slices.Contains(a.Open(), w.Group) || slices.ContainsFunc(a.Words, func(said Word) bool { return said.UserUID == w.UserUID }) {
		return Approval{}, ErrNotAsked
	}
	a.Words = append(slices.Clone(a.Words), w)
	switch {
	case !w.Allow:
		a.State = Denied
	case len(a.Open()) == 0:
		a.State, a.ExpiresAt = Allowed, w.At.Add(min(a.Within, kept))
	}
	return a, nil
}
