package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestServe starts the program, sends a request, and stops it with a signal.
func TestServe(t *testing.T) {
	w := newFixture(t, "answer")
	config := filepath.Join(filepath.Dir(w.base), "config.yaml")
	if err := os.WriteFile(config, []byte("listen: 127.0.0.1:0\nbase: base\nstore: store\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := w.start(t, nil, "--config", config)
	answer, err := http.Post(r.address+"/classify", "application/json", strings.NewReader(`{"model":"answer","input":["what is the card","how"]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var body struct {
		Data [][]struct {
			Label string
			Score float64
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %v", answer.StatusCode, err)
	}
	if len(body.Data) != 2 || len(body.Data[0]) != 2 || body.Data[0][0].Score < body.Data[0][1].Score {
		t.Errorf("answer: %+v", body)
	}
	if sum := body.Data[0][0].Score + body.Data[0][1].Score; sum < 0.999 || sum > 1.001 {
		t.Errorf("scores sum to %g", sum)
	}
	if err := r.stop(t); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, r.text())
	}
}

// TestStopUnderLoad sends a signal under load. Every accepted request must be answered, on
// connections for one request and on kept ones.
func TestStopUnderLoad(t *testing.T) {
	w := newFixture(t, "one", "two")
	r := w.start(t, nil, "--base", w.base, "--store", w.store, "--listen", "127.0.0.1:0")
	var answered atomic.Int64
	var stopping atomic.Bool
	var clients sync.WaitGroup
	for i := range 16 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0}}
			defer client.CloseIdleConnections()
			body := `{"model":["one","two"],"input":["what is the card","how","the card is what"]}`
			for {
				answer, err := client.Post(r.address+"/classify", "application/json", strings.NewReader(body))
				if err != nil {
					if !stopping.Load() {
						t.Errorf("before the signal: %v", err)
					}
					return // the listener is closed
				}
				text, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				if err != nil || answer.StatusCode != http.StatusOK || !strings.HasSuffix(string(text), "}\n") {
					t.Errorf("status %d, %v: %s", answer.StatusCode, err, text)
					return
				}
				answered.Add(1)
			}
		})
	}
	for answered.Load() < 200 {
		time.Sleep(time.Millisecond)
	}
	stopping.Store(true)
	if err := r.stop(t); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	clients.Wait()
	// The log has a line for each accepted request.
	accepted := int64(0)
	lines := json.NewDecoder(strings.NewReader(r.text()))
	for {
		var line struct {
			Msg, Path string
			Status    int
		}
		if err := lines.Decode(&line); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if line.Msg == "request" {
			accepted++
			if line.Status != http.StatusOK {
				t.Errorf("%s: status %d", line.Path, line.Status)
			}
		}
	}
	if accepted != answered.Load() {
		t.Errorf("%d requests accepted, %d answered", accepted, answered.Load())
	}
}
