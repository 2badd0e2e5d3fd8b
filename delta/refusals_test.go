package delta

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"kenserve/delta/internal/container"
	"kenserve/delta/internal/deltatest"
	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

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
	meta := func(key, value string) func(*deltatest.File) {
		return func(f *deltatest.File) { f.Metadata[key] = value }
	}
	tests := []struct {
		name   string
		share  float64 // of kept values; 0.5 gives bitmaps, 0.02 gaps, and 1 no positions for the tensor bias
		coding Coding
		damage func(f *deltatest.File)
		want   string // part of the error
	}{
		{"another format", 0.5, Sign, meta("format", "pt"), `metadata: format "pt", want "kenserve-delta"`},
		{"unknown version", 0.5, Sign, meta("version", "3"), `metadata: version "3", this program reads "1" and "2"`},
		{"no version", 0.5, Sign, func(f *deltatest.File) { delete(f.Metadata, "version") }, `metadata: version "", this program reads "1"`},
		{"unknown layout", 0.5, Sign, meta("layout", "small"), `another layout: "small", want "fast"`},
		{"unknown flag", 0.5, Sign, meta("flags", "zstd"), `metadata: flags are "zstd"`},
		{"unknown coding", 0.5, Sign, meta("coding", "f64"), `metadata: coding: unknown value coding "f64", want one of [f32 bf16 int8 int4 sign]`},
		{"unknown key", 0.5, Sign, meta("colour", "red"), "metadata: colour: unknown key"},
		{"labels are no array", 0.5, Sign, meta("labels", `{"0":"a"}`), "metadata: labels: not a JSON array of strings"},
		{"labels are numbers", 0.5, Sign, meta("labels", `[1]`), "metadata: labels: not a JSON array of strings"},
		{"labels hold null", 0.5, Sign, meta("labels", `["a",null]`), "metadata: labels: not a JSON array of strings"},
		{"k is zero", 0.5, Sign, meta("k", "0"), "metadata: k: 0 is not positive"},
		{"k is text", 0.5, Sign, meta("k", "many"), `metadata: k: strconv.Atoi: parsing "many": invalid syntax`},
		{"keep is NaN", 0.5, Sign, meta("keep", "NaN"), "metadata: keep: NaN is not in (0, 1]"},
		{"keep above one", 0.5, Sign, meta("keep", "1.5"), "metadata: keep: 1.5 is not in (0, 1]"},
		{"unknown budget", 0.5, Sign, meta("budget", "year"), `metadata: budget: "year" is not row, tensor or model`},
		{"factor is negative", 0.5, Sign, meta("factor", "-1"), "metadata: factor: -1 is not positive and finite"},
		{"factors are no object", 0.5, Sign, meta("factors", "[1]"), "metadata: factors: not a JSON object of numbers"},
		{"head is another word", 0.5, Sign, meta("head", "true"), `metadata: head: "true" is not fitted`},
		{"factors are null", 0.5, Sign, meta("factors", "null"), "metadata: factors: not a JSON object of numbers"},
		{"factors are more", 0.5, Sign, meta("factors", `{"a":1} {}`), "metadata: factors: not a JSON object of numbers"},
		{"one of factors is 0", 0.5, Sign, meta("factors", `{"a":1,"b":0}`), `metadata: factors: 0 for "b" is not positive and finite`},
		{"factor is infinite", 0.5, Sign, meta("factor", "Inf"), "metadata: factor: Inf is not positive and finite"},
		{"temperature is 0", 0.5, Sign, meta("temperature", "0"), "metadata: temperature: 0 is not positive and finite"},
		{"thresholds are no array", 0.5, Sign, meta("thresholds", "0.5"), "metadata: thresholds: not a JSON array of numbers"},
		{"a threshold is 1", 0.5, Sign, meta("thresholds", "[0.5,1]"), "metadata: thresholds: entry 1 is not a number between 0 and 1"},
		{"a threshold is null", 0.5, Sign, meta("thresholds", "[null]"), "metadata: thresholds: entry 0 is not a number between 0 and 1"},
		{"too many thresholds", 0.5, Sign, meta("thresholds", "[0.5,0.5,0.5,0.5,0.5,0.5,0.5]"), "metadata: thresholds: 7 numbers for"},
		{"recipe is no object", 0.5, Sign, meta("recipe", "[]"), "metadata: recipe: not a JSON object"},
		{"unknown second coding", 0.5, Sign, meta("vector_coding", "f64"), `metadata: vector_coding: unknown value coding "f64", want one of [f32 bf16 int8 int4 sign]`},
		{"unknown scope", 0.5, Sign, meta("scope", "some"), `metadata: scope: "some" is neither all nor attention`},
		{"unknown task kind", 0.5, Sign, meta("problem_type", "translation"), `metadata: problem_type: unknown problem_type "translation"`},
		{"config is no object", 0.5, Sign, meta("config", "[]"), "metadata: config: not a JSON object"},
		{"fingerprint too short", 0.5, Sign, meta("base_sha256", "abc"), `metadata: base_sha256: "abc" is not a digest of 32 bytes in lower-case hexadecimal`},
		{"fingerprint missing", 0.5, Sign, func(f *deltatest.File) { delete(f.Metadata, "base_sha256") }, "metadata: base_sha256 is missing"},
		{"digest missing", 0.5, Sign, func(f *deltatest.File) { delete(f.Metadata, "sha256") }, "metadata: sha256 is missing"},
		{"padding missing", 0.5, Sign, func(f *deltatest.File) { f.Remove("#pad") }, "padding: the last tensor must be #pad"},
		{"padding not zero", 0.5, Sign, func(f *deltatest.File) { f.Tensor("#pad").Data[63] = 1 }, "padding: #pad must be 64 zero bytes"},
		{"no tensors", 0.5, Sign, func(f *deltatest.File) { f.Tensors = nil }, "padding: the last tensor must be #pad"},
		{"unknown part", 0.5, Sign, func(f *deltatest.File) {
			f.Insert(safetensors.Tensor{Name: "matrix#extra", DType: safetensors.U8, Shape: []int{0}})
		}, `unknown part "extra"`},
		{"part of nothing", 0.5, Sign, func(f *deltatest.File) { f.Tensor("matrix#tiles").Name = "elsewhere#tiles" }, "tensor elsewhere: no part has values"},
		{"tiles missing", 0.5, Sign, func(f *deltatest.File) { f.Remove("matrix#tiles") }, "0 of the parts tiles and rows, and 1 of mask, gaps and steps, want one of each or none"},
		{"mask missing", 0.5, Sign, func(f *deltatest.File) { f.Remove("words#mask") }, "1 of the parts tiles and rows, and 0 of mask, gaps and steps, want one of each or none"},
		{"scales missing", 0.5, Sign, func(f *deltatest.File) { f.Remove("matrix#scales") }, "part scales is missing, coding sign needs it"},
		{"scales without need", 0.5, Float32, func(f *deltatest.File) {
			f.Insert(safetensors.Tensor{Name: "matrix#scales", DType: safetensors.F32, Shape: []int{0}})
		}, "part scales with coding f32, which has none"},
		{"dense and masked", 0.5, Sign, func(f *deltatest.File) {
			f.Insert(safetensors.Tensor{Name: "matrix", DType: safetensors.F32, Shape: []int{0}})
		}, "both dense and masked"},
		{"tiles of another type", 0.5, Sign, func(f *deltatest.File) { f.Tensor("matrix#tiles").DType = safetensors.F32 }, "index of tiles: F32, want U32"},
		{"mask of another type", 0.5, Sign, func(f *deltatest.File) { f.Tensor("matrix#mask").DType = safetensors.I16 }, "mask: I16, want U16"},
		{"values of another coding", 0.5, Sign, meta("coding", "int8"), "values in sign, the metadata says int8"},
		{"values of another type", 0.5, Sign, func(f *deltatest.File) { f.Tensor("matrix#sign").DType = safetensors.I8 }, "matrix#sign: I8, want U8"},
		{"values of two codings", 0.5, Sign, func(f *deltatest.File) {
			f.Insert(safetensors.Tensor{Name: "matrix#int8", DType: safetensors.I8, Shape: []int{0}})
		}, "it has parts of two codings, int8 and sign; want one"},
		{"gaps and bitmap", 0.02, Int8, func(f *deltatest.File) {
			f.Insert(safetensors.Tensor{Name: "matrix#mask", DType: safetensors.U16, Shape: []int{0, 13}})
		}, "1 of the parts tiles and rows, and 2 of mask, gaps and steps, want one of each or none"},
		{"gaps without an index", 0.02, Int8, func(f *deltatest.File) { f.Remove("matrix#tiles") }, "0 of the parts tiles and rows, and 1 of mask, gaps and steps, want one of each or none"},
		{"indices in both orders", 0.02, Int8, func(f *deltatest.File) {
			f.Insert(safetensors.Tensor{Name: "matrix#rows", DType: safetensors.U32, Shape: []int{3, 0}})
		}, "2 of the parts tiles and rows, and 1 of mask, gaps and steps, want one of each or none"},
		{"gaps where steps belong", 0.02, Sign, func(f *deltatest.File) { f.Tensor("matrix#steps").Name = "matrix#gaps" }, "no part has values"},
		{"steps and signs", 0.02, Sign, func(f *deltatest.File) {
			f.Insert(safetensors.Tensor{Name: "matrix#sign", DType: safetensors.U8, Shape: []int{0}})
		}, "it has parts of two codings, sign and steps; want one"},
		{"steps beside another coding", 0.02, Int8, func(f *deltatest.File) { f.Tensor("matrix#gaps").Name = "matrix#steps" }, "it has parts of two codings, int8 and steps; want one"},
		{"f32 without positions", 0.5, Float32, func(f *deltatest.File) { f.Remove("matrix#tiles"); f.Remove("matrix#mask") }, "values in f32 without positions, want a dense tensor"},
		{"gaps of another type", 0.02, Int8, func(f *deltatest.File) { f.Tensor("matrix#gaps").DType = safetensors.I8 }, "matrix#gaps: I8, want U8"},
		{"gaps of two dimensions", 0.02, Int8, func(f *deltatest.File) { x := f.Tensor("matrix#gaps"); x.Shape = []int{1, x.Len()} }, "matrix#gaps: shape [1 6], want one dimension"},
		{"gaps with the index of a bitmap", 0.02, Int8, func(f *deltatest.File) {
			x := f.Tensor("wide#tiles")
			x.Shape[0], x.Data = 2, x.Data[:2*4*x.Shape[1]]
		}, "index of tiles: shape [2 3], want [3, T] with T above 0"},
		{"gaps of a tile end before they begin", 0.02, Int8, func(f *deltatest.File) {
			put32(f.Tensor("wide#tiles"), 7, get32(f.Tensor("wide#tiles"), 6))
		}, "the gaps of tile 1 end at byte 83, those before at 83"},
		{"gaps end before the end", 0.02, Int8, func(f *deltatest.File) {
			x := f.Tensor("wide#gaps")
			x.Shape, x.Data = []int{x.Len() + 1}, append(bytes.Clone(x.Data), 0)
		}, "the gaps end at byte 190 of 191"},
		{"gaps end beyond the end", 0.02, Int8, func(f *deltatest.File) {
			x := f.Tensor("wide#gaps")
			x.Shape, x.Data = []int{x.Len() - 1}, x.Data[:x.Len()-1]
		}, "the gaps end at byte 190 of 189"},
		{"a gap more than values", 0.02, Int8, func(f *deltatest.File) {
			x := f.Tensor("wide#tiles")
			put32(x, 6, get32(x, 6)+1) // a byte of the second tile goes to the first
		}, "tile 0 keeps 81 positions, its index has 80 values"},
		{"a skip in place of a gap", 0.02, Int8, func(f *deltatest.File) { f.Tensor("wide#gaps").Data[1] = 255 }, "tile 0 keeps 79 positions, its index has 80 values"},
		{"a tile ends in a skip", 0.02, Int8, func(f *deltatest.File) {
			f.Tensor("wide#gaps").Data[get32(f.Tensor("wide#tiles"), 6)-1] = 255
		}, "tile 0: the tile ends in a skip"},
		{"a step ends in a skip", 0.02, Sign, func(f *deltatest.File) {
			f.Tensor("wide#steps").Data[get32(f.Tensor("wide#tiles"), 6)-1] = 127
		}, "tile 0: the tile ends in a skip"},
		{"a skip with a sign", 0.02, Sign, func(f *deltatest.File) { f.Tensor("wide#steps").Data[0] = 255 }, "tile 0: a skip has a sign"},
		{"no values without positions", 1, Int8, func(f *deltatest.File) { x := f.Tensor("bias#int8"); x.Shape, x.Data = []int{0}, nil }, "no values"},
		{"bfloat16 is infinite", 0.5, BFloat16, func(f *deltatest.File) { copy(f.Tensor("matrix#bf16").Data[2:], []byte{0x80, 0xff}) }, "value 1 is -Inf"},
		{"int4 is -8, lower half", 0.5, Int4, func(f *deltatest.File) { f.Tensor("matrix#int4").Data[3] = 0x18 }, "value 6 or 7 is -8, want at least -7"},
		{"int4 is -8, upper half", 0.5, Int4, func(f *deltatest.File) { f.Tensor("matrix#int4").Data[3] = 0x81 }, "value 6 or 7 is -8, want at least -7"},
		{"an int4 too many", 0.5, Int4, func(f *deltatest.File) {
			for _, name := range []string{"matrix", "wide", "table", "words"} {
				index := "#tiles"
				if f.Find(name+index) == nil {
					index = "#rows"
				}
				x := f.Tensor(name + index)
				if n := int(get32(x, 2*x.Shape[1]-1)); n%2 == 1 {
					f.Tensor(name + "#int4").Data[n/2] |= 0x10
					return
				}
			}
			panic("the example has no spare half")
		}, "bits after the last value are not 0"},
		{"scales of another type", 0.5, Sign, func(f *deltatest.File) { f.Tensor("matrix#scales").DType = safetensors.U32 }, "scales: U32, want F32"},
		{"head in float64", 0.5, Sign, func(f *deltatest.File) {
			h := f.Tensor("classifier.weight")
			h.DType, h.Shape = safetensors.F64, []int{3}
		}, "dense in F64, want F32, F16, BF16 or integers"},
		{"tiles of one dimension", 0.5, Sign, func(f *deltatest.File) { x := f.Tensor("matrix#tiles"); x.Shape = []int{x.Len()} }, "index of tiles: shape [6], want [2, T] with T above 0"},
		{"mask of one dimension", 0.5, Sign, func(f *deltatest.File) { x := f.Tensor("matrix#mask"); x.Shape = []int{x.Len()} }, "mask: shape [39] for 3 tiles, want [3, width] with width above 0"},
		{"mask for fewer tiles", 0.5, Sign, func(f *deltatest.File) { x := f.Tensor("matrix#mask"); x.Shape = []int{1, x.Len()} }, "mask: shape [1 39] for 3 tiles, want [3, width] with width above 0"},
		{"scales for other rows", 0.5, Sign, func(f *deltatest.File) { x := f.Tensor("wide#scales"); x.Shape = []int{x.Len(), 1} }, "scales: shape [48 1], want [1] or [3, 16]"},
		{"no tiles at all", 0.5, Float32, func(f *deltatest.File) {
			x := f.Tensor("vector#f32")
			x.Shape, x.Data = []int{0}, nil
			x = f.Tensor("vector#rows")
			x.Shape, x.Data = []int{2, 0}, nil
			x = f.Tensor("vector#mask")
			x.Shape, x.Data = []int{0, 2}, nil
		}, "index of tiles: shape [2 0], want [2, T] with T above 0"},
		{"tiles fall", 0.5, Sign, func(f *deltatest.File) { put32(f.Tensor("words#rows"), 1, get32(f.Tensor("words#rows"), 0)) }, "tile 0 after tile 0"},
		{"ends fall", 0.5, Sign, func(f *deltatest.File) { x := f.Tensor("words#rows"); put32(x, x.Shape[1]+1, 0) }, "tile 1 has -134 values"},
		{"a tile keeps more than it holds", 0.5, Sign, func(f *deltatest.File) { put32(f.Tensor("vector#rows"), 1, 1<<31) }, "tile 0 keeps 4 positions, its index has 2147483648 values"},
		{"mask has one value more", 0.5, Sign, func(f *deltatest.File) {
			x := f.Tensor("matrix#mask")
			for i := range x.Data {
				if x.Data[i] != 0xff {
					x.Data[i] = 0xff
					return
				}
			}
		}, "tile 0 keeps 77 positions, its index has 73 values"},
		{"fewer values than kept", 0.5, Float32, func(f *deltatest.File) {
			x := f.Tensor("matrix#f32")
			x.Shape, x.Data = []int{x.Len() - 1}, x.Data[4:]
		}, "the tiles keep 159 values, there are 158"},
		{"more signs than kept", 0.5, Sign, func(f *deltatest.File) {
			x := f.Tensor("matrix#sign")
			x.Shape, x.Data = []int{x.Len() + 1}, append(bytes.Clone(x.Data), 0)
		}, "the tiles keep 159 values, there are 168"},
		{"a sign too many in the last byte", 0.5, Sign, func(f *deltatest.File) {
			x := f.Tensor("matrix#sign")
			n := int(get32(f.Tensor("matrix#tiles"), f.Tensor("matrix#tiles").Len()-1))
			if n%8 == 0 {
				panic("the example has no spare bits")
			}
			x.Data[n/8] |= 0x80
		}, "bits after the last value are not 0"},
		{"value is NaN", 0.5, Float32, func(f *deltatest.File) { put32(f.Tensor("matrix#f32"), 3, nan) }, "value 3 is NaN"},
		{"value is infinite", 0.5, Float32, func(f *deltatest.File) { put32(f.Tensor("matrix#f32"), 0, inf) }, "value 0 is +Inf"},
		{"value is -128", 0.5, Int8, func(f *deltatest.File) { f.Tensor("matrix#int8").Data[2] = 0x80 }, "value 2 is -128, want at least -127"},
		{"scale is NaN", 0.5, Int8, func(f *deltatest.File) { put32(f.Tensor("wide#scales"), 1, nan) }, "scale 1 is NaN"},
		{"scale is infinite", 0.5, Sign, func(f *deltatest.File) { put32(f.Tensor("words#scales"), 1, inf) }, "scale 1 is +Inf"},
		{"scale is negative", 0.5, Sign, func(f *deltatest.File) { put32(f.Tensor("table#scales"), 0, math.Float32bits(-1)) }, "scale 0 is -1"},
		{"head is NaN", 0.5, Sign, func(f *deltatest.File) { put32(f.Tensor("classifier.weight"), 5, nan) }, "element 5 is NaN"},

		// These are refused by Check, which knows the base.
		{"another base", 0.5, Sign, meta("base_sha256", container.NoDigest), "delta of another base: made for 0"},
		{"masked tensor the base lacks", 0.5, Sign, func(f *deltatest.File) {
			for i := range f.Tensors {
				if name, ok := bytes.CutPrefix([]byte(f.Tensors[i].Name), []byte("matrix#")); ok {
					f.Tensors[i].Name = "novel#" + string(name)
				}
			}
		}, "masked, but the base has no such tensor"},
		{"mask on integers", 0.5, Sign, func(f *deltatest.File) {
			for i := range f.Tensors {
				if name, ok := bytes.CutPrefix([]byte(f.Tensors[i].Name), []byte("vector#")); ok {
					f.Tensors[i].Name = "ids#" + string(name)
				}
			}
		}, "masked, but the base's is I64: only F32, F16 and BF16 can be masked"},
		{"mask narrower than the base", 0.5, Float32, func(f *deltatest.File) {
			for i := range f.Tensors {
				if name, ok := bytes.CutPrefix([]byte(f.Tensors[i].Name), []byte("matrix#")); ok {
					f.Tensors[i].Name = "other#" + string(name)
				}
			}
		}, "a mask of 13 columns, the base's row has 4"},
		{"mask wider than the base", 0.5, Float32, func(f *deltatest.File) {
			for i := range f.Tensors {
				if name, ok := bytes.CutPrefix([]byte(f.Tensors[i].Name), []byte("words#")); ok {
					f.Tensors[i].Name = "other#" + string(name)
				}
			}
		}, "a mask of 304 columns, the base's row has 4"},
		{"dense tensor of another shape", 0.5, Sign, func(f *deltatest.File) { f.Tensor("classifier.weight").Name = "other" }, "shape [2 3], the base's is [4]"},
		{"dense tensor of the base in integers", 0.5, Sign, func(f *deltatest.File) {
			h := f.Tensor("classifier.weight")
			h.Name, h.DType, h.Shape, h.Data = "other", safetensors.U32, []int{4}, h.Data[:16]
		}, "dense in U32, a dense tensor of the base must be F32"},
		{"tile beyond the last row", 0.5, Sign, func(f *deltatest.File) { put32(f.Tensor("matrix#tiles"), 2, 3) }, "tile 3 begins at row 48 of 37"},
		{"tile of gaps beyond the last row", 0.02, Sign, func(f *deltatest.File) { put32(f.Tensor("wide#tiles"), 2, 3) }, "tile 3 begins at row 48 of 37"},
		{"gap beyond the tile", 0.02, Int8, func(f *deltatest.File) {
			f.Tensor("matrix#gaps").Data[get32(f.Tensor("matrix#tiles"), 4)-1] = 16 * 13
		}, "position 208 in a tile of 16 rows of 13"},
		{"gap beyond the tile in row order", 0.5, Sign, func(f *deltatest.File) {
			x := f.Tensor("table#steps")
			x.Data[len(x.Data)-2], x.Data[len(x.Data)-1] = 126, 126
		}, "position 433 in a tile of 16 rows of 21"},
		{"gap beyond the last row", 0.02, Int8, func(f *deltatest.File) {
			x := f.Tensor("wide#gaps") // the last tile has 5 rows
			x.Data[len(x.Data)-1] += 5
		}, "column 284 keeps a value after the last row, 36"},
		{"gap beyond the last row in row order", 0.5, Int8, func(f *deltatest.File) {
			x := f.Tensor("table#gaps") // one tile with 9 rows; the last row keeps a value
			x.Data[len(x.Data)-1] += 21
		}, "column 20 keeps a value after the last row, 8"},
		{"too few values without positions", 1, BFloat16, func(f *deltatest.File) {
			x := f.Tensor("bias#bf16")
			x.Shape, x.Data = []int{x.Len() - 1}, x.Data[2:]
		}, "42 values for all of 43"},
		{"too many values without positions", 1, Sign, func(f *deltatest.File) {
			x := f.Tensor("bias#sign")
			x.Shape, x.Data = []int{x.Len() + 1}, append(bytes.Clone(x.Data), 0)
		}, "56 values for all of 43"},
		{"a sign too many without positions", 1, Sign, func(f *deltatest.File) { x := f.Tensor("bias#sign"); x.Data[43/8] |= 1 << (43 % 8) }, "bits after the last value are not 0"},
		{"an int4 too many without positions", 1, Int4, func(f *deltatest.File) { f.Tensor("bias#int4").Data[43/2] |= 0x10 }, "bits after the last value are not 0"},
		{"scales for other rows without positions", 1, Sign, func(f *deltatest.File) {
			x := f.Tensor("bias#scales")
			x.Shape, x.Data = []int{2, 1}, append(bytes.Clone(x.Data), x.Data...)
		}, "2 scales for 1 rows"},
		{"row beyond the last row", 0.5, Sign, func(f *deltatest.File) {
			x := f.Tensor("matrix#mask") // tile 2 has rows 32 to 36: move row 0's bit to row 15
			v, _ := safetensors.View[uint16](x)
			for i := 2 * 13; i < len(v); i++ {
				if v[i]&1 == 1 {
					v[i] ^= 1<<15 | 1
					copy(x.Data, safetensors.Bytes(v))
					return
				}
			}
		}, "column 2 keeps a value after the last row, 36"},
		{"column beyond the row", 0.5, Sign, func(f *deltatest.File) {
			x := f.Tensor("vector#mask") // 11 columns: move a kept one to column 15
			x.Data[0] &= x.Data[0] - 1
			x.Data[1] |= 0x80
		}, "row 0 keeps a value after its last column, 10"},
	}
	type kind struct {
		coding Coding
		share  float64
	}
	files := map[kind][]byte{}
	for _, coding := range sparse.Codings {
		for _, share := range []float64{0.02, 0.5, 1} {
			files[kind{coding, share}], _ = example(t, coding, share, 3)
		}
	}
	base := deltatest.Base()
	fingerprint := Fingerprint(base)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := deltatest.TakeApart(t, files[kind{test.coding, test.share}])
			test.damage(f)
			d, err := parse(f.Bytes(t))
			if err == nil {
				err = d.Check(base, fingerprint)
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want %q", err, test.want)
			}
			if errors.Is(err, ErrCorrupt) == errors.Is(err, ErrBase) {
				t.Errorf("error %v, want either ErrCorrupt or ErrBase", err)
			}
		})
	}
}

// TestDigest: a file with any one byte changed is refused.
func TestDigest(t *testing.T) {
	data, _ := example(t, Sign, 0.3, 5)
	if _, err := parse(data); err != nil {
		t.Fatal(err)
	}
	header := len(data) - 1
	for i := range data {
		damaged := bytes.Clone(data)
		damaged[i] ^= 1
		_, err := parse(damaged)
		if err == nil {
			t.Fatalf("byte %d of %d is changed, and the file is accepted", i, header)
		}
	}
	data[len(data)-container.PadBytes-1] ^= 1 // the last value, which only the digest protects
	if _, err := parse(data); !errors.Is(err, ErrDigest) || !errors.Is(err, ErrCorrupt) {
		t.Fatalf("error %v, want %v", err, ErrDigest)
	}
}
