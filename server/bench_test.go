package server

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kenserve/runtime"
	"kenserve/server/internal/servertest"
)

// instantEngine answers at once, so that the benchmark measures the server.
type instantEngine struct {
	*servertest.Engine
	result *runtime.Result
}

func (e *instantEngine) Classify(context.Context, string, []runtime.Input, runtime.Options) (*runtime.Result, error) {
	return e.result, nil
}

// discard is a response writer that discards the body.
type discard struct {
	header http.Header
	status int
}

func (w *discard) Header() http.Header         { return w.header }
func (w *discard) WriteHeader(status int)      { w.status = status }
func (w *discard) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkClassify measures a request from the parsed header to the last byte of its
// answer.
func BenchmarkClassify(b *testing.B) {
	text := "How far is it from Denver to Aspen , and how long does the drive take in the winter months when roads close ?"
	for _, c := range []struct {
		name   string
		input  string
		texts  int
		labels int
	}{
		{"texts=1/labels=6", `"` + text + `"`, 1, 6},
		{"texts=1/labels=77", `"` + text + `"`, 1, 77},
		{"texts=32/labels=6", `["` + strings.Repeat(text+`","`, 31) + text + `"]`, 32, 6},
	} {
		b.Run(c.name, func(b *testing.B) {
			e := &instantEngine{servertest.NewEngine(), &runtime.Result{Task: "trec", Tokens: 26 * c.texts}}
			for i := range c.labels {
				e.result.Labels = append(e.result.Labels, strings.Repeat("label", 2)+string(rune('0'+i)))
			}
			for range c.texts {
				row := make([]float32, c.labels)
				for i := range row {
					row[i] = float32(i*37%101) / 101
				}
				e.result.Scores = append(e.result.Scores, row)
			}
			s, err := New(e, Options{})
			if err != nil {
				b.Fatal(err)
			}
			body := strings.NewReader("")
			r := httptest.NewRequest(http.MethodPost, "/classify", nil)
			r.Body = io.NopCloser(body)
			w := &discard{header: http.Header{}}
			payload := `{"model":"trec","input":` + c.input + `}`
			b.ReportAllocs()
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				body.Reset(payload)
				clear(w.header)
				s.Handler().ServeHTTP(w, r)
				if w.status != http.StatusOK {
					b.Fatal(w.status)
				}
			}
		})
	}
}
