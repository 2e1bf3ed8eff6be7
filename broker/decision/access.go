package decision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/matrix"
	"github.com/chancery-dev/chancery/policy/vocabulary"
)

// ErrMatrixUnknown says that no access matrix was kept of a revision.
var ErrMatrixUnknown = errors.New("no access matrix is kept of this revision")

const (
	// maxAxis bounds the clients, users and groups that are read for a matrix.
	maxAxis = 20_000
	// maxKeptCells bounds a matrix that is kept with a revision.
	maxKeptCells = 20_000
)

// MatrixStore keeps the matrices of revisions.
type MatrixStore interface {
	KeepMatrix(ctx context.Context, t tenant.UID, policyUID string, revision int64, at time.Time, matrix []byte, problem string) error
	Matrix(ctx context.Context, t tenant.UID, policyUID string, revision int64) (at time.Time, matrix []byte, err error)
}

// Access computes access matrices from the objects of a tenant.
type Access struct {
	Objects  Objects
	Policies Policies
	Pictures Pictures
	Store    MatrixStore
	Now      func() time.Time
	// Evaluator makes what decides; nil is matrix's own, for which isolated policies deny.
	Evaluator func() (policy.Evaluator, func())
}

// Wanted narrows a matrix; what is empty does not narrow.
type Wanted struct {
	Clients, Resources []string // names
	Groups             []string // groups more
	At                 time.Time
	// Draft and Prune put a draft in the place of what is live, as for a replay.
	Draft []object.Object
	Prune bool
}

// Compute asks the policies of a tenant, or those of a draft.
func (a Access) Compute(ctx context.Context, t tenant.UID, name string, w Wanted) (matrix.Matrix, error) {
	p, err := a.Policies.drafted(ctx, t, name, w.Draft, w.Prune)
	if err != nil {
		return matrix.Matrix{}, err
	}
	return a.compute(ctx, t, name, p, w, 0)
}

// Draft computes what is live and what a draft says, over the same axes and at the same time.
func (a Access) Draft(ctx context.Context, t tenant.UID, name string, w Wanted) (before, after matrix.Matrix, err error) {
	live, err := a.Policies.drafted(ctx, t, name, nil, false)
	if err != nil {
		return before, after, err
	}
	drafted, err := a.Policies.drafted(ctx, t, name, w.Draft, w.Prune)
	if err != nil {
		return before, after, err
	}
	if w.At.IsZero() {
		w.At = a.Now()
	}
	w.Groups = slices.Concat(w.Groups, vocabulary.Of("", slices.Concat(live.sources(), drafted.sources())...).Groups)
	if before, err = a.compute(ctx, t, name, live, w, 0); err != nil {
		return before, after, err
	}
	after, err = a.compute(ctx, t, name, drafted, w, 0)
	return before, after, err
}

func (a Access) compute(ctx context.Context, t tenant.UID, name string, p panel, w Wanted, most int) (matrix.Matrix, error) {
	picture, err := a.Pictures.Get(ctx, name)
	if err != nil {
		return matrix.Matrix{}, err
	}
	axes, err := a.axes(ctx, t, picture, w)
	if err != nil {
		return matrix.Matrix{}, err
	}
	axes.Groups = slices.Concat(axes.Groups, w.Groups, vocabulary.Of("", p.sources()...).Groups)
	at := w.At
	if at.IsZero() {
		at = a.Now()
	}
	o := matrix.Options{Base: matrix.At(at.In(picture.TimeZone), policy.Tenant{ID: t.String(), Plan: picture.Plan}), MaxCells: most}
	if a.Evaluator != nil {
		evaluator, done := a.Evaluator()
		defer done()
		o.Evaluator = evaluator
	}
	m, err := matrix.Compute(ctx, p.set, axes, o)
	large, over := errors.AsType[*matrix.TooLargeError](err)
	switch {
	case over:
		return m, unfit("", "matrix_too_large", large.Error())
	case errors.Is(err, matrix.ErrTooSlow):
		return m, unfit("", "matrix_too_slow", err.Error())
	}
	return m, err
}

