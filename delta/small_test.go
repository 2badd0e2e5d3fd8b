package delta

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kenserve/safetensors"
)

// packed returns the small layout of a delta of testBase.
func packed(t testing.TB, fast []byte) []byte {
	t.Helper()
	d, err := Parse(fast)
	if err != nil {
		t.Fatal(err)
	}
	base := testBase()
	path := filepath.Join(t.TempDir(), "small.ken")
	if err := Pack(d, path, base, Fingerprint(base)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Fatalf("%d files left beside the packed delta", len(files)-1)
	}
	return data
}

// unpacked returns what a small file unpacks to.
func unpacked(t testing.TB, small []byte, base set) ([]byte, error) {
	t.Helper()
	s, err := ParseSmall(small)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(t.TempDir(), "fast.ken")
	err = s.Unpack(path, base, Fingerprint(base))
	if files, _ := os.ReadDir(filepath.Dir(path)); err != nil && len(files) != 0 || len(files) > 1 {
		t.Errorf("%d files left", len(files))
	}
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data, nil
}

// TestPack: unpacking gives the packed bytes, in every coding and form.
func TestPack(t *testing.T) {
	for _, coding := range allCodings {
		for _, share := range []float64{0.005, 0.02, 0.1, 0.5, 1} {
			t.Run(fmt.Sprintf("%s keep=%g", coding, share), func(t *testing.T) {
				fast, _ := example(t, coding, share, 9)
				small := packed(t, fast)
				if _, err := Parse(small); !errors.Is(err, ErrLayout) {
					t.Errorf("the fast reader takes a small file: %v", err)
				}
				if _, err := ParseSmall(fast); !errors.Is(err, ErrLayout) {
					t.Errorf("the small reader takes a fast file: %v", err)
				}
				s, err := ParseSmall(small)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(testInfo(coding), s.Info); diff != "" {
					t.Error(diff)
				}
				got, err := unpacked(t, small, testBase())
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, fast) {
					t.Error("unpacked to another file")
				}
				if share >= 0.5 && len(small) >= len(fast) {
					t.Errorf("small is %d bytes, fast %d", len(small), len(fast))
				}
			})
		}
	}
}

