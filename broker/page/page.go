package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

// Frame is what is around every page: whose it is, in which language, and for which request.
type Frame struct {
	Brand    Brand
	Language Language
	Trace    string // of the request, for those who ask for help; empty: none is shown
}

// Page is a page as it goes out.
type Page struct {
	Body   []byte
	Policy string // its Content-Security-Policy
}

// Header sets everything under which the page may be shown: its policy; no copy is kept; no address goes along to where
// the person goes next; no other window holds on to this one; nobody frames it.
func (p Page) Header(h http.Header) {
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.Policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

// Write sends the page.
func (p Page) Write(w http.ResponseWriter, status int) error {
	p.Header(w.Header())
	w.WriteHeader(status)
	_, err := w.Write(p.Body)
	return err
}

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed templates/style.css
var styleSheet string

// sheet is the style of all pages, without the comments and the white space that are for readers.
var sheet = template.CSS(squeeze(styleSheet)) //nolint:gosec // G203: our own file

// sheetPin is the sheet's name in a policy.
var sheetPin = digest(string(sheet))

func squeeze(css string) string {
	var b strings.Builder
	for line := range strings.Lines(css) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "/*") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// templates has the set of each page in each language, read once and never changed.
var templates = must(readTemplates(library))

func readTemplates(s *shelf) ([]map[string]*template.Template, error) {
	files, err := templateFiles.ReadDir("templates")
	if err != nil {
		return nil, err
	}
	sets := make([]map[string]*template.Template, len(s.words))
	for at, words := range s.words {
		sets[at] = map[string]*template.Template{}
		for _, file := range files {
			name, isPage := strings.CutSuffix(file.Name(), ".html")
			if !isPage || name == "layout" {
				continue
			}
			set, err := template.New("layout.html").Funcs(functions(words)).ParseFS(templateFiles, "templates/layout.html", "templates/"+file.Name())
			if err != nil {
				return nil, err
			}
			sets[at][name] = set
		}
	}
	return sets, nil
}

func functions(words catalogue) template.FuncMap {
	return template.FuncMap{
		"say": words.say, "count": words.count, "plain": words.plain,
		"name":    func(s string) string { return visible(s, maxName) },
		"codes":   codes,
		"line":    func(s string) string { return visible(s, maxLine) },
		"initial": initial,
	}
}

// view is what templates see.
type view struct {
	Frame
	Sheet     template.CSS
	Own       template.CSS
	Logo      template.URL
	Direction string
	Script    template.JS // the passkey page's
	M         any
}

// allowance is what a page may do besides showing itself in its own style.
type allowance struct {
	forms  []string // where its forms may lead, redirects included; none: nowhere
	script string   // the one script, to the byte
}

var stay = allowance{forms: []string{"'self'"}}

func (f Frame) render(name string, model any, may allowance) (Page, error) {
	v := view{Frame: f, Sheet: sheet, Own: f.Brand.sheet, Logo: f.Brand.logo, Direction: direction(library.tags[f.Language.at]), Script: ceremony, M: model}
	var body bytes.Buffer
	if err := templates[f.Language.at][name].Execute(&body, v); err != nil {
		return Page{}, fmt.Errorf("page: %s: %w", name, err)
	}
	return Page{Body: body.Bytes(), Policy: f.policy(may)}, nil
}

// policy is strict: nothing is loaded from anywhere, nothing frames, no base, and only these styles apply.
func (f Frame) policy(may allowance) string {
	directives := []string{"default-src 'none'", "style-src " + sheetPin}
	if f.Brand.sheet != "" {
		directives[1] += " " + digest(string(f.Brand.sheet))
	}
	if f.Brand.logo != "" {
		directives = append(directives, "img-src data:")
	}
	if may.script != "" {
		directives = append(directives, "script-src "+digest(may.script))
	}
	forms := "'none'"
	if len(may.forms) > 0 {
		forms = strings.Join(slices.Compact(may.forms), " ")
	}
	return strings.Join(append(directives, "form-action "+forms, "frame-ancestors 'none'", "base-uri 'none'"), "; ")
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
