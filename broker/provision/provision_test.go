package provision_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/provision"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/federation"
)

// TestRace: of twenty who come first at once, on two replicas, one is made; all are he, and it is told once.
func TestRace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h := newHouse(t, d)
		other := d.Store
		if d.Role != "" { // an engine that takes more than one process
			other = d.Open(t)
		}
		houses := []*house{h, open(t, d, other, h.told)}
		bob := federation.NewAccount{IdPName: "okta", Subject: "00u2bob", Email: "bob@acme.com"}
		uids := make([]string, 20)
		var wg sync.WaitGroup
		for i := range uids {
			one := houses[i%2]
			picture := one.tenant()
			idp := one.idp(picture, "okta")
			wg.Go(func() {
				account, err := one.Provision(t.Context(), picture, idp, federation.Resolution{Provision: &bob})
				if err != nil {
					t.Error(err)
				}
				uids[i] = account.UID
			})
		}
		wg.Wait()
		for _, uid := range uids {
			if uid == "" || uid != uids[0] {
				t.Fatalf("made %v", uids)
			}
		}
		stored, spec := h.byUID(uids[0])
		if len(h.users()) != 2 || stored.ManagedBy != provision.Manager || !strings.HasPrefix(stored.Name, "u-") || spec.Email != "bob@acme.com" || len(spec.Identities) != 1 {
			t.Errorf("made %+v %s", stored, stored.Spec)
		}
		if len(h.told.events) != 1 || h.told.events[0].Type != audit.TypeUserProvisioned || h.told.events[0].OnBehalf != uids[0] {
			t.Errorf("told %+v", h.told.events)
		}
	})
}

// renaming has everything made under a name that is taken.
type renaming struct {
	provision.Path
	to string
}

func (r renaming) Apply(ctx context.Context, t string, objects []object.Object, q object.Request) (object.Plan, error) {
	objects[0].Metadata.Name = r.to
	return r.Path.Apply(ctx, t, objects, q)
}

// TestNameOfAnother: a name that somebody has already is not taken over, whoever manages him: nobody comes in as him, and
// he stays who he is.
func TestNameOfAnother(t *testing.T) {
	for _, manager := range []string{object.ManagerApply, object.ManagerConfig, provision.Manager} {
		t.Run(manager, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, d *storetest.Database) {
				h := newHouse(t, d)
				h.apply("apiVersion: chancery/v1\nkind: User\nmetadata: {name: carol}\nspec: {email: carol@acme.com}\n", manager)
				before, _ := h.user("carol")
				h.make(renaming{h.path, "carol"})
				account, err := h.comes(federation.Identifiers{Subject: "00u3eve", Email: "carol@acme.com"})
				if err == nil || account.UID != "" {
					t.Errorf("came as %+v", account)
				}
				if after, spec := h.user("carol"); after.Revision != before.Revision || len(spec.Identities) != 0 || len(h.users()) != 2 {
					t.Errorf("carol is %s", after.Spec)
				}
			})
		})
	}
}

// TestAddressOfAnother: who has somebody's address is not he. He gets a user of his own, and the other stays as he is.
func TestAddressOfAnother(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h := newHouse(t, d)
		alice, _ := h.user("alice")
		account, err := h.comes(federation.Identifiers{Subject: "00u9mallory", Email: "alice@acme.com"})
		must(t, err)
		after, spec := h.user("alice")
		if account.UID == alice.UID || after.Revision != alice.Revision || len(spec.Identities) != 1 {
			t.Errorf("came as %s; alice is %s", account.UID, after.Spec)
		}
	})
}

// TestAddress: it is kept only where the IdP's entry lists its domain and the IdP does not say that it is unverified.
func TestAddress(t *testing.T) {
	yes, no := true, false
	for name, c := range map[string]struct {
		ids  federation.Identifiers
		want string
	}{
		"verified, listed":    {federation.Identifiers{Email: "Bob@ACME.com", EmailVerified: &yes}, "bob@acme.com"},
		"unverified":          {federation.Identifiers{Email: "bob@acme.com", EmailVerified: &no}, ""},
		"verified, unlisted":  {federation.Identifiers{Email: "bob@evil.example", EmailVerified: &yes}, ""},
		"below a listed one":  {federation.Identifiers{Email: "bob@sub.acme.com", EmailVerified: &yes}, ""},
		"ends like a listed":  {federation.Identifiers{Email: "bob@evilacme.com", EmailVerified: &yes}, ""},
		"two at signs":        {federation.Identifiers{Email: "bob@evil.example@acme.com", EmailVerified: &yes}, ""},
		"a fullwidth at sign": {federation.Identifiers{Email: "bob＠acme.com", EmailVerified: &yes}, ""},
		"none":                {federation.Identifiers{EmailVerified: &yes}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, d *storetest.Database) {
				h := newHouse(t, d)
				c.ids.Subject = "00u2bob"
				account, err := h.comes(c.ids)
				must(t, err)
				if _, spec := h.byUID(account.UID); spec.Email != c.want {
					t.Errorf("kept %q, want %q", spec.Email, c.want)
				}
			})
		})
	}
}

