package demo

import (
	"maps"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// document is what of a page leads on.
type document struct {
	at     *url.URL
	status int
	onward string // where it goes by itself
	forms  []*form
	links  []string
	words  []string
}

type form struct {
	action, method string
	fields         url.Values
	buttons        [][2]string // name and value
}

func (d *document) text() string { return strings.Join(d.words, " ") }

// next is what a person does here who wants what he is asked: the button or the link of his choice, or the only way on to
// another site.
func (d *document) next(presses map[string]string) (visit, bool) {
	if d.onward != "" {
		return d.to(http.MethodGet, d.onward, nil), true
	}
	for _, link := range d.links {
		if u, err := url.Parse(link); err == nil && u.Query().Get("login_hint") != "" && u.Query().Get("login_hint") == presses["person"] {
			return d.to(http.MethodGet, link, nil), true
		}
	}
	for _, f := range d.forms {
		for _, button := range f.buttons {
			if name, value := button[0], button[1]; name != "" && presses[name] == value {
				fields := maps.Clone(f.fields)
				fields.Set(name, value)
				return d.to(f.method, f.action, fields), true
			}
		}
	}
	if len(d.forms) == 1 && len(d.forms[0].buttons) == 1 && d.forms[0].buttons[0][0] == "" {
		return d.to(d.forms[0].method, d.forms[0].action, d.forms[0].fields), true
	}
	return visit{}, false
}

func (d *document) to(method, reference string, fields url.Values) visit {
	target, err := d.at.Parse(reference)
	if err != nil {
		target = d.at
	}
	return visit{method: method, target: target.String(), fields: fields}
}

func (d *document) read(n *html.Node, in *form) {
	attr := map[string]string{}
	for _, a := range n.Attr {
		attr[a.Key] = a.Val
	}
	switch {
	case n.Type == html.TextNode:
		if words := strings.Join(strings.Fields(n.Data), " "); words != "" {
			d.words = append(d.words, words)
		}
	case n.Type != html.ElementNode:
	case n.Data == "style" || n.Data == "title":
		return
	case n.Data == "form":
		in = &form{action: attr["action"], method: strings.ToUpper(attr["method"]), fields: url.Values{}}
		d.forms = append(d.forms, in)
	case n.Data == "input" && in != nil && attr["type"] == "hidden":
		in.fields.Add(attr["name"], attr["value"])
	case n.Data == "button" && in != nil:
		in.buttons = append(in.buttons, [2]string{attr["name"], attr["value"]})
	case n.Data == "a":
		d.links = append(d.links, attr["href"])
	case n.Data == "meta" && strings.EqualFold(attr["http-equiv"], "refresh"):
		_, d.onward, _ = strings.Cut(attr["content"], "url=")
	}
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		d.read(child, in)
	}
}
