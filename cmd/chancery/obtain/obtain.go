package obtain

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/chancery-dev/chancery/sdk/go/agent"
)

// Request says what a token is wanted for.
type Request struct {
	Resource string
	Scopes   []string // empty: all that the resource publishes
	Identity Identity
	HTTP     *http.Client
}

// Obtained is what happened. Token is nil where the error is not.
type Obtained struct {
	Issuer   string
	Resource string
	Asked    []string // scopes; may be empty
	Legs     []agent.Leg
	Token    *oauth2.Token
}

// Granted are the token's scopes.
func (o Obtained) Granted() []string {
	if o.Token == nil {
		return nil
	}
	scope, _ := o.Token.Extra("scope").(string)
	return strings.Fields(scope)
}

// Trace is the newest that a server told, for chancery explain.
func (o Obtained) Trace() string {
	for _, leg := range slices.Backward(o.Legs) {
		if leg.Trace != "" {
			return leg.Trace
		}
	}
	return ""
}

const wait = 30 * time.Second

// Do finds out whom to ask and does both legs, or the one that there is.
func Do(ctx context.Context, r Request) (Obtained, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	o := Obtained{Resource: r.Resource, Issuer: r.Identity.Issuer, Asked: r.Scopes}
	if err := r.Identity.Validate(); err != nil {
		return o, err
	}
	h := r.HTTP
	if h == nil {
		h = &http.Client{}
	}
	guarded := *h
	guarded.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	described, err := Describe(ctx, &guarded, r.Resource)
	if o.Issuer, err = settle(r, described, err); err != nil {
		return o, err
	}
	if len(o.Asked) == 0 {
		o.Asked = described.Scopes
	}
	var taken legs
	a, err := r.Identity.agent(o.Issuer, &guarded, taken.add)
	if err != nil {
		return o, err
	}
	o.Token, err = a.Token(ctx, r.Resource, o.Asked...)
	o.Legs = taken.all()
	return o, err
}

// legs are told by the request itself, which may outlive who waits for it.
type legs struct {
	mu   sync.Mutex
	list []agent.Leg
}

func (l *legs) add(leg agent.Leg) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, leg)
}

func (l *legs) all() []agent.Leg {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// settle says which authorization server is asked: the one that was told, which the resource must name too if it says
// anything, or the only one that it names.
func settle(r Request, d Described, failure error) (string, error) {
	told := r.Identity.Issuer
	switch {
	case failure != nil && told != "" && !errors.Is(failure, ErrMisdescribed):
		return told, nil // a resource that is away, or keeps silent, takes nothing from whom the caller trusts
	case failure != nil:
		return "", fmt.Errorf("find the authorization server: %w (or say --issuer)", failure)
	case told != "" && !slices.Contains(d.Issuers, told):
		return "", fmt.Errorf("%s takes no tokens of %s: it names %s", r.Resource, told, named(d.Issuers))
	case told != "":
		return told, nil
	case len(d.Issuers) != 1:
		return "", fmt.Errorf("%s names %s: say --issuer", r.Resource, named(d.Issuers))
	}
	return d.Issuers[0], r.Identity.mayFollow(d.Issuers[0])
}

func named(issuers []string) string {
	if len(issuers) == 0 {
		return "no authorization server"
	}
	return strings.Join(issuers, ", ")
}
