package delta

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"kenserve/delta/internal/container"
	"kenserve/delta/internal/deltatest"
	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// example returns a file of the fast layout, a delta of deltatest.Base that keeps
// about share of the values, and the tensors that the reader should reconstruct
// from it.
func example(t testing.TB, coding Coding, share float64, seed uint64) ([]byte, map[string][]float32) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.ken")
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	want := map[string][]float32{}
	changes, head := deltatest.Example(share, seed)
	for _, x := range changes {
		want[x.Name] = reference(coding, x.Rows, x.Columns, x.Keep, x.Tuned, x.Base)
		height := TileHeight(x.Shape, x.Table)
		if err := w.Masked(x.Name, coding, height, x.Columns, tilesOf(t, coding, height, x.Columns, x.Keep, x.Tuned, x.Base)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Dense(head); err != nil {
		t.Fatal(err)
	}
	want[head.Name] = deltatest.Floats(head)
	if err := w.Finish(testInfo(coding)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Fatalf("the writer left %d other files beside the delta, want none", len(files)-1)
	}
	return data, want
}

// reference returns the tensor that a delta in the given coding should give. It
// takes the scale of Int4 from the encoder: TestFitScale tests its quality.
func reference(coding Coding, rows, columns int, keep []uint64, tuned, base []float32) []float32 {
	fitInt4 := func(changes []float32) float32 { return fitScale(Int4, changes) }
	return deltatest.Reference(coding, fitInt4, rows, columns, keep, tuned, base)
}

// tilesOf encodes a whole tensor: keep is [rows, ⌈columns/64⌉] bits, tuned and base
// are [rows, columns].
func tilesOf(t testing.TB, coding Coding, height, columns int, keep []uint64, tuned, base []float32) []Tile {
	t.Helper()
	words := (columns + 63) / 64
	var tiles []Tile
	for rows, first := len(base)/columns, 0; first < rows; first += height {
		last := min(first+height, rows)
		tile, err := EncodeTile(coding, height, columns, first/height, keep[first*words:last*words], tuned[first*columns:last*columns], base[first*columns:last*columns])
		if err != nil {
			t.Fatal(err)
		}
		tiles = append(tiles, tile)
	}
	return tiles
}

func testInfo(coding Coding) Info {
	return Info{
		BaseSHA256: Fingerprint(deltatest.Base()), BaseName: "tiny", Architecture: "BertForSequenceClassification",
		ProblemType: "single_label_classification", Labels: []string{"no", "ja <ß>"}, Config: `{"model_type":"bert"}`,
		Selection: "ken", K: 3, Keep: 0.5, Budget: "row", Factor: 1.5, Factors: map[string]float64{"layer.*.a": 0.8, "layer.*.b": 2}, Scope: "all", Coding: coding, TunedPrefix: "bert.", Absent: []string{"other"},
		Producer: "kenserve test", SourceName: "tuned", SourceSHA256: container.NoDigest[:63] + "1", Notes: "none",
	}
}

// reconstruct applies the delta to the base through PatchRows, and checks
// PatchRow against it.
func reconstruct(t *testing.T, d *Delta, base deltatest.Set, name string) []float32 {
	t.Helper()
	tensor, ok := d.Tensor(name)
	if !ok {
		return deltatest.Floats(base[name])
	}
	if tensor.Dense != nil {
		return deltatest.Floats(tensor.Dense)
	}
	out := deltatest.Floats(base[name])
	rows, columns := base[name].Rows()
	for first := 0; first < rows; first += 7 { // blocks that do not begin and end with tiles
		tensor.Masked.PatchRows(first, out[first*columns:min(first+7, rows)*columns])
	}
	for r := range rows {
		row := deltatest.Floats(base[name])[r*columns : (r+1)*columns]
		tensor.Masked.PatchRow(r, row)
		if diff := cmp.Diff(out[r*columns:(r+1)*columns], row); diff != "" {
			t.Fatalf("tensor %s, row %d: PatchRow and PatchRows differ: %s", name, r, diff)
		}
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	for _, coding := range sparse.Codings {
		for _, share := range []float64{0.005, 0.02, 0.1, 0.5, 1} {
			t.Run(fmt.Sprintf("%s keep=%g", coding, share), func(t *testing.T) {
				data, want := example(t, coding, share, 7)
				d, err := parse(data)
				if err != nil {
					t.Fatal(err)
				}
				base := deltatest.Base()
				if err := d.Check(base, Fingerprint(base)); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(testInfo(coding), d.Info); diff != "" {
					t.Error(diff)
				}
				for name, values := range want {
					got := reconstruct(t, d, base, name)
					for i := range values {
						if math.Float32bits(got[i]) != math.Float32bits(values[i]) {
							t.Fatalf("tensor %s, element %d: %x, want %x", name, i, got[i], values[i])
						}
					}
				}
				again, _ := example(t, coding, share, 7)
				if !bytes.Equal(data, again) {
					t.Error("the same content gave different bytes")
				}
			})
		}
	}
}

// TestSpecialValues: −0, subnormals and the largest values are kept to the bit.
func TestSpecialValues(t *testing.T) {
	negativeZero := float32(math.Copysign(0, -1))
	base := []float32{0, 1, negativeZero, 5, 0, 2}
	tuned := []float32{negativeZero, math.SmallestNonzeroFloat32, 0, -math.MaxFloat32, 0, negativeZero}
	tile, err := EncodeTile(Float32, 1, 6, 0, []uint64{0b111111}, tuned, base)
	if err != nil {
		t.Fatal(err)
	}
	m := encode(Float32, 1, 6, []Tile{tile})
	if m.Kept() != 5 { // element 4 equals the base's
		t.Errorf("%d values kept, want 5", m.Kept())
	}
	m.PatchRow(0, base)
	for i := range base {
		if math.Float32bits(base[i]) != math.Float32bits(tuned[i]) {
			t.Errorf("element %d: %g, want %g", i, base[i], tuned[i])
		}
	}
	for _, coding := range []Coding{BFloat16, Int8, Int4, Sign} {
		if _, err := EncodeTile(coding, 1, 1, 0, []uint64{1}, []float32{math.MaxFloat32}, []float32{-math.MaxFloat32}); err == nil {
			t.Errorf("%s: a change that overflows was accepted", coding)
		}
	}
	if _, err := EncodeTile(BFloat16, 1, 1, 0, []uint64{1}, []float32{math.MaxFloat32}, []float32{0}); err == nil {
		t.Error("bf16: a change that rounds to infinity was accepted")
	}
}

// TestWriteNothingUnreadable: the writer refuses whatever the reader refuses.
func TestWriteNothingUnreadable(t *testing.T) {
	good := testInfo(Sign)
	tests := []struct {
		name string
		edit func(*Info)
	}{
		{"no fingerprint", func(i *Info) { i.BaseSHA256 = "" }},
		{"no producer", func(i *Info) { i.Producer = "" }},
		{"no selection", func(i *Info) { i.Selection = "" }},
		{"unknown coding", func(i *Info) { i.Coding = "f8" }},
		{"negative k", func(i *Info) { i.K = -1 }},
		{"text not UTF-8", func(i *Info) { i.Notes = "\xff" }},
		{"config is no object", func(i *Info) { i.Config = "null" }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.ken")
			w, err := Create(path)
			if err != nil {
				t.Fatal(err)
			}
			info := good
			test.edit(&info)
			if err := w.Finish(info); err == nil {
				t.Error("the writer accepts it")
			}
			if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 0 {
				t.Errorf("the writer left %v", files)
			}
		})
	}
	w, err := Create(filepath.Join(t.TempDir(), "x.ken"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	head := deltatest.Set{}
	head.Add("a#b", []float32{1}, 1)
	head.Add("nan", []float32{float32(math.NaN())}, 1)
	for name := range head {
		if err := w.Dense(head[name]); err == nil {
			t.Errorf("the writer accepts tensor %s", name)
		}
	}
}

// TestFingerprint: a fingerprint depends on names, dtypes, shapes and bytes, and on
// nothing else.
func TestFingerprint(t *testing.T) {
	base := Fingerprint(deltatest.Base())
	if again := Fingerprint(deltatest.Base()); again != base {
		t.Errorf("the same base has fingerprint %s, then %s", base, again)
	}
	edits := map[string]func(deltatest.Set){
		"byte":  func(s deltatest.Set) { s["vector"].Data[0] ^= 1 },
		"shape": func(s deltatest.Set) { s["matrix"].Shape = []int{13, 37} },
		"dtype": func(s deltatest.Set) { s["matrix"].DType = safetensors.U32 },
		"name":  func(s deltatest.Set) { s["vector2"] = s["vector"]; delete(s, "vector") },
		"less":  func(s deltatest.Set) { delete(s, "vector") },
	}
	for name, edit := range edits {
		s := deltatest.Base()
		for _, tensor := range s {
			tensor.Data = bytes.Clone(tensor.Data)
		}
		edit(s)
		if Fingerprint(s) == base {
			t.Errorf("a change of %s leaves the fingerprint", name)
		}
	}
}

// TestTensorProperties: whichever values are kept, a tensor gives the tuned values
// at the kept positions and the base's elsewhere, in every form.
func TestTensorProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		height := rapid.SampledFrom([]int{1, 16}).Draw(t, "height")
		coding := rapid.SampledFrom(sparse.Codings[:]).Draw(t, "coding")
		columns := rapid.IntRange(1, 300).Draw(t, "columns")
		rows := rapid.IntRange(1, 40).Draw(t, "rows")
		oneIn := rapid.SampledFrom([]int{1, 2, 3, 30, 500}).Draw(t, "one in")
		words := (columns + 63) / 64
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		base, tuned := deltatest.RandomFloats(rng, rows*columns), deltatest.RandomFloats(rng, rows*columns)
		keep := make([]uint64, rows*words)
		for r := range rows {
			for c := range columns {
				if rng.IntN(oneIn) == 0 {
					keep[r*words+c/64] |= 1 << (c % 64)
				}
			}
		}
		var tiles []Tile
		for first := 0; first < rows; first += height {
			last := min(first+height, rows)
			tile, err := EncodeTile(coding, height, columns, first/height, keep[first*words:last*words], tuned[first*columns:last*columns], base[first*columns:last*columns])
			if err != nil {
				t.Fatal(err)
			}
			tiles = append(tiles, tile)
		}
		want := reference(coding, rows, columns, keep, tuned, base)
		e := encoder{coding: coding, height: height, columns: columns, tiles: tiles}
		e.fitScales()
		masked := e.masked(false)
		if masked.Kept() == 0 {
			if encode(coding, height, columns, tiles) != nil {
				t.Fatal("a tensor that keeps nothing was encoded")
			}
			return
		}
		forms := []*sparse.Tensor{masked, withGaps(masked)}
		if e.canBeWhole() {
			forms = append(forms, e.whole())
		}
		for i, m := range forms {
			if err := m.Check(rows, columns); err != nil {
				t.Fatalf("form %d: %v", i, err)
			}
			got := append([]float32(nil), base...)
			m.PatchRows(0, got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("form %d: %s", i, diff)
			}
			kept := 0
			m.Keeps(func(r, c int) {
				kept++
				if keep[r*words+c/64]>>(c%64)&1 == 0 {
					t.Fatalf("form %d keeps row %d, column %d, which was not selected", i, r, c)
				}
			})
			if kept != m.Kept() {
				t.Fatalf("form %d: Kept is %d, want %d", i, m.Kept(), kept)
			}
		}
	})
}

