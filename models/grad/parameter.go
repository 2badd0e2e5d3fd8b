package grad

import (
	"fmt"
	"slices"

	"kenserve/gemm"
	"kenserve/internal/parallel"
	"kenserve/models"
)

// Loader gives the values of a base.
type Loader interface {
	// Load fills dst with the values of a matrix or a vector, row-major.
	Load(p models.Parameter, dst []float32) error
	// Table returns an embedding table, which the encoder reads as long as it exists.
	Table(p models.Parameter) (models.Table, error)
}

// Parameter is a weight tensor while it is trained. Values and Grad are equally long;
// Grad[i] is the gradient of Values[i]. In Features they can grow at the end: rows of
// an embedding table are added when they are seen for the first time.
type Parameter struct {
	models.Parameter
	// Values are the trained values: all of a matrix, in the order of gemm.Matrix.Values;
	// all of a vector; the rows in Rows of an embedding table; or those at the positions
	// given to Keep. They are nil if the parameter is frozen.
	Values []float32
	// Grad is the sum of the gradients since ZeroGrad.
	Grad []float32
	// Shown, if not nil, is as long as Values. It is used in their place, to train with
	// values as a delta will store them.
	Shown []float32

	loader Loader
	mode   mode
	form   mode // of Values: full or sparse, also after Freeze
	fresh  bool // Grad holds nothing: the next gradient overwrites it

	matrix    *gemm.Matrix // of a matrix
	rounded   *gemm.Matrix // of a matrix, if products are rounded
	vector    []float32    // of a vector: the values that the forward pass reads; Values, if trained in full
	positions []int        // of a kept parameter
	kept      []gemm.Position
	next      *Parameter    // whose products follow those of this one
	table     models.Table  // of an embedding
	rows      []int32       // of an embedding trained in full: the rows in Values
	slot      map[int32]int // row of an embedding → its index in rows, or its first index in positions
}

// mode says which values of a parameter are trained.
type mode uint8

const (
	full mode = iota
	sparse
	frozen
)

func newParameter(p models.Parameter, l Loader) (*Parameter, error) {
	q := &Parameter{Parameter: p, loader: l, fresh: true}
	return q, q.Reset()
}

// Reset gives the parameter the base's values again and makes all of them trained.
func (p *Parameter) Reset() error {
	p.mode, p.form, p.fresh, p.Shown, p.positions, p.kept = full, full, true, nil, nil, nil
	if p.Role == models.Embedding {
		var err error
		if p.table, err = p.loader.Table(p.Parameter); err != nil {
			return fmt.Errorf("grad: read table %s of the base: %w", p.Name, err)
		}
		p.Values, p.Grad, p.rows, p.slot = nil, nil, nil, map[int32]int{}
		return nil
	}
	values := make([]float32, p.elements())
	if err := p.loader.Load(p.Parameter, values); err != nil {
		return fmt.Errorf("grad: read tensor %s of the base: %w", p.Name, err)
	}
	if p.Role == models.Vector {
		p.vector, p.Values = values, values
	} else {
		n, k := p.Parameter.Matrix()
		if p.matrix == nil {
			p.matrix = gemm.Pack(n, k, func(i int, dst []float32) { copy(dst, values[i*k:]) })
		} else {
			for i, v := range values {
				p.matrix.Values()[p.matrix.ValueIndex(i/k, i%k)] = v
			}
		}
		p.Values = p.matrix.Values()
	}
	p.Grad = make([]float32, len(p.Values))
	return nil
}

// elements returns the number of values of the tensor.
func (p *Parameter) elements() int {
	n := 1
	for _, d := range p.Shape {
		n *= d
	}
	return n
}

// width returns the number of values of a row of an embedding table.
func (p *Parameter) width() int { return p.Shape[len(p.Shape)-1] }

