package downstream_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/snapshot/snapshottest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

const (
	rootUID  = "ten_01Q3G98TG000000000000000AA"
	otherUID = "ten_01Q3G98TG000000000000000BB"
	hubUID   = "prv_01Q3G98TG000000000000000AA"
)

var begin = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// shop is engines with their surroundings.
type shop struct {
	engines *downstream.Engines
	now     time.Time
	secrets map[string]string
	mended  int
	asked   atomic.Int32
	service *httptest.Server
	tenant  *snapshot.Tenant
	there   bool
}

func (s *shop) Of(_ context.Context, t tenant.UID) (*snapshot.Tenant, error) {
	if !s.there || t != s.tenant.UID {
		return nil, snapshot.ErrUnknownTenant
	}
	return s.tenant, nil
}

func newShop(t *testing.T, change func(*downstream.EnginesConfig)) *shop {
	t.Helper()
	s := &shop{now: begin, secrets: map[string]string{"env:HUB": "first"}, there: true}
	// It gives a token that says which secret was shown.
	s.service = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		_, shown, _ := r.BasicAuth()
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "token-for-" + shown, "token_type": "Bearer", "expires_in": 3600})
	}))
	t.Cleanup(s.service.Close)
	s.tenant = &snapshot.Tenant{UID: uid(t, rootUID), Name: "default", Issuer: "https://auth.acme.com"}
	config := downstream.EnginesConfig{
		Pictures: s, Egress: fetch.Policy{Mode: "allow"}, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return s.now },
		Resolve: func(r object.SecretRef) (secret.Text, error) {
			if text, ok := s.secrets[r.String()]; ok {
				return secret.New(text), nil
			}
			return secret.Text{}, errors.New("there is no such variable")
		},
		Mended: func(tenant, provider string) {
			if tenant == rootUID && provider == hubUID {
				s.mended++
			}
		},
	}
	if change != nil {
		change(&config)
	}
	var err error
	if s.engines, err = downstream.NewEngines(config); err != nil {
		t.Fatal(err)
	}
	return s
}

