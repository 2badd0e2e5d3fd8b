package grad

import "kenserve/gemm"

// segment is a layer whose activations were not kept.
type segment struct {
	x, out *Value
	site   uint64
	f      func(x *Value) *Value
}

// Segment runs f, a layer of the encoder, on x and returns its result. If all activations so
// far take more memory than they may, it frees those of the layer; then Backward calls f
// again. A pass without training always frees them. f must record the same operations every
// time; the results of all but the last must not be used outside.
func (t *Tape) Segment(x *Value, f func(x *Value) *Value) *Value {
	start, site := len(t.steps), t.site
	out := f(x)
	limit := t.options.Keep
	if t.mode.Train && (limit <= 0 || t.memory.live <= limit) {
		t.forget(out)
		return out
	}
	s := &segment{x: x, site: site, f: f}
	s.out = &Value{View: t.Need(out), producer: s, constant: out.constant}
	out.Data = nil
	for _, st := range t.steps[start:] {
		if st.out != nil {
			t.release(st.out)
		}
	}
	t.forget(nil)
	t.steps = append(t.steps[:start], step{s, s.out})
	return s.out
}

// Forward implements Op. Segment has done the work.
func (s *segment) Forward(*Tape) {}

// Backward implements Op.
func (s *segment) Backward(t *Tape) {
	outer, site := t.steps, t.site
	t.steps, t.site = nil, s.site
	out := s.f(s.x)
	out.grad = s.out.grad
	s.out.grad = gemm.View{}
	t.backward(t.steps)
	t.steps, t.site = outer, site
}
