package provider

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxDepth = 16
	maxRetry = 24 * time.Hour
)

// number is a JSON number as it was written.
type number string

// answer is what came back, read whole.
type answer struct {
	status int
	header http.Header
	body   map[string]any // nil: not an object
	list   []any          // of a list at the top (sites)
	empty  bool           // there was no body
}

var errAnswer = errors.New("not JSON that has one meaning")

// read takes a body apart by its content. What is not JSON, or a form that calls itself one, has no body.
func (a *answer) read(b []byte) {
	a.empty = len(b) == 0
	mediaType, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	if mediaType == "application/x-www-form-urlencoded" {
		a.body = form(string(b))
		return
	}
	v, err := readJSON(b)
	if err != nil {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		a.body = v
	case []any:
		a.list = v
	}
}

func form(b string) map[string]any {
	values, err := url.ParseQuery(b)
	if err != nil {
		return nil
	}
	body := map[string]any{}
	for name, v := range values {
		if len(v) != 1 {
			return nil
		}
		body[name] = v[0]
	}
	return body
}

// readJSON refuses duplicate names and invalid UTF-8 (RFC 7493 §2), depth, and text after the value.
func readJSON(b []byte) (any, error) {
	d := jsontext.NewDecoder(bytes.NewReader(b))
	v, err := readValue(d, maxDepth)
	if err != nil {
		return nil, errAnswer
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errAnswer
	}
	return v, nil
}

func readValue(d *jsontext.Decoder, left int) (any, error) {
	token, err := d.ReadToken()
	if err != nil || left == 0 {
		return nil, errAnswer
	}
	switch token.Kind() {
	case '{':
		object := map[string]any{}
		for d.PeekKind() != '}' {
			name, err := d.ReadToken()
			if err != nil {
				return nil, errAnswer
			}
			key := name.String() // before the next token takes its place
			if object[key], err = readValue(d, left-1); err != nil {
				return nil, err
			}
		}
		_, err := d.ReadToken()
		return object, err
	case '[':
		list := []any{}
		for d.PeekKind() != ']' {
			v, err := readValue(d, left-1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.ReadToken()
		return list, err
	case '"':
		return token.String(), nil
	case '0':
		return number(token.String()), nil
	case 't', 'f':
		return token.Bool(), nil
	default:
		return nil, nil // JSON null is a value
	}
}

// at follows a path of names joined by dots; nil where it ends.
func at(v any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		object, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = object[name]
	}
	return v
}

// words is a scalar as text; "" for anything else.
func words(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case number:
		return string(v)
	case bool:
		return strconv.FormatBool(v)
	default:
		return ""
	}
}

// retryAfter reads RFC 9110 §10.2.3, bounded.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil && seconds >= 0 {
		return min(time.Duration(seconds)*time.Second, maxRetry)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, at.Sub(now)), maxRetry)
	}
	return 0
}
