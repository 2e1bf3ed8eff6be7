package grant_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/code"
	"github.com/chancery-dev/chancery/broker/device"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/refresh"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/jws"
)

// drawer keeps requests of devices in memory.
type drawer struct {
	mu      sync.Mutex
	rows    map[device.Handle]device.Authorization
	revoked bool
	fail    error
	begins  error
}

func (s *drawer) Begin(_ context.Context, _ tenant.UID, a device.Authorization, _ int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[a.Handle] = a
	return s.begins
}

func (s *drawer) ByCode(_ context.Context, _ tenant.UID, codes [][sha256.Size]byte, now time.Time) (device.Authorization, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.rows {
		if slices.Contains(codes, a.UserCode) && a.State == device.Waiting && a.Alive(now) {
			return a, nil
		}
	}
	return device.Authorization{}, device.ErrUnknown
}

func (s *drawer) Answer(_ context.Context, _ tenant.UID, h device.Handle, to device.State, x device.Answer, _ audit.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.rows[h]
	if a.State != device.Waiting {
		return device.ErrUnknown
	}
	a.State, a.Answer = to, x
	s.rows[h] = a
	return s.fail
}

func (s *drawer) Ask(_ context.Context, _ tenant.UID, h device.Handle, now time.Time, p *device.Pace) (device.Asked, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.rows[h]
	if !ok {
		return device.Asked{}, device.ErrUnknown
	}
	asked := device.Asked{Authorization: a, Revoked: s.revoked}
	if p != nil {
		asked.Early, asked.Wait = p.Next(a, now)
		asked.AskedAt = now
		s.rows[h] = asked.Authorization
	}
	return asked, s.fail
}

type derived []byte

func (d derived) Derive(purpose string) ([][]byte, error) {
	sum := sha256.Sum256(append(bytes.Clone(d), purpose...))
	return [][]byte{sum[:]}, nil
}

// chairs are the sessions of a world with one person in it.
type chairs struct {
	session session.Session
	profile session.Profile
	gone    bool
	fail    error
}

func (c *chairs) Alive(_ context.Context, _ *snapshot.Tenant, handle [32]byte) (*session.Session, error) {
	if c.fail != nil || c.gone || handle != c.session.Handle {
		return nil, c.fail
	}
	found := c.session
	return &found, nil
}

func (c *chairs) Lasts(ctx context.Context, t *snapshot.Tenant, handle [32]byte) (*session.Session, error) {
	return c.Alive(ctx, t, handle)
}

func (c *chairs) Profile(context.Context, *snapshot.Tenant, string, string) (session.Profile, bool, error) {
	return c.profile, true, c.fail
}

type noFamilies struct{}

func (noFamilies) TakenBack(context.Context, tenant.UID, refresh.Given) (bool, error) {
	return false, nil
}

func (noFamilies) Family(context.Context, tenant.UID, string) (refresh.Family, error) {
	return refresh.Family{}, refresh.ErrUnknown
}

// den is a world with a device, and alice at another one.
type den struct {
	*world
	drawer  *drawer
	devices *device.Authorizations
	chairs  *chairs
	tenant  *snapshot.Tenant
}

func newDen(t *testing.T, changes ...change) *den {
	t.Helper()
	d := &den{world: newWorld(t, append([]change{
		{`grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]`, `grant_types: ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"]`},
		{`scopes: ["notes:read", "notes:write", "wiki:read"]
  resources`, `scopes: ["notes:read", "notes:write", "wiki:read", "profile", "email"]
  resources`},
	}, changes...)...), drawer: &drawer{rows: map[device.Handle]device.Authorization{}}, chairs: &chairs{}}
	clock := func() time.Time { return d.now }
	picture := must1(d.source.Get(t.Context(), "default"))
	alice := must1(d.store.Get(t.Context(), picture.UID, "User", "alice"))
	idp, ok := picture.Registry.Lookup(idpIssuer)
	if !ok {
		t.Fatal("no entry")
	}
	d.tenant = picture
	d.chairs.session = session.Session{
		Handle: [32]byte{1}, Tenant: picture.UID, UserUID: alice.UID, IdPUID: idp.UID,
		Proof: session.Proof{ACR: "pwd", AMR: []string{"pwd"}, AuthTime: now.Add(-time.Hour).UTC().Truncate(time.Second)},
	}
	d.chairs.profile = session.Profile{
		Tenant: picture.UID, UserUID: alice.UID, IdPUID: idp.UID, Name: "Alice A.", Email: "alice@acme.com", EmailVerified: true,
		Groups: []string{"staff"}, GroupsState: "complete", Subject: "00u1alice",
	}
	keys := derived("a key")
	d.devices = must1(device.New(d.drawer, keys, clock))
	config := d.Config
	config.Devices = d.devices
	config.People = &grant.People{
		Codes: must1(code.New(keys, clock)), Tokens: must1(refresh.NewTokens(keys)), Families: noFamilies{}, Sessions: d.chairs,
		Limits: refresh.Limits{Grace: 10 * time.Second, Idle: time.Hour, Absolute: 24 * time.Hour}, Clients: d.source.Clients(),
	}
	var err error
	d.Grants, err = grant.New(config)
	must(t, err)
	return d
}

