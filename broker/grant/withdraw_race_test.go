package grant_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/consent"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/storetest"
)

// A code is exchanged at one replica in the moment in which its person takes his word back at another. Whichever comes first,
// nothing of it is alive when both have answered.
func TestWithdrawRace(t *testing.T) {
	eachReplicas(t, func(t *testing.T, r *replicas) {
		last := r.stores[len(r.stores)-1]
		consents := last.Consents(r.database.Ledger(t, last))
		given := 0
		for round := range 20 {
			a := r.newExchange(t)
			picture := r.picture(t)
			agent, err := r.source.Clients().Lookup(t.Context(), picture.UID, "agent")
			must(t, err)
			word := consent.Consent{
				Tenant: picture.UID, UserUID: r.session.UserUID, ClientUID: agent.UID, ClientID: "agent", ResourceUID: "res_1", Scopes: []string{"notes:read"}, GivenAt: time.Now(),
			}
			event := func(kind audit.Type) audit.Event {
				e := storetest.Event(picture.UID)
				e.Type = kind
				return e
			}
			must(t, consents.Give(t.Context(), []consent.Consent{word}, event(audit.TypeConsentGiven)))
			form, err := oauth.ParseForm([]byte(a.form.Encode()))
			must(t, err)

			var both sync.WaitGroup
			var exchanged, withdrawn error
			both.Go(func() {
				_, exchanged = r.all[0].Token(context.WithoutCancel(t.Context()), grant.Request{Tenant: picture, Trace: fmt.Sprint("trc_", round), Remote: "192.0.2.1", Form: form})
			})
			both.Go(func() {
				time.Sleep(time.Duration(round%5) * time.Millisecond) // before, during and after
				withdrawn = consents.Withdraw(context.WithoutCancel(t.Context()), picture.UID, word.UserUID, word.ClientUID, word.ResourceUID, event(audit.TypeConsentWithdrawn))
			})
			both.Wait()
			must(t, withdrawn)
			if exchanged == nil {
				given++
			}
			if alive := r.count(t, "select count(*) from refresh_families where ended_at is null"); alive != 0 {
				t.Fatalf("round %d: %d families are alive, the exchange answered %v", round, alive, exchanged)
			}
			issued, ended := r.count(t, "select count(*) from issued_tokens"), r.count(t, "select count(*) from redemptions where space = 'revoked_token'")
			if issued != ended || issued != given {
				t.Fatalf("round %d: %d tokens, %d of them ended, %d given; the exchange answered %v", round, issued, ended, given, exchanged)
			}
			r.refreshed(t)
		}
		t.Logf("%d of 20 exchanges came first", given)
	})
}
