package sparse

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// maskTensor is a tensor of 20 × 2 with three int8 values under masks.
func maskTensor() *Tensor {
	return &Tensor{
		Coding: Int8, Height: TileRows, Columns: 2, Tiles: []uint32{0, 1}, Ends: []uint32{1, 3},
		Mask16: []uint16{1, 0, 2, 8}, Int8s: []int8{1, 2, 3}, Scales: make([]float32, 32),
	}
}

// gapTensor is a tensor of 20 × 40 with three signs between gaps.
func gapTensor() *Tensor {
	return &Tensor{
		Coding: Sign, Height: TileRows, Tiles: []uint32{0, 1}, Ends: []uint32{1, 3},
		Gaps: []byte{9, 1, 15}, GapEnds: []uint32{1, 3}, Scales: []float32{1},
	}
}

// rowTensor is a tensor of 5 × 11 with three signs in two rows.
func rowTensor() *Tensor {
	return &Tensor{
		Coding: Sign, RowMajor: true, Height: 1, Columns: 16, Tiles: []uint32{1, 4}, Ends: []uint32{2, 3},
		Mask8: []byte{3, 0, 0, 4}, Signs: []byte{5}, Scales: []float32{1, 2},
	}
}

// wholeTensor is a tensor of 3 × 5 that keeps all 15 int4 values.
func wholeTensor() *Tensor {
	return &Tensor{Coding: Int4, RowMajor: true, Height: 1, Int4s: make([]byte, 8), Scales: []float32{1, 2, 3}}
}

func TestCheckRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	type refusals map[string]struct {
		spoil func(x *Tensor)
		want  string
	}
	for _, form := range []struct {
		name          string
		valid         func() *Tensor
		rows, columns int
		cases         refusals
	}{
		{"masks", maskTensor, 20, 2, refusals{
			"no coding":                {func(x *Tensor) { x.Coding = "" }, `unknown value coding ""`},
			"one end missing":          {func(x *Tensor) { x.Ends = x.Ends[:1] }, "2 tiles with 1 ends"},
			"one mask missing":         {func(x *Tensor) { x.Mask16 = x.Mask16[:3] }, "3 masks for 2 tiles of 2 columns"},
			"no masks":                 {func(x *Tensor) { x.Mask16 = nil }, "2 tiles without positions"},
			"ends of gaps":             {func(x *Tensor) { x.GapEnds = []uint32{1, 2} }, "2 ends of gaps"},
			"no height":                {func(x *Tensor) { x.Height = 0 }, "tiles of 0 rows"},
			"row-major":                {func(x *Tensor) { x.RowMajor = true }, "row-major true"},
			"another width":            {func(x *Tensor) { x.Columns, x.Mask16 = 3, make([]uint16, 6) }, "keeps 0 positions"},
			"tile after the matrix":    {func(x *Tensor) { x.Tiles[1] = 2 }, "tile 2 begins at row 32 of 20"},
			"largest tile":             {func(x *Tensor) { x.Tiles[1] = math.MaxUint32 }, "tile 4294967295 begins"},
			"a tile twice":             {func(x *Tensor) { x.Tiles[1] = 0 }, "tile 0 after tile 0"},
			"falling tiles":            {func(x *Tensor) { x.Tiles[0], x.Tiles[1] = 1, 0 }, "tile 0 after tile 1"},
			"row after the matrix":     {func(x *Tensor) { x.Mask16[3] = 16 }, "column 1 keeps a value after the last row, 19"},
			"end too high":             {func(x *Tensor) { x.Ends[1] = 4 }, "tile 1 keeps 2 positions, its index has 3 values"},
			"end too low":              {func(x *Tensor) { x.Ends[0] = 0 }, "tile 0 has 0 values"},
			"an empty tile":            {func(x *Tensor) { x.Mask16[0], x.Ends[0], x.Ends[1] = 0, 0, 2 }, "tile 0 has 0 values"},
			"too few values":           {func(x *Tensor) { x.Int8s = x.Int8s[:2] }, "the tiles keep 3 values, there are 2"},
			"too many values":          {func(x *Tensor) { x.Int8s = make([]int8, 4) }, "the tiles keep 3 values, there are 4"},
			"values of another coding": {func(x *Tensor) { x.Float32s = make([]float32, 3) }, "values in f32 in a tensor of int8"},
			"int8 is -128":             {func(x *Tensor) { x.Int8s[1] = -128 }, "value 1 is -128"},
			"too few scales":           {func(x *Tensor) { x.Scales = x.Scales[:31] }, "31 scales for 2 tiles of 16 rows"},
			"no scales":                {func(x *Tensor) { x.Scales = nil }, "0 scales"},
			"scale is NaN":             {func(x *Tensor) { x.Scales[3] = nan }, "scale 3 is NaN"},
			"scales of f32":            {func(x *Tensor) { x.Coding, x.Int8s, x.Float32s = Float32, nil, make([]float32, 3) }, "32 scales in a tensor of f32"},
			"f32 is infinite":          {func(x *Tensor) { x.Coding, x.Int8s, x.Scales, x.Float32s = Float32, nil, nil, []float32{0, 0, inf} }, "value 2 is +Inf"},
			"bf16 is infinite":         {func(x *Tensor) { x.Coding, x.Int8s, x.Scales, x.BFloat16s = BFloat16, nil, nil, []uint16{0, 0x7f80, 0} }, "value 1 is +Inf"},
			"int4 is -8":               {func(x *Tensor) { x.Coding, x.Int8s, x.Int4s = Int4, nil, []byte{0, 8} }, "value 2 or 3 is -8"},
			"bits after the last int4": {func(x *Tensor) { x.Coding, x.Int8s, x.Int4s = Int4, nil, []byte{0, 0x10} }, "bits after the last value"},
			"bits after the last sign": {func(x *Tensor) { x.Coding, x.Int8s, x.Signs = Sign, nil, []byte{8} }, "bits after the last value"},
		}},
		{"gaps", gapTensor, 20, 40, refusals{
			"masks beside gaps":    {func(x *Tensor) { x.Mask16 = make([]uint16, 80) }, "2 forms of positions"},
			"one end missing":      {func(x *Tensor) { x.GapEnds = x.GapEnds[:1] }, "1 ends of gaps"},
			"end after the gaps":   {func(x *Tensor) { x.GapEnds[1] = 4 }, "the gaps end at byte 4 of 3"},
			"end before the gaps'": {func(x *Tensor) { x.GapEnds[1] = 2 }, "the gaps end at byte 2 of 3"},
			"falling ends":         {func(x *Tensor) { x.GapEnds[0], x.GapEnds[1] = 3, 1 }, "end at byte 1, those before at 3"},
			"row after the matrix": {func(x *Tensor) { x.Gaps[2] = 18 }, "column 1 keeps a value after the last row, 19"},
			"column after the last": {func(x *Tensor) {
				x.Gaps, x.GapEnds, x.Ends = bytes.Repeat([]byte{126}, 6), []uint32{1, 6}, []uint32{1, 6}
			}, ""},
			"position after a tile": {func(x *Tensor) {
				x.Gaps, x.GapEnds, x.Ends = bytes.Repeat([]byte{126}, 7), []uint32{1, 7}, []uint32{1, 7}
			}, "position 761 in a tile of 16 rows of 40"},
			"skip at the end":  {func(x *Tensor) { x.Gaps[2] = 127 }, "the tile ends in a skip"},
			"skip with a sign": {func(x *Tensor) { x.Gaps[1] = 255 }, "a skip has a sign"},
			"skip with a sign among others": {func(x *Tensor) {
				x.Gaps = bytes.Repeat([]byte{0}, 20)
				x.Gaps[5], x.GapEnds = 255, []uint32{1, 20}
			}, "a skip has a sign"},
			"end too low":                   {func(x *Tensor) { x.Ends[1] = 2 }, "tile 1 keeps 2 positions, its index has 1 values"},
			"signs beside gaps":             {func(x *Tensor) { x.Signs = []byte{1} }, "values in sign in a tensor of sign"},
			"too few int4 values":           {func(x *Tensor) { x.Coding, x.Int4s = Int4, []byte{1} }, "the tiles keep 3 values, there are 2"},
			"negative scale":                {func(x *Tensor) { x.Scales[0] = -1 }, "scale 0 is -1"},
			"infinite scale":                {func(x *Tensor) { x.Scales[0] = inf }, "scale 0 is +Inf"},
			"a scale too many":              {func(x *Tensor) { x.Scales = make([]float32, 2) }, "2 scales"},
			"row-major, after the last row": {func(x *Tensor) { x.RowMajor, x.Gaps = true, []byte{9, 1, 100, 100}; x.GapEnds[1] = 4; x.Ends[1] = 4 }, "column 3 keeps a value after the last row, 19"},
		}},
		{"one-row masks", rowTensor, 5, 11, refusals{
			"row after the last":    {func(x *Tensor) { x.Tiles[1] = 5 }, "tile 5 begins at row 5 of 5"},
			"column after the last": {func(x *Tensor) { x.Mask8[3] = 8 }, "row 4 keeps a value after its last column, 10"},
			"another width":         {func(x *Tensor) { x.Columns, x.Mask8 = 17, []byte{3, 0, 0, 0, 4, 0} }, "a mask of 17 columns, the base's row has 11"},
		}},
		{"whole", wholeTensor, 3, 5, refusals{
			"positions":                 {func(x *Tensor) { x.Gaps = []byte{1} }, "positions without tiles"},
			"no values":                 {func(x *Tensor) { x.Int4s = nil }, "no values"},
			"too many values":           {func(x *Tensor) { x.Int4s = make([]byte, 9) }, "18 values for all of 15"},
			"too few scales":            {func(x *Tensor) { x.Scales = x.Scales[:2] }, "2 scales for 3 rows"},
			"bits after the last value": {func(x *Tensor) { x.Int4s[7] = 0x10 }, "bits after the last value"},
		}},
	} {
		if err := form.valid().Check(form.rows, form.columns); err != nil {
			t.Fatalf("%s: %v", form.name, err)
		}
		for name, c := range form.cases {
			t.Run(form.name+"/"+name, func(t *testing.T) {
				x := form.valid()
				c.spoil(x)
				before := *x
				err := x.Check(form.rows, form.columns)
				if !errors.Is(err, errInvalid) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want %q", err, c.want)
				}
				if x.checked || x.Columns != before.Columns {
					t.Error("a refused tensor was settled")
				}
			})
		}
	}
}

