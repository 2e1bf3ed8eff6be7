package providertest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// The registration that every fake knows.
const (
	ClientID     = "client-1"
	ClientSecret = "canary-client-secret"
	Redirect     = "https://chancery.example.com/connect/callback"
)

// Server is one provider, reached through Transport at its real addresses.
type Server struct {
	profile Profile
	http    *httptest.Server
	now     func() time.Time

	mu       sync.Mutex
	switches Switches
	login    string
	codes    map[string]*code
	grants   []*grant
	access   map[string]*grant
	counts   map[string]int
	seen     []Seen
	faults   []Fault
	apps     []App
	hung     chan struct{}
}

// Switches change what a provider does, from now on.
type Switches struct {
	Decline       bool // the person says no
	WrongSecret   bool // the registration is not accepted any more
	IgnoreNarrow  bool // fewer scopes are not given, and the answer says so
	SilentNarrow  bool // nor does it say so
	NoSuccessor   bool // a refresh gives no refresh token
	RevokeOnReuse bool // a used token that comes again ends the whole grant
	NoExpiry      bool // answers do not say when a token ends
	FormAnswers   bool // answers are forms, whatever is accepted
	Claims        string
	Override      map[Refusal]Answer
}

// Seen is one request, as it came.
type Seen struct {
	Method, Address string
	Header          http.Header
	Form            url.Values // of a form, or the members of a JSON object
}

// grant is what one person gave.
type grant struct {
	login   string
	scopes  []string
	refresh string
	used    map[string]time.Time
	ended   bool
}

type code struct {
	grant     *grant
	challenge string
	redirect  string
}

// Start runs a provider. now is its clock.
func Start(p Profile, now func() time.Time) *Server {
	s := &Server{
		profile: p, now: now, login: "alice", codes: map[string]*code{}, access: map[string]*grant{}, counts: map[string]int{}, hung: make(chan struct{}),
	}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	return s
}

// Close stops it, and what hangs.
func (s *Server) Close() {
	close(s.hung)
	s.http.Close()
}

// Set moves the switches.
func (s *Server) Set(change func(*Switches)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.switches)
}

// As lets somebody else sit at the browser.
func (s *Server) As(login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.login = login
}

// Count tells how often something was asked: authorize, code, refresh, revoke, probe, sites, exchange, client, assertion, installation.
func (s *Server) Count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[what]
}

// Seen lists the requests so far.
func (s *Server) Seen() []Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// Works tells whether an access token is good now.
func (s *Server) Works(access string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.access[access]
	return ok && !g.ended
}

// Transport leads every address to the provider.
func (s *Server) Transport() http.RoundTripper {
	return transport{s.http.Listener.Addr().String(), s.http.Client().Transport}
}

type transport struct {
	to    string
	under http.RoundTripper
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.Host, out.URL.Scheme, out.URL.Host = r.URL.Host, "http", t.to
	return t.under.RoundTrip(out)
}

// Visit is a person's browser: it goes to an address, and comes back with a query.
func (s *Server) Visit(address string) (url.Values, error) {
	r, err := http.NewRequest(http.MethodGet, address, nil) //nolint:noctx // a browser of a test
	if err != nil {
		return nil, err
	}
	response, err := s.Transport().RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusFound {
		b, _ := io.ReadAll(response.Body)
		return url.Values{"refused": {string(b)}}, nil
	}
	back, err := response.Location()
	if err != nil {
		return nil, err
	}
	return back.Query(), nil
}

// URL is where the provider is on this machine: the address https://github.com/login is URL()/github.com/login there.
func (s *Server) URL() string { return s.http.URL }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if r.Host == s.http.Listener.Addr().String() {
		var rest string
		r.Host, rest, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		r.URL.Path = "/" + rest
	}
	address := r.Host + r.URL.Path
	if err := read(r); err != nil {
		http.Error(w, "cannot be read", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.seen = append(s.seen, Seen{r.Method, address, r.Header.Clone(), r.Form})
	s.mu.Unlock()
	switch p := s.profile; {
	case address == p.Authorize:
		s.authorize(w, r)
	case address == p.Token || p.Narrow != "" && address == p.Narrow:
		s.token(w, r)
	case p.Revoke != "" && (address == p.Revoke || strings.HasSuffix(p.Revoke, "/*") && strings.HasPrefix(address, strings.TrimSuffix(p.Revoke, "*"))):
		s.revoke(w, r)
	case p.Probe != "" && address == p.Probe:
		s.probe(w, r)
	case p.Sites != "" && address == p.Sites:
		s.count("sites")
		s.write(w, r, Answer{200, p.Sited})
	case r.Host == "api.github.com":
		s.installation(w, r)
	default:
		http.NotFound(w, r)
	}
}

// read puts a JSON object's text members where a form's would be.
func read(r *http.Request) error {
	r.Body = http.MaxBytesReader(nil, r.Body, 1<<20)
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return r.ParseForm()
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	r.Form = url.Values{"raw": {string(b)}}
	var object map[string]any
	if err := json.Unmarshal(b, &object); err != nil {
		return err
	}
	for name, v := range object {
		if text, ok := v.(string); ok {
			r.Form.Set(name, text)
		}
	}
	return nil
}

func value(r *http.Request, name string) string { return r.Form.Get(name) }

func (s *Server) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[what]++
}

func (s *Server) write(w http.ResponseWriter, _ *http.Request, a Answer) {
	s.mu.Lock()
	asForm := s.switches.FormAnswers
	s.mu.Unlock()
	if object, ok := a.Body.(map[string]any); ok && asForm {
		form := url.Values{}
		for name, v := range object {
			b, _ := json.Marshal(v)
			form.Set(name, strings.Trim(string(b), `"`))
		}
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		w.WriteHeader(a.Status)
		_, _ = io.WriteString(w, form.Encode())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.Status)
	_ = json.NewEncoder(w).Encode(a.Body)
}
