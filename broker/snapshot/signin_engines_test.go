package snapshot_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// What sign-in is configured by rests in both engines, and a change of it counts on another replica's next picture. One
// domain leads to one IdP there too, whoever writes.
func TestSignInRests(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := newApplier(t, w)
		doc := strings.Replace(samlDoc(t), "spec:\n", "spec:\n  disabled: true\n", 1)
		a.apply(t, doc+"---\n{apiVersion: chancery/v1, kind: Tenant, metadata: {name: default}, spec: {sessions: {idle: 1h}, passkeys: allowed}}")
		p := get(t, w.b, tenant.DefaultName)
		s, ok := p.SignIn.SAML.Lookup(entity)
		if !ok || !s.IdP.Disabled || len(s.Certificates) != 1 || !p.SignIn.Passkeys {
			t.Fatalf("%+v", p.SignIn)
		}
		a.apply(t, samlDoc(t))
		if s, ok := get(t, w.b, tenant.DefaultName).SignIn.SAML.Lookup(entity); !ok || s.IdP.Disabled {
			t.Fatalf("%+v", s)
		}
		exported, err := a.Export(t.Context(), tenant.DefaultName)
		if err != nil || !slices.ContainsFunc(exported, func(o object.Object) bool {
			idp, ok := o.Spec.(*object.IdentityProviderSpec)
			return ok && idp.SAML.IDPEntityID == entity && idp.SAML.ACR["urn:x:mfa"] == "phr"
		}) {
			t.Fatalf("%+v, %v", exported, err)
		}
		for _, spec := range []*object.IdentityProviderSpec{
			{Issuer: "https://other.example", Domains: []string{"acme.de"}},
			{SAML: object.IdPSAML{IDPEntityID: entity, MetadataURL: "https://idp.acme.example/m"}},
		} {
			c := storetest.New(w.Default, object.KindIdentityProvider, "another", text(t, spec), spec.Keys()...)
			write := object.Write{Tenant: w.Default, Changes: []object.Change{c}, Events: []audit.Event{storetest.Event(w.Default)}}
			if _, err := w.objects.Apply(t.Context(), write); !errors.Is(err, object.ErrKeyTaken) {
				t.Errorf("%v: %v", spec.Keys(), err)
			}
		}
	})
}