// TestPackBases: exact values are differences from bases of every type, and
// dense tensors of the base are packed like them.
func TestPackBases(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	for _, dtype := range []safetensors.DType{safetensors.F32, safetensors.F16, safetensors.BF16} {
		t.Run(string(dtype), func(t *testing.T) {
			const rows, columns = 40, 64
			halves := make([]byte, 2*rows*columns)
			for i := range rows * columns { // 0.5 to 2, both signs, in either half format
				halves[2*i] = byte(rng.Uint32())
				halves[2*i+1] = byte(0x38 + rng.IntN(8) + 0x80*rng.IntN(2))
			}
			b := &safetensors.Tensor{Name: "m", DType: dtype, Shape: []int{rows, columns}, Data: halves}
			if dtype == safetensors.F32 {
				b.Data = safetensors.Bytes(randomFloats(rng, rows*columns))
			}
			whole := &safetensors.Tensor{Name: "d", DType: dtype, Shape: b.Shape, Data: b.Data}
			base := set{"m": b, "d": whole}
			tuned := floats(b)
			for i := range tuned {
				switch i % 5 {
				case 0:
					tuned[i] += float32(rng.NormFloat64()) * 1e-3
				case 1:
					tuned[i] = [...]float32{float32(math.Copysign(0, -1)), 0, math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32}[i/5%5]
				}
			}
			keep := make([]uint64, rows)
			for i := range keep {
				keep[i] = math.MaxUint64
			}
			dir := t.TempDir()
			path := filepath.Join(dir, "fast.ken")
			w, err := Create(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Masked("m", Float32, 16, columns, tilesOf(t, Float32, 16, columns, keep, tuned, floats(b))); err != nil {
				t.Fatal(err)
			}
			if err := w.Dense(&safetensors.Tensor{Name: "d", DType: safetensors.F32, Shape: b.Shape, Data: safetensors.Bytes(tuned)}); err != nil {
				t.Fatal(err)
			}
			info := testInfo(Float32)
			info.BaseSHA256 = Fingerprint(base)
			if err := w.Finish(info); err != nil {
				t.Fatal(err)
			}
			d, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if err := Pack(d, filepath.Join(dir, "small.ken"), base, info.BaseSHA256); err != nil {
				t.Fatal(err)
			}
			s, err := OpenSmall(filepath.Join(dir, "small.ken"))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if s.Tensors[0].Packed == nil || s.Tensors[1].Packed == nil {
				t.Error("a tensor of the base is not packed")
			}
			if err := s.Unpack(filepath.Join(dir, "again.ken"), base, info.BaseSHA256); err != nil {
				t.Fatal(err)
			}
			want, _ := os.ReadFile(path)
			got, _ := os.ReadFile(filepath.Join(dir, "again.ken"))
			if !bytes.Equal(got, want) {
				t.Error("unpacked to another file")
			}
		})
	}
}

// TestPackNames: streams use the codes of the tensors whose names are before,
// in an order that is not that of the names of their parts.
func TestPackNames(t *testing.T) {
	const rows, columns = 160, 64
	rng := rand.New(rand.NewPCG(4, 4))
	base, info := set{}, testInfo(Sign)
	dir := t.TempDir()
	w, err := Create(filepath.Join(dir, "fast.ken"))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"a", "a b", "a!", "a!!", "a\"", "a.b", "b"} {
		base.add(name, randomFloats(rng, rows*columns), rows, columns)
		tuned, keep := floats(base[name]), make([]uint64, rows)
		for r := range keep {
			for c := range columns {
				if rng.IntN(8+10*(i%3)) == 0 { // like those of other names
					keep[r] |= 1 << c
					tuned[r*columns+c]++
				}
			}
		}
		if err := w.Masked(name, Sign, 16, columns, tilesOf(t, Sign, 16, columns, keep, tuned, floats(base[name]))); err != nil {
			t.Fatal(err)
		}
	}
	info.BaseSHA256 = Fingerprint(base)
	if err := w.Finish(info); err != nil {
		t.Fatal(err)
	}
	fast, err := os.ReadFile(filepath.Join(dir, "fast.ken"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := Parse(fast)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "small.ken")
	if err := Pack(d, path, base, info.BaseSHA256); err != nil {
		t.Fatal(err)
	}
	small, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := unpacked(t, small, base)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, fast) {
		t.Error("unpacked to another file")
	}
}

// TestOrdered: the order of float32 is that of the numbers, and both directions
// fit together.
func TestOrdered(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for range 100000 {
		a, b := rng.Uint32(), rng.Uint32()
		if unordered(ordered(a)) != a || unzigzag(zigzag(a)) != a {
			t.Fatalf("%#x is not mapped back", a)
		}
		x, y := math.Float32frombits(a), math.Float32frombits(b)
		if x < y && ordered(a) >= ordered(b) {
			t.Fatalf("%g < %g, mapped to %#x, %#x", x, y, ordered(a), ordered(b))
		}
	}
	if ordered(0) != ordered(1<<31)+1 {
		t.Error("−0 is not just below 0")
	}
	if zigzag(0) != 0 || zigzag(^uint32(0)) != 1 || zigzag(1) != 2 {
		t.Error("small differences are not small numbers")
	}
}

// TestCanonical: a valid file that the writer would have written otherwise
// cannot be packed.
func TestCanonical(t *testing.T) {
	fast, _ := example(t, Int8, 0.1, 1)
	f := takeApart(t, fast)
	f.tensors[0], f.tensors[1] = f.tensors[1], f.tensors[0]
	d, err := Parse(f.bytes(t))
	if err != nil {
		t.Fatal(err)
	}
	base := testBase()
	path := filepath.Join(t.TempDir(), "x.ken")
	if err := Pack(d, path, base, Fingerprint(base)); !errors.Is(err, ErrCanonical) {
		t.Errorf("%v, want %v", err, ErrCanonical)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it was packed all the same")
	}
}

