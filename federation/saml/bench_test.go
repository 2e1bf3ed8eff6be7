package saml_test

import (
	"testing"

	"github.com/chancery-dev/chancery/federation/idptest/samltest"
)

func BenchmarkVerifyResponse(b *testing.B) {
	for name, change := range map[string]func(*samltest.Draft){
		"signed": func(*samltest.Draft) {},
		"both":   func(d *samltest.Draft) { d.SignResponse = true },
		"encrypted": func(d *samltest.Draft) {
			d.Encrypt = &samltest.Encryption{Block: samltest.AES256GCM, Transport: samltest.OAEPMGF1P}
		},
		"forged":    func(d *samltest.Draft) { d.AssertionSignature.Key = samltest.RSAKey(1) },
		"groups150": func(d *samltest.Draft) { d.Attribute("groups", many(148)...) },
	} {
		b.Run(name, func(b *testing.B) {
			w := newWorld()
			d := w.idp.Draft(w.sp, request)
			change(d)
			presented := presentation(w, d.Encoded())
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.verifier.Verify(w.provider, presented); (err != nil) != (name == "forged") {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerifyBearer(b *testing.B) {
	w := newWorld()
	r := registry(b, w)
	in := bearerRequest(w.idp.Bearer(w.sp, endpoint, issuer).EncodedForToken())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.verifier.VerifyBearer(r, in); err != nil {
			b.Fatal(err)
		}
	}
}
