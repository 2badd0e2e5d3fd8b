package disentangled

import (
	"math"

	"kenserve/gemm"
	"kenserve/models"
	"kenserve/models/internal/encoder"
	"kenserve/nn"
)

// network is a model bound to weights. Layers and tables that do not exist are
// zero.
type network struct {
	a                       *architecture
	words, positions, types models.Lookup
	projection              models.Dense
	norm                    models.Norm
	distances               models.Lookup
	distanceNorm            models.Norm
	convolution             models.Dense
	convolutionNorm         models.Norm
	layers                  []layer
	encoder.Classifier
	*models.TaskWeights
}

type layer struct {
	fused              models.Dense // with Layout Fused; otherwise query, key and value
	query, key, value  models.Dense
	posKey, posQuery   models.Dense
	output             models.Dense
	outputNorm         models.Norm
	intermediate, down models.Dense
	downNorm           models.Norm
}

// Bind looks up the weights.
func (a *architecture) Bind(p models.Params) (models.Network, error) {
	b, h := models.NewBinder(p), a.encoder.Hidden
	n := &network{a: a, words: b.Table(words), norm: b.Norm(embeddingNorm, h, a.encoder.Eps), distances: b.Table(distances), TaskWeights: b.Weights()}
	if a.positions > 0 {
		n.positions = b.Table(positions)
	}
	if a.types > 0 {
		n.types = b.Table(types)
	}
	if a.width != h {
		n.projection = b.Unbiased(projection, h, a.width)
	}
	if a.NormDistances {
		n.distanceNorm = b.Norm(distanceNorm, h, a.encoder.Eps)
	}
	if a.ConvolutionWidth > 0 {
		n.convolution = b.Dense(convolution, h, h*a.ConvolutionWidth)
		n.convolutionNorm = b.Norm(convolutionNorm, h, a.encoder.Eps)
	}
	for i := range a.encoder.Layers {
		n.layers = append(n.layers, a.bindLayer(b, layerName(i)))
	}
	n.Classifier = a.Model.head.Bind(b, h)
	if err := b.Err(); err != nil {
		return nil, err
	}
	return n, nil
}

// bindLayer looks up the weights of the layer with the given name.
func (a *architecture) bindLayer(b *models.Binder, l string) layer {
	c, n := a.encoder, encoder.BERT
	h := c.Hidden
	var y layer
	a.bindAttention(b, l, &y)
	y.output = b.Dense(l+n.Output, h, h)
	y.outputNorm = b.Norm(l+n.OutputNorm, h, c.Eps)
	y.intermediate = b.Dense(l+n.Intermediate, c.Intermediate, h)
	y.down = b.Dense(l+n.Down, h, c.Intermediate)
	y.downNorm = b.Norm(l+n.DownNorm, h, c.Eps)
	return y
}

// bindAttention looks up the weights of the attention in that layer.
func (a *architecture) bindAttention(b *models.Binder, l string, y *layer) {
	c := a.encoder
	h := c.Hidden
	if a.layout == Fused {
		y.fused = b.Biased(l+fused, 3*h, h, interleave(b.Vector(l+fusedQueryBias, h), b.Vector(l+fusedValueBias, h), c.Heads))
		if a.contentToPosition {
			y.posKey = b.Unbiased(l+fusedPosKey, h, h)
		}
		if a.positionToContent {
			y.posQuery = b.Dense(l+fusedPosQuery, h, h)
		}
		return
	}
	y.key, y.value, y.query = b.Dense(l+key, h, h), b.Dense(l+value, h, h), b.Dense(l+query, h, h)
	posKey, posQuery := positionalKey, positionalQuery
	if a.layout == Shared {
		posKey, posQuery = key, query
	}
	if a.contentToPosition {
		y.posKey = b.Dense(l+posKey, h, h)
	}
	if a.positionToContent {
		y.posQuery = b.Dense(l+posQuery, h, h)
	}
}

// interleave returns the bias of a fused projection, whose rows are each head's
// queries, keys and values in turn. The bias of keys is 0. It returns nil if a
// vector is missing; the binder has recorded that error.
func interleave(query, value []float32, heads int) []float32 {
	if len(query) != len(value) || len(query)%heads != 0 {
		return nil
	}
	width := len(query) / heads
	bias := make([]float32, 3*len(query))
	for h := range heads {
		copy(bias[3*h*width:][:width], query[h*width:])
		copy(bias[(3*h+2)*width:][:width], value[h*width:])
	}
	return bias
}

