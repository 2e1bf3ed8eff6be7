package assembly

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
)

// Time-outs of both listeners: who sends or reads slowly does not hold a connection for ever.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 60 * time.Second
	maxHeader         = 16 << 10
	drainTime         = 15 * time.Second // of which:
	noticeTime        = 3 * time.Second  // the listeners stay open while requests are served, so that probes are told
	closeTime         = 3 * time.Second  // is kept for the ledger's last batch and checkpoint
	noticeEvery       = 20 * time.Millisecond
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
	if err := s.note(ctx, audit.TypeStarted); err != nil { // what cannot be recorded cannot be served
		return errors.Join(err, s.close(context.WithoutCancel(ctx)))
	}
	if err := s.ready(ctx); err != nil { // builds the first picture before the first request needs it
		s.Log.Warn("not ready yet", "error", err)
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
	s.certificateGauge(pair.Leaf)
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
			ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
		},
	}
	s.listeners = append(s.listeners, served)
	go func() { served.failed <- served.server.Serve(l) }()
}

// PublicAddress is where the public listener listens.
func (s *Server) PublicAddress() string { return s.listeners[0].Addr().String() }

// PublicRoutes lists what the public listener serves.
func (s *Server) PublicRoutes() []string { return s.broker.Routes() }

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
	if errors.Is(failure, http.ErrServerClosed) { // somebody called Stop
		failure = nil
	}
	return errors.Join(failure, s.Stop(context.WithoutCancel(ctx)))
}

// Stop drains: readiness fails first, requests in flight are answered, the ledger writes a last checkpoint.
func (s *Server) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	s.broker.Drain()
	s.Log.Info("draining", "serving", s.broker.Serving())
	s.notice(ctx)
	err := s.shutdown(ctx)
	if s.stopWork != nil {
		s.stopWork()
	}
	s.work.Wait()
	if len(s.listeners) > 0 && len(s.closers) > 0 { // it did serve, and is not stopped yet
		err = errors.Join(err, s.note(ctx, audit.TypeStopped))
	}
	return errors.Join(err, s.close(ctx))
}

// notice keeps the listeners open while requests are in flight, for a while: /readyz says 503, and who asks goes elsewhere.
func (s *Server) notice(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, noticeTime)
	defer cancel()
	ticks := time.NewTicker(noticeEvery)
	defer ticks.Stop()
	for s.broker.Serving() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// shutdown closes both listeners at once and waits for what they serve, but not into the time of the ledger.
func (s *Server) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainTime-noticeTime-closeTime)
	defer cancel()
	errs := make([]error, len(s.listeners))
	var all sync.WaitGroup
	for i, l := range s.listeners {
		all.Go(func() {
			err := l.server.Shutdown(ctx)
			if errors.Is(err, context.DeadlineExceeded) { // a client that does not come to an end is no failure of ours
				s.Log.Warn("connections were cut", "listener", l.Addr().String())
				err = l.server.Close()
			}
			errs[i] = err
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