// FuzzParse: the reader does not panic for any bytes, and a file that passes all
// checks can be applied. The digest is corrected first; otherwise hardly any input
// would pass it.
func FuzzParse(f *testing.F) {
	for _, coding := range sparse.Codings {
		for _, share := range []float64{0.02, 0.5, 1} {
			data, _ := example(f, coding, share, 1)
			f.Add(data)
		}
	}
	f.Add(ownExample(f))
	base := deltatest.Base()
	fingerprint := Fingerprint(base)
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := safetensors.Parse(data); err == nil && len(c.Metadata()[container.DigestKey]) == len(container.NoDigest) {
			data = deltatest.TakeApart(t, data).Bytes(t)
		}
		d, err := parse(data)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, safetensors.ErrCorrupt) {
				t.Fatalf("error %v, want ErrCorrupt", err)
			}
			return
		}
		if err := d.Check(base, fingerprint); err != nil {
			return
		}
		_, _ = d.TokenizerFiles()
		for table := range d.Rows {
			if added := d.AddedRows(table); added != nil {
				deltatest.Floats(added)
			}
		}
		for _, tensor := range d.Tensors {
			if tensor.Masked != nil {
				row := deltatest.Floats(base[tensor.Name])
				tensor.Masked.PatchRows(0, row)
				tensor.Masked.PatchRow(0, row[:tensor.Masked.Columns])
			}
		}
	})
}
