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

// F3, F4, F15: without its database a server issues nothing, says so soon, and recovers by itself.
func TestDatabaseGone(t *testing.T) {
	for name, how := range map[string]func(*harness.Proxy){"cut": (*harness.Proxy).Cut, "hangs": (*harness.Proxy).Hang} {
		t.Run(name, func(t *testing.T) {
			var line *harness.Proxy
			w := harness.Start(t, harness.Options{Engine: harness.Postgres, Dial: func(url string) string {
				through, p := harness.Before(t, url)
				line = p
				return through
			}})
			w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
			how(line)
			assertion := w.IdP.IDJAG(idptest.Alice)
			for range 3 {
				begun := time.Now()
				a := w.Redeem(assertion)
				if took := time.Since(begun); took > 6*time.Second {
					t.Errorf("it took %s to say so", took)
				}
				if a.Status != http.StatusServiceUnavailable || a.Error != "temporarily_unavailable" || a.Header.Get("Retry-After") == "" {
					t.Errorf("%d %s %v", a.Status, a.Body, a.Header)
				}
				a.WellFormed(t)
			}
			if ready := w.Server().Ready(); ready != http.StatusServiceUnavailable {
				t.Errorf("readiness %d", ready)
			}
			if live := w.Server().Get("/livez"); live.Status != http.StatusOK {
				t.Errorf("liveness %d", live.Status)
			}
			line.Mend()
			harness.Eventually(t, 8*time.Second, "the server recovers", func() bool {
				return w.Server().Ready() == http.StatusOK && w.Redeem(w.IdP.IDJAG(idptest.Alice)).Status == http.StatusOK
			})
			w.Redeem(assertion) // whether it was used is the database's to know; at most once
			if db := w.DB.Open(t); harness.Count(t, db, "select count(*) from issued_tokens") > 3+3 {
				t.Error("more tokens than assertions")
			}
		})
	}
}

// F11: an IdP whose keys cannot be had, before any were.
func TestKeysDown(t *testing.T) {
	for _, fault := range []idptest.Fault{idptest.FaultDown, idptest.FaultCut, idptest.FaultSlow, idptest.FaultHTML, idptest.FaultEmpty, idptest.FaultHuge, idptest.FaultRedirect, idptest.FaultGarbage} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			w := harness.Start(t, harness.Options{Engine: harness.SQLite})
			w.IdP.Fail(idptest.PathKeys, fault)
			assertion := w.IdP.IDJAG(idptest.Alice)
			begun := time.Now()
			a := w.Redeem(assertion).Refused(t, http.StatusServiceUnavailable, "temporarily_unavailable", "keys_unavailable")
			if took := time.Since(begun); took > 6*time.Second || a.Header.Get("Retry-After") == "" {
				t.Errorf("%s, %v", took, a.Header)
			}
			if w.Server().Ready() != http.StatusOK {
				t.Error("an IdP made us unready")
			}
			before := w.IdP.Requests(idptest.PathKeys)
			for range 20 { // T53
				w.Redeem(w.IdP.IDJAG(idptest.Alice)).Refused(t, http.StatusServiceUnavailable, "temporarily_unavailable", "keys_unavailable")
			}
			if made := w.IdP.Requests(idptest.PathKeys) - before; made > 1 {
				t.Errorf("%d more fetches for 20 requests", made)
			}
		})
	}
}

// Keys that were had once stay good while the IdP is down.
func TestKeysStay(t *testing.T) {
	w := harness.Start(t, harness.Options{Engine: harness.SQLite})
	w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
	w.IdP.Fail(idptest.PathKeys, idptest.FaultDown)
	w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
	unknown, err := idptest.NewKey("key-9", "ES256")
	if err != nil {
		t.Fatal(err)
	}
	w.Redeem(w.IdP.IDJAG(idptest.Alice, idptest.WithKey(unknown))).Refused(t, http.StatusBadRequest, "invalid_grant", "assertion_untrusted")
	w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
}

// T56, F21: clients that send a byte now and then hold nobody up.
func TestSlowClients(t *testing.T) {
	w := harness.Start(t, harness.Options{Engine: harness.SQLite, Config: map[string]any{"log.level": "info"}})
	w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
	address := strings.TrimPrefix(w.Server().Base, "http://")
	const n = 1500
	lines := make([]net.Conn, 0, n)
	defer func() {
		for _, l := range lines {
			_ = l.Close()
		}
	}()
	for range n {
		l, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
		_, _ = fmt.Fprint(l, "POST /token HTTP/1.1\r\nHost: x\r\nX-Slow:")
	}
	for range 20 {
		begun := time.Now()
		if w.Server().Ready() != http.StatusOK || time.Since(begun) > time.Second {
			t.Errorf("readiness took %s", time.Since(begun))
		}
		w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
	}
	// Who does not finish a header within five seconds is let go.
	closed := 0
	deadline := time.Now().Add(8 * time.Second)
	for _, l := range lines[:100] {
		_ = l.SetReadDeadline(deadline)
		if _, err := l.Read(make([]byte, 512)); err != nil && !strings.Contains(err.Error(), "timeout") {
			closed++
		} else if err == nil {
			closed++ // 408, and the end
		}
	}
	if closed < 100 {
		t.Errorf("%d of 100 were let go", closed)
	}
}

// Past limits.in_flight the answer is quick and says when to come back. Who is still sending takes no one's place.
func TestOverload(t *testing.T) {
	w := harness.Start(t, harness.Options{Engine: harness.SQLite, Config: map[string]any{"limits.in_flight": 4}})
	for range 20 {
		begin(t, w)
	}
	w.Redeem("nonsense").Refused(t, http.StatusBadRequest, "invalid_grant", "assertion_malformed")

	w.IdP.Fail(idptest.PathKeys, idptest.FaultSlow) // requests wait for its keys
	var waiting sync.WaitGroup
	defer waiting.Wait()
	var a harness.Answer
	harness.Eventually(t, 2*time.Second, "the slots are taken", func() bool {
		c := w.NewCall(w.IdP.IDJAG(idptest.Alice)) // one more: what comes while we ask may be turned away itself
		waiting.Go(func() {
			if _, err := harness.TrySend(t.Context(), http.DefaultClient, w.Server(), c); err != nil {
				t.Error(err)
			}
		})
		a = w.Redeem("nonsense")
		return a.Status == http.StatusServiceUnavailable
	})
	a.Refused(t, http.StatusServiceUnavailable, "temporarily_unavailable", "overloaded")
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if w.Server().Ready() != http.StatusOK {
		t.Error("readiness waits behind requests")
	}
}
