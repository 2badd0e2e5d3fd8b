package dashboard

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kenserve/delta"
	"kenserve/ken"
	"kenserve/models/tiny"
	"kenserve/safetensors"
	"kenserve/server/internal/core"
	"kenserve/server/internal/route"
	"kenserve/server/internal/servertest"
)

// openEngine is an engine with a delta to inspect: its task trec is one of a tiny
// base.
type openEngine struct {
	*servertest.Engine
	delta     *delta.Delta
	base      *safetensors.Checkpoint
	inspected atomic.Int64
}

func (e *openEngine) Inspect(ctx context.Context, task string, f func(d *delta.Delta, base delta.Tensors) error) error {
	e.inspected.Add(1)
	if err := e.Fail[task]; err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return f(e.delta, e.base)
}

func newOpenEngine(t *testing.T) *openEngine {
	t.Helper()
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	base, tuned, file := filepath.Join(dir, "base"), filepath.Join(dir, "tuned"), filepath.Join(dir, "trec.ken")
	must(tiny.WriteBase(base, 1))
	must(tiny.WriteTuned(tuned, base, []string{"yes", "no"}, 1))
	e := &openEngine{Engine: servertest.NewEngine()}
	var err error
	e.base, err = safetensors.OpenCheckpoint(base)
	must(err)
	t.Cleanup(func() { _ = e.base.Close() })
	checkpoint, err := safetensors.OpenCheckpoint(tuned)
	must(err)
	defer checkpoint.Close()
	pair, err := ken.Match(e.base, checkpoint)
	must(err)
	w, err := delta.Create(file)
	must(err)
	defer w.Abort()
	_, err = ken.Prune(t.Context(), pair, w, ken.Options{Selection: ken.KEN, Keep: 0.5, Coding: delta.Float32})
	must(err)
	fingerprint := delta.Fingerprint(e.base)
	must(w.Finish(delta.Info{BaseSHA256: fingerprint, Selection: "ken", Keep: 0.5, Coding: delta.Float32, TunedPrefix: pair.TunedPrefix, Producer: "test"}))
	e.delta, err = delta.Open(file)
	must(err)
	t.Cleanup(func() { _ = e.delta.Close() })
	must(e.delta.Check(e.base, fingerprint))
	return e
}

// newDashboard returns a dashboard and a handler of its operations.
func newDashboard(t *testing.T, e *openEngine, limits core.Limits) (*Dashboard, http.Handler) {
	t.Helper()
	d, err := New(servertest.NewService(e, limits), e, func() int64 { return 1 })
	if err != nil {
		t.Fatal(err)
	}
	return d, servertest.Handler(route.API{EncodeError: route.PlainError, Operations: d.Operations()})
}

// The policy of the page allows its own scripts. The second answer comes from the
// cache.
func TestVizPage(t *testing.T) {
	e := newOpenEngine(t)
	d, h := newDashboard(t, e, servertest.GoldenLimits)
	w := servertest.Do(h, http.MethodGet, "/tasks/trec/viz", "")
	page := w.Body.String()
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(page, "<title>") {
		t.Fatalf("status %d, %v: %.200s", w.Code, w.Header(), page)
	}
	policy := w.Header().Get("Content-Security-Policy")
	rest, n := page, 0
	for {
		_, script, found := strings.Cut(rest, "<script")
		if !found {
			break
		}
		_, script, _ = strings.Cut(script, ">")
		script, rest, _ = strings.Cut(script, "</script>")
		sum := sha256.Sum256([]byte(script))
		if !strings.Contains(policy, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
			t.Errorf("a script of the page is not in the policy %s", policy)
		}
		n++
	}
	if n == 0 || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "script-src 'unsafe") {
		t.Errorf("%d scripts, policy %s", n, policy)
	}
	size := d.drawings.drawn.size
	if size < len(page) {
		t.Errorf("%d bytes in the cache, the page has %d", size, len(page))
	}
	// A request that draws blocks other drawings, but not answers from the cache.
	d.drawings.turn <- struct{}{}
	if w := servertest.Do(h, http.MethodGet, "/tasks/trec/viz", ""); w.Body.String() != page {
		t.Error("the second page differs")
	}
	<-d.drawings.turn
	if d.drawings.drawn.size != size || e.inspected.Load() != 2 {
		t.Errorf("%d bytes in the cache, %d before; inspected %d times", d.drawings.drawn.size, size, e.inspected.Load())
	}
}

