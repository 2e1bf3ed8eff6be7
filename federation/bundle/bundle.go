// Package bundle carries an IdP's metadata and keys to a place without a network:
// one strict JSON document with where and when they were fetched, until when they
// may be used, and a hash over it.
//
// What it does not check: who made the bundle. The hash finds accidents; compare it
// with the one that was printed where the bundle was made, over another way. There
// is no signature in it.
//
// It depends on federation/fetch, jwks and strict, and must not know the broker.
package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/strict"
)

// Format names this form of the document.
const Format = "chancery-idp-bundle/v1"

// Bounds of a bundle.
const (
	DefaultLife = 90 * 24 * time.Hour
	MaxLife     = 398 * 24 * time.Hour
	MaxBytes    = 512 << 10
	maxMetadata = 128 << 10
)

// Bundle is the document.
type Bundle struct {
	Format    string    `json:"format"`
	Issuer    string    `json:"issuer"`
	FetchedAt time.Time `json:"fetched_at"`
	NotAfter  time.Time `json:"not_after"` // after it nobody uses the keys
	Metadata  Document  `json:"metadata"`
	JWKS      Document  `json:"jwks"`
	SHA256    string    `json:"sha256"` // hex, over the document without it
}

// Document is one that was fetched, and where.
type Document struct {
	URL  string          `json:"url"`
	Body json.RawMessage `json:"body"`
}

// Why a bundle is refused.
var (
	ErrMalformed = errors.New("not an IdP bundle")
	ErrHash      = errors.New("the bundle was changed after it was made: its hash is another")
	ErrIssuer    = errors.New("the metadata is of another issuer")
	ErrLife      = errors.New("not_after must lie after fetched_at, at most 398 days")
	ErrExpired   = errors.New("the bundle's not_after is past")
)

// Create fetches what a bundle holds. source says how the issuer is reached.
func Create(ctx context.Context, get jwks.Getter, source jwks.Source, now, notAfter time.Time) (Bundle, error) {
	places, err := jwks.MetadataURLs(source.Issuer)
	if err != nil {
		return Bundle{}, err
	}
	var response fetch.Response
	var place string
	for _, place = range places {
		response, err = get.Get(ctx, place, source.Network, fetch.Limit{Bytes: maxMetadata, ContentTypes: fetch.JSON()})
		if !errors.Is(err, fetch.ErrStatus) && !errors.Is(err, fetch.ErrType) {
			break
		}
	}
	if err != nil {
		return Bundle{}, fmt.Errorf("metadata: %w", err)
	}
	location, err := keysOf(response.Body, source.Issuer)
	if err != nil {
		return Bundle{}, err
	}
	if source.URI != "" {
		location = source.URI
	}
	keys, err := get.Get(ctx, location, source.Network, fetch.Limit{Bytes: jwks.MaxBytes})
	if err != nil {
		return Bundle{}, fmt.Errorf("key set: %w", err)
	}
	b := Bundle{
		Format: Format, Issuer: source.Issuer, FetchedAt: now.UTC().Truncate(time.Second), NotAfter: notAfter.UTC().Truncate(time.Second),
		Metadata: Document{place, response.Body}, JWKS: Document{location, keys.Body},
	}
	if b.SHA256, err = b.hash(); err != nil {
		return Bundle{}, err
	}
	return b, b.check()
}

// Parse reads a bundle and refuses one in which something does not fit. Whether its
// time is over is [Bundle.Current]'s.
func Parse(text []byte) (Bundle, error) {
	var b Bundle
	if len(text) > MaxBytes {
		return b, fmt.Errorf("%w: more than %d bytes", ErrMalformed, MaxBytes)
	}
	if _, err := strict.Object(text, strict.Limits{Bytes: MaxBytes}); err != nil {
		return b, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&b); err != nil {
		return Bundle{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if b.Format != Format {
		return Bundle{}, fmt.Errorf("%w: format %.64q, expected %q", ErrMalformed, b.Format, Format)
	}
	hash, err := b.hash()
	if err != nil {
		return Bundle{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if hash != b.SHA256 {
		return Bundle{}, ErrHash
	}
	return b, b.check()
}

// hash is over the compact form, so that white space does not count.
func (b Bundle) hash() (string, error) {
	b.SHA256 = ""
	text, err := json.Marshal(b)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

func (b Bundle) check() error {
	if life := b.NotAfter.Sub(b.FetchedAt); b.FetchedAt.IsZero() || life <= 0 || life > MaxLife {
		return ErrLife
	}
	if _, err := keysOf(b.Metadata.Body, b.Issuer); err != nil {
		return err
	}
	_, _, err := b.Keys()
	return err
}

// Keys are the usable ones, and why the others are not.
func (b Bundle) Keys() (jwks.Set, []jwks.Warning, error) { return jwks.Parse(b.JWKS.Body) }

// Current refuses a bundle whose time is over.
func (b Bundle) Current(now time.Time) error {
	if !now.Before(b.NotAfter) {
		return fmt.Errorf("%w: %s", ErrExpired, b.NotAfter.Format(time.RFC3339))
	}
	return nil
}

func keysOf(metadata []byte, issuer string) (string, error) {
	members, err := strict.Object(metadata, strict.Limits{Bytes: maxMetadata, Reserved: strict.Reserve("issuer", "jwks_uri")})
	if err != nil {
		return "", fmt.Errorf("%w: metadata: %w", ErrMalformed, err)
	}
	published, _ := members["issuer"].(string)
	if issuer == "" || published != issuer { // RFC 8414 §3.3: the identical string
		return "", &IssuerError{Configured: issuer, Published: published}
	}
	location, _ := members["jwks_uri"].(string)
	if location == "" {
		return "", fmt.Errorf("%w: the metadata has no jwks_uri", ErrMalformed)
	}
	return location, nil
}

// IssuerError says which two issuers are not the same.
type IssuerError struct{ Configured, Published string }

func (e *IssuerError) Error() string {
	return fmt.Sprintf("%s: configured %.300q, published %.300q", ErrIssuer, e.Configured, e.Published)
}

// Unwrap makes it an ErrIssuer.
func (e *IssuerError) Unwrap() error { return ErrIssuer }
