package snapshot

import (
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/federation/fetch"
)

// Webhook is where a company is told of events. Those that are disabled are in no picture.
type Webhook struct {
	URL       string
	Secret    object.SecretRef
	ManagedBy string // whose references to secrets are resolved
	Events    []string
	Network   fetch.Network
}

func webhooks(stored object.Stored, spec *object.TenantSpec) []Webhook {
	var all []Webhook
	for _, w := range spec.Webhooks {
		if w.Disabled || len(w.Events) == 0 {
			continue
		}
		all = append(all, Webhook{
			URL: w.URL, Secret: w.Secret, ManagedBy: stored.ManagedBy, Events: w.Events,
			Network: fetch.Network{CABundle: w.Network.CABundle, Proxy: w.Network.Proxy, AllowPrivateAddresses: w.Network.AllowPrivateAddresses},
		})
	}
	return all
}
