package harness

import (
	"bytes"
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const simpleSAMLPages = "/usr/share/simplesamlphp/www"

// SimpleSAML is a real SimpleSAMLphp on loopback, for the time of a test.
type SimpleSAML struct {
	URL      string // without a trailing slash
	Password string // of everybody there
	Folder   string // SIMPLESAMLPHP_FOLDER: what its configuration reads while it runs
}

// StartSimpleSAML starts one with the configuration in a folder, in which getenv reads
// what is given (NAME=value). key and certificate, in PEM, are what it signs with. It
// fails the test when there is none.
func StartSimpleSAML(t testing.TB, configuration string, key, certificate []byte, environment ...string) *SimpleSAML {
	t.Helper()
	path, err := filepath.Abs(configuration)
	must(t, err)
	if _, err := os.Stat(simpleSAMLPages); err != nil {
		t.Fatalf("no SimpleSAMLphp: deploy/ci/install-tools.sh simplesamlphp (%v)", err)
	}
	folder := t.TempDir()
	must(t, os.WriteFile(filepath.Join(folder, "idp.pem"), key, 0o600))
	must(t, os.WriteFile(filepath.Join(folder, "idp.crt"), certificate, 0o600))
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	address := listener.Addr().String()
	must(t, listener.Close())
	s := &SimpleSAML{URL: "http://" + address, Password: rand.Text(), Folder: folder}

	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var log bytes.Buffer
	server := exec.CommandContext(ctx, "php", "-d", "display_errors=0", "-S", address, "-t", simpleSAMLPages)
	server.Env = append(server.Environ(), append(environment,
		"SIMPLESAMLPHP_CONFIG_DIR="+path, "SIMPLESAMLPHP_URL="+s.URL, "SIMPLESAMLPHP_FOLDER="+folder,
		"SIMPLESAMLPHP_SECRET="+rand.Text(), "SIMPLESAMLPHP_PASSWORD="+s.Password)...)
	server.Stdout, server.Stderr = &log, &log
	must(t, server.Start())
	t.Cleanup(func() {
		cancel()
		_ = server.Wait() // it was killed
		if t.Failed() {
			t.Logf("SimpleSAMLphp: %.4000s", log.String())
		}
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/saml2/idp/metadata.php", http.NoBody)
		must(t, err)
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return s
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("SimpleSAMLphp does not answer: %v", err)
		}
	}
}