// Freeze ends the training of the parameter. It keeps the values that the forward pass used
// last.
func (p *Parameter) Freeze() {
	p.mode, p.Grad = frozen, nil
	if p.Role != models.Embedding || len(p.Values) == 0 { // lookups read trained rows in Values
		p.Values, p.Shown = nil, nil
	}
}

// Keep trains the values at the given positions alone, indices in the row-major tensor in
// rising order. Values then belong to the positions, in the same order. The parameter must
// be in the state after NewEncoder or Reset.
func (p *Parameter) Keep(positions []int) error {
	if p.mode != full || len(p.rows) > 0 {
		return fmt.Errorf("grad: keep values of %s: it has been trained; Reset it first", p.Name)
	}
	last := -1
	for _, x := range positions {
		if x <= last || x >= p.elements() {
			return fmt.Errorf("grad: keep values of %s: position %d after %d; positions must rise and be below %d", p.Name, x, last, p.elements())
		}
		last = x
	}
	p.mode, p.form, p.positions = sparse, sparse, slices.Clone(positions)
	p.Values, p.Grad = make([]float32, len(positions)), make([]float32, len(positions))
	switch p.Role {
	case models.Matrix:
		_, k := p.Parameter.Matrix()
		p.kept = make([]gemm.Position, len(positions))
		for i, x := range positions {
			p.kept[i] = gemm.Position{Output: int32(x / k), Input: int32(x % k)}
			p.Values[i] = p.matrix.Values()[p.matrix.ValueIndex(x/k, x%k)]
		}
	case models.Vector:
		for i, x := range positions {
			p.Values[i] = p.vector[x]
		}
	case models.Embedding:
		row := make([]float32, p.width())
		for i, x := range positions {
			r := int32(x / len(row))
			if _, ok := p.slot[r]; !ok {
				p.slot[r] = i
				p.table.Row(int(r), row)
			} else if i > 0 && positions[i-1]/len(row) != int(r) {
				p.table.Row(int(r), row)
			}
			p.Values[i] = row[x%len(row)]
		}
	}
	return nil
}

// Position returns the row-major index in the tensor of Values[i], or -1 if Values[i] only
// fills a panel; then it must stay 0.
func (p *Parameter) Position(i int) int {
	switch {
	case p.form == sparse:
		return p.positions[i]
	case p.Role == models.Embedding:
		return int(p.rows[i/p.width()])*p.width() + i%p.width()
	case p.Role == models.Matrix:
		n, k := p.Parameter.Matrix()
		r, c := p.matrix.ValuePosition(i)
		if r >= n {
			return -1
		}
		return r*k + c
	}
	return i
}

// Rows returns the rows of an embedding table that are in Values, in their order there: that
// in which they were seen. It is for tables that are trained in full.
func (p *Parameter) Rows() []int32 { return p.rows }

// AddRows makes rows of an embedding table trained, as if a batch with them had been seen.
func (p *Parameter) AddRows(rows []int32) {
	if p.Role != models.Embedding || p.mode != full {
		return
	}
	for _, r := range rows {
		if _, ok := p.slot[r]; ok {
			continue
		}
		p.slot[r] = len(p.rows)
		p.rows = append(p.rows, r)
		n, w := len(p.Values), p.width()
		p.Values = slices.Grow(p.Values, w)[:n+w]
		p.Grad = slices.Grow(p.Grad, w)[:n+w]
		p.table.Row(int(r), p.Values[n:])
		clear(p.Grad[n:])
	}
}

// shown returns the values that the forward pass uses for Values.
func (p *Parameter) shown() []float32 {
	if p.Shown != nil {
		return p.Shown
	}
	return p.Values
}

// row copies a row of an embedding table to dst.
func (p *Parameter) row(r int32, dst []float32) {
	i, ok := p.slot[r]
	switch {
	case !ok:
		p.table.Row(int(r), dst)
	case p.form == sparse:
		p.table.Row(int(r), dst)
		for ; i < len(p.positions) && p.positions[i]/len(dst) == int(r); i++ {
			dst[p.positions[i]%len(dst)] = p.shown()[i]
		}
	case p.Shown != nil && (i+1)*len(dst) <= len(p.Shown):
		copy(dst, p.Shown[i*len(dst):])
	default:
		copy(dst, p.Values[i*len(dst):])
	}
}

