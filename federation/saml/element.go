package saml

import (
	"errors"
	"strings"
	"time"

	"github.com/beevik/etree"
)

// What is wrong with an element.
var (
	errText     = errors.New("text where only elements belong")
	errChildren = errors.New("children that the schema does not have there")
	errValue    = errors.New("a value that is empty, too long, padded or not plain text")
	errInstant  = errors.New("not a time in UTC")
)

const maxValue = 4096

func is(el *etree.Element, namespace, name string) bool {
	return el != nil && el.Tag == name && el.NamespaceURI() == namespace
}

// part is one place in an element's content, as its schema has it.
type part struct {
	namespace, name string
	least, most     int
}

const many = 1 << 20

// content holds an element's children against its schema's sequence, and returns
// them by their names. A child in another place, once too often or unknown is
// refused: what a schema does not have there is where wrapped elements hide (T21).
func content(el *etree.Element, sequence ...part) (map[string][]*etree.Element, error) {
	found := map[string][]*etree.Element{}
	at, count := 0, 0
	for _, token := range el.Child {
		child, ok := token.(*etree.Element)
		if !ok {
			if text, ok := token.(*etree.CharData); !ok || !text.IsWhitespace() {
				return nil, errText
			}
			continue
		}
		for at < len(sequence) && !is(child, sequence[at].namespace, sequence[at].name) {
			if count < sequence[at].least {
				return nil, errChildren
			}
			at, count = at+1, 0
		}
		if at == len(sequence) || count == sequence[at].most {
			return nil, errChildren
		}
		count++
		found[child.Tag] = append(found[child.Tag], child)
	}
	for ; at < len(sequence); at++ {
		if count < sequence[at].least {
			return nil, errChildren
		}
		count = 0
	}
	return found, nil
}

func one(list []*etree.Element) *etree.Element {
	if len(list) != 1 {
		return nil
	}
	return list[0]
}

// attribute returns an attribute without a prefix; etree's own lookup takes one
// under any prefix.
func attribute(el *etree.Element, name string) (value string, present bool) {
	for _, a := range el.Attr {
		if a.Space == "" && a.Key == name {
			return a.Value, true
		}
	}
	return "", false
}

// text returns an element's text, which is all that it has, and is as it is meant
// to be compared: no padding, no control characters.
func text(el *etree.Element) (string, error) {
	value, err := rawText(el)
	if err != nil {
		return "", err
	}
	if value == "" || len(value) > maxValue || !isPlain(value) {
		return "", errValue
	}
	return value, nil
}

func rawText(el *etree.Element) (string, error) {
	var b strings.Builder
	for _, token := range el.Child {
		data, ok := token.(*etree.CharData)
		if !ok {
			return "", errChildren
		}
		b.WriteString(data.Data)
	}
	return b.String(), nil
}

func isPlain(s string) bool {
	control := strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x20 || 0x7f <= r && r < 0xa0 || r == '\u2028' || r == '\u2029' || r == '\ufffd'
	})
	return !control && strings.TrimSpace(s) == s
}

// instant reads a time (SAML core §1.3.3: UTC, without a time zone).
func instant(value string) (time.Time, error) {
	if len(value) > 40 || !strings.HasSuffix(value, "Z") {
		return time.Time{}, errInstant
	}
	t, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		return time.Time{}, errInstant
	}
	return t.UTC(), nil
}

// stamp writes a time as SAML has it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