// TestConfigured: who is in the configuration file is found there as he is. He is never changed: neither by a sign-in that a
// picture of yesterday takes for a first one, nor by an identity that he adds himself.
func TestConfigured(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h := newHouse(t, d)
		h.apply("apiVersion: chancery/v1\nkind: User\nmetadata: {name: dora}\nspec: {identities: [{idp: okta, sub: 00u4dora}]}\n", object.ManagerConfig)
		dora, _ := h.user("dora")
		picture := h.tenant()
		idp := h.idp(picture, "okta")
		account, err := h.Provision(t.Context(), picture, idp, federation.Resolution{Provision: &federation.NewAccount{IdPName: "okta", Subject: "00u4dora", Email: "dora@acme.com"}})
		if err != nil || account.UID != dora.UID {
			t.Errorf("came as %+v, %v", account, err)
		}
		h.refused(h.Link(t.Context(), picture, h.idp(picture, "closed"), dora.UID, federation.Identifiers{IdPUID: h.idp(picture, "closed").UID, Subject: "c4"}), oauth.CodeIdentityUnlinkable)
		after, _ := h.user("dora")
		if after.Revision != dora.Revision || after.ManagedBy != object.ManagerConfig || string(after.Spec) != string(dora.Spec) || len(h.users()) != 2 || len(h.told.events) != 0 {
			t.Errorf("dora is %s of %s; told %+v", after.Spec, after.ManagedBy, h.told.events)
		}
	})
}

// TestNotMade: nobody is made whom the entry does not make, or of whom it is not known who he is.
func TestNotMade(t *testing.T) {
	bob := federation.NewAccount{IdPName: "okta", Subject: "00u2bob"}
	for name, c := range map[string]struct {
		at     string
		change func(*federation.NewAccount)
		code   oauth.Code
	}{
		"an entry that makes nobody": {"closed", func(n *federation.NewAccount) { n.IdPName = "closed" }, oauth.CodeSubjectUnmatched},
		"another entry's":            {"okta", func(n *federation.NewAccount) { n.IdPName = "closed" }, oauth.CodeSubjectUnmatched},
		"no subject":                 {"okta", func(n *federation.NewAccount) { n.Subject = "" }, oauth.CodeSubjectUnmatched},
		"no subject of any object":   {"okta", func(n *federation.NewAccount) { n.Subject = "a\x00b" }, oauth.CodeSubjectUnmatched},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, d *storetest.Database) {
				h := newHouse(t, d)
				n := bob
				c.change(&n)
				picture := h.tenant()
				_, err := h.Provision(t.Context(), picture, h.idp(picture, c.at), federation.Resolution{Provision: &n})
				h.refused(err, c.code)
				if len(h.users()) != 1 || len(h.told.events) != 0 {
					t.Errorf("%d users, told %+v", len(h.users()), h.told.events)
				}
			})
		})
	}
}

// TestMeanwhile: who was made meanwhile, and may not come in, does not.
func TestMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		spec string
		code oauth.Code
	}{
		"suspended": {"status: suspended", oauth.CodeSubjectDisabled},
		"a guest":   {"attributes: {guest: true}", oauth.CodeGuestDenied},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, d *storetest.Database) {
				h := newHouse(t, d)
				h.apply("apiVersion: chancery/v1\nkind: User\nmetadata: {name: bob}\nspec: {identities: [{idp: okta, sub: 00u2bob}], "+c.spec+"}\n", object.ManagerApply)
				picture := h.tenant()
				_, err := h.Provision(t.Context(), picture, h.idp(picture, "okta"), federation.Resolution{Provision: &federation.NewAccount{IdPName: "okta", Subject: "00u2bob"}})
				h.refused(err, c.code)
			})
		})
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	if _, err := provision.New(provision.Config{}); err == nil {
		t.Error("made of nothing")
	}
}

// waiting is a path on which a second person must allow everything.
type waiting struct{ provision.Path }

func (waiting) Apply(context.Context, string, []object.Object, object.Request) (object.Plan, error) {
	return object.Plan{Pending: []object.Pending{{Code: object.CodePending, Proposal: "prop_1"}}}, nil
}

// TestWaiting: a link that a second person must allow is none yet, and nobody is told that it is.
func TestWaiting(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h := newHouse(t, d)
		h.make(waiting{h.path})
		alice, _ := h.user("alice")
		picture := h.tenant()
		closed := h.idp(picture, "closed")
		h.refused(h.Link(t.Context(), picture, closed, alice.UID, federation.Identifiers{IdPUID: closed.UID, Subject: "c1"}), oauth.CodeIdentityUnlinkable)
		if _, spec := h.user("alice"); len(spec.Identities) != 1 {
			t.Errorf("%+v", spec.Identities)
		}
	})
}
