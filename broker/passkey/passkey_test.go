package passkey_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/passkey"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// TestEnrolAndProve: what a browser is asked for, and what comes of it.
func TestEnrolAndProve(t *testing.T) {
	w := newWorld(t)
	options, err := w.BeginEnrolment(t.Context(), w.tenant, w.alice, "alice@acme.test")
	must(t, err)
	asked := read(t, options).PublicKey
	if asked.RP.ID != "auth.acme.test" || asked.Attestation != "none" || asked.Selection.UserVerification != "required" || asked.Selection.ResidentKey != "preferred" {
		t.Errorf("asked for %+v", asked)
	}
	var algorithms []float64
	for _, p := range asked.PubKeyCredParams {
		alg, _ := p["alg"].(float64)
		algorithms = append(algorithms, alg)
	}
	if !slices.Equal(algorithms, []float64{-7, -8, -257}) {
		t.Errorf("algorithms %v", algorithms)
	}
	a := newAuthenticator(t)
	c, err := w.Enrol(t.Context(), w.tenant, w.alice, a.create(t, options), " My \n laptop ", visit)
	must(t, err)
	if c.Name != "My laptop" || c.UserUID != "usr_alice" || !slices.Equal(c.Transports, []string{"internal"}) || a.user != "usr_alice" {
		t.Errorf("kept %+v", c)
	}
	again, err := w.BeginEnrolment(t.Context(), w.tenant, w.alice, "")
	must(t, err)
	if len(read(t, again).PublicKey.Exclude) != 1 {
		t.Error("the authenticator may make a second one")
	}
	w.now = w.now.Add(time.Hour) // to prove oneself no fresh sign-in is needed
	a.count = 7
	get := w.options(t, w.alice)
	if asked := read(t, get).PublicKey; asked.RPID != "auth.acme.test" || asked.UserVerification != "required" || len(asked.Allow) != 1 {
		t.Errorf("asked for %+v", asked)
	}
	proof, err := w.Prove(t.Context(), w.tenant, w.alice, a.get(t, get), visit)
	must(t, err)
	if proof.ACR != "urn:chancery:acr:passkey" || !slices.Equal(proof.AMR, []string{"hwk", "user"}) || !proof.AuthTime.Equal(w.now) {
		t.Errorf("proved %+v", proof)
	}
	if k := w.shelf.keys[0]; k.SignCount != 7 || !k.UsedAt.Equal(w.now) {
		t.Errorf("noted %+v", k)
	}
	kinds := []audit.Type{}
	for _, e := range w.shelf.events {
		kinds = append(kinds, e.Type)
	}
	if !slices.Equal(kinds, []audit.Type{audit.TypePasskeyEnrolled, audit.TypePasskeyUsed}) {
		t.Errorf("events %v", kinds)
	}
}

// TestAssertions: a valid assertion, one thing changed.
func TestAssertions(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w *world, a *authenticator)
		want   error
	}{
		"nothing changed":      {func(*world, *authenticator) {}, nil},
		"another origin":       {func(_ *world, a *authenticator) { a.origin = "https://evil.test" }, passkey.ErrRefused},
		"origin in capitals":   {func(_ *world, a *authenticator) { a.origin = "https://AUTH.acme.test" }, passkey.ErrRefused},
		"origin with a port":   {func(_ *world, a *authenticator) { a.origin = "https://auth.acme.test:8443" }, passkey.ErrRefused},
		"origin by http":       {func(_ *world, a *authenticator) { a.origin = "http://auth.acme.test" }, passkey.ErrRefused},
		"a subdomain":          {func(_ *world, a *authenticator) { a.origin = "https://x.auth.acme.test" }, passkey.ErrRefused},
		"in a frame":           {func(_ *world, a *authenticator) { a.crossFrame = true }, passkey.ErrRefused},
		"another party":        {func(_ *world, a *authenticator) { a.party = "acme.test" }, passkey.ErrRefused},
		"a registration":       {func(_ *world, a *authenticator) { a.kind = "webauthn.create" }, passkey.ErrRefused},
		"nobody verified":      {func(_ *world, a *authenticator) { a.flags = present }, passkey.ErrRefused},
		"nobody present":       {func(_ *world, a *authenticator) { a.flags = verified }, passkey.ErrRefused},
		"backed up suddenly":   {func(_ *world, a *authenticator) { a.flags |= eligible }, passkey.ErrRefused},
		"another key":          {func(_ *world, a *authenticator) { a.key = newAuthenticator(t).key }, passkey.ErrRefused},
		"an unknown one":       {func(_ *world, a *authenticator) { a.id = []byte("somebody else's") }, passkey.ErrRefused},
		"another user handle":  {func(_ *world, a *authenticator) { a.user = "usr_bob" }, passkey.ErrRefused},
		"the same counter":     {func(w *world, _ *authenticator) { w.shelf.keys[0].SignCount = 5 }, passkey.ErrRefused},
		"a lower counter":      {func(w *world, _ *authenticator) { w.shelf.keys[0].SignCount = 6 }, passkey.ErrRefused},
		"a higher counter":     {func(w *world, _ *authenticator) { w.shelf.keys[0].SignCount = 4 }, nil},
		"a counter that went":  {func(w *world, a *authenticator) { w.shelf.keys[0].SignCount, a.count = 4, 0 }, passkey.ErrRefused},
		"no counter at all":    {func(_ *world, a *authenticator) { a.count = 0 }, nil},
		"too late":             {func(w *world, _ *authenticator) { w.now = w.now.Add(passkey.ChallengeLifetime) }, passkey.ErrGone},
		"nearly too late":      {func(w *world, _ *authenticator) { w.now = w.now.Add(passkey.ChallengeLifetime - 1) }, nil},
		"removed meanwhile":    {func(w *world, _ *authenticator) { w.shelf.keys = nil }, passkey.ErrRefused},
		"another session":      {func(w *world, _ *authenticator) { w.alice.Handle = [32]byte{9} }, passkey.ErrGone},
		"not allowed any more": {func(w *world, _ *authenticator) { w.tenant.SignIn.Passkeys = false }, passkey.ErrNotAllowed},
		"another tenant's session": {func(w *world, _ *authenticator) {
			w.alice.Tenant = tenant.MustParseUID(id.New(id.Tenant, now))
		}, passkey.ErrNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.enrolled(t, w.alice)
			a.count = 5
			options := w.options(t, w.alice)
			c.change(w, a)
			proof, err := w.Prove(t.Context(), w.tenant, w.alice, a.get(t, options), visit)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if (proof.ACR != "") != (c.want == nil) {
				t.Errorf("proved %+v", proof)
			}
			if refused := len(w.lane.events) == 1; refused != (c.want != nil && !errors.Is(c.want, passkey.ErrNotAllowed)) {
				t.Errorf("events %+v", w.lane.events)
			}
		})
	}
}

