package transport

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const preface = http2.ClientPreface

// headersFrame is a header block without any table, as a client may write it.
func headersFrame(stream uint32, end bool, fields []hpack.HeaderField) []byte {
	return headersFrames(stream, end, 0, fields)
}

// headersFrames cuts the block into fragments, where cut is over 0.
func headersFrames(stream uint32, end bool, cut int, fields []hpack.HeaderField) []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encoder.SetMaxDynamicTableSize(0)
	for _, f := range fields {
		_ = encoder.WriteField(f)
	}
	return blockFrames(stream, end, cut, block.Bytes())
}

func blockFrames(stream uint32, end bool, cut int, block []byte) []byte {
	var frames bytes.Buffer
	framer := http2.NewFramer(&frames, nil)
	if cut == 0 {
		cut = len(block)
	}
	n := min(cut, len(block))
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block[:n], EndStream: end, EndHeaders: n == len(block)})
	for block = block[n:]; len(block) > 0; block = block[n:] {
		n = min(cut, len(block))
		_ = framer.WriteContinuation(stream, n == len(block), block[:n])
	}
	return frames.Bytes()
}

// frames are what else a client sends.
func otherFrames() []byte {
	var frames bytes.Buffer
	framer := http2.NewFramer(&frames, nil)
	framer.AllowIllegalWrites = true
	_ = framer.WriteSettings(http2.Setting{ID: http2.SettingEnablePush})
	_ = framer.WriteSettingsAck()
	_ = framer.WriteWindowUpdate(0, 1<<30)
	_ = framer.WriteData(1, false, bytes.Repeat([]byte("data "), 9000))
	_ = framer.WriteData(1, true, nil)
	_ = framer.WritePing(false, [8]byte{1, 2})
	_ = framer.WriteRSTStream(1, http2.ErrCodeCancel)
	_ = framer.WriteGoAway(1, http2.ErrCodeNo, []byte("bye"))
	_ = framer.WriteRawFrame(0xbe, 0xff, 5, []byte("unknown"))
	return frames.Bytes()
}

