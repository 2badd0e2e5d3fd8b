package disentangled

import (
	"kenserve/gemm"
	"kenserve/models"
	"kenserve/models/grad"
	"kenserve/models/internal/encoder"
	"kenserve/nn"
)

// Trace implements grad.Architecture. It follows network.embed and network.firstOutputs.
func (a *architecture) Trace(t *grad.Tape, b *models.Batch) *grad.Value {
	x := a.traceEmbeddings(t, b)
	c, n := a.encoder, encoder.BERT
	longest := 0
	for i := range b.Ends {
		longest = max(longest, models.SequenceLen(b.Ends, i))
	}
	table, labels := a.traceTable(t, longest)
	for i := range c.Layers {
		l := layerName(i)
		x = t.Segment(x, func(x *grad.Value) *grad.Value {
			var convolved *grad.Value
			if i == 0 && a.ConvolutionWidth > 0 {
				convolved = a.traceConvolution(t, x, b.Ends)
			}
			at := &tracedAttention{attention: attention{
				keys: b.Ends, queries: b.Ends, heads: c.Heads, width: c.Hidden / c.Heads, step: c.Hidden / c.Heads,
				index: a.index[a.tokens-longest : a.tokens+longest-1], zero: longest - 1, scale: a.scale(),
			}}
			x = a.traceProjections(t, at, l, x, i == c.Layers-1 && convolved == nil)
			a.tracePositions(t, at, l, t.DropoutRows(table, labels))
			x = t.LayerNorm(t.LayerAdd(at.record(t), l+n.Output, x, at.queries), l+n.OutputNorm, c.Eps)
			x = c.Perceptron(t, n, l, x, at.queries)
			if convolved != nil {
				x = t.LayerNorm(t.AddTo(convolved, x), convolutionNorm, c.Eps)
				if c.Layers == 1 {
					x = t.FirstRows(x, b.Ends)
				}
			}
			return x
		})
	}
	return x
}

// HeadLayers implements grad.Architecture.
func (a *architecture) HeadLayers(labels int) []grad.HeadLayer {
	return a.Model.head.Layers(labels, a.encoder.Hidden)
}

// traceEmbeddings returns the embeddings of a batch.
func (a *architecture) traceEmbeddings(t *grad.Tape, b *models.Batch) *grad.Value {
	terms := []grad.Lookup{{Table: words, Rows: b.IDs}}
	if a.positions > 0 {
		ids := make([]int32, len(b.IDs))
		start := 0
		for _, end := range b.Ends {
			for i := start; i < end; i++ {
				ids[i] = int32(i - start)
			}
			start = end
		}
		terms = append(terms, grad.Lookup{Table: positions, Rows: ids})
	}
	if a.types > 0 {
		ids := b.TypeIDs
		if ids == nil {
			ids = make([]int32, len(b.IDs))
		}
		terms = append(terms, grad.Lookup{Table: types, Rows: ids})
	}
	x := t.Embed(terms...)
	if a.width != a.encoder.Hidden {
		x = t.Dense(x, projection, "")
	}
	return t.Dropout(t.LayerNorm(x, embeddingNorm, a.encoder.Eps), b.Ends)
}

// traceTable returns the embeddings of the distances in sequences up to the given length, in
// the order of index, and the rows of the table that they are.
func (a *architecture) traceTable(t *grad.Tape, longest int) (*grad.Value, []int) {
	low, high := int(a.index[a.tokens-longest]), int(a.index[a.tokens+longest-2])
	rows, labels := make([]int32, high-low+1), make([]int, high-low+1)
	for i := range rows {
		labels[i] = a.top - low - i
		rows[i] = int32(labels[i])
	}
	table := t.Embed(grad.Lookup{Table: distances, Rows: rows})
	if a.NormDistances {
		table = t.LayerNorm(table, distanceNorm, a.encoder.Eps)
	}
	return table, labels
}

// traceProjections sets the queries, keys and values of the layer with the given name. last
// says that only the first tokens have queries. It returns x, or then its first rows.
func (a *architecture) traceProjections(t *grad.Tape, at *tracedAttention, l string, x *grad.Value, last bool) *grad.Value {
	h, ends := a.encoder.Hidden, at.keys
	if last {
		at.queries = encoder.OneTokenEnds(len(ends))
	}
	if a.layout != Fused {
		at.kv, at.vv = t.Layer(x, l+key), t.Layer(x, l+value)
		if last {
			x = t.FirstRows(x, ends)
		}
		at.qv = t.Layer(x, l+query)
		return x
	}
	at.step *= 3
	all := t.Dense(x, l+fused, "")
	t.Record(&fusedBias{x: all, query: l + fusedQueryBias, value: l + fusedValueBias, width: at.width}, nil)
	rest := 3*h - 2*at.width
	at.qv, at.kv, at.vv = all.Columns(0, rest), all.Columns(at.width, rest+at.width), all.Columns(2*at.width, rest+2*at.width)
	if last {
		x, at.qv = t.FirstRows(x, ends), t.FirstRows(at.qv, ends)
	}
	return x
}

