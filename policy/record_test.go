package policy_test

import (
	"reflect"
	"testing"

	"github.com/chancery-dev/chancery/policy"
)

func TestRecordedRoundTrip(t *testing.T) {
	in := alice()
	in.Implies = map[string][]string{"notes:write": {"notes:read"}}
	plain, err := in.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]policy.Record{
		"nothing beside it":   {},
		"masked":              {Masked: []string{"user.email"}},
		"nothing is implied":  {Implies: map[string][]string{}},
		"masked and implied":  {Masked: []string{"user.email", "network.ip"}, Implies: in.Implies},
		"a name with an < in": {Masked: []string{"user.attributes.a<b"}},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := in.Recorded(want)
			if err != nil {
				t.Fatal(err)
			}
			back, got, err := policy.ParseRecorded(text)
			if err != nil || !reflect.DeepEqual(got, want) || !reflect.DeepEqual(back.Implies, want.Implies) {
				t.Fatalf("%+v, %v; want %+v", got, err, want)
			}
			if again, err := back.JSON(); err != nil || string(again) != string(plain) {
				t.Errorf("%s, %v; want %s", again, err, plain)
			}
			if simple, err := policy.ParseInput(text); err != nil || simple.Action != in.Action {
				t.Errorf("%+v, %v", simple, err)
			}
		})
	}
	if back, got, err := policy.ParseRecorded([]byte(recorded)); err != nil || back.User.Email != "alice@acme.com" || got.Implies != nil || got.Masked != nil {
		t.Errorf("an older record: %+v, %+v, %v", back, got, err)
	}
	for _, bad := range []string{"", "{}", `{"version":2}`, `{"version":1,"record":{"masked":"user.email"}}`, "[]"} {
		if _, _, err := policy.ParseRecorded([]byte(bad)); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}

func TestMayRead(t *testing.T) {
	tests := map[string]struct {
		body  string
		reads map[string]bool
	}{
		"one member":    {`decision := {"allow": true} if input.user.email == "a"`, map[string]bool{"user.email": true, "user.sub": false, "user": true, "network.ip": false}},
		"a deeper one":  {`decision := {"allow": true} if input.assertion.claims.a.b`, map[string]bool{"assertion.claims": true, "assertion.claims.c": true, "assertion.acr": false}},
		"the whole":     {`decision := {"allow": count(input.user) > 0}`, map[string]bool{"user.email": true, "user.attributes.phone": true, "network.ip": false}},
		"everything":    {`decision := {"allow": count(input) > 0}`, map[string]bool{"user.email": true, "network.ip": true}},
		"by a variable": {"decision := {\"allow\": true} if {\n\tsome k\n\tinput.user[k] == \"a\"\n}", map[string]bool{"user.email": true, "network.ip": false}},
		"nothing":       {`decision := {"allow": true}`, map[string]bool{"user.email": false, "user": false}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			own := grant(test.body)
			own.Resources = []string{"notes"}
			s := set(t, own)
			for member, want := range test.reads {
				if got := s.MayRead("notes", policy.ActionIssue, member); got != want {
					t.Errorf("%s: %v, want %v", member, got, want)
				}
				if s.MayRead("mail", policy.ActionIssue, member) {
					t.Errorf("%s is read where nobody is asked", member)
				}
			}
		})
	}
}

// Of a policy that is evaluated elsewhere the text says what it may read: never less than one that is compiled.
func TestMayReadOfIsolated(t *testing.T) {
	tests := map[string]struct {
		body  string
		reads map[string]bool
	}{
		"one member":      {`decision := {"allow": true} if input.user.email == "a"`, map[string]bool{"user.email": true, "user.sub": false, "network.ip": false}},
		"an import":       {"import input.user as u\n\ndecision := {\"allow\": true} if u.email == \"a\"", map[string]bool{"user.email": true, "user.sub": true, "network.ip": false}},
		"a name for it":   {"decision := {\"allow\": true} if {\n\tu := input.user\n\tu.email == \"a\"\n}", map[string]bool{"user.email": true, "network.ip": false}},
		"all of it":       {"decision := {\"allow\": true} if {\n\tx := input\n\tx.user.email == \"a\"\n}", map[string]bool{"user.email": true, "network.ip": true}},
		"a function":      {"f(x) := x.user.email\n\ndecision := {\"allow\": true} if f(input) == \"a\"", map[string]bool{"user.email": true, "network.ip": true}},
		"nothing":         {`decision := {"allow": true}`, map[string]bool{"user.email": false}},
		"what is no Rego": {`decision := `, map[string]bool{"user.email": true}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := policy.Isolate(grant(test.body))
			if err != nil {
				t.Fatal(err)
			}
			s, err := policy.NewSet([]*policy.Compiled{c}, nil)
			if err != nil {
				t.Fatal(err)
			}
			for member, want := range test.reads {
				if got := s.MayRead("notes", policy.ActionIssue, member); got != want {
					t.Errorf("%s: %v, want %v", member, got, want)
				}
			}
		})
	}
}