// through is what the filter makes of the bytes, written in pieces.
func through(t testing.TB, pieces ...[]byte) []byte {
	t.Helper()
	var o headerOrder
	o.init()
	out, err := []byte(nil), error(nil)
	for _, p := range pieces {
		if out, err = o.appendFrames(out, slices.Clone(p)); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// names reads header blocks as a tool does, and tells the fields of each, in order.
func names(t testing.TB, sent []byte) (blocks []string) {
	t.Helper()
	framer := http2.NewFramer(io.Discard, bytes.NewReader(bytes.TrimPrefix(sent, []byte(preface))))
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	framer.SetMaxReadFrameSize(16 << 10) // what every peer takes
	for {
		frame, err := framer.ReadFrame()
		if err == io.EOF {
			return blocks
		}
		if err != nil {
			t.Fatal(err)
		}
		if headers, ok := frame.(*http2.MetaHeadersFrame); ok {
			var fields []string
			for _, f := range headers.Fields {
				fields = append(fields, f.Name+"="+f.Value)
			}
			blocks = append(blocks, strings.Join(fields, " "))
		}
	}
}

func TestHeaderOrder(t *testing.T) {
	const pseudo = ":authority=maps.example.org :method=GET :path=/x?y :scheme=https"
	long := hpack.HeaderField{Name: "x-long", Value: strings.Repeat("~", 50<<10)}
	for _, tc := range []struct {
		name string
		sent []byte
		want string
	}{
		{"sorted", headersFrame(1, true, fieldsOf("b", "c", "a")), pseudo + " a=value of a b=value of b c=value of c"},
		{"a digit before letters", headersFrame(1, true, fieldsOf("a", "0")), pseudo + " 0=value of 0 a=value of a"},
		{"several of a name stay in order", headersFrame(1, true, append(fieldsOf("b"), hpack.HeaderField{Name: "a", Value: "2"}, hpack.HeaderField{Name: "a", Value: "1"})),
			pseudo + " a=2 a=1 b=value of b"},
		{"content-length", headersFrame(1, false, append(fieldsOf("user-agent"), hpack.HeaderField{Name: "content-length", Value: "7"})),
			pseudo + " content-length=7 user-agent=value of user-agent"},
		{"trailers", headersFrame(1, true, fieldsOf("b", "a")[4:]), "a=value of a b=value of b"},
		{"cut into fragments", headersFrames(1, true, 3, fieldsOf("b", "a")), pseudo + " a=value of a b=value of b"},
		{"long", headersFrames(1, true, 16<<10, append(fieldsOf("z"), long)), pseudo + " x-long=" + long.Value + " z=value of z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out := through(t, []byte(preface), tc.sent)
			if got := names(t, out); len(got) != 1 || got[0] != tc.want {
				t.Errorf("got %.300q, want %.300q", got, tc.want)
			}
			if got, want := out[len(preface)+4]&byte(http2.FlagHeadersEndStream), tc.sent[4]&byte(http2.FlagHeadersEndStream); got != want {
				t.Errorf("END_STREAM is %d, was %d", got, want)
			}
		})
	}
}

// Whoever asked before on the connection, and in whatever order the client has the
// fields: a request is the same bytes, its stream's number apart.
func TestEqualRequestsAreEqualBytes(t *testing.T) {
	var o headerOrder
	o.init()
	var block bytes.Buffer
	client := hpack.NewEncoder(&block) // with its table, unlike what we allow ours
	request := func(fields []hpack.HeaderField) []byte {
		block.Reset()
		for _, f := range fields {
			_ = client.WriteField(f)
		}
		return blockFrames(1, true, 0, block.Bytes())
	}
	if _, err := o.appendFrames(nil, []byte(preface)); err != nil {
		t.Fatal(err)
	}
	first, err := o.appendFrames(nil, request(fieldsOf("accept", "accept-encoding", "user-agent")))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if _, err := o.appendFrames(nil, request(fieldsOf("other", strings.Repeat("x", i+1)))); err != nil {
			t.Fatal(err)
		}
		fields := fieldsOf("accept", "accept-encoding", "user-agent")
		rand.Shuffle(3, func(i, j int) { fields[4+i], fields[4+j] = fields[4+j], fields[4+i] })
		again, err := o.appendFrames(nil, request(fields))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, first) {
			t.Fatalf("after %d others the bytes are\n%q, at first\n%q", i+1, again, first)
		}
	}
}

