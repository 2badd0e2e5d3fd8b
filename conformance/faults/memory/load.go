package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	pb "kenserve/server/inferencepb"
)

// mix says how often each kind of request is sent.
type mix struct {
	random  *rand.Rand
	weights []float64 // by kind
}

// newMix returns mix number i: three to all of the kinds, some of them often.
func newMix(seed uint64, i int) *mix {
	m := &mix{random: rand.New(rand.NewPCG(seed, uint64(i))), weights: make([]float64, len(kinds))}
	for k := range m.weights {
		if m.random.IntN(3) > 0 || k == i%len(kinds) {
			m.weights[k] = m.random.Float64()
		}
	}
	m.weights[i%len(kinds)] += 1 // each kind dominates some mix
	return m
}

// draw returns a kind.
func (m *mix) draw(r *rand.Rand) int {
	sum := 0.0
	for _, w := range m.weights {
		sum += w
	}
	x := r.Float64() * sum
	for k, w := range m.weights {
		if x -= w; x < 0 {
			return k
		}
	}
	return len(m.weights) - 1
}

// bodies keeps what is sent, a few of each kind: the campaign's own work must not slow
// the server down.
type bodies struct {
	mu   sync.Mutex
	kept map[string][][]byte
}

// variants is how many bodies of a kind are made.
const variants = 4

// get returns a body of a kind, and makes it if there are too few.
func (b *bodies) get(c *client, kind string, makeOne func() []byte) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.kept[kind]) < variants {
		b.kept[kind] = append(b.kept[kind], makeOne())
	}
	return b.kept[kind][c.random.IntN(len(b.kept[kind]))]
}

// made has the bodies of all clients.
var made = bodies{kept: map[string][][]byte{}}

// asJSON returns the body of a request for the tasks that v names.
func asJSON(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // v is a map of strings and numbers
	}
	return body
}

// client sends requests of all kinds.
type client struct {
	s      *server
	ctx    context.Context
	random *rand.Rand
	http   *http.Client
	grpc   *http.Client
}

// kinds are the kinds of requests. Each returns a word for the outcome.
var kinds = []func(c *client) string{
	(*client).largeBody, (*client).manyTexts, (*client).manyTasks, (*client).ids, (*client).escapes, (*client).compressed,
	(*client).slowBody, (*client).slowReader, (*client).message, (*client).emptyInputs, (*client).slowMessage, (*client).idle, (*client).lists,
}

// load sends requests of a mix, so many at the same time, and small ones beside them. It
// returns how often each outcome occurred.
func (s *server) load(ctx context.Context, m *mix, requests int, length time.Duration) (counts string, small smallTimes) {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	web := &http.Transport{MaxIdleConnsPerHost: requests}
	calls := &http.Transport{Protocols: protocols}
	defer web.CloseIdleConnections()
	defer calls.CloseIdleConnections()
	var mu sync.Mutex
	outcomes := map[string]int{}
	var all sync.WaitGroup
	for i := range requests {
		c := &client{s: s, ctx: ctx, random: rand.New(rand.NewPCG(m.random.Uint64(), uint64(i))), http: &http.Client{Transport: web}, grpc: &http.Client{Transport: calls}}
		all.Go(func() {
			for ctx.Err() == nil {
				outcome := kinds[m.draw(c.random)](c)
				if ctx.Err() != nil {
					return
				}
				mu.Lock()
				outcomes[outcome]++
				mu.Unlock()
				if outcome != "200" { // as a polite client does
					select {
					case <-time.After(100 * time.Millisecond):
					case <-ctx.Done():
					}
				}
			}
		})
	}
	small = s.small(ctx, length, 50*time.Millisecond)
	all.Wait()
	var names []string
	for name := range outcomes {
		names = append(names, name)
	}
	sort.Strings(names)
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "%s: %d  ", name, outcomes[name])
	}
	return strings.TrimSpace(b.String()), small
}

func (c *client) task() string { return c.s.tasks[c.random.IntN(len(c.s.tasks))] }

// texts returns n texts of so many words.
func (c *client) texts(n, words int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = strings.Repeat([]string{"a bc ", "word ", "日本 ", "x, y"}[c.random.IntN(4)], words)
	}
	return out
}

// post posts a body of a kind and reads the answer.
func (c *client) post(kind, path string, makeOne func() []byte, header ...string) string {
	return c.send(http.MethodPost, path, bytes.NewReader(made.get(c, kind, makeOne)), header...)
}

func (c *client) send(method, path string, body io.Reader, header ...string) string {
	q, err := http.NewRequestWithContext(c.ctx, method, "http://"+c.s.http+path, body)
	if err != nil {
		panic(err)
	}
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	answer, err := c.http.Do(q)
	if err != nil {
		return "closed"
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return "closed"
	}
	return strconv.Itoa(answer.StatusCode)
}

func (c *client) largeBody() string {
	return c.post("large", "/classify", func() []byte {
		return asJSON(map[string]any{"model": c.task(), "input": c.texts(1000, 550), "top_k": 1})
	})
}

func (c *client) manyTexts() string {
	return c.post("texts", "/classify", func() []byte { return asJSON(map[string]any{"model": c.task(), "input": c.texts(1024, 3)}) })
}

