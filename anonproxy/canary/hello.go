package canary

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// maxHello bounds a ClientHello in bytes.
const maxHello = 16 << 10

var errHello = errors.New("not a ClientHello of its form")

// Extensions of a ClientHello that are read; RFC 8446, section 4.2.
const (
	extServerName        = 0
	extGroups            = 10
	extSignatures        = 13
	extALPN              = 16
	extSupportedVersions = 43
	extKeyShare          = 51
)

// extensionNames are those of IANA's registry that programs of today send.
var extensionNames = map[uint16]string{
	0: "server_name", 5: "status_request", 10: "supported_groups", 11: "ec_point_formats", 13: "signature_algorithms",
	16: "application_layer_protocol_negotiation", 18: "signed_certificate_timestamp", 21: "padding", 23: "extended_master_secret",
	27: "compress_certificate", 34: "delegated_credential", 35: "session_ticket", 41: "pre_shared_key", 42: "early_data",
	43: "supported_versions", 44: "cookie", 45: "psk_key_exchange_modes", 50: "signature_algorithms_cert", 51: "key_share",
	57: "quic_transport_parameters", 65037: "encrypted_client_hello", 65281: "renegotiation_info",
}

// TLS is what a ClientHello offers, in the order in which it does.
type TLS struct {
	// Hello is the message whole, with zeroes for the random, the session id and the key shares.
	Hello []byte `json:"client_hello"`

	ServerName   string   `json:"server_name,omitempty"`
	Versions     []string `json:"versions"`
	CipherSuites []string `json:"cipher_suites"`
	Extensions   []string `json:"extensions"`
	Protocols    []string `json:"alpn"`
	Groups       []string `json:"groups"`
	KeyShares    []string `json:"key_shares"`
	Signatures   []string `json:"signature_algorithms"`
}

// handshake takes the first handshake message out of TLS records; nil where more is to come.
func handshake(records []byte) ([]byte, error) {
	var message []byte
	for in := cryptobyte.String(records); !in.Empty(); {
		var kind uint8
		var version uint16
		var fragment cryptobyte.String
		if !in.ReadUint8(&kind) || !in.ReadUint16(&version) || !in.ReadUint16LengthPrefixed(&fragment) {
			return nil, nil
		}
		if kind != 22 {
			return nil, errHello
		}
		message = append(message, fragment...)
		if len(message) < 4 {
			continue
		}
		length := 4 + (int(message[1])<<16 | int(message[2])<<8 | int(message[3]))
		if length > maxHello {
			return nil, errHello
		}
		if len(message) >= length {
			return message[:length], nil
		}
	}
	return nil, nil
}

// describe reads a ClientHello. What is random in it becomes zeroes, in the message too.
func describe(hello []byte) (*TLS, error) {
	if len(hello) > maxHello {
		return nil, errHello
	}
	t := &TLS{Hello: slices.Clone(hello)}
	in := cryptobyte.String(t.Hello) // so what is read can be written
	var kind uint8
	var body, session, suites, compression, extensions cryptobyte.String
	var random []byte
	var version uint16
	if !in.ReadUint8(&kind) || kind != 1 || !in.ReadUint24LengthPrefixed(&body) || !in.Empty() ||
		!body.ReadUint16(&version) || !body.ReadBytes(&random, 32) || !body.ReadUint8LengthPrefixed(&session) ||
		!body.ReadUint16LengthPrefixed(&suites) || !body.ReadUint8LengthPrefixed(&compression) ||
		!body.ReadUint16LengthPrefixed(&extensions) || !body.Empty() {
		return nil, errHello
	}
	clear(random)
	clear(session)
	for !suites.Empty() {
		var id uint16
		if !suites.ReadUint16(&id) {
			return nil, errHello
		}
		t.CipherSuites = append(t.CipherSuites, tls.CipherSuiteName(id))
	}
	for !extensions.Empty() {
		var id uint16
		var data cryptobyte.String
		if !extensions.ReadUint16(&id) || !extensions.ReadUint16LengthPrefixed(&data) {
			return nil, errHello
		}
		name, known := extensionNames[id]
		if !known {
			name = fmt.Sprintf("0x%04x", id)
		}
		t.Extensions = append(t.Extensions, name)
		if !t.extension(id, data) {
			return nil, fmt.Errorf("%w: %s", errHello, name)
		}
	}
	return t, nil
}

// extension reads those that say what is offered.
func (t *TLS) extension(id uint16, data cryptobyte.String) bool {
	var list cryptobyte.String
	switch id {
	case extServerName:
		var kind uint8
		var name cryptobyte.String
		ok := data.ReadUint16LengthPrefixed(&list) && list.ReadUint8(&kind) && list.ReadUint16LengthPrefixed(&name)
		t.ServerName = string(name)
		return ok && list.Empty() && data.Empty()
	case extALPN:
		ok := data.ReadUint16LengthPrefixed(&list)
		for ok && !list.Empty() {
			var name cryptobyte.String
			ok = list.ReadUint8LengthPrefixed(&name)
			t.Protocols = append(t.Protocols, string(name))
		}
		return ok && data.Empty()
	case extSupportedVersions:
		return data.ReadUint8LengthPrefixed(&list) && data.Empty() && numbers(list, &t.Versions, tls.VersionName)
	case extGroups:
		return data.ReadUint16LengthPrefixed(&list) && data.Empty() && numbers(list, &t.Groups, groupName)
	case extSignatures:
		return data.ReadUint16LengthPrefixed(&list) && data.Empty() &&
			numbers(list, &t.Signatures, func(n uint16) string { return tls.SignatureScheme(n).String() })
	case extKeyShare:
		ok := data.ReadUint16LengthPrefixed(&list)
		for ok && !list.Empty() {
			var group uint16
			var share cryptobyte.String
			ok = list.ReadUint16(&group) && list.ReadUint16LengthPrefixed(&share)
			clear(share)
			t.KeyShares = append(t.KeyShares, groupName(group))
		}
		return ok && data.Empty()
	}
	return true
}

func groupName(n uint16) string { return tls.CurveID(n).String() }

// numbers reads a list of numbers that have names.
func numbers(list cryptobyte.String, into *[]string, name func(uint16) string) bool {
	for !list.Empty() {
		var n uint16
		if !list.ReadUint16(&n) {
			return false
		}
		*into = append(*into, name(n))
	}
	return true
}