func TestOtherFramesPassAsTheyAre(t *testing.T) {
	sent := append([]byte(preface), otherFrames()...)
	if got := through(t, sent); !bytes.Equal(got, sent) {
		t.Error("frames were changed")
	}
	// The priority field stays where it was.
	var withPriority bytes.Buffer
	_ = http2.NewFramer(&withPriority, nil).WriteHeaders(http2.HeadersFrameParam{
		StreamID: 3, EndHeaders: true, BlockFragment: []byte{0x20, 0x82}, Priority: http2.PriorityParam{StreamDep: 7, Weight: 9, Exclusive: true},
	})
	if got, want := through(t, []byte(preface), withPriority.Bytes())[len(preface):], withPriority.Bytes(); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

// Wherever writes are cut, the same comes out, and nothing is kept back in the end.
func TestFramesCutAnywhere(t *testing.T) {
	whole := slices.Concat([]byte(preface), otherFrames()[:60], headersFrames(1, false, 5, fieldsOf("b", "a")), headersFrame(3, true, fieldsOf("b")))
	want := through(t, whole)
	for i := range whole {
		if got := through(t, whole[:i], nil, whole[i:]); !bytes.Equal(got, want) {
			t.Fatalf("cut at %d, got %d bytes, want %d", i, len(got), len(want))
		}
	}
	single := make([][]byte, len(whole))
	for i := range whole {
		single[i] = whole[i : i+1]
	}
	if got := through(t, single...); !bytes.Equal(got, want) {
		t.Fatalf("by single bytes, got %d bytes, want %d", len(got), len(want))
	}
}

func TestBadFrames(t *testing.T) {
	frame := func(kind http2.FrameType, flags http2.Flags, stream byte, payload ...byte) []byte {
		return append([]byte{0, 0, byte(len(payload)), byte(kind), byte(flags), 0, 0, 0, stream}, payload...)
	}
	open := frame(http2.FrameHeaders, 0, 1, 0x82)
	for _, tc := range []struct {
		name   string
		sent   []byte
		reason string
	}{
		{"not HTTP/2", []byte("GET / HTTP/1.1\r\n\r\n"), "no client preface"},
		{"a broken preface", []byte(preface[:20] + "!"), "no client preface"},
		{"headers of no stream", slices.Concat([]byte(preface), frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 0, 0x82)), "headers of no stream"},
		{"padded", slices.Concat([]byte(preface), frame(http2.FrameHeaders, http2.FlagHeadersPadded, 1, 0)), "padded"},
		{"short priority", slices.Concat([]byte(preface), frame(http2.FrameHeaders, http2.FlagHeadersPriority, 1, 0)), "short priority"},
		{"continuation of nothing", slices.Concat([]byte(preface), frame(http2.FrameContinuation, 0, 1)), "continuation of nothing"},
		{"continuation of another", slices.Concat([]byte(preface), open, frame(http2.FrameContinuation, 0, 3)), "within a header block"},
		{"data within", slices.Concat([]byte(preface), open, frame(http2.FrameData, 0, 1)), "within a header block"},
		{"headers within", slices.Concat([]byte(preface), open, open), "within a header block"},
		{"push", slices.Concat([]byte(preface), frame(http2.FramePushPromise, 0, 1)), "push from the client"},
		{"an index of nothing", slices.Concat([]byte(preface), frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, 0xff, 0x70)), "invalid indexed"},
		{"half a field", slices.Concat([]byte(preface), frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, 0x40)), "truncated headers"},
		{"endless", slices.Concat([]byte(preface), open, bytes.Repeat(append([]byte{0, 0x40, 0, byte(http2.FrameContinuation), 0, 0, 0, 0, 1}, make([]byte, 0x4000)...), 65)), "overlong"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var o headerOrder
			o.init()
			if _, err := o.appendFrames(nil, tc.sent); err == nil || !strings.Contains(err.Error(), tc.reason) {
				t.Errorf("got %v, want a reason with %q", err, tc.reason)
			}
		})
	}
}

func FuzzHeaderOrder(f *testing.F) {
	f.Add([]byte(preface), 3)
	f.Add(slices.Concat([]byte(preface), otherFrames()[:200]), 7)
	f.Add(slices.Concat([]byte(preface), headersFrames(1, true, 4, fieldsOf("b", "a")), otherFrames()[:60]), 11)
	f.Add(slices.Concat([]byte(preface), headersFrame(1, true, fieldsOf("b", "a"))), 1)
	f.Add([]byte(preface+"\x00\x00\x01\x01\x00\x00\x00\x00\x01\x82\x00\x00\x00\x09\x04\x00\x00\x00\x01"), 30)
	f.Fuzz(func(t *testing.T, sent []byte, cut int) {
		var whole, pieces headerOrder
		whole.init()
		pieces.init()
		want, wantErr := whole.appendFrames(nil, sent)
		var got []byte
		var err error
		cut = max(1, cut)
		for rest := sent; len(rest) > 0 && err == nil; {
			n := min(cut, len(rest))
			got, err = pieces.appendFrames(got, rest[:n])
			rest = rest[n:]
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("in pieces %v, at once %v", err, wantErr)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(got, want) {
			t.Fatal("what comes out depends on how writes are cut")
		}
		// What came out is in order: once more through the filter changes nothing.
		var again headerOrder
		again.init()
		if twice, err := again.appendFrames(nil, got); err != nil || !bytes.Equal(twice, got) {
			t.Fatalf("%x\nbecomes\n%x, %v", got, twice, err)
		}
	})
}
