package pack_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"kenserve/delta"
	"kenserve/delta/internal/deltatest"
	"kenserve/delta/pack"
	"kenserve/safetensors"
)

// TestCodedHead writes heads in every coding, reads them, and packs and unpacks the file.
func TestCodedHead(t *testing.T) {
	base := deltatest.Base()
	fingerprint := delta.Fingerprint(base)
	for _, coding := range []delta.Coding{delta.Float32, delta.BFloat16, delta.Int8, delta.Int4, delta.Sign} {
		for _, shape := range [][]int{{5, 7}, {3, 65}, {3, 64, 2}, {9}} {
			t.Run(fmt.Sprint(coding, shape), func(t *testing.T) {
				n := 1
				for _, d := range shape {
					n *= d
				}
				rng := rand.New(rand.NewPCG(1, uint64(n)))
				values := make([]float32, n)
				rows := make([]int32, n)
				columns := shape[len(shape)-1]
				for i := range values {
					values[i], rows[i] = float32(rng.NormFloat64()), int32(i/columns)
				}
				path := filepath.Join(t.TempDir(), "t.ken")
				w, err := delta.Create(path)
				if err != nil {
					t.Fatal(err)
				}
				defer w.Abort()
				if err := w.Coded(&safetensors.Tensor{Name: "head.weight", DType: safetensors.F32, Shape: shape, Data: safetensors.Bytes(values)}, coding); err != nil {
					t.Fatal(err)
				}
				if err := w.Finish(delta.Info{BaseSHA256: fingerprint, Selection: "none", Coding: delta.Int8, Producer: "test"}); err != nil {
					t.Fatal(err)
				}
				d, err := delta.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				defer d.Close()
				if err := d.Check(base, fingerprint); err != nil {
					t.Fatal(err)
				}
				tensor, _ := d.Tensor("head.weight")
				got := make([]float32, n)
				if err := tensor.Dense.Float32s(got, 0); err != nil || !slices.Equal(tensor.Dense.Shape, shape) {
					t.Fatalf("shape %v, %v; want %v", tensor.Dense.Shape, err, shape)
				}
				// Round says before writing what a reader gets.
				want := slices.Clone(values)
				delta.Round(coding, rows, want)
				for i := range want {
					if math.Abs(float64(got[i]-want[i])) > 1e-6*math.Abs(float64(want[i])) {
						t.Fatalf("value %d is %g, by Round %g", i, got[i], want[i])
					}
				}
				small, again := filepath.Join(t.TempDir(), "small.ken"), filepath.Join(t.TempDir(), "again.ken")
				if err := pack.Write(d, small, base, fingerprint); err != nil {
					t.Fatal(err)
				}
				s, err := pack.Open(small)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if err := s.Unpack(again, base, fingerprint); err != nil {
					t.Fatal(err)
				}
				before, _ := os.ReadFile(path)
				after, _ := os.ReadFile(again)
				if !bytes.Equal(before, after) {
					t.Error("unpacking gives another file")
				}
			})
		}
	}
}
