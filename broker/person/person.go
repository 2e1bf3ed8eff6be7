// Package person says who a person is at this moment where he acts on Chancery itself: at the admin API with an access token, or
// on a page within his session. It finds out which groups he is in now, and which roles RoleBindings give him now; nothing
// of either is read from a token. It decides nothing, knows no HTTP, and must not depend on admin nor on a store.
package person

import (
	"context"
	"errors"
	"slices"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
)

// ErrNobody says that there is no such person: unknown, disabled, no person but a program, or not of the IdP that vouched.
var ErrNobody = errors.New("no person who is there and active")

// Person is somebody who is there and active.
type Person struct {
	Tenant *snapshot.Tenant
	UID    string
	Name   string // of the User
	Email  string
	IdPUID string   // which vouched for him
	Groups []string // now, by the names that the IdP's aliases give them; none where they are not known
	// Bound are the roles that he holds now.
	Bound []Bound
}

// Bound is a role that a RoleBinding gives.
type Bound struct {
	Role string
	// All says that it holds in every tenant; else it holds in the person's own.
	All bool
}

// In tells whether he is in a group. Nobody is in one without a name.
func (p Person) In(group string) bool { return group != "" && slices.Contains(p.Groups, group) }

// Roles are those that he holds in a tenant; name "" is the installation as a whole.
func (p Person) Roles(name string) []string {
	var roles []string
	for _, b := range p.Bound {
		if b.All || p.Tenant != nil && name != "" && p.Tenant.Name == name {
			roles = append(roles, b.Role)
		}
	}
	return roles
}

// Directories gives the users of a tenant.
type Directories interface {
	Directory(t *snapshot.Tenant) federation.Directory
}

// Profiles tells what IdPs said of people last.
type Profiles interface {
	Profile(ctx context.Context, t *snapshot.Tenant, userUID, idpUID string) (session.Profile, bool, error)
}

// Bindings reads objects, as they are stored now.
type Bindings interface {
	List(ctx context.Context, t tenant.UID, kind object.Kind, after string, limit int) ([]object.Stored, error)
}

// People looks people up. Every part is required.
type People struct {
	Directories Directories
	Profiles    Profiles
	Bindings    Bindings
}

// Validate refuses what would leave a check empty.
func (p People) Validate() error {
	if p.Directories == nil || p.Profiles == nil || p.Bindings == nil {
		return errors.New("person: a part is missing")
	}
	return nil
}

// Find says who a user is now, for whom an IdP of the tenant vouched. Other errors than ErrNobody say that it is not known.
func (p People) Find(ctx context.Context, t *snapshot.Tenant, userUID, idpUID string) (Person, error) {
	idp, ok := t.IdentityProvider(idpUID)
	if !ok || idp.Disabled {
		return Person{}, ErrNobody
	}
	directory := p.Directories.Directory(t)
	accounts, err := directory.ByID(ctx, userUID)
	if err != nil {
		return Person{}, err
	}
	if len(accounts) != 1 || accounts[0].UID != userUID || userUID == "" || accounts[0].Status != federation.StatusActive || !isHuman(accounts[0]) {
		return Person{}, ErrNobody
	}
	vouches, err := federation.Vouches(ctx, directory, idp, userUID)
	if err != nil {
		return Person{}, err
	}
	if !vouches {
		return Person{}, ErrNobody
	}
	said, _, err := p.Profiles.Profile(ctx, t, userUID, idpUID)
	if err != nil {
		return Person{}, err
	}
	who := Person{Tenant: t, UID: userUID, Name: accounts[0].Name, Email: accounts[0].Email, IdPUID: idpUID, Groups: Groups(idp, accounts[0], said)}
	who.Bound, err = p.roles(ctx, t, who)
	return who, err
}

// Accounts finds a user by his uid, active or not: for naming him, and nothing else.
func (p People) Accounts(ctx context.Context, t *snapshot.Tenant, userUID string) ([]federation.Account, error) {
	return p.Directories.Directory(t).ByID(ctx, userUID)
}

// isHuman: the vocabulary of user.kind is open; only these words are people.
func isHuman(a federation.Account) bool { return a.Kind == "" || a.Kind == "person" }

// Groups takes the first of the IdP's sources that says something, as grants do. Too many to list is something said: none are
// known then, and nothing else is asked.
func Groups(idp *federation.IdentityProvider, a federation.Account, said session.Profile) []string {
	for _, from := range idp.Claims.GroupsFrom {
		switch {
		case from == federation.GroupsFromClaim && said.GroupsState == string(assertion.GroupsOverage):
			return nil
		case from == federation.GroupsFromClaim && said.GroupsState == string(assertion.GroupsComplete):
			return idp.Claims.Names(said.Groups)
		case from == federation.GroupsFromDirectory && a.GroupsComplete:
			return idp.Claims.Names(a.Groups)
		}
	}
	return nil
}

// pageOfBindings is how many RoleBindings are read at once.
const pageOfBindings = 200

// roles reads RoleBindings as they are stored now.
func (p People) roles(ctx context.Context, t *snapshot.Tenant, who Person) ([]Bound, error) {
	var held []Bound
	after := ""
	for {
		found, err := p.Bindings.List(ctx, t.UID, object.KindRoleBinding, after, pageOfBindings)
		if err != nil {
			return nil, err
		}
		for _, stored := range found {
			spec, err := object.ParseSpec(stored.Kind, stored.Spec)
			if err != nil {
				return nil, err
			}
			b, ok := spec.(*object.RoleBindingSpec)
			if ok && b.Binds(stored.Keys, who.UID, who.Groups) {
				held = append(held, Bound{Role: b.Role, All: b.Tenants == object.TenantsAll && t.Name == tenant.DefaultName})
			}
		}
		if len(found) < pageOfBindings {
			return held, nil
		}
		after = found[len(found)-1].Name
	}
}