// Forward implements models.Network.
func (n *network) Forward(w *models.Workspace, b *models.Batch, logits []float32) error {
	if err := w.Start(n, b, n.a.Limits(), logits); err != nil || len(b.Ends) == 0 {
		return err
	}
	n.Logits(w, n.firstOutputs(w, n.embed(w, b), b.Ends), logits)
	return nil
}

// embed returns the embeddings [tokens, hidden] of a batch within the limits. It
// adds the terms in the order of transformers: word, position, type.
func (n *network) embed(w *models.Workspace, b *models.Batch) gemm.View {
	x := w.View(len(b.IDs), n.a.width)
	term := w.Floats(n.a.width)[:n.a.width]
	start := 0
	for sequence, end := range b.Ends {
		task := w.TaskOf(sequence)
		words := w.Table(n.words, task)
		var positions, types models.Table
		if n.a.positions > 0 {
			positions = w.Table(n.positions, task)
		}
		if n.a.types > 0 {
			types = w.Table(n.types, task)
		}
		for i := start; i < end; i++ {
			row := x.Row(i)
			words.Row(int(b.IDs[i]), row)
			if positions != nil {
				positions.Row(i-start, term)
				models.Add(row, term)
			}
			if types != nil {
				types.Row(b.TypeID(i), term)
				models.Add(row, term)
			}
		}
		start = end
	}
	if n.projection.Weight != nil {
		wide := w.View(x.Rows, n.a.encoder.Hidden)
		w.Dense(wide, x, n.projection, nn.Identity, gemm.View{})
		x = wide
	}
	w.Norm(x, n.norm)
	return x
}

// firstOutputs runs the layers on x [tokens, hidden], the embeddings of sequences
// that end at ends. It returns the output of the first token of each sequence
// [sequences, hidden] and overwrites x. The last layer computes keys and values
// for all tokens, but everything else for the first tokens only.
func (n *network) firstOutputs(w *models.Workspace, x gemm.View, ends []int) gemm.View {
	a, c := n.a, n.a.encoder
	none := gemm.View{}
	longest := 0
	for i := range ends {
		longest = max(longest, models.SequenceLen(ends, i))
	}
	at := models.State[attention](w)
	table := n.table(w, at, ends)
	at.keys, at.heads, at.width, at.step = ends, c.Heads, c.Hidden/c.Heads, c.Hidden/c.Heads
	at.index, at.zero = a.index[a.tokens-longest:a.tokens+longest-1], longest-1
	at.scale = a.scale()
	at.posK, at.posQ = none, none
	if a.contentToPosition {
		at.posK = w.View(table.Rows, c.Hidden)
	}
	if a.positionToContent {
		at.posQ = w.View(table.Rows, c.Hidden)
	}
	convolved := n.convolve(w, x, ends)
	mid, context := w.View(x.Rows, c.Intermediate), w.View(x.Rows, c.Hidden)
	var q, k, v, all gemm.View
	if a.layout == Fused {
		at.step *= 3
		all = w.View(x.Rows, 3*c.Hidden)
	} else {
		q, k, v = w.View(x.Rows, c.Hidden), w.View(x.Rows, c.Hidden), w.View(x.Rows, c.Hidden)
	}
	queries := ends
	for i := range n.layers {
		l := &n.layers[i]
		// In a model with one layer, the convolution needs all outputs of that
		// layer.
		last := i == len(n.layers)-1 && (i > 0 || convolved.Data == nil)
		if a.layout == Fused {
			w.Dense(all, x, l.fused, nn.Identity, none)
			rest := 3*c.Hidden - 2*at.width
			q, k, v = all.Slice(0, x.Rows, 0, rest), all.Slice(0, x.Rows, at.width, rest+at.width), all.Slice(0, x.Rows, 2*at.width, rest+2*at.width)
		} else {
			w.Dense(k, x, l.key, nn.Identity, none)
			w.Dense(v, x, l.value, nn.Identity, none)
		}
		if last {
			x = w.FirstRows(x, ends)
			queries = w.OneTokenEnds(len(ends))
			w.Divide(queries)
			mid, context = mid.Slice(0, x.Rows, 0, mid.Cols), context.Slice(0, x.Rows, 0, context.Cols)
		}
		switch {
		case a.layout != Fused:
			q = q.Slice(0, x.Rows, 0, q.Cols)
			w.Dense(q, x, l.query, nn.Identity, none)
		case last:
			q = w.FirstRows(q, ends)
		}
		w.DivideTasks(at.tableEnds)
		if a.contentToPosition {
			w.Dense(at.posK, table, l.posKey, nn.Identity, none)
		}
		if a.positionToContent {
			w.Dense(at.posQ, table, l.posQuery, nn.Identity, none)
		}
		w.Divide(queries)
		at.out, at.q, at.k, at.v, at.queries = context, q, k, v, queries
		at.run(w)
		w.Dense(x, context, l.output, nn.Identity, x)
		w.Norm(x, l.outputNorm)
		w.Dense(mid, x, l.intermediate, c.Activation, none)
		w.Dense(x, mid, l.down, nn.Identity, x)
		w.Norm(x, l.downNorm)
		if i == 0 && convolved.Data != nil {
			for r := range x.Rows {
				models.Add(x.Row(r), convolved.Row(r))
			}
			w.Norm(x, n.convolutionNorm)
		}
	}
	if x.Rows > len(ends) {
		x = w.FirstRows(x, ends)
		w.Divide(w.OneTokenEnds(len(ends)))
	}
	return x
}

