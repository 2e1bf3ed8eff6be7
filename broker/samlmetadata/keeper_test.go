package samlmetadata_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/samlmetadata"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/saml"
)

// What is written reads back as the same, and has one name.
func TestWriteReadsBack(t *testing.T) {
	w := newWorld(t)
	m, err := saml.ParseMetadata(w.idp.Metadata(certificate(1)), saml.Expected{}, noon)
	if err != nil {
		t.Fatal(err)
	}
	m.ValidUntil = noon.Add(time.Hour)
	raw, err := samlmetadata.Write(m)
	if err != nil {
		t.Fatal(err)
	}
	again, err := saml.ParseMetadata(raw, saml.Expected{EntityID: m.EntityID}, noon)
	if err != nil {
		t.Fatal(err)
	}
	if changes := saml.Diff(m, again); len(changes) > 0 || !again.ValidUntil.Equal(m.ValidUntil) || len(again.NameIDFormats) != len(m.NameIDFormats) || len(again.Ignored) > 0 {
		t.Errorf("%+v\n%+v", changes, again)
	}
	first, err := samlmetadata.Digest(m)
	if err != nil {
		t.Fatal(err)
	}
	again.ValidUntil = noon.Add(48 * time.Hour)
	if second, err := samlmetadata.Digest(again); err != nil || second != first {
		t.Errorf("a later end has another digest: %v", err)
	}
	again.SignOn = again.SignOn[:1]
	if second, err := samlmetadata.Digest(again); err != nil || second == first {
		t.Errorf("a removed endpoint has the same digest: %v", err)
	}
}

// The first document of an address is taken, once, by whichever replica is first.
func TestFirstIsTaken(t *testing.T) {
	w := newWorld(t)
	if w.document(t) != nil {
		t.Fatal("a document from nowhere")
	}
	s := w.tick(t)
	if s.InUse == nil || s.InUse.EntityID != w.idp.EntityID || s.Pending != nil || s.Failure != "" {
		t.Fatalf("%+v", s)
	}
	if w.document(t) == nil || w.raised != 1 {
		t.Errorf("raised %d times", w.raised)
	}
	wantTypes(t, w, audit.TypeMetadataAccepted)
	if err := w.replica(t).Tick(t.Context()); err != nil || w.asked != 1 {
		t.Errorf("asked %d times, %v", w.asked, err)
	}
	if w.day(t); w.asked != 2 || w.raised != 1 {
		t.Errorf("a day later: asked %d times, raised %d times", w.asked, w.raised)
	}
}

// T31: a certificate that comes waits, one that goes is gone at once.
func TestRollover(t *testing.T) {
	w := newWorld(t)
	old, next := w.idp.Certificate, certificate(1)
	w.tick(t)
	w.publish(old, next)
	s := w.day(t)
	if len(s.InUse.Certificates) != 1 || s.Pending == nil || len(s.Changes) != 1 || s.Changes[0].Field != "certificates" || !s.Changes[0].Trust {
		t.Fatalf("%+v", s)
	}
	wantTypes(t, w, audit.TypeMetadataAccepted, audit.TypeMetadataPending)
	if !strings.Contains(w.log.String(), "waits for an administrator") || w.raised != 1 || !w.of.Standing()[0].Pending {
		t.Errorf("raised %d, log %s", w.raised, w.log.String())
	}
	w.day(t) // the same again is not told again
	wantTypes(t, w, audit.TypeMetadataAccepted, audit.TypeMetadataPending)

	for _, wrong := range []string{"", s.Digest, strings.ToUpper(s.PendingDigest)} {
		if _, err := w.of.Accept(t.Context(), w.entry, wrong, admin); !errors.Is(err, samlmetadata.ErrNotPending) {
			t.Errorf("digest %q: %v", wrong, err)
		}
	}
	s, err := w.of.Accept(t.Context(), w.entry, s.PendingDigest, admin)
	if err != nil || len(s.InUse.Certificates) != 2 || s.Pending != nil || w.raised != 2 {
		t.Fatalf("%+v, %v", s, err)
	}
	if e := w.events[len(w.events)-1]; e.Type != audit.TypeMetadataAccepted || e.Principal != admin || e.Detail["idp"] != "corp" {
		t.Errorf("%+v", e)
	}
	if _, err := w.of.Accept(t.Context(), w.entry, s.Digest, admin); !errors.Is(err, samlmetadata.ErrNotPending) {
		t.Errorf("accepted twice: %v", err)
	}

	w.publish(next)
	if s = w.day(t); len(s.InUse.Certificates) != 1 || !s.InUse.Certificates[0].Equal(next) || s.Pending != nil || w.raised != 3 {
		t.Errorf("%+v", s)
	}
}