// Every view has every format.
func TestVizViews(t *testing.T) {
	_, h := newDashboard(t, newOpenEngine(t), servertest.GoldenLimits)
	const matrix = "encoder.layer.0.output.dense.weight"
	queries := map[string]string{
		"shares": "", "changes": "", "density": "?row=3&tensor=" + matrix, "kept": "?row=3&column=2&tensor=" + matrix,
		"neighbours": "?dark=true&tensor=" + matrix, "layers": "?of=neighbours&kind=encoder.layer.*.output.dense.weight",
	}
	for _, view := range vizViews {
		for format, begins := range map[string]string{"png": "\x89PNG", "svg": "<?xml", "json": "{"} {
			w := servertest.Do(h, http.MethodGet, "/tasks/trec/viz/"+view+"."+format+queries[view], "")
			if w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), begins) {
				t.Errorf("%s.%s: status %d: %.100q", view, format, w.Code, w.Body)
			}
			if format == "json" && (!json.Valid(w.Body.Bytes()) || w.Header().Get("Content-Type") != "application/json") {
				t.Errorf("%s.%s: %v", view, format, w.Header())
			}
		}
	}
}

func TestVizProblems(t *testing.T) {
	e := newOpenEngine(t)
	limits := servertest.GoldenLimits
	limits.RequestTimeout = time.Second / 2
	d, h := newDashboard(t, e, limits)
	tests := []struct {
		path   string
		status int
		says   string
	}{
		{"/tasks/nothing/viz", http.StatusNotFound, "nothing"},
		{"/tasks/damaged/viz", http.StatusFailedDependency, "damaged"},
		{"/tasks/trec/viz/best.png", http.StatusNotFound, "route"},
		{"/tasks/trec/viz/kept.gif", http.StatusNotFound, "route"},
		{"/tasks/trec/viz/kept", http.StatusNotFound, "route"},
		{"/tasks/trec/viz/kept.png", http.StatusUnprocessableEntity, "tensor"},
		{"/tasks/trec/viz/kept.png?tensor=x", http.StatusUnprocessableEntity, "tensor"},
		{"/tasks/trec/viz/layers.png?kind=x", http.StatusUnprocessableEntity, "tensor"},
		{"/tasks/trec/viz/layers.png?of=x", http.StatusUnprocessableEntity, "of"},
		{"/tasks/trec/viz/density.png?tensor=pooler.dense.weight&row=-1", http.StatusUnprocessableEntity, "row"},
		{"/tasks/trec/viz/density.png?tensor=pooler.dense.weight&row=100000", http.StatusUnprocessableEntity, "row"},
	}
	for _, test := range tests {
		w := servertest.Do(h, http.MethodGet, test.path, "")
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.says) {
			t.Errorf("%s: status %d: %s", test.path, w.Code, w.Body)
		}
	}
	if n := d.drawings.drawn.size; n != 0 {
		t.Errorf("the cache has %d bytes of failures", n)
	}
	// While one request draws for ever, the next one times out. When too many wait,
	// further ones are refused at once.
	d.drawings.turn <- struct{}{}
	if w := servertest.Do(h, http.MethodGet, "/tasks/trec/viz", ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("while another draws: status %d: %s", w.Code, w.Body)
	}
	for range maxDrawings {
		d.drawings.admitted <- struct{}{}
	}
	if w := servertest.Do(h, http.MethodGet, "/tasks/trec/viz", ""); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("while too many wait: status %d, %v", w.Code, w.Header())
	}
}
