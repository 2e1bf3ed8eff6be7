package grant_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/idptest"
)

func TestGroups(t *testing.T) {
	from := func(list string) change { return change{"groups_from: [claim]", "groups_from: " + list} }
	alias := change{"groups_from: [claim]", `groups_from: [claim, directory], group_aliases: {"g1": editors, "staff": people}`}
	inClaim := func(v any) idptest.Option { return idptest.WithClaim("groups", v) }
	noClaim := idptest.WithoutClaim("groups")
	overage := idptest.WithClaim("_claim_names", map[string]any{"groups": "src1"})
	for name, c := range map[string]struct {
		changes       []change
		options       []idptest.Option
		values, names string
		state, source string
		code          oauth.Code
	}{
		"claim":                              {options: []idptest.Option{inClaim([]string{"a", "b"})}, values: "a b", names: "a b", state: "complete", source: "claim"},
		"empty claim":                        {options: []idptest.Option{inClaim([]string{})}, state: "complete", source: "claim"},
		"no claim":                           {options: []idptest.Option{noClaim}, state: "absent"},
		"no claim, directory not asked":      {options: []idptest.Option{noClaim}, state: "absent"},
		"no claim, directory":                {changes: []change{from("[claim, directory]")}, options: []idptest.Option{noClaim}, values: "staff", names: "staff", state: "complete", source: "directory"},
		"empty claim before directory":       {changes: []change{from("[claim, directory]")}, options: []idptest.Option{inClaim([]string{})}, state: "complete", source: "claim"},
		"directory first":                    {changes: []change{from("[directory, claim]")}, options: []idptest.Option{inClaim([]string{"a"})}, values: "staff", names: "staff", state: "complete", source: "directory"},
		"directory alone, claim not read":    {changes: []change{from("[directory]")}, options: []idptest.Option{inClaim([]string{"a"})}, values: "staff", names: "staff", state: "complete", source: "directory"},
		"aliases of the claim":               {changes: []change{alias}, options: []idptest.Option{inClaim([]string{"g1", "g2"})}, values: "g1 g2", names: "editors g2", state: "complete", source: "claim"},
		"aliases of the directory":           {changes: []change{alias}, options: []idptest.Option{noClaim}, values: "staff", names: "people", state: "complete", source: "directory"},
		"overage":                            {options: []idptest.Option{noClaim, overage}, code: oauth.CodeGroupsOverage},
		"overage, some sent":                 {options: []idptest.Option{inClaim([]string{"a"}), overage}, code: oauth.CodeGroupsOverage},
		"overage, directory second":          {changes: []change{from("[claim, directory]")}, options: []idptest.Option{noClaim, overage}, code: oauth.CodeGroupsOverage},
		"overage, directory first":           {changes: []change{from("[directory, claim]")}, options: []idptest.Option{noClaim, overage}, values: "staff", names: "staff", state: "complete", source: "directory"},
		"overage of what is not read":        {changes: []change{from("[directory]")}, options: []idptest.Option{noClaim, overage}, values: "staff", names: "staff", state: "complete", source: "directory"},
		"nested":                             {options: []idptest.Option{inClaim([]any{[]any{"a"}})}, code: oauth.CodeGroupsMalformed},
		"another IdP's word for no overage":  {options: []idptest.Option{inClaim([]string{"a"}), idptest.WithClaim("hasgroups", false)}, values: "a", names: "a", state: "complete", source: "claim"},
		"another IdP's word for an overage":  {options: []idptest.Option{inClaim([]string{"a"}), idptest.WithClaim("hasgroups", true)}, code: oauth.CodeGroupsOverage},
		"the same word where it is no truth": {options: []idptest.Option{inClaim([]string{"a"}), idptest.WithClaim("hasgroups", "no")}, code: oauth.CodeGroupsOverage},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.changes...)
			a := w.ask(t, c.options...)
			if c.code != "" {
				w.refused(t, a, c.code)
				if e := w.journal.last(t); e.Decision != nil || len(w.seen.decided) != 0 {
					t.Error("policy was asked")
				}
				return
			}
			w.granted(t, a)
			u := w.input(t).User
			if strings.Join(u.Groups, " ") != c.values || strings.Join(u.GroupNames, " ") != c.names || u.State != c.state || u.Source != c.source {
				t.Errorf("policy saw %+v", u)
			}
		})
	}
}

// TestGroupsInToken: groups that are not known are absent from the token, never null and never none.
func TestGroupsInToken(t *testing.T) {
	asked := change{"  default_scopes: [\"notes:read\"]\n", "  default_scopes: [\"notes:read\"]\n  token: {claims: [groups, email]}\n"}
	for name, c := range map[string]struct {
		option idptest.Option
		want   string
	}{
		"some":   {idptest.WithClaim("groups", []string{"a", "b"}), `["a","b"]`},
		"none":   {idptest.WithClaim("groups", []string{}), `[]`},
		"absent": {idptest.WithoutClaim("groups"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, asked)
			_, minted := w.granted(t, w.ask(t, c.option))
			value, there := minted.Value("groups")
			got, err := json.Marshal(value)
			if err != nil || there != (c.want != "") || there && !slices.Equal(got, []byte(c.want)) {
				t.Errorf("groups %s (%v)", got, there)
			}
			if email, _ := minted.Value("email"); email != "alice@acme.com" {
				t.Errorf("email %v", email)
			}
		})
	}
}
