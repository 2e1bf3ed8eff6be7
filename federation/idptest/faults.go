package idptest

import (
	"fmt"
	"net/http"
	"strings"
)

// Fault is a way in which an endpoint fails.
type Fault string

// The faults. The empty one is none.
const (
	FaultDown     Fault = "down"     // 503
	FaultCut      Fault = "cut"      // the connection ends without an answer
	FaultSlow     Fault = "slow"     // no answer while the caller waits
	FaultHTML     Fault = "html"     // a page, as proxies answer
	FaultEmpty    Fault = "empty"    // a key set without keys
	FaultHuge     Fault = "huge"     // 10 MB
	FaultRedirect Fault = "redirect" // to another path of the same host
	FaultGarbage  Fault = "garbage"  // JSON that ends too soon
)

// Fail makes an endpoint fail, PathKeys or PathDiscovery for example, until it is
// called again with "".
func (p *IdP) Fail(path string, fault Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults[p.base+path] = fault
	if path == PathDiscovery { // its other place
		p.faults[PathMetadata+p.base] = fault
	}
}

func (f Fault) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch f {
	case FaultDown:
		http.Error(w, "down for maintenance", http.StatusServiceUnavailable)
	case FaultCut:
		panic(http.ErrAbortHandler)
	case FaultSlow:
		<-r.Context().Done()
	case FaultHTML:
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>Sign in to the proxy</title>")
	case FaultEmpty:
		fmt.Fprint(w, `{"keys":[]}`)
	case FaultHuge:
		fmt.Fprintf(w, `{"keys":[],"padding":%q}`, strings.Repeat("a", 10<<20))
	case FaultRedirect:
		http.Redirect(w, r, r.URL.Path+"/moved", http.StatusFound)
	case FaultGarbage:
		fmt.Fprint(w, `{"keys":[{"kty":"EC",`)
	default:
		http.Error(w, "unknown fault", http.StatusInternalServerError)
	}
}

// Break changes one thing in every ID-JAG that the exchange issues from now on:
// name is that of one of Mutations. Mend undoes it.
func (p *IdP) Break(name string) error {
	for _, mutation := range Mutations() {
		if mutation.Name == name {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.broken = &mutation
			return nil
		}
	}
	return fmt.Errorf("idptest: no mutation is named %q", name)
}

// Mend makes the exchange issue valid ID-JAGs again.
func (p *IdP) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = nil
}
