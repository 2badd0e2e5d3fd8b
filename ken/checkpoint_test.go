package ken

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kenserve/delta"
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
			want := &Pair{BasePrefix: test.basePrefix, TunedPrefix: test.tunedPrefix, Shared: test.shared, Head: test.head, Absent: test.absent}
			p.Base, p.Tuned = nil, nil
			if diff := cmp.Diff(want, p); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestPruneErrors: what is wrong with the weights is said of the tensor, the
// row and the column.
func TestPruneErrors(t *testing.T) {
	for _, side := range []string{"base", "fine-tuned"} {
		base, tuned := checkpoint(0, []int{20, 5}, "a.b"), checkpoint(1, []int{20, 5}, "a.b")
		damaged := tuned
		if side == "base" {
			damaged = base
		}
		copy(damaged["a.b"].Data[4*(17*5+3):], safetensors.Bytes([]float32{float32(math.NaN())}))
		p, err := Match(base, tuned)
		if err != nil {
			t.Fatal(err)
		}
		w, err := delta.Create(filepath.Join(t.TempDir(), "x.ken"))
		if err != nil {
			t.Fatal(err)
		}
		defer w.Abort()
		_, err = Prune(context.Background(), p, w, Options{Selection: KEN, Keep: 0.5, Coding: delta.Float32})
		var value *ValueError
		if !errors.As(err, &value) || value.Column != 3 || value.Base != (side == "base") {
			t.Fatalf("NaN in the %s: %v", side, err)
		}
		for _, part := range []string{"a.b", "row 17", "column 3"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%v: does not name %s", err, part)
			}
		}
	}
}

func TestPruneStopsWhenCancelled(t *testing.T) {
	p, err := Match(checkpoint(0, []int{20, 5}, "a"), checkpoint(1, []int{20, 5}, "a"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := delta.Create(filepath.Join(t.TempDir(), "x.ken"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Prune(ctx, p, w, Options{Selection: KEN, Keep: 0.5, Coding: delta.Float32}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

func TestOptions(t *testing.T) {
	good := Options{Selection: KEN, Keep: 0.5, Coding: delta.Float32}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	tests := map[string]func(*Options){
		"selection":  func(o *Options) { o.Selection = "best" },
		"scope":      func(o *Options) { o.Scope = "some" },
		"coding":     func(o *Options) { o.Coding = "f64" },
		"both":       func(o *Options) { o.K = 3 },
		"neither":    func(o *Options) { o.Keep = 0 },
		"negative":   func(o *Options) { o.Keep, o.K = 0, -1 },
		"above one":  func(o *Options) { o.Keep = 1.01 },
		"NaN":        func(o *Options) { o.Keep = math.NaN() },
		"budget":     func(o *Options) { o.Budget = "layer" },
		"ken pooled": func(o *Options) { o.Budget = BudgetModel },
		"factor":     func(o *Options) { o.Factor = -1 },
		"factors":    func(o *Options) { o.Factors = map[string]float64{"h.*.a": 0} },
		"vectors":    func(o *Options) { o.VectorCoding = "f64" },
	}
	for name, edit := range tests {
		o := good
		edit(&o)
		if err := o.Validate(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestScope(t *testing.T) {
	for name, inLayer := range map[string]bool{
		"encoder.layer.3.output.dense.weight": true, "bert.encoder.layer.11.attention.self.query.bias": true,
		"transformer.layer.0.ffn.lin1.weight": true, "h.7.mlp.dense_h_to_4h.weight": true, "layers.2.attn.Wqkv.weight": true,
		"embeddings.word_embeddings.weight": false, "pooler.dense.weight": false, "encoder.rel_embeddings.weight": false,
	} {
		if got := ScopeAttention.includes(name); got != inLayer {
			t.Errorf("%s in a layer: %v", name, got)
		}
		if !ScopeAll.includes(name) {
			t.Errorf("%s is not in all", name)
		}
	}
}
