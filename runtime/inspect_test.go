package runtime

import (
	"context"
	"errors"
	"testing"

	"kenserve/delta"
	"kenserve/ken"
)

// TestInspect: a task's delta is valid while it is inspected, even if the task is
// unloaded meanwhile.
func TestInspect(t *testing.T) {
	f := newFixture(t, 1, ken.Options{Selection: ken.LargestChange, Keep: 0.5, Coding: delta.Sign})
	e := f.open(t, Config{})
	defer e.Close()
	ctx := context.Background()
	stop := errors.New("seen")
	err := e.Inspect(ctx, "t0", func(d *delta.Delta, base delta.Tensors) error {
		must(t, e.Unload(ctx, "t0"))
		kept := 0
		for i := range d.Tensors {
			if m := d.Tensors[i].Masked; m != nil {
				m.Keeps(func(_, _ int) { kept++ })
			}
		}
		if d.Coding != delta.Sign || kept == 0 || delta.Fingerprint(base) != d.BaseSHA256 {
			t.Errorf("coding %s, %d values kept", d.Coding, kept)
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Errorf("%v, want %v", err, stop)
	}
	never := func(*delta.Delta, delta.Tensors) error { t.Error("called"); return nil }
	for _, name := range []string{"nothing", "no/name"} {
		if err := e.Inspect(ctx, name, never); !errors.Is(err, ErrNoTask) {
			t.Errorf("task %s: %v, want %v", name, err, ErrNoTask)
		}
	}
}
