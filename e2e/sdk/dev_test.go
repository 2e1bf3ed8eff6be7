package sdk

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// TestDevTakesDocumentsOfThisMachine: chancery dev as it is, and a client whose metadata document is served on this machine. The
// document is really fetched. Bob reads, and signs in more strongly to write.
func TestDevTakesDocumentsOfThisMachine(t *testing.T) {
	var fetches atomic.Int64
	var documents *httptest.Server
	documents = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetches.Add(1)
		var members map[string]any
		_ = json.Unmarshal([]byte(documentOfClient), &members)
		members["client_id"] = documents.URL + r.URL.Path
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(members)
	}))
	t.Cleanup(documents.Close)
	certificate := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: documents.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	resource := startDev(t, "SSL_CERT_FILE="+certificate)
	for language, start := range sdks() {
		t.Run(language, func(t *testing.T) {
			before := fetches.Load()
			a := start(t)
			bob := task{"client_metadata_url": documents.URL + "/" + language + ".json", "person": "bob"}
			got := connectedTo(t, a, &notebook{uri: resource}, bob)
			if !strings.HasPrefix(got.Seen.Subject, "usr_") || fetches.Load() != before+1 {
				t.Errorf("%+v, the document was fetched %d times", got, fetches.Load()-before)
			}
			more := a.do(t, call("add_note").with(task{"person": "bob", "arguments": map[string]any{"title": language, "text": "written"}}))
			if !strings.Contains(more.once(t).Get("scope"), "notes:write") {
				t.Errorf("%+v", more)
			}
			// Eve may do nothing, whatever her client.
			bob["person"] = "eve"
			a.do(t, connectTo(resource, bob)).failed(t, "access_denied")
		})
	}
}

// startDev runs chancery dev on free ports and returns the address of its MCP server.
func startDev(t *testing.T, environ ...string) (resource string) {
	t.Helper()
	command := exec.Command(harness.Binary(t), "dev", "--ephemeral", "--host", "127.0.0.1", "--port", "0", "--output", "json")
	command.Dir = t.TempDir()
	command.Env = append(command.Environ(), environ...)
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGINT)
		_ = command.Wait()
	})
	var ready struct {
		Resource string `json:"resource"`
	}
	if err := json.NewDecoder(out).Decode(&ready); err != nil {
		t.Fatal(err)
	}
	return ready.Resource
}
