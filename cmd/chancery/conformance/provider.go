package conformance

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// person is whom every assertion speaks of.
const person = "person"

// newProvider makes the IdP that the suite plays. Only its keys and its metadata
// are ever served: an idptest.IdP gives assertions to anybody who asks.
func newProvider(s Settings, issuer string, now func() time.Time) (*idptest.IdP, error) {
	audience := idptest.Audience{Issuer: s.Target, Scopes: s.Scopes}
	if s.Resource != "" {
		audience.Resources = []string{s.Resource}
	}
	provider, err := idptest.New(idptest.Options{
		Issuer: issuer, Now: now, Algorithm: s.IdP.Algorithm,
		Users:            []idptest.User{{Name: person, Subject: s.Subject, Email: s.Email, EmailVerified: s.Email != "", Claims: s.Claims}},
		Clients:          []idptest.Client{{ID: s.Client.ID}},
		Audiences:        []idptest.Audience{audience},
		KeysCacheControl: "max-age=60",
	})
	if err != nil {
		return nil, err
	}
	key, err := signingKey(s.IdP)
	if err != nil {
		return nil, err
	}
	provider.UseKey(key)
	return provider, nil
}

// signingKey is the file's, or a fresh one. Its kid is its thumbprint: a target that
// kept the key set of an earlier run sees that it does not know the key.
func signingKey(idp IdP) (*Key, error) {
	if idp.KeyFile != "" {
		key, err := ReadKey(idp.KeyFile, "")
		if err != nil {
			return nil, fmt.Errorf("idp.key_file: %w", err)
		}
		if key.Algorithm != idp.Algorithm {
			return nil, fmt.Errorf("idp.key_file: a key for %s, and idp.algorithm is %s", key.Algorithm, idp.Algorithm)
		}
		return key, nil
	}
	key, err := idptest.NewKey("", idp.Algorithm)
	if err != nil {
		return nil, err
	}
	key.ID, err = jwks.Thumbprint(key.Signer.Public())
	return key, err
}

// listen serves what a target may fetch of the IdP: metadata and keys. issuer is
// "" where the address that it listens on is the issuer.
func listen(ctx context.Context, s Settings, now func() time.Time) (provider *idptest.IdP, stop func(), err error) {
	if s.IdP.Listen == Nothing {
		if s.IdP.URL == "" {
			return nil, nil, fmt.Errorf("idp.url: the issuer of the assertions is missing, and nothing is served")
		}
		provider, err = newProvider(s, s.IdP.URL, now)
		return provider, func() {}, err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", s.IdP.Listen)
	if err != nil {
		return nil, nil, fmt.Errorf("serve the IdP's keys: %w", err)
	}
	issuer := s.IdP.URL
	if issuer == "" {
		issuer = "http://" + listener.Addr().String()
	}
	provider, err = newProvider(s, issuer, now)
	if err != nil {
		_ = listener.Close()
		return nil, nil, err
	}
	server := &http.Server{Handler: public(provider), ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends with ErrServerClosed
	}()
	return provider, func() {
		_ = server.Close()
		<-done
	}, nil
}

// pathOfAttacker is where broken headers say that keys are (jku, x5u).
const pathOfAttacker = "/keys-of-the-attacker"

// public lets through what is public. What an attacker's header names is counted
// and found nowhere.
func public(provider *idptest.IdP) http.Handler {
	var base string
	if u, err := url.Parse(provider.Issuer()); err == nil {
		base = strings.TrimSuffix(u.Path, "/")
	}
	open := map[string]bool{
		base + idptest.PathKeys: true, base + idptest.PathDiscovery: true, idptest.PathMetadata + base: true, base + pathOfAttacker: true,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !open[r.URL.Path] {
			http.NotFound(w, r)
			return
		}
		provider.ServeHTTP(w, r)
	})
}
