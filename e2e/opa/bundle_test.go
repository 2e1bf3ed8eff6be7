package opa

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/rego"
)

const written = `apiVersion: chancery/v1
kind: Policy
metadata: {name: notes}
spec:
  role: grant
  applies_to: {resources: [notes]}
  modules:
    notes.rego: |
      package chancery.authz

      decision := {"allow": true, "scopes": scopes, "reasons": [{"code": "listed"}]} if {
      	input.client.name in data.policy.clients
      }

      scopes contains scope if some scope in input.requested.scopes
  data: {clients: [claude], most: 9007199254740993}
  data_schema: {type: object, required: [clients]}
  tests:
    notes_test.rego: |
      package chancery.authz_test

      import data.chancery.authz

      test_listed if authz.decision.allow with input as {"client": {"name": "claude"}, "requested": {"scopes": []}}

      test_number if data.policy.most == 9007199254740993

      test_that_fails if authz.decision with input as {"client": {"name": "other"}, "requested": {"scopes": []}}
`

func keys(t *testing.T, folder, kind string) (private, public string) {
	t.Helper()
	var key, half any
	var err error
	switch kind {
	case "ES256":
		var k *ecdsa.PrivateKey
		k, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		key, half = k, k.Public()
	case "RS256":
		var k *rsa.PrivateKey
		k, err = rsa.GenerateKey(rand.Reader, 2048)
		key, half = k, k.Public()
	case "EdDSA":
		var k ed25519.PrivateKey
		_, k, err = ed25519.GenerateKey(rand.Reader)
		key, half = k, k.Public()
	}
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(half)
	if err != nil {
		t.Fatal(err)
	}
	private, public = filepath.Join(folder, kind+".key"), filepath.Join(folder, kind+".pub")
	write(t, private, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	write(t, public, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})))
	return private, public
}

// A bundle's tests come out as those of the objects that it was written of.
func TestBundlesTestAlike(t *testing.T) {
	ours, theirs := both(t)
	write(t, ours.folder+"/notes.yaml", written)
	private, _ := keys(t, ours.folder, "ES256")
	ours.export(t, "notes.yaml", private, "notes.tar.gz")
	got := ours.ours(t, "notes.yaml")
	same(t, got, theirs.theirs(t, "--bundle", "notes.tar.gz"))
	if len(got) != 3 || got.failed() != 1 {
		t.Errorf("%v", got)
	}
	if _, status := ours.run(t, "policy", "bundle", "export", "-f", "notes.yaml", "--folder", "unpacked"); status != 0 {
		t.Fatal("export --folder")
	}
	same(t, got, ours.ours(t, "unpacked"))
	same(t, got, theirs.theirs(t, "--bundle", "unpacked"))
	same(t, got, theirs.theirs(t, "unpacked"))

	for _, template := range rego.Templates() {
		t.Run(template.Name, func(t *testing.T) {
			exported := false
			for _, role := range []string{"grant", "guard"} { // each is of one of them
				o, err := json.Marshal(map[string]any{
					"apiVersion": "chancery/v1", "kind": "Policy", "metadata": map[string]any{"name": template.Name},
					"spec": map[string]any{"role": role, "template": template.Name, "data": template.Example},
				})
				if err != nil {
					t.Fatal(err)
				}
				write(t, ours.folder+"/"+template.Name+".yaml", string(o))
				_, status := ours.run(t, "policy", "bundle", "export", "-f", template.Name+".yaml", "--key", private, "--out", template.Name+".tar.gz")
				if exported = status == 0; exported {
					break
				}
			}
			if !exported {
				t.Fatal("it is not exported, neither as a grant nor as a guard")
			}
			got := theirs.theirs(t, "--bundle", template.Name+".tar.gz")
			same(t, ours.ours(t, filepath.Join(root(t), "rego/templates", template.Name)), got)
		})
	}
}

func (p tool) export(t *testing.T, objects, key, out string) {
	t.Helper()
	if _, status := p.run(t, "policy", "bundle", "export", "-f", objects, "--key", key, "--key-id", "release", "--out", out); status != 0 {
		t.Fatalf("export of %s: exit status %d", objects, status)
	}
}

