package authorize_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker"
	"github.com/chancery-dev/chancery/broker/authorize"
	"github.com/chancery-dev/chancery/broker/interaction"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/passkey"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// waits is one link, of alice.
type waits struct {
	h        *house
	i        interaction.Interaction
	finished *session.Session
	declined int
}

func (l *waits) Open(_ context.Context, _ tenant.UID, id string) (interaction.Interaction, error) {
	if id != "link" || l.finished != nil {
		return interaction.Interaction{}, interaction.ErrGone
	}
	return l.i, nil
}

func (l *waits) Depart(_ context.Context, _ interaction.Interaction, s *session.Session, _ interaction.Visit) error {
	l.i.DepartedAt = l.h.now
	if s != nil {
		l.i.Before = s.Handle
	}
	return nil
}

func (l *waits) Met(i interaction.Interaction, s session.Session) bool {
	return s.UserUID == i.UserUID && i.Demand().Met(s.Proof.ACR, s.Proof.AuthTime, l.h.now)
}

func (l *waits) Finish(_ context.Context, i interaction.Interaction, s session.Session, _ int64, _ interaction.Visit) error {
	if !l.Met(i, s) {
		return interaction.ErrUnmet
	}
	l.finished = &s
	return nil
}

func (l *waits) Decline(interaction.Interaction, interaction.Visit) { l.declined++ }

// touch is an authenticator that says yes to "good".
type touch struct {
	h       *house
	allowed bool
	own     []passkey.Credential
	old     bool // the sign-in
}

func (p *touch) Allowed(*snapshot.Tenant) bool { return p.allowed }
func (p *touch) Fresh(session.Session) bool    { return !p.old }
func (p *touch) options() []byte               { return []byte(`{"publicKey":{"challenge":"AAAA"}}`) }

func (p *touch) answer(said []byte) (err error) {
	return map[bool]error{false: passkey.ErrRefused}[string(said) == "good"]
}

func (p *touch) List(context.Context, *snapshot.Tenant, string) ([]passkey.Credential, error) {
	return p.own, nil
}

func (p *touch) Remove(_ context.Context, _ *snapshot.Tenant, _, id string, _ passkey.Visit) error {
	if len(p.own) == 0 || p.own[0].ID != id {
		return passkey.ErrGone
	}
	p.own = nil
	return nil
}

func (p *touch) BeginEnrolment(context.Context, *snapshot.Tenant, session.Session, string) ([]byte, error) {
	switch {
	case !p.allowed:
		return nil, passkey.ErrNotAllowed
	case p.old:
		return nil, passkey.ErrNotFresh
	case len(p.own) == passkey.Most:
		return nil, passkey.ErrFull
	}
	return p.options(), nil
}

func (p *touch) Enrol(_ context.Context, _ *snapshot.Tenant, _ session.Session, said []byte, name string, _ passkey.Visit) (passkey.Credential, error) {
	if err := p.answer(said); err != nil {
		return passkey.Credential{}, err
	}
	c := passkey.Credential{ID: "pky_1", Name: name, CreatedAt: p.h.now}
	p.own = append(p.own, c)
	return c, nil
}

func (p *touch) BeginProof(context.Context, *snapshot.Tenant, session.Session) ([]byte, error) {
	if len(p.own) == 0 {
		return nil, passkey.ErrNone
	}
	return p.options(), nil
}

func (p *touch) Prove(_ context.Context, _ *snapshot.Tenant, _ session.Session, said []byte, _ passkey.Visit) (session.Proof, error) {
	if err := p.answer(said); err != nil {
		return session.Proof{}, err
	}
	return session.Proof{ACR: session.ACRPasskey, AMR: []string{"hwk", "user"}, AuthTime: p.h.now}, nil
}

// Raise implements authorize.Raiser.
func (h *house) Raise(_ context.Context, t *snapshot.Tenant, s session.Session, proof session.Proof) (session.Session, *http.Cookie, error) {
	for name, one := range h.sessions.alive {
		if one.Handle == s.Handle {
			delete(h.sessions.alive, name)
		}
	}
	raised, cookie := h.sessions.start(t, s.UserUID, s.IdPUID, proof)
	return raised, cookie, nil
}

// newStepping is a house in which a link waits for alice.
func newStepping(t *testing.T, values []string, age time.Duration) (*house, *waits, *touch) {
	t.Helper()
	h := newHouse(t)
	links, keys := &waits{h: h}, &touch{h: h}
	_, err := authorize.NewStepping(authorize.Stepping{Desk: h.desk, Interactions: links, Passkeys: keys, Raiser: h})
	must(t, err)
	h.server, err = broker.New(broker.Config{
		PublicURL: issuer, Pictures: h.source, Tokens: h, Introspection: about{}, JWKS: h, Ready: func(context.Context) error { return nil }, Observer: h,
		People: h.desk, InFlight: 64, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return h.now },
	})
	must(t, err)
	picture, err := h.source.Get(t.Context(), "default")
	must(t, err)
	agent, err := h.source.Clients().Lookup(t.Context(), picture.UID, "agent")
	must(t, err)
	links.i = interaction.Interaction{
		Tenant: picture.UID, UserUID: "usr_alice", ClientUID: agent.UID, ClientID: "agent", ResourceUID: picture.ActiveResources()[0].UID, ACRValues: values,
	}
	if age != 0 {
		links.i.MaxAge = &age
	}
	return h, links, keys
}

