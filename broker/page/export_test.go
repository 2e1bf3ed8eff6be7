package page

import (
	"io/fs"
)

// For the tests outside: pieces that pages are made of.
var (
	Visible         = visible
	Initial         = initial
	ReadCatalogue   = readCatalogue
	SheetText       = string(sheet)
	AutoSubmit      = autoSubmit
	TemplateFiles   = templateFiles
	WordFiles       = wordFiles
	IsHost          = isHost
	ReadDestination = func(raw string) (host, source string, loopback, program bool, err error) {
		d, err := readDestination(raw)
		return d.Host, d.source, d.Loopback, d.Program, err
	}
)

// Shelf is what the pages say in the languages of a folder.
type Shelf struct{ shelf *shelf }

func OpenShelf(files fs.FS) (Shelf, error) {
	s, err := openShelf(files)
	return Shelf{s}, err
}

func (s Shelf) Choose(uiLocales, accept string) string {
	return s.shelf.tags[s.shelf.choose(uiLocales, accept)].String()
}

// Say gives a message as text.
func (s Shelf) Say(language, key string, parameters ...string) (string, error) {
	return text(s.find(language).say(key, parameters...))
}

func (s Shelf) Count(language, key string, n int, parameters ...string) (string, error) {
	return text(s.find(language).count(key, n, parameters...))
}

func (s Shelf) find(language string) catalogue {
	for _, words := range s.shelf.words {
		if words.tag.String() == language {
			return words
		}
	}
	return catalogue{}
}

func text(parts []part, err error) (string, error) {
	all := ""
	for _, p := range parts {
		all += p.Text
	}
	return all, err
}

// Keys lists the English catalogue.
func Keys() []string {
	var keys []string
	for key := range library.words[0].messages {
		keys = append(keys, key)
	}
	return keys
}

// Themes gives paper and accent of both, and what a colour becomes in each.
func Themes(hue string) (papers, accents [2]string, fills, onFills, inks [2]string) {
	c, _ := readColour(hue)
	for i, t := range []theme{light, dark} {
		fill, onFill, ink := t.accents(c)
		papers[i], accents[i], fills[i], onFills[i], inks[i] = t.paper.String(), t.accent.String(), fill.String(), onFill.String(), ink.String()
	}
	return
}

func Contrast(a, b string) float64 {
	x, _ := readColour(a)
	y, _ := readColour(b)
	return contrast(x, y)
}
