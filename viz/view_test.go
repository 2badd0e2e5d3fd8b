package viz

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kenserve/delta"
	"kenserve/kde"
	"kenserve/viz/internal/viztest"
)

// example returns the model of viztest.Example.
func example(t testing.TB, info delta.Info, withTuned bool) *Model {
	t.Helper()
	m := viztest.Example(t, info, withTuned)
	return must[*Model](t)(New(m.Delta, m.Base, m.Tuned))
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestTensors(t *testing.T) {
	m := example(t, delta.Info{K: 3}, false)
	var got []string
	for _, x := range m.Tensors() {
		got = append(got, fmt.Sprintf("%s|%s|%d|%d×%d|%s|%d", x.Name, x.Kind, x.Layer, x.Rows, x.Columns, x.Form, x.Kept))
	}
	want := []string{
		"embeddings.weight|embeddings.weight|-1|20×6|masked|6",
		"encoder.layer.0.query.bias|encoder.layer.*.query.bias|0|1×6|masked|3",
		"encoder.layer.0.query.weight|encoder.layer.*.query.weight|0|4×6|masked|10",
		"encoder.layer.1.query.bias|encoder.layer.*.query.bias|1|1×6|masked|1",
		"encoder.layer.1.query.weight|encoder.layer.*.query.weight|1|4×6|masked|4",
		"pooler.weight|pooler.weight|-1|3×6|dense|18",
		"unused.weight|unused.weight|-1|5×6|base|0",
		"classifier.weight|classifier.weight|-1|2×6|head|12",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestKept(t *testing.T) {
	m := example(t, delta.Info{K: 3}, false)
	k := must[*Kept](t)(m.Kept(t.Context(), "encoder.layer.0.query.weight", Detail{}))
	want := &Kept{
		Tensor: k.Tensor, Share: 10.0 / 24,
		PerRow:    Summary{Min: 2, Median: 2.5, Max: 3},
		PerColumn: Summary{Min: 0, Median: 1.5, Max: 3, Zero: 1},
		Blocks: Blocks{Height: 1, Width: 1, Rows: 4, Columns: 6, rows: 4, columns: 6,
			Kept:       []int{1, 1, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0},
			Neighbours: []int{1, 2, 0, 0, 0, 0, 0, 3, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0}},
		Window: Window{Rows: 4, Columns: 6, Lines: []string{"12..0.", ".31..0", ".1..1.", "0...1."}},
	}
	if diff := cmp.Diff(want, k, cmp.AllowUnexported(Blocks{})); diff != "" {
		t.Error(diff)
	}
}

func TestNeighbours(t *testing.T) {
	m := example(t, delta.Info{K: 3}, false)
	n := must[*Neighbours](t)(m.Neighbours(t.Context(), "encoder.layer.0.query.weight", Detail{}))
	if want := [5]int{3, 5, 1, 1, 0}; n.Counts != want {
		t.Errorf("counts %v, want %v", n.Counts, want)
	}
	if n.Mean != 1 {
		t.Errorf("mean %g, want 1", n.Mean)
	}
	mean := 0.0
	for i, v := range n.Expected {
		mean += float64(i) * v / 10
	}
	if math.Abs(mean-n.ExpectedMean) > 1e-12 || mean == 0 {
		t.Errorf("expected mean %g, want %g", n.ExpectedMean, mean)
	}
	// In a matrix that is kept whole the observed and expected numbers are those of a grid.
	n = must[*Neighbours](t)(m.Neighbours(t.Context(), "pooler.weight", Detail{}))
	if want := [5]int{0, 0, 4, 10, 4}; n.Counts != want {
		t.Errorf("whole matrix: counts %v, want %v", n.Counts, want)
	}
	if diff := cmp.Diff([5]float64{0, 0, 4, 10, 4}, n.Expected, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("whole matrix: %s", diff)
	}
	// A matrix of which nothing is kept.
	n = must[*Neighbours](t)(m.Neighbours(t.Context(), "unused.weight", Detail{}))
	if n.Counts != [5]int{} || n.Mean != 0 || n.ExpectedMean != 0 {
		t.Errorf("nothing kept: %+v", n)
	}
}

func TestLayers(t *testing.T) {
	m := example(t, delta.Info{K: 3}, false)
	if diff := cmp.Diff([]string{"encoder.layer.*.query.bias", "encoder.layer.*.query.weight"}, m.Kinds()); diff != "" {
		t.Error(diff)
	}
	l := must[*Layers](t)(m.Layers(t.Context(), "encoder.layer.*.query.weight", OfNeighbours, Detail{Blocks: 6}))
	if len(l.Layers) != 2 || l.Layers[0].Mean != 1 || l.Layers[1].Mean != 0 {
		t.Errorf("%+v", l)
	}
	if diff := cmp.Diff([]int{0, 1, 0, 1, 1, 1}, l.Layers[1].Blocks.Kept); diff != "" {
		t.Error(diff)
	}
	if _, err := m.Layers(t.Context(), "pooler.weight", OfKept, Detail{}); !errors.Is(err, ErrTensor) {
		t.Errorf("type of no layer: error is %v", err)
	}
	if _, err := m.Layers(t.Context(), "encoder.layer.*.query.weight", "colour", Detail{}); err == nil {
		t.Error("unknown aspect: no error")
	}
}

func TestShares(t *testing.T) {
	s := example(t, delta.Info{K: 3}, false).Shares()
	if diff := cmp.Diff([]int{0, 1}, s.Layers); diff != "" {
		t.Error(diff)
	}
	if s.Kept != 6+3+10+1+4+18 || s.Values != 120+12+48+18+30 || s.Head != 12 {
		t.Errorf("%d of %d values kept, head of %d", s.Kept, s.Values, s.Head)
	}
	got := ""
	for _, k := range s.Kinds {
		got += fmt.Sprintf("%s %d/%d:", k.Kind, k.Kept, k.Values)
		for _, x := range k.Tensors {
			got += fmt.Sprintf(" %d", x.Kept)
		}
		got += "\n"
	}
	if want := "encoder.layer.*.query.bias 4/12: 3 1\nencoder.layer.*.query.weight 14/48: 10 4\n"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if n := len(s.Others); n != 4 {
		t.Errorf("%d other tensors, want 4", n)
	}
}

func TestChanges(t *testing.T) {
	m := example(t, delta.Info{K: 3}, true)
	c := must[*Changes](t)(m.Changes(t.Context(), "encoder.layer.1.query.weight"))
	// The kept values are 8, 18, 20 and 22; changes cycle through 1/8, 2/8, …, 7/8.
	want := histogramOf([]float64{2.0 / 8, 5.0 / 8, 7.0 / 8, 2.0 / 8})
	approx := cmpopts.EquateApprox(0, 1e-6) // float32 rounds the changed values
	for name, h := range map[string]*Histogram{"stored": c.Stored, "kept": c.Kept} {
		if diff := cmp.Diff([]float64{float64(want.N), want.min, want.max, want.Mean(), want.Deviation()}, []float64{float64(h.N), h.min, h.max, h.Mean(), h.Deviation()}, approx); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if c.All.N != 24 || c.All.Zero != 0 || c.All.min != 1.0/8 {
		t.Errorf("all: %+v", c.All)
	}
	if c.MostChanged != 3 {
		t.Errorf("row with the largest change is %d, want 3", c.MostChanged)
	}

	all := must[*Changes](t)(m.Changes(t.Context(), ""))
	if all.Stored.N != 42 || all.Kept.N != 42 || all.All.N != 228 {
		t.Errorf("all tensors: %d stored, %d kept, %d in all", all.Stored.N, all.Kept.N, all.All.N)
	}

	// Without the tuned checkpoint only the stored changes are known.
	m = example(t, delta.Info{K: 3, Coding: delta.Sign}, false)
	c = must[*Changes](t)(m.Changes(t.Context(), "encoder.layer.1.query.weight"))
	if c.Kept != nil || c.All != nil || c.Stored.N != 4 || c.MostChanged != 3 {
		t.Errorf("%+v", c)
	}
	// The base has no head, so the head has no changes.
	c = must[*Changes](t)(m.Changes(t.Context(), "classifier.weight"))
	if c.Stored.N != 0 {
		t.Errorf("head: %+v", c.Stored)
	}
}

func TestDensity(t *testing.T) {
	m := example(t, delta.Info{K: 3}, true)
	d := must[*Density](t)(m.Density(t.Context(), "encoder.layer.0.query.weight", 1))
	// Row 1 are values 6 to 11 of the tuned tensor; columns 1, 2 and 5 are kept.
	row := make([]float32, 6)
	for i := range row {
		row[i] = viztest.Values(12)[6+i] + viztest.Change(6+i)
	}
	if !d.Tuned || d.Row != 1 {
		t.Errorf("%+v", d)
	}
	if diff := cmp.Diff([]float32{row[1], row[2], row[5]}, d.Kept); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float32{row[0], row[3], row[4]}, d.Rest); diff != "" {
		t.Error(diff)
	}
	_, deviation := kde.Moments(row)
	h := kde.Bandwidth(deviation, 6)
	if d.Bandwidth != h || len(d.Curve) != curvePoints {
		t.Errorf("bandwidth %g, want %g; %d points", d.Bandwidth, h, len(d.Curve))
	}
	for _, p := range d.Curve {
		if want := kde.Density(row, h, p.X); p.Density != want {
			t.Errorf("%g at %g, want %g", p.Density, p.X, want)
		}
	}
	if len(d.Points) != 3 || d.Points[0] != d.Curve[0].X || d.Points[2] != d.Curve[curvePoints-1].X {
		t.Errorf("points %v", d.Points)
	}

	// Without the tuned checkpoint the values are the task's, also in a run of rows that
	// keeps nothing. Other selections than ken have no points.
	m = example(t, delta.Info{K: 3, Selection: "delta"}, false)
	for name, r := range map[string]int{"embeddings.weight": 7, "unused.weight": 2, "classifier.weight": 1, "pooler.weight": 0, "encoder.layer.0.query.bias": 0} {
		d := must[*Density](t)(m.Density(t.Context(), name, r))
		if d.Tuned || d.Points != nil || len(d.Kept)+len(d.Rest) != 6 {
			t.Errorf("%s: %+v", name, d)
		}
	}
	for _, r := range []int{-1, 4} {
		if _, err := m.Density(t.Context(), "encoder.layer.0.query.weight", r); !errors.Is(err, ErrRow) {
			t.Errorf("row %d: %v", r, err)
		}
	}
}

func TestErrors(t *testing.T) {
	m := example(t, delta.Info{K: 3}, false)
	for name, err := range map[string]error{
		"kept":       second(m.Kept(t.Context(), "x", Detail{})),
		"neighbours": second(m.Neighbours(t.Context(), "x", Detail{})),
		"changes":    second(m.Changes(t.Context(), "x")),
		"density":    second(m.Density(t.Context(), "x", 0)),
	} {
		if !errors.Is(err, ErrTensor) {
			t.Errorf("%s of a missing tensor: error is %v, want %v", name, err, ErrTensor)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{
		"kept":       second(m.Kept(ctx, "pooler.weight", Detail{})),
		"neighbours": second(m.Neighbours(ctx, "pooler.weight", Detail{})),
		"layers":     second(m.Layers(ctx, "encoder.layer.*.query.weight", OfKept, Detail{})),
		"changes":    second(m.Changes(ctx, "")),
		"density":    second(m.Density(ctx, "pooler.weight", 0)),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s after cancellation: error is %v, want %v", name, err, context.Canceled)
		}
	}
}

func TestWrongCheckpoints(t *testing.T) {
	m := viztest.Example(t, delta.Info{K: 3}, true)
	other := viztest.New(t, delta.Info{}, true, viztest.Fixture{Name: "pooler.weight", Shape: []int{6, 3}, Dense: true})
	if _, err := New(m.Delta, m.Base, other.Tuned); err == nil || !strings.Contains(err.Error(), "pooler.weight") {
		t.Errorf("tuned checkpoint of other shapes: error is %v, want one that names pooler.weight", err)
	}
	small := viztest.New(t, delta.Info{}, false, viztest.Fixture{Name: "encoder.layer.0.query.weight", Shape: []int{1, 2}, Lines: viztest.Lines("x.")})
	unchecked, err := New(m.Delta, small.Base, nil)
	if err == nil {
		_, err = unchecked.Kept(t.Context(), "encoder.layer.0.query.weight", Detail{})
	}
	if err == nil {
		t.Error("delta that was not checked against this base: no error")
	}
}

func second[T any](_ T, err error) error { return err }
