package grant_test

import (
	"context"
	"errors"
	"testing"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// maker makes whoever is asked for.
type maker struct {
	account federation.Account
	err     error
	asked   []federation.Resolution
}

func (m *maker) Provision(_ context.Context, _ *snapshot.Tenant, _ *federation.IdentityProvider, r federation.Resolution) (federation.Account, error) {
	m.asked = append(m.asked, r)
	return m.account, m.err
}

// TestSomebodyIsMade: an entry that provisions just in time makes who comes for the first time, and only him.
func TestSomebodyIsMade(t *testing.T) {
	justInTime := change{"  claims: {groups: groups", "  subject: {match: [sub], provision: just_in_time}\n  claims: {groups: groups"}
	for name, c := range map[string]struct {
		maker   maker
		changes []change
		code    oauth.Code
	}{
		"made":            {maker{account: federation.Account{UID: "usr_new", Status: "active"}}, []change{justInTime}, ""},
		"not by the rule": {maker{account: federation.Account{UID: "usr_new", Status: "active"}}, nil, oauth.CodeSubjectUnmatched},
		"disabled since":  {maker{account: federation.Account{UID: "usr_new", Status: "suspended"}}, []change{justInTime}, oauth.CodeSubjectDisabled},
		"nobody":          {maker{}, []change{justInTime}, oauth.CodeSubjectDisabled},
		"refused":         {maker{err: oauth.Refuse(oauth.CodeSubjectConflict, "two", "one")}, []change{justInTime}, oauth.CodeSubjectConflict},
		"not known":       {maker{err: errors.New("no database")}, []change{justInTime}, oauth.CodeTenantUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.changes...)
			w.Provisioner = &c.maker
			a := w.ask(t, idptest.WithClaim("sub", "00u9new"))
			if c.code != "" {
				w.refused(t, a, c.code)
				return
			}
			if _, minted := w.granted(t, a); minted.Claims().Subject != "usr_new" || c.maker.asked[0].Provision.Subject != "00u9new" {
				t.Errorf("%+v of %+v", minted.Claims(), c.maker.asked)
			}
			w.granted(t, w.ask(t)) // who is here is not asked for
			if len(c.maker.asked) != 1 {
				t.Errorf("asked for %d", len(c.maker.asked))
			}
		})
	}
}
