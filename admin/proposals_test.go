package admin_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/proposal"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// shelf keeps proposals, and the types of the events about them.
type shelf struct {
	kept   []proposal.Proposal
	events []audit.Type
}

func (s *shelf) Add(_ context.Context, p proposal.Proposal, _ int, e audit.Event) error {
	s.kept, s.events = append(s.kept, p), append(s.events, e.Type)
	return nil
}

func (s *shelf) Get(_ context.Context, t tenant.UID, id string) (proposal.Proposal, error) {
	i := slices.IndexFunc(s.kept, func(p proposal.Proposal) bool { return p.Tenant == t && p.ID == id })
	if i < 0 {
		return proposal.Proposal{}, proposal.ErrUnknown
	}
	return s.kept[i], nil
}

func (s *shelf) List(context.Context, tenant.UID, string, int) ([]proposal.Proposal, error) {
	return s.kept, nil
}

func (s *shelf) Find(context.Context, tenant.UID, string) ([]proposal.Proposal, error) {
	return nil, nil
}

func (s *shelf) Move(_ context.Context, from proposal.State, hash string, to proposal.Proposal, e audit.Event) error {
	i := slices.IndexFunc(s.kept, func(p proposal.Proposal) bool { return p.ID == to.ID && p.State == from && p.Hash == hash })
	if i < 0 {
		return proposal.ErrMoved
	}
	s.kept[i], s.events = to, append(s.events, e.Type)
	return nil
}

// standing lets owners be the second person.
type standing struct{ who door }

func (s standing) May(_ context.Context, h object.Human, tenantName string, _ object.Need) (bool, error) {
	return slices.Contains(s.who[h.Name].Roles(tenantName), "owner"), nil
}

// A person's word on a proposal goes through the routes as himself; a program's is refused whatever its role.
func TestProposalsByPersons(t *testing.T) {
	kept := &shelf{}
	h := newHouse(t, peopled, func(c *admin.Config) {
		who, ok := c.People.(door)
		if !ok {
			t.Fatal("no people")
		}
		for name, p := range who { // whose tenant is that of the objects
			if p.Tenant.Name == tenant.DefaultName {
				p.Tenant.UID = c.Root
			}
			who[name] = p
		}
		c.Proposals = &proposal.Desk{Shelf: proposal.Shelf{Store: kept, Now: c.Now}, Path: c.Objects, Standing: standing{who}}
	})
	const drafts, body = "/admin/v1/policies/notes/drafts", `{"apiVersion":"chancery/v1","kind":"Policy","metadata":{"name":"notes"},"spec":{"role":"grant","modules":{"notes.rego":"package chancery.authz"}}}`
	type told struct{ ID, Hash, State, Author, Code string }
	say := func(who, verb string, id, rest string, want int) told {
		t.Helper()
		path := "/admin/v1/proposals/" + id + "/" + verb
		if verb == "draft" {
			path = drafts
		}
		r := request{method: http.MethodPost, path: path, body: rest, header: as(who)}
		if role, program := strings.CutPrefix(who, "program "); program {
			r.header, r.role = nil, admin.Role(role)
		}
		got := h.do(t, r)
		var answer told
		if err := json.Unmarshal(got.Body.Bytes(), &answer); err != nil || got.Code != want {
			t.Fatalf("%s %s: %d, want %d: %v %s", who, verb, got.Code, want, err, got.Body)
		}
		return answer
	}
	p := say("otto", "draft", "", body, http.StatusCreated)
	if p.State != "draft" || p.Author != "user:otto" {
		t.Fatalf("%+v", p)
	}
	seen := `{"hash":"` + p.Hash + `"}`
	say("nobody", "propose", p.ID, seen, http.StatusForbidden)
	if got := say("otto", "approve", p.ID, seen, http.StatusConflict); got.Code != "proposal_state" {
		t.Errorf("a draft was approved: %+v", got)
	}
	if got := say("otto", "propose", p.ID, seen, http.StatusOK); got.State != "proposed" {
		t.Fatalf("%+v", got)
	}
	for who, code := range map[string]string{"otto": "approver_is_author", "program owner": "approver_no_person", "two": "permission_denied"} {
		if got := say(who, "approve", p.ID, seen, http.StatusForbidden); got.Code != code {
			t.Errorf("%s: %+v", who, got)
		}
	}
	if got := say("olga", "approve", p.ID, `{"hash":"`+strings.Repeat("0", 64)+`"}`, http.StatusConflict); got.Code != "proposal_hash" {
		t.Errorf("%+v", got)
	}
	say("olga", "approve", p.ID, `{}`, http.StatusBadRequest)
	if got := say("olga", "approve", p.ID, seen, http.StatusOK); got.State != "approved" {
		t.Errorf("%+v", got)
	}
	if a := kept.kept[0].Approver; a == nil || a.UserUID != "usr_olga" || kept.kept[0].ApprovedHash != p.Hash {
		t.Errorf("%+v", a)
	}
	if got := say("olga", "reject", p.ID, `{"note":"no"}`, http.StatusOK); got.State != "rejected" {
		t.Errorf("%+v", got)
	}
	if got := say("olga", "approve", p.ID, seen, http.StatusConflict); got.Code != "proposal_state" {
		t.Errorf("what was rejected was approved: %+v", got)
	}
	if !slices.Contains(kept.events, audit.TypeProposalRefused) {
		t.Errorf("who tried is not recorded: %v", kept.events)
	}
}

// Who is to rule is not for everybody who reads proposals, but for those who may read bindings, or allow it.
func TestProposalsOfBindings(t *testing.T) {
	kept := &shelf{}
	var root tenant.UID
	h := newHouse(t, peopled, func(c *admin.Config) {
		root = c.Root
		c.Proposals = &proposal.Desk{Shelf: proposal.Shelf{Store: kept, Now: c.Now}, Path: c.Objects, Standing: standing{}}
	})
	for id, change := range map[string]string{
		"prop_made": `{"objects":[{"apiVersion":"chancery/v1","kind":"RoleBinding","metadata":{"name":"owners"},"spec":{"role":"owner","users":["mallory"]}}],"base":[{"kind":"RoleBinding","name":"owners","revision":0}]}`,
		"prop_gone": `{"deletes":[{"kind":"RoleBinding","name":"owners","uid":"rlb_1","revision":1}]}`,
		"prop_else": `{"deletes":[{"kind":"Policy","name":"notes","uid":"pol_1","revision":1}]}`,
	} {
		kept.kept = append(kept.kept, proposal.Proposal{
			Tenant: root, ID: id, State: proposal.Dropped, Change: []byte(change), Hash: proposal.HashOf(root, "", []byte(change)),
		})
		for _, role := range []admin.Role{admin.RoleViewer, admin.RolePolicyAuthor, admin.RoleAdmin, admin.RolePolicyApprover, admin.RoleOwner} {
			want := http.StatusOK
			if id != "prop_else" && role != admin.RolePolicyApprover && role != admin.RoleOwner {
				want = http.StatusForbidden
			}
			got := h.do(t, request{method: http.MethodGet, path: "/admin/v1/proposals/" + id, role: role})
			if got.Code != want || want == http.StatusForbidden && strings.Contains(got.Body.String(), "owners") {
				t.Errorf("%s to %s: %d %s", id, role, got.Code, got.Body)
			}
		}
	}
}
