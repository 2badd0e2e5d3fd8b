package delta

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// set is a checkpoint in memory.
type set map[string]*safetensors.Tensor

func (s set) Names() []string {
	var names []string
	for name := range s {
		names = append(names, name)
	}
	return names
}

func (s set) Tensor(name string) (*safetensors.Tensor, bool) {
	t, ok := s[name]
	return t, ok
}

func (s set) add(name string, values []float32, shape ...int) {
	s[name] = &safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: shape, Data: safetensors.Bytes(values)}
}

func floats(t *safetensors.Tensor) []float32 {
	out := make([]float32, t.Len())
	if err := t.Float32s(out, 0); err != nil {
		panic(err)
	}
	return out
}

func randomFloats(rng *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(rng.NormFloat64())
	}
	return out
}

// testBase has narrow and wide matrices with a partial last tile, narrow and
// wide tables, vectors, and a tensor that is not of floats.
func testBase() set {
	rng := rand.New(rand.NewPCG(1, 2))
	base := set{}
	base.add("matrix", randomFloats(rng, 37*13), 37, 13)
	base.add("wide", randomFloats(rng, 37*300), 37, 300)
	base.add("table", randomFloats(rng, 9*21), 9, 21)
	base.add("words", randomFloats(rng, 70*301), 70, 301)
	base.add("vector", randomFloats(rng, 11), 11)
	base.add("bias", randomFloats(rng, 43), 43)
	base.add("other", randomFloats(rng, 4), 4)
	base["ids"] = &safetensors.Tensor{Name: "ids", DType: safetensors.I64, Shape: []int{2}, Data: make([]byte, 16)}
	return base
}

var allCodings = []Coding{Float32, BFloat16, Int8, Int4, Sign}

// example makes a delta of testBase in which about share of the values are
// kept, and returns the file with the dense tensors that the reader should
// reconstruct.
func example(t testing.TB, coding Coding, share float64, seed uint64) ([]byte, map[string][]float32) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	base := testBase()
	path := filepath.Join(t.TempDir(), "x.ken")
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	want := map[string][]float32{}
	for _, name := range []string{"matrix", "wide", "table", "words", "vector", "bias"} {
		b := base[name]
		rows, columns := b.Rows()
		baseValues := floats(b)
		tuned := append([]float32(nil), baseValues...)
		words := (columns + 63) / 64
		keep := make([]uint64, rows*words)
		for r := range rows {
			if r%5 == 4 {
				continue // a row that training left alone
			}
			for c := range columns {
				if name == "bias" || c%7 != 5 {
					tuned[r*columns+c] += float32(rng.NormFloat64()) * 0.01
				}
				if rng.Float64() < share {
					keep[r*words+c/64] |= 1 << (c % 64)
				}
			}
		}
		table := name == "table" || name == "words"
		want[name] = reference(coding, rows, columns, keep, tuned, baseValues)
		height := TileHeight(b.Shape, table)
		if err := w.Masked(name, coding, height, columns, tilesOf(t, coding, height, columns, keep, tuned, baseValues)); err != nil {
			t.Fatal(err)
		}
	}
	head := set{}
	head.add("classifier.weight", randomFloats(rng, 6), 2, 3)
	if err := w.Dense(head["classifier.weight"]); err != nil {
		t.Fatal(err)
	}
	want["classifier.weight"] = floats(head["classifier.weight"])
	if err := w.Finish(testInfo(coding)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Fatalf("%d files left beside the delta, want none", len(files)-1)
	}
	return data, want
}

// tilesOf encodes a whole tensor.
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

