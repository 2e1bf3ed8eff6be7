package page_test

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/chancery-dev/chancery/broker/page"
)

var used = regexp.MustCompile(`\((?:say|count|plain) "([a-z.]+)"|\{\{(?:say|count|plain) "([a-z.]+)"`)

var call = regexp.MustCompile(`\b(say|count|plain) `)

// TestEveryWordIsUsed: every key that a template uses is in the catalogue, and every key there is used.
func TestEveryWordIsUsed(t *testing.T) {
	keys := page.Keys()
	said := map[string]bool{}
	files, err := fs.Glob(page.TemplateFiles, "templates/*.html")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := fs.ReadFile(page.TemplateFiles, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range used.FindAllStringSubmatch(string(text), -1) {
			key := m[1] + m[2]
			said[key] = true
			if !slices.Contains(keys, key) {
				t.Errorf("%s says %s, which nothing is called", name, key)
			}
		}
		// A key that is put together would escape this test; words outside the catalogue would not be translated.
		if len(call.FindAllString(string(text), -1)) != len(used.FindAllString(string(text), -1)) {
			t.Errorf("%s uses a key that is not written out", name)
		}
		bare := regexp.MustCompile(`(?s)\{\{.*?\}\}|<script>.*?</script>|<[^>]*>`).ReplaceAllString(string(text), " ")
		bare = strings.NewReplacer("access_denied", "", "chancery explain", "", `class="wide"`, "").Replace(bare)
		if name != "templates/layout.html" && regexp.MustCompile(`[A-Za-z]{2,}`).MatchString(bare) {
			t.Errorf("%s has words of its own: %q", name, regexp.MustCompile(`[A-Za-z]{2,}`).FindString(bare))
		}
	}
	for _, key := range keys {
		if !said[key] {
			t.Errorf("nobody says %s", key)
		}
	}
}

func shelf(t *testing.T, files map[string]string) (page.Shelf, error) {
	t.Helper()
	folder := fstest.MapFS{}
	for name, text := range files {
		folder["words/"+name+".yaml"] = &fstest.MapFile{Data: []byte(text)}
	}
	return page.OpenShelf(folder)
}

const english = "hello: \"Hello {name}\"\nfiles: {one: \"{n} file\", other: \"{n} files\"}\n"

// TestLanguages: another language is a file more, with plural forms of its own.
func TestLanguages(t *testing.T) {
	s, err := shelf(t, map[string]string{
		"en": english, "pl": "hello: \"{name}, witaj\"\nfiles: {one: \"{n} plik\", few: \"{n} pliki\", many: \"{n} plików\", other: \"{n} pliku\"}\n",
		"ar": "hello: \"مرحبا {name}\"\nfiles: \"{n}\"\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]string{1: "1 plik", 2: "2 pliki", 5: "5 plików", 22: "22 pliki", -1: "-1 plik"} {
		if got, err := s.Count("pl", "files", n); err != nil || got != want {
			t.Errorf("%d: %q, %v", n, got, err)
		}
	}
	if got, err := s.Count("en", "files", 0); got != "0 files" {
		t.Error(got, err)
	}
	if got, err := s.Say("pl", "hello", "name", "A\u202eB"); got != "AB, witaj" {
		t.Error(got, err)
	}
	for _, c := range []struct{ locales, accept, want string }{
		{"", "", "en"},
		{"pl", "", "pl"},
		{"pl-PL en", "ar", "pl"},
		{"xx yy", "ar-EG,en;q=0.5", "ar"},
		{"", "de, pl;q=0.4, en;q=0.3", "pl"},
		{"", "fr", "en"},
		{"\x00", "\xff;;q=", "en"},
		{strings.Repeat("pl ", 200), "", "en"},
		{"", strings.Repeat("pl,", 200), "en"},
		{"../../etc", "", "en"},
	} {
		if got := s.Choose(c.locales, c.accept); got != c.want {
			t.Errorf("%.20q, %.20q: %s, want %s", c.locales, c.accept, got, c.want)
		}
	}
}

// TestCatalogueRefuses: a catalogue that lacks something is found when it is read, not when a person needs the sentence.
func TestCatalogueRefuses(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"no English":          {"de": english},
		"a key less":          {"en": english, "de": "hello: \"Hallo {name}\"\n"},
		"a key more":          {"en": english, "de": english + "more: x\n"},
		"another parameter":   {"en": english, "de": strings.ReplaceAll(english, "{name}", "{who}")},
		"no parameter":        {"en": english, "de": strings.ReplaceAll(english, "{name}", "")},
		"no form for others":  {"en": english, "de": strings.ReplaceAll(english, "other:", "many:")},
		"a form that is none": {"en": strings.ReplaceAll(english, "one:", "single:")},
		"a list":              {"en": "hello: [a]\n"},
		"a key twice":         {"en": english + english},
		"no language":         {"en": english, "nonsense-": english},
		"not YAML":            {"en": ":\n:"},
	} {
		if _, err := shelf(t, files); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	s, err := shelf(t, map[string]string{"en": english})
	if err != nil {
		t.Fatal(err)
	}
	for name, parameters := range map[string][]string{"none": nil, "another": {"who", "x"}, "too many": {"name", "x", "who", "y"}, "half a pair": {"name"}} {
		if _, err := s.Say("en", "hello", parameters...); err == nil {
			t.Errorf("%s: said", name)
		}
	}
	if _, err := s.Say("en", "unknown"); err == nil {
		t.Error("an unknown message is said")
	}
}

// TestChoose: there is English; whatever is wished for, that is what a person gets.
func TestChoose(t *testing.T) {
	for _, wish := range []string{"", "en-GB", "de", "zz"} {
		if got := page.Choose(wish, wish).String(); got != "en" {
			t.Errorf("%s: %s", wish, got)
		}
	}
	if (page.Language{}).String() != "en" {
		t.Error("the zero language is not English")
	}
}
