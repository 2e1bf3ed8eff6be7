package storetest_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/proposal"
	"github.com/chancery-dev/chancery/broker/revision"
	"github.com/chancery-dev/chancery/broker/shadow"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/replay"
)

const policySpec = `{"role":"guard","modules":{"a.rego":"package chancery.authz\n"}}`

func policyChange(uid tenant.UID, name string) object.Change {
	c := storetest.New(uid, object.KindPolicy, name, policySpec)
	c.Provenance = &object.Provenance{Note: "first", Author: audit.Principal{Kind: "user", ID: "usr_1", Name: "alice"}, ApprovedBy: "user:bob", Proposal: "prop_1"}
	return c
}

func someProposal(uid tenant.UID) proposal.Proposal {
	now := time.Now().Truncate(time.Microsecond).UTC()
	change := []byte(`{"objects":[]}`)
	return proposal.Proposal{
		Tenant: uid, ID: id.New(id.Proposal, now), State: proposal.Draft, Needs: []object.Need{object.NeedPolicies, object.NeedTrust}, Kind: object.KindPolicy,
		Name: "notes", Change: change, Hash: proposal.HashOf(uid, "api", change), Manager: "api", Author: audit.Principal{Kind: "user", ID: "usr_1"},
		Authors: []object.Human{{Tenant: uid.String(), Home: "default", UserUID: "usr_1", IdPUID: "idp_1", Name: "alice", Email: "alice@acme.test"}}, Note: "why", CreatedAt: now, UpdatedAt: now, ExpiresAt: now.Add(time.Hour),
	}
}

// keepRevisions leaves a row in each table of this file's.
func keepRevisions(t *testing.T, d *storetest.Database, uid tenant.UID) proposal.Proposal {
	t.Helper()
	storetest.Apply(t, d.Objects(t), policyChange(uid, "walled"))
	p := someProposal(uid)
	must(t, d.Store.Proposals(d.Ledger(t, d.Store)).Add(t.Context(), p, 10, storetest.Event(uid)))
	run := shadow.Run{Tenant: uid, Proposal: p.ID, Hash: p.Hash}
	must(t, d.Store.Shadows().Save(t.Context(), run, "rep_1", shadow.Counts{Seen: 3}, time.Now()))
	must(t, d.Store.Replicas().Beat(t.Context(), "rep_1", time.Now(), time.Now()))
	must(t, d.Store.Replicas().Report(t.Context(), uid, revision.Running{Replica: "rep_1", Version: 7, At: time.Now()}))
	return p
}

// A policy's revisions are those of its object, also those that came before anything more was kept of them.
func TestPolicyRevisions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects, past := d.Objects(t), revision.Revisions{Store: d.Store.Revisions()}
		bare := storetest.New(d.Default, object.KindPolicy, "notes", policySpec)
		storetest.Apply(t, objects, bare)
		second := storetest.Next(bare.Stored, `{"role":"guard","modules":{"a.rego":"package chancery.authz\n# 2\n"}}`)
		second.Provenance = policyChange(d.Default, "notes").Provenance
		second.Provenance.RollbackOf = 1
		storetest.Apply(t, objects, second)
		storetest.Apply(t, objects, storetest.New(d.Default, object.KindClient, "claude", spec))
		all, err := past.List(t.Context(), d.Default, bare.UID, 0, 10)
		if err != nil || len(all) != 2 || all[0].Number != 2 || all[0].Author != "user:alice" || all[0].ApprovedBy != "user:bob" || all[0].RollbackOf != 1 || all[0].Note != "first" {
			t.Fatalf("%+v, %v", all, err)
		}
		if all[1].Author == "" || len(all[1].Hash) != 64 || all[1].Hash == all[0].Hash {
			t.Errorf("%+v", all[1])
		}
		if older, err := past.List(t.Context(), d.Default, bare.UID, 2, 10); err != nil || len(older) != 1 || older[0].Number != 1 {
			t.Errorf("%+v, %v", older, err)
		}
		src, err := past.Get(t.Context(), d.Default, bare.UID, 1)
		if err != nil || src.Name != "notes" || src.Revision != 1 || src.UID != bare.UID || src.Hash() != all[1].Hash {
			t.Errorf("%+v, %v", src, err)
		}
		diff, err := past.Diff(t.Context(), d.Default, bare.UID, 1, 2)
		if err != nil || len(diff.Files) != 1 || len(diff.Files[0].Lines) != 2 || diff.Files[0].Lines[1] != "+# 2" {
			t.Errorf("%+v, %v", diff, err)
		}
		other := d.Tenant(t, "other")
		for name, ask := range map[string]struct {
			t      tenant.UID
			uid    string
			number int64
		}{
			"a revision to come":     {d.Default, bare.UID, 3},
			"none":                   {d.Default, bare.UID, 0},
			"another policy":         {d.Default, "pol_x", 1},
			"through another tenant": {other, bare.UID, 1},
			"of another kind":        {d.Default, "cli_x", 1},
		} {
			if _, err := past.Get(t.Context(), ask.t, ask.uid, ask.number); !errors.Is(err, revision.ErrUnknown) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := past.Get(t.Context(), tenant.UID{}, bare.UID, 1); !errors.Is(err, tenant.ErrNoTenant) {
			t.Errorf("no tenant: %v", err)
		}
	})
}