// reference is what a coding makes of a tensor: the codings' definitions once
// more and simply. Only the scale of int4 is the encoder's, whose quality has
// its own test.
func reference(coding Coding, rows, columns int, keep []uint64, tuned, base []float32) []float32 {
	words := (columns + 63) / 64
	out := append([]float32(nil), base...)
	var all []float32
	byRow := make([][]float32, rows)
	keeping := 0
	for r := range rows {
		for c := range columns {
			i := r*columns + c
			if keep[r*words+c/64]>>(c%64)&1 == 1 && tuned[i] != base[i] {
				byRow[r] = append(byRow[r], tuned[i]-base[i])
			}
		}
		all = append(all, byRow[r]...)
		if len(byRow[r]) > 0 {
			keeping++
		}
	}
	for r := range rows {
		changes := all
		if len(all) >= 64*keeping {
			changes = byRow[r]
		}
		sum, most := 0.0, 0.0
		for _, x := range changes {
			a := math.Abs(float64(x))
			sum, most = sum+a, max(most, a)
		}
		scale := map[Coding]float32{Int8: float32(most / 127), Int4: fitScale(Int4, changes), Sign: float32(sum / float64(len(changes)))}[coding]
		for c := range columns {
			i := r*columns + c
			if keep[r*words+c/64]>>(c%64)&1 == 0 || tuned[i] == base[i] {
				continue
			}
			change := tuned[i] - base[i]
			steps := math.RoundToEven(float64(change) / float64(scale))
			switch coding {
			case Float32:
				out[i] = tuned[i]
			case BFloat16:
				bits := math.Float32bits(change)
				low, half := bits&0xffff, uint32(0x8000)
				if bits &^= 0xffff; low > half || low == half && bits>>16&1 == 1 {
					bits += 1 << 16
				}
				out[i] = base[i] + math.Float32frombits(bits)
			case Int8:
				out[i] = base[i] + float32(scale*float32(steps))
			case Int4:
				out[i] = base[i] + float32(scale*float32(min(max(steps, -7), 7)))
			case Sign:
				out[i] = base[i] + float32(math.Copysign(float64(scale), float64(change)))
			}
		}
	}
	return out
}

func testInfo(coding Coding) Info {
	return Info{
		BaseSHA256: Fingerprint(testBase()), BaseName: "tiny", Architecture: "BertForSequenceClassification",
		ProblemType: "single_label_classification", Labels: []string{"no", "ja <ß>"}, Config: `{"model_type":"bert"}`,
		Selection: "ken", K: 3, Keep: 0.5, Budget: "row", Factor: 1.5, Factors: map[string]float64{"layer.*.a": 0.8, "layer.*.b": 2}, Scope: "all", Coding: coding, TunedPrefix: "bert.", Absent: []string{"other"},
		Producer: "kenserve test", SourceName: "tuned", SourceSHA256: noDigest[:63] + "1", Notes: "none",
	}
}

// reconstruct applies the delta to the base through PatchRows, and checks
// PatchRow against it.
func reconstruct(t *testing.T, d *Delta, base set, name string) []float32 {
	t.Helper()
	tensor, ok := d.Tensor(name)
	if !ok {
		return floats(base[name])
	}
	if tensor.Dense != nil {
		return floats(tensor.Dense)
	}
	out := floats(base[name])
	rows, columns := base[name].Rows()
	for first := 0; first < rows; first += 7 { // blocks that do not fall on tiles
		tensor.Masked.PatchRows(first, out[first*columns:min(first+7, rows)*columns])
	}
	for r := range rows {
		row := floats(base[name])[r*columns : (r+1)*columns]
		tensor.Masked.PatchRow(r, row)
		if diff := cmp.Diff(out[r*columns:(r+1)*columns], row); diff != "" {
			t.Fatalf("tensor %s, row %d: PatchRow and PatchRows differ: %s", name, r, diff)
		}
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	for _, coding := range allCodings {
		for _, share := range []float64{0.005, 0.02, 0.1, 0.5, 1} {
			t.Run(fmt.Sprintf("%s keep=%g", coding, share), func(t *testing.T) {
				data, want := example(t, coding, share, 7)
				d, err := Parse(data)
				if err != nil {
					t.Fatal(err)
				}
				base := testBase()
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
					t.Error("the same content gave another file")
				}
			})
		}
	}
}