// One document that takes away and brings: the one counts, the other waits.
func TestRemovalDoesNotWait(t *testing.T) {
	w := newWorld(t)
	old, kept, fresh := w.idp.Certificate, certificate(1), certificate(2)
	w.publish(old, kept)
	w.tick(t)
	w.publish(kept, fresh)
	s := w.day(t)
	if len(s.InUse.Certificates) != 1 || !s.InUse.Certificates[0].Equal(kept) || s.Pending == nil || len(s.Pending.Certificates) != 2 {
		t.Fatalf("%+v", s)
	}
	wantTypes(t, w, audit.TypeMetadataAccepted, audit.TypeMetadataChanged, audit.TypeMetadataPending)
}

// All of them replaced: nobody signs in until an administrator has looked, whatever is published meanwhile.
func TestAllReplaced(t *testing.T) {
	w := newWorld(t)
	w.tick(t)
	w.publish(certificate(1))
	s := w.day(t)
	if s.InUse != nil || s.Pending == nil || w.document(t) != nil {
		t.Fatalf("%+v", s)
	}
	w.publish(certificate(2))
	if s = w.day(t); s.InUse != nil || s.Pending == nil || w.document(t) != nil {
		t.Fatalf("another one: %+v", s)
	}
	w.says = w.idp.Metadata() // what an administrator had taken is there again
	if s = w.day(t); s.InUse == nil || s.Pending != nil {
		t.Fatalf("as it was: %+v", s)
	}
	w.publish(certificate(2))
	s = w.day(t)
	if s, err := w.of.Accept(t.Context(), w.entry, s.PendingDigest, admin); err != nil || s.InUse == nil || w.document(t) == nil {
		t.Fatalf("%+v, %v", s, err)
	}
}

// Endpoints that move wait; where people are sent stays.
func TestMovedEndpoint(t *testing.T) {
	w := newWorld(t)
	w.tick(t)
	before := w.document(t)
	w.says = bytes.ReplaceAll(w.idp.Metadata(), []byte(w.idp.SSO), []byte("https://elsewhere.test/sso"))
	s := w.day(t)
	if s.Pending == nil || !bytes.Equal(before, w.document(t)) || s.Pending.SignOn[0].Location != "https://elsewhere.test/sso" {
		t.Fatalf("%+v", s)
	}
	w.says = w.idp.Metadata() // withdrawn
	if s = w.day(t); s.Pending != nil || !s.PendingSince.IsZero() {
		t.Errorf("%+v", s)
	}
	wantTypes(t, w, audit.TypeMetadataAccepted, audit.TypeMetadataPending, audit.TypeMetadataChanged)
}

// CVE-2023-45683, and everything else that is no metadata: what is in use stays, and the reason is told.
func TestBadAnswers(t *testing.T) {
	for name, says := range map[string]func(w *world) []byte{
		"no answer":   func(*world) []byte { return nil },
		"no metadata": func(*world) []byte { return []byte("<html/>") },
		"an endpoint that is a script": func(w *world) []byte {
			return bytes.ReplaceAll(w.idp.Metadata(), []byte(w.idp.SSO), []byte("javascript:alert(1)"))
		},
		"another IdP than the entry's": func(w *world) []byte {
			w.entry.EntityID = "https://other.test"
			return w.idp.Metadata()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.tick(t)
			before := w.document(t)
			w.says = says(w)
			if s := w.day(t); s.Failure == "" || s.InUse == nil || s.Pending != nil || !bytes.Equal(before, w.document(t)) || !w.of.Standing()[0].Failing {
				t.Fatalf("%+v", s)
			}
			wantTypes(t, w, audit.TypeMetadataAccepted)
		})
		t.Run(name+", and nothing before", func(t *testing.T) {
			w := newWorld(t)
			w.says = says(w)
			if s := w.tick(t); s.Failure == "" || s.InUse != nil || w.document(t) != nil {
				t.Fatalf("%+v", s)
			}
			asked := w.asked
			w.at = w.at.Add(samlmetadata.RetryFirst)
			if w.tick(t); w.asked != asked+1 {
				t.Errorf("asked %d times", w.asked)
			}
		})
	}
}

// Metadata is not used from its own end on; the same with a later end needs nobody.
func TestValidUntil(t *testing.T) {
	w := newWorld(t)
	until := func(at time.Time) []byte {
		return bytes.Replace(w.idp.Metadata(), []byte("entityID="), []byte(`validUntil="`+at.Format(time.RFC3339)+`" entityID=`), 1)
	}
	w.says = until(noon.Add(36 * time.Hour))
	w.tick(t)
	w.says = nil
	if s := w.day(t); s.InUse == nil {
		t.Fatalf("too early: %+v", s)
	}
	if s := w.day(t); s.InUse != nil || w.document(t) != nil || w.raised != 2 {
		t.Fatalf("in use past its end: %+v", s)
	}
	w.says = until(w.at.Add(48 * time.Hour))
	if s := w.day(t); s.InUse == nil || s.Pending != nil {
		t.Fatalf("%+v", s)
	}
	w.says = until(w.at.Add(300 * time.Hour))
	if s := w.day(t); s.Pending != nil || s.InUse.ValidUntil.Before(w.at.Add(200*time.Hour)) {
		t.Fatalf("the later end was not taken: %+v", s)
	}
}

