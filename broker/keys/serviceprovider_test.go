package keys

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/saml"
)

// shelf keeps service providers' keys in memory, as a database would.
type shelf struct {
	mu     sync.Mutex
	rows   map[tenant.UID][]ServiceProviderRow
	events []audit.Event
	fail   error
}

func (s *shelf) ServiceProviderKeys(_ context.Context, t tenant.UID) ([]ServiceProviderRow, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.rows[t]), s.fail
}

func (s *shelf) ChangeServiceProviderKeys(_ context.Context, c ServiceProviderChange) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := slices.Clone(s.rows[c.Tenant])
	if len(rows) != len(c.Before) {
		return ErrConflict
	}
	for _, row := range rows {
		if !slices.Contains(c.Before, Mark{row.KeyID, row.State}) {
			return ErrConflict
		}
	}
	rows = slices.DeleteFunc(rows, func(row ServiceProviderRow) bool { return slices.Contains(c.Delete, row.KeyID) })
	for i, row := range rows {
		for _, to := range c.Update {
			if to.KeyID == row.KeyID {
				rows[i].State, rows[i].ActiveAt, rows[i].ExpiresAt = to.State, to.ActiveAt, to.ExpiresAt
			}
		}
	}
	s.rows[c.Tenant] = append(rows, c.Insert...)
	s.events = append(s.events, c.Events...)
	return nil
}

func (s *shelf) types() []audit.Type {
	var list []audit.Type
	for _, e := range s.events {
		list = append(list, e.Type)
	}
	return list
}

type spBench struct {
	*shelf
	bench *bench
	of    *ServiceProviders
}

func newSPBench(t testing.TB) *spBench {
	t.Helper()
	b := &spBench{shelf: &shelf{rows: map[tenant.UID][]ServiceProviderRow{}}, bench: newBench(t)}
	b.of = b.replica(t)
	return b
}

