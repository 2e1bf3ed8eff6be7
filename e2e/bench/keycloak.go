package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	keycloakScript = "deploy/ci/keycloak.sh"
	keycloakHeap   = "-Xms512m -Xmx2g"
	keysPath       = "/keys"
)

// onKeycloak starts the pinned one in production mode on the same PostgreSQL, with a realm that signs ES256, the same users,
// and the same key of an IdP. It keeps no record of a token, and forgets assertions when it ends.
func (t *target) onKeycloak(ctx context.Context, o options) error {
	s := t.scene
	s.keycloak, s.target = true, "&scope=notes%3Aread"
	keys, err := serveKeys(s)
	if err != nil {
		return err
	}
	s.plainIssuer = "http://" + keys.Addr
	db, err := makeDatabase(ctx, o.postgres)
	if err != nil {
		return errors.Join(err, keys.Close())
	}
	t.database = db.cpu()
	file := filepath.Join(s.folder, "bench-realm.json")
	text, err := json.Marshal(s.realm())
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	begun := time.Now()
	var exports string
	if err == nil {
		exports, err = runKeycloak(ctx, []string{
			"JAVA_OPTS_KC_HEAP=" + keycloakHeap, "KC_DB_URL=" + jdbc(db.ownerURL), "KC_DB_USERNAME=" + db.owner, "KC_DB_PASSWORD=" + db.owner,
		}, "start", "--db", "postgres", "--realm", file)
	}
	if err != nil {
		return errors.Join(err, keys.Close(), db.drop(context.WithoutCancel(ctx)))
	}
	t.started.FirstReadyMS, t.started.ReadyMS = milliseconds(time.Since(begun)), milliseconds(time.Since(begun))
	folder := exported(exports, "FOLDER")
	t.stop = func(ctx context.Context) error {
		ctx = context.WithoutCancel(ctx)
		_, err := runKeycloak(ctx, nil, "stop", folder)
		return errors.Join(err, keys.Close(), db.drop(ctx))
	}
	s.public = strings.TrimPrefix(exported(exports, "URL"), "http://")
	s.issuer = "http://" + s.public + realmPath
	pid, err := os.ReadFile(filepath.Join(folder, "pid"))
	if err != nil {
		return errors.Join(err, t.stop(ctx))
	}
	t.process = &process{}
	if t.process.group, err = strconv.Atoi(strings.TrimSpace(string(pid))); err != nil {
		return errors.Join(err, t.stop(ctx))
	}
	if err := pause(ctx, o.idle); err != nil {
		return errors.Join(err, t.stop(ctx))
	}
	if t.started.IdleKiB, err = t.process.memory("VmRSS"); err != nil {
		return errors.Join(err, t.stop(ctx))
	}
	if err := t.warm(ctx, o); err != nil {
		return errors.Join(err, t.stop(ctx))
	}
	return nil
}

// warm lets the JVM compile what will be measured.
func (t *target) warm(ctx context.Context, o options) error {
	for _, name := range []string{"jwt-bearer", pathClient, "introspection", "jwks", "metadata"} {
		for range 10 {
			l, err := t.level(ctx, pathOf(name), scaleAt, 2*time.Second, 0)
			if err = errors.Join(err, l.failures.err()); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if o.duration < time.Second { // somebody tries the program
				break
			}
		}
	}
	return nil
}

func runKeycloak(ctx context.Context, environment []string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, keycloakScript, arguments...)
	command.Env = append(os.Environ(), environment...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", keycloakScript, arguments[0], err, tail(stderr.String()))
	}
	return stdout.String(), nil
}

func exported(text, name string) string {
	found := regexp.MustCompile(`CHANCERY_TEST_KEYCLOAK_` + name + `='([^']+)'`).FindStringSubmatch(text)
	if found == nil {
		return ""
	}
	return found[1]
}

// jdbc writes a PostgreSQL URL as Java reads it; who connects is said apart.
func jdbc(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return "jdbc:postgresql://" + u.Host + u.Path
}

// serveKeys is the IdP's key set, which Keycloak fetches.
func serveKeys(s *scene) (*http.Server, error) {
	public, err := jwk(&s.key.PublicKey)
	if err != nil {
		return nil, err
	}
	public["kid"], public["alg"], public["use"] = keyID, "ES256", "sig"
	text, err := json.Marshal(map[string]any{"keys": []any{public}})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it listens as long as Keycloak runs
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Addr: l.Addr().String(), ReadHeaderTimeout: answerWithin,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(text)
		}),
	}
	go func() { _ = server.Serve(l) }()
	return server, nil
}
