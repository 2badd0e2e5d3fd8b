package server

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"kenserve/delta"
	"kenserve/runtime"
	"kenserve/server/internal/core"
)

// wireBodies are the bodies of the requests in a file of testdata.
func wireBodies(t testing.TB, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []wireCase
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range cases {
		body := string(c.Request.Body)
		if strings.HasPrefix(body, `"`) {
			if err := json.Unmarshal(c.Request.Body, &body); err != nil {
				t.Fatal(err)
			}
		}
		out = append(out, body)
	}
	return out
}

// fuzzLimits are limits that short bodies exceed.
var fuzzLimits = core.Limits{MaxTexts: 4, MaxTextBytes: 40, MaxTasks: 3}

// checkRefused checks what holds for every refusal of a body.
func checkRefused(t *testing.T, err error) {
	t.Helper()
	p := asProblem(t, err)
	if p.Status < 400 || p.Status >= 500 || p.Message == "" || len(p.Message) > 1000 || !utf8.ValidString(p.Message) {
		t.Fatalf("status %d, message of %d bytes: %q", p.Status, len(p.Message), p.Message)
	}
	for _, s := range shapes {
		if status, body := s.shape(p); status < 400 || !json.Valid(body) {
			t.Fatalf("status %d: %q", status, body)
		}
	}
}

// checkInputs checks what holds for the inputs of every request.
func checkInputs(t *testing.T, inputs []runtime.Input, limits core.Limits) {
	t.Helper()
	if len(inputs) < 1 || len(inputs) > limits.MaxTexts {
		t.Fatalf("%d inputs", len(inputs))
	}
	for _, in := range inputs {
		for _, s := range []*string{&in.Text, in.Pair} {
			if s != nil && (len(*s) > limits.MaxTextBytes || !utf8.ValidString(*s)) {
				t.Fatalf("text %q", *s)
			}
		}
		if in.IDs != nil && (len(in.IDs) == 0 || in.Text != "" || in.Pair != nil) {
			t.Fatalf("%+v", in)
		}
		for _, id := range in.IDs {
			if id < 0 {
				t.Fatalf("ids %d", in.IDs)
			}
		}
	}
}

func FuzzTEIRequest(f *testing.F) {
	for _, body := range wireBodies(f, "testdata/tei.json") {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		q, err := parseTEI(body, fuzzLimits)
		if err != nil {
			checkRefused(t, err)
			return
		}
		checkInputs(t, q.inputs, fuzzLimits)
		if !q.batch && len(q.inputs) != 1 || !json.Valid([]byte(body)) {
			t.Fatalf("%q: %+v", body, q)
		}
	})
}

func FuzzHuggingFaceRequest(f *testing.F) {
	for _, body := range wireBodies(f, "testdata/huggingface.json") {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		q, err := parseHF(body, fuzzLimits)
		if err != nil {
			checkRefused(t, err)
			return
		}
		checkInputs(t, q.inputs, fuzzLimits)
		if q.topK < 0 || (q.apply != "") != q.options.Raw || !json.Valid([]byte(body)) {
			t.Fatalf("%q: %+v", body, q)
		}
	})
}

func FuzzVLLMRequest(f *testing.F) {
	for _, body := range wireBodies(f, "testdata/vllm.json") {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		q, err := parseVLLM(body, fuzzLimits)
		if err != nil {
			checkRefused(t, err)
			return
		}
		checkInputs(t, q.inputs, fuzzLimits)
		if !delta.ValidTask(q.task) || q.options.MaxTokens < 0 || !json.Valid([]byte(body)) {
			t.Fatalf("%q: %+v", body, q)
		}
		for _, in := range q.inputs {
			if (in.IDs != nil) != (q.inputs[0].IDs != nil) {
				t.Fatalf("%q: texts and ids", body)
			}
		}
	})
}
