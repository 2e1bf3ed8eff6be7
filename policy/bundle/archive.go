package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chancery-dev/chancery/policy"
)

// Bounds on an archive.
const (
	// MaxArchive bounds the compressed bytes.
	MaxArchive = 64 << 20
	// maxContent bounds all files together, unpacked: the most data that a policy may have, written as JSON.
	maxContent = policy.MaxDataSize + policy.MaxDataSize/2
	// maxEntries bounds files and folders.
	maxEntries = 4 * policy.MaxModules
	maxPath    = 255
)

// The files of a bundle that are neither data nor Rego.
const (
	manifestFile   = ".manifest"
	signaturesFile = ".signatures.json"
	dataFile       = "data.json"
)

// unpack reads an archive into memory: files by their relative path.
func unpack(archive []byte) (map[string][]byte, error) {
	if len(archive) > MaxArchive {
		return nil, because(ErrTooLarge, "more than %d MiB", MaxArchive>>20)
	}
	rest := bytes.NewReader(archive)
	zipped, err := gzip.NewReader(rest)
	if err != nil {
		return nil, because(ErrArchive, "%s", err)
	}
	zipped.Multistream(false)
	// One byte more than there may be: what is cut off is not the end.
	bounded := &io.LimitedReader{R: zipped, N: maxContent + maxEntries*1024 + 1}
	files, err := readTar(bounded)
	switch {
	case bounded.N <= 0:
		return nil, because(ErrTooLarge, "unpacked, more than %d MiB", maxContent>>20)
	case err != nil:
		return nil, err
	case rest.Len() > 0:
		return nil, because(ErrArchive, "something follows the archive")
	}
	return files, nil
}

func readTar(r *io.LimitedReader) (map[string][]byte, error) {
	files, seen := map[string][]byte{}, map[string]bool{}
	archive := tar.NewReader(r)
	room := int64(maxContent)
	for entries := 0; ; entries++ {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, because(ErrArchive, "%s", err)
		}
		if entries >= maxEntries {
			return nil, because(ErrTooLarge, "more than %d files and folders", maxEntries)
		}
		name, err := plainPath(header)
		if err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, because(ErrDuplicate, "%q", name)
		}
		seen[name] = true
		if header.Typeflag == tar.TypeDir {
			continue
		}
		if header.Size > room {
			return nil, because(ErrTooLarge, "unpacked, more than %d MiB", maxContent>>20)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			return nil, because(ErrArchive, "%q: %s", name, err)
		}
		room -= int64(len(text))
		files[name] = text
	}
	// The stream ends with the archive: what a reader that goes on would find is not signed.
	tail, err := io.ReadAll(r)
	if err != nil {
		return nil, because(ErrArchive, "%s", err)
	}
	if slices.ContainsFunc(tail, func(b byte) bool { return b != 0 }) {
		return nil, because(ErrArchive, "something follows the last file")
	}
	return files, nil
}

// plainPath is an entry's path in the one form that is accepted: OPA writes "/data.json", tar "./data.json".
func plainPath(header *tar.Header) (string, error) {
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeDir:
	default:
		return "", because(ErrArchive, "%q is neither a file nor a folder", header.Name)
	}
	name, relative := strings.CutPrefix(header.Name, "./")
	if !relative {
		name = strings.TrimPrefix(name, "/")
	}
	if header.Typeflag == tar.TypeDir {
		if name = strings.TrimSuffix(name, "/"); name == "" || name == "." {
			return ".", nil
		}
	}
	odd := func(r rune) bool { return r == '\\' || r == ':' || !unicode.IsPrint(r) }
	if !fs.ValidPath(name) || name == "." || len(name) > maxPath || !utf8.ValidString(name) || strings.ContainsFunc(name, odd) {
		return "", because(ErrPath, "%q", header.Name)
	}
	return name, nil
}

// pack writes files as an archive, the same bytes for the same files: in the order of their names, owned by nobody, of no time.
func pack(w io.Writer, files map[string][]byte) error {
	zipped := gzip.NewWriter(w)
	archive := tar.NewWriter(zipped)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(files[name]))}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(files[name]); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), zipped.Close())
}
