// Package deploy has configurations but no code. Its tests compare the configurations with the
// program.
package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"kenserve/delta/store"
	"kenserve/runtime"
	"kenserve/server"
)

// queries returns the PromQL expressions of alerts and dashboard, by their place.
func queries(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	read := func(path string, decode func([]byte, any) error, into any) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := decode(text, into); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	var alerts struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	read("prometheus/alerts.yaml", func(b []byte, v any) error { return yaml.Unmarshal(b, v) }, &alerts)
	for _, g := range alerts.Groups {
		for _, r := range g.Rules {
			out["alert "+r.Alert] = r.Expr
		}
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	read("grafana/kenserve.json", json.Unmarshal, &dashboard)
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			out["panel "+p.Title+": "+target.Expr] = target.Expr
		}
	}
	for _, v := range dashboard.Templating.List {
		if v.Definition != "" {
			out["variable "+v.Name] = v.Definition
		}
	}
	return out
}

// TestMetricsExist checks that the server exports every metric, label and label value that
// alerts and dashboard use.
func TestMetricsExist(t *testing.T) {
	exported := scrape(t)
	metric := regexp.MustCompile(`\b((?:kenserve|process|go)_\w+)\s*(?:\{([^}]*)\})?`)
	label := regexp.MustCompile(`(\w+)\s*(=~|=)\s*"([^"]*)"`)
	scrapeLabels := []string{"job", "instance"} // added by Prometheus
	used := 0
	for where, query := range queries(t) {
		for _, m := range metric.FindAllStringSubmatch(query, -1) {
			used++
			labels, ok := exported[m[1]]
			if !ok {
				t.Errorf("%s: the server has no metric %s", where, m[1])
				continue
			}
			for _, l := range label.FindAllStringSubmatch(m[2], -1) {
				values, ok := labels[l[1]]
				switch {
				case slices.Contains(scrapeLabels, l[1]):
				case !ok:
					t.Errorf("%s: %s has no label %s", where, m[1], l[1])
				case l[1] == "route":
					matches := regexp.MustCompile("^(?:" + l[3] + ")$").MatchString
					if !slices.ContainsFunc(values, matches) {
						t.Errorf("%s: none of the routes %v matches %s", where, values, l[3])
					}
				case l[2] == "=" && l[1] == "type" && !slices.Contains(kinds, l[3]):
					t.Errorf("%s: unknown error type %s", where, l[3])
				}
			}
		}
		for _, by := range regexp.MustCompile(`\bby \(([^)]*)\)`).FindAllStringSubmatch(query, -1) {
			for name := range strings.SplitSeq(by[1], ",") {
				name = strings.TrimSpace(name)
				if slices.Contains(scrapeLabels, name) {
					continue
				}
				found := false
				for _, m := range metric.FindAllStringSubmatch(query, -1) {
					found = found || exported[m[1]][name] != nil
				}
				if !found {
					t.Errorf("%s: none of its metrics has the label %s", where, name)
				}
			}
		}
	}
	if used < 30 {
		t.Errorf("alerts and dashboard use %d metrics, want at least 30", used)
	}
}

// kinds are the error types in the documentation.
var kinds = func() []string {
	text, err := os.ReadFile("../docs/http.md")
	if err != nil {
		panic(err)
	}
	var out []string
	for _, m := range regexp.MustCompile("(?m)^\\| [0-9, ]+ \\| ((?:`\\w+`(?:, )?)+) \\|").FindAllStringSubmatch(string(text), -1) {
		for kind := range strings.SplitSeq(m[1], ", ") {
			out = append(out, strings.Trim(kind, "`"))
		}
	}
	return out
}()

// scrape sends some valid and invalid requests to the demo and returns the exported metrics:
// label values by label by metric.
func scrape(t *testing.T) map[string]map[string][]string {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	folder := t.TempDir()
	delta, err := os.ReadFile("../examples/demo/tasks/sst2.ken")
	if err == nil {
		err = errors.Join(
			os.WriteFile(filepath.Join(folder, "sst2.ken"), delta, 0o600),
			os.WriteFile(filepath.Join(folder, "damaged.ken"), delta[:len(delta)/2], 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	engine, err := runtime.Open(context.Background(), runtime.Config{
		BaseDir: "../examples/demo/base", Store: store.NewFolder(folder), Log: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	}()
	s, err := server.New(engine, server.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	get := func(method, path, body string) string {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		return w.Body.String()
	}
	get(http.MethodPost, "/classify", `{"model": "sst2", "input": "a gorgeous, witty, seductive movie"}`)
	get(http.MethodPost, "/classify", `{"model": "none", "input": "a"}`)
	get(http.MethodPost, "/classify", `{"model": "damaged", "input": "a"}`)
	get(http.MethodGet, "/readyz", "")
	get(http.MethodPost, "/models/sst2", `{"inputs": "a"}`)
	sample := regexp.MustCompile(`^(\w+)(?:\{(.*)\})? `)
	label := regexp.MustCompile(`(\w+)="([^"]*)"`)
	out := map[string]map[string][]string{}
	for line := range strings.Lines(get(http.MethodGet, "/metrics", "")) {
		m := sample.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if out[m[1]] == nil {
			out[m[1]] = map[string][]string{}
		}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(out[m[1]][l[1]], l[2]) {
				out[m[1]][l[1]] = append(out[m[1]][l[1]], l[2])
			}
		}
	}
	return out
}

// TestYAML checks that the files without templates are valid YAML.
func TestYAML(t *testing.T) {
	for _, path := range []string{"compose/docker-compose.yaml", "kserve/servingruntime.yaml", "kserve/inferenceservice.yaml",
		"prometheus/alerts.yaml", "prometheus/scrape.yaml", "helm/kenserve/values.yaml", "helm/kenserve/Chart.yaml", "helm/values-example.yaml"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		var v map[string]any
		if err := yaml.Unmarshal(text, &v); err != nil || len(v) == 0 {
			t.Errorf("%s: %v", path, err)
		}
	}
}