// tracePositions sets the projected embeddings of distances.
func (a *architecture) tracePositions(t *grad.Tape, at *tracedAttention, l string, table *grad.Value) {
	keyName, queryName := l+positionalKey, l+positionalQuery
	switch a.layout {
	case Fused:
		queryName = l + fusedPosQuery
	case Shared:
		keyName, queryName = l+key, l+query
	}
	if a.contentToPosition {
		if a.layout == Fused {
			at.pk = t.Dense(table, l+fusedPosKey, "")
		} else {
			at.pk = t.Layer(table, keyName)
		}
	}
	if a.positionToContent {
		at.pq = t.Layer(table, queryName)
	}
}

// fusedBias adds the biases of queries and values to a fused projection, whose columns are
// each head's queries, keys and values in turn. It works in place.
type fusedBias struct {
	x            *grad.Value
	query, value string
	width        int
}

// Forward implements grad.Op.
func (f *fusedBias) Forward(t *grad.Tape) {
	x, q, v := t.Need(f.x), t.Vector(f.query), t.Vector(f.value)
	bias := interleave(q, v, len(q)/f.width)
	t.Rows(x, func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			models.Add(x.Row(r), bias)
		}
	})
}

// Backward implements grad.Op.
func (f *fusedBias) Backward(t *grad.Tape) {
	dy := t.Grad(f.x)
	for i, name := range []string{f.query, f.value} {
		t.AddVector(name, func(sums []float32) {
			for h := range len(sums) / f.width {
				c0 := (3*h + 2*i) * f.width
				t.ColumnSums(sums[h*f.width:][:f.width], dy.Slice(0, dy.Rows, c0, c0+f.width))
			}
		})
	}
}

// unfolding is the input of the convolution: column c·width+k of a row is column c of the
// token at offset k-width/2.
type unfolding struct {
	x, out *grad.Value
	width  int
	ends   []int
}

// traceConvolution returns activation(convolution(x)); see network.convolve.
func (a *architecture) traceConvolution(t *grad.Tape, x *grad.Value, ends []int) *grad.Value {
	u := &unfolding{x: x, width: a.ConvolutionWidth, ends: ends}
	u.out = t.New(u, x.Rows, x.Cols*u.width)
	t.Record(u, u.out)
	t.MayForget(u.out)
	y := t.Dropout(t.Layer(u.out, convolution), ends)
	return t.ActivateKept(y, a.KernelAct)
}

// Forward implements grad.Op.
func (u *unfolding) Forward(t *grad.Tape) { unfold(u.out.View, t.Need(u.x), u.width, u.ends) }

// Backward implements grad.Op.
func (u *unfolding) Backward(t *grad.Tape) {
	dx, dy := t.Grad(u.x), t.Grad(u.out)
	start := 0
	for _, end := range u.ends {
		for i := start; i < end; i++ {
			row := dy.Row(i)
			for k := range u.width {
				if j := i + k - u.width/2; j >= start && j < end {
					to := dx.Row(j)
					for c := range to {
						to[c] += row[c*u.width+k]
					}
				}
			}
		}
		start = end
	}
}

// tracedAttention is an attention with its gradients.
type tracedAttention struct {
	attention
	qv, kv, vv *grad.Value
	pk, pq     *grad.Value // nil if the model does not have the term
	result     *grad.Value
	drop       grad.AttentionDropout
	rooms      []*room
}

// room is the memory of a worker.
type room struct {
	scratch
	gradient, dropped, terms []float32
	buffer                   nn.Scratch
	sums                     nn.BackwardScratch
}

// record runs the attention and returns its result.
func (at *tracedAttention) record(t *grad.Tape) *grad.Value {
	at.drop = t.AttentionDropout()
	at.result = t.New(at, at.qv.Rows, at.heads*at.width)
	t.Record(at, at.result)
	return at.result
}

// open makes the operands available, and memory for the workers.
func (at *tracedAttention) open(t *grad.Tape) {
	at.q, at.k, at.v, at.out = t.Need(at.qv), t.Need(at.kv), t.Need(at.vv), at.result.View
	at.posK, at.posQ = gemm.View{}, gemm.View{}
	if at.pk != nil {
		at.posK = t.Need(at.pk)
	}
	if at.pq != nil {
		at.posQ = t.Need(at.pq)
	}
	size, _ := at.sizes()
	at.rooms = make([]*room, t.Width())
	for i := range at.rooms {
		terms := max(size.c2p, size.p2c)
		at.rooms[i] = &room{
			scratch:  scratch{make([]float32, size.scores), make([]float32, size.c2p), make([]float32, size.p2c)},
			gradient: make([]float32, size.scores), terms: make([]float32, terms),
		}
		if at.drop.Active() {
			at.rooms[i].dropped = make([]float32, size.scores)
		}
	}
}

