package delta

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"kenserve/delta/internal/container"
	"kenserve/delta/internal/deltatest"
	"kenserve/safetensors"
)

// TestCodedRefusals opens files whose coded head is wrong.
func TestCodedRefusals(t *testing.T) {
	floats := func(x ...float32) []byte { return safetensors.Bytes(x) }
	numbers := func(x ...uint32) []byte { return safetensors.Bytes(x) }
	type part = container.Part
	of := func(name string, dtype safetensors.DType, n int, data []byte) part {
		return part{Name: name, DType: dtype, Shape: []int{n}, Data: data}
	}
	values := of("int8", safetensors.I8, 6, []byte{1, 2, 3, 4, 5, 6})
	scales := of("scales", safetensors.F32, 1, floats(0.5))
	shape := of("shape", safetensors.U32, 2, numbers(2, 3))
	for _, test := range []struct {
		name  string
		parts []part
		err   string // empty: none
	}{
		{"right", []part{values, scales, shape}, ""},
		{"too many values", []part{values, scales, of("shape", safetensors.U32, 2, numbers(1, 3))}, "values"},
		{"too few values", []part{values, scales, of("shape", safetensors.U32, 2, numbers(4, 3))}, "values"},
		{"huge", []part{values, scales, of("shape", safetensors.U32, 3, numbers(1<<31, 1<<31, 4))}, "at most"},
		{"a dimension of 0", []part{values, scales, of("shape", safetensors.U32, 2, numbers(0, 3))}, "above 0"},
		{"no dimension", []part{values, scales, of("shape", safetensors.U32, 0, nil)}, "empty shape"},
		{"a shape of bytes", []part{values, scales, of("shape", safetensors.U8, 2, []byte{2, 3})}, "want U32"},
		{"no values", []part{scales, shape}, "no part has values"},
		{"no scales", []part{values, shape}, "scales is missing"},
		{"infinite", []part{of("int8", safetensors.I8, 1, []byte{127}), of("scales", safetensors.F32, 1, floats(3e38)), of("shape", safetensors.U32, 1, numbers(1))}, "is +Inf"},
		{"exact values", []part{of("f32", safetensors.F32, 1, floats(1)), of("shape", safetensors.U32, 1, numbers(1))}, "want a dense tensor"},
	} {
		path := filepath.Join(t.TempDir(), "t.ken")
		w, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range test.parts {
			if err := w.file.Add("head#"+p.Name, p.DType, p.Shape, p.Data); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Finish(testInfo(Int8)); err != nil {
			t.Fatal(err)
		}
		d, err := Open(path)
		if test.err != "" {
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v, want one with %q", test.name, err, test.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		base := deltatest.Base()
		if err := d.Check(base, Fingerprint(base)); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		// A tensor of the base has its shape from there.
		d.Tensors[0].Name = base.Names()[0]
		if err := d.Check(base, Fingerprint(base)); err == nil {
			t.Errorf("%s: a tensor of the base with a shape of its own is accepted", test.name)
		}
	}
}
