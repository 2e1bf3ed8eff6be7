package diagnose

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/oidc"
	"github.com/chancery-dev/chancery/federation/strict"
)

// The checks of sign-in by OpenID Connect beside those of oidc.Examine, whose names follow the prefix.
const (
	openIDPrefix      = "sign-in "
	CheckOIDCMetadata = openIDPrefix + "metadata"
	CheckOIDCStepUp   = openIDPrefix + "step-up"
	CheckOIDCLogout   = openIDPrefix + "logout"
	CheckOIDCBack     = openIDPrefix + "back-channel logout"
	CheckOIDCClient   = openIDPrefix + "client"
)

// Given is what an administrator enters at the IdP, character by character.
type Given struct {
	Field string `json:"field"`
	Value string `json:"value"`
}

// Relying signs people in; *oidc.RelyingParty does.
type Relying interface {
	Begin(ctx context.Context, owner string, e *oidc.Entry, ask oidc.Ask) (target string, d oidc.Departure, err error)
	Finish(ctx context.Context, owner string, e *oidc.Entry, a oidc.Answer, d oidc.Departure) (*oidc.SignIn, error)
}

// OpenID tests sign-in at an entry. With rp, the client's credential is tried at the token endpoint: with a code that no
// IdP has given, so that nothing can come of it but an error, by the very request that a sign-in makes. That sends the
// credential where a sign-in would send it and nowhere else; nil leaves it out, as it must be where whoever asks could
// have named the IdP in an entry that nobody has applied.
func (t Tester) OpenID(ctx context.Context, r *Report, owner string, e *oidc.Entry, rp Relying) {
	r.give("Redirect URI (callback)", e.CallbackURL)
	r.give("Back-channel logout URI", strings.TrimSuffix(e.CallbackURL, "/callback")+"/backchannel_logout")
	if e.PostLogoutURL != "" {
		r.give("Post-logout redirect URI", e.PostLogoutURL)
	}
	document, ok := t.openIDMetadata(ctx, r, e)
	if !ok {
		r.skip(earlier, CheckOIDCStepUp, CheckOIDCLogout, CheckOIDCBack, CheckOIDCClient)
		return
	}
	checks, err := oidc.Examine(document, e)
	if err != nil {
		r.add(Row{Check: CheckOIDCMetadata, Status: Fail, Code: CodeConfigInvalid, Seen: err.Error(), Expected: "an entry that can be used", Change: "mend spec.oidc of the entry"})
		r.skip(earlier, CheckOIDCStepUp, CheckOIDCLogout, CheckOIDCBack, CheckOIDCClient)
		return
	}
	failed := false
	for _, check := range checks {
		failed = failed || !check.OK
		r.add(rowOf(openIDPrefix+check.Name, check))
	}
	t.openIDOptions(r, document, e)
	switch {
	case rp == nil:
		r.skip("an entry that is not applied: no credential is sent for it", CheckOIDCClient)
	case failed:
		r.skip(earlier, CheckOIDCClient)
	default:
		r.add(tryClient(ctx, owner, e, rp))
	}
}

func rowOf(name string, check federation.Check) Row {
	row := Row{Check: name, Status: Pass, Seen: check.Received, Expected: check.Expected}
	if !check.OK {
		row.Status, row.Code = Fail, check.Code
	}
	return row
}

func (t Tester) openIDMetadata(ctx context.Context, r *Report, e *oidc.Entry) ([]byte, bool) {
	place := strings.TrimSuffix(e.Provider.Issuer, "/") + "/.well-known/openid-configuration" // Discovery 1.0 §4
	response, sight, err := t.Fetch.Probe(ctx, place, e.Provider.Keys.Network, fetch.Limit{Bytes: maxMetadata, ContentTypes: fetch.JSON()})
	if err == nil {
		return response.Body, true
	}
	code := federation.CodeIdPMetadataUnusable
	if errors.Is(err, fetch.ErrTransport) || errors.Is(err, fetch.ErrTimeout) {
		code = federation.CodeIdPUnavailable
	}
	row := Row{Check: CheckOIDCMetadata, Status: Fail, Code: code, Seen: err.Error(), Expected: "200 and application/json at " + place, Change: "compare spec.issuer with the IdP's own page"}
	if sight.Status != 0 {
		row.Notes = []string{place + ": " + answer(sight)}
	}
	r.add(row)
	return nil, false
}

