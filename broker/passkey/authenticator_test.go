package passkey_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// authenticator is a passkey in software, with what a browser adds: it says whatever a test wants it to.
type authenticator struct {
	key        *ecdsa.PrivateKey
	id         []byte
	user       string // the user handle
	origin     string
	party      string
	kind       string // of the client data; "": what fits
	flags      byte
	count      uint32
	format     string
	statement  map[string]any
	crossFrame bool
	algorithm  int
}

const (
	present  = 0x01
	verified = 0x04
	eligible = 0x08
	backedUp = 0x10
	attested = 0x40
)

func newAuthenticator(t *testing.T) *authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	id := make([]byte, 24)
	_, _ = rand.Read(id)
	return &authenticator{key: key, id: id, origin: "https://auth.acme.test", party: "auth.acme.test", flags: present | verified, format: "none", statement: map[string]any{}, algorithm: -7}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

type asked struct {
	PublicKey struct {
		Challenge string `json:"challenge"`
		User      struct {
			ID string `json:"id"`
		} `json:"user"`
		RP struct {
			ID string `json:"id"`
		} `json:"rp"`
		RPID             string           `json:"rpId"`
		UserVerification string           `json:"userVerification"`
		Attestation      string           `json:"attestation"`
		PubKeyCredParams []map[string]any `json:"pubKeyCredParams"`
		Selection        struct {
			UserVerification string `json:"userVerification"`
			ResidentKey      string `json:"residentKey"`
		} `json:"authenticatorSelection"`
		Exclude []map[string]any `json:"excludeCredentials"`
		Allow   []map[string]any `json:"allowCredentials"`
	} `json:"publicKey"`
}

func read(t *testing.T, options []byte) asked {
	t.Helper()
	var a asked
	must(t, json.Unmarshal(options, &a))
	return a
}

func (a *authenticator) clientData(t *testing.T, kind, challenge string) []byte {
	t.Helper()
	if a.kind != "" {
		kind = a.kind
	}
	text, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": a.origin, "crossOrigin": a.crossFrame})
	must(t, err)
	return text
}

func (a *authenticator) data(flags byte) []byte {
	sum := sha256.Sum256([]byte(a.party))
	return binary.BigEndian.AppendUint32(append(sum[:], flags), a.count)
}

// create answers navigator.credentials.create.
func (a *authenticator) create(t *testing.T, options []byte) []byte {
	t.Helper()
	public, err := a.key.PublicKey.Bytes()
	must(t, err)
	cose, err := webauthncbor.Marshal(map[int]any{1: 2, 3: a.algorithm, -1: 1, -2: public[1:33], -3: public[33:]})
	must(t, err)
	data := append(a.data(a.flags|attested), make([]byte, 16)...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.id)))
	data = append(append(data, a.id...), cose...)
	object, err := webauthncbor.Marshal(map[string]any{"fmt": a.format, "attStmt": a.statement, "authData": data})
	must(t, err)
	made := read(t, options)
	user, err := base64.RawURLEncoding.DecodeString(made.PublicKey.User.ID)
	must(t, err)
	a.user = string(user)
	return a.wrap(t, map[string]any{"clientDataJSON": b64(a.clientData(t, "webauthn.create", made.PublicKey.Challenge)), "attestationObject": b64(object), "transports": []string{"internal", "<b>"}})
}

// get answers navigator.credentials.get.
func (a *authenticator) get(t *testing.T, options []byte) []byte {
	t.Helper()
	client := a.clientData(t, "webauthn.get", read(t, options).PublicKey.Challenge)
	data := a.data(a.flags)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	must(t, err)
	return a.wrap(t, map[string]any{
		"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature), "userHandle": b64([]byte(a.user)),
	})
}

func (a *authenticator) wrap(t *testing.T, response map[string]any) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{"id": b64(a.id), "rawId": b64(a.id), "type": "public-key", "response": response, "clientExtensionResults": map[string]any{}})
	must(t, err)
	return text
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
