package networklist

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
)

// readExitAddresses reads entries such as
//
//	ExitNode 0011BD2485AD45D984EC4159C88FC066E5E3300E
//	Published 2026-11-30 06:57:43
//	LastStatus 2026-11-30 10:00:00
//	ExitAddress 162.247.74.201 2026-11-30 10:02:11
func readExitAddresses(from *bufio.Reader, to *adder) error {
	return eachLine(from, func(line []byte) error {
		fields := bytes.Fields(withoutComment(line))
		if len(fields) == 0 {
			return nil
		}
		switch word := string(fields[0]); word {
		case "ExitNode", "Published", "LastStatus", "Downloaded", "@type":
			return nil
		case "ExitAddress":
			if len(fields) != 4 {
				return errors.New("an ExitAddress has an address, a day and a time: the list may be cut off")
			}
			addr, err := netip.ParseAddr(string(fields[1]))
			if err != nil {
				return fmt.Errorf("%s is no address", quote(string(fields[1])))
			}
			return to.addr(addr)
		default:
			return fmt.Errorf("%s is nothing that exit lists have", quote(word))
		}
	})
}

// relay is what is read of one. Both lists have addresses that clients come from.
type relay struct {
	ORAddresses   []string `json:"or_addresses"`   // with ports
	ExitAddresses []string `json:"exit_addresses"` // without
	Flags         []string `json:"flags"`
}

// isExit reports whether people may come out of a relay. The flags may have been left out of the document.
func (r *relay) isExit() bool {
	return len(r.ExitAddresses) > 0 || r.Flags == nil || slices.Contains(r.Flags, "Exit")
}

func readOnionoo(from *bufio.Reader, to *adder) error {
	err := readDetails(json.NewDecoder(from), to)
	if errors.Is(err, io.EOF) { // it ends between two values
		return io.ErrUnexpectedEOF
	}
	return err
}

func readDetails(d *json.Decoder, to *adder) error {
	if err := wantDelim(d, '{'); err != nil {
		return err
	}
	for d.More() {
		member, err := d.Token()
		if err != nil {
			return err
		}
		if member != "relays" {
			err = d.Decode(new(json.RawMessage))
		} else {
			err = readRelays(d, to)
		}
		if err != nil {
			return err
		}
	}
	if err := wantDelim(d, '}'); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the document")
	}
	return nil
}

func readRelays(d *json.Decoder, to *adder) error {
	if err := wantDelim(d, '['); err != nil {
		return err
	}
	for n := 1; d.More(); n++ {
		var r relay
		if err := d.Decode(&r); err != nil {
			return fmt.Errorf("relay %d: %w", n, err)
		}
		if !r.isExit() {
			continue
		}
		for _, text := range slices.Concat(r.ORAddresses, r.ExitAddresses) {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				var with netip.AddrPort
				with, err = netip.ParseAddrPort(text)
				addr = with.Addr()
			}
			if err != nil {
				return fmt.Errorf("relay %d: %s is no address", n, quote(text))
			}
			if err := to.addr(addr); err != nil {
				return fmt.Errorf("relay %d: %w", n, err)
			}
		}
	}
	return wantDelim(d, ']')
}

func wantDelim(d *json.Decoder, want json.Delim) error {
	token, err := d.Token()
	switch {
	case err != nil:
		return err
	case token != want:
		return fmt.Errorf("there is %s where a details document has %s", quote(fmt.Sprint(token)), want)
	}
	return nil
}