func (d *den) request(t *testing.T, a ask) grant.Request {
	t.Helper()
	form, err := oauth.ParseForm([]byte(a.form.Encode()))
	must(t, err)
	return grant.Request{Tenant: d.tenant, Trace: a.trace, Remote: "192.0.2.1", Form: form, Proofs: a.proofs}
}

// wish is a device authorization request.
func wish() ask {
	return ask{trace: "trc_1", form: map[string][]string{
		"client_id": {"agent"}, "client_secret": {secretText}, "scope": {"notes:read notes:write openid profile email"}, "resource": {notesURI},
	}}
}

func (d *den) begin(t *testing.T, a ask) device.Begun {
	t.Helper()
	begun, err := d.Device(t.Context(), d.request(t, a))
	must(t, err)
	return begun
}

func poll(begun device.Begun) ask {
	return ask{trace: "trc_2", form: map[string][]string{
		"grant_type": {oauth.GrantTypeDeviceCode}, "device_code": {begun.DeviceCode}, "client_id": {"agent"}, "client_secret": {secretText},
	}}
}

func (d *den) by() device.By {
	return device.By{Session: d.chairs.session, Remote: "192.0.2.2", Trace: "trc_3"}
}

// find is what the page does with a code.
func (d *den) find(t *testing.T, begun device.Begun) device.Found {
	t.Helper()
	found, err := d.devices.Find(t.Context(), d.tenant, d.source.Clients(), begun.UserCode, d.by())
	must(t, err)
	return found
}

// approve is what the page does when alice says yes.
func (d *den) approve(t *testing.T, begun device.Begun) {
	t.Helper()
	found := d.find(t, begun)
	k := grant.Consideration{Tenant: d.tenant, Trace: "trc_3", Remote: "192.0.2.2", Request: found.Request(), Session: d.chairs.session}
	considered, err := d.Consider(t.Context(), k)
	must(t, err)
	request, p := found.Request(), d.chairs.session
	given := code.Grant{
		ClientUID: request.Client().UID, Identity: request.Identity(), Offline: request.Offline(), UserUID: p.UserUID, IdPUID: p.IdPUID, Session: p.Handle,
		AuthTime: p.Proof.AuthTime, ACR: p.Proof.ACR, AMR: p.Proof.AMR, DecisionID: considered.Decisions[0],
	}
	for _, r := range considered.Resources {
		given.Resources = append(given.Resources, code.Resource{UID: r.Resource.UID, URI: r.Resource.URI, Scopes: r.Scopes})
	}
	must(t, d.devices.Approve(t.Context(), found, d.by(), given))
}

