package broker_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker"
	"github.com/chancery-dev/chancery/broker/authorize"
	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/federation"
)

// gateless is a browser's way with nothing behind it.
type gateless struct{}

func (gateless) TurnAway(authorize.Visit, error) {}

func (gateless) Routes() []authorize.Route { return nil }

// altered gives pictures as a test wants them.
type altered struct {
	broker.Pictures
	change func(*snapshot.Tenant)
}

func (a altered) Get(ctx context.Context, name string) (*snapshot.Tenant, error) {
	t, err := a.Pictures.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	c := *t
	a.change(&c)
	return &c, nil
}

// people lets people sign in.
func people(t *snapshot.Tenant) { t.SignIn.IdPs = []*federation.IdentityProvider{{UID: "idp_1"}} }

func document(t *testing.T, change func(*snapshot.Tenant), changes ...func(*broker.Config)) map[string]any {
	t.Helper()
	h, _ := newCounter(t, append([]func(*broker.Config){func(c *broker.Config) {
		c.People, c.Pictures = gateless{}, altered{c.Pictures, change}
	}}, changes...)...)
	return members(t, h.get(t, "/t/acme/.well-known/oauth-authorization-server"))
}

// TestAdvertisedToPeople: the code flow is advertised where somebody can sign in, and where it is routed.
func TestAdvertisedToPeople(t *testing.T) {
	m := document(t, people)
	for name, want := range map[string]any{
		"authorization_response_iss_parameter_supported": true, "request_parameter_supported": false, "request_uri_parameter_supported": false,
		"require_pushed_authorization_requests": false, "authorization_endpoint": publicURL + "/t/acme/authorize",
	} {
		if m[name] != want {
			t.Errorf("%s is %v, want %v", name, m[name], want)
		}
	}
	for name, wants := range map[string][]any{
		"response_types_supported": {"code"}, "response_modes_supported": {"query", "form_post"}, "code_challenge_methods_supported": {"S256"},
		"prompt_values_supported": {"none", "login", "consent", "select_account"},
	} {
		if got, _ := m[name].([]any); !slices.Equal(got, wants) {
			t.Errorf("%s is %v", name, m[name])
		}
	}
	for name, want := range map[string]string{"scopes_supported": "offline_access", "token_endpoint_auth_methods_supported": "none", "claims_supported": "auth_time"} {
		if got, _ := m[name].([]any); !slices.Contains(got, any(want)) {
			t.Errorf("%s is %v", name, m[name])
		}
	}
	for name := range m {
		if strings.HasPrefix(name, "backchannel_logout") || name == "acr_values_supported" {
			t.Errorf("%s is advertised", name)
		}
	}

	nobody := document(t, func(*snapshot.Tenant) {})
	for _, name := range []string{
		"authorization_response_iss_parameter_supported", "pushed_authorization_request_endpoint", "device_authorization_endpoint", "userinfo_endpoint", "end_session_endpoint",
		"claims_supported", "prompt_values_supported", "response_modes_supported", "registration_endpoint", "client_id_metadata_document_supported",
	} {
		if v, there := nobody[name]; there {
			t.Errorf("nobody signs in, and %s is %v", name, v)
		}
	}
	grants, _ := nobody["grant_types_supported"].([]any)
	if scopes, _ := nobody["scopes_supported"].([]any); slices.Contains(scopes, any("openid")) || slices.Contains(grants, any("authorization_code")) || slices.Contains(grants, any("refresh_token")) {
		t.Errorf("%v %v", scopes, grants)
	}
}

// TestAdvertisedToComers: each way for clients that nobody made is told only where it leads somewhere.
func TestAdvertisedToComers(t *testing.T) {
	dynamic := func(mode snapshot.DynamicMode) snapshot.Dynamic {
		return snapshot.Dynamic{Mode: mode, MaxClients: 1, Lifetime: time.Hour}
	}
	for name, c := range map[string]struct {
		rules     snapshot.Registration
		dev       bool
		register  bool
		documents bool
	}{
		"nothing":            {},
		"off":                {rules: snapshot.Registration{Documents: cimd.Rules{Mode: cimd.ModeOff}, Dynamic: dynamic(snapshot.DynamicOff)}},
		"registered":         {rules: snapshot.Registration{Documents: cimd.Rules{Mode: cimd.ModeRegistered}}, documents: true},
		"registered and dcr": {rules: snapshot.Registration{Documents: cimd.Rules{Mode: cimd.ModeRegistered}, Dynamic: dynamic(snapshot.DynamicOpen)}, register: true},
		"hosts":              {rules: snapshot.Registration{Documents: cimd.Rules{Mode: cimd.ModeHosts, Hosts: []string{"claude.ai"}}}, documents: true},
		"no hosts":           {rules: snapshot.Registration{Documents: cimd.Rules{Mode: cimd.ModeHosts}}},
		"open":               {rules: snapshot.Registration{Documents: cimd.Rules{Mode: cimd.ModeOpen}}},
		"open in dev":        {rules: snapshot.Registration{Documents: cimd.Rules{Mode: cimd.ModeOpen}}, dev: true, documents: true},
		"token":              {rules: snapshot.Registration{Dynamic: dynamic(snapshot.DynamicToken)}, register: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := document(t, func(p *snapshot.Tenant) { people(p); p.Registration = c.rules }, func(b *broker.Config) { b.DevDocuments = c.dev })
			_, register := m["registration_endpoint"]
			_, documents := m["client_id_metadata_document_supported"]
			if register != c.register || documents != c.documents || register && m["registration_endpoint"] != publicURL+"/t/acme/register" {
				t.Errorf("%v %v", m["registration_endpoint"], m["client_id_metadata_document_supported"])
			}
		})
	}
}

// TestAdvertisedIsServed asks every endpoint of the document: something must answer there.
func TestAdvertisedIsServed(t *testing.T) {
	h, _ := newCounter(t, func(c *broker.Config) {
		c.People, c.Pictures = gateless{}, altered{c.Pictures, func(p *snapshot.Tenant) {
			people(p)
			p.Registration.Dynamic = snapshot.Dynamic{Mode: snapshot.DynamicOpen, MaxClients: 1, Lifetime: time.Hour}
		}}
	})
	asked := 0
	for name, value := range members(t, h.get(t, "/t/acme/.well-known/oauth-authorization-server")) {
		url, _ := value.(string)
		if !strings.HasSuffix(name, "_endpoint") && name != "jwks_uri" || name == "authorization_endpoint" { // it is the browser's way, which is not here
			continue
		}
		asked++
		path := strings.TrimPrefix(url, publicURL)
		get := h.serve(httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
		if path == url || get.Code == http.StatusNotFound {
			t.Errorf("%s: %s answers %d", name, url, get.Code)
		}
	}
	if asked < 5 {
		t.Errorf("only %d endpoints were asked", asked)
	}
}
