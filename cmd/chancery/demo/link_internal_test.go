package demo

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/cmd/chancery/dev"
	"github.com/chancery-dev/chancery/federation/idptest"
	sdk "github.com/chancery-dev/chancery/sdk/go/agent"
)

// TestLinkOfAnAgentWithoutABrowser: docs/tutorial.md says that who opens the link of a refusal, and proves himself there,
// lets the agent go on with the sign-in that it has.
func TestLinkOfAnAgentWithoutABrowser(t *testing.T) {
	w, err := build(t.Context(), slog.New(slog.DiscardHandler), "")
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	a := newAgent(w)
	signedIn, err := a.signIn(t.Context(), idptest.Alice, "")
	if err != nil {
		t.Fatal(err)
	}
	redeem := func() (string, error) {
		assertion, err := a.exchange(t.Context(), signedIn, dev.ScopeRead, dev.ScopeWrite)
		if err != nil {
			t.Fatal(err)
		}
		token, err := a.redeem(t.Context(), assertion)
		if err != nil {
			return "", err
		}
		scope, _ := token.Extra("scope").(string)
		return scope, nil
	}
	_, err = redeem()
	refusal, ok := errors.AsType[*sdk.Error](err)
	if !ok || refusal.InteractionURI == "" {
		t.Fatal(err)
	}
	b, err := newBrowser(a.tape, map[string]string{"person": idptest.Alice, "idp": dev.IdPName, "way": "idp:" + dev.IdPName})
	if err != nil {
		t.Fatal(err)
	}
	next, ok := visit{method: http.MethodGet, target: refusal.InteractionURI}, true
	for range maxPages {
		page, err := b.open(t.Context(), next)
		if err != nil {
			t.Fatal(err)
		}
		if next, ok = page.next(b.presses); !ok {
			break
		}
		if next.fields.Has("way") { // once; what she then shows is enough
			b.presses["way"] = "session"
		}
	}
	scope, err := redeem()
	if err != nil || !slices.Contains(strings.Fields(scope), dev.ScopeWrite) {
		t.Errorf("%q %v\n%s", scope, err, strings.Join(b.shown, "\n"))
	}
}
