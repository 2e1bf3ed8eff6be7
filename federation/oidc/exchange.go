package oidc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/strict"
)

var tokenNames = strict.Reserve("access_token", "token_type", "expires_in", "refresh_token", "id_token", "scope", "error", "error_description", "error_uri")

// tokens are what the token endpoint gave.
type tokens struct {
	access  string
	idToken string
}

// exchange redeems the code (OIDC Core §3.1.3). Whatever came with the code, the token
// endpoint is the metadata's.
func (rp *RelyingParty) exchange(ctx context.Context, e *Entry, m *metadata, code, verifier string, trail *federation.Trail) (tokens, error) {
	const name = "code exchange"
	client, err := rp.client(e.Provider.Keys.Network, gate{
		statuses: []int{http.StatusOK, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden}, reserved: tokenNames,
	})
	if err != nil {
		return tokens{}, trail.Refuse(federation.CodeIdPUnavailable, name, "", "an answer", err)
	}
	proof, err := e.proof(ctx, m, rp.now())
	if err != nil {
		return tokens{}, err
	}
	options := []oauth2.AuthCodeOption{oauth2.VerifierOption(verifier)} // RFC 7636 §4.5
	for parameter := range proof {
		options = append(options, oauth2.SetAuthURLParam(parameter, proof.Get(parameter)))
	}
	token, err := e.config(m).Exchange(context.WithValue(ctx, oauth2.HTTPClient, client), code, options...)
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return tokens{}, refuseByTokenError(refused.ErrorCode, name, trail)
	}
	if err != nil {
		return tokens{}, refuseExchange(err, name, trail)
	}
	if !strings.EqualFold(token.TokenType, "Bearer") { // OIDC Core §3.1.3.3
		return tokens{}, trail.Refuse(federation.CodeTokenAnswerMalformed, "token_type", token.TokenType, "Bearer", nil)
	}
	idToken, _ := token.Extra("id_token").(string)
	if idToken == "" {
		return tokens{}, trail.Refuse(federation.CodeIDTokenMissing, "id_token", "none", "an ID token", nil)
	}
	trail.Pass(name, "an ID token", "an ID token")
	return tokens{access: token.AccessToken, idToken: idToken}, nil
}

// refuseByTokenError gives an error of RFC 6749 §5.2 one of our codes.
func refuseByTokenError(received, name string, trail *federation.Trail) error {
	code := federation.CodeIdPRequestRefused
	switch received {
	case "invalid_grant":
		code = federation.CodeIdPCodeRefused
	case "invalid_client", "unauthorized_client":
		code = federation.CodeIdPClientRefused
	case "temporarily_unavailable", "server_error", "slow_down":
		code = federation.CodeIdPUnavailable
	case "":
		code = federation.CodeTokenAnswerMalformed
	}
	return trail.Refuse(code, name, received, "an answer without error", nil)
}

// refuseExchange tells a peer that is away from one whose answer is no answer. Library
// errors quote what the peer sent: they are no cause.
func refuseExchange(err error, name string, trail *federation.Trail) error {
	if isUnreachable(err) {
		return trail.Refuse(federation.CodeIdPUnavailable, name, "", "an answer", reason(err))
	}
	return trail.Refuse(federation.CodeTokenAnswerMalformed, name, "", "a strict JSON object with access_token", reason(err))
}

// reason is the part of an error that is our own.
func reason(err error) error {
	if failure, ok := errors.AsType[*url.Error](err); ok {
		return failure.Err
	}
	return nil
}

// readAll reads what a gate has let pass, and bounded.
func readAll(body io.Reader) ([]byte, error) { return io.ReadAll(body) }

func readObject(body io.Reader, reserved strict.Names) (map[string]any, error) {
	content, err := readAll(body)
	if err != nil {
		return nil, err
	}
	return strict.Object(content, strict.Limits{Bytes: maxAnswer, Reserved: reserved, NoNUL: true})
}

// setForm makes a form the body of a request.
func setForm(request *http.Request, form url.Values) {
	encoded := form.Encode()
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Body = io.NopCloser(strings.NewReader(encoded))
	request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(encoded)), nil }
	request.ContentLength = int64(len(encoded))
}