// TestCheckSettles: Check settles the columns and the number of values, and a
// checked tensor is for one shape.
func TestCheckSettles(t *testing.T) {
	for name, c := range map[string]struct {
		tensor              *Tensor
		rows, columns, kept int
	}{
		"masks":         {maskTensor(), 20, 2, 3},
		"gaps":          {gapTensor(), 20, 40, 3},
		"one-row masks": {rowTensor(), 5, 11, 3},
		"whole":         {wholeTensor(), 3, 5, 15},
		"nothing":       {&Tensor{Coding: Sign, Height: TileRows, Tiles: []uint32{}, Gaps: []byte{}, Scales: []float32{1}}, 3, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if c.tensor.CheckedFor(c.rows, c.columns) {
				t.Error("checked before Check")
			}
			for range 2 {
				if err := c.tensor.Check(c.rows, c.columns); err != nil {
					t.Fatal(err)
				}
			}
			if !c.tensor.CheckedFor(c.rows, c.columns) || c.tensor.CheckedFor(c.rows+1, c.columns) {
				t.Error("checked for another shape")
			}
			if err := c.tensor.Check(c.rows+1, c.columns); !errors.Is(err, errInvalid) {
				t.Errorf("checked for a second shape: %v", err)
			}
			kept := 0
			c.tensor.Keeps(func(row, column int) {
				kept++
				if row < 0 || row >= c.rows || column < 0 || column >= c.columns {
					t.Errorf("keeps row %d, column %d of %d × %d", row, column, c.rows, c.columns)
				}
			})
			if kept != c.kept || c.tensor.Kept() != c.kept || c.tensor.Columns != c.columns {
				t.Errorf("keeps %d values, says %d in rows of %d, want %d in rows of %d", kept, c.tensor.Kept(), c.tensor.Columns, c.kept, c.columns)
			}
		})
	}
}

