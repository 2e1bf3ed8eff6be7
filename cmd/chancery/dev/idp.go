package dev

import (
	"context"
	"maps"
	"net"
	"net/http"
	"slices"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/federation/idptest"
)

const idpAlgorithm = "ES256"

// startIdP runs the fake IdP, in both of its protocols. Its key is the folder's, so that sign-ins outlive a restart.
func (w *World) startIdP(l net.Listener) error {
	var err error
	w.IdP, err = newIdP(&w.Context, w.company.key, w.options.Users)
	if err != nil {
		return err
	}
	w.IdP.AddClient(idptest.Client{
		ID: SignInID, Secret: w.company.secret.Reveal(), RedirectURIs: []string{w.Issuer + "/federation/oidc/" + IdPName + "/callback"},
	})
	signIn := w.unattended(w.IdP)
	mux := http.NewServeMux()
	for _, path := range []string{"/metadata", "/sso", "/sso/"} {
		mux.Handle(path, w.saml())
	}
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == idptest.PathToken {
			w.learn(r.Context())
		}
		signIn.ServeHTTP(rw, r)
	})
	w.serve(l, mux)
	return nil
}

func newIdP(c *Context, key *idptest.Key, users []idptest.User) (*idptest.IdP, error) {
	idp, err := idptest.New(idptest.Options{
		Issuer: c.IdP.Issuer, Algorithm: idpAlgorithm, Users: users,
		Clients: []idptest.Client{{
			ID: c.IdP.ClientID, RedirectURIs: []string{RedirectURI}, IDs: map[string]string{c.Issuer: c.Client.ID},
		}},
		Audiences: []idptest.Audience{{Issuer: c.Issuer, Resources: []string{c.Resource}, Scopes: []string{ScopeRead, ScopeWrite}}},
	})
	if err != nil {
		return nil, err
	}
	idp.UseKey(key)
	return idp, nil
}

// learn lets the IdP know every resource and client that is registered at Chancery, as an IdP's administrator would enter
// them: whoever protects a server of his own has one place less to configure. Where it cannot, the IdP stays as it is.
func (w *World) learn(ctx context.Context) {
	registered, err := w.Admin.Export(ctx)
	if err != nil {
		w.options.Log.Warn("the fake IdP could not learn what is registered", "error", err)
		return
	}
	audience := idptest.Audience{Issuer: w.Issuer, Resources: []string{}, Scopes: []string{}}
	for _, o := range registered {
		switch spec := o.Spec.(type) {
		case *object.ResourceSpec:
			audience.Resources = append(audience.Resources, spec.URI)
			audience.Scopes = append(audience.Scopes, slices.Sorted(maps.Keys(spec.Scopes))...)
		case *object.ClientSpec:
			id := spec.ClientID
			if id == "" {
				id = o.Metadata.Name
			}
			if id != w.Context.IdP.ClientID && id != SignInID { // the same at the IdP
				w.IdP.AddClient(idptest.Client{ID: id, RedirectURIs: []string{RedirectURI}})
			}
		}
	}
	w.IdP.AddAudience(audience)
}
