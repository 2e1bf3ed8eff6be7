// Package matrix says who gets what under a set of policies: clients × resources × groups, each cell by evaluation of a
// request made up for it.
//
// A cell holds for the request that was made up, and for no other. What the policies read beyond what varies between cells
// (the time, the network, attributes, claims, the sign-in) has one value in all of them; Matrix.Assumes lists what of it
// they read, and with what value. What an identity provider's entry takes away is not looked at.
//
// The package imports policy and nothing else of Chancery.
package matrix

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chancery-dev/chancery/policy"
)

// DefaultMaxCells bounds a matrix.
const DefaultMaxCells = 100_000

// Who is behind the requests of a cell.
type Who string

// Who there is.
const (
	Member Who = "group"  // a person in one group alone
	Person Who = "person" // a person in no group
	Nobody Who = "nobody" // the client for itself
)

// Codes of cells for which policy is not asked, or whose answer leaves nothing.
const (
	CodeClientResource = "client_resource" // the client may not ask for the resource
	CodeNoScope        = "no_scope"        // the resource has no scope that the client has
	CodeScopeEmpty     = "scope_empty"     // allowed, and no scope is left: such a request is refused
)

// Client is one client, and the names of the resources that it may ask for.
type Client struct {
	policy.Client
	Resources []string
}

// Resource is one resource, and what its scopes imply, each with what that implies in turn.
type Resource struct {
	policy.Resource
	Implies map[string][]string
}

// Axes are what varies between cells. Order and repetition do not matter.
type Axes struct {
	Clients   []Client
	Resources []Resource
	Groups    []string
	// Programs adds a row for the client that asks for itself.
	Programs bool
}

// Options of a matrix.
type Options struct {
	// Base is all of a request that does not vary. See At.
	Base policy.Input
	// MaxCells is DefaultMaxCells unless it is given.
	MaxCells int
	// Evaluator decides; by default one in this process with five times the budget of a decision.
	Evaluator policy.Evaluator
}

// At is a plain Base: a person with an active account issues himself a token at a time, signed in just then, with no acr,
// attributes or address.
func At(t time.Time, tenant policy.Tenant) policy.Input {
	at := policy.At(t, t.Location())
	return policy.Input{
		Action: policy.ActionIssue, Tenant: tenant, GrantType: "urn:ietf:params:oauth:grant-type:jwt-bearer",
		Assertion: &policy.Assertion{Profile: "id-jag", Type: "oauth-id-jag+jwt", IssuedAt: at.Unix, ExpiresAt: at.Unix + 300, AuthTime: at.Unix},
		User:      &policy.User{ID: "usr_matrix", Kind: "person", GroupsState: policy.GroupsComplete, GroupsSource: "claim", Status: "active"},
		Time:      at,
	}
}

// Cell is what one client gets of one resource, for whom.
type Cell struct {
	Client   string           `json:"client"`
	Resource string           `json:"resource"`
	Who      Who              `json:"who"`
	Group    string           `json:"group,omitempty"`
	Allow    bool             `json:"allow"`
	Scopes   []string         `json:"scopes,omitempty"`
	StepUp   *policy.StepUp   `json:"step_up,omitempty"` // demanded; whether it is met is a person's matter
	Approval *policy.Approval `json:"approval,omitempty"`
	Lifetime time.Duration    `json:"lifetime,omitempty"`
	Code     string           `json:"code,omitempty"`   // of a denial
	Reason   string           `json:"reason,omitempty"` // the first that a policy gave for it
}

// Assumption is a member of input that the policies read and that is the same in every cell.
type Assumption struct {
	Member string `json:"member"`
	Value  string `json:"value"` // JSON, or absent
}

// Matrix is every cell, in the order of client, resource, who, group.
type Matrix struct {
	Cells   []Cell       `json:"cells"`
	Assumes []Assumption `json:"assumes"`
	// ReadsAll: it is not plain what some policy reads, so that it may depend on anything of the request.
	ReadsAll bool `json:"reads_all"`
}

