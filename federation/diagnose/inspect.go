package diagnose

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
	"github.com/chancery-dev/chancery/federation/oidc"
	"github.com/chancery-dev/chancery/federation/saml"
	"github.com/chancery-dev/chancery/federation/strict"
)

// Inspection is an assertion taken apart. Its signature is shown nowhere.
type Inspection struct {
	LooksLike string         `json:"looks_like"`
	Header    map[string]any `json:"header,omitempty"`
	Claims    map[string]any `json:"claims,omitempty"`
	Times     []string       `json:"times,omitempty"` // exp, iat, nbf and auth_time as people read them
	Rows      []Row          `json:"checks"`
}

// Passed tells whether no check failed.
func (in *Inspection) Passed() bool { return Report{Rows: in.Rows}.Passed() }

// InspectOptions are what is known beside the assertion. Everything may be absent;
// a check that needs it is skipped, and says so.
type InspectOptions struct {
	Issuer   string                       // ours: what aud must be
	ClientID string                       // at this server; the assertion's claim where absent
	Entry    *federation.IdentityProvider // whose keys, if they are inline, verify it
	// OpenID and SAML are the way in through the entry, where it has one: with it an ID token, or a SAML response, is
	// checked as a sign-in would.
	OpenID *oidc.Entry
	SAML   *saml.Provider
}

// Inspect takes an assertion, an ID token or a SAML message apart, offline. It trusts nothing and keeps nothing.
func Inspect(ctx context.Context, compact string, o InspectOptions, now time.Time) Inspection {
	if LooksLikeSAML(compact) {
		return InspectSAML(compact, o, now)
	}
	in := Inspection{LooksLike: "no JWT"}
	compact = strings.TrimSpace(compact)
	if _, err := jws.Parse(compact); err != nil {
		in.shape(compact, err)
		return in
	}
	parts := strings.Split(compact, ".")
	in.Rows = append(in.Rows, Row{Check: "shape", Status: Pass, Seen: fmt.Sprintf("%d bytes", len(compact)), Expected: "one compact JWS of at most 16 KiB"})
	in.Header = members(parts[0])
	if in.Claims = members(parts[1]); in.Claims == nil {
		in.LooksLike = "a JWS around something else than claims"
		in.fail("claims", federation.CodeClaimMalformed, "no strict JSON object", "one JSON object, no member twice", "ask who runs the IdP")
		return in
	}
	if typ, _ := in.Header["typ"].(string); o.OpenID != nil && slices.Contains([]string{"", "jwt"}, jws.MediaType(typ)) && strings.HasPrefix(in.unnamed(o), "an ID token") {
		in.LooksLike = in.unnamed(o)
		in.idToken(ctx, compact, o, now)
		return in
	}
	in.kind(o)
	in.issuer(o)
	in.audience(o)
	in.times(o, now)
	in.names()
	in.verify(ctx, compact, o, now)
	return in
}

func members(part string) map[string]any {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return nil
	}
	found, err := strict.Object(text, strict.Limits{Bytes: jws.MaxBytes})
	if err != nil {
		return nil
	}
	return found
}

func (in *Inspection) fail(check string, code federation.Code, seen, expected, change string, notes ...string) {
	in.Rows = append(in.Rows, Row{Check: check, Status: Fail, Code: code, Seen: clip(seen), Expected: clip(expected), Change: change, Notes: notes})
}

func (in *Inspection) skip(check, why string) {
	in.Rows = append(in.Rows, Row{Check: check, Status: Skipped, Seen: why})
}

func (in *Inspection) pass(check, seen, expected string) {
	in.Rows = append(in.Rows, Row{Check: check, Status: Pass, Seen: clip(seen), Expected: clip(expected)})
}

