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
	"kenserve/tokenizer"
)

// plan is a delta that was checked against the base, and the bytes that each tier
// will take, so that room can be made before anything is allocated. It implements
// storesync.Plan.
type plan struct {
	base    *Base
	delta   *delta.Delta
	arch    models.Architecture
	labels  []string
	problem models.Problem
	// temperature divides logits before they become probabilities.
	temperature float64
	own         *ownTokenizer // the task's own; nil: it uses the base's

	room *heapRoom // for what is made of the delta

	// warmBytes is what a warm task takes: the bytes of its file, which are the
	// values in memory, an index of them, and copies of the few matrices to which
	// the kernels cannot apply a delta while they multiply.
	warmBytes int64
	// hotBytes is what a hot network takes beside the warm task.
	hotBytes int64
	// sharesBatches tells that texts of the task may share a batch with those of
	// others: it has the base's architecture, and most of its matrices are the
	// base's or changed beside it.
	sharesBatches bool
}

// planTask checks a delta against the base. own holds the tokenizers of tasks. The plan,
// or the task that is loaded from it, must be closed.
func planTask(b *Base, own *tokenizers, d *delta.Delta) (*plan, error) {
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
	arch, shared, err := b.taskArchitecture(d)
	if err != nil {
		return nil, err
	}
	p := &plan{base: b, delta: d, arch: arch, labels: d.Labels, problem: problem, temperature: 1}
	if d.Temperature != 0 {
		p.temperature = d.Temperature
	}
	p.warmBytes = d.Size + int64(len(d.Tensors))*tensorBytes
	for i := range d.Tensors {
		if t := &d.Tensors[i]; t.Coding != "" { // decoded beside the file
			p.warmBytes += int64(len(t.Dense.Data))
		}
	}
	weights, ownWeights := 0, 0 // of the encoder's matrices: all, and those that are the task's own
	for _, param := range p.parameters() {
		t, inBase := p.find(param.Name)
		form := p.form(param.Name)
		if param.Role == models.Matrix && !param.Head {
			outputs, inputs := param.Matrix()
			weights += outputs * inputs
			if form == overlaid || form == copied {
				ownWeights += outputs * inputs
			}
		}
		if t == nil {
			continue
		}
		if inBase == "" {
			// Check has compared only tensors that the base has.
			if t.Dense == nil || !t.Dense.DType.Float() || !slices.Equal(t.Dense.Shape, param.Shape) {
				return nil, fmt.Errorf("tensor %s must be a dense float tensor of shape %v", t.Name, param.Shape)
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
			case form == changed:
				p.warmBytes += patchBytes
				p.hotBytes += gemm.ExpandedBytes(t.Masked, param.Shape[0])
			case form == overlaid:
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
	if p.own, err = own.acquire(d); err != nil {
		return nil, err
	}
	p.sharesBatches = shared && float64(ownWeights) <= maxOwnShare*float64(weights)
	return p, nil
}

// maxOwnShare is the largest share of the encoder's weights that are in matrices of a
// task's own if its texts share batches with others. Each such matrix is read for a few
// rows alone. A pooler that the base does not have is a small part of an encoder.
const maxOwnShare = 0.1

// tokenizer returns the tokenizer of the task's texts.
func (p *plan) tokenizer() *tokenizer.Tokenizer {
	if p.own != nil {
		return p.own.Tokenizer
	}
	return p.base.Tokenizer
}

// vocabulary returns the number of token ids that a request may send. A tokenizer may
// have fewer than the model: then the rest are filler. But if the table was resized
// and no tokenizer came with it, only the table tells.
func (p *plan) vocabulary() int {
	n := p.arch.Limits().Vocabulary
	if p.own == nil && n != p.base.arch.Limits().Vocabulary {
		return n
	}
	return min(n, p.tokenizer().Size())
}

// parameters lists the parameters of a network of this task, head included.
func (p *plan) parameters() []models.Parameter {
	return append(p.arch.Parameters(), p.arch.Head(len(p.labels))...)
}

// find returns the delta's tensor for a parameter, nil if the delta has none, and
// the tensor's name in the base, empty if the base has none.
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

// form is how a task has a matrix.
type form int

const (
	unchanged form = iota // the base's
	changed               // the base's, with a sparse change beside it; see gemm.Matrix.Changed
	overlaid              // the base's, patched while the kernels multiply
	copied                // in memory of its own
)

// form returns how a warm task has a matrix. Kernels cannot apply a tensor in
// row-major order, nor one of more than two dimensions, whose rows are only parts of
// an output. The form follows from the delta alone, so that a task's scores do not
// depend on its tier or on other tasks.
func (p *plan) form(parameter string) form {
	t, inBase := p.find(parameter)
	switch {
	case t == nil:
		return unchanged
	case t.Masked == nil || t.Masked.RowMajor || inBase == "":
		return copied
	}
	b, _ := p.base.Checkpoint.Tensor(inBase)
	switch {
	case len(b.Shape) != 2:
		return copied
	case gemm.Changeable(t.Masked, b.Shape[0], b.Shape[1], p.base.compute):
		return changed
	}
	return overlaid
}

// task is a warm task, to which networks can be bound at any time. It implements
// storesync.Task.
type task struct {
	plan
	// matrices has, by parameter, the base's matrices that the delta changes, in
	// their form.
	matrices map[string]*gemm.Matrix

	mu sync.Mutex
	// warmNetwork is the warm network of the last use. The garbage collector may
	// take it: its vectors and its head would make a small task a third larger,
	// and making it again takes tens of microseconds.
	warmNetwork weak.Pointer[weakNetwork]
}

// weakNetwork gives a network an address for a weak pointer.
type weakNetwork struct{ models.Network }

// load makes the warm task, which owns the delta from then on.
func (p *plan) load() (*task, error) {
	t := &task{plan: *p, matrices: map[string]*gemm.Matrix{}}
	for _, param := range p.parameters() {
		if param.Role != models.Matrix {
			continue
		}
		tensor, inBase := p.find(param.Name)
		form := p.form(param.Name)
		if form == unchanged || param.Head {
			continue
		}
		weights := p.base.matrices[param.Name]
		var m *gemm.Matrix
		var err error
		switch {
		case form == changed:
			m, err = p.base.computeMatrices[param.Name].Changed(tensor.Masked, weights)
		case form == overlaid:
			if m, err = weights.Overlay(tensor.Masked); err == nil {
				m = m.As(p.base.compute)
			}
		case tensor.Dense != nil:
			m = packRows(tensor.Dense, nil).As(p.base.compute)
		default:
			b, _ := p.base.Checkpoint.Tensor(inBase)
			m = packRows(b, tensor.Masked).As(p.base.compute)
		}
		if err != nil {
			return nil, fmt.Errorf("tensor %s: %w", tensor.Name, err)
		}
		t.matrices[param.Name] = m
	}
	network, err := t.Warm()
	if err != nil {
		return nil, err
	}
	if network.Labels() != len(p.labels) {
		return nil, fmt.Errorf("the head has %d outputs, the delta has %d labels", network.Labels(), len(p.labels))
	}
	return t, nil
}

// Warm returns a network that applies the delta while it multiplies. It keeps no
// memory beside warmBytes.
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

// Hot returns a network over weights of its own, which takes hotBytes.
func (t *task) Hot() (models.Network, error) {
	defer t.room.begin(t.hotBytes)()
	return t.arch.Bind(params{t, true})
}

// params gives an architecture the weights of a task. It implements
// models.Params.
type params struct {
	*task
	hot bool // materialise overlays and changes
}

// Matrix implements models.Params.
func (p params) Matrix(name string) (*gemm.Matrix, error) {
	t, _ := p.find(name)
	switch {
	case t == nil && p.base.matrices[name] != nil:
		return p.base.computeMatrices[name], nil
	case t == nil:
		return nil, errMissing
	case p.matrices[name] != nil && p.hot:
		return p.matrices[name].Materialised(nil), nil
	case p.matrices[name] != nil:
		return p.matrices[name], nil
	}
	return packRows(t.Dense, nil), nil // the head: small, so it stays float32 and is packed for each network
}

// Table implements models.Params.
func (p params) Table(name string) (models.Table, error) {
	t, err := p.sharedRows(name)
	if inBase := p.base.names[name]; err == nil && inBase != "" {
		if added := p.delta.AddedRows(inBase); added != nil {
			b, _ := p.base.Checkpoint.Tensor(inBase)
			return extendedTable{t, b.Shape[0], table{added}}, nil
		}
	}
	return t, err
}

// sharedRows returns the table with the rows that the base's has.
func (p params) sharedRows(name string) (models.Table, error) {
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

var errMissing = errors.New("it is in neither the base nor the delta")