// TooLargeError is a matrix with more cells than are allowed.
type TooLargeError struct{ Cells, Max int }

// ErrTooSlow is a matrix of policies that ran out of time or memory again and again; it was given up.
var ErrTooSlow = fmt.Errorf("the policies ran out of time or memory for %d cells; the matrix was given up", maxLate)

// maxLate is how many cells may stay without an answer for that.
const maxLate = 32

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("a matrix of %d cells; at most %d: name fewer clients, resources or groups", e.Cells, e.Max)
}

// Compute evaluates every cell. It answers a *TooLargeError, ErrTooSlow, or the error of ctx.
func Compute(ctx context.Context, set *policy.Set, axes Axes, o Options) (Matrix, error) {
	if set == nil {
		return Matrix{}, errors.New("matrix without policies")
	}
	rows := axes.rows()
	most := cmp.Or(max(o.MaxCells, 0), DefaultMaxCells)
	clients, resources := axes.sorted()
	// The product of three counts of things in memory is far from overflowing.
	if n := len(clients) * len(resources) * len(rows); n > most {
		return Matrix{}, &TooLargeError{Cells: n, Max: most}
	}
	if o.Evaluator == nil {
		e := policy.NewInProcess(5*policy.DefaultBudget, policy.WithApprovals())
		defer e.Close()
		o.Evaluator = e
	}
	m := Matrix{Cells: make([]Cell, 0, len(clients)*len(resources)*len(rows))}
	var requests []request
	for _, c := range clients {
		for _, r := range resources {
			for _, row := range rows {
				requests = append(requests, request{client: c, resource: r, row: row})
			}
		}
	}
	m.Cells = m.Cells[:len(requests)]
	if err := evaluate(ctx, set, requests, o, m.Cells); err != nil {
		return Matrix{}, err
	}
	var err error
	m.Assumes, m.ReadsAll, err = assumes(set, resources, o.Base)
	return m, err
}

// evaluate fills the cells, each by one of several goroutines.
func evaluate(ctx context.Context, set *policy.Set, requests []request, o Options, cells []Cell) error {
	var workers sync.WaitGroup
	var late atomic.Int32
	n := runtime.GOMAXPROCS(0)
	for start := range n {
		workers.Go(func() {
			for i := start; i < len(requests) && ctx.Err() == nil && late.Load() < maxLate; i += n {
				cells[i] = requests[i].cell(ctx, set, o)
				if code := cells[i].Code; code == policy.CodeTimeout || code == policy.CodeMemory {
					late.Add(1)
				}
			}
		})
	}
	workers.Wait()
	if ctx.Err() == nil && late.Load() >= maxLate {
		return ErrTooSlow
	}
	return ctx.Err()
}

type row struct {
	who   Who
	group string
}

func (a Axes) rows() []row {
	var rows []row
	groups := map[string]bool{}
	for _, g := range a.Groups {
		groups[g] = g != ""
	}
	for _, g := range slices.Sorted(maps.Keys(groups)) {
		if groups[g] {
			rows = append(rows, row{Member, g})
		}
	}
	rows = append(rows, row{who: Person})
	if a.Programs {
		rows = append(rows, row{who: Nobody})
	}
	return rows
}

// sorted are the clients by name and the resources by name, each once.
func (a Axes) sorted() ([]Client, []Resource) {
	clients := slices.Clone(a.Clients)
	slices.SortStableFunc(clients, func(x, y Client) int { return cmp.Compare(clientName(x), clientName(y)) })
	clients = slices.CompactFunc(clients, func(x, y Client) bool { return clientName(x) == clientName(y) })
	resources := slices.Clone(a.Resources)
	slices.SortStableFunc(resources, func(x, y Resource) int { return cmp.Compare(x.Name, y.Name) })
	return clients, slices.CompactFunc(resources, func(x, y Resource) bool { return x.Name == y.Name })
}

func clientName(c Client) string { return cmp.Or(c.Name, c.ID) }
