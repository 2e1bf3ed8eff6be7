package connect_test

import (
	"errors"
	"testing"

	"github.com/chancery-dev/chancery/vault/connect"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

// Where an account reaches sites, one of them is chosen, and goes with every lease.
func TestSites(t *testing.T) {
	w := newWorld(t)
	profile, ok := providertest.Named("atlassian")
	if !ok {
		t.Fatal("no profile")
	}
	profile.Redirect = "https://chancery.example.com/connect/github/callback"
	w.fake = providertest.Start(profile, w.clock.now)
	t.Cleanup(w.fake.Close)
	catalogue, err := provider.NewCatalogue()
	must(t, err)
	m, err := catalogue.Manifest("atlassian")
	must(t, err)
	w.engines["prv_1"], err = provider.New(m, provider.Settings{
		ClientID: providertest.ClientID, ClientSecret: provider.NewSecret(providertest.ClientSecret), RedirectURL: profile.Redirect, Transport: w.fake.Transport(), Now: w.clock.now,
	})
	must(t, err)
	back := w.arrives(w.wish("read:jira-work"))
	waiting, err := w.Waiting(t.Context(), "ten_1", back.ID, w.alice)
	must(t, err)
	if len(waiting.Sites) == 0 {
		t.Fatal("no sites")
	}
	if _, err := w.Confirm(t.Context(), "ten_1", back.ID, w.alice, "another's", "atlassian", connect.Visit{}); !errors.Is(err, connect.ErrUnknownSite) {
		t.Errorf("a site that is not reached: %v", err)
	}
	site := waiting.Sites[0]
	made, err := w.Confirm(t.Context(), "ten_1", back.ID, w.alice, site.ID, "atlassian", connect.Visit{})
	must(t, err)
	stored, err := w.held.Load(t.Context(), "ten_1", made.Connection)
	must(t, err)
	c, err := connection.Open(t.Context(), w.Sealer, stored.Ref, stored)
	if err != nil || c.Kept[connect.KeptSite] != site.ID || c.Kept[connect.KeptSiteLabel] != site.Label {
		t.Errorf("%v %v", c.Kept, err)
	}
}
