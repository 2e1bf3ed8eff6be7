package client

import (
	"fmt"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
)

// TestWhatIsWrongWithADocument is told, in whichever way its client comes: everybody can read it. What the registry only
// knows as no client reads as any other that is unknown.
func TestWhatIsWrongWithADocument(t *testing.T) {
	const place = "https://app.example.com/client.json"
	away := oauth.Refuse(oauth.CodeCIMDUnavailable, place, "")
	away.RetryAfter = time.Minute
	for name, change := range map[string]func(*Request){
		"its name": func(r *Request) { r.ClientID = place },
		"a secret": func(r *Request) { r.ClientID, r.ClientSecret = place, "chs_x" },
	} {
		b := newBench(t)
		r := request()
		change(&r)
		b.registry.err = away
		_, err := b.Authenticate(t.Context(), r)
		if refusal := refusalOf(t, err, oauth.CodeCIMDUnavailable); refusal.RetryAfter != time.Minute {
			t.Errorf("%s: %+v", name, refusal)
		}
		b.registry.err = fmt.Errorf("%w: %w", ErrUnknown, oauth.Refuse(oauth.CodeCIMDOff, "", ""))
		_, err = b.Authenticate(t.Context(), r)
		_ = refusalOf(t, err, oauth.CodeClientAuthenticationFailed)
	}
}