func (b *spBench) replica(t testing.TB) *ServiceProviders {
	t.Helper()
	s, err := NewServiceProviders(b.shelf, b.bench.sealer, b.bench.now, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (b *spBench) keys(t testing.TB, of tenant.UID) ([]saml.SigningKey, []saml.DecryptionKey) {
	t.Helper()
	signing, decryption, err := b.of.Keys(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	return signing, decryption
}

func TestServiceProviderKeysAreMadeOnce(t *testing.T) {
	b := newSPBench(t)
	signing, decryption := b.keys(t, one)
	if len(signing) != 1 || len(decryption) != 1 {
		t.Fatalf("%d keys sign, %d open", len(signing), len(decryption))
	}
	if signing[0].Certificate.Equal(decryption[0].Certificate) {
		t.Error("one key for both")
	}
	public, ok := signing[0].Certificate.PublicKey.(*rsa.PublicKey)
	if !ok || public.N.BitLen() != 3072 || signing[0].Certificate.SignatureAlgorithm != x509.SHA256WithRSA {
		t.Errorf("the certificate is %T of %s", signing[0].Certificate.PublicKey, signing[0].Certificate.SignatureAlgorithm)
	}
	if left := signing[0].Certificate.NotAfter.Sub(b.bench.now()); left < 9*365*24*time.Hour {
		t.Errorf("the certificate lives %s", left)
	}
	again, opens, err := b.replica(t).Keys(t.Context(), one)
	if err != nil || !again[0].Certificate.Equal(signing[0].Certificate) || !opens[0].Certificate.Equal(decryption[0].Certificate) {
		t.Errorf("another replica made others: %v", err)
	}
	if other, _ := b.keys(t, two); other[0].Certificate.Equal(signing[0].Certificate) {
		t.Error("two tenants share a key")
	}
	if got := b.types(); !slices.Equal(got, slices.Repeat([]audit.Type{audit.TypeKeyActivated}, 4)) {
		t.Errorf("events %v", got)
	}
}

// What is signed verifies with the certificate, and what is encrypted for it opens.
func TestServiceProviderKeysWork(t *testing.T) {
	b := newSPBench(t)
	signing, decryption := b.keys(t, one)
	digest := sha256.Sum256([]byte("a request"))
	signature, err := signing[0].Signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if err := signing[0].Certificate.CheckSignature(x509.SHA256WithRSA, []byte("a request"), signature); err != nil {
		t.Error(err)
	}
	public, _ := decryption[0].Certificate.PublicKey.(*rsa.PublicKey)
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public, []byte("a key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := decryption[0].Decrypter.Decrypt(rand.Reader, wrapped, &rsa.OAEPOptions{Hash: crypto.SHA256})
	if err != nil || string(opened) != "a key" {
		t.Errorf("opened %q, %v", opened, err)
	}
}

func TestServiceProviderKeysOfOneRace(t *testing.T) {
	b := newSPBench(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]bool{}
	for range 4 {
		replica := b.replica(t)
		wg.Go(func() {
			signing, decryption, err := replica.Keys(t.Context(), one)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			seen[saml.Fingerprint(signing[0].Certificate)+saml.Fingerprint(decryption[0].Certificate)] = true
		})
	}
	wg.Wait()
	if len(seen) != 1 || len(b.rows[one]) != 2 {
		t.Errorf("%d pairs are used, %d are kept", len(seen), len(b.rows[one]))
	}
}

// The next key is published before it signs, and the one before opens for a while after.
func TestServiceProviderKeysRotate(t *testing.T) {
	b := newSPBench(t)
	first, opens := b.keys(t, one)
	for _, purpose := range Purposes() {
		outcome, err := b.of.Rotate(t.Context(), one, purpose, audit.Principal{Kind: "token", Name: "ops"})
		if err != nil || outcome.Successor == "" || !outcome.SignsAt.Equal(b.bench.now().Add(ServiceProviderLead)) {
			t.Fatalf("%+v, %v", outcome, err)
		}
		again, err := b.of.Rotate(t.Context(), one, purpose, audit.Principal{Kind: "token", Name: "ops"})
		if err != nil || again.Successor != outcome.Successor {
			t.Errorf("a second request made a second successor: %+v, %v", again, err)
		}
	}
	signing, decryption := b.keys(t, one)
	if len(signing) != 2 || !signing[0].Certificate.Equal(first[0].Certificate) || len(decryption) != 2 || !decryption[0].Certificate.Equal(opens[0].Certificate) {
		t.Fatal("the successor is not published behind the one in use")
	}
	next := signing[1].Certificate

	b.bench.advance(ServiceProviderLead) // by the clock, before anybody wrote it
	signing, decryption = b.keys(t, one)
	if len(signing) != 1 || !signing[0].Certificate.Equal(next) || len(decryption) != 2 || !decryption[1].Certificate.Equal(opens[0].Certificate) {
		t.Fatal("the successor did not take over")
	}
	if err := b.of.Refresh(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if signing, decryption = b.keys(t, one); len(signing) != 1 || !signing[0].Certificate.Equal(next) || len(decryption) != 2 {
		t.Error("writing it down changed it")
	}
	b.bench.advance(ServiceProviderKeep)
	if _, decryption = b.keys(t, one); len(decryption) != 1 {
		t.Error("the one before still opens")
	}
	if err := b.of.Refresh(t.Context(), one); err != nil || len(b.rows[one]) != 2 {
		t.Errorf("%d keys are kept, %v", len(b.rows[one]), err)
	}
}

func TestServiceProviderKeysAreRenewed(t *testing.T) {
	b := newSPBench(t)
	if err := b.of.Refresh(t.Context(), one); err != nil || len(b.rows[one]) != 0 {
		t.Fatalf("a tenant without keys was given %d: %v", len(b.rows[one]), err)
	}
	b.keys(t, one)
	b.bench.advance(ServiceProviderLifetime - ServiceProviderRenewal - time.Hour)
	if err := b.of.Refresh(t.Context(), one); err != nil || len(b.rows[one]) != 2 {
		t.Fatalf("too early: %d, %v", len(b.rows[one]), err)
	}
	b.bench.advance(time.Hour)
	for range 2 {
		if err := b.of.Refresh(t.Context(), one); err != nil || len(b.rows[one]) != 4 {
			t.Fatalf("%d keys, want a successor of each: %v", len(b.rows[one]), err)
		}
	}
}

func TestServiceProviderKeyIsReplaced(t *testing.T) {
	b := newSPBench(t)
	before, opens := b.keys(t, one)
	if _, err := b.of.Replace(t.Context(), one, Signing, audit.Principal{Kind: "token", Name: "ops"}); err != nil {
		t.Fatal(err)
	}
	signing, decryption := b.keys(t, one)
	if len(signing) != 1 || signing[0].Certificate.Equal(before[0].Certificate) || !decryption[0].Certificate.Equal(opens[0].Certificate) {
		t.Error("another key was to sign, and the other purpose to stay as it is")
	}
	if !slices.Contains(b.types(), audit.TypeKeyRevoked) {
		t.Errorf("events %v", b.types())
	}
	if _, err := b.of.Replace(t.Context(), one, "both", audit.Principal{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("an unknown purpose: %v", err)
	}
}

// Who can write to the table changes nothing for the better.
func TestServiceProviderKeysRefuseWhatWasChanged(t *testing.T) {
	for name, change := range map[string]func(rows []ServiceProviderRow){
		"sealed for the other purpose": func(r []ServiceProviderRow) { r[0].Purpose, r[1].Purpose = r[1].Purpose, r[0].Purpose },
		"another's certificate":        func(r []ServiceProviderRow) { r[0].Certificate = r[1].Certificate },
		"no certificate":               func(r []ServiceProviderRow) { r[0].Certificate = []byte("x") },
		"another's key":                func(r []ServiceProviderRow) { r[0].Sealed = r[1].Sealed },
		"another name":                 func(r []ServiceProviderRow) { r[0].KeyID = r[1].KeyID },
		"nothing sealed":               func(r []ServiceProviderRow) { r[0].Sealed = nil },
	} {
		t.Run(name, func(t *testing.T) {
			b := newSPBench(t)
			b.keys(t, one)
			change(b.rows[one])
			if _, _, err := b.of.Keys(t.Context(), one); err == nil {
				t.Error("taken")
			}
		})
	}
	t.Run("of another tenant", func(t *testing.T) {
		b := newSPBench(t)
		b.keys(t, one)
		b.rows[two] = b.rows[one]
		if _, _, err := b.of.Keys(t.Context(), two); err == nil {
			t.Error("taken")
		}
	})
	t.Run("a successor", func(t *testing.T) {
		b := newSPBench(t)
		b.keys(t, one)
		if _, err := b.of.Rotate(t.Context(), one, Signing, audit.Principal{Kind: "token"}); err != nil {
			t.Fatal(err)
		}
		b.rows[one][2].Certificate = b.rows[one][0].Certificate
		if signing, _ := b.keys(t, one); len(signing) != 1 {
			t.Error("published")
		}
	})
}

func TestServiceProviderKeysNeedATenantAndADatabase(t *testing.T) {
	b := newSPBench(t)
	if _, _, err := b.of.Keys(t.Context(), tenant.UID{}); !errors.Is(err, tenant.ErrNoTenant) {
		t.Errorf("without a tenant: %v", err)
	}
	if _, err := b.of.List(t.Context(), tenant.UID{}); !errors.Is(err, tenant.ErrNoTenant) {
		t.Errorf("without a tenant: %v", err)
	}
	b.fail = errors.New("away")
	if _, _, err := b.of.Keys(t.Context(), one); !errors.Is(err, b.fail) {
		t.Errorf("without a database: %v", err)
	}
	if _, err := NewServiceProviders(nil, nil, nil, nil); err == nil {
		t.Error("made of nothing")
	}
}

// Nothing that is printed holds a key.
func TestServiceProviderKeysAreNotPrinted(t *testing.T) {
	b := newSPBench(t)
	signing, decryption := b.keys(t, one)
	key, _ := signing[0].Signer.(*private)
	full, _ := key.Signer.(*rsa.PrivateKey)
	secret := full.D.String()
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("keys", "signing", signing, "decryption", decryption)
	if out := fmt.Sprintf("%v %+v", signing, decryption) + log.String(); strings.Contains(out, secret) {
		t.Error("a private key is printed")
	}
	listed, err := b.of.List(t.Context(), one)
	if err != nil || len(listed) != 2 || listed[0].Sealed != nil || listed[0].Purpose != Decryption {
		t.Errorf("listed %+v, %v", listed, err)
	}
}
