package inspect_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kenserve/delta"
	"kenserve/delta/diff"
	"kenserve/delta/inspect"
	"kenserve/ken"
	"kenserve/models/tiny"
	"kenserve/prune"
	"kenserve/safetensors"
)

// TestForms prunes one pair in several ways and checks how a matrix, a vector and the
// head are described, and that a comparison counts as many kept values.
func TestForms(t *testing.T) {
	dir := t.TempDir()
	baseDir, tuned := filepath.Join(dir, "base"), filepath.Join(dir, "tuned")
	if err := tiny.WriteBase(baseDir, 1); err != nil {
		t.Fatal(err)
	}
	if err := tiny.WriteTuned(tuned, baseDir, []string{"a", "b"}, 2); err != nil {
		t.Fatal(err)
	}
	base, err := safetensors.OpenCheckpoint(baseDir)
	if err != nil {
		t.Fatal(err)
	}
	defer base.Close()
	source, err := prune.Open(prune.Config{BaseDir: baseDir, TunedDir: tuned, Producer: "test", Notes: "a note"})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()

	const matrix, vector, head = "encoder.layer.0.output.dense.weight", "encoder.layer.0.output.dense.bias", "classifier.weight"
	var deltas []*delta.Delta
	for i, c := range []struct {
		options ken.Options
		want    [3]inspect.Tensor // without bytes
	}{
		{ken.Options{Keep: 0.5, Coding: delta.Float32}, [3]inspect.Tensor{
			{Name: matrix, Form: "bitmap", Coding: "f32", Rows: 24, Kept: 24 * 20},
			{Name: vector, Form: "bitmap", Coding: "f32", Rows: 1, Kept: 12},
			{Name: head, Form: "dense", Rows: 2, Kept: 2 * 24},
		}},
		{ken.Options{Keep: 0.1, Coding: delta.Sign, WholeVectors: true, VectorCoding: delta.Int8}, [3]inspect.Tensor{
			{Name: matrix, Form: "gaps", Coding: "sign", Rows: 24, Kept: 24 * 4},
			{Name: vector, Form: "whole", Coding: "int8", Rows: 1, Kept: 24},
			{Name: head, Form: "dense", Rows: 2, Kept: 2 * 24},
		}},
	} {
		o := c.options
		o.Selection, o.Budget, o.Scope, o.Factor = ken.LargestChange, ken.BudgetRow, ken.ScopeAll, 1
		file := filepath.Join(dir, "task.ken")
		if _, err := source.Write(context.Background(), file, o); err != nil {
			t.Fatal(err)
		}
		d, err := delta.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if err := d.Check(base, delta.Fingerprint(base)); err != nil {
			t.Fatal(err)
		}
		deltas = append(deltas, d)
		for _, checked := range []bool{false, true} {
			r := inspect.Fast(file, d, checked)
			if r.Layout != "fast" || r.Notes != "a note" || r.Coding != string(o.Coding) || r.Keep != o.Keep || len(r.Tensors) != len(d.Tensors) {
				t.Errorf("case %d: %+v", i, r)
			}
			found := 0
			for _, tensor := range r.Tensors {
				if tensor.Bytes <= 0 {
					t.Errorf("case %d: %s has %d bytes", i, tensor.Name, tensor.Bytes)
				}
				tensor.Bytes = 0
				for _, want := range c.want {
					if want.Name != tensor.Name {
						continue
					}
					found++
					if !checked && want.Form != "dense" {
						want.Rows = 0
					}
					if diff := cmp.Diff(want, tensor); diff != "" {
						t.Errorf("case %d, checked %v: %s", i, checked, diff)
					}
				}
			}
			if found != len(c.want) {
				t.Errorf("case %d: %d of %d tensors found", i, found, len(c.want))
			}
		}
	}

	report, err := diff.Compare(base, deltas[0], deltas[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range report.Tensors {
		switch o.Name {
		case matrix: // the largest tenth of a row is among its largest half
			if o.Both != 24*4 || o.OnlyA != 24*16 || o.OnlyB != 0 || o.Equal != 0 || o.SameDirection != o.Both {
				t.Errorf("%+v", *o)
			}
		case vector:
			if o.Both != 12 || o.OnlyA != 0 || o.OnlyB != 12 {
				t.Errorf("%+v", *o)
			}
		}
	}
}