// axes are the clients, resources and groups of the tenant's objects; those that are disabled get nothing and are left out.
func (a Access) axes(ctx context.Context, t tenant.UID, picture *snapshot.Tenant, w Wanted) (matrix.Axes, error) {
	axes, read := matrix.Axes{Programs: true}, 0
	for _, r := range picture.ActiveResources() {
		if len(w.Resources) == 0 || slices.Contains(w.Resources, r.Name) {
			axes.Resources = append(axes.Resources, matrix.Resource{
				Resource: policy.Resource{Name: r.Name, URI: r.URI, Scopes: r.ScopeNames, Risk: r.Risk}, Implies: r.Implies,
			})
		}
	}
	visit := func(stored object.Stored) error {
		if read++; read > maxAxis {
			return unfit("", "matrix_too_large", fmt.Sprintf("the tenant has more than %d clients, users and IdPs", maxAxis))
		}
		parsed, err := object.ParseSpec(stored.Kind, stored.Spec)
		if err != nil {
			return err
		}
		switch spec := parsed.(type) {
		case *object.ClientSpec:
			if !spec.Disabled && (len(w.Clients) == 0 || slices.Contains(w.Clients, stored.Name)) {
				axes.Clients = append(axes.Clients, clientAxis(stored.Name, spec))
			}
		case *object.UserSpec:
			axes.Groups = append(axes.Groups, spec.Groups...)
		case *object.IdentityProviderSpec:
			axes.Groups = slices.AppendSeq(axes.Groups, maps.Values(spec.Claims.GroupAliases))
		}
		return nil
	}
	for _, kind := range []object.Kind{object.KindClient, object.KindUser, object.KindIdentityProvider} {
		if err := everyObject(ctx, a.Objects, t, kind, visit); err != nil {
			return axes, err
		}
	}
	return axes, nil
}

func clientAxis(name string, spec *object.ClientSpec) matrix.Client {
	filled := spec.WithDefaults()
	id := filled.ClientID
	if id == "" {
		id = name
	}
	return matrix.Client{Resources: filled.Resources, Client: policy.Client{
		ID: id, Name: name, Type: filled.Type, AuthMethod: filled.Auth.Method, Plan: filled.Plan, Environment: filled.Environment, Scopes: filled.Scopes,
	}}
}

// Publish computes the matrix of what is live and keeps it with a revision that was just published. A matrix that cannot be
// made is kept as why it cannot: it never hinders a publication.
func (a Access) Publish(ctx context.Context, t tenant.UID, name, policyUID string, revision int64) error {
	m, err := a.published(ctx, t, name)
	var text []byte
	problem := ""
	if err == nil {
		text, err = json.Marshal(m)
	}
	if err != nil {
		problem = err.Error()
	}
	return a.Store.KeepMatrix(ctx, t, policyUID, revision, a.Now(), text, problem)
}

func (a Access) published(ctx context.Context, t tenant.UID, name string) (matrix.Matrix, error) {
	p, err := a.Policies.drafted(ctx, t, name, nil, false)
	if err != nil {
		return matrix.Matrix{}, err
	}
	return a.compute(ctx, t, name, p, Wanted{}, maxKeptCells)
}

// Kept is the matrix that was kept of a revision.
func (a Access) Kept(ctx context.Context, t tenant.UID, policyUID string, revision int64) (matrix.Matrix, error) {
	_, text, err := a.Store.Matrix(ctx, t, policyUID, revision)
	if err != nil {
		return matrix.Matrix{}, err
	}
	var m matrix.Matrix
	if err := json.Unmarshal(text, &m); err != nil {
		return matrix.Matrix{}, fmt.Errorf("matrix of revision %d: %w", revision, err)
	}
	return m, nil
}
