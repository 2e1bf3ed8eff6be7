package keys

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

func published(t testing.TB, r *Ring) []string {
	t.Helper()
	set, warnings, err := jwks.Parse(r.JWKS())
	if err != nil || len(warnings) > 0 {
		t.Fatalf("published key set: %v %v", err, warnings)
	}
	ids := make([]string, len(set))
	for i, key := range set {
		ids[i] = key.ID
	}
	return ids
}

func verifies(t testing.TB, compact string, keys []jwks.Key) bool {
	t.Helper()
	m, err := jws.Parse(compact)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = m.Verify(keys, Algorithms())
	return err == nil
}

func TestFirstKeyIsActiveAtOnce(t *testing.T) {
	b := newBench(t)
	r := b.replica(t)
	s := signer(t, r, one, ES256)
	if ids := published(t, ring(t, r, one)); !slices.Equal(ids, []string{s.KeyID()}) {
		t.Fatalf("published %v", ids)
	}
	if again := signer(t, b.replica(t), one, ES256); again.KeyID() != s.KeyID() {
		t.Fatal("another replica made another key")
	}
	if other := signer(t, r, two, ES256); other.KeyID() == s.KeyID() {
		t.Fatal("two tenants share a key")
	}
	if types := eventTypes(b); !slices.Equal(types, []audit.Type{audit.TypeKeyActivated, audit.TypeKeyActivated}) {
		t.Fatalf("events %v", types)
	}
}

func TestPublishedKeysAreWhatTheyMustBe(t *testing.T) {
	b := newBench(t)
	r := b.replica(t)
	for _, algorithm := range Algorithms() {
		s := signer(t, r, one, algorithm)
		compact, err := s.Sign("at+jwt", []byte(`{"sub":"usr_1"}`))
		if err != nil {
			t.Fatal(err)
		}
		if !verifies(t, compact, ring(t, r, one).Keys()) {
			t.Fatalf("%s does not verify", algorithm)
		}
	}
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(ring(t, r, one).JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != len(Algorithms()) {
		t.Fatalf("%d keys", len(set.Keys))
	}
	for _, key := range set.Keys {
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if _, found := key[private]; found {
				t.Fatalf("%s is published", private)
			}
		}
		if key["use"] != "sig" || key["alg"] == nil || key["kid"] == nil {
			t.Fatalf("key %v", key)
		}
	}
	parsed, _, err := jwks.Parse(ring(t, r, one).JWKS())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range parsed {
		if key.ID != key.Thumbprint { // RFC 7638
			t.Fatalf("kid %s, thumbprint %s", key.ID, key.Thumbprint)
		}
	}
}

func TestAlgorithmsWeDoNotSignWith(t *testing.T) {
	b := newBench(t)
	r := b.replica(t)
	for _, algorithm := range []string{"", "none", "HS256", "ES384", "es256", "RS512"} {
		if _, err := r.Signer(t.Context(), one, algorithm); !errors.Is(err, errUnknownAlgorithm) {
			t.Fatalf("%q: %v", algorithm, err)
		}
		if _, err := r.Rotate(t.Context(), one, algorithm, admin); !errors.Is(err, errUnknownAlgorithm) {
			t.Fatalf("%q: %v", algorithm, err)
		}
		c := b.config
		c.Algorithm = algorithm
		if _, err := New(c); err == nil {
			t.Fatalf("%q was configured", algorithm)
		}
	}
}

