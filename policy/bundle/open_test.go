package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/bundle"

	"github.com/chancery-dev/chancery/policy"
)

// signed packs and signs files as they are.
func signed(t testing.TB, files map[string][]byte, key SigningKey) []byte {
	t.Helper()
	files = maps.Clone(files)
	var err error
	if files[signaturesFile], err = sign(files, key); err != nil {
		t.Fatal(err)
	}
	return packed(t, files)
}

func packed(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := pack(&b, files); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tokenOf signs any claims under any header that OPA would write; change sees both before.
func tokenOf(t testing.TB, files map[string][]byte, key SigningKey, change func(*[]bundle.FileInfo)) []byte {
	t.Helper()
	var list []bundle.FileInfo
	for _, name := range slices.Sorted(maps.Keys(files)) {
		sum, err := digest(name, files[name], "SHA-256")
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, bundle.NewFile(name, sum, "SHA-256"))
	}
	change(&list)
	text, err := signList(list, key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// reheaded replaces the token's header, or its claims, and keeps the signature.
func reheaded(t testing.TB, text []byte, part int, change func(map[string]any)) []byte {
	t.Helper()
	var all signatures
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(all.Signatures[0], ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[part])
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	change(members)
	if raw, err = json.Marshal(members); err != nil {
		t.Fatal(err)
	}
	parts[part] = base64.RawURLEncoding.EncodeToString(raw)
	all.Signatures[0] = strings.Join(parts, ".")
	out, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Each starts from a good bundle, and breaks one thing.
func TestOpenRefuses(t *testing.T) {
	key, _ := signingKey(t, ES256)
	other, _ := signingKey(t, ES256)
	good := func() map[string][]byte {
		files, err := Files(notes())
		if err != nil {
			t.Fatal(err)
		}
		files[signaturesFile], err = sign(files, key)
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	resigned := func(f map[string][]byte) {
		delete(f, signaturesFile)
		text, err := sign(f, key)
		if err != nil {
			t.Fatal(err)
		}
		f[signaturesFile] = text
	}
	relisted := func(change func(*[]bundle.FileInfo)) func(map[string][]byte) {
		return func(f map[string][]byte) {
			delete(f, signaturesFile)
			f[signaturesFile] = tokenOf(t, f, key, change)
		}
	}
	header := func(change func(map[string]any)) func(map[string][]byte) {
		return func(f map[string][]byte) { f[signaturesFile] = reheaded(t, f[signaturesFile], 0, change) }
	}
	replaced := func(name, old, by string) func(map[string][]byte) {
		return func(f map[string][]byte) {
			was := f[name]
			f[name] = bytes.Replace(was, []byte(old), []byte(by), 1)
			if bytes.Equal(was, f[name]) {
				t.Fatalf("%s has no %s:\n%s", name, old, was)
			}
			resigned(f)
		}
	}
	if _, err := Open(packed(t, good()), []TrustedKey{key.Trusted()}); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(map[string][]byte)
		want   error
	}{
		"the signature is gone":    {func(f map[string][]byte) { delete(f, signaturesFile) }, ErrUnsigned},
		"the signature is empty":   {func(f map[string][]byte) { f[signaturesFile] = nil }, ErrUnsigned},
		"an empty object":          {func(f map[string][]byte) { f[signaturesFile] = []byte(`{}`) }, ErrUnsigned},
		"no signature in the list": {func(f map[string][]byte) { f[signaturesFile] = []byte(`{"signatures":[]}`) }, ErrUnsigned},
		"two lists of signatures":  {func(f map[string][]byte) { f[signaturesFile] = []byte(`{"signatures":[],"signatures":[]}`) }, ErrUnsigned},
		"an empty signature":       {func(f map[string][]byte) { f[signaturesFile] = []byte(`{"signatures":[""]}`) }, ErrSignature},
		"two signatures":           {func(f map[string][]byte) { f[signaturesFile] = twice(f[signaturesFile]) }, ErrUnsigned},
		"a plugin": {func(f map[string][]byte) {
			f[signaturesFile] = bytes.Replace(f[signaturesFile], []byte(`"plugin": ""`), []byte(`"plugin": "mine"`), 1)
		}, ErrUnsigned},
		"signatures without end":    {func(f map[string][]byte) { f[signaturesFile] = make([]byte, maxSignatures+1) }, ErrTooLarge},
		"the signature in a folder": {func(f map[string][]byte) { f["modules/"+signaturesFile] = f[signaturesFile]; delete(f, signaturesFile) }, ErrUnsigned},
		"another in a folder":       {func(f map[string][]byte) { f["modules/"+signaturesFile] = f[signaturesFile]; resigned(f) }, ErrContent},

		"an empty key id":                  {header(func(h map[string]any) { h["kid"] = "" }), ErrKeyID},
		"no key id":                        {header(func(h map[string]any) { delete(h, "kid") }), ErrKeyID},
		"another key id":                   {header(func(h map[string]any) { h["kid"] = "other" }), ErrKeyID},
		"a key id that is no text":         {header(func(h map[string]any) { h["kid"] = 1 }), ErrSignature},
		"no algorithm":                     {header(func(h map[string]any) { delete(h, "alg") }), ErrAlgorithm},
		"algorithm none":                   {header(func(h map[string]any) { h["alg"] = "none" }), ErrAlgorithm},
		"another algorithm":                {header(func(h map[string]any) { h["alg"] = "ES384" }), ErrAlgorithm},
		"another kind of key":              {header(func(h map[string]any) { h["alg"] = "RS256" }), ErrAlgorithm},
		"something critical":               {header(func(h map[string]any) { h["crit"] = []string{"b64"} }), ErrSignature},
		"nothing critical, and says so":    {header(func(h map[string]any) { h["crit"] = []string{} }), ErrSignature},
		"a header that was not signed":     {header(func(h map[string]any) { h["typ"] = "other" }), ErrSignature},
		"HMAC with the public key as text": {func(f map[string][]byte) { f[signaturesFile] = hmacked(t, f[signaturesFile], key) }, ErrAlgorithm},
		"claims that were not signed": {func(f map[string][]byte) {
			f[signaturesFile] = reheaded(t, f[signaturesFile], 1, func(c map[string]any) { c["iss"] = "me" })
		}, ErrSignature},
		"somebody else's": {func(f map[string][]byte) { f[signaturesFile] = forged(t, f, other, key) }, ErrSignature},
		"no dots":         {func(f map[string][]byte) { f[signaturesFile] = []byte(`{"signatures":["a"]}`) }, ErrSignature},
		"no base64":       {func(f map[string][]byte) { f[signaturesFile] = []byte(`{"signatures":["!.!.!"]}`) }, ErrSignature},

		"a file that is not signed":     {func(f map[string][]byte) { f["modules/more.rego"] = []byte(module) }, ErrCover},
		"a note that is not signed":     {func(f map[string][]byte) { f["README.md"] = []byte("x") }, ErrCover},
		"a manifest that is not signed": {func(f map[string][]byte) { f["modules/.manifest"] = []byte("{}") }, ErrCover},
		"a signed file that is gone":    {func(f map[string][]byte) { delete(f, "tests/notes_test.rego") }, ErrCover},
		"the manifest is gone":          {func(f map[string][]byte) { delete(f, manifestFile) }, ErrCover},
		"a module that differs":         {func(f map[string][]byte) { f["modules/notes.rego"] = []byte(module + " ") }, ErrDigest},
		"data that differ": {func(f map[string][]byte) {
			f[dataFile] = bytes.Replace(f[dataFile], []byte("claude"), []byte("others"), 1)
		}, ErrDigest},
		"data that are said twice": {func(f map[string][]byte) {
			f[dataFile] = []byte(`{"policy":{"clients":["other"]},` + string(f[dataFile][1:]))
		}, ErrContent},
		"a file is signed twice":         {relisted(func(l *[]bundle.FileInfo) { *l = append(*l, (*l)[0]) }), ErrCover},
		"a file is not in the signature": {relisted(func(l *[]bundle.FileInfo) { *l = (*l)[1:] }), ErrCover},
		"no file is":                     {relisted(func(l *[]bundle.FileInfo) { *l = nil }), ErrCover},
		"one by another path":            {relisted(func(l *[]bundle.FileInfo) { (*l)[0].Name = "./" + (*l)[0].Name }), ErrCover},
		"one by MD5":                     {relisted(func(l *[]bundle.FileInfo) { (*l)[0].Algorithm = "MD5" }), ErrAlgorithm},
		"one by SHA-1":                   {relisted(func(l *[]bundle.FileInfo) { (*l)[0].Algorithm = "SHA-1" }), ErrAlgorithm},
		"one by nothing":                 {relisted(func(l *[]bundle.FileInfo) { (*l)[0].Algorithm = "" }), ErrAlgorithm},
		"one with no digest":             {relisted(func(l *[]bundle.FileInfo) { (*l)[0].Hash = "" }), ErrDigest},
		"one with a digest in capitals":  {relisted(func(l *[]bundle.FileInfo) { (*l)[0].Hash = strings.ToUpper((*l)[0].Hash) }), ErrDigest},
		"the signature signs itself":     {relisted(func(l *[]bundle.FileInfo) { *l = append(*l, bundle.NewFile(signaturesFile, "", "SHA-256")) }), ErrCover},

		"Rego of another version":      {replaced(manifestFile, `"rego_version": 1`, `"rego_version": 0`), ErrContent},
		"a file of another version":    {replaced(manifestFile, `"rego_version": 1`, `"file_rego_versions": {"modules/notes.rego": 0}`), ErrContent},
		"compiled modules":             {replaced(manifestFile, `"rego_version": 1`, `"wasm": [{"entrypoint": "a", "module": "b"}]`), ErrContent},
		"an unknown member":            {replaced(manifestFile, `"rego_version"`, `"rego_versions"`), ErrContent},
		"metadata of another version":  {replaced(manifestFile, `"version": 1`, `"version": 2`), ErrContent},
		"unknown metadata":             {replaced(manifestFile, `"role"`, `"rule"`), ErrContent},
		"another role than was hashed": {replaced(manifestFile, `"role": "grant"`, `"role": "guard"`), ErrContent},
		"no hash":                      {replaced(manifestFile, `"hash": "`, `"hash": "", "x": "`), ErrContent},
		"a module that was not hashed": {func(f map[string][]byte) { f["modules/notes.rego"] = []byte("#"); resigned(f) }, ErrContent},
		"a manifest that is no JSON": {func(f map[string][]byte) {
			f[manifestFile] = []byte(`{`)
			f[signaturesFile] = tokenOf(t, without(f, manifestFile), key, func(l *[]bundle.FileInfo) { *l = append(*l, bundle.NewFile(manifestFile, "00", "SHA-256")) })
		}, ErrContent},
		"a document that is no policy":    {func(f map[string][]byte) { f["README.md"] = []byte("x"); resigned(f) }, ErrContent},
		"data beside the policy's":        {replaced(dataFile, `{`, `{"users": {}, `), ErrContent},
		"data that are no object":         {func(f map[string][]byte) { f[dataFile] = []byte(`[]`); resigned(f) }, ErrContent},
		"the policy's data are no object": {func(f map[string][]byte) { f[dataFile] = []byte(`{"policy":[]}`); resigned(f) }, ErrContent},
		"data in two files":               {func(f map[string][]byte) { f["policy/data.json"] = []byte(`{}`); resigned(f) }, ErrDuplicate},
		"data in a folder":                {func(f map[string][]byte) { f["users/data.json"] = []byte(`{}`); resigned(f) }, ErrContent},
		"data as YAML":                    {func(f map[string][]byte) { f["data.yaml"] = []byte(`{}`); resigned(f) }, ErrContent},
		"WebAssembly":                     {func(f map[string][]byte) { f["policy.wasm"] = []byte("x"); resigned(f) }, ErrContent},
		"a patch":                         {func(f map[string][]byte) { f["patch.json"] = []byte(`{}`); resigned(f) }, ErrContent},
		"no module":                       {func(f map[string][]byte) { delete(f, "modules/notes.rego"); resigned(f) }, ErrContent},
		"a module elsewhere":              {func(f map[string][]byte) { f["notes.rego"] = []byte(module); resigned(f) }, ErrContent},
		"a module too large":              {func(f map[string][]byte) { f["modules/notes.rego"] = make([]byte, policy.MaxModuleSize+1); resigned(f) }, ErrTooLarge},
		"a manifest without end": {func(f map[string][]byte) {
			f[manifestFile] = fmt.Appendf(nil, `{"revision":%q}`, strings.Repeat("r", maxManifest))
			resigned(f)
		}, ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			files := good()
			test.change(files)
			if _, err := Open(packed(t, files), []TrustedKey{other.Trusted(), key.Trusted()}); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
	if _, err := Open(packed(t, good()), nil); !errors.Is(err, ErrKeyID) {
		t.Errorf("no trusted key: %v", err)
	}
	if _, err := Open(packed(t, good()), []TrustedKey{{}}); !errors.Is(err, ErrKeyID) {
		t.Errorf("an empty key: %v", err)
	}
	if _, err := Open(packed(t, good()), []TrustedKey{other.Trusted()}); !errors.Is(err, ErrKeyID) {
		t.Errorf("another key: %v", err)
	}
}

func without(files map[string][]byte, name string) map[string][]byte {
	files = maps.Clone(files)
	delete(files, name)
	delete(files, signaturesFile)
	return files
}

func twice(text []byte) []byte {
	var all signatures
	_ = json.Unmarshal(text, &all)
	all.Signatures = append(all.Signatures, all.Signatures[0])
	out, _ := json.Marshal(all)
	return out
}

// forged is signed by one key under the id of another.
func forged(t *testing.T, files map[string][]byte, by, as SigningKey) []byte {
	t.Helper()
	files = maps.Clone(files)
	delete(files, signaturesFile)
	by.trusted.ID = as.trusted.ID
	text, err := sign(files, by)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// hmacked is the old trick: the public key, which everybody has, as the secret.
func hmacked(t *testing.T, text []byte, key SigningKey) []byte {
	t.Helper()
	text = reheaded(t, text, 0, func(h map[string]any) { h["alg"] = "HS256" })
	var all signatures
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(all.Signatures[0], ".")
	mac := hmac.New(sha256.New, []byte(key.trusted.pem))
	mac.Write([]byte(parts[0] + "." + parts[1]))
	parts[2] = base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	all.Signatures[0] = strings.Join(parts, ".")
	out, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// entry is one of an archive that nobody decent writes.
type entry struct {
	header tar.Header
	text   string
}

func archiveOf(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	archive := tar.NewWriter(zipped)
	for _, e := range entries {
		h := e.header
		if h.Size == 0 {
			h.Size = int64(len(e.text))
		}
		if err := archive.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(e.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func plain(name string) entry {
	return entry{header: tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, text: "x"}
}

func TestArchives(t *testing.T) {
	of := func(typeflag byte, name, link string) entry {
		return entry{header: tar.Header{Typeflag: typeflag, Name: name, Linkname: link, Mode: 0o644}}
	}
	var many []entry
	for i := range maxEntries + 1 {
		many = append(many, plain(fmt.Sprintf("modules/%d.rego", i)))
	}
	whole := archiveOf(t, plain("a.rego"))
	for name, test := range map[string]struct {
		archive []byte
		want    error
	}{
		"out of the folder":         {archiveOf(t, plain("../a.rego")), ErrPath},
		"out of it, further down":   {archiveOf(t, plain("modules/../../a.rego")), ErrPath},
		"out of it, with a root":    {archiveOf(t, plain("/../a.rego")), ErrPath},
		"not in its plain form":     {archiveOf(t, plain("modules/./a.rego")), ErrPath},
		"two slashes":               {archiveOf(t, plain("modules//a.rego")), ErrPath},
		"two slashes first":         {archiveOf(t, plain("//a.rego")), ErrPath},
		"another system's path":     {archiveOf(t, plain(`modules\..\..\a.rego`)), ErrPath},
		"another system's drive":    {archiveOf(t, plain(`c:a.rego`)), ErrPath},
		"no name":                   {archiveOf(t, plain("")), ErrPath},
		"a character of control":    {archiveOf(t, plain("a\x1b.rego")), ErrPath},
		"no UTF-8":                  {archiveOf(t, plain("a\xff.rego")), ErrPath},
		"a name without end":        {archiveOf(t, plain(strings.Repeat("a", maxPath)+".rego")), ErrPath},
		"a file twice":              {archiveOf(t, plain("a.rego"), plain("a.rego")), ErrDuplicate},
		"twice, with a root":        {archiveOf(t, plain("a.rego"), plain("/a.rego")), ErrDuplicate},
		"twice, with a dot":         {archiveOf(t, plain("./a.rego"), plain("a.rego")), ErrDuplicate},
		"a file and a folder":       {archiveOf(t, plain("a"), of(tar.TypeDir, "a/", "")), ErrDuplicate},
		"two signatures":            {archiveOf(t, plain(signaturesFile), plain("/"+signaturesFile)), ErrDuplicate},
		"a link":                    {archiveOf(t, of(tar.TypeSymlink, "a.rego", "/etc/passwd")), ErrArchive},
		"a hard link":               {archiveOf(t, of(tar.TypeLink, "a.rego", "b.rego")), ErrArchive},
		"a device":                  {archiveOf(t, of(tar.TypeChar, "a.rego", "")), ErrArchive},
		"a pipe":                    {archiveOf(t, of(tar.TypeFifo, "a.rego", "")), ErrArchive},
		"too many files":            {archiveOf(t, many...), ErrTooLarge},
		"a bomb":                    {bomb(t), ErrTooLarge},
		"a bomb of small files":     {bomb(t, 1<<20), ErrTooLarge},
		"a bomb behind the end":     {tailed(t, make([]byte, 2*maxContent)), ErrTooLarge},
		"something behind the end":  {tailed(t, []byte("more")), ErrArchive},
		"another archive behind":    {slices.Concat(whole, whole), ErrArchive},
		"a byte behind":             {slices.Concat(whole, []byte{0}), ErrArchive},
		"cut off":                   {whole[:len(whole)-9], ErrArchive},
		"a check sum that is wrong": {flipped(whole), ErrArchive},
		"no gzip":                   {[]byte("package a"), ErrArchive},
		"no tar":                    {zipped(t, []byte(strings.Repeat("package a", 200))), ErrArchive},
		"nothing":                   {nil, ErrArchive},
		"an empty tar":              {archiveOf(t), ErrUnsigned},
		"larger than is read":       {make([]byte, MaxArchive+1), ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			key, _ := signingKey(t, EdDSA)
			if _, err := Open(test.archive, []TrustedKey{key.Trusted()}); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
}

func zipped(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(text)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unzipped(t testing.TB, archive []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tailed(t *testing.T, tail []byte) []byte {
	t.Helper()
	return zipped(t, slices.Concat(unzipped(t, archiveOf(t, plain("a.rego"))), tail))
}

func flipped(archive []byte) []byte {
	out := bytes.Clone(archive)
	out[len(out)-5] ^= 1
	return out
}

// bomb is many zeros, in one file or in files of some size.
func bomb(t *testing.T, sizes ...int) []byte {
	t.Helper()
	if len(sizes) == 0 {
		return archiveOf(t, entry{header: tar.Header{Typeflag: tar.TypeReg, Name: "data.json", Mode: 0o644}, text: string(make([]byte, maxContent+1))})
	}
	var entries []entry
	text := string(make([]byte, sizes[0]))
	for i := range maxContent/sizes[0] + 1 {
		entries = append(entries, entry{header: tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("%d.rego", i), Mode: 0o644}, text: text})
	}
	return archiveOf(t, entries...)
}

// What opa build writes: paths from a root, folders, no metadata.
func TestForeignBundles(t *testing.T) {
	key, _ := signingKey(t, EdDSA)
	files := map[string][]byte{
		manifestFile: []byte(`{"revision":"","roots":[""],"metadata":{"theirs":1}}`), "lib/a.rego": []byte(module), "a_test.rego": []byte(moduleTest),
		"policy/data.json": []byte(`{"clients":["claude"]}`),
	}
	got, err := Open(signed(t, files, key), []TrustedKey{key.Trusted()})
	if err != nil {
		t.Fatal(err)
	}
	src := got.Source
	if src.Name != "" || src.Role != "" || src.Modules["a.rego"] != module || src.Tests["a_test.rego"] != moduleTest || src.Data["clients"] == nil {
		t.Errorf("%+v", src)
	}
	src.Name, src.Role = "a", policy.RoleGrant
	compiled, err := policy.Compile(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	if results, err := compiled.RunTests(t.Context()); err != nil || len(results) != 2 || len(policy.Failed(results)) > 0 {
		t.Errorf("%v %v", results, err)
	}
	files["other/a.rego"] = []byte(module)
	if _, err := Open(signed(t, files, key), []TrustedKey{key.Trusted()}); !errors.Is(err, ErrDuplicate) {
		t.Errorf("two modules of one name: %v", err)
	}
}

// The archive is fuzzed unpacked: behind a check sum nothing would be found.
func FuzzOpen(f *testing.F) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) // the same in each of the fuzzer's processes
	trusted, err := trust("", private.Public())
	if err != nil {
		f.Fatal(err)
	}
	key := SigningKey{trusted: trusted, signer: private}
	f.Add(unzipped(f, written(f, notes(), key)))
	f.Fuzz(func(t *testing.T, archive []byte) {
		b, err := Open(zipped(t, archive), []TrustedKey{trusted})
		if err == nil && b.Source.Hash() != notes().Hash() {
			t.Errorf("opened what was not signed: %+v", b)
		}
	})
}