// shape says which of the usual things this is instead.
func (in *Inspection) shape(compact string, err error) {
	code, change := federation.CodeAssertionMalformed, "paste the assertion alone: three parts with dots between them"
	switch {
	case errors.Is(err, jws.ErrTooLarge):
		code, change = federation.CodeAssertionTooLarge, "an assertion fits in 16 KiB: groups are what makes it large"
	case strings.HasPrefix(compact, "{"):
		change = "this is JSON: paste the member that holds the assertion (access_token of the IdP's answer, for an ID-JAG)"
	case strings.HasPrefix(compact, "Bearer "):
		change = "leave out what stands before the token"
	case strings.Count(compact, ".") == 4:
		change = "this is encrypted (JWE): tell the IdP to sign only"
	case errors.Is(err, jws.ErrHeader):
		code = federation.CodeHeaderUnsupported
		change = "crit, b64, zip and encryption are not understood"
	}
	in.fail("shape", code, fmt.Sprintf("%d bytes", len(compact)), "one compact JWS of at most 16 KiB", change)
}

func (in *Inspection) text(name string) string {
	text, _ := in.Claims[name].(string)
	return text
}

func (in *Inspection) has(name string) bool { _, there := in.Claims[name]; return there }

// kind dispatches by typ, as the server does, and by claims where there is none.
func (in *Inspection) kind(o InspectOptions) {
	typ, _ := in.Header["typ"].(string)
	plain := o.Entry != nil && (o.Entry.Assertions.Allows(federation.ProfileJWTBearer) || o.Entry.Assertions.Allows(federation.ProfileWorkload))
	switch jws.MediaType(typ) {
	case assertion.TypeIDJAG:
		in.LooksLike = "an identity assertion grant (profile id-jag)"
		in.pass("typ", typ, assertion.TypeIDJAG)
		return
	case "at+jwt":
		in.LooksLike = "an access token (RFC 9068)"
		in.fail("typ", federation.CodeTypWrong, typ, assertion.TypeIDJAG, "send the ID-JAG of leg 1, not the access token of another server (PingOne types its own so from March 2027: none is a grant here)")
		return
	case "", "jwt":
	default:
		in.LooksLike = "a token of type " + clip(typ)
		in.fail("typ", federation.CodeTypWrong, typ, assertion.TypeIDJAG, "this kind of token is for something else")
		return
	}
	in.LooksLike = in.unnamed(o)
	switch {
	case strings.HasPrefix(in.LooksLike, "an ID token"):
		in.fail("typ", federation.CodeTypMissing, typ, assertion.TypeIDJAG,
			"this is an ID token; exchange it at the IdP for an ID-JAG first (RFC 8693, requested_token_type urn:ietf:params:oauth:token-type:id-jag)")
	case plain:
		in.pass("typ", typ, "none, or JWT, for the entry's profile")
	default:
		in.Rows = append(in.Rows, Row{
			Check: "typ", Status: Warn, Code: federation.CodeTypMissing, Seen: typ, Expected: assertion.TypeIDJAG,
			Change: "without typ it is accepted only where the entry lists jwt-bearer or workload",
		})
	}
}

// unnamed guesses by claims what a JWT without a typ is.
func (in *Inspection) unnamed(o InspectOptions) string {
	switch {
	case o.OpenID != nil && in.text("aud") == o.OpenID.ClientID:
		return "an ID token (OpenID Connect)"
	case in.has("nonce") || in.has("at_hash") || in.has("azp") && in.has("auth_time"):
		return "an ID token (OpenID Connect)"
	case in.has("repository") && in.has("workflow"), in.has("project_path") && in.has("pipeline_id"), in.has("kubernetes.io"), strings.HasPrefix(in.text("sub"), "spiffe://"):
		return "a workload's token (profile workload)"
	case in.has("events"):
		return "a security event or logout token"
	case in.has("scp") || in.has("scope") && in.has("client_id"):
		return "an access token, or a plain assertion (profile jwt-bearer)"
	default:
		return "a plain assertion (profile jwt-bearer), or an ID token"
	}
}