// TestChallengeOnce: an assertion that was taken is not taken again, and a challenge to enrol proves nothing.
func TestChallengeOnce(t *testing.T) {
	w := newWorld(t)
	a := w.enrolled(t, w.alice)
	answer := a.get(t, w.options(t, w.alice))
	_, err := w.Prove(t.Context(), w.tenant, w.alice, answer, visit)
	must(t, err)
	if _, err := w.Prove(t.Context(), w.tenant, w.alice, answer, visit); !errors.Is(err, passkey.ErrGone) {
		t.Errorf("replayed: %v", err)
	}
	// One that failed is used up as well.
	options := w.options(t, w.alice)
	a.origin = "https://evil.test"
	_, _ = w.Prove(t.Context(), w.tenant, w.alice, a.get(t, options), visit)
	a.origin = "https://auth.acme.test"
	if _, err := w.Prove(t.Context(), w.tenant, w.alice, a.get(t, options), visit); !errors.Is(err, passkey.ErrGone) {
		t.Errorf("after a failure: %v", err)
	}
	enrolling, err := w.BeginEnrolment(t.Context(), w.tenant, w.alice, "")
	must(t, err)
	if _, err := w.Prove(t.Context(), w.tenant, w.alice, a.get(t, enrolling), visit); !errors.Is(err, passkey.ErrGone) {
		t.Errorf("a challenge to enrol: %v", err)
	}
	made := []byte(`{"publicKey":{"challenge":"` + strings.Repeat("A", 43) + `"}}`)
	if _, err := w.Prove(t.Context(), w.tenant, w.alice, a.get(t, made), visit); !errors.Is(err, passkey.ErrGone) {
		t.Errorf("a challenge of his own: %v", err)
	}
}

// TestAnotherPersonsPasskey proves nothing, with his challenge or ours.
func TestAnotherPersonsPasskey(t *testing.T) {
	w := newWorld(t)
	a, b := w.enrolled(t, w.alice), w.enrolled(t, w.bob)
	if _, err := w.Prove(t.Context(), w.tenant, w.alice, b.get(t, w.options(t, w.alice)), visit); !errors.Is(err, passkey.ErrRefused) {
		t.Errorf("bob's passkey for alice: %v", err)
	}
	if _, err := w.Prove(t.Context(), w.tenant, w.bob, a.get(t, w.options(t, w.alice)), visit); !errors.Is(err, passkey.ErrGone) {
		t.Errorf("alice's answer in bob's session: %v", err)
	}
	if err := w.Remove(t.Context(), w.tenant, "usr_bob", w.shelf.keys[0].ID, visit); !errors.Is(err, passkey.ErrGone) {
		t.Errorf("bob removes alice's: %v", err)
	}
	must(t, w.Remove(t.Context(), w.tenant, "usr_alice", w.shelf.keys[0].ID, visit))
	if _, err := w.BeginProof(t.Context(), w.tenant, w.alice); !errors.Is(err, passkey.ErrNone) {
		t.Errorf("after it was removed: %v", err)
	}
}

