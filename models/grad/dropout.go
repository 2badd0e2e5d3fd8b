package grad

import (
	"math"

	"kenserve/gemm"
	"kenserve/models"
)

// dropout sets elements to zero at random and scales the others, so that the expectation
// stays. An element's fate is a function of the seed, the step, the number of the sequence
// in the step, the place of the dropout in the network, row and column.
type dropout struct {
	threshold uint64 // of 65536, elements are dropped
	scale     float32
	key       uint64
	first     int // number of the first sequence
}

// dropout returns the next dropout of the pass, with the given probability. It does nothing
// outside training.
func (t *Tape) dropout(probability float32) dropout {
	t.site++
	d := dropout{scale: 1, first: t.mode.First}
	if !t.mode.Train || probability <= 0 {
		return d
	}
	d.threshold = uint64(math.Round(float64(probability) * 65536))
	d.scale = float32(65536 / float64(65536-d.threshold))
	d.key = mix(mix(mix(t.options.Dropout.Seed)+t.mode.Step) + t.site)
	return d
}

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// row drops elements of a row of the given sequence. line is the number of the row, and of
// the head in attention.
func (d *dropout) row(x []float32, sequence, line, firstColumn int) {
	key := mix(mix(d.key+uint64(d.first+sequence)) + uint64(line))
	for c := firstColumn; len(x) > 0; {
		bits := mix(key+uint64(c/4)) >> (16 * (c % 4)) // of the columns up to the next multiple of 4
		n := min(4-c%4, len(x))
		for j := range x[:n] {
			x[j] = d.element(x[j], bits>>(16*j))
		}
		x, c = x[n:], c+n
	}
}

// element returns x scaled, or zero if the low 16 bits are below the threshold. It has no
// branch, because no processor foresees a random one.
func (d *dropout) element(x float32, bits uint64) float32 {
	keep := uint32(int64(d.threshold-1-bits&0xffff) >> 63) // all ones or zero
	return math.Float32frombits(math.Float32bits(x*d.scale) & keep)
}

// AttentionDropout drops attention weights.
type AttentionDropout struct{ d dropout }

// AttentionDropout returns the next dropout of attention weights in the pass, by
// Dropout.Attention.
func (t *Tape) AttentionDropout() AttentionDropout {
	return AttentionDropout{t.dropout(t.options.Dropout.Attention)}
}

// Active reports whether anything is dropped.
func (a *AttentionDropout) Active() bool { return a.d.threshold > 0 }

// Apply drops weights of a head of a sequence, or their gradients. The first row is the
// query first of the sequence, the first column the key from.
func (a *AttentionDropout) Apply(p gemm.View, sequence, head, first, from int) {
	if a.d.threshold == 0 {
		return
	}
	for r := range p.Rows {
		a.d.row(p.Row(r), sequence, head<<32|(first+r), from)
	}
}

// masking is a dropout of activations. in and out are the same value if it is in place.
type masking struct {
	in, out *Value
	ends    []int // of the sequences in the rows; nil: all rows belong to no sequence
	labels  []int // numbers of the rows, if ends is nil
	d       dropout
}

// Dropout drops elements of x by Dropout.Hidden. Rows of x belong to sequences that end at
// ends. It changes x in place, unless x may be computed again, and returns the result.
func (t *Tape) Dropout(x *Value, ends []int) *Value {
	return t.mask(&masking{in: x, ends: ends, d: t.dropout(t.options.Dropout.Hidden)})
}

// DropoutRows drops elements of rows that belong to no sequence. labels are their numbers,
// which do not depend on the batch. It does not change x.
func (t *Tape) DropoutRows(x *Value, labels []int) *Value {
	m := &masking{in: x, labels: labels, d: t.dropout(t.options.Dropout.Hidden)}
	m.d.first = -1
	if m.d.threshold == 0 {
		return x
	}
	return t.maskCopy(m)
}

func (t *Tape) mask(m *masking) *Value {
	if m.d.threshold == 0 {
		return m.in
	}
	if m.in.forgetting {
		return t.maskCopy(m)
	}
	m.out = m.in
	t.Record(m, nil)
	return m.out
}

// maskCopy is mask with a result of its own.
func (t *Tape) maskCopy(m *masking) *Value {
	m.out = t.New(m, m.in.Rows, m.in.Cols)
	m.out.constant = m.in.constant
	t.Record(m, m.out)
	t.MayForget(m.out)
	return m.out
}

// apply drops elements of all rows.
func (m *masking) apply(t *Tape, x gemm.View) {
	t.Rows(x, func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			if m.ends == nil {
				m.d.row(x.Row(r), 0, m.labels[r], 0)
				continue
			}
			i := models.SequenceOf(m.ends, r)
			start := m.ends[i] - models.SequenceLen(m.ends, i)
			m.d.row(x.Row(r), i, r-start, 0)
		}
	})
}

// Forward implements Op.
func (m *masking) Forward(t *Tape) {
	if m.out != m.in {
		x := t.Need(m.in)
		for r := range x.Rows {
			copy(m.out.Row(r), x.Row(r))
		}
	}
	m.apply(t, m.out.View)
}

// Backward implements Op.
func (m *masking) Backward(t *Tape) {
	dy := t.Grad(m.out)
	m.apply(t, dy)
	if m.out == m.in || m.in.constant {
		return
	}
	dx := t.Grad(m.in)
	for r := range dy.Rows {
		models.Add(dx.Row(r), dy.Row(r))
	}
}