func (in *Inspection) issuer(o InspectOptions) {
	received := in.text("iss")
	switch {
	case received == "":
		in.fail("iss", federation.CodeClaimMissing, "", "an issuer", "ask who runs the IdP")
	case o.Entry == nil:
		in.skip("iss", received+": give the entry with --idp to compare it")
	case received == o.Entry.Issuer:
		in.pass("iss", received, o.Entry.Issuer)
	default:
		in.fail("iss", federation.CodeIssUnknown, received, o.Entry.Issuer, "set spec.issuer to the second, if that is your IdP", words{"configured", "received"}.difference(o.Entry.Issuer, received)...)
	}
}

func (in *Inspection) audience(o InspectOptions) {
	var audience []string
	switch aud := in.Claims["aud"].(type) {
	case string:
		audience = []string{aud}
	case []any:
		for _, one := range aud {
			text, _ := one.(string)
			audience = append(audience, text)
		}
	}
	var resources []string
	switch resource := in.Claims["resource"].(type) {
	case string:
		resources = []string{resource}
	case []any:
		for _, one := range resource {
			text, _ := one.(string)
			resources = append(resources, text)
		}
	}
	expected := "our issuer"
	if o.Issuer != "" {
		expected = o.Issuer
	}
	switch {
	case len(audience) == 0:
		in.fail("aud", federation.CodeClaimMissing, "", expected, "set the audience at the IdP to the issuer of the authorization server")
	case len(audience) > 1:
		in.fail("aud", federation.CodeAudMulti, strings.Join(audience, " "), expected+" alone", "a second audience could redeem it too: set one")
	case slices.Contains(resources, audience[0]):
		in.fail("aud", federation.CodeAudIsResource, audience[0], expected, "the resource (the MCP server) goes into the claim resource; aud is the authorization server that makes a token of this")
	case o.Issuer == "":
		in.skip("aud", audience[0]+": give our issuer with --issuer to compare it")
	case audience[0] != o.Issuer:
		in.fail("aud", federation.CodeAudNotUs, audience[0], o.Issuer, "set the audience at the IdP (Okta: Issuer URL of the resource app) to "+o.Issuer, words{"expected", "received"}.difference(o.Issuer, audience[0])...)
	default:
		in.pass("aud", audience[0], o.Issuer)
	}
}

// times also says them as people do.
func (in *Inspection) times(o InspectOptions, now time.Time) {
	at := map[string]time.Time{}
	for _, name := range []string{"iat", "nbf", "exp", "auth_time"} {
		seconds, ok := whole(in.Claims[name])
		if !ok {
			continue
		}
		at[name] = time.Unix(seconds, 0).UTC()
		in.Times = append(in.Times, fmt.Sprintf("%-9s %s  %s", name, stamp(at[name]), distance(at[name].Sub(now))))
	}
	skew, longest := 30*time.Second, 5*time.Minute
	if o.Entry != nil {
		skew, longest = o.Entry.Assertions.ClockSkew, o.Entry.Assertions.MaxLifetime
	}
	exp, hasExp := at["exp"]
	iat, hasIat := at["iat"]
	switch {
	case !hasExp || !hasIat:
		in.fail("times", federation.CodeClaimMissing, strings.Join(in.Times, "; "), "iat and exp", "ask who runs the IdP")
	case !now.Before(exp.Add(skew)):
		in.fail("times", federation.CodeAssertionExpired, "ended "+stamp(exp)+", "+distance(exp.Sub(now)), "after "+stamp(now), "ask the IdP for a fresh one: it lives minutes and is used once")
	case now.Before(iat.Add(-skew)):
		in.fail("times", federation.CodeClockSkew, "issued "+stamp(iat)+", "+distance(iat.Sub(now)), "not after "+stamp(now), "compare the clocks of this machine and of the IdP")
	case !iat.Before(exp):
		in.fail("times", federation.CodeClockSkew, "issued "+stamp(iat), "before exp "+stamp(exp), "ask who runs the IdP")
	case exp.Sub(iat) > longest:
		in.fail("times", federation.CodeAssertionTooLongLived, exp.Sub(iat).String(), "at most "+longest.String(), "shorten it at the IdP; an ID token lives that long, an ID-JAG does not")
	default:
		in.pass("times", stamp(iat)+" to "+stamp(exp), "now "+stamp(now))
	}
}

