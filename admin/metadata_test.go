package admin_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/samlmetadata"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/saml"
)

// said stands for what IdPs say.
type said struct {
	asked string
	by    audit.Principal
	err   error
}

func (s *said) answer(asked string, by audit.Principal) (samlmetadata.State, error) {
	s.asked, s.by = asked, by
	return samlmetadata.State{
		Source: "https://idp.test/metadata", InUse: &saml.Metadata{EntityID: "https://idp.test"}, PendingDigest: seenDigest,
		Changes: []saml.Change{{Field: "certificates", Before: "a", After: "b", Trust: true}},
	}, s.err
}

func (s *said) Look(_ context.Context, _ tenant.UID, _ string, idp object.Object, by audit.Principal) (samlmetadata.State, error) {
	return s.answer("look "+idp.Metadata.Name, by)
}

func (s *said) Preview(_ context.Context, _ tenant.UID, _ string, idp object.Object, document []byte) (samlmetadata.State, error) {
	return s.answer("preview "+idp.Metadata.Name+" "+string(document), audit.Principal{})
}

func (s *said) Accept(_ context.Context, _ tenant.UID, _ string, idp object.Object, digest string, by audit.Principal) (samlmetadata.State, error) {
	return s.answer("accept "+idp.Metadata.Name+" "+digest, by)
}

var seenDigest = strings.Repeat("ab", 32)

func TestMetadata(t *testing.T) {
	idp := &said{}
	h := newHouse(t, func(c *admin.Config) { c.IdPMetadata = idp })
	h.ok(t, request{method: "PUT", path: "/admin/v1/identity-providers/okta", role: admin.RoleIdPAdmin, body: idpBody}, http.StatusCreated)
	const at = "/admin/v1/identity-providers/okta/metadata"
	for _, test := range []struct {
		name, path, body, asked string
		role                    admin.Role
	}{
		{"look", at, "{}", "look okta", admin.RoleIdPAdmin},
		{"look at a tenant's", "/admin/v1/tenants/default/identity-providers/okta/metadata", "{}", "look okta", admin.RoleIdPAdmin},
		{"preview", at, `{"document":"<xml/>"}`, "preview okta <xml/>", admin.RoleIdPAdmin},
		{"accept", at + "/accept", `{"digest":"` + seenDigest + `"}`, "accept okta " + seenDigest, admin.RoleIdPAdmin},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := h.ok(t, request{method: "POST", path: test.path, role: test.role, body: test.body}, http.StatusOK)
			if idp.asked != test.asked || w["pending_digest"] != seenDigest || w["source"] != "https://idp.test/metadata" {
				t.Errorf("asked %q, answered %v", idp.asked, w)
			}
		})
	}
	h.refused(t, request{method: "POST", path: at + "/accept", role: admin.RoleIdPAdmin, body: `{}`}, http.StatusBadRequest, "body_invalid")
	h.refused(t, request{method: "POST", path: at, role: admin.RoleIdPAdmin, body: `{"digest":"` + seenDigest + `"}`}, http.StatusBadRequest, "body_invalid")
	h.refused(t, request{method: "POST", path: at + "/accept", role: admin.RoleViewer, body: `{"digest":"` + seenDigest + `"}`}, http.StatusForbidden, "permission_denied")
	h.refused(t, request{method: "POST", path: "/admin/v1/identity-providers/none/metadata", role: admin.RoleIdPAdmin, body: `{}`}, http.StatusNotFound, "object_unknown")
	for code, err := range map[string]error{
		"metadata_not_pending": samlmetadata.ErrNotPending, "metadata_address_absent": samlmetadata.ErrNoAddress, "metadata_changed": samlmetadata.ErrConflict,
	} {
		idp.err = err
		h.refused(t, request{method: "POST", path: at, role: admin.RoleIdPAdmin, body: `{}`}, http.StatusConflict, code)
	}
	idp.err = &federation.Refusal{Code: federation.CodeSAMLMetadata}
	h.refused(t, request{method: "POST", path: at, role: admin.RoleIdPAdmin, body: `{"document":"<html/>"}`}, http.StatusUnprocessableEntity, "saml_metadata")
}

// TestMetadataOfTrustThatIsAsked: where a second person is asked about trust, here or by a tenant in which people of here decide,
// a program takes over nothing that an IdP changed itself.
func TestMetadataOfTrustThatIsAsked(t *testing.T) {
	for name, documents := range map[string][][2]string{
		"here": {{"/admin/v1/tenants/default", `{"apiVersion":"chancery/v1","kind":"Tenant","metadata":{"name":"default"},"spec":{"approval":{"trust":true}}}`}},
		"elsewhere": {
			{"/admin/v1/role-bindings/rulers", `{"apiVersion":"chancery/v1","kind":"RoleBinding","metadata":{"name":"rulers"},"spec":{"role":"owner","groups":["ops"],"tenants":"all"}}`},
			{"/admin/v1/tenants/acme", `{"apiVersion":"chancery/v1","kind":"Tenant","metadata":{"name":"acme"},"spec":{"approval":{"trust":true}}}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			idp := &said{}
			h := newHouse(t, func(c *admin.Config) { c.IdPMetadata = idp })
			h.ok(t, request{method: "PUT", path: "/admin/v1/identity-providers/okta", role: admin.RoleIdPAdmin, body: idpBody}, http.StatusCreated)
			for _, d := range documents {
				if w := h.do(t, request{method: "PUT", path: d[0], role: admin.RoleOwner, body: d[1]}); w.Code >= http.StatusBadRequest {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
			}
			h.refused(t, request{method: "POST", path: "/admin/v1/identity-providers/okta/metadata/accept", role: admin.RoleIdPAdmin, body: `{"digest":"` + seenDigest + `"}`}, http.StatusForbidden, "approver_no_person")
			if idp.asked != "" {
				t.Errorf("asked %q", idp.asked)
			}
		})
	}
}
