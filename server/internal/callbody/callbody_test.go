package callbody

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"kenserve/internal/memory"
	pb "kenserve/server/inferencepb"
	"kenserve/server/internal/problem"
)

var input = new(pb.ModelInferRequest).ProtoReflect().Descriptor()

// framed puts the prefix before a message.
func framed(flag byte, message []byte) string {
	prefix := binary.BigEndian.AppendUint32([]byte{flag}, uint32(len(message)))
	return string(prefix) + string(message)
}

func zipped(t testing.TB, text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRead(t *testing.T) {
	const limit = 10_000
	message, err := proto.Marshal(&pb.ModelInferRequest{ModelName: "trec", Id: strings.Repeat("x", 5000)})
	if err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("x", limit+1)
	for _, c := range []struct {
		name     string
		body     string
		encoding string
		memory   int64 // of the account
		want     string
		kind     problem.Kind
	}{
		{"empty message", framed(0, nil), "", 1 << 20, framed(0, nil), ""},
		{"message", framed(0, message), "", 1 << 20, framed(0, message), ""},
		{"compressed", framed(1, zipped(t, string(message))), "gzip", 1 << 20, framed(0, message), ""},
		{"marked as gzip, not compressed", framed(0, message), "gzip", 1 << 20, framed(0, message), ""},
		{"a second message is not read", framed(0, message) + framed(0, message), "", 1 << 20, framed(0, message), ""},
		{"nothing", "", "", 1 << 20, "", problem.KindMalformed},
		{"cut in the prefix", "\x00\x00", "", 1 << 20, "", problem.KindMalformed},
		{"cut in the message", framed(0, message)[:1000], "", 1 << 20, "", problem.KindMalformed},
		{"another flag", framed(2, message), "", 1 << 20, "", problem.KindMalformed},
		{"too large", framed(0, []byte(large)), "", 1 << 20, "", problem.KindTooLarge},
		{"announced as too large", "\x00\xff\xff\xff\xff", "", 1 << 20, "", problem.KindTooLarge},
		{"too large when decoded", framed(1, zipped(t, large)), "gzip", 1 << 20, "", problem.KindTooLarge},
		{"bomb", framed(1, zipped(t, strings.Repeat("x", 5<<20))), "gzip", 1 << 20, "", problem.KindTooLarge},
		{"not gzip", framed(1, message), "gzip", 1 << 20, "", problem.KindMalformed},
		{"unknown encoding", framed(1, message), "br", 1 << 20, "", problem.KindEncoding},
		{"no memory for the bytes", framed(0, message), "", 4000, "", problem.KindTooLarge},
		{"no memory for the decoded message", framed(0, message), "", 24_000, "", problem.KindTooLarge},
		{"no memory for the decoder", framed(1, zipped(t, string(message))), "gzip", 40_000, "", problem.KindTooLarge},
	} {
		account := memory.New(c.memory)
		loan := account.Open()
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.body))
		r.Header.Set("Grpc-Encoding", c.encoding)
		got, err := Read(r.WithContext(memory.WithLoan(r.Context(), loan)), input, limit)
		p := problem.Of(err)
		switch {
		case err != nil && p == nil:
			t.Errorf("%s: %v is not a problem", c.name, err)
		case p != nil && p.Kind != c.kind, p == nil && c.kind != "", p == nil && string(got) != c.want:
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.kind)
		}
		loan.Close()
		if account.Used() != 0 {
			t.Errorf("%s: %d bytes at the end", c.name, account.Used())
		}
	}
}

// Few bytes of a message may become many in memory. The count is never below what
// decoding allocates, for messages made to be large.
func TestDecodedBytes(t *testing.T) {
	repeat := func(part string, n int) []byte { return []byte(strings.Repeat(part, n)) }
	nested := func(field byte, content []byte) []byte {
		return append([]byte{field<<3 | 2}, append(binary.AppendUvarint(nil, uint64(len(content))), content...)...)
	}
	const n = 20_000
	for name, wire := range map[string][]byte{
		"empty inputs":           repeat("\x2a\x00", n),
		"empty outputs":          repeat("\x32\x00", n),
		"empty raw contents":     repeat("\x3a\x00", n),
		"raw contents of a byte": repeat("\x3a\x01x", n),
		"parameters":             repeat("\x22\x00", n),
		"parameters with names":  parameters(t, n),
		"shape":                  nested(5, nested(3, repeat("\x01", n))),
		"numbers one by one":     nested(5, repeat("\x18\x01", n)),
		"contents":               nested(5, nested(5, repeat("\x42\x00", n))),
		"floats":                 nested(5, nested(5, nested(6, make([]byte, 4*n)))),
		"booleans":               nested(5, nested(5, nested(1, repeat("\x01", n)))),
		"unknown fields":         repeat("\xfa\x01\x00", n),
		"a text":                 nested(7, repeat("x", n)),
	} {
		counted := decodedBytes(wire, input)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		m := new(pb.ModelInferRequest)
		err := proto.Unmarshal(wire, m)
		runtime.GC()
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		taken := int64(after.HeapAlloc) - int64(before.HeapAlloc)
		if taken > counted+16<<10 {
			t.Errorf("%s: %d bytes on the wire, %d in memory, counted %d", name, len(wire), taken, counted)
		}
		runtime.KeepAlive(m)
	}
}

// parameters is a message with n different parameters.
func parameters(t *testing.T, n int) []byte {
	m := &pb.ModelInferRequest{Parameters: map[string]*pb.InferParameter{}}
	for i := range n {
		m.Parameters[string(binary.AppendUvarint([]byte("p"), uint64(i)%128))+strings.Repeat("y", i/128)] = &pb.InferParameter{}
		if len(m.Parameters) == 2000 {
			break
		}
	}
	wire, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

func FuzzRead(f *testing.F) {
	message, err := proto.Marshal(&pb.ModelInferRequest{ModelName: "trec", Id: "1"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(framed(0, message)), false)
	f.Add([]byte(framed(1, zipped(f, string(message)))), true)
	f.Fuzz(func(t *testing.T, body []byte, compressed bool) {
		const limit = 1000
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		if compressed {
			r.Header.Set("Grpc-Encoding", "gzip")
		}
		got, err := Read(r, input, limit)
		if err != nil {
			if problem.Of(err) == nil {
				t.Errorf("%v is not a problem", err)
			}
			return
		}
		if got[0] != 0 || len(got) > prefixBytes+limit || binary.BigEndian.Uint32(got[1:]) != uint32(len(got)-prefixBytes) {
			t.Errorf("message %q", got)
		}
	})
}
