package server

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"kenserve/internal/memory"
	pb "kenserve/server/inferencepb"
	"kenserve/server/internal/servertest"
)

// rawGRPC sends calls as bytes, so that a test decides when they are sent and read.
type rawGRPC struct {
	t      *testing.T
	s      *Server
	url    string
	client *http.Client
}

func newRawGRPC(t *testing.T, s *Server) *rawGRPC {
	d := dial(t, s)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		d.cancel()
	})
	return &rawGRPC{t, s, "http://" + d.ln.Addr().String(), &http.Client{Transport: transport}}
}

// call sends a call with a body, and returns when the header of the answer is there.
func (r *rawGRPC) call(method string, body io.Reader, header ...string) *http.Response {
	r.t.Helper()
	q, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+"/inference.GRPCInferenceService/"+method, body)
	if err != nil {
		r.t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/grpc")
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	answer, err := r.client.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { answer.Body.Close() })
	return answer
}

// message is a framed message for ModelInfer.
func message(t *testing.T, task string, texts ...string) []byte {
	b, err := proto.Marshal(&pb.ModelInferRequest{ModelName: task, Inputs: []*pb.ModelInferRequest_InferInputTensor{servertest.BytesInput("text", texts...)}})
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(b))), b...)
}

// unfinished is a body that ends with the test.
func unfinished(t *testing.T, begin []byte) io.Reader {
	r, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	return io.MultiReader(bytes.NewReader(begin), r)
}

// A call is refused by its metadata, while its message has not arrived.
func TestGRPCRefusesEarly(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{APIKeys: []string{"use"}, AdminKeys: []string{"admin"}})
	r := newRawGRPC(t, s)
	for _, c := range []struct {
		name, method string
		header       []string
		want         string
	}{
		{"without a key", "ModelInfer", nil, "16"},
		{"with a wrong key", "ModelInfer", []string{"Authorization", "Bearer wrong"}, "16"},
		{"without the admin key", "RepositoryModelLoad", []string{"Authorization", "Bearer use"}, "7"},
		{"no such method, without a key", "Nothing", nil, "16"},
	} {
		answer := r.call(c.method, unfinished(t, message(t, "sst2", "a")[:20]), c.header...)
		if got := answer.Header.Get("Grpc-Status"); got != c.want || answer.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: status %s, want %s: %v", c.name, got, c.want, answer.Header)
		}
	}
	if used := usedBytes(s) - s.memory.Usage()[memory.Connections].Used; used > 0 {
		t.Errorf("refused calls hold %d bytes", used)
	}
}

// A message that does not arrive within the read timeout is given up.
func TestGRPCReadTimeout(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{ReadTimeout: 100 * time.Millisecond})
	r := newRawGRPC(t, s)
	begin := time.Now()
	for _, sent := range []int{0, 3, 5, 20} {
		answer := r.call("ModelInfer", unfinished(t, message(t, "sst2", "a long text")[:sent]))
		if got := answer.Header.Get("Grpc-Status"); got != "4" {
			t.Errorf("%d bytes: status %s: %s", sent, got, answer.Header.Get("Grpc-Message"))
		}
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

// Messages that arrive slowly take what has arrived, and no more than the account has.
func TestGRPCMemoryWhileArriving(t *testing.T) {
	const account = 1 << 20
	s := newServer(t, servertest.NewEngine(), Options{Memory: memory.New(account), ReadTimeout: time.Minute})
	r := newRawGRPC(t, s)
	large := message(t, "sst2", strings.Repeat("x", 120<<10), strings.Repeat("x", 120<<10))
	refused := make(chan string, 16)
	for range cap(refused) {
		go func() {
			q, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/inference.GRPCInferenceService/ModelInfer", unfinished(t, large[:len(large)-1]))
			q.Header.Set("Content-Type", "application/grpc")
			if answer, err := r.client.Do(q); err == nil {
				refused <- answer.Header.Get("Grpc-Status")
				answer.Body.Close()
			}
		}()
	}
	for range 8 { // of 16 calls with 480 KiB, most do not fit
		if got := <-refused; got != "8" {
			t.Errorf("status %s", got)
		}
	}
	if used := s.memory.Used(); used > account {
		t.Errorf("%d bytes are taken", used)
	}
	if got := r.call("ModelInfer", bytes.NewReader(message(t, "sst2", "a"))).StatusCode; got != http.StatusOK {
		t.Errorf("a small call: %d", got)
	}
}

// The server ends a call whose client does not read the answer.
func TestGRPCWriteTimeout(t *testing.T) {
	e := servertest.NewEngine()
	manyLabels(e, 1000, 1000)
	s := newServer(t, e, Options{WriteTimeout: 200 * time.Millisecond})
	r := newRawGRPC(t, s)
	q, err := proto.Marshal(&pb.ModelInferRequest{
		ModelName: "many", Inputs: []*pb.ModelInferRequest_InferInputTensor{servertest.BytesInput("text", strings.Split(strings.Repeat("a ", 15)+"a", " ")...)},
		Outputs: []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "probabilities", Parameters: map[string]*pb.InferParameter{"classification": servertest.IntParameter(1000)}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	answer := r.call("ModelInfer", bytes.NewReader(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(q))), q...)))
	holds := func() int64 { return s.memory.Usage()[memory.Answers].Used }
	if holds() == 0 {
		t.Error("the answer is not charged")
	}
	for range 500 {
		if holds() == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if got := holds(); got != 0 {
		t.Errorf("the answer still holds %d bytes", got)
	}
	if n, err := io.Copy(io.Discard, answer.Body); err == nil {
		t.Errorf("all %d bytes were sent", n)
	}
}
