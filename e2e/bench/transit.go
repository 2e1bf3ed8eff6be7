package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/keyring"
	"github.com/chancery-dev/chancery/vault/transit"
	"github.com/chancery-dev/chancery/vault/transit/transittest"
)

// addedDelay is what a Vault on another machine takes to answer.
const addedDelay = 5 * time.Millisecond

// sealing is the double of a Vault, over HTTP, in this process: its CPU time counts as the client's.
type sealing struct {
	*transittest.Server
	listener http.Server
}

func startSealing(delay time.Duration) (*sealing, error) {
	s := &sealing{Server: transittest.New()}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed with the server
	if err != nil {
		return nil, err
	}
	s.URL = "http://" + l.Addr().String()
	s.Slow(delay)
	s.listener = http.Server{Handler: s.Server, ReadHeaderTimeout: answerWithin}
	go func() { _ = s.listener.Serve(l) }() // until Close
	return s, nil
}

// calls counts what the Transit engine was asked.
func (s *sealing) calls() int { return s.Calls("transit/") }

// onTransit is onPostgres with what is stored sealed by a Vault.
func (t *target) onTransit(ctx context.Context, o options, delay time.Duration) error {
	double, err := startSealing(delay)
	if err != nil {
		return err
	}
	t.scene.vault = double
	if err := t.onPostgres(ctx, o); err != nil {
		return errors.Join(err, double.listener.Close())
	}
	stop := t.stop
	t.stop = func(ctx context.Context) error { return errors.Join(stop(ctx), double.listener.Close()) }
	return nil
}

// vaultSettings is the configuration of what seals.
func (s *scene) vaultSettings() (string, error) {
	if s.vault == nil {
		return "keyring: {file: \"" + filepath.Join(s.folder, "keyring") + "\"}", nil
	}
	file := filepath.Join(s.folder, "vault-token")
	return "backend: transit, transit: {address: \"" + s.vault.URL + "\", auth: {token: {file: \"" + file + "\"}}}",
		os.WriteFile(file, []byte(transittest.RootToken), 0o600)
}

// sealer seals as the server does; done gives it back.
func (s *scene) sealer() (sealer vault.Sealer, done func(), err error) {
	if s.vault == nil {
		keys, err := keyring.Load(s.settings["Keyring"].(string)) //nolint:forcetypeassert,errcheck // configure says it
		return keys, func() {}, err
	}
	client, err := transit.New(transit.Config{
		Address: s.vault.URL, Mount: "transit", Key: "chancery", Auth: transit.TokenAuth{Token: func() (string, error) { return transittest.RootToken, nil }},
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		return nil, nil, err
	}
	return client, client.Close, nil
}

// isTransit tells which subjects are sealed by a Vault.
func isTransit(subject string) bool { return strings.HasPrefix(subject, subjectTransit) }
