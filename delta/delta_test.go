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

// testBase has a matrix with a partial last tile, a table, a vector of odd
// length, and a tensor that is not of floats.
func testBase() set {
	rng := rand.New(rand.NewPCG(1, 2))
	base := set{}
	base.add("matrix", randomFloats(rng, 37*13), 37, 13)
	base.add("table", randomFloats(rng, 9*21), 9, 21)
	base.add("vector", randomFloats(rng, 11), 11)
	base.add("other", randomFloats(rng, 4), 4)
	base["ids"] = &safetensors.Tensor{Name: "ids", DType: safetensors.I64, Shape: []int{2}, Data: make([]byte, 16)}
	return base
}

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
	for _, name := range []string{"matrix", "table", "vector"} {
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
				tuned[r*columns+c] += float32(rng.NormFloat64()) * 0.01
				if rng.Float64() < share {
					keep[r*words+c/64] |= 1 << (c % 64)
				}
			}
		}
		height := TileHeight(b.Shape, name == "table")
		want[name] = append([]float32(nil), baseValues...)
		var tiles []Tile
		for first := 0; first < rows; first += height {
			last := min(first+height, rows)
			tile, err := EncodeTile(coding, height, columns, first/height, keep[first*words:last*words], tuned[first*columns:last*columns], baseValues[first*columns:last*columns])
			if err != nil {
				t.Fatal(err)
			}
			tiles = append(tiles, tile)
		}
		for r := range rows { // the codings' definitions, once more and simply
			var changes []float64
			for c := range columns {
				if keep[r*words+c/64]>>(c%64)&1 == 1 {
					changes = append(changes, math.Abs(float64(tuned[r*columns+c]-baseValues[r*columns+c])))
				}
			}
			sum, most := 0.0, 0.0
			for _, x := range changes {
				sum, most = sum+x, max(most, x)
			}
			for c := range columns {
				i := r*columns + c
				if keep[r*words+c/64]>>(c%64)&1 == 0 || tuned[i] == baseValues[i] {
					continue
				}
				change := tuned[i] - baseValues[i]
				switch coding {
				case Float32:
					want[name][i] = tuned[i]
				case Int8:
					scale := float32(most / 127)
					q := float32(math.RoundToEven(float64(change) / float64(scale)))
					want[name][i] = baseValues[i] + float32(scale*q)
				case Sign:
					scale := float32(sum / float64(len(changes)))
					want[name][i] = baseValues[i] + float32(math.Copysign(float64(scale), float64(change)))
				}
			}
		}
		if err := w.Masked(name, coding, height, columns, tiles); err != nil {
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

func testInfo(coding Coding) Info {
	return Info{
		BaseSHA256: Fingerprint(testBase()), BaseName: "tiny", Architecture: "BertForSequenceClassification",
		ProblemType: "single_label_classification", Labels: []string{"no", "ja <ß>"}, Config: `{"model_type":"bert"}`,
		Selection: "ken", K: 3, Keep: 0.5, Scope: "all", Coding: coding, TunedPrefix: "bert.", Absent: []string{"other"},
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
	for _, coding := range []Coding{Float32, Int8, Sign} {
		for _, share := range []float64{0.02, 0.5, 1} {
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
	if tile.kept != 5 { // element 4 is the base's
		t.Errorf("%d kept, want 5", tile.kept)
	}
	m := Masked{Coding: Float32, Height: 1, Columns: 6, Tiles: []uint32{0}, Ends: []uint32{5}, Mask8: tile.mask8, Float32s: tile.float32s}
	m.PatchRow(0, base)
	for i := range base {
		if math.Float32bits(base[i]) != math.Float32bits(tuned[i]) {
			t.Errorf("element %d: %g, want %g", i, base[i], tuned[i])
		}
	}
	for _, coding := range []Coding{Int8, Sign} {
		if _, err := EncodeTile(coding, 1, 1, 0, []uint64{1}, []float32{math.MaxFloat32}, []float32{-math.MaxFloat32}); err == nil {
			t.Errorf("%s: a change that overflows was accepted", coding)
		}
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

func (f *file) tensor(name string) *safetensors.Tensor {
	for i := range f.tensors {
		if f.tensors[i].Name == name {
			return &f.tensors[i]
		}
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
		coding Coding
		damage func(f *file)
		want   error
	}{
		{"another format", Sign, meta("format", "pt"), ErrFormat},
		{"unknown version", Sign, meta("version", "2"), ErrVersion},
		{"no version", Sign, func(f *file) { delete(f.metadata, "version") }, ErrVersion},
		{"unknown layout", Sign, meta("layout", "small"), ErrLayout},
		{"unknown flag", Sign, meta("flags", "gaps"), ErrFlag},
		{"unknown coding", Sign, meta("coding", "f64"), ErrCoding},
		{"unknown key", Sign, meta("colour", "red"), ErrMetadata},
		{"labels are no array", Sign, meta("labels", `{"0":"a"}`), ErrMetadata},
		{"labels are numbers", Sign, meta("labels", `[1]`), ErrMetadata},
		{"labels hold null", Sign, meta("labels", `["a",null]`), ErrMetadata},
		{"k is zero", Sign, meta("k", "0"), ErrMetadata},
		{"k is text", Sign, meta("k", "many"), ErrMetadata},
		{"keep is NaN", Sign, meta("keep", "NaN"), ErrMetadata},
		{"keep above one", Sign, meta("keep", "1.5"), ErrMetadata},
		{"unknown scope", Sign, meta("scope", "some"), ErrMetadata},
		{"unknown task kind", Sign, meta("problem_type", "translation"), ErrMetadata},
		{"config is no object", Sign, meta("config", "[]"), ErrMetadata},
		{"fingerprint too short", Sign, meta("base_sha256", "abc"), ErrMetadata},
		{"fingerprint missing", Sign, func(f *file) { delete(f.metadata, "base_sha256") }, ErrMetadata},
		{"digest missing", Sign, func(f *file) { delete(f.metadata, "sha256") }, ErrMetadata},
		{"padding missing", Sign, func(f *file) { f.remove("#pad") }, ErrPadding},
		{"padding not zero", Sign, func(f *file) { f.tensor("#pad").Data[63] = 1 }, ErrPadding},
		{"no tensors", Sign, func(f *file) { f.tensors = nil }, ErrPadding},
		{"unknown part", Sign, func(f *file) { f.insert(safetensors.Tensor{Name: "matrix#extra", DType: safetensors.U8, Shape: []int{0}}) }, ErrPart},
		{"part of nothing", Sign, func(f *file) { f.tensor("matrix#tiles").Name = "elsewhere#tiles" }, ErrPart},
		{"tiles missing", Sign, func(f *file) { f.remove("matrix#tiles") }, ErrPart},
		{"mask missing", Sign, func(f *file) { f.remove("table#mask") }, ErrPart},
		{"scales missing", Sign, func(f *file) { f.remove("matrix#scales") }, ErrPart},
		{"scales without need", Float32, func(f *file) {
			f.insert(safetensors.Tensor{Name: "matrix#scales", DType: safetensors.F32, Shape: []int{0}})
		}, ErrPart},
		{"dense and masked", Sign, func(f *file) {
			f.insert(safetensors.Tensor{Name: "matrix", DType: safetensors.F32, Shape: []int{0}})
		}, ErrPart},
		{"tiles of another type", Sign, func(f *file) { f.tensor("matrix#tiles").DType = safetensors.F32 }, ErrDType},
		{"mask of another type", Sign, func(f *file) { f.tensor("matrix#mask").DType = safetensors.I16 }, ErrDType},
		{"values of another coding", Sign, meta("coding", "int8"), ErrDType},
		{"scales of another type", Sign, func(f *file) { f.tensor("matrix#scales").DType = safetensors.U32 }, ErrDType},
		{"head in float64", Sign, func(f *file) {
			h := f.tensor("classifier.weight")
			h.DType, h.Shape = safetensors.F64, []int{3}
		}, ErrDType},
		{"tiles of two dimensions", Sign, func(f *file) { x := f.tensor("matrix#tiles"); x.Shape = []int{1, x.Shape[0]} }, ErrShape},
		{"mask of one dimension", Sign, func(f *file) { x := f.tensor("matrix#mask"); x.Shape = []int{x.Len()} }, ErrShape},
		{"mask for fewer tiles", Sign, func(f *file) { x := f.tensor("matrix#mask"); x.Shape = []int{1, x.Len()} }, ErrShape},
		{"scales for other rows", Sign, func(f *file) { x := f.tensor("matrix#scales"); x.Shape = []int{x.Len(), 1} }, ErrShape},
		{"no tiles at all", Float32, func(f *file) {
			for _, part := range []string{"tiles", "ends", "values"} {
				x := f.tensor("vector#" + part)
				x.Shape, x.Data = []int{0}, nil
			}
			x := f.tensor("vector#mask")
			x.Shape, x.Data = []int{0, 2}, nil
		}, ErrShape},
		{"tiles fall", Sign, func(f *file) { put32(f.tensor("table#tiles"), 1, get32(f.tensor("table#tiles"), 0)) }, ErrOrder},
		{"ends fall", Sign, func(f *file) { put32(f.tensor("table#ends"), 1, 0) }, ErrOrder},
		{"a tile keeps more than it holds", Sign, func(f *file) { put32(f.tensor("vector#ends"), 0, 1<<31) }, ErrOrder},
		{"mask has one value more", Sign, func(f *file) {
			x := f.tensor("matrix#mask")
			for i := range x.Data {
				if x.Data[i] != 0xff {
					x.Data[i] = 0xff
					return
				}
			}
		}, ErrCount},
		{"fewer values than kept", Float32, func(f *file) {
			x := f.tensor("matrix#values")
			x.Shape, x.Data = []int{x.Len() - 1}, x.Data[4:]
		}, ErrCount},
		{"more signs than kept", Sign, func(f *file) {
			x := f.tensor("matrix#values")
			x.Shape, x.Data = []int{x.Len() + 1}, append(bytes.Clone(x.Data), 0)
		}, ErrCount},
		{"a sign too many in the last byte", Sign, func(f *file) {
			x := f.tensor("matrix#values")
			n := int(get32(f.tensor("matrix#ends"), f.tensor("matrix#ends").Len()-1))
			if n%8 == 0 {
				panic("the example has no spare bits")
			}
			x.Data[n/8] |= 0x80
		}, ErrValue},
		{"value is NaN", Float32, func(f *file) { put32(f.tensor("matrix#values"), 3, nan) }, ErrValue},
		{"value is infinite", Float32, func(f *file) { put32(f.tensor("matrix#values"), 0, inf) }, ErrValue},
		{"value is -128", Int8, func(f *file) { f.tensor("matrix#values").Data[2] = 0x80 }, ErrValue},
		{"scale is NaN", Int8, func(f *file) { put32(f.tensor("matrix#scales"), 1, nan) }, ErrValue},
		{"scale is infinite", Sign, func(f *file) { put32(f.tensor("table#scales"), 1, inf) }, ErrValue},
		{"scale is negative", Sign, func(f *file) { put32(f.tensor("table#scales"), 1, math.Float32bits(-1)) }, ErrValue},
		{"head is NaN", Sign, func(f *file) { put32(f.tensor("classifier.weight"), 5, nan) }, ErrValue},

		// Refused once the base is known.
		{"another base", Sign, meta("base_sha256", noDigest), ErrBase},
		{"masked tensor the base lacks", Sign, func(f *file) {
			for i := range f.tensors {
				if name, ok := bytes.CutPrefix([]byte(f.tensors[i].Name), []byte("matrix#")); ok {
					f.tensors[i].Name = "novel#" + string(name)
				}
			}
		}, ErrTensor},
		{"mask on integers", Sign, func(f *file) {
			for i := range f.tensors {
				if name, ok := bytes.CutPrefix([]byte(f.tensors[i].Name), []byte("vector#")); ok {
					f.tensors[i].Name = "ids#" + string(name)
				}
			}
		}, ErrDType},
		{"mask narrower than the base", Float32, func(f *file) {
			for i := range f.tensors {
				if name, ok := bytes.CutPrefix([]byte(f.tensors[i].Name), []byte("matrix#")); ok {
					f.tensors[i].Name = "other#" + string(name)
				}
			}
		}, ErrShape},
		{"mask wider than the base", Float32, func(f *file) {
			for i := range f.tensors {
				if name, ok := bytes.CutPrefix([]byte(f.tensors[i].Name), []byte("table#")); ok {
					f.tensors[i].Name = "other#" + string(name)
				}
			}
		}, ErrShape},
		{"dense tensor of another shape", Sign, func(f *file) { f.tensor("classifier.weight").Name = "other" }, ErrShape},
		{"dense tensor of the base in integers", Sign, func(f *file) {
			h := f.tensor("classifier.weight")
			h.Name, h.DType, h.Shape, h.Data = "other", safetensors.U32, []int{4}, h.Data[:16]
		}, ErrDType},
		{"tile beyond the last row", Sign, func(f *file) { put32(f.tensor("matrix#tiles"), 2, 3) }, ErrPosition},
		{"row beyond the last row", Sign, func(f *file) {
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
		{"column beyond the row", Sign, func(f *file) {
			x := f.tensor("vector#mask") // 11 columns: move a kept one to column 15
			x.Data[0] &= x.Data[0] - 1
			x.Data[1] |= 0x80
		}, ErrPosition},
	}
	files := map[Coding][]byte{}
	for _, coding := range []Coding{Float32, Int8, Sign} {
		files[coding], _ = example(t, coding, 0.5, 3)
	}
	base := testBase()
	fingerprint := Fingerprint(base)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := takeApart(t, files[test.coding])
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

// TestTileProperties: for any mask, what is read back is the tuned value at
// kept positions and the base's elsewhere.
func TestTileProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		height := rapid.SampledFrom([]int{1, 16}).Draw(t, "height")
		columns := rapid.IntRange(1, 140).Draw(t, "columns")
		rows := 1
		if height == 16 {
			rows = rapid.IntRange(1, 16).Draw(t, "rows")
		}
		words := (columns + 63) / 64
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		base, tuned := randomFloats(rng, rows*columns), randomFloats(rng, rows*columns)
		keep := make([]uint64, rows*words)
		want := append([]float32(nil), base...)
		kept := 0
		for r := range rows {
			for c := range columns {
				if rng.IntN(3) == 0 {
					keep[r*words+c/64] |= 1 << (c % 64)
					want[r*columns+c] = tuned[r*columns+c]
					kept++
				}
			}
		}
		tile, err := EncodeTile(Float32, height, columns, 0, keep, tuned, base)
		if err != nil {
			t.Fatal(err)
		}
		m := Masked{Coding: Float32, Height: height, Columns: columns, Mask16: tile.mask16, Mask8: tile.mask8, Float32s: tile.float32s}
		if kept > 0 {
			m.Tiles, m.Ends = []uint32{0}, []uint32{uint32(tile.kept)}
		}
		m.PatchRows(0, base)
		if diff := cmp.Diff(want, base); diff != "" || tile.kept != kept {
			t.Fatalf("%d kept, want %d: %s", tile.kept, kept, diff)
		}
	})
}

// FuzzParse: no bytes make the reader panic, and a file that passes all checks
// can be applied. The digest is mended first, or nothing would get past it.
func FuzzParse(f *testing.F) {
	for _, coding := range []Coding{Float32, Int8, Sign} {
		data, _ := example(f, coding, 0.5, 1)
		f.Add(data)
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