// addRow adds the gradient of a row of an embedding table.
func (p *Parameter) addRow(r int32, d []float32) {
	i, ok := p.slot[r]
	if !ok {
		return
	}
	if p.mode == sparse {
		for ; i < len(p.positions) && p.positions[i]/len(d) == int(r); i++ {
			p.Grad[i] += d[p.positions[i]%len(d)]
		}
		return
	}
	models.Add(p.Grad[i*len(d):][:len(d)], d)
}

// update gives the forward pass the values that it shall use.
func (p *Parameter) update(pool *parallel.Pool, compute gemm.Compute) {
	switch p.Role {
	case models.Vector:
		if p.mode == sparse {
			for i, x := range p.positions {
				p.vector[x] = p.shown()[i]
			}
		} else if p.mode == full {
			p.vector = p.shown()
		}
	case models.Matrix:
		p.updateMatrix(pool, compute)
	}
}

func (p *Parameter) updateMatrix(pool *parallel.Pool, compute gemm.Compute) {
	switch {
	case p.mode == sparse:
		for i, x := range p.kept {
			p.matrix.Values()[p.matrix.ValueIndex(int(x.Output), int(x.Input))] = p.shown()[i]
		}
	case p.mode == full && p.Shown != nil && p.matrix.N() > 0:
		if shares(p.Values, p.matrix.Values()) { // the matrix needs memory of its own
			p.matrix = gemm.Pack(p.matrix.N(), p.matrix.K(), func(int, []float32) {})
		}
		copy(p.matrix.Values(), p.Shown)
	case p.mode == full && !shares(p.Values, p.matrix.Values()):
		copy(p.matrix.Values(), p.Values)
	}
	switch {
	case compute == gemm.Float32:
	case p.rounded == nil:
		p.rounded = p.matrix.As(compute)
	case p.mode != frozen:
		p.rounded.Round(pool, p.matrix)
	}
}

// shares reports whether two slices of equal length are the same memory.
func shares(a, b []float32) bool { return len(a) > 0 && &a[0] == &b[0] }

// Read fills dst with all present values, row-major: for rows of an embedding table that
// are not trained, the base's.
func (p *Parameter) Read(dst []float32) {
	switch p.Role {
	case models.Embedding:
		w := p.width()
		for r := range p.Shape[0] {
			p.row(int32(r), dst[r*w:][:w])
		}
	case models.Matrix:
		n, k := p.Parameter.Matrix()
		for i := range n {
			p.matrix.Row(i, dst[i*k:][:k])
		}
	default:
		copy(dst, p.vector)
	}
}

// zeroGrad removes the gradients.
func (p *Parameter) zeroGrad() {
	p.fresh = true
	if p.Role == models.Embedding {
		clear(p.Grad) // rows are added one by one
	}
}

// begin is called by an operation before it adds gradients other than by a product, which
// overwrites: it clears what ZeroGrad left.
func (p *Parameter) begin() {
	if p.fresh {
		clear(p.Grad)
		p.fresh = false
	}
}

// bytes returns the memory of the parameter.
func (p *Parameter) bytes() int64 {
	n := 4*(cap(p.Values)+cap(p.Grad)+len(p.vector)) + 16*len(p.positions)
	if p.matrix != nil {
		n += int(p.matrix.Bytes())
		if p.rounded != nil {
			n += int(p.rounded.Bytes())
		}
		if shares(p.Values, p.matrix.Values()) {
			n -= 4 * cap(p.Values)
		}
	}
	if p.Role == models.Vector && shares(p.Values, p.vector) {
		n -= 4 * len(p.vector)
	}
	return int64(n)
}
