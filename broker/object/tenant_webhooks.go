package object

import (
	"fmt"
	"slices"
)

// maxWebhooks bounds whom one tenant tells.
const maxWebhooks = 8

// TenantWebhook is where a company is told of events.
type TenantWebhook struct {
	URL      string     `json:"url,omitempty"`
	Secret   SecretRef  `json:"secret,omitzero"` // each message is signed with it
	Events   []string   `json:"events,omitempty"`
	Disabled bool       `json:"disabled,omitempty"`
	Network  IdPNetwork `json:"network,omitzero"`
}

// WebhookEvents are the events that a company can be told of.
func WebhookEvents() []string {
	return []string{
		"connection.created", "connection.refreshed", "connection.reauth_required", "connection.revoked", "connection.ended", "connection.suspended",
		"connection.resumed", "connection.alert", "approval.requested",
	}
}

func (s *TenantSpec) checkWebhooks(f *findings) {
	if len(s.Webhooks) > maxWebhooks {
		f.add("spec.webhooks", "%d webhooks: at most %d", len(s.Webhooks), maxWebhooks)
	}
	seen := map[string]bool{}
	for i, w := range s.Webhooks {
		at := fmt.Sprintf("spec.webhooks[%d]", i)
		if w.URL == "" {
			f.add(at+".url", "is required")
		}
		f.value(at+".url", w.URL, httpsProblem)
		if seen[w.URL] {
			f.add(at+".url", "%s is there twice", quote(w.URL))
		}
		seen[w.URL] = true
		if w.Secret.IsZero() {
			f.add(at+".secret", "is required: a message that is not signed could be anybody's")
		}
		f.secretRef(at+".secret", w.Secret)
		f.eachOf(at+".events", w.Events, WebhookEvents()...)
		w.Network.check(f)
	}
}

// warnWebhooks says what tells nothing.
func (s *TenantSpec) warnWebhooks(f *findings) {
	for i, w := range s.Webhooks {
		f.denies(fmt.Sprintf("spec.webhooks[%d].events", i), w.Events, "nothing is sent there")
	}
}

// webhooks warns of secrets that will not be read.
func (d *draft) webhooks() {
	for _, e := range d.entries {
		if e.object == nil || e.action == Unchanged {
			continue
		}
		s, ok := e.object.Spec.(*TenantSpec)
		if !ok {
			continue
		}
		if i := slices.IndexFunc(s.Webhooks, func(w TenantWebhook) bool { return !w.Secret.IsZero() && !d.path.mayRefer(d.request.Manager, w.Secret) }); i >= 0 {
			d.warn(Problem{
				Object: e.object.Label(), Path: fmt.Sprintf("spec.webhooks[%d].secret", i), Code: "secret_reference",
				Text: "references are resolved only for objects of the configuration file, so that whoever may write a Tenant does not read the server's " +
					"files by it: nothing is sent until the object is among objects:, or the reference among admin.secret_references",
			})
		}
	}
}
