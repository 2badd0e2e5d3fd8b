package server

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"kenserve/runtime"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/servertest"
)

func TestKeys(t *testing.T) {
	none, use, both := Options{}, Options{APIKeys: []string{"use", "spare"}}, Options{APIKeys: []string{"use"}, AdminKeys: []string{"admin"}}
	onlyAdmin := Options{AdminKeys: []string{"admin"}}
	ask, load := "/v2/models/sst2", "/v2/repository/models/sst2/load"
	for _, c := range []struct {
		name   string
		o      Options
		path   string
		header []string
		status int
	}{
		{"no keys, none sent", none, ask, nil, 200},
		{"no keys, any sent", none, ask, []string{"Authorization", "Bearer whatever"}, 200},
		{"no keys, change", none, load, nil, 403},
		{"no keys, change with any", none, load, []string{"Authorization", "Bearer whatever"}, 403},
		{"none", use, ask, nil, 401},
		{"right", use, ask, []string{"Authorization", "Bearer use"}, 200},
		{"the other", use, ask, []string{"Authorization", "Bearer spare"}, 200},
		{"scheme in lower case", use, ask, []string{"Authorization", "bearer use"}, 200},
		{"in x-api-key", use, ask, []string{"X-Api-Key", "use"}, 200},
		{"wrong", use, ask, []string{"Authorization", "Bearer used"}, 401},
		{"empty", use, ask, []string{"Authorization", "Bearer "}, 401},
		{"no scheme", use, ask, []string{"Authorization", "use"}, 401},
		{"another scheme", use, ask, []string{"Authorization", "Basic use"}, 401},
		{"in the query", use, ask + "?key=use", nil, 401},
		{"change, no admin key set", use, load, []string{"Authorization", "Bearer use"}, 403},
		{"change, none", both, load, nil, 401},
		{"change, API key", both, load, []string{"Authorization", "Bearer use"}, 403},
		{"change, admin key", both, load, []string{"Authorization", "Bearer admin"}, 200},
		{"use, admin key", both, ask, []string{"Authorization", "Bearer admin"}, 200},
		{"change, only an admin key set, none", onlyAdmin, load, nil, 401},
		{"change, only an admin key set, wrong", onlyAdmin, load, []string{"Authorization", "Bearer x"}, 401},
		{"change, only an admin key set", onlyAdmin, load, []string{"X-Api-Key", "admin"}, 200},
		{"use, only an admin key set", onlyAdmin, ask, nil, 200},
	} {
		e := servertest.NewEngine()
		s := newServer(t, e, c.o)
		method := http.MethodGet
		if c.path == load {
			method = http.MethodPost
		}
		w := do(s, method, c.path, "", c.header...)
		if w.Code != c.status {
			t.Errorf("%s: status %d, want %d: %s", c.name, w.Code, c.status, w.Body)
		}
		if (w.Code == 401) != (w.Header().Get("Www-Authenticate") == "Bearer") {
			t.Errorf("%s: WWW-Authenticate %q", c.name, w.Header().Get("Www-Authenticate"))
		}
		if loaded := len(e.Did) > 0; loaded != (c.path == load && c.status == 200) {
			t.Errorf("%s: the engine did %q", c.name, e.Did)
		}
	}
}