func TestNoTenantNoKeys(t *testing.T) {
	b := newBench(t)
	r := b.replica(t)
	_, ringErr := r.Ring(t.Context(), tenant.UID{})
	_, signerErr := r.Signer(t.Context(), tenant.UID{}, ES256)
	_, listErr := r.List(t.Context(), tenant.UID{})
	_, revokeErr := r.Revoke(t.Context(), tenant.UID{}, "x", "", admin)
	for _, err := range []error{ringErr, signerErr, listErr, revokeErr} {
		if !errors.Is(err, tenant.ErrNoTenant) {
			t.Fatalf("got %v", err)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	b := newBench(t)
	for name, change := range map[string]func(*Config){
		"store":         func(c *Config) { c.Store = nil },
		"sealer":        func(c *Config) { c.Sealer = nil },
		"clock":         func(c *Config) { c.Now = nil },
		"max-age":       func(c *Config) { c.JWKSMaxAge = 0 },
		"longest token": func(c *Config) { c.LongestToken = 0 },
		"skew":          func(c *Config) { c.ClockSkew = 0 },
		"refresh":       func(c *Config) { c.RefreshEvery = 0 },
		"rotation":      func(c *Config) { c.RotateEvery = 10 * time.Minute },
	} {
		t.Run(name, func(t *testing.T) {
			c := b.config
			change(&c)
			if _, err := New(c); err == nil {
				t.Fatal("accepted")
			}
		})
	}
}

// F16: replicas that start together agree on one key, and rotate once.
func TestReplicasMakeOneKey(t *testing.T) {
	b := newBench(t)
	replicas := make([]*Rings, 8)
	for i := range replicas {
		replicas[i] = b.replica(t)
	}
	each := func(do func(*Rings)) {
		var wg sync.WaitGroup
		for _, r := range replicas {
			wg.Go(func() { do(r) })
		}
		wg.Wait()
	}
	each(func(r *Rings) {
		if _, err := r.Ring(t.Context(), one); err != nil {
			t.Error(err)
		}
	})
	if active := b.store.all(one, Active); len(active) != 1 {
		t.Fatalf("%d active keys", len(active))
	}
	b.advance(b.config.RotateEvery - b.config.schedule().lead)
	each(func(r *Rings) {
		if err := r.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if prepared := b.store.all(one, Prepared); len(prepared) != 1 {
		t.Fatalf("%d prepared keys", len(prepared))
	}
	b.advance(b.config.schedule().lead)
	each(func(r *Rings) {
		if err := r.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if active, retiring := b.store.all(one, Active), b.store.all(one, Retiring); len(active) != 1 || len(retiring) != 1 {
		t.Fatalf("%d active, %d retiring", len(active), len(retiring))
	}
	if b.store.changes != 3 {
		t.Fatalf("%d changes were written, want 3", b.store.changes)
	}
}

// I6: through rotations, on replicas that refresh at different moments, each
// token that lives verifies with any key set that a verifier may still hold.
func TestEveryLiveTokenVerifiesThroughRotation(t *testing.T) {
	b := newBench(t)
	b.config.RotateEvery = 40 * time.Minute
	b.config.LongestToken = 15 * time.Minute
	replicas := []*Rings{b.replica(t), b.replica(t), b.replica(t)}
	type issued struct {
		compact string
		expires time.Time
	}
	type held struct {
		keys []jwks.Key
		end  time.Time
	}
	var alive []issued
	var caches []held
	kids := map[string]bool{}
	const step = 10 * time.Second
	for tick := range 3 * 3600 / 10 { // three hours
		i := tick % len(replicas) // each replica refreshes every 30 s, at another moment
		if err := replicas[i].Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		now := b.now()
		// A verifier fetches from one replica, and keeps the set for its max-age.
		set, _, err := jwks.Parse(ring(t, replicas[(i+1)%3], one).JWKS())
		if err != nil {
			t.Fatal(err)
		}
		caches = append(caches, held{set, now.Add(b.config.JWKSMaxAge)})
		caches = slices.DeleteFunc(caches, func(c held) bool { return !now.Before(c.end) })
		// Another replica issues a token that lives as long as any may.
		s := signer(t, replicas[(i+2)%3], one, ES256)
		kids[s.KeyID()] = true
		compact, err := s.Sign("at+jwt", []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		alive = append(alive, issued{compact, now.Add(b.config.LongestToken)})
		alive = slices.DeleteFunc(alive, func(a issued) bool { return !now.Before(a.expires) })

		for _, c := range []held{caches[0], caches[len(caches)-1]} {
			for _, a := range []issued{alive[0], alive[len(alive)/2], alive[len(alive)-1]} {
				if !verifies(t, a.compact, c.keys) {
					t.Fatalf("at %s a live token does not verify with a key set that is %s old",
						now.Sub(start), b.config.JWKSMaxAge-c.end.Sub(now))
				}
			}
		}
		if !verifies(t, alive[0].compact, ring(t, replicas[i], one).Keys()) {
			t.Fatalf("at %s we refuse our own live token", now.Sub(start))
		}
		b.advance(step)
	}
	if len(kids) < 4 {
		t.Fatalf("%d keys signed in three hours", len(kids))
	}
	if rows := b.store.rows[one]; len(rows) > 3 {
		t.Fatalf("%d keys are kept", len(rows))
	}
}

func TestSuccessorSignsAtItsHourWithoutARefresh(t *testing.T) {
	b := newBench(t)
	r := b.replica(t)
	first := signer(t, r, one, ES256)
	b.advance(b.config.RotateEvery - b.config.schedule().lead)
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ids := published(t, ring(t, r, one)); len(ids) != 2 {
		t.Fatalf("published %v", ids)
	}
	b.advance(b.config.schedule().lead - time.Second)
	if s := signer(t, r, one, ES256); s.KeyID() != first.KeyID() {
		t.Fatal("the successor signs before its hour")
	}
	b.advance(time.Second)
	if s := signer(t, r, one, ES256); s.KeyID() == first.KeyID() {
		t.Fatal("the successor does not sign at its hour")
	}
}

func TestLateRotationStillPublishesFirst(t *testing.T) {
	b := newBench(t)
	first := signer(t, b.replica(t), one, ES256)
	b.advance(3 * b.config.RotateEvery) // the service was down for months
	r := b.replica(t)
	if s := signer(t, r, one, ES256); s.KeyID() != first.KeyID() {
		t.Fatal("a key signs that nobody has seen")
	}
	prepared := b.store.all(one, Prepared)
	if len(prepared) != 1 || prepared[0].ActiveAt.Sub(b.now()) < 2*b.config.JWKSMaxAge {
		t.Fatalf("prepared %+v", prepared)
	}
}

func TestEachAlgorithmHasItsOwnSuccession(t *testing.T) {
	b := newBench(t)
	r := b.replica(t)
	first := signer(t, r, one, ES256)
	b.advance(b.config.RotateEvery / 2)
	edwards := signer(t, r, one, EdDSA)
	b.advance(b.config.RotateEvery / 2)
	for range 2 {
		if err := r.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.advance(b.config.schedule().lead)
	}
	if s := signer(t, r, one, ES256); s.KeyID() == first.KeyID() {
		t.Fatal("ES256 was not rotated")
	}
	if s := signer(t, r, one, EdDSA); s.KeyID() != edwards.KeyID() {
		t.Fatal("EdDSA was rotated with it")
	}
}

func TestReloadDropsTheRingWhenItCannotRead(t *testing.T) {
	b := newBench(t)
	r := b.replica(t)
	ring(t, r, one)
	b.store.failing = errDB
	if err := r.Reload(t.Context(), one); !errors.Is(err, errDB) {
		t.Fatalf("got %v", err)
	}
	if _, err := r.Signer(t.Context(), one, ES256); !errors.Is(err, errDB) {
		t.Fatalf("a ring that may hold a revoked key signs on: %v", err)
	}
	b.store.failing = nil
	ring(t, r, one)
	if err := r.Reload(t.Context(), two); err != nil || len(b.store.rows[two]) != 0 {
		t.Fatalf("a tenant that nobody asked for was loaded: %v", err)
	}
}

func TestRefreshKeepsTheRingWhenItCannotRead(t *testing.T) {
	b := newBench(t)
	r := b.replica(t)
	first := signer(t, r, one, ES256)
	b.store.failing = errDB
	if err := r.Refresh(t.Context()); !errors.Is(err, errDB) {
		t.Fatalf("got %v", err)
	}
	if s := signer(t, r, one, ES256); s.KeyID() != first.KeyID() {
		t.Fatal("the ring is gone")
	}
}

// T68, T67: who writes to the table cannot have a key of his published.
func TestRowsThatDoNotOpen(t *testing.T) {
	prepare := func(t *testing.T) (*bench, string, string) {
		t.Helper()
		b := newBench(t)
		r := b.replica(t)
		mine := signer(t, r, one, ES256).KeyID()
		return b, mine, signer(t, r, two, ES256).KeyID()
	}
	t.Run("another tenant's key", func(t *testing.T) {
		b, _, theirs := prepare(t)
		stolen := b.store.rows[two][theirs]
		stolen.State = Retiring
		stolen.ExpiresAt = b.now().Add(time.Hour)
		b.store.rows[one][theirs] = stolen
		if ids := published(t, ring(t, b.replica(t), one)); slices.Contains(ids, theirs) {
			t.Fatal("a key of another tenant is published")
		}
	})
	t.Run("public key replaced", func(t *testing.T) {
		b, mine, _ := prepare(t)
		foreign, err := generate(ES256)
		if err != nil {
			t.Fatal(err)
		}
		b.store.edit(one, mine, func(row *Row) { row.PublicJWK = foreign.jwk })
		if ids := published(t, ring(t, b.replica(t), one)); !slices.Equal(ids, []string{mine}) {
			t.Fatalf("published %v", ids)
		}
	})
	t.Run("sealed bytes swapped", func(t *testing.T) {
		b, mine, theirs := prepare(t)
		b.store.edit(one, mine, func(row *Row) { row.Sealed = b.store.rows[two][theirs].Sealed })
		if _, err := b.replica(t).Ring(t.Context(), one); err == nil {
			t.Fatal("a ring without its active key")
		}
		if active := b.store.all(one, Active); len(active) != 1 {
			t.Fatal("another key was made over one that does not open")
		}
	})
	t.Run("other algorithm", func(t *testing.T) {
		b, mine, _ := prepare(t)
		b.store.edit(one, mine, func(row *Row) { row.Algorithm = RS256 })
		if _, err := b.replica(t).Ring(t.Context(), one); err == nil {
			t.Fatal("an EC key as an RSA one")
		}
	})
}

func TestPrivateKeysRestSealed(t *testing.T) {
	b := newBench(t)
	ring(t, b.replica(t), one)
	for _, row := range b.store.rows[one] {
		if !strings.HasPrefix(string(row.Sealed), "CHS0") {
			t.Fatalf("sealed begins with %x", row.Sealed[:4])
		}
		if strings.Contains(string(row.PublicJWK), `"d"`) {
			t.Fatal("the public column holds the private key")
		}
	}
}

func TestSignersPrintNoKey(t *testing.T) {
	b := newBench(t)
	r := b.replica(t)
	for _, algorithm := range Algorithms() {
		s := signer(t, r, one, algorithm)
		holder := struct{ hidden Signer }{s}
		for _, printed := range []string{fmt.Sprintf("%v %+v %#v", s, s, s), fmt.Sprintf("%+v %#v", holder, holder)} {
			if len(printed) > 400 || strings.Contains(printed, "PrivateKey{") {
				t.Fatalf("%s printed %s", algorithm, printed)
			}
		}
	}
	if _, err := (Signer{}).Sign("at+jwt", []byte(`{}`)); !errors.Is(err, errNoSigner) {
		t.Fatalf("the zero signer: %v", err)
	}
}

func eventTypes(b *bench) []audit.Type {
	types := make([]audit.Type, len(b.store.events))
	for i, e := range b.store.events {
		types[i] = e.Type
	}
	return types
}

func BenchmarkSigner(b *testing.B) {
	rings := newBench(b).replica(b)
	for b.Loop() {
		if _, err := rings.Signer(b.Context(), one, ES256); err != nil {
			b.Fatal(err)
		}
	}
}
