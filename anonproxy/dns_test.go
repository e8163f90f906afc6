package anonproxy

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer is a real DNS server on loopback, by UDP and TCP, whose answers a test chooses.
type nameServer struct {
	address string

	mu      sync.Mutex
	names   map[string]func(query int, v6 bool) nameAnswer
	queries map[string]int // by name and type
	byTCP   int
}

// nameAnswer is what a name has.
type nameAnswer struct {
	alias     string // a CNAME, to which the addresses belong
	addrs     []netip.Addr
	truncated bool // by UDP; TCP has it whole
}

func newNameServer(t testing.TB) *nameServer {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.53:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{
		address: pc.LocalAddr().String(),
		names:   make(map[string]func(int, bool) nameAnswer), queries: make(map[string]int),
	}
	var group sync.WaitGroup
	t.Cleanup(func() {
		pc.Close()
		l.Close()
		group.Wait()
	})
	group.Go(func() {
		for buf := make([]byte, 1500); ; {
			n, peer, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = pc.WriteTo(s.answer(buf[:n], false), peer)
		}
	})
	group.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() { s.serveTCP(conn) })
		}
	})
	return s
}

func (s *nameServer) serveTCP(conn net.Conn) {
	defer conn.Close()
	var size [2]byte
	for {
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		answer := s.answer(query, true)
		_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	}
}

// set gives a name its answers: query counts from 1, apart for A and AAAA.
func (s *nameServer) set(name string, answer func(query int, v6 bool) nameAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[name+"."] = answer
}

// point has a name lead to addresses.
func (s *nameServer) point(name string, addrs ...string) {
	s.set(name, func(_ int, v6 bool) nameAnswer { return nameAnswer{addrs: ofFamily(v6, addrs...)} })
}

// ofFamily picks addresses for A or AAAA. Mapped ones are for AAAA.
func ofFamily(v6 bool, addrs ...string) (picked []netip.Addr) {
	for _, a := range addrs {
		if addr := netip.MustParseAddr(a); addr.Is6() == v6 {
			picked = append(picked, addr)
		}
	}
	return picked
}

func (s *nameServer) answer(query []byte, tcp bool) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var msg dnsmessage.Message
	if msg.Unpack(query) != nil || len(msg.Questions) != 1 {
		return nil
	}
	question := msg.Questions[0]
	v6, name := question.Type == dnsmessage.TypeAAAA, strings.ToLower(question.Name.String())
	s.queries[name+question.Type.String()]++
	msg.Header = dnsmessage.Header{ID: msg.ID, Response: true, Authoritative: true, RecursionAvailable: true}
	msg.Additionals = nil
	if answer, ok := s.names[name]; !ok {
		msg.RCode = dnsmessage.RCodeNameError
	} else if a := answer(s.queries[name+question.Type.String()], v6); a.truncated && !tcp {
		msg.Truncated = true
	} else {
		msg.Answers = a.resources(question)
	}
	if tcp {
		s.byTCP++
	}
	packed, err := msg.Pack()
	if err != nil {
		panic(err)
	}
	return packed
}

// resources have a TTL of 0: nobody may keep them.
func (a nameAnswer) resources(question dnsmessage.Question) (all []dnsmessage.Resource) {
	owner := question.Name
	if a.alias != "" {
		target := dnsmessage.MustNewName(a.alias + ".")
		all = append(all, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: owner, Class: question.Class}, Body: &dnsmessage.CNAMEResource{CNAME: target},
		})
		owner = target
	}
	for _, addr := range a.addrs {
		r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: owner, Class: question.Class}}
		if question.Type == dnsmessage.TypeAAAA {
			r.Body = &dnsmessage.AAAAResource{AAAA: addr.As16()}
		} else {
			r.Body = &dnsmessage.AResource{A: addr.As4()}
		}
		all = append(all, r)
	}
	return all
}

// resolver asks the server and nobody else.
func (s *nameServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.address)
	}}
}

// silentVictim counts connections to a port on all loopback addresses.
func silentVictim(t *testing.T) (port string, conns *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	conns = new(atomic.Int64)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Add(1)
			conn.Close()
		}
	}()
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, conns
}
