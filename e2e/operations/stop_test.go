package operations

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// F19: SIGTERM with requests in flight: readiness fails first, nothing is cut, the process ends well.
func TestDrain(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := harness.Start(t, harness.Options{Engine: e})
		// Requests whose bodies are still on their way when the signal comes.
		const n = 20
		lines := make([]*half, n)
		for i := range lines {
			lines[i] = begin(t, w)
		}
		harness.Eventually(t, 5*time.Second, "the requests are in flight", func() bool { return w.Server().Ready() == http.StatusOK })
		time.Sleep(100 * time.Millisecond) // they were read as far as they came
		w.Server().Signal()
		harness.Eventually(t, 5*time.Second, "the drain began", func() bool { return strings.Contains(w.Server().Log(), "draining") })
		for i, l := range lines {
			if answer := l.finish(t); !strings.HasPrefix(answer, "HTTP/1.1 200") {
				t.Errorf("request %d was cut: %.200q", i, answer)
			}
		}
		if err := w.Server().Wait(16 * time.Second); err != nil {
			t.Errorf("the server ended with %v", err)
		}
		if db := w.DB.Open(t); harness.Count(t, db, "select count(*) from issued_tokens") != n {
			t.Error("not every answer has its row")
		}
		w.Server().Restart()
		w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
	})
}

// While a server drains it still answers who asks whether to send more, and what it has begun it ends.
func TestReadinessWhileDraining(t *testing.T) {
	w := harness.Start(t, harness.Options{Engine: harness.SQLite})
	w.IdP.Fail(idptest.PathKeys, idptest.FaultSlow) // a request waits three seconds for its keys
	var answer harness.Answer
	var waiting sync.WaitGroup
	defer waiting.Wait()
	c := w.NewCall(w.IdP.IDJAG(idptest.Alice))
	waiting.Go(func() {
		var err error
		if answer, err = harness.TrySend(t.Context(), http.DefaultClient, w.Server(), c); err != nil {
			t.Errorf("a request in flight was cut: %v", err)
		}
	})
	harness.Eventually(t, 5*time.Second, "the request is in flight", func() bool { return w.IdP.Requests(idptest.PathKeys) > 0 })
	w.Server().Signal()
	harness.Eventually(t, 2*time.Second, "readiness is 503", func() bool { return w.Server().Ready() == http.StatusServiceUnavailable })
	waiting.Wait()
	answer.Refused(t, http.StatusServiceUnavailable, "temporarily_unavailable", "keys_unavailable")
	if err := w.Server().Wait(16 * time.Second); err != nil {
		t.Error(err)
	}
}

// half is a request of which the last byte is still to come.
type half struct {
	connection net.Conn
	rest       string
}

func begin(t *testing.T, w *harness.World) *half {
	t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(w.Server().Base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	body := w.NewCall(w.IdP.IDJAG(idptest.Alice)).Form.Encode()
	cut := len(body) - 1
	if _, err := fmt.Fprintf(connection, "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:cut]); err != nil {
		t.Fatal(err)
	}
	return &half{connection, body[cut:]}
}

func (h *half) finish(t *testing.T) string {
	t.Helper()
	if _, err := h.connection.Write([]byte(h.rest)); err != nil {
		return err.Error()
	}
	_ = h.connection.SetReadDeadline(time.Now().Add(10 * time.Second))
	buffer := make([]byte, 4096)
	n, err := h.connection.Read(buffer)
	if err != nil {
		return err.Error()
	}
	return string(buffer[:n])
}
