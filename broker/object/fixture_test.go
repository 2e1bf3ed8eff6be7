package object_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/objecttest"
	"github.com/chancery-dev/chancery/broker/secret"
)

const keySet = `{keys: [{kty: EC, crv: P-256, kid: k1, alg: ES256, use: sig, x: MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4, y: 4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM}]}`

const resourceDoc = `apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}
spec:
  uri: https://mcp.acme.com/notes
  scopes: {"notes:read": {risk: low, description: Read your notes}, "notes:write": {risk: high, implies: ["notes:read"]}}
  default_scopes: [notes:read]
  token: {lifetime: 10m, dpop: optional, algorithm: ES256, claims: []}
`

const clientDoc = `apiVersion: chancery/v1
kind: Client
metadata: {name: claude}
spec:
  display_name: Claude
  type: confidential
  auth: {method: client_secret_basic, audience: issuer, jwks_uri: "", jwks: {}, secret: {}}
  redirect_uris: []
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: [notes:read, notes:write]
  resources: [notes]
  dpop: optional
  idp_client_ids: {okta: 0oa1claude}
`

const workloadClientDoc = `apiVersion: chancery/v1
kind: Client
metadata: {name: build}
spec:
  type: confidential
  auth: {method: workload}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: [notes:read]
  resources: [notes]
`

const idpDoc = `apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: okta}
spec:
  disabled: false
  preset: okta
  issuer: https://acme.okta.com
  jwks: {uri: "", inline: {keys: []}, not_after: ""}
  network: {ca_bundle: "", proxy: "", allow_private_addresses: false}
  assertions:
    profiles: [id-jag]
    algorithms: [RS256, ES256]
    max_lifetime: 5m
    clock_skew: 30s
    clients: [claude]
    resources: [notes]
    scopes: [notes:read, notes:write]
    absent_scope: refuse
    reuse: single_use
    error_profile: ema-04
    tenants: []
    saml_entity_ids: []
  subject: {match: [sub_id, aud_sub, sub], provision: never, email_domains: [], guests: deny}
  claims:
    groups: groups
    groups_from: [claim, directory]
    groups_overage: deny
    group_aliases: {"00g1ab": notes-editors}
`

const userDoc = `apiVersion: chancery/v1
kind: User
metadata: {name: alice}
spec: {email: alice@acme.com, status: active, groups: [notes-editors], attributes: {floor: 3, none: null}, identities: [{idp: okta, sub: 00u1alice, tenant: "", sub_id: {}}]}
`

const policyDoc = `apiVersion: chancery/v1
kind: Policy
metadata: {name: notes}
spec:
  role: grant
  applies_to: {resources: [notes], actions: [issue]}
  template: group-scopes
  data: {grants: [{groups: [notes-editors], resource: notes, scopes: ["notes:write"]}]}
`

const tenantDoc = `apiVersion: chancery/v1
kind: Tenant
metadata: {name: acme}
spec: {display_name: Acme, plan: enterprise, status: active, timezone: Europe/Berlin, public_client_assertions: none, approval: {policies: false, trust: false}, limits: {}, registration: {dcr: "off", cimd: {mode: registered, hosts: [], scopes: [], resources: []}}}
`

func allDocs() string {
	return strings.Join([]string{resourceDoc, clientDoc, idpDoc, userDoc, policyDoc}, "---\n")
}

func decode(t *testing.T, text string) []object.Object {
	t.Helper()
	objects, err := object.Decode(strings.NewReader(text), object.Options{})
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	return objects
}

func decodeError(t *testing.T, text string) error {
	t.Helper()
	_, err := object.Decode(strings.NewReader(text), object.Options{})
	if err == nil {
		t.Fatal("decoded without an error")
	}
	return err
}

// mutate replaces one thing in a valid document, which must be there.
func mutate(t *testing.T, doc, from, to string) string {
	t.Helper()
	if !strings.Contains(doc, from) {
		t.Fatalf("the valid document does not hold %q", from)
	}
	return strings.Replace(doc, from, to, 1)
}

type checker struct{ refuse string }

func (c checker) CheckPolicy(_ context.Context, name string, _ *object.PolicySpec) []object.Problem {
	if name == c.refuse {
		return []object.Problem{{Path: "spec.tests", Code: "policy_test_failed", Text: "test test_it does not pass"}}
	}
	return nil
}

var begin = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

type house struct {
	path  *object.Path
	store *objecttest.Memory
	ref   map[string]string
	trial *trial
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{store: objecttest.New(), ref: map[string]string{}, trial: &trial{}}
	path, err := object.NewPath(object.Config{
		Store: h.store, Keys: h.store, Secrets: h.store, Checker: checker{refuse: "refused"}, Trial: h.trial,
		Now: func() time.Time { return begin },
		Resolve: func(r object.SecretRef) (secret.Text, error) {
			if v, found := h.ref[r.String()]; found {
				return secret.New(v), nil
			}
			return secret.Text{}, errors.New("there is no such variable")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := path.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.path = path
	return h
}

func by(manager string) object.Request {
	return object.Request{Manager: manager, By: audit.Principal{Kind: "token", Name: "ci"}, Trace: "trc_1"}
}

func (h *house) apply(t *testing.T, text string, r object.Request) object.Plan {
	t.Helper()
	plan, err := h.path.Apply(t.Context(), "default", decode(t, text), r)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return plan
}

func (h *house) applyError(t *testing.T, text string, r object.Request) error {
	t.Helper()
	before := len(h.store.Changes)
	_, err := h.path.Apply(t.Context(), "default", decode(t, text), r)
	if err == nil {
		t.Fatal("applied without an error")
	}
	if len(h.store.Changes) != before {
		t.Fatal("something was written although the apply was refused")
	}
	return err
}

func actionsOf(p object.Plan) string {
	var all []string
	for _, i := range p.Items {
		all = append(all, string(i.Action)+" "+string(i.Kind)+"/"+i.Name)
	}
	return strings.Join(all, ", ")
}

func hasWarning(p []object.Problem, code, path string) bool {
	for _, w := range p {
		if w.Code == code && (path == "" || w.Path == path) {
			return true
		}
	}
	return false
}