// verifies asks opa, which checks signatures when it builds a bundle anew.
func (p tool) verifies(t *testing.T, bundle, algorithm, public string) bool {
	t.Helper()
	_, status := p.run(t, "build", "--bundle", bundle, "--verification-key", public, "--verification-key-id", "release", "--signing-alg", algorithm, "--output", bundle+".built")
	return status == 0
}

// Each accepts what the other signed, and both refuse what is not as it was signed.
func TestSignaturesAreOPAs(t *testing.T) {
	ours, theirs := both(t)
	write(t, ours.folder+"/notes.yaml", written)
	for _, algorithm := range []string{"ES256", "RS256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			private, public := keys(t, ours.folder, algorithm)
			_, stranger := keys(t, t.TempDir(), algorithm)
			bundle := algorithm + ".tar.gz"
			ours.export(t, "notes.yaml", private, bundle)
			check := func(bundle, key string, good bool) {
				t.Helper()
				_, status := ours.run(t, "policy", "bundle", "verify", bundle, "--key", "release="+key)
				if is, theirs := status == 0, theirs.verifies(t, bundle, algorithm, key); is != good || theirs != good {
					t.Errorf("%s with %s: chancery accepts it: %v, opa: %v; want %v", bundle, filepath.Base(key), is, theirs, good)
				}
			}
			check(bundle, public, true)
			check(bundle, stranger, false)
			for name, change := range map[string]func(map[string]string){
				"extra":   func(f map[string]string) { f["modules/more.rego"] = "package chancery.authz.more\n" },
				"less":    func(f map[string]string) { delete(f, "tests/notes_test.rego") },
				"changed": func(f map[string]string) { f["data.json"] = strings.Replace(f["data.json"], "claude", "others", 1) },
			} {
				repacked(t, ours.folder, bundle, name+bundle, change)
				check(name+bundle, public, false)
			}

			// The other way: signed by opa.
			if _, status := ours.run(t, "policy", "bundle", "export", "-f", "notes.yaml", "--folder", algorithm+"-in"); status != 0 {
				t.Fatal("export --folder")
			}
			if _, status := theirs.run(t, "build", "--bundle", algorithm+"-in", "--signing-key", private, "--signing-alg", algorithm, "--output", algorithm+"-opa.tar.gz"); status != 0 {
				t.Fatal("opa build")
			}
			if _, status := ours.run(t, "policy", "bundle", "verify", algorithm+"-opa.tar.gz", "--key", "default="+public); status != 0 {
				t.Error("what opa signed is refused")
			}
			if _, status := ours.run(t, "policy", "bundle", "verify", algorithm+"-opa.tar.gz", "--key", "default="+stranger); status == 0 {
				t.Error("what somebody else signed is accepted")
			}
		})
	}
}

// A bundle decides the same in opa as it does here.
func TestDecisionsAreTheSame(t *testing.T) {
	ours, theirs := both(t)
	write(t, ours.folder+"/notes.yaml", written)
	private, _ := keys(t, ours.folder, "EdDSA")
	ours.export(t, "notes.yaml", private, "notes.tar.gz")
	for client, allowed := range map[string]bool{"claude": true, "other": false} {
		write(t, ours.folder+"/input.json", `{"version":1,"action":"issue","tenant":{"id":"default"},"client":{"name":"`+client+`","scopes":["a"]},
"resource":{"name":"notes","scopes":["a"]},"requested":{"scopes":["a"]},"available_scopes":["a"],"asserted":{"scopes":["a"]}}`)
		_, status := ours.run(t, "policy", "eval", "-f", "notes.yaml", "--input", "input.json")
		out, _ := theirs.run(t, "eval", "--bundle", "notes.tar.gz", "--input", "input.json", "--format", "json", "data.chancery.authz.decision.allow")
		if is, opas := status == 0, strings.Contains(out, `"value": true`); is != allowed || opas != allowed {
			t.Errorf("%s: chancery allows: %v, opa: %v; want %v", client, is, opas, allowed)
		}
	}
}

// repacked writes a bundle anew with something changed, the signature as it was.
func repacked(t *testing.T, folder, from, to string, change func(map[string]string)) {
	t.Helper()
	in, err := gzip.NewReader(strings.NewReader(read(t, "%s/%s", folder, from)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for archive := tar.NewReader(in); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = string(text)
	}
	change(files)
	var b bytes.Buffer
	out := gzip.NewWriter(&b)
	archive := tar.NewWriter(out)
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, to), b.String())
}
