package assembly

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/samlmetadata"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/saml"
)

const (
	metadataEvery = time.Minute // between looks at which IdP's hour has come
	spKeysEvery   = time.Hour   // between looks at what is due to our keys for SAML
	samlPage      = 500
)

// openSAML comes before the pictures, which hold what IdPs say of themselves and our keys.
func (s *Server) openSAML(context.Context) error {
	store, err := s.store.ServiceProviderKeys(s.ledger)
	if err != nil {
		return err
	}
	if s.serviceProviders, err = keys.NewServiceProviders(store, s.secrets, s.Now, s.Log); err != nil {
		return err
	}
	s.metadata, err = samlmetadata.New(samlmetadata.Config{
		Store: s.store.SAMLMetadata(s.ledger), Fetch: fetch.New(s.Config.Egress.Policy()), Entries: s.metadataEntries, Now: s.Now, Log: s.Log,
	})
	if err != nil {
		return err
	}
	s.objects.After(s.wakeMetadata)
	return s.metrics.Register(certificateEnds{s.metadata, s.Now})
}

// wakeMetadata: a new address is asked at once.
func (s *Server) wakeMetadata(_ context.Context, a store.Applied) {
	for _, c := range a.Changes {
		if c.Kind == object.KindIdentityProvider {
			s.metadata.Wake()
			return
		}
	}
}

func (s *Server) watchMetadata(ctx context.Context) {
	ticks := time.NewTicker(metadataEvery)
	defer ticks.Stop()
	s.metadata.Run(ctx, ticks.C)
}

// watchServiceProviders does what is due to our keys for SAML.
func (s *Server) watchServiceProviders(ctx context.Context) {
	ticks := time.NewTicker(spKeysEvery)
	defer ticks.Stop()
	for {
		tenants, err := s.objects.Tenants(ctx)
		for _, t := range tenants {
			if err = s.serviceProviders.Refresh(ctx, t.Tenant); err != nil {
				break
			}
		}
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("service providers' keys could not be refreshed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// metadataEntries lists every SAML IdP.
func (s *Server) metadataEntries(ctx context.Context) ([]samlmetadata.Entry, error) {
	var entries []samlmetadata.Entry
	err := s.eachIdP(ctx, func(t object.Stored, o object.Object, spec *object.IdentityProviderSpec) {
		if spec.Disabled || !spec.SAML.IsSet() {
			return
		}
		if m, written := pinned(spec); written {
			entries = append(entries, samlmetadata.Entry{Tenant: t.Tenant, TenantName: t.Name, IdPUID: o.Metadata.UID, Name: o.Metadata.Name, Pinned: m})
		} else if entry, ok := s.metadataEntry(t.Tenant, t.Name, o, spec); ok {
			entries = append(entries, entry)
		}
	})
	return entries, err
}

// metadataEntry is what is asked for one IdP; false for one that has no address.
func (s *Server) metadataEntry(t tenant.UID, tenantName string, o object.Object, spec *object.IdentityProviderSpec) (samlmetadata.Entry, bool) {
	if spec.SAML.MetadataURL == "" {
		return samlmetadata.Entry{}, false
	}
	e := samlmetadata.Entry{
		Tenant: t, TenantName: tenantName, IdPUID: o.Metadata.UID, Name: o.Metadata.Name, URL: spec.SAML.MetadataURL, EntityID: spec.EntityID(),
		Network: fetch.Network{CABundle: spec.Network.CABundle, Proxy: spec.Network.Proxy, AllowPrivateAddresses: spec.Network.AllowPrivateAddresses},
	}
	if len(spec.SAML.MetadataCertificates) > 0 {
		signers, err := object.Certificates(spec.SAML.MetadataCertificates)
		if err != nil { // validation refuses it: with no signer that could be read, nothing is taken
			s.Log.Warn("an IdP's metadata cannot be verified", "tenant", tenantName, "idp", o.Metadata.Name, "error", err)
			return samlmetadata.Entry{}, false
		}
		e.Signers = signers
	}
	return e, true
}

// eachIdP visits every IdentityProvider of every tenant.
func (s *Server) eachIdP(ctx context.Context, visit func(t object.Stored, o object.Object, spec *object.IdentityProviderSpec)) error {
	tenants, err := s.objects.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		for after := ""; ; {
			found, err := s.path.List(ctx, t.Name, object.KindIdentityProvider, after, samlPage)
			if err != nil {
				return err
			}
			for _, o := range found {
				if spec, ok := o.Spec.(*object.IdentityProviderSpec); ok {
					visit(t, o, spec)
				}
			}
			if len(found) < samlPage {
				break
			}
			after = found[len(found)-1].Metadata.Name
		}
	}
	return nil
}

// certificateEnds tells when SAML IdPs' certificates end. The labels are names of objects, and fingerprints of what
// administrators accepted.
type certificateEnds struct {
	metadata *samlmetadata.Keeper
	now      func() time.Time
}

func endsDesc() *prometheus.Desc {
	return prometheus.NewDesc("chancery_idp_cert_not_after_seconds", "Seconds until a certificate of a SAML IdP ends; negative: it has, and what it signs is refused.", []string{"tenant", "idp", "certificate"}, nil)
}

func waitsDesc() *prometheus.Desc {
	return prometheus.NewDesc("chancery_saml_metadata_pending", "1 where an IdP's metadata changed and waits for an administrator.", []string{"tenant", "idp"}, nil)
}

// Describe implements prometheus.Collector.
func (certificateEnds) Describe(to chan<- *prometheus.Desc) {
	to <- endsDesc()
	to <- waitsDesc()
}

// Collect implements prometheus.Collector.
func (c certificateEnds) Collect(to chan<- prometheus.Metric) {
	for _, standing := range c.metadata.Standing() {
		waits := 0.0
		if standing.Pending {
			waits = 1
		}
		to <- prometheus.MustNewConstMetric(waitsDesc(), prometheus.GaugeValue, waits, standing.Tenant, standing.IdP)
		for certificate, end := range standing.Certificates {
			to <- prometheus.MustNewConstMetric(endsDesc(), prometheus.GaugeValue, end.Sub(c.now()).Seconds(), standing.Tenant, standing.IdP, certificate[:16])
		}
	}
}

// pinned reads what is written into an entry instead of being fetched.
func pinned(spec *object.IdentityProviderSpec) (*saml.Metadata, bool) {
	switch {
	case len(spec.SAML.Certificates) > 0:
		certificates, err := object.Certificates(spec.SAML.Certificates)
		return &saml.Metadata{EntityID: spec.EntityID(), Certificates: certificates}, err == nil
	case spec.SAML.Metadata != "":
		// Whose it is and who signed it was judged when it was applied.
		m, err := saml.ParseMetadata([]byte(spec.SAML.Metadata), saml.Expected{EntityID: spec.EntityID(), Loopback: spec.Network.AllowPrivateAddresses}, time.Time{})
		return &m, err == nil
	default:
		return nil, false
	}
}
