package page

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"
)

// catalogue is what the pages say, in one language.
type catalogue struct {
	tag      language.Tag
	messages map[string]message
}

// message is a text with parameters, in each plural form that the language needs; without plurals in "other" alone.
type message map[string][]part

// part is a piece of a message: words of ours, or the parameter of that name.
type part struct {
	Text      string
	Parameter bool
}

var placeholder = regexp.MustCompile(`\{([a-z]+)\}`)

func readCatalogue(text []byte) (catalogue, error) {
	var raw map[string]yaml.Node
	if err := yaml.Unmarshal(text, &raw); err != nil {
		return catalogue{}, err
	}
	c := catalogue{messages: map[string]message{}}
	for key, node := range raw {
		forms := map[string]string{}
		switch node.Kind {
		case yaml.MappingNode:
			if err := node.Decode(&forms); err != nil {
				return catalogue{}, fmt.Errorf("%s: %w", key, err)
			}
		case yaml.ScalarNode:
			forms["other"] = node.Value
		case yaml.DocumentNode, yaml.SequenceNode, yaml.AliasNode:
			return catalogue{}, fmt.Errorf("%s is neither a text nor plural forms", key)
		}
		m := message{}
		for name, text := range forms {
			if !slices.Contains([]string{"zero", "one", "two", "few", "many", "other"}, name) || text == "" {
				return catalogue{}, fmt.Errorf("%s: %q is no plural form with a text", key, name)
			}
			m[name] = parse(text)
		}
		if m["other"] == nil {
			return catalogue{}, fmt.Errorf("%s has no form for all other numbers", key)
		}
		c.messages[key] = m
	}
	return c, nil
}

func parse(text string) []part {
	var parts []part
	at := 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(text, -1) {
		if m[0] > at {
			parts = append(parts, part{Text: text[at:m[0]]})
		}
		parts = append(parts, part{Text: text[m[2]:m[3]], Parameter: true})
		at = m[1]
	}
	if at < len(text) {
		parts = append(parts, part{Text: text[at:]})
	}
	return parts
}

// parameters lists what the message's "other" form takes, sorted.
func (m message) parameters() []string {
	names := map[string]bool{}
	for _, p := range m["other"] {
		if p.Parameter {
			names[p.Text] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// say gives a message with its parameters, which are names of somebody else's and shown as such. A message that does not
// exist, or with other parameters, is an error: a page never lacks a sentence.
func (c catalogue) say(key string, parameters ...string) ([]part, error) {
	return c.fill(key, "other", parameters)
}

// count is say for a number of things.
func (c catalogue) count(key string, n int, parameters ...string) ([]part, error) {
	return c.fill(key, form(c.tag, n), append(parameters, "n", strconv.Itoa(n)))
}

// plain is say for where no element can be: titles and labels. Parameters are isolated by characters (UAX #9 §2.4).
func (c catalogue) plain(key string, parameters ...string) (string, error) {
	parts, err := c.say(key, parameters...)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, p := range parts {
		if p.Parameter {
			p.Text = "\u2068" + p.Text + "\u2069"
		}
		b.WriteString(p.Text)
	}
	return b.String(), nil
}

func (c catalogue) fill(key, form string, parameters []string) ([]part, error) {
	m, ok := c.messages[key]
	if !ok {
		return nil, fmt.Errorf("page: nothing is called %q", key)
	}
	if len(parameters)%2 != 0 {
		return nil, errors.New("page: parameters come in pairs")
	}
	given := map[string]string{}
	for pair := range slices.Chunk(parameters, 2) {
		given[pair[0]] = visible(pair[1], maxLine)
	}
	if !slices.Equal(m.parameters(), slices.Sorted(maps.Keys(given))) {
		return nil, fmt.Errorf("page: %s takes %v", key, m.parameters())
	}
	if m[form] == nil {
		form = "other"
	}
	filled := slices.Clone(m[form])
	for i, p := range filled {
		if p.Parameter {
			filled[i].Text = given[p.Text]
		}
	}
	return filled, nil
}