// blocks runs f on all blocks of queries. All blocks of a head run one after the other,
// because they add to the gradients of the same embeddings of distances.
func (at *tracedAttention) each(t *grad.Tape, f func(sequence, head int, b block, r *room)) {
	_, work := at.sizes()
	t.Parts(at.heads, work, func(head, slot int) {
		for i := range at.queries {
			rows := models.SequenceLen(at.queries, i)
			size := models.BlockQueries(models.SequenceLen(at.keys, i))
			for first := 0; first < rows; first += size {
				f(i, head, at.block(i, head, first, min(size, rows-first)), at.rooms[slot])
			}
		}
	})
	at.rooms = nil
}

// Forward implements grad.Op.
func (at *tracedAttention) Forward(t *grad.Tape) {
	at.open(t)
	at.each(t, func(sequence, head int, b block, r *room) {
		p := at.probabilities(&b, &r.scratch, &r.buffer)
		at.drop.Apply(p, sequence, head, b.first, 0)
		nn.Product(b.rows(at.out), p, b.keys(at.v), &r.buffer)
	})
}

// Backward implements grad.Op. The gradient dS of the scores is that of grad's attention.
// Each term of the scores passes it on: with the sums of dS over the pairs of tokens at
// distance r,
//
//	dq_i += Σ_r dS_ir·K_r,  dK_r += Σ_i dS_ir·q_i,  dk_j += Σ_r dS_rj·Q_r,  dQ_r += Σ_j dS_rj·k_j
func (at *tracedAttention) Backward(t *grad.Tape) {
	at.open(t)
	dOut, dq, dk, dv := t.Grad(at.result), t.Grad(at.qv), t.Grad(at.kv), t.Grad(at.vv)
	var dPosK, dPosQ gemm.View
	if at.pk != nil {
		dPosK = t.Grad(at.pk)
	}
	if at.pq != nil {
		dPosQ = t.Grad(at.pq)
	}
	at.each(t, func(sequence, head int, b block, r *room) {
		p := at.probabilities(&b, &r.scratch, &r.buffer)
		ds, do := view(r.gradient, b.count, b.length), b.rows(dOut)
		nn.ProductTransposed(ds, do, b.keys(at.v), 1, &r.buffer)
		weights := p
		if at.drop.Active() {
			weights = view(r.dropped, b.count, b.length)
			for i := range p.Rows {
				copy(weights.Row(i), p.Row(i))
			}
			at.drop.Apply(weights, sequence, head, b.first, 0)
			at.drop.Apply(ds, sequence, head, b.first, 0)
		}
		nn.AddProductOfTranspose(b.keys(dv), weights, do, &r.sums)
		nn.SoftmaxBackward(ds, p, at.scale)
		nn.AddProduct(b.queries(dq), ds, b.keys(at.k), &r.sums)
		nn.AddProductOfTranspose(b.keys(dk), ds, b.queries(at.q), &r.sums)
		if at.pk != nil {
			at.contentToPosition(&b, ds, dq, dPosK, r)
		}
		if at.pq != nil {
			at.positionToContent(&b, ds, dk, dPosQ, r)
		}
	})
}

// contentToPosition adds the gradients of q_i·K_r.
func (at *tracedAttention) contentToPosition(b *block, ds, dq, dPosK gemm.View, r *room) {
	from, to := -(b.first + b.count - 1), b.length-1-b.first
	places, low := at.embeddings(at.posK, b.place, from, to, b.h0, b.h1)
	terms := view(r.terms, b.count, places.Rows)
	clear(terms.Data)
	for i := range b.count {
		row := terms.Row(i)
		for j, p := range at.index[at.zero-(b.first+i):][:b.length] {
			row[p-low] += ds.Data[i*ds.Stride+j]
		}
	}
	d, _ := at.embeddings(dPosK, b.place, from, to, b.h0, b.h1)
	nn.AddProduct(b.queries(dq), terms, places, &r.sums)
	nn.AddProductOfTranspose(d, terms, b.queries(at.q), &r.sums)
}

// positionToContent adds the gradients of k_j·Q_r.
func (at *tracedAttention) positionToContent(b *block, ds, dk, dPosQ gemm.View, r *room) {
	for j0 := 0; j0 < b.length; j0 += keyBlock {
		j1 := min(j0+keyBlock, b.length)
		from, to := j0-(b.first+b.count-1), j1-1-b.first
		places, low := at.embeddings(at.posQ, b.place, from, to, b.h0, b.h1)
		terms := view(r.terms, j1-j0, places.Rows)
		clear(terms.Data)
		for i := range b.count {
			row := ds.Row(i)
			for j, p := range at.index[at.zero+j0-(b.first+i):][:j1-j0] {
				terms.Data[j*terms.Stride+int(p-low)] += row[j0+j]
			}
		}
		d, _ := at.embeddings(dPosQ, b.place, from, to, b.h0, b.h1)
		nn.AddProduct(b.keys(dk).Slice(j0, j1, 0, at.width), terms, places, &r.sums)
		nn.AddProductOfTranspose(d, terms, b.keys(at.k).Slice(j0, j1, 0, at.width), &r.sums)
	}
}
