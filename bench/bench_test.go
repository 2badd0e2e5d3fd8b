package bench

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kenserve/dataset"
	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/internal/stage"
	"kenserve/ken"
	"kenserve/models/tiny"
	"kenserve/prune"
	"kenserve/runtime"
	"kenserve/safetensors"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// writeTask writes a tiny base and a delta coded as signs, and returns their paths.
func writeTask(t *testing.T) (base, file string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir) // for temporary stores
	base, file = filepath.Join(dir, "base"), filepath.Join(dir, "trec.ken")
	tuned := filepath.Join(dir, "tuned")
	check(t, tiny.WriteBase(base, 1))
	check(t, tiny.WriteTuned(tuned, base, []string{"a", "b"}, 2))
	source, err := prune.Open(prune.Config{BaseDir: base, TunedDir: tuned, Producer: "test"})
	check(t, err)
	defer source.Close()
	_, err = source.Write(context.Background(), file, ken.Options{
		Selection: ken.LargestChange, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Keep: 0.1, Factor: 1,
		Coding: delta.Sign, WholeVectors: true, VectorCoding: delta.Sign,
	})
	check(t, err)
	return base, file
}

func openStore(t *testing.T, base, folder string) *runtime.Engine {
	t.Helper()
	e, err := runtime.Open(context.Background(), runtime.Config{BaseDir: base, Store: store.NewFolder(folder), Budget: 1 << 30})
	check(t, err)
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func TestQuantiles(t *testing.T) {
	ms := func(values ...int) []time.Duration {
		var d []time.Duration
		for _, v := range values {
			d = append(d, time.Duration(v)*time.Millisecond)
		}
		return d
	}
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = 100 - i
	}
	for _, c := range []struct {
		d    []time.Duration
		want Quantiles
	}{
		{ms(7), Quantiles{7, 7, 7, 7}},
		{ms(3, 1, 2), Quantiles{2, 3, 3, 3}},
		{ms(hundred...), Quantiles{50, 90, 99, 100}},
	} {
		if got := quantiles(c.d); got != c.want {
			t.Errorf("%v: %v, want %v", c.d, got, c.want)
		}
	}
	for _, c := range []struct {
		x    []float64
		want float64
	}{{[]float64{1}, 1}, {[]float64{3, 1, 2}, 2}, {[]float64{4, 1, 2, 3}, 3}} {
		if got := median(c.x); got != c.want {
			t.Errorf("median of %v: %g, want %g", c.x, got, c.want)
		}
	}
}

func TestSummarise(t *testing.T) {
	m := &ModelReport{}
	m.summarise([]*passResult{
		{wall: 2 * time.Second, texts: 10, tokens: 50, latency: []time.Duration{1e6, 2e6}, queue: []time.Duration{0, 1e6}},
		{wall: time.Second, texts: 10, tokens: 50, latency: []time.Duration{3e6, 4e6}, queue: []time.Duration{0, 0}},
		{wall: 4 * time.Second, texts: 10, tokens: 50, latency: []time.Duration{5e6, 6e6}, queue: []time.Duration{0, 0}},
	})
	want := &ModelReport{
		TokensPerText: 5, PassSeconds: []float64{2, 1, 4}, TextsPerSecond: 10, TokensPerSecond: 50, MedianTexts: 5,
		Latency: Quantiles{3, 6, 6, 6}, Queue: Quantiles{0, 1, 1, 1},
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Error(diff)
	}
}

func TestZipf(t *testing.T) {
	const draws = 100000
	for _, c := range []struct {
		n    int
		s    float64
		want []float64 // probability of each rank
	}{
		{1, 1, []float64{1}},
		{4, 0, []float64{0.25, 0.25, 0.25, 0.25}},
		{3, 1, []float64{6.0 / 11, 3.0 / 11, 2.0 / 11}},
		{2, 2, []float64{0.8, 0.2}},
	} {
		z, rng := newZipf(c.n, c.s), rand.New(rand.NewPCG(1, 1))
		counts := make([]float64, c.n)
		for range draws {
			counts[z.rank(rng)]++
		}
		for rank, p := range c.want {
			if deviation := math.Sqrt(p * (1 - p) / draws); math.Abs(counts[rank]/draws-p) > 5*deviation+1e-12 {
				t.Errorf("n %d, s %g, rank %d: share %g, want %g", c.n, c.s, rank, counts[rank]/draws, p)
			}
		}
	}
}

func TestParseResident(t *testing.T) {
	for status, want := range map[string]int64{
		"":                                       0,
		"Name:\tx\nVmRSS:\t    12 kB\nX: 1 kB\n": 12 << 10,
		"VmHWM:\t12 kB\n":                        0,
	} {
		if got := parseResident(status); got != want {
			t.Errorf("%q: %d, want %d", status, got, want)
		}
	}
}

