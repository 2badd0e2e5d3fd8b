package ken

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"kenserve/delta"
	"kenserve/safetensors"
)

// TestPruneErrors checks that the error of a NaN names the tensor, the row and the
// column.
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
		var value *valueError
		if !errors.As(err, &value) || value.column != 3 || value.base != (side == "base") {
			t.Fatalf("NaN in the %s: %v", side, err)
		}
		for _, part := range []string{"a.b", "row 17", "column 3"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%v: want %s in the error", err, part)
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
