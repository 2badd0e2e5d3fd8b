package ken

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kenserve/safetensors"
)

// tensors is a checkpoint in memory.
type tensors map[string]*safetensors.Tensor

func (s tensors) Names() []string {
	var names []string
	for name := range s {
		names = append(names, name)
	}
	return names
}

func (s tensors) Tensor(name string) (*safetensors.Tensor, bool) {
	t, ok := s[name]
	return t, ok
}

// checkpoint makes float32 tensors of the given shape, each filled with value.
func checkpoint(value float32, shape []int, names ...string) tensors {
	s := tensors{}
	n := 1
	for _, d := range shape {
		n *= d
	}
	for _, name := range names {
		values := make([]float32, n)
		for i := range values {
			values[i] = value + float32(i)
		}
		s[name] = &safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: shape, Data: safetensors.Bytes(values)}
	}
	return s
}

func TestMatch(t *testing.T) {
	shape := []int{2, 3}
	ints := func(s tensors, name string, value byte) tensors {
		s[name] = &safetensors.Tensor{Name: name, DType: safetensors.U8, Shape: []int{1}, Data: []byte{value}}
		return s
	}
	tests := []struct {
		name                 string
		base, tuned          tensors
		shared, head, absent []string
		basePrefix           string
		tunedPrefix          string
		fails                string
	}{
		{
			name: "the same names", base: checkpoint(0, shape, "a", "b"), tuned: checkpoint(1, shape, "a", "b"),
			shared: []string{"a", "b"},
		},
		{
			name: "a prefix in the tuned checkpoint, and a head",
			base: checkpoint(0, shape, "x.a", "x.b"), tuned: checkpoint(1, shape, "bert.x.a", "bert.x.b", "classifier.weight"),
			shared: []string{"x.a", "x.b"}, head: []string{"classifier.weight"}, tunedPrefix: "bert.",
		},
		{
			name: "a prefix in the base, with tensors of its pre-training",
			base: checkpoint(0, shape, "bert.a", "bert.b", "cls.c"), tuned: checkpoint(1, shape, "a", "b"),
			shared: []string{"bert.a", "bert.b"}, absent: []string{"cls.c"}, basePrefix: "bert.",
		},
		{
			name: "different prefixes", base: checkpoint(0, shape, "old.a", "old.b"), tuned: checkpoint(1, shape, "new.a", "new.b"),
			shared: []string{"old.a", "old.b"}, basePrefix: "old.", tunedPrefix: "new.",
		},
		{
			name: "older names of layer norms", base: checkpoint(0, shape, "x.LayerNorm.gamma", "x.LayerNorm.beta"),
			tuned:  checkpoint(1, shape, "bert.x.LayerNorm.weight", "bert.x.LayerNorm.bias"),
			shared: []string{"x.LayerNorm.beta", "x.LayerNorm.gamma"}, tunedPrefix: "bert.",
		},
		{
			name: "older names of layer norms in the tuned checkpoint", base: checkpoint(0, shape, "x.LayerNorm.weight", "x.LayerNorm.bias"),
			tuned:  checkpoint(1, shape, "bert.x.LayerNorm.gamma", "bert.x.LayerNorm.beta", "c"),
			shared: []string{"x.LayerNorm.bias", "x.LayerNorm.weight"}, head: []string{"c"}, tunedPrefix: "bert.",
		},
		{
			name: "older names of layer norms in both", base: checkpoint(0, shape, "x.LayerNorm.gamma"),
			tuned: checkpoint(1, shape, "bert.x.LayerNorm.gamma"), shared: []string{"x.LayerNorm.gamma"}, tunedPrefix: "bert.",
		},
		{
			name: "integers that are equal", base: ints(checkpoint(0, shape, "a"), "ids", 1), tuned: ints(checkpoint(1, shape, "a"), "ids", 1),
			shared: []string{"a"},
		},
		{
			name: "integers that differ", base: ints(checkpoint(0, shape, "a"), "ids", 1), tuned: ints(checkpoint(1, shape, "a"), "ids", 2),
			fails: "tensor ids",
		},
		{
			name: "a head with the name of another tensor", base: checkpoint(0, shape, "a", "b", "c"),
			tuned: checkpoint(1, shape, "bert.a", "bert.b", "bert.c", "c"), fails: "tensor c",
		},
		{name: "another shape", base: checkpoint(0, shape, "a"), tuned: checkpoint(1, []int{3, 2}, "a"), fails: "tensor a"},
		{name: "nothing in common", base: checkpoint(0, shape, "a"), tuned: checkpoint(1, shape, "b"), fails: "no tensor in common"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := Match(test.base, test.tuned)
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) {
					t.Fatalf("%v, want an error with %q", err, test.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := &Pair{BasePrefix: test.basePrefix, TunedPrefix: test.tunedPrefix, shared: test.shared, Head: test.head, Absent: test.absent}
			p.base, p.tuned = nil, nil
			if diff := cmp.Diff(want, p, cmp.AllowUnexported(Pair{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}