func TestSmallRefusals(t *testing.T) {
	files := map[string][]byte{}
	for _, coding := range allCodings {
		for _, share := range []float64{0.02, 0.5, 1} {
			fast, _ := example(t, coding, share, 3)
			files[fmt.Sprint(coding, share)] = packed(t, fast)
		}
	}
	meta := func(key, value string) func(*file) {
		return func(f *file) { f.metadata[key] = value }
	}
	edit := func(name string, edit func(data []byte) []byte) func(*file) {
		return func(f *file) {
			x := f.tensor(name + "#" + partPacked)
			x.Data = edit(bytes.Clone(x.Data))
			x.Shape = []int{len(x.Data)}
		}
	}
	tests := []struct {
		name   string
		file   string
		damage func(*file)
		want   error
	}{
		{"another format", "sign0.02", meta("format", "pt"), ErrFormat},
		{"unknown version", "sign0.02", meta("version", "2"), ErrVersion},
		{"fast layout", "sign0.02", meta("layout", "fast"), ErrLayout},
		{"digest of the fast file missing", "sign0.02", func(f *file) { delete(f.metadata, fastDigestKey) }, ErrMetadata},
		{"digest of the fast file is none", "sign0.02", meta(fastDigestKey, "x"), ErrMetadata},
		{"unknown part", "sign0.02", func(f *file) { f.tensor("wide#packed").Name = "wide#mask" }, ErrPart},
		{"dense and packed", "sign0.02", func(f *file) { f.tensor("classifier.weight").Name = "wide" }, ErrPart},
		{"packed of another type", "sign0.02", func(f *file) { f.tensor("wide#packed").DType = safetensors.I8 }, ErrDType},
		{"packed of two dimensions", "sign0.02", func(f *file) {
			x := f.tensor("wide#packed")
			x.Shape = []int{1, x.Shape[0]}
		}, ErrShape},
		{"head is NaN", "sign0.02", func(f *file) {
			copy(f.tensor("classifier.weight").Data, safetensors.Bytes([]float32{float32(math.NaN())}))
		}, ErrValue},
		{"another base", "sign0.02", meta("base_sha256", noDigest), ErrBase},
		{"tensor that the base lacks", "sign0.02", func(f *file) { f.tensor("wide#packed").Name = "novel#packed" }, ErrTensor},
		{"tensor of integers", "sign0.02", func(f *file) { f.tensor("wide#packed").Name = "ids#packed" }, ErrDType},
		{"another fast digest", "sign0.02", meta(fastDigestKey, noDigest), ErrDigest},
		{"another head", "sign0.02", func(f *file) { f.tensor("classifier.weight").Data[0] ^= 1 }, ErrDigest},
		{"nothing", "sign0.02", edit("wide", func([]byte) []byte { return nil }), ErrPacked},
		{"unknown kind", "sign0.5", edit("wide", func(b []byte) []byte { b[0] |= 0x80; return b }), ErrPacked},
		{"scales of a coding that has none", "f320.5", edit("wide", func(b []byte) []byte { b[0] |= packedPerRow; return b }), ErrPacked},
		{"unknown coding", "sign0.02", edit("wide", func(b []byte) []byte { b[0] |= packedCoding; return b }), ErrPacked},
		{"bitmaps and gaps", "sign0.02", edit("wide", func(b []byte) []byte { b[0] |= packedBitmaps | packedGaps; return b }), ErrPacked},
		{"a byte more", "f320.5", edit("wide", func(b []byte) []byte { return append(b, 0) }), ErrPacked},
		{"a byte less", "f320.5", edit("wide", func(b []byte) []byte { return b[:len(b)-1] }), ErrPacked},
		{"half of it", "int40.5", edit("wide", func(b []byte) []byte { return b[:len(b)/2] }), ErrPacked},
		{"another tensor's", "int80.5", edit("wide", func([]byte) []byte {
			return takeApart(t, files["int80.5"]).tensor("words#packed").Data
		}), ErrPacked},
		{"more tiles than rows", "sign0.5", edit("wide", func(b []byte) []byte { b[1] = 4; return b }), ErrPacked},
		{"no tiles", "sign0.5", edit("wide", func(b []byte) []byte { b[1] = 0; return b }), ErrPacked},
		// The tile indices of "wide", 0 to 2 and so all differences zero, are
		// four streams of one byte, from byte 2 on: kind 1, byte 0.
		{"tile beyond the last row", "sign0.5", edit("wide", func(b []byte) []byte { b[3] = 1; return b }), ErrPacked},
		{"tile far beyond", "sign0.5", edit("wide", func(b []byte) []byte { b[9] = 255; return b }), ErrPacked},
		{"stream of an unknown kind", "sign0.5", edit("wide", func(b []byte) []byte { b[2] = 9; return b }), ErrPacked},
		{"stream longer than the tensor", "sign0.5", edit("wide", func(b []byte) []byte { b[2], b[3] = 2, 0xff; return b }), ErrPacked},
	}
	base := testBase()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := takeApart(t, files[test.file])
			test.damage(f)
			_, err := unpacked(t, f.bytes(t), base)
			if !errors.Is(err, test.want) {
				t.Fatalf("%v, want %v", err, test.want)
			}
			if test.want != ErrBase && !errors.Is(err, ErrCorrupt) {
				t.Errorf("%v is not ErrCorrupt", err)
			}
		})
	}
}