// Variants are valid deltas that keep the same positions, each with other signs.
func TestRandomSigns(t *testing.T) {
	baseDir, file := writeTask(t)
	template, err := os.ReadFile(file)
	check(t, err)
	base, err := safetensors.OpenCheckpoint(baseDir)
	check(t, err)
	defer base.Close()
	fingerprint := delta.Fingerprint(base)
	seen := map[string]bool{}
	for seed := range uint64(3) {
		data, err := randomSigns(template, seed)
		check(t, err)
		again, err := randomSigns(template, seed)
		check(t, err)
		if !bytes.Equal(data, again) || len(data) != len(template) {
			t.Errorf("seed %d: %d bytes, want %d, the same every time", seed, len(data), len(template))
		}
		f, err := safetensors.Parse(data)
		check(t, err)
		d, err := delta.Read(f, "variant")
		check(t, err)
		check(t, d.Check(base, fingerprint))
		if seen[d.SHA256] {
			t.Errorf("seed %d: the same file as of another seed", seed)
		}
		seen[d.SHA256] = true
	}
	if _, err := randomSigns([]byte("nonsense"), 1); err == nil {
		t.Error("a file that is not a delta is accepted")
	}
}

func TestStores(t *testing.T) {
	_, file := writeTask(t)
	steps := 0
	variants, size, err := WriteVariants(file, 3, func(n int) { steps += n })
	check(t, err)
	links, err := LinkTasks(file, 3)
	check(t, err)
	info, err := os.Stat(file)
	check(t, err)
	if size != info.Size() || steps != 3 {
		t.Errorf("size %d, want %d; %d steps", size, info.Size(), steps)
	}
	for _, dir := range []*stage.Folder{variants, links} {
		defer dir.Remove()
		for i := range 3 {
			if f, err := os.Stat(dir.Path(taskName(i) + ".ken")); err != nil || f.Size() != size {
				t.Errorf("%s, task %d: %v", dir.Path(""), i, err)
			}
		}
	}
	// After an error no folder is left.
	t.Setenv("TMPDIR", t.TempDir())
	bad := filepath.Join(t.TempDir(), "bad.ken")
	check(t, os.WriteFile(bad, []byte("nonsense"), 0o644))
	for _, file := range []string{bad, bad + "x"} {
		if _, _, err := WriteVariants(file, 3, func(int) {}); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", file, err)
		}
	}
	left, err := os.ReadDir(os.TempDir())
	check(t, err)
	if len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestTexts(t *testing.T) {
	base, _ := writeTask(t)
	e := openStore(t, base, t.TempDir())
	texts, err := SyntheticTexts(context.Background(), e, 200, 12)
	check(t, err)
	again, err := SyntheticTexts(context.Background(), e, 200, 12)
	check(t, err)
	if len(texts) != 200 || texts[7].Text != again[7].Text {
		t.Errorf("%d texts, %q, %q", len(texts), texts[7].Text, again[7].Text)
	}
	sorted, err := SortByLength(context.Background(), e, texts)
	check(t, err)
	encoded, err := e.Encode(context.Background(), sorted, runtime.Options{Truncate: true})
	check(t, err)
	for i := range encoded {
		if i > 0 && len(encoded[i].IDs) < len(encoded[i-1].IDs) {
			t.Errorf("text %d is shorter than the one before", i)
		}
	}
	for n, want := range map[int]int{1: 1, 3: 3, 9: 3} {
		in, err := dataset.NewReader("texts", strings.NewReader("a\nb\nc\n"), dataset.Options{})
		check(t, err)
		read, err := ReadTexts(in, n)
		if err != nil || len(read) != want {
			t.Errorf("first %d: %d texts, %v", n, len(read), err)
		}
	}
}

// TestTasks measures a few tasks for a short time and writes the report.
func TestTasks(t *testing.T) {
	base, file := writeTask(t)
	store, _, err := WriteVariants(file, 3, func(int) {})
	check(t, err)
	steps := 0
	o := TasksOptions{Counts: []int{2, 3}, Zipf: 1, Tokens: 6, Concurrency: 2, Duration: 20 * time.Millisecond, Rounds: 2}
	m, err := Tasks(context.Background(), openStore(t, base, store.Path("")), o, func(n int) { steps += n })
	check(t, err)
	if steps != o.Measurements() || len(m.Rows) != 2 || m.ColdMS <= 0 || m.WarmMS <= 0 || m.HotMS <= 0 {
		t.Errorf("%d steps: %+v", steps, m)
	}
	for i, r := range m.Rows {
		if r.Tasks != o.Counts[i] || r.Throughput <= 0 || r.P99 < r.P50 || r.HitRate != 1 || r.Hot+r.Warm != r.Tasks || i == 0 && (r.Ratio != 1 || r.P99Ratio != 1) {
			t.Errorf("%+v", *r)
		}
	}
	out := filepath.Join(t.TempDir(), "new", "out")
	check(t, m.Write(out))
	for _, name := range []string{"tasks.json", "tasks.png"} {
		if f, err := os.Stat(filepath.Join(out, name)); err != nil || f.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
