package browser

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/page/pagetest"
)

type way struct {
	URL     string `json:"url"`
	Scripts bool   `json:"scripts"`
	Press   string `json:"press"`
}

type answer struct{ At, Refused string }

// TestLeaving: how a real browser takes a person from a page of ours to a client or an IdP.
func TestLeaving(t *testing.T) {
	var posted []string
	last := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posted = append(posted, r.PostFormValue("code"))
		}
		w.Header().Set("Content-Type", "text/html")
	}))
	defer last.Close()
	// The other site sends people on to a second one of its own, as IdPs do.
	other := httptest.NewServer(http.RedirectHandler(last.URL+"/arrived", http.StatusFound))
	defer other.Close()

	mux := http.NewServeMux()
	ours := httptest.NewServer(mux)
	defer ours.Close()
	show := func(path string, m pagetest.Renderer) {
		shown, err := m.Render(page.Frame{})
		if err != nil {
			t.Fatal(err)
		}
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { _ = shown.Write(w, http.StatusOK) })
	}
	consent := func(action, to string) page.Consent {
		return page.Consent{
			Action: action, Token: "x", Client: page.Client{Name: "Agent", Vouch: page.VouchCompany}, RedirectURI: to,
			Person: page.Person{Name: "Alice"}, Access: []page.Access{{Scopes: []page.Scope{{Name: "openid"}}}},
		}
	}
	show("GET /consent", consent("/allow", last.URL+"/arrived"))
	mux.Handle("POST /allow", http.RedirectHandler(last.URL+"/arrived", http.StatusSeeOther))
	show("GET /elsewhere", consent("/allow", other.URL+"/"))
	show("GET /chain", consent("/on", other.URL+"/"))
	mux.Handle("POST /on", http.RedirectHandler(other.URL+"/", http.StatusSeeOther))
	show("GET /whole", consent("/onward", other.URL+"/"))
	show("POST /onward", page.Onward{URL: other.URL + "/"})
	show("GET /answer", page.Answer{RedirectURI: last.URL + "/arrived", Fields: []page.Field{{Name: "code", Value: "cod_1"}}})

	allow := "button[value=allow]"
	ways := []struct {
		name    string
		way     way
		arrives bool
	}{
		{"a redirect to the verified destination", way{ours.URL + "/consent", true, allow}, true},
		{"the same without scripts", way{ours.URL + "/consent", false, allow}, true},
		{"a redirect to another destination than the one shown", way{ours.URL + "/elsewhere", true, allow}, false},
		{"a redirect whose destination redirects", way{ours.URL + "/chain", true, allow}, false},
		{"the page that goes on, whose destination redirects", way{ours.URL + "/whole", true, allow}, true},
		{"the same without scripts", way{ours.URL + "/whole", false, allow}, true},
		{"an answer by form, by its script", way{ours.URL + "/answer", true, ""}, true},
		{"an answer by form, by its button", way{ours.URL + "/answer", false, "button"}, true},
	}
	task := map[string]any{"chromium": chromium(t), "patience": 20000}
	var all []way
	for _, w := range ways {
		all = append(all, w.way)
	}
	task["ways"] = all
	var answers []answer
	run(t, "leave.mjs", task, &answers)
	if len(answers) != len(ways) {
		t.Fatal(answers)
	}
	for i, w := range ways {
		if arrived := strings.HasSuffix(answers[i].At, "/arrived"); arrived != w.arrives || (answers[i].Refused != "") == w.arrives {
			t.Errorf("%s: at %s, refused: %q", w.name, answers[i].At, answers[i].Refused)
		}
	}
	if len(posted) != 2 || posted[0] != "cod_1" || posted[1] != "cod_1" {
		t.Errorf("posted %q", posted)
	}
}
