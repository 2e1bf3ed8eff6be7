package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/strict"
)

// Begin gives the URL to send the browser to, and what to keep until it comes back.
// Errors are a *federation.Refusal or ErrIncomplete.
func (rp *RelyingParty) Begin(ctx context.Context, owner string, e *Entry, ask Ask) (target string, d Departure, err error) {
	var trail federation.Trail
	if err := rp.check(owner, e, &trail); err != nil {
		return "", Departure{}, err
	}
	if !ask.valid() {
		return "", Departure{}, ErrIncomplete
	}
	// 1. What cannot be asked is not asked in vain.
	if len(ask.ACRValues) > 0 && e.Dialect.StepUp == StepUpNone {
		return "", Departure{}, trail.Refuse(federation.CodeIdPStepUpUnsupported, "acr_values", strings.Join(ask.ACRValues, " "), "an IdP that can be asked", nil)
	}
	m, err := rp.metadata(ctx, owner, e, &trail)
	if err != nil {
		return "", Departure{}, err
	}
	// 2. State, nonce and verifier: of this departure alone (RFC 9700 §2.1.1, §4.7.1).
	state := oauth2.GenerateVerifier()
	d = Departure{
		StateHash: StateHash(state), Nonce: oauth2.GenerateVerifier(), Verifier: oauth2.GenerateVerifier(),
		IdPUID: e.Provider.UID, Issuer: e.Provider.Issuer, ClientID: e.ClientID, CallbackURL: e.CallbackURL,
		At: rp.now().UTC(), MaxAge: clone(ask.MaxAge), ACRValues: slices.Clone(ask.ACRValues), NamesItself: m.namesItself,
	}
	// 3. The request, by the URL or ahead of it.
	request, err := e.request(m, ask, d, state)
	if err != nil {
		return "", Departure{}, err
	}
	if m.pushedOnly {
		if request, err = rp.push(ctx, e, m, request, &trail); err != nil {
			return "", Departure{}, err
		}
	}
	separator := "?"
	if strings.Contains(m.authorization, "?") { // RFC 6749 §3.1: its own query is kept
		separator = "&"
	}
	return m.authorization + separator + request.Encode(), d, nil
}

func clone(d *time.Duration) *time.Duration {
	if d == nil {
		return nil
	}
	same := *d
	return &same
}

// request are the parameters of the authorization request (OIDC Core §3.1.2.1).
func (e *Entry) request(m *metadata, ask Ask, d Departure, state string) (url.Values, error) {
	options := []oauth2.AuthCodeOption{
		oauth2.S256ChallengeOption(d.Verifier), // RFC 7636 §4.2
		oauth2.SetAuthURLParam("nonce", d.Nonce),
	}
	set := func(name, value string) {
		if value != "" {
			options = append(options, oauth2.SetAuthURLParam(name, value))
		}
	}
	for name, value := range e.Dialect.Parameters {
		set(name, value)
	}
	set("login_hint", ask.LoginHint)
	set("prompt", strings.Join(ask.Prompt, " "))
	set("ui_locales", strings.Join(ask.UILocales, " "))
	if ask.MaxAge != nil {
		set("max_age", strconv.Itoa(int(ask.MaxAge.Seconds())))
	}
	if parameter := e.Dialect.HostedDomainParameter; parameter != "" {
		hosted := "*" // any, and checked against the list when it comes back
		if len(e.HostedDomains) == 1 {
			hosted = e.HostedDomains[0]
		}
		set(parameter, hosted)
	}
	if e.Dialect.StepUp == StepUpACRValues {
		set("acr_values", strings.Join(ask.ACRValues, " "))
	}
	claims, err := e.claimsRequest(ask)
	if err != nil {
		return nil, err
	}
	set("claims", claims)
	config := e.config(m)
	config.Endpoint.AuthURL = ""
	u, err := url.Parse(config.AuthCodeURL(state, options...))
	if err != nil {
		return nil, fmt.Errorf("oidc: authorization request: %w", err)
	}
	return u.Query(), nil
}

// claimsRequest is the claims parameter (OIDC Core §5.5), "" where nothing needs it.
func (e *Entry) claimsRequest(ask Ask) (string, error) {
	wanted := map[string]any{}
	if e.Dialect.AskAuthTime && ask.MaxAge != nil {
		wanted["auth_time"] = map[string]any{"essential": true}
	}
	name := ""
	switch e.Dialect.StepUp {
	case StepUpClaimsACR:
		name = "acr"
	case StepUpClaimsACRS:
		name = e.Dialect.ACRListClaim
	case StepUpNone, StepUpACRValues:
	}
	switch {
	case name == "" || len(ask.ACRValues) == 0:
	case len(ask.ACRValues) == 1: // Entra documents this form alone
		wanted[name] = map[string]any{"essential": true, "value": ask.ACRValues[0]}
	default:
		wanted[name] = map[string]any{"essential": true, "values": ask.ACRValues}
	}
	if len(wanted) == 0 {
		return "", nil
	}
	encoded, err := json.Marshal(map[string]any{"id_token": wanted})
	if err != nil {
		return "", fmt.Errorf("oidc: claims parameter: %w", err)
	}
	return string(encoded), nil
}

var pushedNames = strict.Reserve("request_uri", "expires_in", "error", "error_description")

const maxRequestURI = 512

// push sends the request ahead (RFC 9126 §2), where the IdP takes it in no other way.
func (rp *RelyingParty) push(ctx context.Context, e *Entry, m *metadata, request url.Values, trail *federation.Trail) (url.Values, error) {
	proof, err := e.proof(ctx, m, rp.now())
	if err != nil {
		return nil, err
	}
	maps.Copy(request, proof)
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, m.pushed, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("oidc: pushed authorization request: %w", err)
	}
	e.authenticate(post, request)
	setForm(post, request)
	client, err := rp.client(e.Provider.Keys.Network, gate{
		statuses: []int{http.StatusOK, http.StatusCreated, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden}, reserved: pushedNames,
	})
	if err != nil {
		return nil, trail.Refuse(federation.CodeIdPUnavailable, "pushed request", "", "an answer", err)
	}
	response, err := client.Do(post)
	if err != nil {
		return nil, refuseExchange(err, "pushed request", trail)
	}
	defer response.Body.Close()
	answer, err := readObject(response.Body, pushedNames)
	if err != nil {
		return nil, refuseExchange(errors.Join(errAnswer, err), "pushed request", trail)
	}
	if refused, _ := answer["error"].(string); refused != "" || response.StatusCode >= http.StatusBadRequest {
		return nil, refuseByTokenError(refused, "pushed request", trail)
	}
	reference, _ := answer["request_uri"].(string)
	if !isPlain(reference) || len(reference) > maxRequestURI {
		return nil, trail.Refuse(federation.CodeTokenAnswerMalformed, "request_uri", "", "a request URI", nil)
	}
	trail.Pass("pushed request", "taken", "taken")
	return url.Values{"client_id": {e.ClientID}, "request_uri": {reference}}, nil // RFC 9126 §4
}
