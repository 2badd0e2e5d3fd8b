package server

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"kenserve/server/internal/servertest"
)

// manyLabels adds a task with n labels of the given length.
func manyLabels(e *servertest.Engine, n, length int) {
	labels := make([]string, n)
	for i := range labels {
		labels[i] = fmt.Sprintf("%0*d", length, i)
	}
	e.Labels["many"] = labels
}

// A task may have thousands of labels with names of kilobytes. An answer has all of
// them, or top_k.
func TestManyLabels(t *testing.T) {
	const labels, length = 5000, 4096
	e := servertest.NewEngine()
	manyLabels(e, labels, length)
	s := newServer(t, e, Options{})
	for _, c := range []struct {
		body string
		want int
	}{
		{`{"model":"many","input":"a b"}`, labels},
		{`{"model":"many","input":"a b","top_k":7}`, 7},
		{`{"model":"many","input":"a b","top_k":1000000}`, labels},
	} {
		w := post(s, c.body)
		var answer struct {
			Data [][]struct {
				Label string
				Score float64
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); w.Code != http.StatusOK || err != nil || len(answer.Data) != 1 {
			t.Fatalf("%s: status %d, %v", c.body, w.Code, err)
		}
		seen := map[string]bool{}
		for _, score := range answer.Data[0] {
			if len(score.Label) == length {
				seen[score.Label] = true
			}
		}
		if len(seen) != c.want || len(answer.Data[0]) != c.want {
			t.Errorf("%s: %d scores, %d different labels, want %d", c.body, len(answer.Data[0]), len(seen), c.want)
		}
	}
}

// The server closes the connection of a client that does not read its answer.
func TestWriteTimeout(t *testing.T) {
	e := servertest.NewEngine()
	manyLabels(e, 1000, 1000)
	s := newServer(t, e, Options{ReadTimeout: 200 * time.Millisecond, RequestTimeout: 2 * time.Second, WriteTimeout: 100 * time.Millisecond})
	r := start(t, s)
	conn, err := net.Dial("tcp", r.ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := `{"model":"many","input":["a"` + strings.Repeat(`,"a"`, 63) + `]}` // 64 MB of answer, more than sockets hold
	if _, err := fmt.Fprintf(conn, "POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second)
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, conn)
	if isTimeout(err) {
		t.Error("the connection stays open")
	}
	if n > 60<<20 {
		t.Errorf("%d bytes were sent to a client that did not read", n)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}
