package pack

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kenserve/delta"
	"kenserve/delta/internal/container"
	"kenserve/delta/internal/deltatest"
	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// packed returns the small layout of a delta of deltatest.Base.
func packed(t testing.TB, fast []byte) []byte {
	t.Helper()
	d, err := load(t, fast)
	if err != nil {
		t.Fatal(err)
	}
	base := deltatest.Base()
	path := filepath.Join(t.TempDir(), "small.ken")
	if err := Write(d, path, base, delta.Fingerprint(base)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Fatalf("Write left %d other files beside the packed delta", len(files)-1)
	}
	return data
}

// unpacked returns the fast file that a small one unpacks to.
func unpacked(t testing.TB, small []byte, base deltatest.Set) ([]byte, error) {
	t.Helper()
	s, err := parse(small)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(t.TempDir(), "fast.ken")
	err = s.Unpack(path, base, delta.Fingerprint(base))
	if files, _ := os.ReadDir(filepath.Dir(path)); err != nil && len(files) != 0 || len(files) > 1 {
		t.Errorf("Unpack left %d files", len(files))
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

// TestPack: unpacking gives the bytes that were packed, in every coding and form.
func TestPack(t *testing.T) {
	for _, coding := range sparse.Codings {
		for _, share := range []float64{0.005, 0.02, 0.1, 0.5, 1} {
			t.Run(fmt.Sprintf("%s keep=%g", coding, share), func(t *testing.T) {
				fast := example(t, coding, share, 9)
				small := packed(t, fast)
				if _, err := load(t, small); !errors.Is(err, delta.ErrLayout) {
					t.Errorf("a small file read as a fast one: error %v, want delta.ErrLayout", err)
				}
				if _, err := parse(fast); !errors.Is(err, delta.ErrLayout) {
					t.Errorf("a fast file read as a small one: error %v, want delta.ErrLayout", err)
				}
				s, err := parse(small)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(info(coding, deltatest.Base()), s.Info); diff != "" {
					t.Error(diff)
				}
				got, err := unpacked(t, small, deltatest.Base())
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, fast) {
					t.Error("unpacking gave other bytes than were packed")
				}
				if share >= 0.5 && len(small) >= len(fast) {
					t.Errorf("small is %d bytes, fast %d", len(small), len(fast))
				}
			})
		}
	}
}

// TestPackBases: exact values can be packed against bases of every dtype, and so can
// dense tensors of the base.
func TestPackBases(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	for _, dtype := range []safetensors.DType{safetensors.F32, safetensors.F16, safetensors.BF16} {
		t.Run(string(dtype), func(t *testing.T) {
			const rows, columns = 40, 64
			halves := make([]byte, 2*rows*columns)
			for i := range rows * columns { // 0.5 to 2 with both signs, in float16 as in bfloat16
				halves[2*i] = byte(rng.Uint32())
				halves[2*i+1] = byte(0x38 + rng.IntN(8) + 0x80*rng.IntN(2))
			}
			b := &safetensors.Tensor{Name: "m", DType: dtype, Shape: []int{rows, columns}, Data: halves}
			if dtype == safetensors.F32 {
				b.Data = safetensors.Bytes(deltatest.RandomFloats(rng, rows*columns))
			}
			whole := &safetensors.Tensor{Name: "d", DType: dtype, Shape: b.Shape, Data: b.Data}
			base := deltatest.Set{"m": b, "d": whole}
			tuned := deltatest.Floats(b)
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
			w, err := delta.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Masked("m", delta.Float32, 16, columns, tilesOf(t, delta.Float32, 16, columns, keep, tuned, deltatest.Floats(b))); err != nil {
				t.Fatal(err)
			}
			if err := w.Dense(&safetensors.Tensor{Name: "d", DType: safetensors.F32, Shape: b.Shape, Data: safetensors.Bytes(tuned)}); err != nil {
				t.Fatal(err)
			}
			info := info(delta.Float32, base)
			if err := w.Finish(info); err != nil {
				t.Fatal(err)
			}
			d, err := delta.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if err := Write(d, filepath.Join(dir, "small.ken"), base, info.BaseSHA256); err != nil {
				t.Fatal(err)
			}
			s, err := Open(filepath.Join(dir, "small.ken"))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if s.Tensors[0].packed == nil || s.Tensors[1].packed == nil {
				t.Error("a tensor of the base is not packed")
			}
			if err := s.Unpack(filepath.Join(dir, "again.ken"), base, info.BaseSHA256); err != nil {
				t.Fatal(err)
			}
			want, _ := os.ReadFile(path)
			got, _ := os.ReadFile(filepath.Join(dir, "again.ken"))
			if !bytes.Equal(got, want) {
				t.Error("unpacking gave other bytes than were packed")
			}
		})
	}
}

// TestPackNames: streams reuse the codes of tensors whose names come before in the
// order of NAME, which differs from the order of NAME#packed.
func TestPackNames(t *testing.T) {
	const rows, columns = 160, 64
	rng := rand.New(rand.NewPCG(4, 4))
	base := deltatest.Set{}
	dir := t.TempDir()
	w, err := delta.Create(filepath.Join(dir, "fast.ken"))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"a", "a b", "a!", "a!!", "a\"", "a.b", "b"} {
		base.Add(name, deltatest.RandomFloats(rng, rows*columns), rows, columns)
		tuned, keep := deltatest.Floats(base[name]), make([]uint64, rows)
		for r := range keep {
			for c := range columns {
				if rng.IntN(8+10*(i%3)) == 0 { // similar to those of the other tensors, so that codes are reused
					keep[r] |= 1 << c
					tuned[r*columns+c]++
				}
			}
		}
		if err := w.Masked(name, delta.Sign, 16, columns, tilesOf(t, delta.Sign, 16, columns, keep, tuned, deltatest.Floats(base[name]))); err != nil {
			t.Fatal(err)
		}
	}
	info := info(delta.Sign, base)
	if err := w.Finish(info); err != nil {
		t.Fatal(err)
	}
	fast, err := os.ReadFile(filepath.Join(dir, "fast.ken"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := load(t, fast)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "small.ken")
	if err := Write(d, path, base, info.BaseSHA256); err != nil {
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
		t.Error("unpacking gave other bytes than were packed")
	}
}

// TestOrdered: ordered keeps the order of floats, and unordered and unzigzag are the
// inverse functions.
func TestOrdered(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for range 100000 {
		a, b := rng.Uint32(), rng.Uint32()
		if unordered(ordered(a)) != a || unzigzag(zigzag(a)) != a {
			t.Fatalf("%#x is mapped to another number and back", a)
		}
		x, y := math.Float32frombits(a), math.Float32frombits(b)
		if x < y && ordered(a) >= ordered(b) {
			t.Fatalf("%g < %g, mapped to %#x, %#x", x, y, ordered(a), ordered(b))
		}
	}
	if ordered(0) != ordered(1<<31)+1 {
		t.Error("−0 is not mapped to the number just below that of 0")
	}
	if zigzag(0) != 0 || zigzag(^uint32(0)) != 1 || zigzag(1) != 2 {
		t.Error("zigzag does not map small differences to small numbers")
	}
}

// TestAnotherOrder: a valid file whose tensors are in another order than the
// writer's cannot be packed.
func TestAnotherOrder(t *testing.T) {
	fast := example(t, delta.Int8, 0.1, 1)
	f := deltatest.TakeApart(t, fast)
	f.Tensors[0], f.Tensors[1] = f.Tensors[1], f.Tensors[0]
	d, err := load(t, f.Bytes(t))
	if err != nil {
		t.Fatal(err)
	}
	base := deltatest.Base()
	path := filepath.Join(t.TempDir(), "x.ken")
	if err := Write(d, path, base, delta.Fingerprint(base)); !errors.Is(err, errOrder) {
		t.Errorf("%v, want %v", err, errOrder)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("Write left a file")
	}
}

func TestSmallRefusals(t *testing.T) {
	files := map[string][]byte{}
	for _, coding := range sparse.Codings {
		for _, share := range []float64{0.02, 0.5, 1} {
			fast := example(t, coding, share, 3)
			files[fmt.Sprint(coding, share)] = packed(t, fast)
		}
	}
	meta := func(key, value string) func(*deltatest.File) {
		return func(f *deltatest.File) { f.Metadata[key] = value }
	}
	edit := func(name string, edit func(data []byte) []byte) func(*deltatest.File) {
		return func(f *deltatest.File) {
			x := f.Tensor(name + "#" + partPacked)
			x.Data = edit(bytes.Clone(x.Data))
			x.Shape = []int{len(x.Data)}
		}
	}
	tests := []struct {
		name   string
		file   string
		damage func(*deltatest.File)
		want   string // part of the error
	}{
		{"another format", "sign0.02", meta("format", "pt"), `metadata: format "pt", want "kenserve-delta"`},
		{"unknown version", "sign0.02", meta("version", "3"), `metadata: version "3", this program reads "1" and "2"`},
		{"fast layout", "sign0.02", meta("layout", "fast"), `another layout: "fast", want "small"`},
		{"digest of the fast file missing", "sign0.02", func(f *deltatest.File) { delete(f.Metadata, container.FastDigestKey) }, "metadata: fast_sha256 is missing"},
		{"digest of the fast file is not a digest", "sign0.02", meta(container.FastDigestKey, "x"), `metadata: fast_sha256: "x" is not a digest of 32 bytes in lower-case hexadecimal`},
		{"unknown part", "sign0.02", func(f *deltatest.File) { f.Tensor("wide#packed").Name = "wide#mask" }, `unknown part "mask"`},
		{"dense and packed", "sign0.02", func(f *deltatest.File) { f.Tensor("classifier.weight").Name = "wide" }, "two of dense, coded and packed"},
		{"packed of another type", "sign0.02", func(f *deltatest.File) { f.Tensor("wide#packed").DType = safetensors.I8 }, "wide#packed: I8, want U8"},
		{"packed of two dimensions", "sign0.02", func(f *deltatest.File) {
			x := f.Tensor("wide#packed")
			x.Shape = []int{1, x.Shape[0]}
		}, "wide#packed: shape [1 238], want one dimension"},
		{"head is NaN", "sign0.02", func(f *deltatest.File) {
			copy(f.Tensor("classifier.weight").Data, safetensors.Bytes([]float32{float32(math.NaN())}))
		}, "element 0 is NaN"},
		{"another base", "sign0.02", meta("base_sha256", container.NoDigest), "delta of another base: made for 0"},
		{"tensor that the base lacks", "sign0.02", func(f *deltatest.File) { f.Tensor("wide#packed").Name = "novel#packed" }, "packed, but the base has no such tensor"},
		{"tensor of integers", "sign0.02", func(f *deltatest.File) { f.Tensor("wide#packed").Name = "ids#packed" }, "packed, but the base's is I64: only F32, F16 and BF16 can be packed"},
		{"another fast digest", "sign0.02", meta(container.FastDigestKey, container.NoDigest), "digest differs: the unpacked file has "},
		{"another head", "sign0.02", func(f *deltatest.File) { f.Tensor("classifier.weight").Data[0] ^= 1 }, "digest differs: the unpacked file has "},
		{"nothing", "sign0.02", edit("wide", func([]byte) []byte { return nil }), "truncated: 1 bytes are missing"},
		{"unknown kind", "sign0.5", edit("wide", func(b []byte) []byte { b[0] |= 0x80; return b }), "invalid kind 0xcc of packed tensor"},
		{"scales of a coding that has none", "f320.5", edit("wide", func(b []byte) []byte { b[0] |= packedPerRow; return b }), "invalid kind 0x48 of packed tensor"},
		{"unknown coding", "sign0.02", edit("wide", func(b []byte) []byte { b[0] |= packedCoding; return b }), "invalid kind 0x97 of packed tensor"},
		{"bitmaps and gaps", "sign0.02", edit("wide", func(b []byte) []byte { b[0] |= packedBitmaps | packedGaps; return b }), "invalid kind 0x9c of packed tensor"},
		{"a byte more", "f320.5", edit("wide", func(b []byte) []byte { return append(b, 0) }), "1 bytes after the end of the packed tensor"},
		{"a byte less", "f320.5", edit("wide", func(b []byte) []byte { return b[:len(b)-1] }), "truncated: 1 bytes are missing"},
		{"half of it", "int40.5", edit("wide", func(b []byte) []byte { return b[:len(b)/2] }), "truncated: 1407 bytes are missing"},
		{"another tensor's", "int80.5", edit("wide", func([]byte) []byte {
			return deltatest.TakeApart(t, files["int80.5"]).Tensor("words#packed").Data
		}), "56 tiles, at most 37"},
		{"more tiles than rows", "sign0.5", edit("wide", func(b []byte) []byte { b[1] = 4; return b }), "4 tiles, at most 3"},
		{"no tiles", "sign0.5", edit("wide", func(b []byte) []byte { b[1] = 0; return b }), "no tiles"},
		// The tile indices of "wide" are 0 to 2, so that all differences are 0. They
		// are four streams of one byte, from byte 2 on: encoding 1, byte 0.
		{"tile beyond the last row", "sign0.5", edit("wide", func(b []byte) []byte { b[3] = 1; return b }), "tile 3, at most 2"},
		{"tile far beyond", "sign0.5", edit("wide", func(b []byte) []byte { b[9] = 255; return b }), "tile 4278190080, at most 2"},
		{"stream of an unknown kind", "sign0.5", edit("wide", func(b []byte) []byte { b[2] = 9; return b }), "stream of encoding 9 at depth 0"},
		{"stream longer than the tensor", "sign0.5", edit("wide", func(b []byte) []byte { b[2], b[3] = 2, 0xff; return b }), "bits after the code-length table are not 0"},
	}
	base := deltatest.Base()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := deltatest.TakeApart(t, files[test.file])
			test.damage(f)
			_, err := unpacked(t, f.Bytes(t), base)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want %q", err, test.want)
			}
			if errors.Is(err, delta.ErrCorrupt) == errors.Is(err, delta.ErrBase) {
				t.Errorf("error %v, want either delta.ErrCorrupt or delta.ErrBase", err)
			}
		})
	}
}