// TestUnpackPositions: positions that a tensor does not have are refused before
// the base's values are looked up at them.
func TestUnpackPositions(t *testing.T) {
	b := &safetensors.Tensor{DType: safetensors.F32, Shape: []int{20, 5}, Data: make([]byte, 400)}
	wide := &safetensors.Tensor{DType: safetensors.F32, Shape: []int{64, 40}, Data: make([]byte, 4*64*40)}
	for _, height := range []int{1, 16} {
		for _, oneIn := range []int{2, 30} {
			keep := make([]uint64, 64)
			tuned := make([]float32, 64*40)
			for i := 0; i < len(tuned); i += oneIn {
				keep[i/40] |= 1 << (i % 40)
				tuned[i] = 1
			}
			m := encode(Float32, height, 40, tilesOf(t, Float32, height, 40, keep, tuned, floats(wide)))
			var d decoder
			if _, err := d.unpack(new(packer).tensor(m, wide), wide); err != nil {
				t.Fatal(err)
			}
			// The same against a tensor of fewer rows and columns.
			if _, err := d.unpack(new(packer).tensor(m, wide), b); !errors.Is(err, ErrPacked) && !errors.Is(err, ErrPosition) {
				t.Errorf("height %d, one in %d: %v", height, oneIn, err)
			}
			// Fewer rows alone: the last tile's positions are beyond them.
			rows := wide.Shape[0] - 3
			short := &safetensors.Tensor{DType: safetensors.F32, Shape: []int{rows, 40}, Data: wide.Data[:4*40*rows]}
			if _, err := d.unpack(new(packer).tensor(m, wide), short); !errors.Is(err, ErrPacked) && !errors.Is(err, ErrPosition) {
				t.Errorf("height %d, one in %d, three rows less: %v", height, oneIn, err)
			}
		}
	}
}