// TestSpecialValues keeps −0, subnormals and the largest values to the bit.
func TestSpecialValues(t *testing.T) {
	negativeZero := float32(math.Copysign(0, -1))
	base := []float32{0, 1, negativeZero, 5, 0, 2}
	tuned := []float32{negativeZero, math.SmallestNonzeroFloat32, 0, -math.MaxFloat32, 0, negativeZero}
	tile, err := EncodeTile(Float32, 1, 6, 0, []uint64{0b111111}, tuned, base)
	if err != nil {
		t.Fatal(err)
	}
	m := encode(Float32, 1, 6, []Tile{tile})
	if m.Kept() != 5 { // element 4 is the base's
		t.Errorf("%d kept, want 5", m.Kept())
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

// file is a container taken apart, for tests that damage it.
type file struct {
	metadata map[string]string
	tensors  []safetensors.Tensor
}

func takeApart(t testing.TB, data []byte) *file {
	t.Helper()
	data = bytes.Clone(data)
	f, err := safetensors.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	out := &file{metadata: f.Metadata()}
	for _, name := range f.Names() {
		tensor, _ := f.Tensor(name)
		out.tensors = append(out.tensors, *tensor)
	}
	return out
}

// find returns the tensor called name, or nil.
func (f *file) find(name string) *safetensors.Tensor {
	for i := range f.tensors {
		if f.tensors[i].Name == name {
			return &f.tensors[i]
		}
	}
	return nil
}

func (f *file) tensor(name string) *safetensors.Tensor {
	if t := f.find(name); t != nil {
		return t
	}
	panic("no tensor " + name)
}

func (f *file) remove(name string) {
	for i := range f.tensors {
		if f.tensors[i].Name == name {
			f.tensors = append(f.tensors[:i], f.tensors[i+1:]...)
			return
		}
	}
	panic("no tensor " + name)
}

// insert adds a tensor before the padding.
func (f *file) insert(t safetensors.Tensor) {
	f.tensors = append(f.tensors[:len(f.tensors)-1], t, f.tensors[len(f.tensors)-1])
}

// bytes puts the file together again with a digest that is right.
func (f *file) bytes(t testing.TB) []byte {
	t.Helper()
	var entries []safetensors.Entry
	for i := range f.tensors {
		entries = append(entries, f.tensors[i].Entry())
	}
	if f.metadata[digestKey] != "" {
		f.metadata[digestKey] = noDigest
	}
	for range 2 {
		var out bytes.Buffer
		if err := safetensors.Write(&out, f.metadata, entries); err != nil {
			t.Fatal(err)
		}
		if f.metadata[digestKey] != noDigest {
			return out.Bytes()
		}
		sum := sha256.Sum256(out.Bytes())
		f.metadata[digestKey] = hex.EncodeToString(sum[:])
	}
	panic("unreachable")
}

func TestRefusals(t *testing.T) {
	put32 := func(t *safetensors.Tensor, i int, v uint32) {
		copy(t.Data[4*i:], safetensors.Bytes([]uint32{v}))
	}
	get32 := func(t *safetensors.Tensor, i int) uint32 {
		v, _ := safetensors.View[uint32](t)
		return v[i]
	}
	nan := math.Float32bits(float32(math.NaN()))
	inf := math.Float32bits(float32(math.Inf(1)))
	meta := func(key, value string) func(*file) {
		return func(f *file) { f.metadata[key] = value }
	}
	tests := []struct {
		name   string
		share  float64 // kept; 0.5 gives bitmaps, 0.02 gaps, 1 neither for bias
		coding Coding
		damage func(f *file)
		want   error
	}{
		{"another format", 0.5, Sign, meta("format", "pt"), ErrFormat},
		{"unknown version", 0.5, Sign, meta("version", "2"), ErrVersion},
		{"no version", 0.5, Sign, func(f *file) { delete(f.metadata, "version") }, ErrVersion},
		{"unknown layout", 0.5, Sign, meta("layout", "small"), ErrLayout},
		{"unknown flag", 0.5, Sign, meta("flags", "zstd"), ErrFlag},
		{"unknown coding", 0.5, Sign, meta("coding", "f64"), ErrCoding},
		{"unknown key", 0.5, Sign, meta("colour", "red"), ErrMetadata},
		{"labels are no array", 0.5, Sign, meta("labels", `{"0":"a"}`), ErrMetadata},
		{"labels are numbers", 0.5, Sign, meta("labels", `[1]`), ErrMetadata},
		{"labels hold null", 0.5, Sign, meta("labels", `["a",null]`), ErrMetadata},
		{"k is zero", 0.5, Sign, meta("k", "0"), ErrMetadata},
		{"k is text", 0.5, Sign, meta("k", "many"), ErrMetadata},
		{"keep is NaN", 0.5, Sign, meta("keep", "NaN"), ErrMetadata},
		{"keep above one", 0.5, Sign, meta("keep", "1.5"), ErrMetadata},
		{"unknown budget", 0.5, Sign, meta("budget", "year"), ErrMetadata},
		{"factor is negative", 0.5, Sign, meta("factor", "-1"), ErrMetadata},
		{"factors are no object", 0.5, Sign, meta("factors", "[1]"), ErrMetadata},
		{"head is another word", 0.5, Sign, meta("head", "true"), ErrMetadata},
		{"factors are null", 0.5, Sign, meta("factors", "null"), ErrMetadata},
		{"factors are more", 0.5, Sign, meta("factors", `{"a":1} {}`), ErrMetadata},
		{"one of factors is 0", 0.5, Sign, meta("factors", `{"a":1,"b":0}`), ErrMetadata},
		{"factor is infinite", 0.5, Sign, meta("factor", "Inf"), ErrMetadata},
		{"unknown second coding", 0.5, Sign, meta("vector_coding", "f64"), ErrCoding},
		{"unknown scope", 0.5, Sign, meta("scope", "some"), ErrMetadata},
		{"unknown task kind", 0.5, Sign, meta("problem_type", "translation"), ErrMetadata},
		{"config is no object", 0.5, Sign, meta("config", "[]"), ErrMetadata},
		{"fingerprint too short", 0.5, Sign, meta("base_sha256", "abc"), ErrMetadata},
		{"fingerprint missing", 0.5, Sign, func(f *file) { delete(f.metadata, "base_sha256") }, ErrMetadata},
		{"digest missing", 0.5, Sign, func(f *file) { delete(f.metadata, "sha256") }, ErrMetadata},
		{"padding missing", 0.5, Sign, func(f *file) { f.remove("#pad") }, ErrPadding},
		{"padding not zero", 0.5, Sign, func(f *file) { f.tensor("#pad").Data[63] = 1 }, ErrPadding},
		{"no tensors", 0.5, Sign, func(f *file) { f.tensors = nil }, ErrPadding},
		{"unknown part", 0.5, Sign, func(f *file) {
			f.insert(safetensors.Tensor{Name: "matrix#extra", DType: safetensors.U8, Shape: []int{0}})
		}, ErrPart},
		{"part of nothing", 0.5, Sign, func(f *file) { f.tensor("matrix#tiles").Name = "elsewhere#tiles" }, ErrPart},
		{"tiles missing", 0.5, Sign, func(f *file) { f.remove("matrix#tiles") }, ErrPart},
		{"mask missing", 0.5, Sign, func(f *file) { f.remove("words#mask") }, ErrPart},
		{"scales missing", 0.5, Sign, func(f *file) { f.remove("matrix#scales") }, ErrPart},
		{"scales without need", 0.5, Float32, func(f *file) {
			f.insert(safetensors.Tensor{Name: "matrix#scales", DType: safetensors.F32, Shape: []int{0}})
		}, ErrPart},
		{"dense and masked", 0.5, Sign, func(f *file) {
			f.insert(safetensors.Tensor{Name: "matrix", DType: safetensors.F32, Shape: []int{0}})
		}, ErrPart},
		{"tiles of another type", 0.5, Sign, func(f *file) { f.tensor("matrix#tiles").DType = safetensors.F32 }, ErrDType},
		{"mask of another type", 0.5, Sign, func(f *file) { f.tensor("matrix#mask").DType = safetensors.I16 }, ErrDType},
		{"values of another coding", 0.5, Sign, meta("coding", "int8"), ErrCoding},
		{"values of another type", 0.5, Sign, func(f *file) { f.tensor("matrix#sign").DType = safetensors.I8 }, ErrDType},
		{"values of two codings", 0.5, Sign, func(f *file) {
			f.insert(safetensors.Tensor{Name: "matrix#int8", DType: safetensors.I8, Shape: []int{0}})
		}, ErrPart},
		{"gaps and bitmap", 0.02, Int8, func(f *file) {
			f.insert(safetensors.Tensor{Name: "matrix#mask", DType: safetensors.U16, Shape: []int{0, 13}})
		}, ErrPart},
		{"gaps without an index", 0.02, Int8, func(f *file) { f.remove("matrix#tiles") }, ErrPart},
		{"indices in both orders", 0.02, Int8, func(f *file) {
			f.insert(safetensors.Tensor{Name: "matrix#rows", DType: safetensors.U32, Shape: []int{3, 0}})
		}, ErrPart},
		{"gaps where steps belong", 0.02, Sign, func(f *file) { f.tensor("matrix#steps").Name = "matrix#gaps" }, ErrPart},
		{"steps and signs", 0.02, Sign, func(f *file) {
			f.insert(safetensors.Tensor{Name: "matrix#sign", DType: safetensors.U8, Shape: []int{0}})
		}, ErrPart},
		{"steps beside another coding", 0.02, Int8, func(f *file) { f.tensor("matrix#gaps").Name = "matrix#steps" }, ErrPart},
		{"f32 without positions", 0.5, Float32, func(f *file) { f.remove("matrix#tiles"); f.remove("matrix#mask") }, ErrPart},
		{"gaps of another type", 0.02, Int8, func(f *file) { f.tensor("matrix#gaps").DType = safetensors.I8 }, ErrDType},
		{"gaps of two dimensions", 0.02, Int8, func(f *file) { x := f.tensor("matrix#gaps"); x.Shape = []int{1, x.Len()} }, ErrShape},
		{"gaps with the index of a bitmap", 0.02, Int8, func(f *file) {
			x := f.tensor("wide#tiles")
			x.Shape[0], x.Data = 2, x.Data[:2*4*x.Shape[1]]
		}, ErrShape},
		{"gaps of a tile end before they begin", 0.02, Int8, func(f *file) {
			put32(f.tensor("wide#tiles"), 7, get32(f.tensor("wide#tiles"), 6))
		}, ErrOrder},
		{"gaps end before the end", 0.02, Int8, func(f *file) {
			x := f.tensor("wide#gaps")
			x.Shape, x.Data = []int{x.Len() + 1}, append(bytes.Clone(x.Data), 0)
		}, ErrCount},
		{"gaps end beyond the end", 0.02, Int8, func(f *file) {
			x := f.tensor("wide#gaps")
			x.Shape, x.Data = []int{x.Len() - 1}, x.Data[:x.Len()-1]
		}, ErrCount},
		{"a gap more than values", 0.02, Int8, func(f *file) {
			x := f.tensor("wide#tiles")
			put32(x, 6, get32(x, 6)+1) // a byte of the second tile goes to the first
		}, ErrCount},
		{"a skip in place of a gap", 0.02, Int8, func(f *file) { f.tensor("wide#gaps").Data[1] = 255 }, ErrCount},
		{"a tile ends in a skip", 0.02, Int8, func(f *file) {
			f.tensor("wide#gaps").Data[get32(f.tensor("wide#tiles"), 6)-1] = 255
		}, ErrGap},
		{"a step ends in a skip", 0.02, Sign, func(f *file) {
			f.tensor("wide#steps").Data[get32(f.tensor("wide#tiles"), 6)-1] = 127
		}, ErrGap},
		{"a skip with a sign", 0.02, Sign, func(f *file) { f.tensor("wide#steps").Data[0] = 255 }, ErrGap},
		{"no values without positions", 1, Int8, func(f *file) { x := f.tensor("bias#int8"); x.Shape, x.Data = []int{0}, nil }, ErrCount},
		{"bfloat16 is infinite", 0.5, BFloat16, func(f *file) { copy(f.tensor("matrix#bf16").Data[2:], []byte{0x80, 0xff}) }, ErrValue},
		{"int4 is -8, lower half", 0.5, Int4, func(f *file) { f.tensor("matrix#int4").Data[3] = 0x18 }, ErrValue},
		{"int4 is -8, upper half", 0.5, Int4, func(f *file) { f.tensor("matrix#int4").Data[3] = 0x81 }, ErrValue},
		{"an int4 too many", 0.5, Int4, func(f *file) {
			for _, name := range []string{"matrix", "wide", "table", "words"} {
				index := "#tiles"
				if f.find(name+index) == nil {
					index = "#rows"
				}
				x := f.tensor(name + index)
				if n := int(get32(x, 2*x.Shape[1]-1)); n%2 == 1 {
					f.tensor(name + "#int4").Data[n/2] |= 0x10
					return
				}
			}
			panic("the example has no spare half")
		}, ErrValue},
		{"scales of another type", 0.5, Sign, func(f *file) { f.tensor("matrix#scales").DType = safetensors.U32 }, ErrDType},
		{"head in float64", 0.5, Sign, func(f *file) {
			h := f.tensor("classifier.weight")
			h.DType, h.Shape = safetensors.F64, []int{3}
		}, ErrDType},
		{"tiles of one dimension", 0.5, Sign, func(f *file) { x := f.tensor("matrix#tiles"); x.Shape = []int{x.Len()} }, ErrShape},
		{"mask of one dimension", 0.5, Sign, func(f *file) { x := f.tensor("matrix#mask"); x.Shape = []int{x.Len()} }, ErrShape},
		{"mask for fewer tiles", 0.5, Sign, func(f *file) { x := f.tensor("matrix#mask"); x.Shape = []int{1, x.Len()} }, ErrShape},
		{"scales for other rows", 0.5, Sign, func(f *file) { x := f.tensor("wide#scales"); x.Shape = []int{x.Len(), 1} }, ErrShape},
		{"no tiles at all", 0.5, Float32, func(f *file) {
			x := f.tensor("vector#f32")
			x.Shape, x.Data = []int{0}, nil
			x = f.tensor("vector#rows")
			x.Shape, x.Data = []int{2, 0}, nil
			x = f.tensor("vector#mask")
			x.Shape, x.Data = []int{0, 2}, nil
		}, ErrShape},
		{"tiles fall", 0.5, Sign, func(f *file) { put32(f.tensor("words#rows"), 1, get32(f.tensor("words#rows"), 0)) }, ErrOrder},
		{"ends fall", 0.5, Sign, func(f *file) { x := f.tensor("words#rows"); put32(x, x.Shape[1]+1, 0) }, ErrOrder},
		{"a tile keeps more than it holds", 0.5, Sign, func(f *file) { put32(f.tensor("vector#rows"), 1, 1<<31) }, ErrCount},
		{"mask has one value more", 0.5, Sign, func(f *file) {
			x := f.tensor("matrix#mask")
			for i := range x.Data {
				if x.Data[i] != 0xff {
					x.Data[i] = 0xff
					return
				}
			}
		}, ErrCount},
		{"fewer values than kept", 0.5, Float32, func(f *file) {
			x := f.tensor("matrix#f32")
			x.Shape, x.Data = []int{x.Len() - 1}, x.Data[4:]
		}, ErrCount},
		{"more signs than kept", 0.5, Sign, func(f *file) {
			x := f.tensor("matrix#sign")
			x.Shape, x.Data = []int{x.Len() + 1}, append(bytes.Clone(x.Data), 0)
		}, ErrCount},
		{"a sign too many in the last byte", 0.5, Sign, func(f *file) {
			x := f.tensor("matrix#sign")
			n := int(get32(f.tensor("matrix#tiles"), f.tensor("matrix#tiles").Len()-1))
			if n%8 == 0 {
				panic("the example has no spare bits")
			}
			x.Data[n/8] |= 0x80
		}, ErrValue},
		{"value is NaN", 0.5, Float32, func(f *file) { put32(f.tensor("matrix#f32"), 3, nan) }, ErrValue},
		{"value is infinite", 0.5, Float32, func(f *file) { put32(f.tensor("matrix#f32"), 0, inf) }, ErrValue},
		{"value is -128", 0.5, Int8, func(f *file) { f.tensor("matrix#int8").Data[2] = 0x80 }, ErrValue},
		{"scale is NaN", 0.5, Int8, func(f *file) { put32(f.tensor("wide#scales"), 1, nan) }, ErrValue},
		{"scale is infinite", 0.5, Sign, func(f *file) { put32(f.tensor("words#scales"), 1, inf) }, ErrValue},
		{"scale is negative", 0.5, Sign, func(f *file) { put32(f.tensor("table#scales"), 0, math.Float32bits(-1)) }, ErrValue},
		{"head is NaN", 0.5, Sign, func(f *file) { put32(f.tensor("classifier.weight"), 5, nan) }, ErrValue},

		// Refused once the base is known.
		{"another base", 0.5, Sign, meta("base_sha256", noDigest), ErrBase},
		{"masked tensor the base lacks", 0.5, Sign, func(f *file) {
			for i := range f.tensors {
				if name, ok := bytes.CutPrefix([]byte(f.tensors[i].Name), []byte("matrix#")); ok {
					f.tensors[i].Name = "novel#" + string(name)
				}
			}
		}, ErrTensor},
		{"mask on integers", 0.5, Sign, func(f *file) {
			for i := range f.tensors {
				if name, ok := bytes.CutPrefix([]byte(f.tensors[i].Name), []byte("vector#")); ok {
					f.tensors[i].Name = "ids#" + string(name)
				}
			}
		}, ErrDType},
		{"mask narrower than the base", 0.5, Float32, func(f *file) {
			for i := range f.tensors {
				if name, ok := bytes.CutPrefix([]byte(f.tensors[i].Name), []byte("matrix#")); ok {
					f.tensors[i].Name = "other#" + string(name)
				}
			}
		}, ErrShape},
		{"mask wider than the base", 0.5, Float32, func(f *file) {
			for i := range f.tensors {
				if name, ok := bytes.CutPrefix([]byte(f.tensors[i].Name), []byte("words#")); ok {
					f.tensors[i].Name = "other#" + string(name)
				}
			}
		}, ErrShape},
		{"dense tensor of another shape", 0.5, Sign, func(f *file) { f.tensor("classifier.weight").Name = "other" }, ErrShape},
		{"dense tensor of the base in integers", 0.5, Sign, func(f *file) {
			h := f.tensor("classifier.weight")
			h.Name, h.DType, h.Shape, h.Data = "other", safetensors.U32, []int{4}, h.Data[:16]
		}, ErrDType},
		{"tile beyond the last row", 0.5, Sign, func(f *file) { put32(f.tensor("matrix#tiles"), 2, 3) }, ErrPosition},
		{"tile of gaps beyond the last row", 0.02, Sign, func(f *file) { put32(f.tensor("wide#tiles"), 2, 3) }, ErrPosition},
		{"gap beyond the tile", 0.02, Int8, func(f *file) {
			f.tensor("matrix#gaps").Data[get32(f.tensor("matrix#tiles"), 4)-1] = 16 * 13
		}, ErrPosition},
		{"gap beyond the tile in row order", 0.5, Sign, func(f *file) {
			x := f.tensor("table#steps")
			x.Data[len(x.Data)-2], x.Data[len(x.Data)-1] = 126, 126
		}, ErrPosition},
		{"gap beyond the last row", 0.02, Int8, func(f *file) {
			x := f.tensor("wide#gaps") // the last tile has 5 rows
			x.Data[len(x.Data)-1] += 5
		}, ErrPosition},
		{"gap beyond the last row in row order", 0.5, Int8, func(f *file) {
			x := f.tensor("table#gaps") // one tile, 9 rows of it, the last keeps something
			x.Data[len(x.Data)-1] += 21
		}, ErrPosition},
		{"too few values without positions", 1, BFloat16, func(f *file) {
			x := f.tensor("bias#bf16")
			x.Shape, x.Data = []int{x.Len() - 1}, x.Data[2:]
		}, ErrCount},
		{"too many values without positions", 1, Sign, func(f *file) {
			x := f.tensor("bias#sign")
			x.Shape, x.Data = []int{x.Len() + 1}, append(bytes.Clone(x.Data), 0)
		}, ErrCount},
		{"a sign too many without positions", 1, Sign, func(f *file) { x := f.tensor("bias#sign"); x.Data[43/8] |= 1 << (43 % 8) }, ErrValue},
		{"an int4 too many without positions", 1, Int4, func(f *file) { f.tensor("bias#int4").Data[43/2] |= 0x10 }, ErrValue},
		{"scales for other rows without positions", 1, Sign, func(f *file) {
			x := f.tensor("bias#scales")
			x.Shape, x.Data = []int{2, 1}, append(bytes.Clone(x.Data), x.Data...)
		}, ErrShape},
		{"row beyond the last row", 0.5, Sign, func(f *file) {
			x := f.tensor("matrix#mask") // tile 2 has rows 32 to 36: move row 0's bit to row 15
			v, _ := safetensors.View[uint16](x)
			for i := 2 * 13; i < len(v); i++ {
				if v[i]&1 == 1 {
					v[i] ^= 1<<15 | 1
					copy(x.Data, safetensors.Bytes(v))
					return
				}
			}
		}, ErrPosition},
		{"column beyond the row", 0.5, Sign, func(f *file) {
			x := f.tensor("vector#mask") // 11 columns: move a kept one to column 15
			x.Data[0] &= x.Data[0] - 1
			x.Data[1] |= 0x80
		}, ErrPosition},
	}
	type kind struct {
		coding Coding
		share  float64
	}
	files := map[kind][]byte{}
	for _, coding := range allCodings {
		for _, share := range []float64{0.02, 0.5, 1} {
			files[kind{coding, share}], _ = example(t, coding, share, 3)
		}
	}
	base := testBase()
	fingerprint := Fingerprint(base)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := takeApart(t, files[kind{test.coding, test.share}])
			test.damage(f)
			d, err := Parse(f.bytes(t))
			if err == nil {
				err = d.Check(base, fingerprint)
			}
			if !errors.Is(err, test.want) {
				t.Fatalf("%v, want %v", err, test.want)
			}
			if test.want != ErrBase && !errors.Is(err, ErrCorrupt) {
				t.Errorf("%v is not ErrCorrupt", err)
			}
		})
	}
}

