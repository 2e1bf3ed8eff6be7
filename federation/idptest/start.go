package idptest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// TB is what Start needs of a *testing.T.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Running is an IdP that listens on loopback for the time of a test.
type Running struct {
	*IdP
	tb TB
}

// Start runs an IdP until the test ends. Without an Issuer in the options, it is
// the address that it listens on.
func Start(tb TB, options Options) *Running {
	tb.Helper()
	idp, stop, err := Listen(options)
	if err != nil {
		tb.Fatalf("start the IdP: %v", err)
		return nil
	}
	tb.Cleanup(stop)
	return &Running{IdP: idp, tb: tb}
}

// Listen runs an IdP on a free port of 127.0.0.1 until stop is called. Without an
// Issuer in the options, it is the address that it listens on.
func Listen(options Options) (idp *IdP, stop func(), err error) {
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("idptest: listen: %w", err)
	}
	if options.Issuer == "" {
		options.Issuer = "http://" + listener.Addr().String()
	}
	idp, err = New(options)
	if err != nil {
		listener.Close()
		return nil, nil, err
	}
	server := &http.Server{Handler: idp, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends with ErrServerClosed
	}()
	return idp, func() {
		_ = server.Close()
		<-done
	}, nil
}

// IDJAG is IdP.IDJAG; it ends the test instead of failing.
func (r *Running) IDJAG(user string, options ...Option) string {
	r.tb.Helper()
	assertion, err := r.IdP.IDJAG(user, options...)
	if err != nil {
		r.tb.Fatalf("make an ID-JAG of %s: %v", user, err)
	}
	return assertion
}

// IDToken is IdP.IDToken; it ends the test instead of failing.
func (r *Running) IDToken(user, clientID string, options ...Option) string {
	r.tb.Helper()
	token, err := r.IdP.IDToken(user, clientID, options...)
	if err != nil {
		r.tb.Fatalf("make an ID token of %s: %v", user, err)
	}
	return token
}
