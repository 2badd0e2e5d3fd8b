package runtime

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"weak"

	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/models"
)

// plan is a delta that was checked against the base, and what its tiers will
// take, so that room can be made before anything is allocated.
type plan struct {
	base    *Base
	delta   *delta.Delta
	arch    models.Architecture
	labels  []string
	problem models.Problem

	// warmBytes is what a task takes that is in memory: the delta as it lies in
	// its file, what is needed to find its parts, and the few matrices that the
	// kernels cannot patch on the fly.
	warmBytes int64
	// hotBytes is what a hot network takes beside it.
	hotBytes int64
}

// planTask checks a delta against the base.
func planTask(b *Base, d *delta.Delta) (*plan, error) {
	if err := d.Check(b.Checkpoint, b.Fingerprint); err != nil {
		return nil, err
	}
	if len(d.Labels) == 0 {
		return nil, errors.New("the delta has no labels")
	}
	problem, err := models.ParseProblem(d.ProblemType, len(d.Labels))
	if err != nil {
		return nil, err
	}
	arch, err := b.taskArchitecture(d.Config)
	if err != nil {
		return nil, err
	}
	p := &plan{base: b, delta: d, arch: arch, labels: d.Labels, problem: problem}
	p.warmBytes = d.Size + int64(len(d.Tensors))*tensorBytes
	for _, param := range p.parameters() {
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
			compute := p.base.compute
			if param.Head {
				compute = gemm.Float32
			}
			bytes := compute.Bytes(param.Matrix())
			switch {
			case p.isOverlay(param.Name):
				p.warmBytes += patchBytes
				p.hotBytes += bytes
			case !param.Head:
				p.warmBytes += bytes
			default:
				p.hotBytes += bytes
			}
		case models.Vector:
			p.hotBytes += 4 * int64(param.Shape[0])
		}
	}
	return p, nil
}

// parameters lists what a network of this task needs.
func (p *plan) parameters() []models.Parameter {
	return append(p.arch.Parameters(), p.arch.Head(len(p.labels))...)
}

// find returns the delta's tensor for a parameter, and its name in the base if
// the base has it.
func (p *plan) find(parameter string) (*delta.Tensor, string) {
	if name, ok := p.base.names[parameter]; ok {
		t, _ := p.delta.Tensor(name)
		return t, name
	}
	for _, name := range []string{parameter, p.arch.Prefix() + parameter} {
		if t, ok := p.delta.Tensor(name); ok {
			return t, ""
		}
	}
	return nil, ""
}

// overlaid tells whether a warm task's matrix is the base's with a patch over
// it. One in the order of rows is not, nor one of more than two dimensions,
// whose rows are parts of an output.
func (p *plan) isOverlay(parameter string) bool {
	t, inBase := p.find(parameter)
	if t == nil || t.Masked == nil || t.Masked.RowMajor {
		return false
	}
	b, _ := p.base.Checkpoint.Tensor(inBase)
	return len(b.Shape) == 2
}

// task is a delta in memory, warm: networks can be bound to it at any time.
type task struct {
	plan
	// matrices are those of the base that the delta changes, overlaid or, where
	// the kernels cannot patch them, packed anew.
	matrices map[string]*gemm.Matrix

	mu sync.Mutex
	// bound is the warm network of the last use, as long as the garbage
	// collector leaves it. Its vectors and its head would make a small task a
	// third larger, and take tens of microseconds to make again.
	warmNetwork weak.Pointer[weakNetwork]
}

type weakNetwork struct{ models.Network }

// load brings a task into memory, warm. It owns the delta from then on.
func (p *plan) load() (*task, error) {
	t := &task{plan: *p, matrices: map[string]*gemm.Matrix{}}
	for _, param := range p.parameters() {
		if param.Role != models.Matrix {
			continue
		}
		tensor, inBase := p.find(param.Name)
		var m *gemm.Matrix
		var err error
		switch {
		case p.isOverlay(param.Name):
			m, err = p.base.matrices[param.Name].Overlay(tensor.Masked)
		case tensor == nil || param.Head:
		case tensor.Dense != nil:
			m = packRows(tensor.Dense, nil)
		default: // in the order of rows
			b, _ := p.base.Checkpoint.Tensor(inBase)
			m = packRows(b, tensor.Masked)
		}
		if err != nil {
			return nil, fmt.Errorf("tensor %s: %w", tensor.Name, err)
		}
		if m != nil {
			t.matrices[param.Name] = m.As(p.base.compute)
		}
	}
	network, err := t.Warm()
	if err != nil {
		return nil, err
	}
	if network.Labels() != len(p.labels) {
		return nil, fmt.Errorf("the head has %d outputs, the delta %d labels", network.Labels(), len(p.labels))
	}
	return t, nil
}

// Warm returns a network that patches the base's panels as it multiplies. It
// allocates nothing lasting.
func (t *task) Warm() (models.Network, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.warmNetwork.Value()
	if b == nil {
		network, err := t.arch.Bind(params{t, false})
		if err != nil {
			return nil, err
		}
		b = &weakNetwork{network}
		t.warmNetwork = weak.Make(b)
	}
	return b, nil
}

// Hot returns a network over panels of its own, which takes hotBytes.
func (t *task) Hot() (models.Network, error) { return t.arch.Bind(params{t, true}) }

// params gives an architecture a task's weights.
type params struct {
	*task
	hot bool
}

// Matrix implements models.Params.
func (p params) Matrix(name string) (*gemm.Matrix, error) {
	t, _ := p.find(name)
	switch {
	case t == nil && p.base.matrices[name] != nil:
		return p.base.computeMatrices[name], nil
	case t == nil:
		return nil, errMissing
	case p.hot && p.isOverlay(name):
		return p.matrices[name].Materialised(nil), nil
	case p.matrices[name] != nil:
		return p.matrices[name], nil
	}
	return packRows(t.Dense, nil), nil // the head: small, so it stays float32, and is packed for each network
}

// Table implements models.Params.
func (p params) Table(name string) (models.Table, error) {
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
func (p params) Vector(name string) ([]float32, error) {
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