// TestDevice holds every fact of the way of one device.
func TestDevice(t *testing.T) {
	d := newDen(t)
	begun := d.begin(t, wish())
	if len(d.journal.entries) != 0 { // a client with a secret uses nothing up
		t.Errorf("recorded %+v", d.journal.entries)
	}
	d.refused(t, poll(begun), oauth.CodeAuthorizationPending)
	d.now = d.now.Add(5 * time.Second)
	d.refused(t, poll(begun), oauth.CodeAuthorizationPending)
	if len(d.journal.entries) != 0 { // nor does a device that waits fill the record
		t.Errorf("recorded %+v", d.journal.entries)
	}
	d.approve(t, begun)
	if in := d.seenByPolicy(t); member(in, "action") != "authorize" || member(in, "user", "sub") != "00u1alice" {
		t.Errorf("policy saw %v", in)
	}
	d.now = d.now.Add(time.Second) // asked early, but there is an answer
	response, minted := d.granted(t, poll(begun))
	claims, alice := minted.Claims(), d.chairs.session.UserUID
	if response.Scope != "notes:read notes:write openid profile email" || response.Resource != notesURI || response.TokenType != "Bearer" || response.RefreshToken == "" {
		t.Errorf("%+v", response)
	}
	if claims.Subject != alice || claims.ClientID != "agent" || claims.ACR != "pwd" || !claims.AuthTime.Equal(d.chairs.session.Proof.AuthTime) {
		t.Errorf("%+v", claims)
	}
	if in := d.seenByPolicy(t); member(in, "action") != "issue" || member(in, "grant_type") != oauth.GrantTypeDeviceCode || member(in, "assertion", "profile") != "sign-in" {
		t.Errorf("policy saw %v", in)
	}
	e := d.journal.last(t)
	if len(e.Redemptions) != 1 || e.Redemptions[0].Space != "device" || e.Redemptions[0].Always || e.Redemptions[0].Origin != "" || e.Family == nil || e.Family.Origin != e.Token.Origin || e.Token.Origin == "" {
		t.Errorf("used up %+v, began %+v", e.Redemptions, e.Family)
	}
	id := d.idToken(t, response)
	for name, want := range map[string]any{
		"iss": issuer, "sub": alice, "aud": "agent", "acr": "pwd", "name": "Alice A.", "email": "alice@acme.com", "email_verified": true,
		"auth_time": float64(d.chairs.session.Proof.AuthTime.Unix()), "exp": float64(d.now.Add(5 * time.Minute).Unix()),
	} {
		if got := id[name]; got != want {
			t.Errorf("%s is %v (%T), want %v", name, got, got, want)
		}
	}
	if _, has := id["nonce"]; has {
		t.Error("a nonce that nobody sent")
	}
	sid, _ := id["sid"].(string)
	if sid == "" || strings.Contains(sid, string(d.chairs.session.Handle[:])) {
		t.Errorf("sid %q", sid)
	}

	d.refused(t, poll(begun), oauth.CodeDeviceCodeUsed)
	if len(d.journal.conflicts) != 1 {
		t.Errorf("conflicts %+v", d.journal.conflicts)
	}
}

// idToken verifies the ID token of a response and gives its claims.
func (d *den) idToken(t *testing.T, response grant.Response) map[string]any {
	t.Helper()
	ring, err := d.rings.Ring(t.Context(), d.tenant.UID)
	must(t, err)
	message, err := jws.Parse(response.IDToken)
	must(t, err)
	_, _, err = message.VerifyClaims(ring.Keys(), []string{"ES256"})
	must(t, err)
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(response.IDToken, ".")[1])
	must(t, err)
	var claims map[string]any
	must(t, json.Unmarshal(raw, &claims))
	return claims
}

// TestDeviceBeginRefuses: one thing wrong with the request, one code.
func TestDeviceBeginRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		changes []change
		ask     func(a ask) ask
		den     func(d *den)
		code    oauth.Code
	}{
		"no client":             {ask: func(a ask) ask { return a.with("client_id").with("client_secret") }, code: oauth.CodeClientAuthenticationRequired},
		"a wrong secret":        {ask: func(a ask) ask { return a.with("client_secret", "x") }, code: oauth.CodeClientAuthenticationFailed},
		"grant not listed":      {changes: []change{{`"urn:ietf:params:oauth:grant-type:device_code", `, ""}}, code: oauth.CodeClientGrantNotAllowed},
		"an unknown resource":   {ask: func(a ask) ask { return a.with("resource", "https://mcp.acme.com/none") }, code: oauth.CodeResourceNotAllowed},
		"a disabled resource":   {ask: func(a ask) ask { return a.with("resource", "https://mcp.acme.com/old") }, code: oauth.CodeResourceNotAllowed},
		"another's resource":    {ask: func(a ask) ask { return a.with("resource", "https://mcp.acme.com/payroll") }, code: oauth.CodeResourceNotAllowed},
		"no resource, several":  {ask: func(a ask) ask { return a.with("resource") }, code: oauth.CodeResourceUnsettled},
		"nothing left of scope": {ask: func(a ask) ask { return a.with("scope", "notes:admin") }, code: oauth.CodeScopeEmpty},
		"a malformed scope":     {ask: func(a ask) ask { return a.with("scope", "notes:read  openid") }, code: oauth.CodeScopeMalformed},
		"prompt none":           {ask: func(a ask) ask { return a.with("prompt", "none") }, code: oauth.CodePromptInvalid},
		"a request object":      {ask: func(a ask) ask { return a.with("request", "e30.e30.") }, code: oauth.CodeRequestObjectUnsupported},
		"a request_uri":         {ask: func(a ask) ask { return a.with("request_uri", "urn:x") }, code: oauth.CodeRequestURIUnsupported},
		"authorization_details": {ask: func(a ask) ask { return a.with("authorization_details", "[]") }, code: oauth.CodeAuthorizationDetailsUnsupported},
		"the client's key":      {changes: []change{{"plan: pro", "plan: pro\n  dpop: required"}}, code: oauth.CodeDPoPProofRequired},
		"the resource's key":    {changes: []change{{`  default_scopes: ["notes:read"]`, "  default_scopes: [\"notes:read\"]\n  token: {dpop: required}"}}, code: oauth.CodeDPoPProofRequired},
		"no proof":              {ask: func(a ask) ask { a.proofs = []string{"x"}; return a }, code: oauth.CodeDPoPProofInvalid},
		"too many wait":         {den: func(d *den) { d.drawer.begins = device.ErrFull }, code: oauth.CodeDeviceRequestsFull},
		"a database that fails": {den: func(d *den) { d.drawer.begins = errors.New("broken") }, code: oauth.CodeLedgerUnavailable},
		"not served":            {den: func(d *den) { d.Devices = nil }, code: oauth.CodeGrantTypeUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDen(t, c.changes...)
			a := wish()
			if c.ask != nil {
				a = c.ask(a)
			}
			if c.den != nil {
				c.den(d)
			}
			begun, err := d.Device(t.Context(), d.request(t, a))
			if refusal, ok := errors.AsType[*oauth.Error](err); !ok || refusal.Code != c.code {
				t.Errorf("answered %v, want %s", err, c.code)
			}
			if begun != (device.Begun{}) {
				t.Error("a refusal with codes")
			}
		})
	}
}

