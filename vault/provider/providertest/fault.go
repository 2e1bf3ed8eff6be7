package providertest

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Fault is one way in which an answer does not come, or not as it should.
type Fault struct {
	Kind string // hang, drop, cut, html, status, slow
	// AfterUse: what was sent is used up first, as when a provider fails after it saved.
	AfterUse bool
	Status   int
	Header   map[string]string
	Body     any           // of status; nil: HTML, as from something in front
	Text     string        // of cut: what arrives
	Wait     time.Duration // of slow
	once     string
}

// Break makes the next request of a kind (see Count) fail. Faults queue.
func (s *Server) Break(what string, f Fault) {
	f.once = what
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
}

func (s *Server) fault(what string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, f := range s.faults {
		if f.once == what {
			s.faults = append(s.faults[:n:n], s.faults[n+1:]...)
			return &f
		}
	}
	return nil
}

const page = "<!doctype html><title>canary-description</title><h1>Bad gateway</h1>"

func (s *Server) spoil(w http.ResponseWriter, r *http.Request, f Fault, a *Answer) {
	for name, v := range f.Header {
		w.Header().Set(name, v)
	}
	switch f.Kind {
	case "hang":
		select {
		case <-s.hung:
		case <-r.Context().Done():
		}
	case "drop":
		panic(http.ErrAbortHandler)
	case "cut":
		b := []byte(`{"access_token":"access-`)
		if a != nil {
			b, _ = json.Marshal(a.Body)
		}
		if len(f.Header) == 0 {
			w.Header().Set("Content-Type", "application/json")
		}
		if f.Text != "" {
			b = []byte(f.Text + f.Text)
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(b)+1))
		_, _ = w.Write(b[:len(b)/2])
		_ = http.NewResponseController(w).Flush() // or nothing at all would arrive
		panic(http.ErrAbortHandler)
	case "html":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, page)
	case "slow":
		select {
		case <-time.After(f.Wait):
		case <-s.hung:
		}
		if a != nil {
			s.write(w, r, *a)
		}
	case "status":
		if f.Body != nil {
			s.write(w, r, Answer{f.Status, f.Body})
			return
		}
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, page)
	}
}
