package viz

import (
	"context"
	"errors"
	"fmt"
	"math"

	"kenserve/kde"
	"kenserve/ken"
)

// ErrRow means that a tensor has no row of that number, or that its rows are too long for
// a density.
var ErrRow = errors.New("no such row")

// MaxRow is the largest number of values in a row whose density can be shown.
const MaxRow = 1 << 16

// curvePoints is the number of points of a density's curve.
const curvePoints = 241

// Density is the Gaussian kernel density of one row, as KEN estimates it, with the values
// that are kept and those that are not.
type Density struct {
	Tensor Tensor `json:"tensor"`
	Row    int    `json:"row"`
	// Tuned means that the values are those of the tuned checkpoint, from which the
	// selection chose. Otherwise they are the task's: the base's with the delta applied.
	Tuned     bool    `json:"tuned"`
	Mean      float64 `json:"mean"`
	Deviation float64 `json:"deviation"`
	Bandwidth float64 `json:"bandwidth"` // 0, without a curve, if all values are equal

	Curve []Point `json:"curve"` // from the smallest to the largest value
	// Points are the evenly spaced points at which KEN takes the density. In the order
	// of falling density, each takes the nearest value that is still free. nil for other
	// selections.
	Points []float64 `json:"points"`
	Kept   []float32 `json:"kept"`
	Rest   []float32 `json:"rest"` // values that are not kept
}

// Point is a point of a density's curve.
type Point struct {
	X       float64 `json:"x"`
	Density float64 `json:"density"`
}

// Density estimates the density of a row of a tensor. The error wraps [ErrTensor] or
// [ErrRow] if there is no such tensor or row.
func (m *Model) Density(ctx context.Context, tensor string, row int) (*Density, error) {
	x, err := m.Matrix(ctx, tensor)
	if err != nil {
		return nil, err
	}
	return x.Density(ctx, row)
}

// Density estimates the density of a row of the matrix. The error wraps [ErrRow] if there
// is no such row.
func (x *Matrix) Density(ctx context.Context, row int) (*Density, error) {
	m, t, p := x.model, x.Tensor, x.kept
	if row < 0 || row >= t.Rows || t.Columns == 0 {
		return nil, fmt.Errorf("viz: tensor %s: row %d of %d rows: %w", t.Name, row, t.Rows, ErrRow)
	}
	if t.Columns > MaxRow {
		return nil, fmt.Errorf("viz: tensor %s: a row has %d values, the density of at most %d can be shown: %w", t.Name, t.Columns, MaxRow, ErrRow)
	}
	d := &Density{Tensor: *t, Row: row}
	var values []float32
	if err := m.readRow(ctx, t, p, row, func(v []float32, tuned bool) {
		values, d.Tuned = append(values, v...), tuned
	}); err != nil {
		return nil, err
	}
	low, high := values[0], values[0]
	for c, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("viz: tensor %s: row %d, column %d is %g, want a finite number", t.Name, row, c, v)
		}
		low, high = min(low, v), max(high, v)
		if p.has(row, c) {
			d.Kept = append(d.Kept, v)
		} else {
			d.Rest = append(d.Rest, v)
		}
	}
	mean, deviation := kde.Moments(values)
	d.Mean, d.Deviation = float64(mean), float64(deviation)
	perRow := m.delta.Budget == "" || m.delta.Budget == "row"
	if m.delta.Selection == string(ken.KEN) && perRow && t.Form == Masked {
		if k := ken.Kept(t.Columns, m.delta.K, m.delta.Keep); k > 0 && k < t.Columns {
			d.Points = make([]float64, k)
			kde.Grid(d.Points, low, high)
		}
	}
	h := kde.Bandwidth(deviation, t.Columns)
	if !(h > 0) || math.IsInf(h, 0) {
		return d, nil
	}
	d.Bandwidth = h
	at := make([]float64, curvePoints)
	kde.Grid(at, low, high)
	for i, x := range at {
		if i%16 == 0 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		d.Curve = append(d.Curve, Point{x, kde.Density(values, h, x)})
	}
	return d, nil
}

// readRow calls f with a row of the tuned checkpoint, or of the task if the model has no
// tuned checkpoint.
func (m *Model) readRow(ctx context.Context, t *Tensor, p *pattern, row int, f func(v []float32, tuned bool)) error {
	done := false
	if err := m.scanRows(ctx, t, p, row, row+1, func(_ int, v rowValues) {
		done = true
		if v.tuned != nil {
			f(v.tuned, true)
		} else {
			f(v.task, false)
		}
	}); err != nil || done {
		return err
	}
	// scanRows skips rows that keep nothing: the task has the base's values.
	base, _ := m.base.Tensor(t.Name)
	v := make([]float32, t.Columns)
	if err := base.Float32s(v, row*t.Columns); err != nil {
		return fmt.Errorf("viz: %w", err)
	}
	f(v, false)
	return nil
}
