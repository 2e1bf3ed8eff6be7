package faults

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
)

const television = `
apiVersion: chancery/v1
kind: Client
metadata: {name: tv}
spec:
  display_name: Television
  type: public
  grant_types: ["urn:ietf:params:oauth:grant-type:device_code", refresh_token]
  scopes: [notes:read, notes:write]
  resources: [notes]
---`

// begun is a device that waits for its person.
type begun struct{ userCode, poll string }

func (b begun) call() *harness.Call {
	return &harness.Call{Header: http.Header{}, Form: url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {b.poll}, "client_id": {"tv"},
	}}
}

func begin(t *testing.T, w *harness.World) begun {
	t.Helper()
	a := w.Send(w.Server(), &harness.Call{Path: "/device_authorization", Header: http.Header{}, Form: url.Values{"client_id": {"tv"}, "scope": {"notes:read"}}})
	var said struct {
		DeviceCode string `json:"device_code"`
		UserCode   string `json:"user_code"`
	}
	if err := json.Unmarshal([]byte(a.Body), &said); err != nil || said.DeviceCode == "" {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	return begun{said.UserCode, said.DeviceCode}
}

// decision brings a person to the page that asks about a device.
func (b begun) decision(t *testing.T, w *harness.World, who *harness.Person) harness.Form {
	t.Helper()
	_, page, err := who.Try(t.Context(), w.Issuer+"/device?user_code="+url.QueryEscape(b.userCode), "nowhere:")
	if err != nil || len(page.Forms) == 0 {
		t.Fatalf("%v %+v", err, page)
	}
	form, asked := who.Send(page.Forms[0], nil).Button("decision", "allow")
	if !asked {
		t.Fatal("it does not ask")
	}
	return form
}

// A device's person answers yes and no in many tabs, over two replicas: one answer counts. Of fifty polls one gets tokens, though a
// process dies meanwhile.
func TestOneDevice(t *testing.T) {
	const rounds = 6
	w, db := people(t, harness.SignInObjects+television)
	alice := harness.NewPerson(t, "alice")
	yes, answers := 0, map[string]int{}
	for round := range rounds {
		device := begin(t, w)
		form := device.decision(t, w, alice)
		all := crowd(w, alice, "", 8, form.Method, form.Action.String(), nil)
		for i := range all {
			all[i].fields = with(form.Fields, "decision", "allow")
			if round%3 == 2 && i%4 > 1 {
				all[i].fields.Set("decision", "deny")
			}
		}
		said := 0
		for _, p := range rush(t, all) {
			if answers[strconv.Itoa(p.Status)]++; p.Status == http.StatusOK {
				said++
			}
		}
		if said != 1 {
			t.Errorf("%d answers counted", said)
		}
		given, refused := 0, map[string]int{}
		for _, s := range w.Scatter(t, 50, func(int) *harness.Call { return device.call() }, killed(t, w.Replicas[round%2], 50, false)) {
			switch {
			case s.Err != nil:
			case s.Answer.AccessToken != "":
				given++
			default:
				refused[s.Answer.Code()]++
			}
		}
		last := w.Send(w.Replicas[(round+1)%2], device.call())
		if last.AccessToken != "" {
			given++
			last = w.Send(w.Replicas[round%2], device.call())
		}
		switch code := last.Code(); {
		case code == "device_code_used" && given <= 1 && len(refused) <= 1:
			yes++
		case code == "device_denied" && given == 0 && refused["device_denied"] > 0 && len(refused) == 1:
		default:
			t.Errorf("%d %s, %d given, %v", last.Status, last.Body, given, refused)
		}
	}
	counts(t, db, map[string]int{
		event1("device.approved"): yes, event1("device.denied"): rounds - yes, "issued_tokens": yes, event1("token.issued"): yes, "refresh_families": yes,
	})
	t.Logf("%d approved, pages %v", yes, answers)
}