// What ends soon is asked for anew before it does, and not a day later.
func TestShortMetadataIsAskedForInTime(t *testing.T) {
	for name, c := range map[string]struct{ lasts, due time.Duration }{
		"an hour":    {time.Hour, 30 * time.Minute},
		"a minute":   {time.Minute, samlmetadata.RetryFirst},
		"three days": {72 * time.Hour, samlmetadata.Every},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.says = bytes.Replace(w.idp.Metadata(), []byte("entityID="), []byte(`validUntil="`+noon.Add(c.lasts).Format(time.RFC3339)+`" entityID=`), 1)
			if s := w.tick(t); s.InUse == nil || !s.DueAt.Equal(noon.Add(c.due)) {
				t.Errorf("due at %s: %+v", s.DueAt, s)
			}
		})
	}
}

// Another address in the entry is another IdP: what the old one said counts for nothing, before the new one has answered.
func TestAnotherAddress(t *testing.T) {
	w := newWorld(t)
	w.tick(t)
	w.says, w.entry.URL = nil, "https://new.test/metadata"
	if w.document(t) != nil {
		t.Error("what another address said is in use until somebody looks")
	}
	if s := w.tick(t); s.InUse != nil || w.document(t) != nil || w.raised != 2 {
		t.Fatalf("%+v", s)
	}
	wantTypes(t, w, audit.TypeMetadataAccepted, audit.TypeMetadataChanged)
	if _, err := w.of.Accept(t.Context(), w.entry, "x", admin); !errors.Is(err, samlmetadata.ErrNotPending) {
		t.Errorf("%v", err)
	}
}

// What was taken without a signature counts for nothing once the entry asks for one.
func TestSignatureIsAskedForLater(t *testing.T) {
	w := newWorld(t)
	w.tick(t)
	w.entry.Signers = append(w.entry.Signers, certificate(1))
	if w.document(t) != nil {
		t.Error("what nobody signed is in use until somebody looks")
	}
	if s := w.tick(t); s.InUse != nil || s.Failure == "" || w.document(t) != nil || w.raised != 2 {
		t.Fatalf("%+v", s)
	}
}

// An administrator asks at any hour, and it is the same asking.
func TestLook(t *testing.T) {
	w := newWorld(t)
	s, err := w.of.Look(t.Context(), w.entry, admin)
	if err != nil || s.InUse == nil || w.events[0].Principal != admin {
		t.Fatalf("%+v, %v", s, err)
	}
	w.publish(w.idp.Certificate, certificate(1))
	if s, err = w.of.Look(t.Context(), w.entry, admin); err != nil || s.Pending == nil || w.asked != 2 {
		t.Fatalf("%+v, %v", s, err)
	}
	for _, f := range []func() error{
		func() error { _, err := w.of.Look(t.Context(), samlmetadata.Entry{}, admin); return err },
		func() error { _, err := w.of.Accept(t.Context(), samlmetadata.Entry{}, "x", admin); return err },
	} {
		if err := f(); !errors.Is(err, tenant.ErrNoTenant) {
			t.Errorf("without a tenant: %v", err)
		}
	}
}

// Each mark is told of once.
func TestExpiriesAreTold(t *testing.T) {
	w := newWorld(t)
	w.publish(certificate(0))
	w.tick(t)
	end := certificate(0).NotAfter
	told := func() int { return strings.Count(w.log.String(), "cert_expired") }
	if told() != 0 {
		t.Fatalf("too early: %s", w.log.String())
	}
	for i, days := range saml.Marks() {
		w.at = end.Add(-time.Duration(days) * 24 * time.Hour)
		w.tick(t)
		w.tick(t)
		if told() != i+1 {
			t.Errorf("%d days before: told %d times", days, told())
		}
	}
	w.at = end
	if w.tick(t); !strings.Contains(w.log.String(), "has ended") {
		t.Error("its end is not told of")
	}
	if got := w.of.Standing()[0].Certificates; len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// What is written into an entry is asked of nobody, and its end is watched all the same.
func TestPinned(t *testing.T) {
	w := newWorld(t)
	w.at = certificate(0).NotAfter.Add(-time.Hour)
	w.entry.Pinned = &saml.Metadata{EntityID: w.idp.EntityID, Certificates: []*x509.Certificate{certificate(0)}}
	if err := w.of.Tick(t.Context()); err != nil || w.asked != 0 || len(w.rows) != 0 {
		t.Fatalf("asked %d times, %v", w.asked, err)
	}
	if got := w.of.Standing(); len(got) != 1 || len(got[0].Certificates) != 1 || !strings.Contains(w.log.String(), "within_days=3") {
		t.Errorf("%+v %s", got, w.log.String())
	}
}

func TestKeeperNeedsEverything(t *testing.T) {
	if _, err := samlmetadata.New(samlmetadata.Config{}); err == nil {
		t.Error("made of nothing")
	}
}
