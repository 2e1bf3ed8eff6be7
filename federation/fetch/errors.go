package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
)

// What can go wrong. Every error of a Client wraps exactly one of them.
var (
	ErrRefused   = errors.New("refused by the egress rules")
	ErrTransport = errors.New("cannot be reached")
	ErrTimeout   = errors.New("took too long")
	ErrStatus    = errors.New("answered with an unusable status")
	ErrTooLarge  = errors.New("answered with too much")
	ErrType      = errors.New("answered with the wrong type")
	ErrConfig    = errors.New("network configuration is unusable")
)

// Error says what was refused or failed, and what to change. It names the host
// at most: queries may hold secrets, bodies belong to somebody else.
type Error struct {
	Kind   error  // one of the Err values of this package
	Host   string // host, or address, that it is about
	Reason string
	Change string // what an operator can do about it, may be empty
	Cause  error  // may be nil
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Host != "" {
		b.WriteString(e.Host)
		b.WriteString(" ")
	}
	b.WriteString(e.Kind.Error())
	if e.Reason != "" {
		b.WriteString(": ")
		b.WriteString(e.Reason)
	}
	if e.Change != "" {
		b.WriteString(" (")
		b.WriteString(e.Change)
		b.WriteString(")")
	}
	return b.String()
}

func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

func refused(host, reason, change string) *Error {
	return &Error{Kind: ErrRefused, Host: host, Reason: reason, Change: change}
}

// transportError names the failure without repeating a byte that the other side
// sent: net/http quotes malformed answers in its errors.
func transportError(host string, err error) error {
	if own, ok := errors.AsType[*Error](err); ok {
		return own
	}
	if isTimeout(err) {
		return &Error{Kind: ErrTimeout, Host: host}
	}
	return &Error{Kind: ErrTransport, Host: host, Reason: failure(err)}
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

func failure(err error) string {
	if errors.Is(err, context.Canceled) {
		return "canceled"
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "no such host"
		}
		return "the name could not be resolved"
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "certificate: " + certificateFailure(certificate.Err)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "does not speak TLS"
	}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return alert.Error()
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op + ": " + lastCause(op)
	}
	return "no usable HTTP answer"
}

func certificateFailure(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "signed by an unknown authority"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "not valid for this host"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "expired or not yet valid"
	}
	return "not acceptable"
}

// lastCause is the operating system's word: "connection refused".
func lastCause(op *net.OpError) string {
	err := op.Err
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err.Error()
}
