package oidc

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/strict"
)

// Examine tells what an IdP's discovery document says of sign-in with an entry, check
// by check: for those who set one up. Unlike Begin it does not stop at the first
// failure, and it compares what IdPs advertise with what the entry will ask for. The
// error is ErrIncomplete for an entry that Validate refuses.
func Examine(document []byte, e *Entry) ([]federation.Check, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	var trail federation.Trail
	members, err := strict.Object(document, strict.Limits{Bytes: maxAnswer, Reserved: metadataNames, NoNUL: true})
	if err != nil {
		_ = trail.Refuse(federation.CodeIdPMetadataUnusable, "metadata", "", "a strict JSON object", err)
		return trail.Checks(), nil
	}
	check := func(ok bool, code federation.Code, name, received, expected string) {
		if ok {
			trail.Pass(name, received, expected)
			return
		}
		_ = trail.Refuse(code, name, received, expected, nil)
	}
	text := func(name string) string { value, _ := members[name].(string); return value }
	issuer := text("issuer")
	check(issuer == e.Provider.Issuer, federation.CodeIdPMetadataUnusable, "issuer", issuer, e.Provider.Issuer)
	for _, name := range []string{"authorization_endpoint", "token_endpoint"} {
		check(isEndpoint(text(name), e.Provider.Keys.Network), federation.CodeIdPMetadataUnusable, name, text(name), "an https URL without parameters of ours")
	}
	if e.Userinfo {
		check(isEndpoint(text("userinfo_endpoint"), e.Provider.Keys.Network), federation.CodeUserinfoUnusable, "userinfo_endpoint", text("userinfo_endpoint"), "an https URL")
	}
	// What is not advertised may be there all the same: RFC 8414 §2 has most of it optional.
	for _, list := range []struct {
		name, implied string
		wanted        []string
		code          federation.Code
	}{
		{"response_types_supported", "", []string{"code"}, federation.CodeIdPRequestRefused},
		{"code_challenge_methods_supported", "", []string{"S256"}, federation.CodeIdPRequestRefused},
		{"token_endpoint_auth_methods_supported", string(AuthSecretBasic), []string{string(e.Authentication)}, federation.CodeIdPClientRefused},
		{"scopes_supported", "", e.Scopes, federation.CodeIdPRequestRefused},
	} {
		advertised, said := words(members[list.name])
		if !said && list.implied == "" {
			continue
		}
		if !said {
			advertised = []string{list.implied}
		}
		missing := slices.DeleteFunc(slices.Clone(list.wanted), func(s string) bool { return slices.Contains(advertised, s) })
		check(len(missing) == 0, list.code, list.name, strings.Join(advertised, " "), strings.Join(list.wanted, " "))
	}
	if signing, said := words(members["id_token_signing_alg_values_supported"]); said {
		fits := slices.ContainsFunc(signing, func(a string) bool { return slices.Contains(e.Algorithms, a) })
		check(fits, federation.CodeAlgorithmNotAllowed, "id_token_signing_alg_values_supported", strings.Join(signing, " "), strings.Join(e.Algorithms, " "))
	}
	return trail.Checks(), nil
}

func words(value any) (list []string, said bool) {
	elements, said := value.([]any)
	for _, element := range elements {
		if text, ok := element.(string); ok {
			list = append(list, text)
		}
	}
	return list, said
}

// Survey fetches the discovery document and examines it.
func (rp *RelyingParty) Survey(ctx context.Context, owner string, e *Entry) ([]federation.Check, error) {
	var trail federation.Trail
	if err := rp.check(owner, e, &trail); err != nil {
		return nil, err
	}
	client, err := rp.client(e.Provider.Keys.Network, gate{statuses: []int{http.StatusOK}, reserved: metadataNames})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(e.Provider.Issuer, "/")+"/.well-known/openid-configuration", http.NoBody)
	if err != nil {
		_ = trail.Refuse(federation.CodeIdPMetadataUnusable, "metadata", "", "an issuer that is a URL", nil)
		return trail.Checks(), nil
	}
	response, err := client.Do(request)
	if err != nil {
		code := federation.CodeIdPMetadataUnusable
		if isUnreachable(err) {
			code = federation.CodeIdPUnavailable
		}
		_ = trail.Refuse(code, "metadata", causeOf(err), "a usable document", nil)
		return trail.Checks(), nil
	}
	defer response.Body.Close()
	document, err := readAll(response.Body)
	if err != nil {
		return nil, err
	}
	return Examine(document, e)
}

// causeOf is the door's own word, which repeats nothing of the peer.
func causeOf(err error) string {
	if failure, ok := errors.AsType[*fetch.Error](err); ok {
		return failure.Error()
	}
	return ""
}

// InspectIDToken tells check by check what Finish would make of an ID token, as far as
// that can be said without the departure that it was made for: nonce, at_hash, max_age
// and acr are not compared, and times are, by now. Nobody is signed in by it. The error
// is ErrIncomplete; a refusal is the last check.
func (rp *RelyingParty) InspectIDToken(ctx context.Context, owner string, e *Entry, compact string) ([]federation.Check, error) {
	trail := &federation.Trail{}
	if err := rp.check(owner, e, trail); err != nil {
		return nil, err
	}
	token, err := rp.verify(ctx, owner, e, kindIDToken(), compact, trail)
	if err != nil {
		return trail.Checks(), nil //nolint:nilerr // it is the last check
	}
	t, err := readIDToken(token.claims, e, trail)
	if err != nil {
		return trail.Checks(), nil //nolint:nilerr // it is the last check
	}
	w := &walk{entry: e, now: rp.now(), skew: e.ClockSkew, trail: trail}
	for _, check := range []func(*idToken) error{w.checkPurpose, w.checkAudience, w.checkTimes, w.checkTenant, w.checkHostedDomain, w.checkAuthTime} {
		if err := check(t); err != nil {
			return trail.Checks(), nil //nolint:nilerr // it is the last check
		}
	}
	if _, err := w.private(t.claims); err != nil {
		return trail.Checks(), nil //nolint:nilerr // it is the last check
	}
	_, _ = assertion.ReadGroups(t.claims, e.Provider.Claims, trail) // its refusal is a check
	return trail.Checks(), nil
}
