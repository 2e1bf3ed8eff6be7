package cimd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/chancery-dev/chancery/federation/strict"
)

// maxPreloaded bounds a folder: what is larger is not the folder that was meant.
const maxPreloaded = 1000

// Preloaded are documents that the operator carried here, for places without a
// network. They stand for a fetch and for nothing else: the tenant's rules decide
// about them too.
type Preloaded struct{ documents map[string]*Document }

// Why documents cannot be preloaded.
var (
	errTwice   = errors.New("another document has the same client_id")
	errRegular = errors.New("not a regular file of at most 5 KiB")
	errMany    = fmt.Errorf("more than %d documents", maxPreloaded)
)

// Preload reads documents, under the rules of those that are fetched. Each is of
// the URL that it names itself: who put it here vouches for that.
func Preload(documents ...[]byte) (Preloaded, error) {
	p := Preloaded{documents: make(map[string]*Document, len(documents))}
	for i, document := range documents {
		if err := p.add(document); err != nil {
			return Preloaded{}, fmt.Errorf("document %d: %w", i, err)
		}
	}
	return p, nil
}

// PreloadFolder reads every *.json of a folder. One that cannot be read is an
// error: a client that is missing would be noticed by its users only.
func PreloadFolder(folder string) (Preloaded, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return Preloaded{}, fmt.Errorf("read folder of documents: %w", err)
	}
	p := Preloaded{documents: map[string]*Document{}}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".json") || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		if len(p.documents) >= maxPreloaded {
			return Preloaded{}, errMany
		}
		document, err := readDocument(filepath.Join(folder, entry.Name()))
		if err == nil {
			err = p.add(document)
		}
		if err != nil {
			return Preloaded{}, fmt.Errorf("%s: %w", entry.Name(), err)
		}
	}
	return p, nil
}

// Len counts the documents.
func (p Preloaded) Len() int { return len(p.documents) }

func (p Preloaded) find(u URL) (*Document, bool) {
	d, ok := p.documents[u.raw]
	return d, ok
}

func (p Preloaded) add(document []byte) error {
	members, err := strict.Object(document, strict.Limits{Bytes: MaxBytes})
	if err != nil {
		return err
	}
	clientID, _ := members["client_id"].(string)
	u, err := ParseURL(clientID, false)
	if err != nil {
		return err
	}
	d, err := Parse(document, u)
	if err != nil {
		return err
	}
	if _, taken := p.documents[clientID]; taken {
		return errTwice
	}
	p.documents[clientID] = d
	return nil
}

// readDocument looks before it reads: a device or a pipe would never end.
func readDocument(path string) ([]byte, error) {
	about, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !about.Mode().IsRegular() || about.Size() > MaxBytes {
		return nil, errRegular
	}
	f, err := os.Open(path) //nolint:gosec // the operator names the folder
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	return io.ReadAll(io.LimitReader(f, MaxBytes+1))
}