func uid(t *testing.T, text string) tenant.UID {
	t.Helper()
	parsed, err := tenant.ParseUID(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// hub is a valid provider, at one revision.
func (s *shop) hub(t *testing.T, revision int64, change func(*object.ProviderSpec)) *snapshot.Provider {
	t.Helper()
	spec := &object.ProviderSpec{
		OwnManifest: map[string]any{"extends": "client-credentials", "token_url": s.service.URL + "/token"},
		ClientID:    "chancery", ClientSecret: object.SecretRef{Env: "HUB"}, Network: object.IdPNetwork{AllowPrivateAddresses: true},
		ScopeMap: map[string][]string{"read": {"read"}},
	}
	if change != nil {
		change(spec)
	}
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	p, err := snapshot.ProviderOf(object.Stored{
		Tenant: s.tenant.UID, UID: hubUID, Kind: object.KindProvider, Name: "hub", Revision: revision, ManagedBy: object.ManagerConfig, Spec: text,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (s *shop) engine(t *testing.T, p *snapshot.Provider) *provider.Provider {
	t.Helper()
	made, err := s.engines.Engine(t.Context(), s.tenant, p)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func token(t *testing.T, p *provider.Provider) string {
	t.Helper()
	c, err := p.Obtain(t.Context(), provider.Wanted{Scopes: []string{"read"}})
	if err != nil {
		t.Fatal(err)
	}
	return p.Lend(c).Access.Reveal()
}

func TestEnginesAreKept(t *testing.T) {
	s := newShop(t, nil)
	first := s.engine(t, s.hub(t, 1, nil))
	if got := token(t, first); got != "token-for-first" {
		t.Fatal(got)
	}
	if s.engine(t, s.hub(t, 1, nil)) != first {
		t.Error("the same revision makes another")
	}
	s.now = s.now.Add(2 * time.Minute)
	if s.engine(t, s.hub(t, 1, nil)) != first || s.mended != 0 {
		t.Error("a secret that did not change makes another")
	}
	second := s.engine(t, s.hub(t, 2, nil))
	if second == first || s.mended != 1 {
		t.Errorf("another revision does not make another (mended %d)", s.mended)
	}
	// A request on an older picture has the older one, and does not put it in the place of the newer.
	if old := s.engine(t, s.hub(t, 1, nil)); old == second {
		t.Error("an older revision has the engine of a newer one")
	}
	if s.engine(t, s.hub(t, 2, nil)) != second {
		t.Error("the newer one was given up")
	}
	elsewhere := *s.tenant
	elsewhere.UID = uid(t, otherUID)
	if made, err := s.engines.Engine(t.Context(), &elsewhere, s.hub(t, 2, nil)); err != nil || made == second {
		t.Errorf("another tenant has the same one: %v", err)
	}
}

// A file in which a secret is may be replaced, and the object stays as it is.
func TestSecretsAreReadAgain(t *testing.T) {
	s := newShop(t, nil)
	p := s.hub(t, 1, nil)
	s.engine(t, p)
	s.secrets["env:HUB"] = "second"
	if got := token(t, s.engine(t, p)); got != "token-for-first" {
		t.Errorf("it is read at every request: %s", got)
	}
	s.now = s.now.Add(time.Minute)
	if got := token(t, s.engine(t, p)); got != "token-for-second" || s.mended != 1 {
		t.Errorf("%s, mended %d", got, s.mended)
	}
	delete(s.secrets, "env:HUB")
	s.now = s.now.Add(time.Minute)
	if _, err := s.engines.Engine(t.Context(), s.tenant, p); !errors.Is(err, downstream.ErrUnusable) {
		t.Errorf("a secret that went is used still: %v", err)
	}
}

func TestEnginesRefuse(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*shop, *snapshot.Provider)
		err    error
		text   string
	}{
		"a secret that is not there": {func(s *shop, _ *snapshot.Provider) { delete(s.secrets, "env:HUB") }, downstream.ErrUnusable, "no such variable"},
		"an empty secret":            {func(s *shop, _ *snapshot.Provider) { s.secrets["env:HUB"] = "" }, downstream.ErrUnusable, "it is empty"},
		"a reference from the API":   {func(_ *shop, p *snapshot.Provider) { p.ManagedBy = object.ManagerAPI }, downstream.ErrUnusable, "admin.secret_references"},
		"a manifest not read":        {func(_ *shop, p *snapshot.Provider) { p.Unusable = "there is no such manifest" }, downstream.ErrUnusable, "no such manifest"},
		"no object":                  {func(_ *shop, p *snapshot.Provider) { p.Object = nil }, downstream.ErrNotThere, ""},
		"no uid":                     {func(_ *shop, p *snapshot.Provider) { p.UID = "" }, downstream.ErrNotThere, ""},
		"no secret": {func(_ *shop, p *snapshot.Provider) {
			p.Object.ClientSecret = object.SecretRef{}
		}, downstream.ErrUnusable, "a client secret is required"},
		"a bundle that is none": {func(_ *shop, p *snapshot.Provider) {
			p.Object.Network.CABundle = "/nowhere"
		}, downstream.ErrUnusable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, nil)
			s.engine(t, s.hub(t, 1, nil))
			p := s.hub(t, 2, nil)
			test.change(s, p)
			made, err := s.engines.Engine(t.Context(), s.tenant, p)
			if made != nil || !errors.Is(err, test.err) || !strings.Contains(err.Error(), test.text) {
				t.Fatalf("%v", err)
			}
			if strings.Contains(err.Error(), "first") {
				t.Error("the error shows the secret")
			}
		})
	}
}

// A reference that the operator names counts from the API too, and no other.
func TestReferencesFromTheAPI(t *testing.T) {
	s := newShop(t, func(c *downstream.EnginesConfig) {
		c.MayRefer = func(r object.SecretRef) bool { return r.String() == "env:HUB" }
	})
	s.secrets["env:OTHER"] = "other"
	p := s.hub(t, 1, nil)
	p.ManagedBy = object.ManagerAPI
	s.engine(t, p)
	p = s.hub(t, 2, func(spec *object.ProviderSpec) { spec.ClientSecret = object.SecretRef{Env: "OTHER"} })
	p.ManagedBy = object.ManagerAPI
	if _, err := s.engines.Engine(t.Context(), s.tenant, p); !errors.Is(err, downstream.ErrUnusable) {
		t.Error(err)
	}
}

// The one door stands before providers too: that nothing was sent is known.
func TestEnginesKeepToTheEgressRules(t *testing.T) {
	s := newShop(t, func(c *downstream.EnginesConfig) { c.Egress = fetch.Policy{Mode: "deny"} })
	made := s.engine(t, s.hub(t, 1, nil))
	_, err := made.Obtain(t.Context(), provider.Wanted{Scopes: []string{"read"}})
	failed, ok := errors.AsType[*provider.Error](err)
	if !ok || failed.Outcome != provider.Transient || s.asked.Load() != 0 {
		t.Errorf("%v, asked %d times", err, s.asked.Load())
	}
	private := newShop(t, nil)
	made = private.engine(t, private.hub(t, 1, func(spec *object.ProviderSpec) { spec.Network.AllowPrivateAddresses = false }))
	if _, err := made.Obtain(t.Context(), provider.Wanted{Scopes: []string{"read"}}); err == nil || private.asked.Load() != 0 {
		t.Errorf("a private address is asked: %v", err)
	}
}

const downstreamDocs = `apiVersion: chancery/v1
kind: Provider
metadata: {name: hub}
spec: {own_manifest: {extends: oauth2, authorization_url: "https://hub.example/a", token_url: "https://hub.example/t", refresh: {rotation: reuse_window, reuse_window: 30s}}, client_id: chancery, client_secret: {env: HUB}}
---
apiVersion: chancery/v1
kind: Provider
metadata: {name: "off"}
spec: {disabled: true, manifest: github, client_id: chancery, client_secret: {env: HUB}}
`

func TestDownstream(t *testing.T) {
	_, source := snapshottest.New(t, "https://auth.acme.com", func() time.Time { return begin }, downstreamDocs)
	picture, err := source.Get(t.Context(), tenant.DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	hub, _ := picture.Provider("hub")
	off, _ := picture.Provider("off")
	s := newShop(t, func(c *downstream.EnginesConfig) {
		c.Pictures, c.MayRefer = source, func(object.SecretRef) bool { return true }
	})
	found, err := s.engines.Downstream(t.Context(), picture.UID.String(), hub.UID)
	if err != nil || found.Provider == nil || found.Rotation != provider.RotationWindow || found.ReuseWindow != 30*time.Second {
		t.Fatalf("%+v %v", found, err)
	}
	if got := downstream.RedirectURL(picture, hub); got != "https://auth.acme.com/connect/hub/callback" {
		t.Error(got)
	}
	for name, test := range map[string]struct {
		tenant, uid string
		err         error
	}{
		"another provider": {picture.UID.String(), "prv_01Q3G98TG000000000000000BB", downstream.ErrNotThere},
		"by its name":      {picture.UID.String(), "hub", downstream.ErrNotThere},
		"another tenant":   {otherUID, hub.UID, snapshot.ErrUnknownTenant},
		"no tenant":        {"default", hub.UID, nil},
		"disabled":         {picture.UID.String(), off.UID, downstream.ErrDisabled},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := s.engines.Downstream(t.Context(), test.tenant, test.uid)
			if err == nil || found != (connection.Downstream{}) || test.err != nil && !errors.Is(err, test.err) {
				t.Errorf("%+v %v", found, err)
			}
		})
	}
	if _, err := s.engines.Engine(t.Context(), picture, off); err != nil { // what was connected is revocable still
		t.Error(err)
	}
}

func TestEnginesNeedEveryPart(t *testing.T) {
	for name, take := range map[string]func(*downstream.EnginesConfig){
		"pictures": func(c *downstream.EnginesConfig) { c.Pictures = nil },
		"resolve":  func(c *downstream.EnginesConfig) { c.Resolve = nil },
		"log":      func(c *downstream.EnginesConfig) { c.Log = nil },
		"clock":    func(c *downstream.EnginesConfig) { c.Now = nil },
		"egress":   func(c *downstream.EnginesConfig) { c.Egress = fetch.Policy{Mode: "maybe"} },
	} {
		valid := downstream.EnginesConfig{
			Pictures: &shop{}, Resolve: func(object.SecretRef) (secret.Text, error) { return secret.Text{}, nil },
			Egress: fetch.Policy{Mode: "allow"}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		}
		if _, err := downstream.NewEngines(valid); err != nil {
			t.Fatal(err)
		}
		take(&valid)
		if _, err := downstream.NewEngines(valid); err == nil {
			t.Errorf("without %s", name)
		}
	}
}
