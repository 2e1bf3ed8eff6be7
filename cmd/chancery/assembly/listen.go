package assembly

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Time-outs of both listeners: who sends or reads slowly does not hold a connection for ever.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 60 * time.Second
	maxHeader         = 16 << 10
	drainTime         = 15 * time.Second
	sweepEvery        = time.Minute
)

type listener struct {
	net.Listener
	server *http.Server
	failed chan error
}

// Start opens the listeners and serves. It returns when both are open.
func (s *Server) Start(ctx context.Context) error {
	tlsConfig, err := s.tls()
	if err != nil {
		return errors.Join(err, s.close(context.WithoutCancel(ctx)))
	}
	public, err := s.open(ctx, s.Public, s.Config.Server.Listen)
	if err != nil {
		return errors.Join(fmt.Errorf("server.listen: %w", err), s.close(context.WithoutCancel(ctx)))
	}
	adminListener, err := s.open(ctx, s.Admin, s.Config.Admin.Listen)
	if err != nil {
		return errors.Join(fmt.Errorf("admin.listen: %w", err), public.Close(), s.close(context.WithoutCancel(ctx)))
	}
	if tlsConfig != nil {
		public = tls.NewListener(public, tlsConfig)
	}
	s.startWork(ctx)
	s.serve(public, s.broker, writeTimeout)
	s.serve(adminListener, s.admin.Handler(), 0) // exports and tails take their time
	s.Log.Info("serving", "issuer", s.Config.Server.PublicURL, "public", s.PublicAddress(), "admin", s.AdminAddress())
	return nil
}

func (s *Server) tls() (*tls.Config, error) {
	t := s.Config.Server.TLS
	if t.Cert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("server.tls: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}, nil
}

func (s *Server) open(ctx context.Context, given net.Listener, address string) (net.Listener, error) {
	if given != nil {
		return given, nil
	}
	var listen net.ListenConfig
	return listen.Listen(ctx, "tcp", address)
}

func (s *Server) serve(l net.Listener, handler http.Handler, write time.Duration) {
	served := &listener{
		Listener: l,
		failed:   make(chan error, 1),
		server: &http.Server{
			Handler: handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: write, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		},
	}
	s.listeners = append(s.listeners, served)
	go func() { served.failed <- served.server.Serve(l) }()
}

// PublicAddress is where the public listener listens.
func (s *Server) PublicAddress() string { return s.listeners[0].Addr().String() }

// AdminAddress is where the admin listener listens.
func (s *Server) AdminAddress() string { return s.listeners[1].Addr().String() }

// Wait serves until the context ends, then drains. A listener that fails ends it too.
func (s *Server) Wait(ctx context.Context) error {
	var failure error
	select {
	case <-ctx.Done():
	case failure = <-s.listeners[0].failed:
	case failure = <-s.listeners[1].failed:
	}
	return errors.Join(failure, s.Stop(context.WithoutCancel(ctx)))
}

// Stop drains: readiness fails first, requests in flight are answered, the ledger writes a last checkpoint.
func (s *Server) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	s.broker.Drain()
	s.Log.Info("draining")
	var errs []error
	for _, l := range s.listeners {
		if err := l.server.Shutdown(ctx); err != nil {
			errs = append(errs, err, l.server.Close())
		}
	}
	s.stopWork()
	s.work.Wait()
	return errors.Join(append(errs, s.close(ctx))...)
}
