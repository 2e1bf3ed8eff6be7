package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/cmd/chancery/obtain"
)

// Forms in which a token is printed.
const (
	tokenRaw    = "raw"
	tokenHeader = "header"
	tokenJSON   = "json"
	tokenEnv    = "env"
)

const envAccessToken = "CHANCERY_ACCESS_TOKEN"

func (c *command) tokenCommand() *cobra.Command {
	var f askFlags
	var format string
	var explain bool
	cmd := &cobra.Command{
		Use:   "token --resource URL",
		Short: "Get an access token as an agent would, both legs",
		Long: `Get an access token for a resource as an agent would: leg 1 has the person's IdP turn a sign-in into an assertion (ID-JAG), leg 2
redeems it at the authorization server. The token goes to standard output (--format), and nothing else does.

--explain shows what happened in the two legs instead, and never the token: scopes, lifetimes, and, where the admin API can be
reached, who dropped which scope and why.

` + askedLong + `

Exit status: 0 there is a token; 1 there is none, and standard error says the code, what it means, who has to do what, the trace id for
chancery explain, and what a step-up or an approval asks for.`,
		Example: `  chancery token --explain
  chancery token --resource https://mcp.acme.com/notes --scope notes:read --profile agents.yaml --idp okta
  curl -H "$(chancery token --resource http://localhost:9002/mcp --format header)" …
  chancery token --resource https://mcp.acme.com/notes --issuer https://auth.acme.com --assertion-file /var/run/secrets/chancery/token
  chancery token --resource https://mcp.acme.com/notes --client-credentials --client-id nightly --key-file nightly.pem`,
		Args: cobra.NoArgs,
	}
	f.add(cmd)
	cmd.Flags().StringVar(&format, "format", tokenRaw, "raw, header (Authorization: …), json or env ("+envAccessToken+"=…)")
	offer(cmd, "format", tokenRaw, tokenHeader, tokenJSON, tokenEnv)
	cmd.Flags().BoolVar(&explain, "explain", false, "show both legs, and not the token")
	cmd.Flags().StringVarP(&c.output, "output", "o", "", "with --explain: table, json or yaml (default: table)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case explain && cmd.Flags().Changed("format"):
			return errors.New("--explain never shows the token: leave --format out (--output json is the record of what happened)")
		case !explain && c.output != "":
			return errors.New("--output goes with --explain; --format json prints the token as JSON")
		}
		if err := errors.Join(c.checkOutput(), checkFormat(format)); err != nil {
			return err
		}
		f.dpopNeeded = !explain
		a, err := c.asked(f)
		if err != nil {
			return plainError(err)
		}
		if explain {
			return c.explainToken(cmd.Context(), a)
		}
		got, err := c.obtain(cmd.Context(), a)
		if err != nil {
			return err
		}
		return c.printToken(got, format)
	}
	return cmd
}

func checkFormat(format string) error {
	switch format {
	case tokenRaw, tokenHeader, tokenJSON, tokenEnv:
		return nil
	}
	return fmt.Errorf("--format: %q: raw, header, json or env is expected", format)
}

// obtain does both legs; a refusal is told so that somebody can act on it.
func (c *command) obtain(ctx context.Context, a asked) (obtain.Obtained, error) {
	got, err := obtain.Do(ctx, a.request)
	if err != nil {
		return got, refused(err, a.dev != nil)
	}
	return got, nil
}

// tokenRecord is a token as JSON.
type tokenRecord struct {
	AccessToken string     `json:"access_token"`
	TokenType   string     `json:"token_type"`
	ExpiresIn   int64      `json:"expires_in,omitempty"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
	Scope       string     `json:"scope"`
	Resource    string     `json:"resource"`
	Issuer      string     `json:"issuer"`
}

func (c *command) printToken(got obtain.Obtained, format string) error {
	t := got.Token
	scope, _ := t.Extra("scope").(string)
	var err error
	switch format {
	case tokenHeader:
		_, err = fmt.Fprintf(c.stdout, "Authorization: %s %s\n", t.TokenType, t.AccessToken)
	case tokenEnv:
		_, err = fmt.Fprintf(c.stdout, "%s=%s\n", envAccessToken, t.AccessToken)
	case tokenJSON:
		record := tokenRecord{AccessToken: t.AccessToken, TokenType: t.TokenType, ExpiresIn: t.ExpiresIn, Scope: scope, Resource: got.Resource, Issuer: got.Issuer}
		if !t.Expiry.IsZero() {
			until := t.Expiry.UTC().Truncate(time.Second)
			record.ExpiresAt = &until
		}
		err = printJSON(c.stdout, record)
	default:
		_, err = fmt.Fprintln(c.stdout, t.AccessToken)
	}
	return err
}

// keptSigner reads a key from its file, or makes both.
func keptSigner(path string) (crypto.Signer, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the caller names the file
	if err == nil {
		signer, err := obtain.ParseKey(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return signer, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	f, err := newFile(path)
	if err != nil {
		return nil, err
	}
	return key, finish(f, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}
