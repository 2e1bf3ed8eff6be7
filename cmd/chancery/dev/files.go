package dev

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// Names in the folder.
const (
	fileDatabase = "chancery.db"
	fileKeyring  = "keyring"
	fileAdmin    = "admin-token"
	fileClient   = "client-secret"
	fileIdPKey   = "idp.key"
	fileIdPCert  = "idp.crt"
	fileSignIn   = "sign-in-secret"
	filePlace    = "place.json"
	fileContext  = "context.json"
	fileSession  = "session.json"
)

// keyID of the IdP's key, which is the same in every run.
const keyID = "dev-1"

const maxFile = 64 << 10

// writePrivate makes a file that only its owner reads, whole or not at all.
func writePrivate(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// checkFolder refuses a folder in which others could put something in place of what is kept: keys, the database.
func checkFolder(path string, info os.FileInfo) error {
	owner, known := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", path)
	case !known || int(owner.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to somebody else", path)
	case info.Mode().Perm()&0o002 != 0:
		return fmt.Errorf("everybody may write in %s (mode %04o): chmod o-w it", path, info.Mode().Perm())
	}
	return nil
}

// readPrivate refuses what others could have read, or written: the addresses and credentials in it are believed.
func readPrivate(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0) //nolint:gosec // in the folder that the user names
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%s is a link", path)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case !known || int(owner.Uid) != os.Geteuid():
		return nil, fmt.Errorf("%s belongs to somebody else", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s is open to others (mode %04o, 0600 is expected)", path, info.Mode().Perm())
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s is too large", path)
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// keptSecret reads a secret of the folder, or makes it.
func keptSecret(path string) (secret.Text, error) {
	text, err := readPrivate(path)
	if err == nil && len(strings.TrimSpace(string(text))) > 0 {
		return secret.New(strings.TrimSpace(string(text))), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return secret.Text{}, err
	}
	made := rand.Text() + rand.Text()
	return secret.New(made), writePrivate(path, []byte(made+"\n"))
}

// keptKey reads the IdP's key of the folder, or makes it.
func keptKey(path string) (*idptest.Key, error) {
	text, err := readPrivate(path)
	if err == nil {
		return parseKey(path, text)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	key, err := idptest.NewKey(keyID, idpAlgorithm)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key.Signer)
	if err != nil {
		return nil, err
	}
	return key, writePrivate(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func parseKey(path string, text []byte) (*idptest.Key, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: it is no private key", path)
	}
	signer, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: it is no key for %s", path, idpAlgorithm)
	}
	return &idptest.Key{ID: keyID, Algorithm: idpAlgorithm, Signer: signer}, nil
}