// TestScan compares Scan with a scan byte by byte.
func TestScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.SampledFrom([]GapCode{PlainGaps, SignGaps}).Draw(t, "code")
		gap := rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte{0, 126, 127, 128, 254, 255}))
		gaps := rapid.SliceOfN(gap, 0, 40).Draw(t, "gaps")
		last, kept, valid := -1, 0, true
		for i, b := range gaps {
			low := b & code.Low
			last += int(low)
			if low == code.Skip {
				valid = valid && b == low && i < len(gaps)-1
				continue
			}
			last++
			kept++
		}
		gotKept, gotLast, err := code.Scan(gaps)
		if (err == nil) != valid || valid && (gotKept != kept || gotLast != last) {
			t.Fatalf("%d positions up to %d, error %v; want %d up to %d, valid %v", gotKept, gotLast, err, kept, last, valid)
		}
	})
}

// TestCheckSurvivesAnything: whatever the fields hold, Check answers without a
// panic, and after it has accepted a tensor its methods stay in bounds.
func TestCheckSurvivesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, columns := rapid.IntRange(0, 40).Draw(t, "rows"), rapid.IntRange(0, 4).Draw(t, "columns")
		x := &Tensor{
			Coding:   rapid.SampledFrom(Codings[:]).Draw(t, "coding"),
			RowMajor: rapid.Bool().Draw(t, "row-major"),
			Height:   rapid.SampledFrom([]int{1, 16}).Draw(t, "height"),
			Columns:  columns,
		}
		T := rapid.IntRange(0, 3).Draw(t, "tiles")
		words := rapid.SliceOfN(rapid.Uint32Range(0, 4), T, T)
		if rapid.Bool().Draw(t, "with positions") {
			x.Tiles, x.Ends = words.Draw(t, "indices"), words.Draw(t, "ends")
		}
		switch rapid.IntRange(0, 3).Draw(t, "form") {
		case 0:
			x.Gaps = rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "gaps")
			x.GapEnds = words.Draw(t, "gap ends")
		case 1:
			x.Mask16 = rapid.SliceOfN(rapid.Uint16Range(0, 7), T*columns, T*columns).Draw(t, "masks")
		case 2:
			n := T * ((columns + 7) / 8)
			x.Mask8 = rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "masks")
		}
		n := rapid.IntRange(0, 6).Draw(t, "values")
		switch x.Coding {
		case Float32:
			x.Float32s = rapid.SliceOfN(rapid.Float32(), n, n).Draw(t, "f32")
		case BFloat16:
			x.BFloat16s = rapid.SliceOfN(rapid.Uint16(), n, n).Draw(t, "bf16")
		case Int8:
			x.Int8s = rapid.SliceOfN(rapid.Int8(), n, n).Draw(t, "int8")
		case Int4:
			x.Int4s = rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "int4")
		default:
			x.Signs = rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "signs")
		}
		x.Scales = slices.Repeat([]float32{0.5}, rapid.SampledFrom([]int{0, 1, 2, 3, 16, 32, 48}).Draw(t, "scales"))
		if err := x.Check(rows, columns); err != nil {
			if !errors.Is(err, errInvalid) {
				t.Fatal(err)
			}
			return
		}
		together, alone := make([]float32, rows*columns), make([]float32, rows*columns)
		x.PatchRows(0, together)
		for r := range rows {
			x.PatchRow(r, alone[r*columns:][:columns])
		}
		if !slices.Equal(together, alone) {
			t.Fatal("PatchRow and PatchRows differ")
		}
	})
}
