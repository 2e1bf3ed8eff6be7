package authorize

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/vault/connect"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// TestNotConnected: each way not to connect has its own code, and what nobody foresaw is an outage, never a connection.
func TestNotConnected(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		code oauth.Code
	}{
		{"the ten minutes are over", connect.ErrExpired, oauth.CodeConnectExpired},
		{"used already", connect.ErrGone, oauth.CodeConnectGone},
		{"another person", connect.ErrWrongPerson, oauth.CodeConnectWrongPerson},
		{"another browser", connect.ErrWrongBrowser, oauth.CodeBrowserMismatch},
		{"the person said no", connect.ErrDeclined, oauth.CodeConnectDeclined},
		{"an administrator holds it", connect.ErrHeld, oauth.CodeConnectionSuspended},
		{"the person was disabled meanwhile", connect.ErrEnded, oauth.CodeConnectEnded},
		{"an answer to another request", provider.ErrState, oauth.CodeConnectAnswerInvalid},
		{"nobody says whose it is", provider.ErrProbe, oauth.CodeConnectAccountUnread},
		{"nobody connects there", provider.ErrUnsupported, oauth.CodeConnectProviderUnknown},
		{"a refresh came between", connection.ErrMoved, oauth.CodeConnectGone},
		{"connected twice at once", connection.ErrTaken, oauth.CodeConnectGone},
		{"a manifest that cannot be used", downstream.ErrUnusable, oauth.CodeProviderMisconfigured},
		{"disabled meanwhile", downstream.ErrDisabled, oauth.CodeConnectProviderUnknown},
		{"deleted meanwhile", downstream.ErrNotThere, oauth.CodeConnectProviderUnknown},
		{"the provider refuses for good", &provider.Error{Outcome: provider.Terminal}, oauth.CodeConnectRefused},
		{"the provider refuses scopes", &provider.Error{Outcome: provider.ScopeRefused}, oauth.CodeConnectScopeRefused},
		{"our client is wrong there", &provider.Error{Outcome: provider.Misconfigured}, oauth.CodeProviderMisconfigured},
		{"too many", &provider.Error{Outcome: provider.RateLimited, RetryAfter: time.Minute}, oauth.CodeProviderRateLimited},
		{"the provider is away", &provider.Error{Outcome: provider.Transient}, oauth.CodeProviderUnavailable},
		{"nobody knows what it did", &provider.Error{Outcome: provider.Unknown}, oauth.CodeProviderUnavailable},
		{"the database is away", errors.New("connection refused"), oauth.CodeTenantUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := oauth.AsError(notConnected(fmt.Errorf("arrive: %w", c.err)))
			if got.Code != c.code {
				t.Errorf("%s, want %s", got.Code, c.code)
			}
			if limited, ok := errors.AsType[*provider.Error](c.err); ok && got.RetryAfter != limited.RetryAfter {
				t.Errorf("again in %s", got.RetryAfter)
			}
			if !errors.Is(got, c.err) {
				t.Error("the cause is lost to the log")
			}
		})
	}
}
