package server

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"kenserve/server/internal/servertest"
)

var asAdmin = []string{"Authorization", "Bearer admin"}

func TestChangeTasks(t *testing.T) {
	jsonBody := append([]string{"Content-Type", "application/json; charset=utf-8"}, asAdmin...)
	zipped := append([]string{"Content-Encoding", "gzip"}, asAdmin...)
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		want                     string // in the answer
		mine                     string // the delta of task mine then
	}{
		{"new", "PUT", "/tasks/mine", "yes,no", asAdmin, 201, `"name":"mine","labels":["yes","no"]`, "yes,no"},
		{"replaced", "PUT", "/tasks/sst2", "yes,no", asAdmin, 200, `"name":"sst2"`, ""},
		{"compressed", "PUT", "/tasks/mine", servertest.Packed(t, "yes,no"), zipped, 201, `"labels":["yes","no"]`, "yes,no"},
		{"copied", "PUT", "/tasks/mine", `{"source":"sst2"}`, jsonBody, 201, `"labels":["negative","positive"]`, "negative,positive"},
		{"copy of an unknown task", "PUT", "/tasks/mine", `{"source":"nothing"}`, jsonBody, 404, `"there is no task \"nothing\"","type":"not_found","field":"source"`, ""},
		{"copy from outside the store", "PUT", "/tasks/mine", `{"source":"../../etc/passwd"}`, jsonBody, 404, `"field":"source"`, ""},
		{"copy without source", "PUT", "/tasks/mine", `{}`, jsonBody, 422, `source is required`, ""},
		{"copy, not JSON", "PUT", "/tasks/mine", `yes,no`, jsonBody, 400, `"type":"malformed"`, ""},
		{"no admin key", "PUT", "/tasks/mine", "yes,no", nil, 401, "this operation needs the admin key", ""},
		{"invalid name", "PUT", "/tasks/.hidden", "yes,no", asAdmin, 422, `"field":"name"`, ""},
		{"outside the store", "PUT", "/tasks/..%2f..%2fetc", "yes,no", asAdmin, 404, `"type":"not_found"`, ""},
		{"damaged", "PUT", "/tasks/mine", "bad", asAdmin, 422, `"message":"the delta cannot be served: its delta is damaged"`, ""},
		{"damaged, replacing a good one", "PUT", "/tasks/sst2", "bad", asAdmin, 422, "damaged", ""},
		{"empty", "PUT", "/tasks/mine", "", asAdmin, 422, "is empty", ""},
		{"too large", "PUT", "/tasks/mine", strings.Repeat("y", 101), asAdmin, 413, `"type":"too_large"`, ""},
		{"too large when decoded", "PUT", "/tasks/mine", servertest.Packed(t, strings.Repeat("y", 10000)), zipped, 413, `"type":"too_large"`, ""},
		{"not compressed", "PUT", "/tasks/mine", "yes,no", zipped, 400, "Content-Encoding", ""},
		{"unknown encoding", "PUT", "/tasks/mine", "yes,no", append([]string{"Content-Encoding", "br"}, asAdmin...), 415, "gzip or deflate", ""},
		{"removed", "DELETE", "/tasks/trec", "", asAdmin, 204, "", ""},
		{"remove an unknown task", "DELETE", "/tasks/mine", "", asAdmin, 404, `"field":"name"`, ""},
		{"remove without key", "DELETE", "/tasks/trec", "", nil, 401, "admin key", ""},
		{"load", "POST", "/tasks/trec/load", "", asAdmin, 200, `"name":"trec"`, ""},
		{"unload", "POST", "/tasks/trec/unload", "", asAdmin, 200, `"name":"trec"`, ""},
		{"load an unknown task", "POST", "/tasks/mine/load", "", asAdmin, 404, `"field":"name"`, ""},
		{"load without key", "POST", "/tasks/trec/load", "", nil, 401, "admin key", ""},
	} {
		e := servertest.NewEngine()
		s := newServer(t, e, Options{AdminKeys: []string{"admin"}, MaxUploadBytes: 100})
		w := do(s, c.method, c.path, c.body, c.header...)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) || strings.Contains(w.Body.String(), "/var") {
			t.Errorf("%s: status %d, want %d and %s in %s", c.name, w.Code, c.status, c.want, w.Body)
		}
		if e.Deltas["mine"] != c.mine {
			t.Errorf("%s: the delta is %q, want %q", c.name, e.Deltas["mine"], c.mine)
		}
		if _, there := e.Labels["trec"]; there == (c.name == "removed") {
			t.Errorf("%s: trec is there: %v", c.name, there)
		}
		if c.status >= 300 && e.Deltas["sst2"] != "negative,positive" {
			t.Errorf("%s: sst2 is %q now", c.name, e.Deltas["sst2"])
		}
	}
}

// If the server has no admin key, no request can change tasks.
func TestChangesAreOff(t *testing.T) {
	for _, header := range [][]string{nil, asAdmin} {
		for _, r := range [][2]string{{"PUT", "/tasks/mine"}, {"DELETE", "/tasks/sst2"}, {"POST", "/tasks/sst2/load"}, {"POST", "/tasks/sst2/unload"}} {
			e := servertest.NewEngine()
			w := do(newServer(t, e, Options{}), r[0], r[1], "yes,no", header...)
			if w.Code != http.StatusForbidden || len(e.Did) > 0 || len(e.Deltas) != 1 {
				t.Errorf("%s %s: status %d, did %q: %s", r[0], r[1], w.Code, e.Did, w.Body)
			}
		}
	}
}

// A change of a read-only store fails without naming the store.
func TestReadOnlyStore(t *testing.T) {
	e := servertest.NewEngine()
	e.ReadOnly = true
	s := newServer(t, e, Options{AdminKeys: []string{"admin"}})
	for _, method := range []string{"PUT", "DELETE"} {
		w := do(s, method, "/tasks/sst2", "yes,no", asAdmin...)
		if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), `"the store is read-only"`) {
			t.Errorf("%s: status %d: %s", method, w.Code, w.Body)
		}
	}
}

// An upload has a longer timeout than other requests.
func TestUploadTime(t *testing.T) {
	for _, c := range []struct {
		name    string
		timeout time.Duration
		rest    string // sent after a pause that is too long for other requests
		want    string
	}{
		{"slower than other requests may be", time.Minute, ",no", "HTTP/1.1 201 Created"},
		{"never ends", 200 * time.Millisecond, "", "HTTP/1.1 408 Request Timeout"},
	} {
		s := newServer(t, servertest.NewEngine(), Options{
			AdminKeys: []string{"admin"}, ReadTimeout: 50 * time.Millisecond, RequestTimeout: 50 * time.Millisecond,
			WriteTimeout: time.Minute, UploadTimeout: c.timeout,
		})
		s.core.Now = time.Now
		r := start(t, s)
		conn, err := net.Dial("tcp", r.ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "PUT /tasks/mine HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin\r\nContent-Length: 6\r\n\r\nyes")
		time.Sleep(150 * time.Millisecond)
		fmt.Fprint(conn, c.rest)
		line, err := bufio.NewReader(conn).ReadString('\n')
		if strings.TrimSpace(line) != c.want {
			t.Errorf("%s: %q, %v", c.name, line, err)
		}
		conn.Close()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	}
}
