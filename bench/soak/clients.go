package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"
)

// client is one of the readers.
type client struct {
	number int
	addr   netip.Addr // its own
	from   netip.Addr // where its connections come from: its own, or a trusted proxy's
	http   *http.Client
}

const (
	directClients    = 60
	forwardedClients = 20
)

func newClients() (all []*client) {
	add := func(addr, from netip.Addr) {
		c := &client{number: len(all), addr: addr, from: from}
		c.http = &http.Client{Transport: &http.Transport{DialContext: c.dial, MaxIdleConnsPerHost: 2}, Timeout: time.Minute}
		all = append(all, c)
	}
	proxy := netip.MustParsePrefix(proxies).Addr().Next()
	for i := range directClients {
		add(direct(i), direct(i))
	}
	for i := range forwardedClients {
		add(forwarded(i), proxy)
		add(forwarded6(i), proxy)
	}
	return all
}

func (c *client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.from, 0)), Timeout: 10 * time.Second}
	return dialer.DialContext(ctx, network, address)
}

// betray are header fields in which clients and what stands before them write addresses.
var betray = []string{"Forwarded", "X-Real-Ip", "Via", "Referer", "User-Agent", "X-Note", "Cookie", "Client-Mask", "X-Original-Forwarded-For", "Accept-Language"}

// header has the client's address in one more field, spelt in one of the ways.
func (c *client) header() http.Header {
	spelt := spellings(c.addr)
	h := make(http.Header)
	h.Set(betray[rand.N(len(betray))], "a "+spelt[rand.N(len(spelt))])
	h.Set(numberField, strconv.Itoa(c.number))
	if c.from != c.addr {
		h.Set("X-Forwarded-For", c.addr.String())
	} else if rand.N(4) == 0 {
		h.Set("X-Forwarded-For", spelt[rand.N(len(spelt))]) // which nobody believes
	}
	return h
}

// head is a request's head for those that write by themselves.
func (c *client) head(method, path, more string) string {
	text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: soak.test\r\n%s: %d\r\n", method, path, numberField, c.number)
	if c.from != c.addr {
		text += fmt.Sprintf("X-Forwarded-For: %s\r\n", c.addr)
	}
	return text + more + "\r\n"
}