// along is follow, past pages that end a chain of redirects on the way to a page of ours.
func (b *browser) along(s seen) seen {
	b.h.t.Helper()
	for s = b.follow(s); strings.HasPrefix(s.onward(), issuer+"/"); {
		s = b.follow(b.open(s.onward()))
	}
	return s
}

// TestInteractAtTheIdP: alice opens the link, agrees, proves it at her IdP and is sent back to her agent.
func TestInteractAtTheIdP(t *testing.T) {
	h, links, _ := newStepping(t, []string{"phr", session.ACRPasskey}, 5*time.Minute)
	h.idp.proof = session.Proof{ACR: "phr", AuthTime: h.now}
	b := h.browser()
	shown := b.open("/interact/link")
	if shown.status != http.StatusOK || !strings.Contains(shown.body, "agent") || !strings.Contains(shown.body, "notes") || strings.Contains(shown.body, "alice") {
		t.Fatalf("%d: %s", shown.status, shown.body)
	}
	done := b.follow(b.press(shown, "way", "idp:okta"))
	if links.finished == nil || !strings.Contains(done.body, "go back to your agent") {
		t.Fatalf("%d: %s", done.status, done.body)
	}
	ask := h.idp.asks[0]
	if ask.Only != "usr_alice" || len(ask.ACRValues) != 1 || ask.ACRValues[0] != "phr" || *ask.MaxAge != 5*time.Minute || !strings.HasPrefix(ask.Then, "/interact/link?token=") {
		t.Errorf("asked the IdP for %+v", ask)
	}
	b.open("/interact/link").shows(oauth.CodeInteractionGone)
}

// TestInteractNeedsTheWord: a link that is only looked at finishes nothing, whoever is signed in.
func TestInteractNeedsTheWord(t *testing.T) {
	h, links, _ := newStepping(t, []string{"phr"}, 0)
	h.idp.proof = session.Proof{ACR: "phr", AuthTime: h.now}
	b := h.browser()
	b.follow(b.open("/account"))
	shown := b.open("/interact/link")
	if links.finished != nil {
		t.Fatal("a look finished it")
	}
	forged := b.post("/interact/link", map[string][]string{"way": {"session"}, "token": {"AAAA"}})
	forged.shows(oauth.CodeFormTokenInvalid)
	b.site = "cross-site"
	b.press(shown, "way", "session")
	b.site = "same-origin"
	if links.finished != nil {
		t.Fatal("a form of another page finished it")
	}
	if denied := b.press(shown, "way", ""); links.declined != 1 || !strings.Contains(denied.body, "goes without it") || links.finished != nil {
		t.Errorf("declined: %s", denied.body)
	}
	b.press(shown, "way", "passkey").shows(oauth.CodeInteractionUnmet)
	if b.press(shown, "way", "session"); links.finished == nil {
		t.Error("her own word did not finish it")
	}
}

// TestInteractAgreedElsewhere: whoever has the link agrees in his own browser, and has alice, who signed in a moment ago for
// something else, look at it. It waits for her own word.
func TestInteractAgreedElsewhere(t *testing.T) {
	h, links, _ := newStepping(t, nil, 5*time.Minute)
	h.idp.proof = session.Proof{ACR: "phr", AuthTime: h.now}
	agent := h.browser()
	sent := agent.press(agent.open("/interact/link"), "way", "idp:okta")
	alice := h.browser()
	alice.follow(alice.open("/account"))
	for _, path := range []string{"/interact/link", "/interact/link?token=AAAA", h.idp.asks[0].Then} {
		if shown := alice.open(path); shown.status != http.StatusOK || links.finished != nil {
			t.Fatalf("%s: %d, finished by a look", path, shown.status)
		}
	}
	if agent.follow(sent); links.finished == nil {
		t.Error("in the browser in which it was agreed it does not finish")
	}
}

// TestInteractWithWhatIsNotEnough: what came back from the IdP counts, not that she went there.
func TestInteractWithWhatIsNotEnough(t *testing.T) {
	h, links, _ := newStepping(t, []string{"phr"}, 0)
	h.idp.proof = session.Proof{ACR: "pwd", AuthTime: h.now}
	b := h.browser()
	b.follow(b.press(b.open("/interact/link"), "way", "idp:okta"))
	if links.finished != nil {
		t.Error("finished")
	}
}