func (c *client) manyTasks() string {
	return c.post("tasks", "/classify", func() []byte { return asJSON(map[string]any{"model": c.s.tasks, "input": c.texts(40, 20)}) })
}

func (c *client) ids() string {
	return c.post("ids", "/vllm/classify", func() []byte {
		lists := make([][]int, 1+c.random.IntN(1000))
		for i := range lists {
			lists[i] = make([]int, 1500_000/len(lists))
		}
		return asJSON(map[string]any{"model": c.task(), "input": lists, "truncate_prompt_tokens": -1})
	})
}

func (c *client) escapes() string {
	return c.post("escapes", "/classify", func() []byte {
		text := `"` + strings.Repeat(`\u0041\n`, 15_000) + `"`
		return []byte(`{"model":"` + c.task() + `","input":[` + strings.Repeat(text+",", 30) + text + `]}`)
	})
}

func (c *client) compressed() string {
	return c.post("compressed", "/classify", func() []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		fmt.Fprintf(z, `{"model":%q,"input":"a"}%s`, c.task(), strings.Repeat(" ", 4<<20-200))
		_ = z.Close()
		return b.Bytes()
	}, "Content-Encoding", "gzip")
}

// slowBody sends most of a large body, and the rest after a pause.
func (c *client) slowBody() string {
	body := made.get(c, "slow", func() []byte { return asJSON(map[string]any{"model": c.task(), "input": c.texts(500, 1100)}) })
	return c.send(http.MethodPost, "/classify", &paused{c.ctx, body, len(body) - 10})
}

// paused is a body with a pause before its last bytes.
type paused struct {
	ctx  context.Context
	rest []byte
	left int // bytes before the pause
}

func (p *paused) Read(b []byte) (int, error) {
	if p.left == 0 {
		select {
		case <-time.After(3 * time.Second):
		case <-p.ctx.Done():
			return 0, p.ctx.Err()
		}
		p.left = len(p.rest)
	}
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.rest[:min(p.left, len(p.rest))])
	p.rest, p.left = p.rest[n:], p.left-n
	return n, nil
}

// slowReader asks for a large answer and does not read it for some seconds.
func (c *client) slowReader() string {
	conn, err := net.Dial("tcp", c.s.http)
	if err != nil {
		return "closed"
	}
	defer conn.Close()
	body := made.get(c, "slow reader", func() []byte { return asJSON(map[string]any{"model": c.task(), "input": c.texts(1024, 1)}) })
	if _, err := fmt.Fprintf(conn, "POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		return "closed"
	}
	select {
	case <-time.After(time.Duration(c.random.IntN(8)) * time.Second):
	case <-c.ctx.Done():
	}
	status := 0
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	_, _ = fmt.Fscanf(conn, "HTTP/1.1 %d", &status)
	if status == 0 {
		return "closed"
	}
	return strconv.Itoa(status)
}

// call sends a framed gRPC message.
func (c *client) call(body io.Reader) string {
	q, err := http.NewRequestWithContext(c.ctx, http.MethodPost, "http://"+c.s.grpc+"/inference.GRPCInferenceService/ModelInfer", body)
	if err != nil {
		panic(err)
	}
	q.Header.Set("Content-Type", "application/grpc")
	answer, err := c.grpc.Do(q)
	if err != nil {
		return "closed"
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	status := answer.Trailer.Get("Grpc-Status") + answer.Header.Get("Grpc-Status")
	if status == "0" {
		return "200"
	}
	return "grpc" + status
}

// framed returns a message with its prefix.
func framed(wire []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(wire))), wire...)
}

func (c *client) inferMessage() []byte { return made.get(c, "message", c.makeMessage) }

func (c *client) makeMessage() []byte {
	contents := new(pb.InferTensorContents)
	for _, text := range c.texts(900, 550) {
		contents.BytesContents = append(contents.BytesContents, []byte(text))
	}
	wire, _ := proto.Marshal(&pb.ModelInferRequest{ModelName: c.task(), Inputs: []*pb.ModelInferRequest_InferInputTensor{{
		Name: "text", Datatype: "BYTES", Shape: []int64{int64(len(contents.BytesContents))}, Contents: contents,
	}}})
	return framed(wire)
}

func (c *client) message() string { return c.call(bytes.NewReader(c.inferMessage())) }

// emptyInputs sends a message of two million inputs of two bytes.
func (c *client) emptyInputs() string {
	return c.call(bytes.NewReader(made.get(c, "empty inputs", func() []byte { return framed(bytes.Repeat([]byte{0x2a, 0}, 2<<20-8)) })))
}

func (c *client) slowMessage() string {
	body := c.inferMessage()
	return c.call(&paused{c.ctx, body, len(body) - 10})
}

// idle opens connections and keeps them without a request.
func (c *client) idle() string {
	for range 5 {
		conn, err := net.Dial("tcp", c.s.http)
		if err != nil {
			return "closed"
		}
		defer conn.Close()
	}
	select {
	case <-time.After(2 * time.Second):
	case <-c.ctx.Done():
	}
	return "idle"
}

// lists asks for what needs no classification.
func (c *client) lists() string {
	paths := []string{"/tasks", "/metrics", "/openapi.json", "/stats", "/tasks/" + c.task() + "/viz"}
	return c.send(http.MethodGet, paths[c.random.IntN(len(paths))], nil, "X-Long", strings.Repeat("x", 20<<10))
}
