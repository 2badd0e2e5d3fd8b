package pack

import (
	"os"
	"path/filepath"
	"testing"

	"kenserve/delta"
	"kenserve/delta/internal/deltatest"
	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// info is the metadata of a delta of a base.
func info(coding delta.Coding, base delta.Tensors) delta.Info {
	return delta.Info{
		BaseSHA256: delta.Fingerprint(base), BaseName: "tiny", ProblemType: "single_label_classification",
		Labels: []string{"no", "yes"}, Config: `{"model_type":"bert"}`, Selection: "ken", K: 3, Scope: "all",
		Coding: coding, Producer: "kenserve test", Notes: "none",
	}
}

// example returns a file of the fast layout: a delta of deltatest.Base that keeps
// about share of the values.
func example(t testing.TB, coding delta.Coding, share float64, seed uint64) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.ken")
	w, err := delta.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	changes, head := deltatest.Example(share, seed)
	for _, x := range changes {
		height := delta.TileHeight(x.Shape, x.Table)
		if err := w.Masked(x.Name, coding, height, x.Columns, tilesOf(t, coding, height, x.Columns, x.Keep, x.Tuned, x.Base)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Dense(head); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(info(coding, deltatest.Base())); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// tilesOf encodes a whole tensor: keep is [rows, ⌈columns/64⌉] bits, tuned and
// base are [rows, columns].
func tilesOf(t testing.TB, coding delta.Coding, height, columns int, keep []uint64, tuned, base []float32) []delta.Tile {
	t.Helper()
	words := (columns + 63) / 64
	var tiles []delta.Tile
	for rows, first := len(base)/columns, 0; first < rows; first += height {
		last := min(first+height, rows)
		tile, err := delta.EncodeTile(coding, height, columns, first/height, keep[first*words:last*words], tuned[first*columns:last*columns], base[first*columns:last*columns])
		if err != nil {
			t.Fatal(err)
		}
		tiles = append(tiles, tile)
	}
	return tiles
}

// encode returns a tensor in the form that delta's writer chooses.
func encode(t testing.TB, coding delta.Coding, height, columns int, keep []uint64, tuned, base []float32) *sparse.Tensor {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.ken")
	w, err := delta.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.Masked("m", coding, height, columns, tilesOf(t, coding, height, columns, keep, tuned, base)); err != nil {
		t.Fatal(err)
	}
	set := deltatest.Set{}
	set.Add("m", base, len(base)/columns, columns)
	if err := w.Finish(info(coding, set)); err != nil {
		t.Fatal(err)
	}
	d, err := delta.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Check(set, d.BaseSHA256); err != nil {
		t.Fatal(err)
	}
	return d.Tensors[0].Masked
}

// load reads a file of the fast layout that is in memory.
func load(t testing.TB, data []byte) (*delta.Delta, error) {
	t.Helper()
	f, err := safetensors.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return delta.Read(f, "memory")
}

// parse reads a file of the small layout that is in memory.
func parse(data []byte) (*File, error) {
	f, err := safetensors.Parse(data)
	if err != nil {
		return nil, err
	}
	return Read(f, "memory")
}
