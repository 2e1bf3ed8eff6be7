package oidc

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/strict"
)

// Door is the way out; *fetch.Client is it.
type Door interface {
	RoundTripper(n fetch.Network, limit fetch.Limit) (http.RoundTripper, error)
}

// What an IdP's answer is refused for before a library reads it.
var (
	errAway   = errors.New("oidc: answered that it cannot answer now")
	errStatus = errors.New("oidc: answered with an unusable status")
	errAnswer = errors.New("oidc: answered with what cannot be read without doubt")
)

const (
	maxAnswer     = 256 << 10
	answerTimeout = 8 * time.Second // a person waits, and IdPs take their time
)

// gate stands between the network and libraries that read JSON less strictly than we
// do: what passes has one meaning for every reader (M1, M10).
type gate struct {
	next     http.RoundTripper
	statuses []int // that are an answer
	reserved strict.Names
	jwt      bool // application/jwt passes too, unread
}

// client makes a client for one peer. Nothing is kept open, so that a bundle that was
// replaced on disk counts at once, and no redirect is followed.
func (rp *RelyingParty) client(n fetch.Network, g gate) (*http.Client, error) {
	next, err := rp.door.RoundTripper(n, fetch.Limit{Bytes: maxAnswer, Timeout: answerTimeout})
	if err != nil {
		return nil, err
	}
	g.next = next
	return &http.Client{
		Transport:     &g,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// RoundTrip implements http.RoundTripper.
func (g *gate) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Close = true
	if request.Header.Get("Accept") == "" {
		request.Header.Set("Accept", "application/json")
	}
	response, err := g.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body) // bounded by the door
	_ = response.Body.Close()
	switch {
	case err != nil:
		return nil, err
	case response.StatusCode >= http.StatusInternalServerError, response.StatusCode == http.StatusTooManyRequests:
		return nil, errAway
	case !slices.Contains(g.statuses, response.StatusCode):
		return nil, errStatus
	case response.Header.Get("Content-Encoding") != "" && !strings.EqualFold(response.Header.Get("Content-Encoding"), "identity"):
		return nil, errAnswer
	}
	if err := g.read(response.Header.Get("Content-Type"), body); err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

func (g *gate) read(contentType string, body []byte) error {
	mediaType, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return errAnswer
	case g.jwt && mediaType == "application/jwt":
		return nil
	case mediaType != "application/json" && !strings.HasSuffix(mediaType, "+json"):
		return errAnswer
	}
	if _, err := strict.Object(body, strict.Limits{Bytes: maxAnswer, Reserved: g.reserved, NoNUL: true}); err != nil {
		return errors.Join(errAnswer, err)
	}
	return nil
}
