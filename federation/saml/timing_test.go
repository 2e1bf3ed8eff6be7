package saml_test

import (
	"bytes"
	"encoding/base64"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest/samltest"
)

// T30: an algorithm that is refused, padding that is wrong and a tag that is wrong
// are one answer after one time.
func TestDecryptionTellsNothing(t *testing.T) {
	const samples = 1000
	w := newWorld()
	kinds := map[string]samltest.Encryption{
		"cbc":        {Block: samltest.AES256CBC, Transport: samltest.OAEPMGF1P},
		"pkcs1v15":   {Block: samltest.AES256GCM, Transport: samltest.PKCS1v15},
		"3des":       {Block: samltest.TripleDES, Transport: samltest.OAEPMGF1P},
		"wrong key":  {Block: samltest.AES256GCM, Transport: samltest.OAEPMGF1P, Wrong: func(s, _ []byte) { s[0] ^= 1 }},
		"wrong tag":  {Block: samltest.AES256GCM, Transport: samltest.OAEPMGF1P, Wrong: func(_, c []byte) { c[len(c)-1] ^= 1 }},
		"oaep fails": {Block: samltest.AES256GCM, Transport: samltest.OAEPMGF1P, Digest: samltest.SHA256, Wrong: nil},
	}
	documents := map[string]string{}
	for name, kind := range kinds {
		d := w.idp.Draft(w.sp, request)
		d.Encrypt = &kind
		if name == "oaep fails" { // wrapped under one digest, said to be under another
			wrapped := bytes.Replace(d.Document(), []byte(samltest.SHA256+`"/></xenc:EncryptionMethod>`), []byte(samltest.SHA512+`"/></xenc:EncryptionMethod>`), 1)
			documents[name] = base64.StdEncoding.EncodeToString(wrapped)
			continue
		}
		documents[name] = d.Encoded()
	}
	times := map[string][]time.Duration{}
	for range samples {
		for name, encoded := range documents { // interleaved, so that what else runs is the same for each
			began := time.Now()
			_, err := w.verifier.Verify(w.provider, presentation(w, encoded))
			times[name] = append(times[name], time.Since(began))
			refused(t, err, federation.CodeSAMLDecryption)
		}
	}
	var least, most time.Duration
	for name, list := range times {
		slices.Sort(list)
		median := list[len(list)/2]
		if least == 0 || median < least {
			least = median
		}
		most = max(most, median)
		t.Logf("%-10s median %s", name, median)
	}
	if most > least*3/2 {
		t.Errorf("medians from %s to %s", least, most)
	}
}
