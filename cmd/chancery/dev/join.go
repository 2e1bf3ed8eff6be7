package dev

import (
	"errors"
	"net"
	"sync"
)

// joined is two listeners that are one.
type joined struct {
	net.Listener // whose address is told
	other        net.Listener
	accepted     chan accepted
	closed       chan struct{}
	once         sync.Once
}

type accepted struct {
	conn net.Conn
	err  error
}

func join(first, other net.Listener) net.Listener {
	j := &joined{Listener: first, other: other, accepted: make(chan accepted), closed: make(chan struct{})}
	for _, l := range []net.Listener{first, other} {
		go j.take(l)
	}
	return j
}

func (j *joined) take(l net.Listener) {
	for {
		conn, err := l.Accept()
		select {
		case j.accepted <- accepted{conn, err}:
		case <-j.closed:
			if conn != nil {
				_ = conn.Close()
			}
			return
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// Accept implements net.Listener.
func (j *joined) Accept() (net.Conn, error) {
	select {
	case a := <-j.accepted:
		return a.conn, a.err
	case <-j.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (j *joined) Close() error {
	j.once.Do(func() { close(j.closed) })
	return errors.Join(j.Listener.Close(), j.other.Close())
}