// scale returns the factor of the scores: 1/√(width · number of terms).
func (m *Model) scale() float32 {
	terms := 1
	if m.contentToPosition {
		terms++
	}
	if m.positionToContent {
		terms++
	}
	return float32(1 / math.Sqrt(float64(m.encoder.Hidden/m.encoder.Heads*terms)))
}

// table returns the embeddings of distances, for one task after the other: those in
// the task's sequences, in the order of index. It sets where they are in at.
func (n *network) table(w *models.Workspace, at *attention, ends []int) gemm.View {
	a := n.a
	at.places, at.tableEnds = at.places[:0], at.tableEnds[:0]
	rows := 0
	for i := 0; i < len(ends); {
		task, first, longest := w.TaskOf(i), i, 0
		for ; i < len(ends) && w.TaskOf(i) == task; i++ {
			longest = max(longest, models.SequenceLen(ends, i))
		}
		low, high := int(a.index[a.tokens-longest]), int(a.index[a.tokens+longest-2])
		for range i - first {
			at.places = append(at.places, rows-low)
		}
		rows += high - low + 1
		at.tableEnds = append(at.tableEnds, rows)
	}
	t := w.View(rows, a.encoder.Hidden)
	row, sequence := 0, 0
	for task, end := range at.tableEnds {
		for w.TaskOf(sequence) < task {
			sequence++
		}
		distances, place := w.Table(n.distances, task), at.places[sequence]
		for ; row < end; row++ {
			distances.Row(a.top-(row-place), t.Row(row))
		}
	}
	if a.NormDistances {
		w.DivideTasks(at.tableEnds)
		w.Norm(t, n.distanceNorm)
		w.Divide(ends)
	}
	return t
}

// convolve returns activation(convolution(x)) [tokens, hidden], or the zero View
// if the model has no convolution. Each sequence is padded with zeros.
func (n *network) convolve(w *models.Workspace, x gemm.View, ends []int) gemm.View {
	k := n.a.ConvolutionWidth
	if k == 0 {
		return gemm.View{}
	}
	// The convolution is one matrix product with the neighbours of each token.
	wide, out := w.View(x.Rows, x.Cols*k), w.View(x.Rows, x.Cols)
	unfold(wide, x, k, ends)
	w.Dense(out, wide, n.convolution, n.a.KernelAct, gemm.View{})
	return out
}

// unfold writes column c of the token at offset t-k/2 to column c·k+t of wide, or zero
// if the sequence has no such token.
func unfold(wide, x gemm.View, k int, ends []int) {
	start := 0
	for _, end := range ends {
		for i := start; i < end; i++ {
			row := wide.Row(i)
			for t := range k {
				if j := i + t - k/2; j < start || j >= end {
					for c := range x.Cols {
						row[c*k+t] = 0
					}
				} else {
					for c, value := range x.Row(j) {
						row[c*k+t] = value
					}
				}
			}
		}
		start = end
	}
}