// TestInteractIsForOne: another person is told that it is not his, and not whose.
func TestInteractIsForOne(t *testing.T) {
	h, links, _ := newStepping(t, []string{"phr"}, 0)
	h.idp.who, h.idp.proof = "usr_bob", session.Proof{ACR: "phr", AuthTime: h.now}
	b := h.browser()
	b.follow(b.open("/account"))
	shown := b.open("/interact/link")
	shown.shows(oauth.CodeInteractionWrongPerson)
	if strings.Contains(shown.body, "alice") || links.finished != nil {
		t.Error(shown.body)
	}
}

// TestInteractWithoutAWay: an IdP that cannot, and no passkeys.
func TestInteractWithoutAWay(t *testing.T) {
	h, _, _ := newStepping(t, []string{session.ACRPasskey}, 0)
	h.browser().open("/interact/link").shows(oauth.CodeInteractionUnmet)
	h, _, _ = newStepping(t, []string{"phr"}, 0)
	h.idp.refuse = oauth.Refuse(oauth.CodeIdPStepUpUnsupported, "", "")
	b := h.browser()
	b.press(b.open("/interact/link"), "way", "idp:okta").shows(oauth.CodeIdPStepUpUnsupported)
}

// TestInteractWithAPasskey: her IdP cannot, so she makes a passkey right after she signed in, and uses it.
func TestInteractWithAPasskey(t *testing.T) {
	h, links, keys := newStepping(t, []string{session.ACRPasskey}, 0)
	keys.allowed = true
	b := h.browser()
	shown := b.follow(b.open("/interact/link"))
	before := b.cookies["__Host-chancery"]
	page := b.follow(b.press(shown, "way", "enrol"))
	if !strings.Contains(page.header.Get("Content-Security-Policy"), "script-src 'sha256-") {
		t.Fatalf("%d: %s", page.status, page.body)
	}
	b.press(page, "response", "bad", "name", "x").shows(oauth.CodePasskeyRefused)
	use := b.along(b.press(page, "response", "good", "name", "My laptop"))
	b.press(use, "response", "bad").shows(oauth.CodePasskeyRefused)
	done := b.along(b.press(use, "response", "good"))
	if links.finished == nil || links.finished.Proof.ACR != session.ACRPasskey || !strings.Contains(done.body, "go back to your agent") {
		t.Fatalf("%d: %s", done.status, done.body)
	}
	if b.cookies["__Host-chancery"] == before {
		t.Error("the session has the handle it had before it was raised")
	}
}

// TestInteractWhenTheSignInIsOld: who has no passkey signs in again, and can make one then.
func TestInteractWhenTheSignInIsOld(t *testing.T) {
	h, links, keys := newStepping(t, []string{session.ACRPasskey}, 0)
	keys.allowed, keys.old = true, true
	b := h.browser()
	shown := b.follow(b.open("/interact/link"))
	b.press(shown, "way", "enrol").shows(oauth.CodeInteractionUnmet)
	sent := b.press(shown, "way", "idp:okta")
	if ask := h.idp.asks[len(h.idp.asks)-1]; len(ask.Prompt) != 1 || ask.Prompt[0] != "login" || ask.Only != "usr_alice" {
		t.Errorf("asked the IdP for %+v", ask)
	}
	keys.old = false
	if again := b.follow(sent); !strings.Contains(again.body, `value="enrol"`) || links.finished != nil {
		t.Error(again.body)
	}
}

// TestPasskeysOfAPerson: listed, refused when they may not be made, removed.
func TestPasskeysOfAPerson(t *testing.T) {
	h, _, keys := newStepping(t, nil, time.Minute)
	b := h.browser()
	b.follow(b.open("/account"))
	b.open("/passkeys/new").shows(oauth.CodePasskeysNotAllowed)
	b.open("/passkeys/prove").shows(oauth.CodePasskeyNone)
	keys.allowed, keys.old = true, true
	b.open("/passkeys/new").shows(oauth.CodePasskeySignInNotFresh)
	keys.old, keys.own = false, make([]passkey.Credential, passkey.Most)
	b.open("/passkeys/new").shows(oauth.CodePasskeyLimit)
	keys.own = []passkey.Credential{{ID: "pky_1", Name: "<b>laptop", CreatedAt: h.now}}
	shown := b.open("/passkeys")
	if !strings.Contains(shown.body, "&lt;b&gt;laptop") {
		t.Error(shown.body)
	}
	b.post("/passkeys", map[string][]string{"passkey": {"pky_1"}}).shows(oauth.CodeFormTokenInvalid)
	if b.press(shown, "passkey", "pky_1"); len(keys.own) != 0 {
		t.Error("it was not removed")
	}
	for _, then := range []string{"//evil.example", "https:evil.example", "/%5Cevil.example"} { // T39
		b.open("/passkeys/prove?then=" + then).shows(oauth.CodeRequestMalformed)
	}
}

// TestSteppingNeedsItsParts refuses one in which a part is missing.
func TestSteppingNeedsItsParts(t *testing.T) {
	if _, err := authorize.NewStepping(authorize.Stepping{}); err == nil {
		t.Error("without its parts")
	}
}
