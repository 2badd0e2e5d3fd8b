package grad

import (
	"errors"
	"fmt"

	"kenserve/gemm"
	"kenserve/internal/parallel"
	"kenserve/models"
)

// Architecture is an architecture with a backward pass.
type Architecture interface {
	models.Architecture
	// Trace runs the encoder on a batch within the limits. It returns the rows that the
	// head sees, [sequences, width].
	Trace(t *Tape, b *models.Batch) *Value
	// HeadLayers lists the layers after the encoder, in order.
	HeadLayers(labels int) []HeadLayer
}

// Options are the settings of an encoder.
type Options struct {
	// Pool are the workers; nil: the calling goroutine. No result depends on them.
	Pool *parallel.Pool
	// Compute is the type of products: Float32 or BFloat16, which rounds their factors.
	Compute gemm.Compute
	// Keep is the number of bytes of activations to keep between Features and Backward.
	// Layers that need more are computed again in Backward, to the same bits. 0: no bound.
	Keep    int64
	Dropout Dropout
}

// Dropout are the shares of activations and of attention weights that training sets to zero.
type Dropout struct {
	Hidden, Attention float32
	Seed              uint64
}

// Mode says how Features computes.
type Mode struct {
	Train bool   // keep what Backward needs, and apply dropout
	Step  uint64 // number of the training step
	First int    // number of the batch's first sequence in the step; for dropout
}

// Encoder computes the features of texts and their gradients. It belongs to one goroutine.
type Encoder struct {
	arch       Architecture
	parameters []*Parameter
	tape       Tape
	features   *Value
}

// NewEncoder returns an encoder with the values of a base. All parameters are trained at
// first.
func NewEncoder(arch models.Architecture, l Loader, o Options) (*Encoder, error) {
	a, ok := arch.(Architecture)
	if !ok {
		return nil, fmt.Errorf("grad: %T has no backward pass", arch)
	}
	if o.Compute != gemm.Float32 && o.Compute != gemm.BFloat16 {
		return nil, fmt.Errorf("grad: products in %s: training computes in float32 or bfloat16", o.Compute)
	}
	for _, p := range []float32{o.Dropout.Hidden, o.Dropout.Attention} {
		if !(p >= 0 && p < 1) {
			return nil, fmt.Errorf("grad: dropout is %v, want at least 0 and less than 1", p)
		}
	}
	ofHead := map[string]bool{}
	for _, h := range a.HeadLayers(1) {
		ofHead[h.Weight], ofHead[h.Bias] = true, true
	}
	e := &Encoder{arch: a, tape: Tape{pool: o.Pool, parameters: map[string]*Parameter{}, options: o}}
	e.tape.scratch = make([]scratch, o.Pool.Width())
	for _, p := range arch.Parameters() {
		if ofHead[p.Name] {
			continue
		}
		q, err := newParameter(p, l)
		if err != nil {
			return nil, err
		}
		e.parameters = append(e.parameters, q)
		e.tape.parameters[p.Name] = q
	}
	e.Updated()
	return e, nil
}

// Parameters returns the parameters of the encoder, in the order of use.
func (e *Encoder) Parameters() []*Parameter { return e.parameters }

// width returns the number of columns of Features.
func (e *Encoder) width() int {
	for _, h := range e.arch.HeadLayers(1) {
		if h.Kind == Dense {
			return h.Inputs
		}
	}
	return 0
}

// Bytes returns the memory of parameters, gradients and activations.
func (e *Encoder) Bytes() int64 {
	n := e.tape.memory.held
	for _, p := range e.parameters {
		n += p.bytes()
	}
	return n
}

// Features computes the input of the head, [sequences, width]. It is valid until the next
// Features. The error for an invalid batch wraps models.ErrBatch.
func (e *Encoder) Features(b *models.Batch, m Mode) (gemm.View, error) {
	if err := b.Check(e.arch.Limits()); err != nil {
		return gemm.View{}, err
	}
	t := &e.tape
	t.reset()
	if e.features != nil {
		t.release(e.features)
		e.features = nil
	}
	if len(b.Ends) == 0 {
		return gemm.View{}, nil
	}
	t.mode, t.ends, t.site = m, b.Ends, 0
	e.features = e.arch.Trace(t, b)
	return t.Need(e.features), nil
}

// reset frees what the last pass left.
func (t *Tape) reset() {
	for _, s := range t.steps {
		if s.out != nil {
			t.release(s.out)
		}
	}
	t.steps, t.forgetting, t.transposedOf = t.steps[:0], t.forgetting[:0], nil
}

// Backward adds the gradients of all trained parameters. d is the gradient of what the last
// call of Features returned, which must have had Mode.Train.
func (e *Encoder) Backward(d gemm.View) error {
	t := &e.tape
	if e.features == nil || len(t.steps) == 0 || !t.mode.Train {
		return errors.New("grad: Backward without a Features with Mode.Train before it")
	}
	d.Check("gradient of features")
	if d.Rows != e.features.Rows || d.Cols != e.features.Cols {
		return fmt.Errorf("grad: the gradient of the features is [%d, %d], want [%d, %d]", d.Rows, d.Cols, e.features.Rows, e.features.Cols)
	}
	g := t.Grad(e.features)
	for r := range d.Rows {
		copy(g.Row(r), d.Row(r))
	}
	t.backward(t.steps)
	t.steps, t.forgetting, e.features = t.steps[:0], t.forgetting[:0], nil
	for _, p := range e.parameters {
		p.begin() // of parameters that had no part in the batch
	}
	return nil
}

// ZeroGrad removes all gradients.
func (e *Encoder) ZeroGrad() {
	for _, p := range e.parameters {
		p.zeroGrad()
	}
}

// Updated must be called after Values or Shown of a parameter changed.
func (e *Encoder) Updated() {
	for _, p := range e.parameters {
		p.update(e.tape.pool, e.tape.options.Compute)
	}
}
