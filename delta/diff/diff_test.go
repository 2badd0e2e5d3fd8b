package diff

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kenserve/delta"
	"kenserve/safetensors"
)

func vector(values ...float32) *safetensors.Tensor {
	return &safetensors.Tensor{Name: "v", DType: safetensors.F32, Shape: []int{len(values)}, Data: safetensors.Bytes(values)}
}

// TestCompareDense compares tensors that both deltas store whole, where a position
// counts as kept if its value differs from the base's.
func TestCompareDense(t *testing.T) {
	dense := func(values ...float32) *delta.Tensor { return &delta.Tensor{Dense: vector(values...)} }
	base := vector(0, 0, 0, 0)
	for _, c := range []struct {
		name string
		a, b *delta.Tensor
		want Overlap
	}{
		{"the same", dense(1, 0, -1, 0), dense(1, 0, -1, 0), Overlap{Both: 2, SameDirection: 2, Equal: 2, ByChance: 1, Jaccard: 1, Agreement: 1}},
		{"other values, one other direction", dense(1, 0, -1, 0), dense(2, 0, 3, 0), Overlap{Both: 2, SameDirection: 1, ByChance: 1, Jaccard: 1, Agreement: 0.5}},
		{"partly shared", dense(1, 1, 1, 0), dense(0, 0, 1, 1), Overlap{Both: 1, OnlyA: 2, OnlyB: 1, SameDirection: 1, Equal: 1, ByChance: 2, Jaccard: 0.25, Agreement: 1}},
		{"nothing shared", dense(1, 0, 0, 0), dense(0, 1, 0, 0), Overlap{OnlyA: 1, OnlyB: 1}},
		{"A alone", dense(1, 1, 0, 0), nil, Overlap{OnlyA: 2}},
		{"B alone", nil, dense(1, 1, 0, 0), Overlap{OnlyB: 2}},
		{"no changes", dense(0, 0, 0, 0), dense(0, 0, 0, 0), Overlap{}},
	} {
		c.want.Name, c.want.Size = "v", 4
		got, err := compare(base, c.a, c.b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&c.want, got, cmpopts.IgnoreUnexported(Overlap{})); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// The total is the sum of counts, with shares and chance of its own.
func TestTotal(t *testing.T) {
	total := Overlap{}
	for _, o := range []Overlap{
		{Size: 10, Both: 1, OnlyA: 1, SameDirection: 1, byChance: 0.2},
		{Size: 20, Both: 2, OnlyB: 4, Equal: 1, byChance: 0.4},
	} {
		total.add(&o)
	}
	total.finish()
	want := Overlap{Size: 30, Both: 3, OnlyA: 1, OnlyB: 4, SameDirection: 1, Equal: 1, ByChance: 1, Jaccard: 3.0 / 8, Agreement: 1.0 / 3}
	if diff := cmp.Diff(want, total, cmpopts.IgnoreUnexported(Overlap{})); diff != "" {
		t.Error(diff)
	}
}
