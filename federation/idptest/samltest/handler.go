package samltest

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"html/template"
	"io"
	"net/http"
	"strings"

	"github.com/beevik/etree"
)

// Person is somebody who can sign in at the fake IdP.
type Person struct {
	Name   string // the NameID, and what the button says
	Email  string
	Groups []string
}

// Handler serves the IdP to browsers: its metadata at the path of EntityID, and at
// that of SSO a page with one button for each person, without passwords. What it
// answers goes to the service provider that it was given and to nobody else.
func (p *IdP) Handler(sp SP, people ...Person) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metadata", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/samlmetadata+xml")
		_, _ = w.Write(p.Metadata())
	})
	mux.HandleFunc("GET /sso", func(w http.ResponseWriter, r *http.Request) {
		request, ok := requestID(r.URL.Query().Get("SAMLRequest"))
		if !ok {
			http.Error(w, "no AuthnRequest", http.StatusBadRequest)
			return
		}
		render(w, choice, map[string]any{"Request": request, "RelayState": r.URL.Query().Get("RelayState"), "People": people})
	})
	mux.HandleFunc("POST /sso/answer", func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		for _, person := range people {
			if person.Name != r.PostFormValue("person") {
				continue
			}
			d := p.Draft(sp, r.PostFormValue("request"))
			d.About(person)
			render(w, answer, map[string]any{"ACS": sp.ACS, "Response": d.Encoded(), "RelayState": r.PostFormValue("relay")})
			return
		}
		http.Error(w, "nobody", http.StatusForbidden)
	})
	return mux
}

// About makes a draft speak of a person.
func (d *Draft) About(person Person) {
	d.Find("NameID").SetText(person.Name)
	d.Find("AttributeStatement").Child = nil
	d.Attribute("email", person.Email)
	d.Attribute("groups", person.Groups...)
}

// requestID reads the ID of a request of the redirect binding. What it asks for is
// not looked at: everybody signs in by one click here.
func requestID(encoded string) (string, bool) {
	compressed, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", false
	}
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(compressed)), 64<<10))
	if err != nil {
		return "", false
	}
	document := etree.NewDocument()
	if document.ReadFromBytes(raw) != nil || document.Root() == nil {
		return "", false
	}
	id := document.Root().SelectAttrValue("ID", "")
	return id, id != "" && !strings.ContainsAny(id, `<>&"'`)
}

var choice = template.Must(template.New("choice").Parse(`<!DOCTYPE html><title>Sign in</title><h1>Who are you?</h1>
<form method="post" action="/sso/answer"><input type="hidden" name="request" value="{{.Request}}"><input type="hidden" name="relay" value="{{.RelayState}}">
{{range .People}}<p><button name="person" value="{{.Name}}">{{.Name}}</button></p>{{end}}</form>`))

var answer = template.Must(template.New("answer").Parse(`<!DOCTYPE html><title>Signed in</title>
<form method="post" action="{{.ACS}}"><input type="hidden" name="SAMLResponse" value="{{.Response}}"><input type="hidden" name="RelayState" value="{{.RelayState}}">
<p><button>Continue</button></p></form>`))

func render(w http.ResponseWriter, page *template.Template, values map[string]any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = page.Execute(w, values) // what a failed write would say has nowhere to go
}