// openIDOptions tells what the IdP can do beside sign-in, and what becomes of it here. None of it is needed.
func (t Tester) openIDOptions(r *Report, document []byte, e *oidc.Entry) {
	members, err := strict.Object(document, strict.Limits{Bytes: maxMetadata})
	if err != nil { // Examine has said it
		r.skip(earlier, CheckOIDCStepUp, CheckOIDCLogout, CheckOIDCBack)
		return
	}
	values := texts(members["acr_values_supported"])
	switch {
	case e.Dialect.StepUp == "" && len(values) == 0:
		r.skip("neither the preset nor the metadata knows a way to ask for stronger authentication: a passkey here, where the tenant allows it", CheckOIDCStepUp)
	case len(values) == 0:
		r.pass(CheckOIDCStepUp, "asked for in the way of the preset ("+string(e.Dialect.StepUp)+")", "")
	default:
		r.pass(CheckOIDCStepUp, "acr_values_supported: "+strings.Join(values, " "), "")
	}
	if end, _ := members["end_session_endpoint"].(string); end != "" {
		r.pass(CheckOIDCLogout, end, "")
	} else {
		r.skip("no end_session_endpoint: who signs out here stays signed in there", CheckOIDCLogout)
	}
	if supported, _ := members["backchannel_logout_supported"].(bool); supported {
		r.pass(CheckOIDCBack, "backchannel_logout_supported", "")
	} else {
		r.skip("not advertised: a session that ends there lasts here until its own end", CheckOIDCBack)
	}
}

func texts(value any) []string {
	var list []string
	elements, _ := value.([]any)
	for _, element := range elements {
		if text, ok := element.(string); ok && !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list
}

// tryClient departs and comes back at once, with a code of chance.
func tryClient(ctx context.Context, owner string, e *oidc.Entry, rp Relying) Row {
	row := Row{Check: CheckOIDCClient, Expected: "the client is known, and its code is not"}
	unclear := func(err error) Row {
		row.Status, row.Seen = Warn, "cannot be told: "+err.Error()
		if refusal, refused := errors.AsType[*federation.Refusal](err); refused {
			row.Code, row.Seen = refusal.Code, "cannot be told: "+string(refusal.Code)
		}
		return row
	}
	target, departure, err := rp.Begin(ctx, owner, e, oidc.Ask{})
	if err != nil {
		return unclear(err)
	}
	u, err := url.Parse(target)
	if err != nil {
		return unclear(err)
	}
	given, err := oidc.ParseAnswer(url.Values{"state": {u.Query().Get("state")}, "iss": {e.Provider.Issuer}, "code": {"chancery-test-" + rand.Text()}})
	if err != nil {
		return unclear(err)
	}
	_, err = rp.Finish(ctx, owner, e, given, departure)
	refusal, refused := errors.AsType[*federation.Refusal](err)
	switch {
	case err == nil:
		return unclear(errors.New("the IdP took a code that it never gave"))
	case !refused:
		return unclear(err)
	case refusal.Code == federation.CodeIdPClientRefused:
		row.Status, row.Code = Fail, refusal.Code
		row.Seen = fmt.Sprintf("the IdP refuses client %s by %s", e.ClientID, e.Authentication)
		row.Change = "compare oidc.client_id, the secret and its end, and oidc.auth_method with the IdP's page of the application"
		return row
	case refusal.Code == federation.CodeIdPCodeRefused:
		row.Status, row.Seen = Pass, "the code was refused, and the client was not"
		row.Notes = []string{"an IdP that looks at codes before clients says the same of a wrong secret: the first sign-in tells"}
		return row
	}
	return unclear(err)
}

func (r *Report) give(field, value string) {
	r.Give = append(r.Give, Given{Field: field, Value: value})
}