// Without a key only probes and pages work. Each API encodes the problem in its own
// format.
func TestKeyIsNeeded(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{APIKeys: []string{"use"}})
	open := map[string]bool{"/healthz": true, "/readyz": true, "/tei/:task/health": true, "/v2/health/live": true, "/v2/health/ready": true, "/": true, "/page/:file": true, "/openapi.json": true, "/docs": true}
	shapes := map[string]string{
		"/tei/":   `{"error":"a key is needed: send it as Authorization: Bearer KEY","error_type":"Validation"}`,
		"/models": `{"error":"a key is needed: send it as Authorization: Bearer KEY"}`,
		"/vllm":   `{"error":{"message":"a key is needed: send it as Authorization: Bearer KEY","type":"AuthenticationError","param":null,"code":401}}`,
		"/v2":     `{"error":"a key is needed: send it as Authorization: Bearer KEY"}`,
		"/":       `{"error":{"message":"a key is needed: send it as Authorization: Bearer KEY","type":"unauthorized","field":null}}`,
	}
	prefixes := []string{"/tei/", "/models", "/vllm", "/v2", "/"}
	seen := 0
	for _, route := range s.router.Routes() {
		path := strings.NewReplacer(":task", "sst2", ":name", "sst2", ":version", "1", ":file", "page.js").Replace(route.Path)
		w := do(s, route.Method, path, "")
		if open[route.Path] {
			seen++
			if w.Code != 200 {
				t.Errorf("%s %s: status %d", route.Method, path, w.Code)
			}
			continue
		}
		if w.Code != 401 {
			t.Errorf("%s %s: status %d without a key", route.Method, path, w.Code)
		}
		for _, prefix := range prefixes {
			if strings.HasPrefix(path, prefix) {
				want := shapes[prefix]
				if op := s.byPath[route.Path]; op.EncodeError != nil {
					_, body := op.EncodeError(&problem.Problem{Status: 401, Kind: problem.KindUnauthorized, Message: "a key is needed: send it as Authorization: Bearer KEY"})
					want = strings.TrimSpace(string(body))
				}
				if got := strings.TrimSpace(w.Body.String()); got != want {
					t.Errorf("%s %s: %s", route.Method, path, got)
				}
				break
			}
		}
	}
	if seen != 2*len(open) { // GET and HEAD
		t.Errorf("%d open routes", seen)
	}
	if w := do(s, http.MethodGet, "/nothing", ""); w.Code != 401 {
		t.Errorf("no route: status %d", w.Code)
	}
}

func TestEmptyKeyIsRefused(t *testing.T) {
	for _, o := range []Options{{APIKeys: []string{"a", ""}}, {AdminKeys: []string{""}}} {
		if _, err := New(servertest.NewEngine(), o); err == nil || !strings.Contains(err.Error(), "empty") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestLoadAndUnload(t *testing.T) {
	o := Options{AdminKeys: []string{"admin"}}
	for _, c := range []struct {
		name, path, body string
		err              error
		status           int
		did, answer      string
	}{
		{"load", "sst2/load", "", nil, 200, "load sst2", `{}`},
		{"load with an object", "sst2/load", `{"parameters":{}}`, nil, 200, "load sst2", `{}`},
		{"unload", "sst2/unload", `{"parameters":{"unload_dependents":false}}`, nil, 200, "unload sst2", `{}`},
		{"load with a configuration", "sst2/load", `{"parameters":{"config":"{}"}}`, nil, 400, "", `{"error":"parameters must be empty: a task is loaded from the store without changes"}`},
		{"parameters a list", "sst2/load", `{"parameters":[]}`, nil, 400, "", `{"error":"parameters is a list, must be an object"}`},
		{"not JSON", "sst2/load", `{`, nil, 400, "", `{"error":"the body cannot be read as JSON: at byte 1: expected a string"}`},
		{"no such task", "nothing/load", "", nil, 404, "", `{"error":"there is no task \"nothing\""}`},
		{"damaged", "sst2/load", "", runtime.ErrTaskUnusable, 424, "load sst2", `{"error":"task cannot be served"}`},
		{"busy", "sst2/unload", "", runtime.ErrBusy, 429, "unload sst2", `{"error":"too many requests are waiting, try again later"}`},
		{"fails", "sst2/load", "", errors.New("open /var/lib/x"), 500, "load sst2", `{"error":"internal error"}`},
	} {
		e := servertest.NewEngine()
		e.MoveErr = c.err
		s := newServer(t, e, o)
		w := do(s, http.MethodPost, "/v2/repository/models/"+c.path, c.body, "Authorization", "Bearer admin")
		if got := strings.Join(e.Did, ","); w.Code != c.status || got != c.did || strings.TrimSpace(w.Body.String()) != c.answer {
			t.Errorf("%s: status %d, the engine did %q: %s", c.name, w.Code, got, w.Body)
		}
	}
}