// TestDevicePollRefuses: what a device is told, in the standard's words (RFC 8628 §3.5).
func TestDevicePollRefuses(t *testing.T) {
	type step func(t *testing.T, d *den, begun device.Begun, a ask) ask
	approved := func(then func(d *den)) step {
		return func(t *testing.T, d *den, begun device.Begun, a ask) ask {
			t.Helper()
			d.approve(t, begun)
			then(d)
			return a
		}
	}
	for name, c := range map[string]struct {
		changes []change
		step    step
		code    oauth.Code
		error   string
	}{
		"nobody answered": {step: func(_ *testing.T, _ *den, _ device.Begun, a ask) ask { return a }, code: oauth.CodeAuthorizationPending, error: "authorization_pending"},
		"asked too early": {step: func(t *testing.T, d *den, begun device.Begun, a ask) ask {
			t.Helper()
			d.refused(t, poll(begun), oauth.CodeAuthorizationPending)
			return a
		}, code: oauth.CodeSlowDown, error: "slow_down"},
		"no": {step: func(t *testing.T, d *den, begun device.Begun, a ask) ask {
			t.Helper()
			must(t, d.devices.Deny(t.Context(), d.find(t, begun), d.by()))
			return a
		}, code: oauth.CodeDeviceDenied, error: "access_denied"},
		"too late":          {step: func(_ *testing.T, d *den, _ device.Begun, a ask) ask { d.now = d.now.Add(device.Lifetime); return a }, code: oauth.CodeDeviceExpired, error: "expired_token"},
		"yes, but too late": {step: approved(func(d *den) { d.now = d.now.Add(device.Lifetime) }), code: oauth.CodeDeviceExpired, error: "expired_token"},
		"no device code":    {step: func(_ *testing.T, _ *den, _ device.Begun, a ask) ask { return a.with("device_code") }, code: oauth.CodeParameterMissing, error: "invalid_request"},
		"another code": {step: func(_ *testing.T, _ *den, _ device.Begun, a ask) ask {
			return a.with("device_code", strings.Repeat("A", 43))
		}, code: oauth.CodeDeviceCodeInvalid, error: "invalid_grant"},
		"the user code": {step: func(_ *testing.T, _ *den, begun device.Begun, a ask) ask {
			return a.with("device_code", begun.UserCode)
		}, code: oauth.CodeDeviceCodeInvalid, error: "invalid_grant"},
		"taken back":       {step: approved(func(d *den) { d.drawer.revoked = true }), code: oauth.CodeDeviceRevoked, error: "invalid_grant"},
		"signed out":       {step: approved(func(d *den) { d.chairs.gone = true }), code: oauth.CodeSessionEnded, error: "invalid_grant"},
		"not known":        {step: approved(func(d *den) { d.drawer.fail = errors.New("broken") }), code: oauth.CodeTenantUnavailable, error: "temporarily_unavailable"},
		"no session known": {step: approved(func(d *den) { d.chairs.fail = errors.New("broken") }), code: oauth.CodeTenantUnavailable, error: "temporarily_unavailable"},
		"another resource": {step: func(t *testing.T, d *den, begun device.Begun, a ask) ask {
			t.Helper()
			d.approve(t, begun)
			return a.with("resource", wikiURI)
		}, code: oauth.CodeResourceOutsideGrant, error: "invalid_target"},
		"the approval is another's": {step: approved(func(d *den) {
			for h, row := range d.drawer.rows {
				row.Granted.ClientUID = "cli_9"
				d.drawer.rows[h] = row
			}
		}), code: oauth.CodeDeviceCodeInvalid, error: "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDen(t, c.changes...)
			begun := d.begin(t, wish())
			a := c.step(t, d, begun, poll(begun))
			if refusal := d.refused(t, a, c.code); refusal.wire.Error != c.error {
				t.Errorf("answered %s", refusal.wire.Error)
			}
		})
	}
}

