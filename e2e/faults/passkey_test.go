package faults

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"html"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
)

const passkeys = `
apiVersion: chancery/v1
kind: Tenant
metadata: {name: default}
spec: {passkeys: allowed}
---`

// authenticator is a passkey in software, with what a browser adds to its words.
type authenticator struct {
	key    *ecdsa.PrivateKey
	id     []byte
	origin string
	user   string
}

func newAuthenticator(t *testing.T, origin string) *authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &authenticator{key: key, id: []byte(rand.Text()), origin: origin}
}

// challenged is what a page asks of an authenticator.
type challenged struct {
	PublicKey struct {
		Challenge string
		User      struct{ ID string }
	}
}

func optionsOf(t *testing.T, page *harness.Page) challenged {
	t.Helper()
	_, rest, _ := strings.Cut(page.Body, `data-options="`)
	options, _, found := strings.Cut(rest, `"`)
	var asked challenged
	if err := json.Unmarshal([]byte(html.UnescapeString(options)), &asked); err != nil || !found || asked.PublicKey.Challenge == "" {
		t.Fatalf("%d %s %v: %s", page.Status, page.URL, err, page.Body)
	}
	return asked
}

// said is the client data of WebAuthn Level 3 §5.8.1, and the authenticator data of §6.1: present and verified.
func (a *authenticator) said(kind, challenge string, flags byte) (client, authenticatorData []byte) {
	client, _ = json.Marshal(map[string]any{"type": "webauthn." + kind, "challenge": challenge, "origin": a.origin, "crossOrigin": false})
	party := sha256.Sum256([]byte("localhost"))
	return client, append(party[:], flags|0x05, 0, 0, 0, 0)
}

// create answers navigator.credentials.create, without an attestation.
func (a *authenticator) create(t *testing.T, asked challenged) string {
	t.Helper()
	public, err := a.key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	a.user = asked.PublicKey.User.ID
	client, data := a.said("create", asked.PublicKey.Challenge, 0x40)
	data = append(data, make([]byte, 16)...)
	data = append(binary.BigEndian.AppendUint16(data, uint16(len(a.id))), a.id...)
	// COSE (RFC 9052 §7) in CBOR: {1: 2, 3: -7, -1: 1, -2: x, -3: y}.
	data = slices.Concat(data, []byte{0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32}, public[1:33], []byte{0x22, 0x58, 32}, public[33:])
	object := slices.Concat([]byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"), []byte{byte(len(data))}, data)
	return a.wrapped(t, map[string]any{"clientDataJSON": b64(client), "attestationObject": b64(object), "transports": []string{"internal"}})
}

// get answers navigator.credentials.get.
func (a *authenticator) get(t *testing.T, asked challenged) string {
	t.Helper()
	client, data := a.said("get", asked.PublicKey.Challenge, 0)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(slices.Clone(data), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return a.wrapped(t, map[string]any{"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature), "userHandle": a.user})
}

func (a *authenticator) wrapped(t *testing.T, response map[string]any) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"id": b64(a.id), "rawId": b64(a.id), "type": "public-key", "response": response, "clientExtensionResults": map[string]any{}})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func b64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// What an authenticator says to a challenge counts once, over two replicas: one passkey is made, and one proof raises the session, whose
// cookie of before is worth nothing then.
func TestOneCeremony(t *testing.T) {
	w := harness.Start(t, harness.Options{
		Engine: harness.Postgres, Replicas: 2, Host: "localhost", Objects: passkeys + harness.SignInObjects, Config: map[string]any{"log.level": "warn"},
	})
	db, alice, key := open(t, w), harness.NewPerson(t, "alice"), newAuthenticator(t, w.Issuer)
	_, page, err := alice.Try(t.Context(), w.Issuer+"/passkeys/new?then=/account", "nowhere:")
	if err != nil {
		t.Fatal(err)
	}
	asked := optionsOf(t, page)
	fields := with(page.Forms[0].Fields, "response", key.create(t, asked))
	pages := rush(t, crowd(w, alice, w.Issuer+"/passkeys/prove", 12, http.MethodPost, page.Forms[0].Action.String(), fields))
	one(t, pages, isOutside, "passkey_refused")
	counts(t, db, map[string]int{"passkeys": 1, event1("passkey.enrolled"): 1, "passkey_challenges": 0, "sessions": 1})

	for round := range 3 {
		page = alice.Open(w.Issuer + "/passkeys/prove")
		fields = with(page.Forms[0].Fields, "response", key.get(t, optionsOf(t, page)))
		all := crowd(w, alice, w.Issuer+"/account", 12, http.MethodPost, page.Forms[0].Action.String(), fields)
		winner := -1
		for i, p := range rush(t, all) {
			switch {
			case isOutside(p) && winner < 0:
				winner = i
			case isOutside(p):
				t.Fatalf("proved twice: %d and %d", winner, i)
			case !p.Says("passkey_refused") && !strings.HasPrefix(p.URL.String(), w.IdP.Issuer()): // whose session went on under another handle
				t.Errorf("%d %s %s", p.Status, p.URL, p.Body)
			}
		}
		if winner < 0 {
			t.Fatal("nobody proved it")
		}
		counts(t, db, map[string]int{
			event1("passkey.used"): round + 1, "passkey_challenges": 0, "sessions": round + 2, "sessions where ended_at is null": 1, "(select distinct id from sessions) s": 1,
		})
		// Her old cookie is nobody's.
		for _, p := range w.Replicas {
			if at, err := alice.Fork(p, "").Visit(t.Context(), http.MethodGet, w.Issuer+"/account", nil); err != nil || !strings.HasPrefix(at.URL.String(), w.IdP.Issuer()) {
				t.Errorf("%v %v", err, at)
			}
		}
		alice = all[winner].who
	}
}
