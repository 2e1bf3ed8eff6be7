package assembly

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault"
)

// A text of Vault's is asked for once a minute, is the last known one while Vault is away, and never one that Vault refuses.
func TestVaultTexts(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	asked, answer, failure := 0, "first", error(nil)
	v := &vaultTexts{now: func() time.Time { return now }, ask: func(context.Context, string) (string, error) {
		asked++
		return answer, failure
	}}
	want := func(value string, calls int) {
		t.Helper()
		if got, err := v.read("kv/a#b"); err != nil || got != value || asked != calls {
			t.Fatalf("%q %v after %d calls, want %q after %d", got, err, asked, value, calls)
		}
	}
	want("first", 1)
	answer = "second"
	want("first", 1)
	now = now.Add(textsFor)
	want("second", 2)
	now, failure = now.Add(textsFor), vault.ErrUnavailable
	want("second", 3)
	if _, err := v.read("kv/other#b"); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("what was never read: %v", err)
	}
	failure = errors.New("there is no such secret")
	if _, err := v.read("kv/a#b"); err == nil {
		t.Error("a secret that was taken away is still good")
	}
}
