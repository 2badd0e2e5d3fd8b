package viz

import (
	"context"
	"fmt"
	"math"
)

// Changes is the distribution of the changes from the base. Kept and All are nil unless the
// model has the tuned checkpoint.
type Changes struct {
	Tensor string `json:"tensor"` // empty: all tensors of the base
	// Stored are the changes of the kept values as the delta stores them.
	Stored *Histogram `json:"stored"`
	// Kept are the changes of the kept values in the tuned checkpoint. They differ from
	// Stored by the error of the value coding.
	Kept *Histogram `json:"kept,omitempty"`
	// All are the changes of all values in the tuned checkpoint.
	All *Histogram `json:"all,omitempty"`

	// MostChanged is the row with the largest sum of squares of stored changes, the
	// first of equal ones; 0 for all tensors.
	MostChanged int `json:"most_changed"`
}

// Changes counts the changes of a tensor of the base, or of all its tensors if tensor is
// empty. The error wraps [ErrTensor] if there is no such tensor.
func (m *Model) Changes(ctx context.Context, tensor string) (*Changes, error) {
	if tensor != "" {
		x, err := m.Matrix(ctx, tensor)
		if err != nil {
			return nil, err
		}
		return x.Changes(ctx)
	}
	var parts []*Changes
	for i := range m.tensors {
		t := &m.tensors[i]
		if t.Form == Head || t.Form == Absent {
			continue
		}
		c, err := m.Changes(ctx, t.Name)
		if err != nil {
			return nil, err
		}
		parts = append(parts, c)
	}
	return m.SumChanges(parts), nil
}

// SumChanges adds up the changes of several tensors of the model.
func (m *Model) SumChanges(parts []*Changes) *Changes {
	all := m.emptyChanges("")
	for _, c := range parts {
		all.merge(c)
	}
	return all
}

// emptyChanges returns the changes of no value.
func (m *Model) emptyChanges(tensor string) *Changes {
	c := &Changes{Tensor: tensor, Stored: &Histogram{}}
	if m.tuned != nil {
		c.Kept, c.All = &Histogram{}, &Histogram{}
	}
	return c
}

// merge adds the changes of other.
func (c *Changes) merge(other *Changes) {
	c.Stored.merge(other.Stored)
	if c.All != nil {
		c.Kept.merge(other.Kept)
		c.All.merge(other.All)
	}
}

// Changes counts the changes of the matrix. The head has none. It is an error if a change
// is not finite.
func (x *Matrix) Changes(ctx context.Context) (*Changes, error) {
	m, t, p := x.model, x.Tensor, x.kept
	out := m.emptyChanges(t.Name)
	if t.Form == Head {
		return out, nil // the base has no such tensor
	}
	largest := 0.0
	var bad error
	err := m.scanRows(ctx, t, p, 0, t.Rows, func(r int, v rowValues) {
		norm := 0.0
		for c, b := range v.base {
			kept := v.kept[c/64]>>(c%64)&1 == 1
			if kept {
				change := float64(v.task[c]) - float64(b)
				if !(math.Abs(change) <= math.MaxFloat32) {
					bad = fmt.Errorf("viz: tensor %s: row %d, column %d: change is %g, want a finite number", t.Name, r, c, change)
					return
				}
				out.Stored.add(change)
				norm += change * change
			}
			if v.tuned != nil {
				change := float64(v.tuned[c]) - float64(b)
				if !(math.Abs(change) <= 2*math.MaxFloat32) {
					bad = fmt.Errorf("viz: tensor %s: row %d, column %d: change is %g, want a finite number", t.Name, r, c, change)
					return
				}
				out.All.add(change)
				if kept {
					out.Kept.add(change)
				}
			}
		}
		if norm > largest {
			largest, out.MostChanged = norm, r
		}
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}
