package server

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"kenserve/server/internal/servertest"
)

// The page needs no key. All files that it refers to exist, and none is on another
// host.
func TestPage(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{APIKeys: []string{"use"}})
	reference := regexp.MustCompile(`(?:src|href)="([^"#]+)"|from "\./([^"]+)"`)
	inline := regexp.MustCompile(`(?i)<script(?:>| type="module">)[^<]|<style|\son[a-z]+=|\sstyle=`)
	links := map[string]bool{"docs": true, "metrics": true, "stats": true} // not files of the page
	seen := map[string]bool{}
	queue := []string{"/"}
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		w := do(s, http.MethodGet, path, "")
		if w.Code != http.StatusOK {
			t.Errorf("GET %s answers %d", path, w.Code)
			continue
		}
		body := w.Body.String()
		if strings.Contains(body, "https:") || strings.Contains(strings.ReplaceAll(body, "http://www.w3.org/2000/svg", ""), "http:") {
			t.Errorf("%s refers to another host", path)
		}
		if path == "/" && inline.MatchString(body) {
			t.Errorf("%s has an inline script or style, which the policy forbids: %s", path, inline.FindString(body))
		}
		for _, m := range reference.FindAllStringSubmatch(body, -1) {
			switch {
			case m[2] != "":
				queue = append(queue, "/page/"+m[2])
			case !links[m[1]]:
				queue = append(queue, "/"+m[1])
			}
		}
		h := w.Header()
		if policy := h.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s has the policy %q", path, policy)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasSuffix(h.Get("Content-Type"), "charset=utf-8") {
			t.Errorf("%s has the headers %v", path, h)
		}
		// A client that has the file gets 304, one that has another gets the file.
		if w := do(s, http.MethodGet, path, "", "If-None-Match", `"x", W/`+h.Get("Etag")); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
			t.Errorf("GET %s with the etag: status %d, %d bytes", path, w.Code, w.Body.Len())
		}
		if w := do(s, http.MethodGet, path, "", "If-None-Match", `"x"`); w.Code != http.StatusOK {
			t.Errorf("GET %s with another etag: status %d", path, w.Code)
		}
	}
	files, err := os.ReadDir("internal/dashboard/page")
	if err != nil || len(seen) != len(files) {
		t.Errorf("the page refers to %d of %d files (%v): %v", len(seen), len(files), err, seen)
	}
	for _, path := range []string{"/page/", "/page/none.js", "/page/..%2fpage.go", "/page/page"} {
		if w := do(s, http.MethodGet, path, "", "Authorization", "Bearer use"); w.Code != http.StatusNotFound {
			t.Errorf("GET %s answers %d", path, w.Code)
		}
	}
}

// GET /stats needs the key and counts the requests.
func TestStats(t *testing.T) {
	e := servertest.NewEngine()
	s := newServer(t, e, Options{APIKeys: []string{"use"}, About: About{Version: "1.2.3", Base: "minilm"}})
	now := time.Unix(1764000000, 0)
	s.core.Now = func() time.Time { return now }
	if w := do(s, http.MethodGet, "/stats", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("without a key /stats answers %d", w.Code)
	}
	key := []string{"Authorization", "Bearer use"}
	post(s, `{"model": "trec", "input": ["a b", "c"]}`, key...)
	post(s, `{"model": "busy", "input": "a"}`, key...)
	post(s, `{"model": `, key...)
	now = now.Add(time.Second)

	var got struct {
		Version     string
		Base        string
		Ready       bool
		InFlight    int64 `json:"in_flight"`
		BudgetBytes int64 `json:"budget_bytes"`
		Evictions   uint64
		Recent      []struct {
			Second                          int64
			Requests, Errors, Texts, Tokens int
			P99                             *float64 `json:"p99_ms"`
		}
	}
	w := do(s, http.MethodGet, "/stats", "", key...)
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if got.Version != "1.2.3" || got.Base != "minilm" || !got.Ready || got.InFlight != 1 || got.BudgetBytes != e.Counters.BudgetBytes || got.Evictions != e.Counters.Evictions {
		t.Errorf("stats are %+v", got)
	}
	if len(got.Recent) != 1 || got.Recent[0].Second != 1764000000 || got.Recent[0].Requests != 2 || got.Recent[0].Errors != 1 || got.Recent[0].Texts != 2 || got.Recent[0].Tokens != 7 || got.Recent[0].P99 == nil {
		t.Errorf("recent is %+v", got.Recent)
	}
}
