// Package id makes the opaque ids that outsiders see: a prefix that names the
// kind and a ULID, so that ids sort by the time they were made. It depends on
// nothing of ours.
package id

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
)

// Kind is an id's prefix.
type Kind string

// The kinds of id there are.
const (
	Tenant           Kind = "ten"
	IdentityProvider Kind = "idp"
	Client           Kind = "cli"
	Resource         Kind = "res"
	User             Kind = "usr"
	Policy           Kind = "pol"
	Workload         Kind = "wkl"
	RoleBinding      Kind = "rol"
	Approval         Kind = "apr"
	Provider         Kind = "prv"
	Proposal         Kind = "prop"
	Replica          Kind = "rep"
	Message          Kind = "msg"
	Secret           Kind = "sec"
	Decision         Kind = "dec"
	Event            Kind = "evt"
	Trace            Kind = "trc"
	Token            Kind = "tok"
	Writer           Kind = "wri"
	Capture          Kind = "cap"
	Session          Kind = "ses"
	Passkey          Kind = "pky"
	Family           Kind = "fam"
	// DynamicClient is the client_id, and the uid, of a client that registered itself.
	DynamicClient Kind = "dyn"
	// Replay is a replay of recorded decisions.
	Replay Kind = "rpl"
	// InitialToken is an initial access token's name; it lets nobody in.
	InitialToken Kind = "ini"
)

// New returns a fresh id of the kind at the given time.
func New(kind Kind, now time.Time) string {
	var entropy [10]byte
	_, _ = rand.Read(entropy[:]) // never fails: crypto/rand crashes the program first
	var u ulid.ULID
	_ = u.SetTime(uint64(now.UnixMilli())) // a clock before 1970 makes an id that sorts oddly, nothing worse
	_ = u.SetEntropy(entropy[:])
	return string(kind) + "_" + u.String()
}

// Time returns when an id was made, to the millisecond; false if it is no id of the kind.
func Time(kind Kind, s string) (time.Time, bool) {
	rest, ok := strings.CutPrefix(s, string(kind)+"_")
	if !ok {
		return time.Time{}, false
	}
	u, err := ulid.ParseStrict(rest)
	if err != nil {
		return time.Time{}, false
	}
	return ulid.Time(u.Time()), true
}

// Size is that of an id without its prefix, as bytes.
const Size = len(ulid.ULID{})

// Bytes is an id without its prefix; false if it is no id of the kind.
func Bytes(kind Kind, s string) ([Size]byte, bool) {
	rest, ok := strings.CutPrefix(s, string(kind)+"_")
	if !ok {
		return [Size]byte{}, false
	}
	u, err := ulid.ParseStrict(rest)
	return u, err == nil && u.String() == rest // lower case reads the same, and is another id
}

// Of is the id of a kind that Bytes reads so.
func Of(kind Kind, b [Size]byte) string { return string(kind) + "_" + ulid.ULID(b).String() }