// A text that is not the one that was published is no revision.
func TestRevisionOfAnotherText(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		c := policyChange(d.Default, "notes")
		c.Provenance.Hash = "0000000000000000000000000000000000000000000000000000000000000000"
		storetest.Apply(t, d.Objects(t), c)
		if src, err := (revision.Revisions{Store: d.Store.Revisions()}).Get(t.Context(), d.Default, c.UID, 1); err == nil {
			t.Errorf("%+v", src)
		}
	})
}

func TestProposals(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		p := keepRevisions(t, d, d.Default)
		book := d.Store.Proposals(d.Ledger(t, d.Store))
		got, err := book.Get(t.Context(), d.Default, p.ID)
		if err != nil || got.Hash != p.Hash || string(got.Change) != string(p.Change) || len(got.Needs) != 2 || !slices.Equal(got.Authors, p.Authors) || got.Author != p.Author || got.Approver != nil || !got.ExpiresAt.Equal(p.ExpiresAt) {
			t.Fatalf("%+v, %v", got, err)
		}
		other := d.Tenant(t, "other")
		if _, err := book.Get(t.Context(), other, p.ID); !errors.Is(err, proposal.ErrUnknown) {
			t.Errorf("through another tenant: %v", err)
		}
		if found, err := book.Find(t.Context(), other, p.Hash); err != nil || len(found) != 0 {
			t.Errorf("%+v, %v", found, err)
		}
		next := p
		next.State, next.Approver, next.ApprovedHash, next.ApprovedAt = proposal.Approved, &object.Human{UserUID: "usr_2"}, p.Hash, p.CreatedAt
		next.ShadowUntil = p.CreatedAt.Add(time.Hour)
		for name, from := range map[string]struct {
			state proposal.State
			hash  string
		}{"another state": {proposal.Proposed, p.Hash}, "another content": {p.State, "other"}} {
			if err := book.Move(t.Context(), from.state, from.hash, next, storetest.Event(d.Default)); !errors.Is(err, proposal.ErrMoved) {
				t.Errorf("%s: %v", name, err)
			}
		}
		must(t, book.Move(t.Context(), p.State, p.Hash, next, storetest.Event(d.Default)))
		if got, err = book.Get(t.Context(), d.Default, p.ID); err != nil || got.State != proposal.Approved || got.Approver.UserUID != "usr_2" || !got.ShadowUntil.Equal(next.ShadowUntil) {
			t.Errorf("%+v, %v", got, err)
		}
		runs, err := d.Store.Shadows().Runs(t.Context(), p.CreatedAt, 10)
		if err != nil || len(runs) != 1 || runs[0].Proposal != p.ID || runs[0].Tenant != d.Default || runs[0].Hash != p.Hash {
			t.Errorf("%+v, %v", runs, err)
		}
		// A write that carries out what is not as it says changes nothing.
		write := func(from, hash string) error {
			c := policyChange(d.Default, "notes"+from)
			_, err := d.Objects(t).Apply(t.Context(), object.Write{
				Tenant: d.Default, Changes: []object.Change{c}, Events: []audit.Event{storetest.Event(d.Default)},
				Settles: &object.Settlement{Proposal: p.ID, From: from, Hash: hash, By: "user:alice", At: time.Now()},
			})
			return err
		}
		for _, from := range [][2]string{{"draft", p.Hash}, {"approved", "other"}} {
			if err := write(from[0], from[1]); !errors.Is(err, proposal.ErrMoved) {
				t.Errorf("%v: %v", from, err)
			}
			if _, err := d.Objects(t).Get(t.Context(), d.Default, object.KindPolicy, "notes"+from[0]); !errors.Is(err, object.ErrNotFound) {
				t.Errorf("%v: it was written: %v", from, err)
			}
		}
		must(t, write("approved", p.Hash))
		if err := write("approved", p.Hash); err == nil {
			t.Error("carried out twice")
		}
		if runs, err := d.Store.Shadows().Runs(t.Context(), p.CreatedAt, 10); err != nil || len(runs) != 0 {
			t.Errorf("it still runs: %+v, %v", runs, err)
		}
	})
}

func TestShadowCounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		p := keepRevisions(t, d, d.Default)
		shelf := d.Store.Shadows()
		run := shadow.Run{Tenant: d.Default, Proposal: p.ID, Hash: p.Hash}
		must(t, shelf.Save(t.Context(), run, "rep_1", shadow.Counts{Seen: 5, Kinds: map[replay.Kind]int64{replay.AllowToDeny: 2}}, time.Now()))
		must(t, shelf.Save(t.Context(), run, "rep_2", shadow.Counts{Seen: math.MaxInt32, Problem: "x"}, time.Now()))
		all, err := shelf.Counted(t.Context(), d.Default, p.ID, p.Hash)
		if err != nil || len(all) != 2 {
			t.Fatalf("%+v, %v", all, err)
		}
		if sum := shadow.Sum(all); sum.Seen != 5+math.MaxInt32 || sum.Kinds[replay.AllowToDeny] != 2 || sum.Problem != "x" {
			t.Errorf("%+v", sum)
		}
		if all, err = shelf.Counted(t.Context(), d.Default, p.ID, "of another content"); err != nil || len(all) != 0 {
			t.Errorf("%+v, %v", all, err)
		}
		if all, err = shelf.Counted(t.Context(), d.Tenant(t, "other"), p.ID, p.Hash); err != nil || len(all) != 0 {
			t.Errorf("through another tenant: %+v, %v", all, err)
		}
	})
}

func TestReplicas(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		r, now := d.Store.Replicas(), time.Now().Truncate(time.Microsecond).UTC()
		for _, one := range []string{"rep_1", "rep_2"} {
			must(t, r.Beat(t.Context(), one, now, now))
			must(t, r.Report(t.Context(), d.Default, revision.Running{Replica: one, Version: 1, Policies: []policy.Ref{{UID: "pol_1", Revision: 1, Hash: "a"}}, At: now}))
		}
		must(t, r.Beat(t.Context(), "rep_2", now, now.Add(time.Minute)))
		must(t, r.Report(t.Context(), d.Default, revision.Running{Replica: "rep_2", Version: 2, Policies: []policy.Ref{{UID: "pol_1", Revision: 2, Hash: "b"}}, At: now}))
		all, err := r.Running(t.Context(), d.Default, now)
		if err != nil || len(all) != 2 || all[1].Version != 2 || all[1].Policies[0].Revision != 2 || !all[1].SeenAt.Equal(now.Add(time.Minute)) {
			t.Errorf("%+v, %v", all, err)
		}
		if alive, err := r.Running(t.Context(), d.Default, now.Add(time.Second)); err != nil || len(alive) != 1 {
			t.Errorf("%+v, %v", alive, err)
		}
		if none, err := r.Running(t.Context(), d.Tenant(t, "other"), now); err != nil || len(none) != 0 {
			t.Errorf("through another tenant: %+v, %v", none, err)
		}
		must(t, r.Leave(t.Context(), "rep_1"))
		must(t, r.Beat(t.Context(), "rep_3", now, now.Add(48*time.Hour)))
		if all, err = r.Running(t.Context(), d.Default, now); err != nil || len(all) != 0 {
			t.Errorf("one that left, or is long gone: %+v, %v", all, err)
		}
	})
}