// TestDeviceOfAnother: another client learns nothing of a code, slows nobody down, and outside it is one answer.
func TestDeviceOfAnother(t *testing.T) {
	d := newDen(t, change{"---\napiVersion: chancery/v1\nkind: Resource\nmetadata: {name: notes}", `---
apiVersion: chancery/v1
kind: Client
metadata: {name: other}
spec: {auth: {method: client_secret_post, secret: {env: X}}, grant_types: ["urn:ietf:params:oauth:grant-type:device_code"], scopes: ["notes:read"], resources: [notes]}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}`})
	begun := d.begin(t, wish())
	d.approve(t, begun)
	refusal := d.refused(t, poll(begun).with("client_id", "other"), oauth.CodeDeviceClientMismatch)
	unknown := d.refused(t, poll(begun).with("client_id", "other").with("device_code", strings.Repeat("A", 43)), oauth.CodeDeviceCodeInvalid)
	if refusal.wire.Description != unknown.wire.Description || refusal.wire.Error != unknown.wire.Error {
		t.Errorf("%q tells more than %q", refusal.wire.Description, unknown.wire.Description)
	}
	d.granted(t, poll(begun))
}

// TestDeviceDecidedAnew: between the yes and the token, policy and everybody's status are asked again.
func TestDeviceDecidedAnew(t *testing.T) {
	d := newDen(t, policyOf(`{"allow": input.action != "issue", "scopes": input.resource.scopes}`))
	begun := d.begin(t, wish())
	d.approve(t, begun)
	d.refused(t, poll(begun), oauth.CodePolicyDenied)
	if used := d.journal.last(t).Redemptions; len(used) != 0 {
		t.Errorf("a refusal used up %v", used)
	}

	d = newDen(t)
	begun = d.begin(t, wish())
	d.approve(t, begun)
	d.disable(t)
	d.refused(t, poll(begun), oauth.CodeUserInactive)
}

// disable makes everybody inactive, as an administrator does.
func (d *den) disable(t *testing.T) {
	t.Helper()
	config := d.Config
	config.Directories = closed{config.Directories}
	var err error
	d.Grants, err = grant.New(config)
	must(t, err)
}

type closed struct{ grant.Directories }

func (c closed) Directory(t *snapshot.Tenant) federation.Directory {
	return closedDirectory{c.Directories.Directory(t)}
}

type closedDirectory struct{ federation.Directory }

func (c closedDirectory) ByID(ctx context.Context, uid string) ([]federation.Account, error) {
	accounts, err := c.Directory.ByID(ctx, uid)
	for i := range accounts {
		accounts[i].Status = "disabled"
	}
	return accounts, err
}