func whole(value any) (int64, bool) {
	n, ok := value.(int64)
	if ok {
		return n, true
	}
	text, _ := value.(json.Number) // with a fraction
	f, err := text.Float64()
	if err != nil || f < 0 || f > 1e12 {
		return 0, false
	}
	return int64(f), true
}

func distance(d time.Duration) string {
	if d < 0 {
		return (-d).Round(time.Second).String() + " ago"
	}
	return "in " + d.Round(time.Second).String()
}

// names are claims that an ID-JAG must have.
func (in *Inspection) names() {
	if !strings.Contains(in.LooksLike, "id-jag") {
		return
	}
	for _, name := range []string{"sub", "client_id", "jti"} {
		if in.text(name) == "" {
			in.fail(name, federation.CodeClaimMissing, "", "the claim "+name, "ask who runs the IdP (ID-JAG §3.1)")
		}
	}
	if !in.has("scope") {
		in.Rows = append(in.Rows, Row{
			Check: "scope", Status: Warn, Code: federation.CodeScopeNotAsserted, Seen: "the claim is absent", Expected: "scope",
			Change: "it is refused unless the entry says absent_scope: default_scopes",
		})
	}
}

// offline fetches nothing.
type offline struct{}

var errOffline = errors.New("nothing is fetched here")

// Get implements jwks.Getter.
func (offline) Get(context.Context, string, fetch.Network, fetch.Limit) (fetch.Response, error) {
	return fetch.Response{}, errOffline
}

// verify runs the verifier itself where the keys are at hand. Who may present it,
// and whether it was redeemed before, only the server knows.
func (in *Inspection) verify(ctx context.Context, compact string, o InspectOptions, now time.Time) {
	switch {
	case o.Entry == nil || len(o.Entry.Keys.Inline) == 0:
		in.skip("signature", "not verified: give an entry with jwks.inline (--idp), or ask a server (--server)")
		return
	case o.Issuer == "":
		in.skip("signature", "not verified: give our issuer with --issuer")
		return
	}
	entry := *o.Entry
	entry.Disabled = false
	registry, err := federation.NewRegistry([]federation.IdentityProvider{entry})
	if err != nil {
		in.fail("signature", CodeConfigInvalid, err.Error(), "an entry that can be used", "mend the entry")
		return
	}
	cache := jwks.NewCache(offline{}, func() time.Time { return now })
	defer cache.Close()
	client := o.ClientID
	if client == "" {
		client = in.text("client_id")
	}
	verifier := assertion.Verifier{Keys: cache, Now: func() time.Time { return now }}
	verified, err := verifier.Verify(ctx, registry, "offline", assertion.Request{
		Compact: compact, Issuer: o.Issuer, ClientID: client, ClientNames: entry.Assertions.Clients, TenantName: "default", TenantUID: "offline",
	})
	var checks []federation.Check
	if refusal, refused := errors.AsType[*federation.Refusal](err); refused {
		checks = refusal.Checks
	} else if err != nil {
		in.skip("signature", "not verified: "+err.Error())
		return
	} else {
		checks = verified.Checks()
	}
	for _, check := range checks {
		row := Row{Check: "verify " + check.Name, Status: Pass, Seen: check.Received, Expected: check.Expected}
		if !check.OK {
			row.Status, row.Code = Fail, check.Code
		}
		in.Rows = append(in.Rows, row)
	}
	in.skip("presented", "which client sends it, and whether it was redeemed before, only a server knows")
}