// TestDigest flips every byte of a file: whatever it hits, the file is refused.
func TestDigest(t *testing.T) {
	data, _ := example(t, Sign, 0.3, 5)
	if _, err := Parse(data); err != nil {
		t.Fatal(err)
	}
	header := len(data) - 1
	for i := range data {
		damaged := bytes.Clone(data)
		damaged[i] ^= 1
		_, err := Parse(damaged)
		if err == nil {
			t.Fatalf("byte %d of %d flipped and nothing noticed", i, header)
		}
	}
	data[len(data)-padBytes-1] ^= 1 // the last value: only the digest can tell
	if _, err := Parse(data); !errors.Is(err, ErrDigest) && !errors.Is(err, ErrValue) {
		t.Fatalf("%v, want %v", err, ErrDigest)
	}
}

// TestWriteNothingUnreadable: the writer refuses what the reader would.
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
				t.Error("no error")
			}
			if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 0 {
				t.Errorf("left behind: %v", files)
			}
		})
	}
	w, err := Create(filepath.Join(t.TempDir(), "x.ken"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	head := set{}
	head.add("a#b", []float32{1}, 1)
	head.add("nan", []float32{float32(math.NaN())}, 1)
	for name := range head {
		if err := w.Dense(head[name]); err == nil {
			t.Errorf("tensor %s was accepted", name)
		}
	}
}

// TestFingerprint: it depends on names, types, shapes and bytes, and on
// nothing else.
func TestFingerprint(t *testing.T) {
	base := Fingerprint(testBase())
	if again := Fingerprint(testBase()); again != base {
		t.Errorf("%s, then %s", base, again)
	}
	edits := map[string]func(set){
		"byte":  func(s set) { s["vector"].Data[0] ^= 1 },
		"shape": func(s set) { s["matrix"].Shape = []int{13, 37} },
		"dtype": func(s set) { s["matrix"].DType = safetensors.U32 },
		"name":  func(s set) { s["vector2"] = s["vector"]; delete(s, "vector") },
		"less":  func(s set) { delete(s, "vector") },
	}
	for name, edit := range edits {
		s := testBase()
		for _, tensor := range s {
			tensor.Data = bytes.Clone(tensor.Data)
		}
		edit(s)
		if Fingerprint(s) == base {
			t.Errorf("another %s, the same fingerprint", name)
		}
	}
}

// TestTensorProperties: for any mask, what is read back is the tuned value at
// kept positions and the base's elsewhere, and all forms say the same.
func TestTensorProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		height := rapid.SampledFrom([]int{1, 16}).Draw(t, "height")
		coding := rapid.SampledFrom(allCodings).Draw(t, "coding")
		columns := rapid.IntRange(1, 300).Draw(t, "columns")
		rows := rapid.IntRange(1, 40).Draw(t, "rows")
		oneIn := rapid.SampledFrom([]int{1, 2, 3, 30, 500}).Draw(t, "one in")
		words := (columns + 63) / 64
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		base, tuned := randomFloats(rng, rows*columns), randomFloats(rng, rows*columns)
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
					t.Fatalf("form %d keeps row %d, column %d", i, r, c)
				}
			})
			if kept != m.Kept() {
				t.Fatalf("form %d keeps %d, not %d", i, m.Kept(), kept)
			}
		}
	})
}

// FuzzParse: no bytes make the reader panic, and a file that passes all checks
// can be applied. The digest is mended first, or nothing would get past it.
func FuzzParse(f *testing.F) {
	for _, coding := range allCodings {
		for _, share := range []float64{0.02, 0.5, 1} {
			data, _ := example(f, coding, share, 1)
			f.Add(data)
		}
	}
	base := testBase()
	fingerprint := Fingerprint(base)
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := safetensors.Parse(data); err == nil && len(c.Metadata()[digestKey]) == len(noDigest) {
			data = takeApart(t, data).bytes(t)
		}
		d, err := Parse(data)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, safetensors.ErrCorrupt) {
				t.Fatalf("refused with %v, which is no ErrCorrupt", err)
			}
			return
		}
		if err := d.Check(base, fingerprint); err != nil {
			return
		}
		for _, tensor := range d.Tensors {
			if tensor.Masked != nil {
				row := floats(base[tensor.Name])
				tensor.Masked.PatchRows(0, row)
				tensor.Masked.PatchRow(0, row[:tensor.Masked.Columns])
			}
		}
	})
}