// TestDeviceOnce: of fifty at once one gets a token (RFC 8628 §3.4, T35).
func TestDeviceOnce(t *testing.T) {
	d := newDen(t)
	begun := d.begin(t, wish())
	d.approve(t, begun)
	var group sync.WaitGroup
	var mu sync.Mutex
	tokens, used := 0, 0
	for range 50 {
		group.Go(func() {
			form, err := oauth.ParseForm([]byte(poll(begun).form.Encode()))
			if err != nil {
				t.Error(err)
				return
			}
			_, err = d.Token(context.Background(), grant.Request{Tenant: d.tenant, Trace: "trc_2", Remote: "192.0.2.1", Form: form})
			mu.Lock()
			defer mu.Unlock()
			switch refusal, refused := errors.AsType[*oauth.Error](err); {
			case err == nil:
				tokens++
			case refused && refusal.Code == oauth.CodeDeviceCodeUsed:
				used++
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	if tokens != 1 || used != 49 {
		t.Errorf("%d tokens, %d told that it was used", tokens, used)
	}
}

// TestDeviceBound: the key of the beginning is the key of the token.
func TestDeviceBound(t *testing.T) {
	d, h, thief := newDen(t), newHolder(t), newHolder(t)
	at := func(h holder, jti, path string) []string {
		return []string{h.proof(t, d.now, func(c map[string]any) { c["jti"], c["htu"] = jti, issuer+path })}
	}
	a := wish()
	a.proofs = at(h, "p1", "/token") // for another endpoint
	if _, err := d.Device(t.Context(), d.request(t, a)); oauth.AsError(err).Code != oauth.CodeDPoPProofInvalid {
		t.Errorf("a proof for the token endpoint: %v", err)
	}
	a.proofs = at(h, "p2", "/device_authorization")
	begun := d.begin(t, a)
	if e := d.journal.last(t); len(e.Redemptions) != 1 || e.Redemptions[0].Space != ledger.SpaceProof || e.Event.Type != audit.TypeAssertionUsed {
		t.Errorf("recorded %+v", e)
	}
	if _, err := d.Device(t.Context(), d.request(t, a)); oauth.AsError(err).Code != oauth.CodeDPoPReplayed {
		t.Errorf("the proof again: %v", err)
	}
	d.approve(t, begun)
	d.refused(t, poll(begun), oauth.CodeDeviceKeyMismatch)
	stolen := poll(begun)
	stolen.proofs = at(thief, "p3", "/token")
	d.refused(t, stolen, oauth.CodeDeviceKeyMismatch)
	mine := poll(begun)
	mine.proofs = at(h, "p4", "/token")
	if response, minted := d.granted(t, mine); response.TokenType != "DPoP" || minted.Claims().Thumbprint != h.thumbprint {
		t.Errorf("%+v", response)
	}
}

// TestDeviceOfPublicClient: it names itself, gets no more than a token, and what it asks while it waits is nobody's record.
func TestDeviceOfPublicClient(t *testing.T) {
	d := newDen(t, change{"auth: {method: client_secret_post, secret: {env: AGENT_SECRET}}", "type: public\n  auth: {method: none}"})
	public := func(a ask) ask { return a.with("client_secret") }
	begun := d.begin(t, public(wish()))
	d.refused(t, public(poll(begun)), oauth.CodeAuthorizationPending)
	if len(d.journal.entries) != 0 || len(d.lane.events) != 1 || d.lane.events[0].Principal.Kind != "anonymous" {
		t.Errorf("recorded %+v, in the lane %+v", d.journal.entries, d.lane.events)
	}
	d.approve(t, begun)
	response, _ := d.granted(t, public(poll(begun)))
	if response.AccessToken == "" || d.journal.last(t).Event.Principal.Kind != "client" {
		t.Errorf("%+v", response)
	}
	d.refused(t, public(poll(begun)), oauth.CodeDeviceCodeUsed)
}

// TestDeviceStale: a question that is decided again on a newer picture is one question, and sees what was taken back.
func TestDeviceStale(t *testing.T) {
	d := newDen(t)
	begun := d.begin(t, wish())
	d.approve(t, begun)
	d.journal.answers = []error{ledger.ErrStale}
	d.granted(t, poll(begun))

	d = newDen(t)
	begun = d.begin(t, wish())
	d.approve(t, begun)
	calls := d.journal.calls
	d.journal.before = func(n int) { d.drawer.revoked = n >= calls }
	d.journal.answers = []error{ledger.ErrStale}
	d.refused(t, poll(begun), oauth.CodeDeviceRevoked)
}

// TestDeviceConsidered: a device's request leads nowhere, and is considered for the grant that it needs.
func TestDeviceConsidered(t *testing.T) {
	d := newDen(t)
	request := d.find(t, d.begin(t, wish())).Request()
	if request.GrantType() != oauth.GrantTypeDeviceCode || request.Return() != (authorization.Return{}) {
		t.Error("a device's request leads to a redirect URI")
	}
	d.chairs.gone = true
	_, err := d.Consider(t.Context(), grant.Consideration{Tenant: d.tenant, Request: request, Session: d.chairs.session})
	if oauth.AsError(err).Code != oauth.CodeSessionEnded {
		t.Errorf("considered for who is gone: %v", err)
	}
}
