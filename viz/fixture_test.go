package viz

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp/cmpopts"

	"kenserve/delta"
	"kenserve/safetensors"
)

// fixture is a tensor of a hand-made model. lines show what is kept, an x a
// value; without lines the delta stores nothing.
type fixture struct {
	name  string
	shape []int
	lines []string
	dense bool // stored whole, in the base's place
	head  bool // stored whole, and the base has none
	table bool // stored row by row
}

// vectorOf returns n values of which no two are equal.
func vectorOf(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(i%17) + float32(i)/1024
	}
	return out
}

// changeOf is what training adds to value i.
func changeOf(i int) float32 { return float32(i%7+1) / 8 }

func (f *fixture) size() int {
	n := 1
	for _, d := range f.shape {
		n *= d
	}
	return n
}

// pattern is what the fixture keeps.
func (f *fixture) pattern() *pattern {
	t := safetensors.Tensor{Shape: f.shape, DType: safetensors.F32, Data: make([]byte, 4*f.size())}
	p := newPattern(t.Rows())
	for r, line := range f.lines {
		for c := range len(line) {
			if line[c] == 'x' {
				p.set(r, c)
			}
		}
	}
	return p
}

// checkpoint makes a checkpoint in memory.
func checkpoint(t testing.TB, tensors map[string]*safetensors.Tensor) *safetensors.File {
	t.Helper()
	var entries []safetensors.Entry
	for _, tensor := range tensors {
		entries = append(entries, tensor.Entry())
	}
	var out bytes.Buffer
	if err := safetensors.Write(&out, nil, entries); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Parse(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// newModel makes a base, a checkpoint tuned from it in which every value
// changed by changeOf, and a delta that keeps what the fixtures say.
func newModel(t testing.TB, info delta.Info, withTuned bool, fixtures ...fixture) *Model {
	t.Helper()
	base, tuned := map[string]*safetensors.Tensor{}, map[string]*safetensors.Tensor{}
	for i := range fixtures {
		f := &fixtures[i]
		values := vectorOf(f.size())
		changed := make([]float32, len(values))
		for i, v := range values {
			changed[i] = v + changeOf(i)
		}
		tuned[f.name] = &safetensors.Tensor{Name: f.name, DType: safetensors.F32, Shape: f.shape, Data: safetensors.Bytes(changed)}
		if !f.head {
			base[f.name] = &safetensors.Tensor{Name: f.name, DType: safetensors.F32, Shape: f.shape, Data: safetensors.Bytes(values)}
		}
	}
	baseFile := checkpoint(t, base)
	path := filepath.Join(t.TempDir(), "task.ken")
	w, err := delta.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if info.Coding == "" {
		info.Coding = delta.Float32
	}
	if info.Selection == "" {
		info.Selection = "ken"
	}
	for i := range fixtures {
		f := &fixtures[i]
		switch {
		case f.dense || f.head:
			if err := w.Dense(tuned[f.name]); err != nil {
				t.Fatal(err)
			}
		case f.lines != nil:
			p := f.pattern()
			height := delta.TileHeight(f.shape, f.table)
			b, u := make([]float32, f.size()), make([]float32, f.size())
			if err := base[f.name].Float32s(b, 0); err != nil {
				t.Fatal(err)
			}
			if err := tuned[f.name].Float32s(u, 0); err != nil {
				t.Fatal(err)
			}
			var tiles []delta.Tile
			for first := 0; first < p.rows; first += height {
				last := min(first+height, p.rows)
				tile, err := delta.EncodeTile(info.Coding, height, p.columns, first/height, p.bits[first*p.words:last*p.words],
					u[first*p.columns:last*p.columns], b[first*p.columns:last*p.columns])
				if err != nil {
					t.Fatal(err)
				}
				tiles = append(tiles, tile)
			}
			if err := w.Masked(f.name, info.Coding, height, p.columns, tiles); err != nil {
				t.Fatal(err)
			}
		}
	}
	info.BaseSHA256, info.Producer, info.BaseName = delta.Fingerprint(baseFile), "test", "hand-made"
	if err := w.Finish(info); err != nil {
		t.Fatal(err)
	}
	d, err := delta.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if err := d.Check(baseFile, info.BaseSHA256); err != nil {
		t.Fatal(err)
	}
	var tunedFile delta.Tensors
	if withTuned {
		tunedFile = checkpoint(t, tuned)
	}
	m, err := New(d, baseFile, tunedFile)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var equateEmpty = cmpopts.EquateEmpty()

// lines splits a drawing.
func lines(s string) []string { return strings.Fields(s) }
