package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"time"
)

const (
	answerWithin = 30 * time.Second
	shownOfBody  = 200
)

// loop is one connection that asks again when it was answered. It speaks just enough HTTP/1.1 to cost little beside a server on the same cores.
type loop struct {
	address    string
	connection net.Conn
	reader     *bufio.Reader
	body       []byte
	nonce      string // the last DPoP-Nonce
	retryAfter bool   // the last answer said when to come back
	latencies  []time.Duration
	shed       int // answers that said to come back later
	kept       [][]byte
	failures   failures
}

func (l *loop) dial(ctx context.Context, address string) error {
	l.address = address
	dialer := net.Dialer{Timeout: answerWithin}
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	l.connection, l.reader = connection, bufio.NewReaderSize(connection, 8<<10)
	return nil
}

func (l *loop) close() {
	if l.connection != nil {
		_ = l.connection.Close()
	}
}

// ask sends one prepared request and checks its answer. Whatever is no good answer is a failure, except being told to come
// back later where that is expected: then it is asked again.
func (l *loop) ask(request []byte, r round) {
	for {
		begun := time.Now()
		status, err := l.exchange(request)
		took := time.Since(begun)
		switch {
		case err != nil:
			l.fail(err.Error())
			l.close()
			if err := l.dial(context.Background(), l.address); err != nil {
				l.fail(err.Error())
				time.Sleep(10 * time.Millisecond) // a server that is gone is not asked in a spin
			}
		case r.impatience > 0 && status == http.StatusServiceUnavailable && l.retryAfter:
			l.shed++
			time.Sleep(r.impatience)
			if time.Now().Before(r.deadline) {
				continue
			}
		case status/100 != 2 || !r.good(l.body):
			l.fail(fmt.Sprintf("status %d: %.*s", status, shownOfBody, l.body))
		default:
			l.latencies = append(l.latencies, took)
			if r.keep {
				l.kept = append(l.kept, bytes.Clone(l.body))
			}
		}
		return
	}
}

func (l *loop) fail(what string) {
	l.failures.add(failures{what: 1})
}

func (l *loop) exchange(request []byte) (status int, err error) {
	if l.connection == nil {
		return 0, errors.New("no connection")
	}
	if err := l.connection.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return 0, err
	}
	if _, err := l.connection.Write(request); err != nil {
		return 0, err
	}
	return l.readAnswer()
}

// readAnswer leaves the body in l.body.
func (l *loop) readAnswer() (status int, err error) {
	line, err := l.reader.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, fmt.Errorf("no HTTP/1.1 answer: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, err
	}
	length, chunked := -1, false
	l.retryAfter = false
	for {
		line, err := l.reader.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, err
			}
		case bytes.EqualFold(name, []byte("DPoP-Nonce")):
			l.nonce = string(bytes.TrimSpace(value))
		case bytes.EqualFold(name, []byte("Retry-After")):
			l.retryAfter = true
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(bytes.TrimSpace(value), []byte("chunked"))
		}
	}
	return status, l.readBody(length, chunked)
}

func (l *loop) readBody(length int, chunked bool) (err error) {
	switch {
	case chunked:
		if l.body, err = io.ReadAll(httputil.NewChunkedReader(l.reader)); err != nil {
			return err
		}
		_, err = l.reader.ReadSlice('\n') // the line that ends the trailers
		return err
	case length < 0:
		return errors.New("an answer of unknown length")
	case cap(l.body) < length:
		l.body = make([]byte, length)
	}
	l.body = l.body[:length]
	_, err = io.ReadFull(l.reader, l.body)
	return err
}
