// Package viztest makes small bases, deltas and tuned checkpoints for tests of KENviz.
package viztest

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kenserve/delta"
	"kenserve/safetensors"
)

// Fixture is a tensor of a small model.
type Fixture struct {
	Name  string
	Shape []int
	Lines []string // one for each row: an x for a kept value; nil: the delta stores nothing
	Dense bool     // stored whole, in place of the base's tensor
	Head  bool     // stored whole, the base has no such tensor
	table bool     // stored row by row
}

// Values returns the base's values of a tensor of n values, no two of them equal.
func Values(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(i%17) + float32(i)/1024
	}
	return out
}

// Change returns what training adds to value i of a tensor.
func Change(i int) float32 { return float32(i%7+1) / 8 }

// Lines splits a drawing of a matrix, whose rows are separated by white space.
func Lines(s string) []string { return strings.Fields(s) }

// DrawLines draws the lines of a matrix of any size up to the bounds. A row keeps nothing,
// everything, or a random half.
func DrawLines(t *rapid.T, maxRows, maxColumns int) []string {
	lines := make([]string, rapid.IntRange(1, maxRows).Draw(t, "rows"))
	columns := rapid.IntRange(1, maxColumns).Draw(t, "columns")
	for r := range lines {
		line := bytes.Repeat([]byte("."), columns)
		switch rapid.IntRange(0, 3).Draw(t, "density") {
		case 0: // nothing
		case 1:
			line = bytes.Repeat([]byte("x"), columns)
		default:
			var word uint64
			for c := range line {
				if c%64 == 0 {
					word = rapid.Uint64().Draw(t, "word")
				}
				if word>>(c%64)&1 == 1 {
					line[c] = 'x'
				}
			}
		}
		lines[r] = string(line)
	}
	return lines
}

func (f *Fixture) size() int {
	n := 1
	for _, d := range f.Shape {
		n *= d
	}
	return n
}

func (f *Fixture) columns() int { return f.Shape[len(f.Shape)-1] }

// mask returns the kept values, [rows, words]: bit c%64 of word c/64 for column c.
func (f *Fixture) mask() []uint64 {
	words := (f.columns() + 63) / 64
	mask := make([]uint64, f.size()/f.columns()*words)
	for r, line := range f.Lines {
		for c := range len(line) {
			if line[c] == 'x' {
				mask[r*words+c/64] |= 1 << (c % 64)
			}
		}
	}
	return mask
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

// Model is a base, a delta that was checked against it, and the tuned checkpoint.
type Model struct {
	Delta *delta.Delta
	Base  delta.Tensors
	Tuned delta.Tensors // nil if the model is made without
}

// New makes a base with the fixtures' tensors, a checkpoint in which Change was added to
// every value, and a delta that keeps what the fixtures say. Without a coding in info,
// the delta stores float32, without a selection it has the selection ken.
func New(t testing.TB, info delta.Info, withTuned bool, fixtures ...Fixture) Model {
	t.Helper()
	base, tuned := map[string]*safetensors.Tensor{}, map[string]*safetensors.Tensor{}
	for i := range fixtures {
		f := &fixtures[i]
		values := Values(f.size())
		changed := make([]float32, len(values))
		for i, v := range values {
			changed[i] = v + Change(i)
		}
		tuned[f.Name] = &safetensors.Tensor{Name: f.Name, DType: safetensors.F32, Shape: f.Shape, Data: safetensors.Bytes(changed)}
		if !f.Head {
			base[f.Name] = &safetensors.Tensor{Name: f.Name, DType: safetensors.F32, Shape: f.Shape, Data: safetensors.Bytes(values)}
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
		case f.Dense || f.Head:
			if err := w.Dense(tuned[f.Name]); err != nil {
				t.Fatal(err)
			}
		case f.Lines != nil:
			columns, height := f.columns(), delta.TileHeight(f.Shape, f.table)
			b, u := make([]float32, f.size()), make([]float32, f.size())
			if err := base[f.Name].Float32s(b, 0); err != nil {
				t.Fatal(err)
			}
			if err := tuned[f.Name].Float32s(u, 0); err != nil {
				t.Fatal(err)
			}
			mask, words := f.mask(), (columns+63)/64
			var tiles []delta.Tile
			for first := 0; first < f.size()/columns; first += height {
				last := min(first+height, f.size()/columns)
				tile, err := delta.EncodeTile(info.Coding, height, columns, first/height, mask[first*words:last*words],
					u[first*columns:last*columns], b[first*columns:last*columns])
				if err != nil {
					t.Fatal(err)
				}
				tiles = append(tiles, tile)
			}
			if err := w.Masked(f.Name, info.Coding, height, columns, tiles); err != nil {
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
	m := Model{Delta: d, Base: baseFile}
	if withTuned {
		m.Tuned = checkpoint(t, tuned)
	}
	return m
}

// Example makes a model with every form of tensor: two layers with a matrix and a bias, an
// embedding table, a matrix stored whole, a matrix of which nothing is kept, and a head.
func Example(t testing.TB, info delta.Info, withTuned bool) Model {
	return New(t, info, withTuned,
		Fixture{Name: "encoder.layer.0.query.weight", Shape: []int{4, 6}, Lines: Lines("xx..x. .xx..x .x..x. x...x.")},
		Fixture{Name: "encoder.layer.1.query.weight", Shape: []int{4, 6}, Lines: Lines("...... ..x... ...... x.x.x.")},
		Fixture{Name: "encoder.layer.0.query.bias", Shape: []int{6}, Lines: Lines("x.xx..")},
		Fixture{Name: "encoder.layer.1.query.bias", Shape: []int{6}, Lines: Lines("..x...")},
		Fixture{Name: "embeddings.weight", Shape: []int{20, 6}, table: true, Lines: append(Lines("xxx... ...... x.x.x."), make([]string, 17)...)},
		Fixture{Name: "pooler.weight", Shape: []int{3, 6}, Dense: true},
		Fixture{Name: "unused.weight", Shape: []int{5, 6}},
		Fixture{Name: "classifier.weight", Shape: []int{2, 6}, Head: true},
	)
}