// TestPackedGaps: gaps run through the units that have any; what does not fit
// them is refused.
func TestPackedGaps(t *testing.T) {
	const plain, sign, skip = byte(packedGaps | 2), 4, 255 // int8
	tests := []struct {
		name      string
		kind      byte
		rows      int // of ten columns
		used      []byte
		gaps      []byte
		signs     int
		want      error
		positions []int // row·10 + column
	}{
		{name: "a tile", kind: plain | packedAll, rows: 16, gaps: []byte{0, 17, 140}, positions: []int{0, 21, 159}},
		{name: "two tiles", kind: plain | packedAll, rows: 20, gaps: []byte{0, 158, 0, 15}, positions: []int{0, 159, 160, 161}},
		{name: "the first tile keeps nothing", kind: plain, rows: 20, used: []byte{2}, gaps: []byte{0, 15}, positions: []int{160, 161}},
		{name: "rows", kind: plain | packedRowMajor | packedAll, rows: 2, gaps: []byte{3, 15}, positions: []int{3, 19}},
		{name: "rows that keep nothing", kind: plain | packedRowMajor, rows: 40, used: []byte{2, 128, 0, 0, 129}, gaps: []byte{3, 15, 0, 9},
			positions: []int{13, 159, 320, 390}},
		{name: "a skip", kind: plain | packedAll, rows: 33, gaps: []byte{100, skip, 0, 10}, want: ErrPacked}, // beyond the second tile
		{name: "a skip over a border", kind: plain | packedAll, rows: 32, gaps: []byte{0, skip, 5}, positions: []int{0, 216}},
		{name: "a unit beyond the last", kind: plain, rows: 20, used: []byte{5}, gaps: []byte{0, 159}, want: ErrPacked},
		{name: "no unit", kind: plain, rows: 20, used: []byte{0}, gaps: []byte{0}, want: ErrPacked},
		{name: "no gaps", kind: plain | packedAll, rows: 20, gaps: []byte{}, want: ErrPacked},
		{name: "a unit without gaps", kind: plain | packedAll, rows: 20, gaps: []byte{0, 5}, want: ErrPacked},
		{name: "a unit that is passed over", kind: plain | packedAll, rows: 40, gaps: []byte{0, skip, 70}, want: ErrPacked},
		{name: "beyond the last unit", kind: plain | packedAll, rows: 16, gaps: []byte{0, 159}, want: ErrPacked},
		{name: "a skip at the end", kind: plain | packedAll, rows: 32, gaps: []byte{0, 200, skip}, want: ErrPacked},
		{name: "beyond the last row", kind: plain | packedAll, rows: 15, gaps: []byte{0, 14}, want: ErrPosition},
		{name: "signs", kind: packedGaps | packedAll | sign, rows: 16, gaps: []byte{0, 16, 0, 0, 0, 0, 0, 0, 0, 0}, signs: 10,
			positions: []int{0, 11, 21, 31, 41, 51, 61, 71, 81, 91}},
		{name: "signs past skips", kind: packedGaps | packedAll | sign, rows: 16, gaps: []byte{127, 15, 0}, signs: 2, positions: []int{148, 158}},
		{name: "too few signs", kind: packedGaps | packedAll | sign, rows: 16, gaps: []byte{0, 16, 0, 0, 0, 0, 0, 0, 0, 0}, signs: 9, want: ErrPacked},
		{name: "far too few signs", kind: packedGaps | packedAll | sign, rows: 16, gaps: []byte{0, 16, 0, 0, 0, 0, 0, 0, 0, 0}, signs: 1, want: ErrPacked},
		{name: "no signs", kind: packedGaps | packedAll | sign, rows: 16, gaps: []byte{0}, signs: 0, want: ErrPacked},
		{name: "too many signs", kind: packedGaps | packedAll | sign, rows: 16, gaps: []byte{0, 127, 16}, signs: 3, want: ErrPacked},
		{name: "a sign for a skip", kind: packedGaps | packedAll | sign, rows: 32, signs: 20, want: ErrPacked,
			gaps: []byte{0, 1, 2, 3, 4, 127, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{name: "more signs than gaps", kind: packedGaps | packedAll | sign, rows: 16, gaps: []byte{0, 16}, signs: 3, want: ErrPacked},
		{name: "above the skip", kind: packedGaps | packedAll | sign, rows: 16, gaps: []byte{0, 128}, signs: 2, want: ErrGap},
		{name: "above the skip, among others", kind: packedGaps | packedAll | sign, rows: 16, gaps: []byte{0, 0, 128, 0, 0, 0, 0, 0, 0, 0}, signs: 10, want: ErrGap},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			base := &safetensors.Tensor{DType: safetensors.F32, Shape: []int{test.rows, 10}, Data: make([]byte, 40*test.rows)}
			var p packer
			data := append([]byte{test.kind}, byte(len(test.gaps)))
			if test.used != nil {
				data = p.stream(data, test.used)
			}
			data = p.stream(data, test.gaps)
			if test.kind&packedCoding == sign {
				data = p.stream(append(data, byte(test.signs)), make([]byte, (test.signs+7)/8))
			} else {
				values := make([]byte, len(test.positions)) // more than the tests that fail get to
				for i := range values {
					values[i] = 1
				}
				data = p.stream(data, values)
			}
			data = appendPlanes(&p, data, []uint32{math.Float32bits(1)})
			var d decoder
			m, err := d.unpack(data, base)
			if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
				t.Fatalf("%v, want %v", err, test.want)
			}
			if err != nil {
				return
			}
			var got []int
			m.Keeps(func(row, column int) { got = append(got, 10*row+column) })
			slices.Sort(got)
			slices.Sort(test.positions)
			if diff := cmp.Diff(test.positions, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestWidened compares all float16 with the reader of checkpoints.
func TestWidened(t *testing.T) {
	all := &safetensors.Tensor{DType: safetensors.F16, Shape: []int{1 << 16}, Data: make([]byte, 2<<16)}
	for i := range 1 << 16 {
		all.Data[2*i], all.Data[2*i+1] = byte(i), byte(i>>8)
	}
	for i, want := range floats(all) {
		if got := widened(uint16(i)); got != math.Float32bits(want) {
			t.Fatalf("%#x: %#x, want %#x", i, got, math.Float32bits(want))
		}
	}
}

// FuzzUnpack: no bytes make the reader of small files panic, what it makes is
// bounded by the base, and it says the same when packed again.
func FuzzUnpack(f *testing.F) {
	for _, coding := range allCodings {
		for _, share := range []float64{0.02, 0.5, 1} {
			fast, _ := example(f, coding, share, 1)
			f.Add(packed(f, fast))
		}
	}
	base := testBase()
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := safetensors.Parse(data); err == nil && len(c.Metadata()[digestKey]) == len(noDigest) {
			data = takeApart(t, data).bytes(t)
		}
		s, err := ParseSmall(data)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, safetensors.ErrCorrupt) {
				t.Fatalf("refused with %v, which is no ErrCorrupt", err)
			}
			return
		}
		var d, other decoder
		var p packer
		for i := range s.Tensors {
			x := &s.Tensors[i]
			if x.Packed == nil {
				continue
			}
			m, _, err := d.tensor(x, base)
			if err != nil {
				if !errors.Is(err, ErrCorrupt) {
					t.Fatalf("refused with %v, which is no ErrCorrupt", err)
				}
				continue
			}
			b := base[x.Name]
			if most := int64(32*b.Len() + 1000); partBytes(m) > most || int64(4*cap(d.buffer)) > 4*most {
				t.Fatalf("%d bytes made and a buffer of %d for %d values", partBytes(m), cap(d.buffer), b.Len())
			}
			again, err := other.unpack(p.tensor(m, b), b)
			if err != nil {
				t.Fatal(err)
			}
			want, got := partsOf(m), partsOf(again)
			for i := range want {
				if got[i].name != want[i].name || !bytes.Equal(got[i].data, want[i].data) {
					t.Fatalf("packed again, part %s is another", want[i].name)
				}
			}
		}
	})
}

// TestSpreadBits compares with one bit after the other.
func TestSpreadBits(t *testing.T) {
	for eight := range uint64(256) {
		if got, want := topBits(eight), spreadBits(eight, 0); got != want {
			t.Fatalf("%08b: %#016x, want %#016x", eight, got, want)
		}
		for mask := range 256 {
			var skip, want uint64
			n := 0 // bits given
			for i := range 8 {
				if mask>>i&1 == 1 {
					skip |= 0x80 << (8 * i)
					continue
				}
				want |= eight >> n & 1 << (8*i + 7)
				n++
			}
			if got := spreadBits(eight, skip); got != want {
				t.Fatalf("%08b past %08b: %#016x, want %#016x", eight, mask, got, want)
			}
		}
	}
}
