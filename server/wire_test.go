package server

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kenserve/server/internal/servertest"
)

var update = flag.Bool("update", false, "rewrite the responses in testdata and the OpenAPI document")

// wireOptions have low limits, which some cases exceed.
var wireOptions = Options{MaxBodyBytes: 2048, MaxTexts: 4, MaxTextBytes: 200, MaxTasks: 3}

func TestWire(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) != 7 {
		t.Fatalf("testdata has %d files (%v), want 7", len(files), err)
	}
	for _, file := range files {
		cases := servertest.ReadCases(t, file)
		for i := range cases {
			c := &cases[i]
			t.Run(filepath.Base(file)+"/"+c.Name, func(t *testing.T) {
				got := wireAnswer(t, c.Request)
				if *update {
					c.Response = got
				}
				if diff := cmp.Diff(string(indented(t, c.Response)), string(indented(t, got))); diff != "" {
					t.Errorf("answer differs (-want +got):\n%s", diff)
				}
			})
		}
		if *update {
			if err := os.WriteFile(file, indented(t, cases), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func wireAnswer(t *testing.T, q servertest.Request) servertest.Response {
	body := q.Text(t)
	header := []string{"X-Request-Id", "wire-golden"}
	for name, value := range q.Header {
		header = append(header, name, value)
	}
	w := do(newServer(t, servertest.NewEngine(), wireOptions), q.Method, q.Path, body, header...)
	r := servertest.Response{Status: w.Code, Header: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(w.Header())) {
		if name == "Content-Length" || securityHeaders[name] != "" {
			continue
		}
		r.Header[name] = w.Header().Get(name)
	}
	if w.Body.Len() > 0 {
		if !json.Valid(w.Body.Bytes()) {
			t.Fatalf("answer is not JSON: %q", w.Body)
		}
		r.Body = w.Body.Bytes()
	}
	return r
}

// indented keeps numbers of raw messages as they are written.
func indented(t *testing.T, v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// These bodies are not valid UTF-8, so that testdata cannot have them.
func TestWireInvalidUTF8(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{})
	for _, body := range []string{
		"{\"model\":\"trec\",\"input\":\"\xff\"}",
		"{\"model\":\"trec\",\"input\":\"\xed\xa0\x80\"}", // a surrogate in UTF-8
		"{\"model\":\"trec\",\"input\":\"\xc0\xaf\"}",     // an overlong slash
		"{\"model\":\"trec\",\"input\":\"a\",\"\xf8\":1}",
		"\xff\xfe{\x00}\x00",
	} {
		w := post(s, body)
		if want := `{"error":{"message":"the body is not valid UTF-8","type":"malformed","field":null}}` + "\n"; w.Code != http.StatusBadRequest || w.Body.String() != want {
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
	}
}