// TestUnpackPositions: positions outside of the tensor are refused before the base's
// values at them are read.
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
			m := encode(t, delta.Float32, height, 40, keep, tuned, deltatest.Floats(wide))
			var d unpacker
			if _, err := d.unpack(new(packer).tensor(m, wide), wide); err != nil {
				t.Fatal(err)
			}
			// Unpacked for a tensor with fewer rows and columns.
			if _, err := d.unpack(new(packer).tensor(m, wide), b); err == nil {
				t.Errorf("height %d, one in %d: %v", height, oneIn, err)
			}
			// Unpacked for a tensor with fewer rows: the last tile keeps a row after the
			// last.
			rows := wide.Shape[0] - 3
			short := &safetensors.Tensor{DType: safetensors.F32, Shape: []int{rows, 40}, Data: wide.Data[:4*40*rows]}
			if _, err := d.unpack(new(packer).tensor(m, wide), short); err == nil {
				t.Errorf("height %d, one in %d, three rows less: %v", height, oneIn, err)
			}
		}
	}
}

// TestPackedGaps: gaps run through the units that keep something, and gaps that do
// not fit these units are refused.
func TestPackedGaps(t *testing.T) {
	const plain, sign, skip = byte(packedGaps | 2), 4, 255 // int8
	tests := []struct {
		name      string
		kind      byte
		rows      int // of ten columns
		used      []byte
		gaps      []byte
		signs     int
		want      string // part of the error
		positions []int  // row·10 + column
	}{
		{name: "a tile", kind: plain | packedAll, rows: 16, gaps: []byte{0, 17, 140}, positions: []int{0, 21, 159}},
		{name: "two tiles", kind: plain | packedAll, rows: 20, gaps: []byte{0, 158, 0, 15}, positions: []int{0, 159, 160, 161}},
		{name: "the first tile keeps nothing", kind: plain, rows: 20, used: []byte{2}, gaps: []byte{0, 15}, positions: []int{160, 161}},
		{name: "rows", kind: plain | packedRowMajor | packedAll, rows: 2, gaps: []byte{3, 15}, positions: []int{3, 19}},
		{name: "rows that keep nothing", kind: plain | packedRowMajor, rows: 40, used: []byte{2, 128, 0, 0, 129}, gaps: []byte{3, 15, 0, 9},
			positions: []int{13, 159, 320, 390}},
		{name: "a skip", kind: plain | packedAll, rows: 33, gaps: []byte{100, skip, 0, 10}, want: "tile 1: a unit that should keep something keeps nothing"}, // beyond the second tile
		{name: "a skip over a border", kind: plain | packedAll, rows: 32, gaps: []byte{0, skip, 5}, positions: []int{0, 216}},
		{name: "a unit beyond the last", kind: plain, rows: 20, used: []byte{5}, gaps: []byte{0, 159}, want: "gaps in a unit after the last, 1"},
		{name: "no unit", kind: plain, rows: 20, used: []byte{0}, gaps: []byte{0}, want: "gaps, but no unit has any"},
		{name: "no gaps", kind: plain | packedAll, rows: 20, gaps: []byte{}, want: "tile 0: the gaps end before the last unit"},
		{name: "a unit without gaps", kind: plain | packedAll, rows: 20, gaps: []byte{0, 5}, want: "tile 1: the gaps end before the last unit"},
		{name: "a unit that is passed over", kind: plain | packedAll, rows: 40, gaps: []byte{0, skip, 70}, want: "tile 1: a unit that should keep something keeps nothing"},
		{name: "beyond the last unit", kind: plain | packedAll, rows: 16, gaps: []byte{0, 159}, want: "1 bytes of gaps after the last unit"},
		{name: "a skip at the end", kind: plain | packedAll, rows: 32, gaps: []byte{0, 200, skip}, want: "1 bytes of gaps after the last unit"},
		{name: "beyond the last row", kind: plain | packedAll, rows: 15, gaps: []byte{0, 14}, want: "row 15 keeps a value, the last row is 14"},
		{name: "signs", kind: packedGaps | packedAll | sign, rows: 16, gaps: []byte{0, 16, 0, 0, 0, 0, 0, 0, 0, 0}, signs: 10,
			positions: []int{0, 11, 21, 31, 41, 51, 61, 71, 81, 91}},
		{name: "signs past skips", kind: packedGaps | packedAll | sign, rows: 16, gaps: []byte{127, 15, 0}, signs: 2, positions: []int{148, 158}},
		{name: "too few signs", kind: packedGaps | packedAll | sign, rows: 16, gaps: []byte{0, 16, 0, 0, 0, 0, 0, 0, 0, 0}, signs: 9, want: "tile 0: more positions than the 9 signs"},
		{name: "far too few signs", kind: packedGaps | packedAll | sign, rows: 16, gaps: []byte{0, 16, 0, 0, 0, 0, 0, 0, 0, 0}, signs: 1, want: "tile 0: more positions than the 1 signs"},
		{name: "no signs", kind: packedGaps | packedAll | sign, rows: 16, gaps: []byte{0}, signs: 0, want: "tile 0: more positions than the 0 signs"},
		{name: "too many signs", kind: packedGaps | packedAll | sign, rows: 16, gaps: []byte{0, 127, 16}, signs: 3, want: "3 signs for 2 positions"},
		{name: "a sign for a skip", kind: packedGaps | packedAll | sign, rows: 32, signs: 20, want: "20 signs for 19 positions",
			gaps: []byte{0, 1, 2, 3, 4, 127, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{name: "more signs than gaps", kind: packedGaps | packedAll | sign, rows: 16, gaps: []byte{0, 16}, signs: 3, want: "3 signs, at most 2"},
		{name: "above the skip", kind: packedGaps | packedAll | sign, rows: 16, gaps: []byte{0, 128}, signs: 2, want: "tile 0: gap byte 128, at most 127"},
		{name: "above the skip, among others", kind: packedGaps | packedAll | sign, rows: 16, gaps: []byte{0, 0, 128, 0, 0, 0, 0, 0, 0, 0}, signs: 10, want: "tile 0: a gap byte above 127"},
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
				values := make([]byte, len(test.positions)) // cases with an error do not get to the values
				for i := range values {
					values[i] = 1
				}
				data = p.stream(data, values)
			}
			data = appendPlanes(&p, data, []uint32{math.Float32bits(1)})
			var d unpacker
			m, err := d.unpack(data, base)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want %q", err, test.want)
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

// TestWidened compares widened with the reader of checkpoints, for all float16.
func TestWidened(t *testing.T) {
	all := &safetensors.Tensor{DType: safetensors.F16, Shape: []int{1 << 16}, Data: make([]byte, 2<<16)}
	for i := range 1 << 16 {
		all.Data[2*i], all.Data[2*i+1] = byte(i), byte(i>>8)
	}
	for i, want := range deltatest.Floats(all) {
		if got := widened(uint16(i)); got != math.Float32bits(want) {
			t.Fatalf("%#x: %#x, want %#x", i, got, math.Float32bits(want))
		}
	}
}

// FuzzUnpack: the reader of small files does not panic for any bytes, it allocates
// no more than the shape of the base's tensor needs, and its result can be packed
// and unpacked again.
func FuzzUnpack(f *testing.F) {
	for _, coding := range sparse.Codings {
		for _, share := range []float64{0.02, 0.5, 1} {
			fast := example(f, coding, share, 1)
			f.Add(packed(f, fast))
		}
	}
	base := deltatest.Base()
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := safetensors.Parse(data); err == nil && len(c.Metadata()[container.DigestKey]) == len(container.NoDigest) {
			data = deltatest.TakeApart(t, data).Bytes(t)
		}
		s, err := parse(data)
		if err != nil {
			if !errors.Is(err, delta.ErrCorrupt) && !errors.Is(err, safetensors.ErrCorrupt) {
				t.Fatalf("error %v, want delta.ErrCorrupt", err)
			}
			return
		}
		var d, other unpacker
		var p packer
		for i := range s.Tensors {
			x := &s.Tensors[i]
			if x.packed == nil {
				continue
			}
			m, _, err := d.tensor(x, base)
			if err != nil {
				if !errors.Is(err, delta.ErrCorrupt) {
					t.Fatalf("error %v, want delta.ErrCorrupt", err)
				}
				continue
			}
			b := base[x.Name]
			if limit := int64(32*b.Len() + 1000); container.PartBytes(m) > limit || int64(4*cap(d.buffer)) > 4*limit {
				t.Fatalf("%d bytes and a buffer of %d for a tensor of %d values", container.PartBytes(m), cap(d.buffer), b.Len())
			}
			again, err := other.unpack(p.tensor(m, b), b)
			if err != nil {
				t.Fatal(err)
			}
			want, got := container.Parts(m), container.Parts(again)
			for i := range want {
				if got[i].Name != want[i].Name || !bytes.Equal(got[i].Data, want[i].Data) {
					t.Fatalf("part %s differs after packing again", want[i].Name)
				}
			}
		}
	})
}

// TestSpreadBits compares spreadBits and topBits with loops over single bits.
func TestSpreadBits(t *testing.T) {
	for eight := range uint64(256) {
		if got, want := topBits(eight), spreadBits(eight, 0); got != want {
			t.Fatalf("%08b: %#016x, want %#016x", eight, got, want)
		}
		for mask := range 256 {
			var skip, want uint64
			n := 0 // bits used so far
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
