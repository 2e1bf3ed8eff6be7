package page

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// maxLocales is how much of a wish for languages is read, in bytes.
const maxLocales = 256

// Language is one that there is a catalogue of. The zero Language is English.
type Language struct{ at int }

// String is the BCP 47 tag.
func (l Language) String() string { return library.tags[l.at].String() }

// Choose finds the language for a request: what the client asked for the person first (ui_locales, OpenID Connect Core
// §3.1.2.1), then what the browser says (Accept-Language, RFC 9110 §12.5.4). What cannot be read wishes nothing.
func Choose(uiLocales, acceptLanguage string) Language {
	return Language{library.choose(uiLocales, acceptLanguage)}
}

//go:embed words/*.yaml
var wordFiles embed.FS

// library is read once and never changed.
var library = must(openShelf(wordFiles))

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// shelf holds the catalogues, English first.
type shelf struct {
	tags    []language.Tag
	words   []catalogue
	matcher language.Matcher
}

// openShelf reads every catalogue. Each must say everything that the English one says, with the same parameters.
func openShelf(files fs.FS) (*shelf, error) {
	names, err := fs.Glob(files, "words/*.yaml")
	if err != nil {
		return nil, err
	}
	first := slices.Index(names, "words/en.yaml")
	if first < 0 {
		return nil, fmt.Errorf("page: there is no English catalogue")
	}
	names[0], names[first] = names[first], names[0]
	s := &shelf{}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		tag, err := language.Parse(strings.TrimSuffix(path.Base(name), ".yaml"))
		if err != nil {
			return nil, fmt.Errorf("page: %s is not named by a language: %w", name, err)
		}
		words, err := readCatalogue(text)
		if err != nil {
			return nil, fmt.Errorf("page: %s: %w", name, err)
		}
		words.tag = tag
		s.tags, s.words = append(s.tags, tag), append(s.words, words)
		if err := s.words[0].sameAs(words); err != nil {
			return nil, fmt.Errorf("page: %s: %w", name, err)
		}
	}
	s.matcher = language.NewMatcher(s.tags)
	return s, nil
}

func (s *shelf) choose(uiLocales, acceptLanguage string) int {
	var wished []language.Tag
	if len(uiLocales) <= maxLocales {
		for locale := range strings.FieldsSeq(uiLocales) {
			if tag, err := language.Parse(locale); err == nil {
				wished = append(wished, tag)
			}
		}
	}
	if len(acceptLanguage) <= maxLocales {
		if tags, _, err := language.ParseAcceptLanguage(acceptLanguage); err == nil {
			wished = append(wished, tags...)
		}
	}
	_, at, _ := s.matcher.Match(wished...)
	return at
}

// direction is that of the language's script.
func direction(tag language.Tag) string {
	script, _ := tag.Script()
	if slices.Contains([]string{"Arab", "Hebr", "Syrc", "Thaa", "Nkoo", "Adlm"}, script.String()) {
		return "rtl"
	}
	return "ltr"
}

// sameAs says what another language's catalogue lacks, or has too much.
func (c catalogue) sameAs(other catalogue) error {
	for key, m := range c.messages {
		theirs, ok := other.messages[key]
		if !ok {
			return fmt.Errorf("%s is missing", key)
		}
		if !slices.Equal(m.parameters(), theirs.parameters()) {
			return fmt.Errorf("%s has parameters %v, want %v", key, theirs.parameters(), m.parameters())
		}
	}
	for key := range maps.Keys(other.messages) {
		if _, ok := c.messages[key]; !ok {
			return fmt.Errorf("%s is not said in English", key)
		}
	}
	return nil
}

// form gives the plural form of a number in a language (CLDR), "other" where there is no such form of the message.
func form(tag language.Tag, n int) string {
	switch plural.Cardinal.MatchPlural(tag, max(n, -n), 0, 0, 0, 0) {
	case plural.Zero:
		return "zero"
	case plural.One:
		return "one"
	case plural.Two:
		return "two"
	case plural.Few:
		return "few"
	case plural.Many:
		return "many"
	case plural.Other:
	}
	return "other"
}