// TestEnrolments: a valid registration, one thing changed.
func TestEnrolments(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w *world, a *authenticator)
		want   error
	}{
		"nothing changed":         {func(*world, *authenticator) {}, nil},
		"another origin":          {func(_ *world, a *authenticator) { a.origin = "https://evil.test" }, passkey.ErrRefused},
		"another party":           {func(_ *world, a *authenticator) { a.party = "evil.test" }, passkey.ErrRefused},
		"an assertion":            {func(_ *world, a *authenticator) { a.kind = "webauthn.get" }, passkey.ErrRefused},
		"nobody verified":         {func(_ *world, a *authenticator) { a.flags = present }, passkey.ErrRefused},
		"backed up, not eligible": {func(_ *world, a *authenticator) { a.flags |= backedUp }, passkey.ErrRefused},
		"an algorithm not asked":  {func(_ *world, a *authenticator) { a.algorithm = -35 }, passkey.ErrRefused},
		"a certified statement": {func(_ *world, a *authenticator) {
			a.format, a.statement = "packed", map[string]any{"alg": -7, "sig": []byte{1}, "x5c": [][]byte{{1}}}
		}, passkey.ErrRefused},
		"a statement of another": {func(_ *world, a *authenticator) { a.format = "fido-u2f" }, passkey.ErrRefused},
		"too late":               {func(w *world, _ *authenticator) { w.now = w.now.Add(passkey.ChallengeLifetime) }, passkey.ErrNotFresh},
		"another session":        {func(w *world, _ *authenticator) { w.alice.Handle = [32]byte{9} }, passkey.ErrGone},
		"another person's":       {func(w *world, _ *authenticator) { w.alice = w.bob }, passkey.ErrGone},
		"not allowed any more":   {func(w *world, _ *authenticator) { w.tenant.SignIn.Passkeys = false }, passkey.ErrNotAllowed},
		"known already": {func(w *world, a *authenticator) {
			w.shelf.keys = append(w.shelf.keys, passkey.Credential{Tenant: w.tenant.UID, UserUID: "usr_bob", Credential: a.id})
		}, passkey.ErrTaken},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := newAuthenticator(t)
			options, err := w.BeginEnrolment(t.Context(), w.tenant, w.alice, "")
			must(t, err)
			c.change(w, a)
			if _, err := w.Enrol(t.Context(), w.tenant, w.alice, a.create(t, options), "", visit); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// TestFresh: only a sign-in at the IdP makes a session fresh, and what the IdP says of its time counts.
func TestFresh(t *testing.T) {
	old, recent := now.Add(-6*time.Minute), now.Add(-4*time.Minute)
	for name, c := range map[string]struct {
		started time.Time
		proof   session.Proof
		fresh   bool
	}{
		"begun now, nothing said":       {recent, session.Proof{}, true},
		"begun long ago":                {old, session.Proof{}, false},
		"begun now, signed in long ago": {recent, session.Proof{AuthTime: old}, false},
		"begun long ago, signed in now": {old, session.Proof{AuthTime: recent}, true},
		"a passkey now":                 {old, session.Proof{ACR: session.ACRPasskey, AuthTime: now}, false},
		"no beginning":                  {time.Time{}, session.Proof{}, false},
	} {
		w := newWorld(t)
		w.alice.StartedAt, w.alice.Proof = c.started, c.proof
		_, err := w.BeginEnrolment(t.Context(), w.tenant, w.alice, "")
		if got := w.Fresh(w.alice); got != c.fresh || errors.Is(err, passkey.ErrNotFresh) == c.fresh {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// TestMostPasskeys: nobody has more than ten.
func TestMostPasskeys(t *testing.T) {
	w := newWorld(t)
	for range passkey.Most {
		w.enrolled(t, w.alice)
	}
	if _, err := w.BeginEnrolment(t.Context(), w.tenant, w.alice, ""); !errors.Is(err, passkey.ErrFull) {
		t.Error(err)
	}
}

// TestNoPasskeysForAddresses: a relying party is a name.
func TestNoPasskeysForAddresses(t *testing.T) {
	for _, address := range []string{"http://127.0.0.1:8080", "https://[::1]"} {
		w := newWorldAt(t, address)
		if _, err := w.BeginProof(t.Context(), w.tenant, w.alice); w.Allowed(w.tenant) || !errors.Is(err, passkey.ErrNotAllowed) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := passkey.New(passkey.Config{Store: &shelf{}, Lane: &lane{}, Now: time.Now, PublicURL: "nothing"}); err == nil {
		t.Error("a public URL without a host")
	}
	if _, err := passkey.New(passkey.Config{PublicURL: "https://auth.acme.test"}); err == nil {
		t.Error("without a store")
	}
}

// FuzzAnswers: what a browser sends proves nothing by accident.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"id":"AQ","rawId":"AQ","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA","attestationObject":"oA"}}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		w := newWorld(t)
		w.shelf.keys = []passkey.Credential{{Tenant: w.tenant.UID, UserUID: "usr_alice", Credential: []byte{1}}}
		if _, err := w.Prove(t.Context(), w.tenant, w.alice, answer, visit); err == nil {
			t.Error("proved")
		}
		if _, err := w.Enrol(t.Context(), w.tenant, w.alice, answer, "", visit); err == nil {
			t.Error("enrolled")
		}
	})
}
