package page_test

import (
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/page/pagetest"
)

var update = flag.Bool("update", false, "write the golden files")

func render(t *testing.T, s pagetest.Sample) page.Page {
	t.Helper()
	shown, err := s.Model.Render(s.Frame)
	if err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	return shown
}

var (
	styles   = regexp.MustCompile(`(?s)<style>.*?</style>`)
	pictures = regexp.MustCompile(`data:image/png;base64,[^"]+`)
)

// TestGolden: what each page consists of. `-update` writes it down; the difference is to be read.
func TestGolden(t *testing.T) {
	for _, s := range pagetest.Samples() {
		shown := render(t, s)
		got := pictures.ReplaceAllString(styles.ReplaceAllString(string(shown.Body), "<style></style>"), "data:")
		file := filepath.Join("testdata", s.Name+".html")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || got != string(want) {
			t.Errorf("%s is not as written down (-update writes it): %v", s.Name, err)
		}
	}
}

// TestPolicies: every style and script of a page is the one that its policy pins, and the rest is forbidden.
func TestPolicies(t *testing.T) {
	for _, s := range pagetest.Samples() {
		shown := render(t, s)
		body := string(shown.Body)
		for _, element := range []string{"style", "script"} {
			for _, match := range regexp.MustCompile(`(?s)<`+element+`>(.*?)</`+element+`>`).FindAllStringSubmatch(body, -1) {
				sum := sha256.Sum256([]byte(match[1]))
				if pin := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(directive(shown.Policy, element+"-src"), pin) {
					t.Errorf("%s: a %s that %q does not allow", s.Name, element, shown.Policy)
				}
			}
		}
		for _, no := range []string{"unsafe", "'self' *", " * ", "nonce-", "connect-src", "frame-src", "object-src"} {
			if strings.Contains(shown.Policy, no) {
				t.Errorf("%s: %q holds %s", s.Name, shown.Policy, no)
			}
		}
		for name, want := range map[string]string{"default-src": "'none'", "frame-ancestors": "'none'", "base-uri": "'none'"} {
			if got := directive(shown.Policy, name); got != want {
				t.Errorf("%s: %s is %q", s.Name, name, got)
			}
		}
		if hasLogo := strings.Contains(body, "<img "); (directive(shown.Policy, "img-src") == "data:") != hasLogo {
			t.Errorf("%s: pictures: %q", s.Name, shown.Policy)
		}
		if scripted := strings.Contains(body, "<script"); scripted != (s.Name == "answer" || s.Name == "passage" || s.Name == "passkey" || s.Name == "passkey-enrol") || scripted != strings.Contains(shown.Policy, "script-src") {
			t.Errorf("%s: scripts: %q", s.Name, shown.Policy)
		}
		for _, no := range []string{" style=", "ZgotmplZ", "<no value>", "http-equiv=\"Content-Security"} {
			if strings.Contains(body, no) {
				t.Errorf("%s: holds %s", s.Name, no)
			}
		}
	}
}

// TestForms: where forms may lead. Redirects after a form count too, so consent names the verified redirect URI's origin.
func TestForms(t *testing.T) {
	want := map[string]string{
		"signin": "'self'", "consent-company": "'self' https://agents.acme.example", "consent-document": "'self' https://claude.com",
		"consent-loopback": "'self' http://127.0.0.1:33418", "consent-program": "'self' cursor:", "device": "'self'", "deviceconfirm": "'self'",
		"finished": "'none'", "stepup": "'self'", "failure": "'none'", "signedout": "'none'", "account": "'self'", "confirm": "'self'",
		"answer": "https://client.example", "onward": "'none'", "passkey": "'self'", "passkeys": "'self'", "passage": "https://idp.acme.example https:", "signout": "'self'",
	}
	for _, s := range pagetest.Samples() {
		if forms, listed := want[s.Name]; listed {
			if got := directive(render(t, s).Policy, "form-action"); got != forms {
				t.Errorf("%s: form-action %s, want %s", s.Name, got, forms)
			}
			delete(want, s.Name)
		}
	}
	if len(want) > 0 {
		t.Errorf("no samples of %v", want)
	}
}

func directive(policy, name string) string {
	for d := range strings.SplitSeq(policy, "; ") {
		if value, found := strings.CutPrefix(d, name+" "); found {
			return value
		}
	}
	return ""
}

// TestHeaders: nothing is kept, framed, sniffed, referred to or held by another window (T37).
func TestHeaders(t *testing.T) {
	w := httptest.NewRecorder()
	shown := render(t, pagetest.Samples()[0])
	if err := shown.Write(w, http.StatusTeapot); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusTeapot || w.Body.String() != string(shown.Body) {
		t.Error("another page was sent")
	}
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": shown.Policy, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
		"Cross-Origin-Opener-Policy": "same-origin", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestEveryPageHasASample: a template that no sample shows is one that nobody looked at.
func TestEveryPageHasASample(t *testing.T) {
	files, err := page.TemplateFiles.ReadDir("templates")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{"layout": true}
	for _, s := range pagetest.Samples() {
		name, _, _ := strings.Cut(s.Name, "-")
		shown[name] = true
	}
	for _, file := range files {
		if name := strings.TrimSuffix(file.Name(), ".html"); !shown[name] {
			t.Errorf("%s has no sample", name)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	for _, s := range pagetest.Samples() {
		if s.Name != "signin" && s.Name != "consent-company" {
			continue
		}
		b.Run(s.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Model.Render(s.Frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
