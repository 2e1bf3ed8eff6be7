package fetch_test

import (
	"context"
	"encoding/binary"
	"io"
	"log"
	"net"
	"net/netip"
	"sync"
	"testing"
)

// fakeDNS answers every question with one address, or with each of several in
// turn.
type fakeDNS struct {
	address string

	mu        sync.Mutex
	answers   []netip.Addr
	questions int
}

func newFakeDNS(t *testing.T) *fakeDNS {
	t.Helper()
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dns := &fakeDNS{address: conn.LocalAddr().String()}
	var served sync.WaitGroup
	served.Go(func() { dns.serve(conn) })
	t.Cleanup(func() {
		_ = conn.Close()
		served.Wait()
	})
	return dns
}

func (d *fakeDNS) answer(answers ...netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answers = answers
}

func (d *fakeDNS) asked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.questions
}

func (d *fakeDNS) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", d.address)
	}}
}

func (d *fakeDNS) serve(conn net.PacketConn) {
	question := make([]byte, 1500)
	for {
		n, peer, err := conn.ReadFrom(question)
		if err != nil {
			return
		}
		_, _ = conn.WriteTo(d.reply(question[:n]), peer)
	}
}

// reply is an RFC 1035 §4.1 message: the question again, and an answer where
// the type asked for is the address's. All answers have a TTL of 0.
func (d *fakeDNS) reply(question []byte) []byte {
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	end += 5
	const typeA, typeAAAA = 1, 28
	asked := binary.BigEndian.Uint16(question[end-4:])

	d.mu.Lock()
	defer d.mu.Unlock()
	d.questions++
	reply := append([]byte{}, question[:end]...)
	reply[2], reply[3] = 0x81, 0x80 // an answer, without error
	var count uint16
	for _, address := range d.answers {
		kind := uint16(typeAAAA)
		if address.Is4() {
			kind = typeA
		}
		if kind != asked {
			continue
		}
		count++
		raw := address.AsSlice()
		reply = append(reply, 0xc0, 12)
		reply = binary.BigEndian.AppendUint16(reply, kind)
		reply = append(reply, 0, 1, 0, 0, 0, 0)
		reply = binary.BigEndian.AppendUint16(reply, uint16(len(raw)))
		reply = append(reply, raw...)
	}
	binary.BigEndian.PutUint16(reply[6:], count)
	clear(reply[8:12])
	return reply
}

// quiet swallows what test servers say about clients that hang up.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
