package object

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/strict"
)

// settle fills what an object says of itself by not saying it: a client's id is its name.
func (o *Object) settle() {
	if c, ok := o.Spec.(*ClientSpec); ok && c.ClientID == "" {
		c.ClientID = o.Metadata.Name
	}
	if idp, ok := o.Spec.(*IdentityProviderSpec); ok {
		idp.settle()
	}
	if settled, err := withoutEmpty(o.Kind, o.Spec); err == nil { // else Validate or the store says why
		o.Spec = settled
	}
}

// withoutEmpty writes a spec down and reads it again: an empty list then is an
// absent one, and a group of absent members is absent, so that two ways of saying
// nothing are stored and exported as one.
func withoutEmpty(kind Kind, s Spec) (Spec, error) {
	if s == nil {
		return nil, errNoSpec
	}
	text, err := canonicalSpec(s)
	if err != nil {
		return nil, err
	}
	return ParseSpec(kind, text)
}

var errNoSpec = errors.New("no spec")

// Validate checks one object alone.
func (o *Object) Validate() error {
	var f findings
	if wrong := nameProblem(o.Metadata.Name); wrong != "" {
		f.add("metadata.name", "%s %s", quote(o.Metadata.Name), wrong)
	}
	f.value("metadata.tenant", o.Metadata.Tenant, nameProblem)
	if o.Kind == KindTenant && o.Metadata.Tenant != "" && o.Metadata.Tenant != o.Metadata.Name {
		f.add("metadata.tenant", "a Tenant belongs to itself: leave it out")
	}
	if len(o.Metadata.Labels) > maxLabels {
		f.add("metadata.labels", "%d labels: at most %d", len(o.Metadata.Labels), maxLabels)
	}
	for _, name := range labelNames(o.Metadata.Labels) {
		f.text("metadata.labels", name)
		f.text("metadata.labels."+name, o.Metadata.Labels[name])
	}
	if o.Spec == nil {
		f.add("spec", "is required")
		return f.err()
	}
	if p, ok := o.Spec.(*PolicySpec); ok && p.Binds == BindsAll && o.TenantName() != tenant.DefaultName {
		f.add("spec.binds", "all is for a guard of the tenant default: no tenant rules another")
	}
	if b, ok := o.Spec.(*RoleBindingSpec); ok && b.Tenants == TenantsAll && o.TenantName() != tenant.DefaultName {
		f.add("spec.tenants", "all is for tenant default: the people of no other tenant rule their neighbours")
	}
	if err := o.Spec.Validate(); err != nil {
		f.merge(err)
	}
	return f.err()
}

// Warnings are what is likely a mistake, or without effect, in one object alone.
func (o *Object) Warnings() []Problem {
	w, ok := o.Spec.(interface{ Warnings() []Problem })
	if !ok {
		return nil
	}
	problems := w.Warnings()
	for i := range problems {
		problems[i].Object = o.Label()
	}
	return problems
}

// TenantName is the tenant that the object says it belongs to; a Tenant belongs to itself.
func (o *Object) TenantName() string {
	switch {
	case o.Kind == KindTenant:
		return o.Metadata.Name
	case o.Metadata.Tenant == "":
		return tenant.DefaultName
	default:
		return o.Metadata.Tenant
	}
}

// Label names the object for people.
func (o *Object) Label() string { return string(o.Kind) + " " + o.Metadata.Name }

func labelNames(labels map[string]string) []string {
	names := make([]string, 0, len(labels))
	for name := range labels {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// canonicalSpec is how a spec is stored: members in the order of their kind, absent ones left out.
func canonicalSpec(s Spec) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		return nil, fmt.Errorf("encode spec: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// ParseSpec reads a stored spec.
func ParseSpec(kind Kind, spec []byte) (Spec, error) {
	s := NewSpec(kind)
	if s == nil {
		return nil, fmt.Errorf("stored object of kind %q, which is not served", kind)
	}
	if err := strict.Decode(spec, s); err != nil {
		return nil, fmt.Errorf("stored %s: %w", kind, err)
	}
	return s, nil
}

// Object gives the outer form of a stored object back.
func (s Stored) Object(tenantName string) (Object, error) {
	spec, err := ParseSpec(s.Kind, s.Spec)
	if err != nil {
		return Object{}, err
	}
	o := Object{
		APIVersion: APIVersion, Kind: s.Kind, Spec: spec,
		Metadata: Metadata{
			Name: s.Name, Labels: s.Labels, UID: s.UID, Revision: s.Revision, ManagedBy: s.ManagedBy,
			CreatedAt: &s.CreatedAt, UpdatedAt: &s.UpdatedAt,
		},
	}
	if s.Kind != KindTenant && tenantName != tenant.DefaultName {
		o.Metadata.Tenant = tenantName
	}
	return o, nil
}
