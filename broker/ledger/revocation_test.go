package ledger

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/tenant"
)

func TestRevocationKeys(t *testing.T) {
	now := time.Now()
	jti := id.New(id.Token, now)
	key, ok := RevocationKey(jti)
	if !ok || strings.TrimRight(string(key[:]), "\x00") != jti {
		t.Errorf("the key of %s is %q, %v", jti, key, ok)
	}
	for _, none := range []string{"", "tok_", jti[4:], "evt_" + jti[4:], jti + "0", jti + "\x00"} {
		if key, ok := RevocationKey(none); ok || key != [32]byte{} {
			t.Errorf("%q has the key %q", none, key)
		}
	}
	uid := tenant.MustParseUID("ten_acme")
	if r, ok := Revocation(uid, jti, now); !ok || r.Tenant != uid || r.Space != SpaceRevokedToken || r.Key != key || r.ExpiresAt != now || r.Always {
		t.Errorf("%+v, %v", r, ok)
	}
	if _, ok := Revocation(uid, "x", now); ok {
		t.Error("what is no token's id can be revoked")
	}
}

// The version is the one that the commit compares: the token's own tenant's.
func TestTokensCarryTheirVersion(t *testing.T) {
	acme, root := tenant.MustParseUID("ten_acme"), tenant.MustParseUID("ten_root")
	given := &IssuedToken{ID: "tok_1", Tenant: acme}
	e := Entry{Tenant: acme, Token: given, Pictures: []Picture{{Tenant: root, Version: 9}, {Tenant: acme, Version: 7}}}.versioned()
	if e.Token.Version != 7 || given.Version != 0 {
		t.Errorf("version %d, the caller's %d", e.Token.Version, given.Version)
	}
	if e := (Entry{Tenant: acme}).versioned(); e.Token != nil {
		t.Error("a token out of nothing")
	}
}

// A lease is decided on a picture of its tenant, as a token is: without, nothing would be compared.
func TestLeasesNeedAPicture(t *testing.T) {
	acme := tenant.MustParseUID("ten_acme")
	e := Entry{
		Tenant: acme, Pictures: []Picture{{Tenant: acme, Version: 7}},
		Event: audit.Event{ID: "evt_1", At: time.Unix(1, 0), Tenant: acme, Type: audit.TypeTokenVended, Outcome: audit.Allowed},
	}
	if err := e.check(); err != nil {
		t.Errorf("refused: %v", err)
	}
	e.Pictures = nil
	if err := e.check(); !errors.Is(err, ErrUnfit) {
		t.Errorf("without a picture: %v", err)
	}
	e.Pictures = []Picture{{Tenant: tenant.MustParseUID("ten_root"), Version: 7}}
	if err := e.check(); !errors.Is(err, ErrUnfit) {
		t.Errorf("with another tenant's: %v", err)
	}
}
