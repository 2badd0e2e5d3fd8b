package runtime

import (
	"errors"
	"fmt"
	"slices"

	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/models"
)

// task is a loaded task: a network over the base's weights and those that its
// delta changes.
type task struct {
	delta   *delta.Delta
	labels  []string
	problem models.Problem
	network models.Network
}

// plan is a delta that was checked against the base, and what loading it will
// take, so that room can be made before anything is allocated.
type plan struct {
	base  *Base
	delta *delta.Delta
	bytes int64
}

// planTask checks a delta against the base.
func planTask(b *Base, d *delta.Delta) (*plan, error) {
	if err := d.Check(b.Checkpoint, b.Fingerprint); err != nil {
		return nil, err
	}
	if len(d.Labels) == 0 {
		return nil, errors.New("the delta has no labels")
	}
	p := &plan{base: b, delta: d, bytes: d.Size}
	for _, param := range append(b.Arch.Parameters(), b.Arch.Head(len(d.Labels))...) {
		t, inBase := p.find(param.Name)
		if t == nil {
			continue
		}
		if inBase == "" {
			// Nothing has compared it with anything yet.
			if t.Dense == nil || !t.Dense.DType.Float() || !slices.Equal(t.Dense.Shape, param.Shape) {
				return nil, fmt.Errorf("tensor %s is not a dense one of floats of shape %v, as the model needs", t.Name, param.Shape)
			}
		}
		switch param.Role {
		case models.Matrix:
			p.bytes += gemm.PackedBytes(param.Shape[0], param.Shape[1])
		case models.Vector:
			p.bytes += 4 * int64(param.Shape[0])
		}
	}
	return p, nil
}

// find returns the delta's tensor for a parameter, and its name in the base if
// the base has it.
func (p *plan) find(parameter string) (*delta.Tensor, string) {
	if name, ok := p.base.names[parameter]; ok {
		t, _ := p.delta.Tensor(name)
		return t, name
	}
	for _, name := range []string{parameter, p.base.Arch.Prefix() + parameter} {
		if t, ok := p.delta.Tensor(name); ok {
			return t, ""
		}
	}
	return nil, ""
}

// load patches the base's weights and binds a network to them. The task owns
// the delta from then on.
func (p *plan) load() (*task, error) {
	network, err := p.base.Arch.Bind(p)
	if err != nil {
		return nil, err
	}
	if network.Labels() != len(p.delta.Labels) {
		return nil, fmt.Errorf("the head has %d outputs, the delta %d labels", network.Labels(), len(p.delta.Labels))
	}
	problem, err := models.ParseProblem(p.delta.ProblemType, len(p.delta.Labels))
	if err != nil {
		return nil, err
	}
	return &task{delta: p.delta, labels: p.delta.Labels, problem: problem, network: network}, nil
}

// Matrix implements models.Params.
func (p *plan) Matrix(name string) (*gemm.Matrix, error) {
	t, inBase := p.find(name)
	switch {
	case t == nil && p.base.matrices[name] != nil:
		return p.base.matrices[name], nil
	case t == nil:
		return nil, errMissing
	case t.Dense != nil:
		return packRows(t.Dense, nil), nil
	case t.Masked.RowMajor: // not what the kernels patch
		b, _ := p.base.Checkpoint.Tensor(inBase)
		return packRows(b, t.Masked), nil
	}
	m := t.Masked
	return p.base.matrices[name].Patched(&gemm.Patch{
		Tiles: m.Tiles, Ends: m.Ends, Masks: m.Mask16, Gaps: m.Gaps, GapEnds: m.GapEnds,
		Float32s: m.Float32s, BFloat16s: m.BFloat16s, Int8s: m.Int8s, Int4s: m.Int4s, Signs: m.Signs,
		Scales: m.Scales,
	})
}

// Table implements models.Params.
func (p *plan) Table(name string) (models.Table, error) {
	t, inBase := p.find(name)
	switch {
	case t == nil && p.base.names[name] != "":
		b, _ := p.base.Checkpoint.Tensor(p.base.names[name])
		return table{b}, nil
	case t == nil:
		return nil, errMissing
	case t.Dense != nil:
		return table{t.Dense}, nil
	}
	b, _ := p.base.Checkpoint.Tensor(inBase)
	return patchedTable{table{b}, t.Masked}, nil
}

// Vector implements models.Params.
func (p *plan) Vector(name string) ([]float32, error) {
	t, _ := p.find(name)
	switch {
	case t == nil && p.base.vectors[name] != nil:
		return p.base.vectors[name], nil
	case t == nil:
		return nil, errMissing
	case t.Dense != nil:
		v := make([]float32, t.Dense.Len())
		return v, t.Dense.Float32s(v, 0)
	}
	v := append([]float32(nil), p.base.vectors[name]...)
	t.Masked.PatchRow(0, v)
	return v, nil
}

var errMissing = errors.New("neither the base nor the delta has it")
