package admin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
)

// maxBody bounds one object; an apply may hold many.
const (
	maxBody      = object.MaxDocument
	maxApplyBody = 32 << 20
	maxPage      = 1000
	defaultPage  = 100
)

// body reads a JSON body through a limit.
func body(c *gin.Context, limit int64) ([]byte, error) {
	if media, _, err := mime.ParseMediaType(c.GetHeader("Content-Type")); err != nil || media != "application/json" {
		return nil, refuse(http.StatusUnsupportedMediaType, "content_type_unsupported", "send application/json")
	}
	if c.GetHeader("Content-Encoding") != "" {
		return nil, refuse(http.StatusUnsupportedMediaType, "content_type_unsupported", "send the body without a content encoding")
	}
	text, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, limit))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, refuse(http.StatusRequestEntityTooLarge, "body_too_large", fmt.Sprintf("the body has more than %d bytes", tooLarge.Limit))
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "body_unreadable", "the body could not be read")
	}
	return text, nil
}

// decode reads objects from a body. What is wrong with the body itself is 400; what does
// not fit with its neighbours is 422, when it is applied.
func decode(text []byte) ([]object.Object, error) {
	objects, err := object.Decode(bytes.NewReader(text), object.Options{Format: object.JSON})
	if err == nil || errors.Is(err, object.ErrTooLarge) {
		return objects, err
	}
	r := refusalOf(err)
	r.status = http.StatusBadRequest
	return nil, r
}

func parseQuery(raw string) (url.Values, error) {
	query, err := url.ParseQuery(raw)
	if err != nil || len(raw) > 128<<10 {
		return nil, refuse(http.StatusBadRequest, "query_malformed", "the query cannot be read")
	}
	for _, values := range query {
		for _, v := range values {
			if strings.ContainsFunc(v, unicode.IsControl) || !utf8.ValidString(v) {
				return nil, refuse(http.StatusBadRequest, "query_malformed", "the query holds a control character, or is not UTF-8")
			}
		}
	}
	return query, nil
}

func flag(c *gin.Context, name string) (bool, error) {
	switch c.Query(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, refuse(http.StatusBadRequest, "parameter_invalid", name+" is true or false")
	}
}

func number(c *gin.Context, name string, fallback, least, most int) (int, error) {
	text := c.Query(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, refuse(http.StatusBadRequest, "parameter_invalid", fmt.Sprintf("%s is a whole number from %d to %d", name, least, most))
	}
	return n, nil
}

func moment(c *gin.Context, name string) (time.Time, error) {
	text := c.Query(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, refuse(http.StatusBadRequest, "parameter_invalid", name+" is a time such as 2030-01-31T00:00:00Z")
	}
	return t.UTC(), nil
}

func text(c *gin.Context, name string, most int) (string, error) {
	value := c.Query(name)
	if len(value) > most {
		return "", refuse(http.StatusBadRequest, "parameter_invalid", fmt.Sprintf("%s has more than %d bytes", name, most))
	}
	return value, nil
}

// etag is an object's revision together with its uid: what is made again under a
// name is another object.
func etag(o object.Object) string {
	return fmt.Sprintf(`"%s.%d"`, o.Metadata.UID, o.Metadata.Revision)
}

// condition reads If-Match and If-None-Match (RFC 9110 §13.1) against the object that is there.
func condition(c *gin.Context, current *object.Object, r *object.Request) error {
	match, none := c.GetHeader("If-Match"), c.GetHeader("If-None-Match")
	failed := refuse(http.StatusPreconditionFailed, "precondition_failed", "the object is not the one that the condition names")
	switch {
	case match == "" && none == "":
		return nil
	case match != "" && none != "":
		return refuse(http.StatusBadRequest, "condition_invalid", "If-Match and If-None-Match exclude each other")
	case none != "" && none != "*":
		return refuse(http.StatusBadRequest, "condition_invalid", "If-None-Match takes * only")
	case none == "*" && current != nil:
		return failed
	case none == "*":
		r.IfMatch = object.NotThere
		return nil
	case current == nil:
		return failed
	case match == "*" || match == etag(*current):
		r.IfMatch, r.IfUID = current.Metadata.Revision, current.Metadata.UID
		return nil
	default: // a weak tag never matches (RFC 9110 §13.1.1)
		return failed
	}
}

func auditFilter(c *gin.Context) (AuditFilter, error) {
	var f AuditFilter
	var err error
	if f.Since, err = moment(c, "since"); err != nil {
		return f, err
	}
	if f.Until, err = moment(c, "until"); err != nil {
		return f, err
	}
	if f.Limit, err = number(c, "limit", defaultPage, 1, maxPage); err != nil {
		return f, err
	}
	for _, p := range []struct {
		name string
		most int
		into *string
	}{
		{"code", 64, &f.Code}, {"trace", 64, &f.Trace}, {"id", 64, &f.ID}, {"client", 255, &f.Client}, {"token", 255, &f.TokenID}, {"cursor", 512, &f.Cursor},
	} {
		if *p.into, err = text(c, p.name, p.most); err != nil {
			return f, err
		}
	}
	f.Outcome = audit.Outcome(c.Query("outcome"))
	switch f.Outcome {
	case "", audit.Allowed, audit.Refused, audit.Challenged, audit.Changed:
	default:
		return f, refuse(http.StatusBadRequest, "parameter_invalid", "outcome is allowed, refused, challenged or changed")
	}
	if types := c.Query("type"); types != "" {
		for name := range strings.SplitSeq(types, ",") {
			if !audit.Type(name).Registered() {
				return f, refuse(http.StatusBadRequest, "parameter_invalid", fmt.Sprintf("unknown event type %.64q", name))
			}
			f.Types = append(f.Types, audit.Type(name))
		}
	}
	return f, nil
}
