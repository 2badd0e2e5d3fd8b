package encoder

import (
	"kenserve/gemm"
	"kenserve/models"
	"kenserve/nn"
)

// Head describes a classifier: two dense layers on one row per sequence.
type Head struct {
	First      string // name of the layer [hidden, hidden]
	Out        string // name of the layer [labels, hidden]
	Activation nn.Activation
	// Pooler is true if the first layer belongs to the pre-trained model. A base
	// may have it or not.
	Pooler bool
	// DropInput is true if training drops elements before the first layer, too.
	DropInput bool
}

// pooler lists the weights of the first layer if they belong to the base.
func (h Head) pooler(hidden int) []models.Parameter {
	if !h.Pooler {
		return nil
	}
	list := models.DenseParameters(h.First, hidden, hidden)
	for i := range list {
		list[i].Optional = true
	}
	return list
}

// Parameters lists the weights that only a fine-tuned checkpoint has.
func (h Head) Parameters(labels, hidden int) []models.Parameter {
	var list []models.Parameter
	if !h.Pooler {
		list = models.DenseParameters(h.First, hidden, hidden)
	}
	list = append(list, models.DenseParameters(h.Out, labels, hidden)...)
	for i := range list {
		list[i].Head = true
	}
	return list
}

// Classifier is a Head bound to weights.
type Classifier struct {
	first, out models.Dense
	activation nn.Activation
}

// Bind looks up the weights of the head. The binder keeps errors.
func (h Head) Bind(b *models.Binder, hidden int) Classifier {
	return Classifier{b.Dense(h.First, hidden, hidden), b.Dense(h.Out, 0, hidden), h.Activation}
}

// Labels returns the number of logits of a sequence.
func (c *Classifier) Labels() int { return c.out.Weight.N() }

// Logits computes logits [sequences, labels] from x [sequences, hidden].
func (c *Classifier) Logits(w *models.Workspace, x gemm.View, logits []float32) {
	pooled := w.View(x.Rows, x.Cols)
	w.Dense(pooled, x, c.first, c.activation, gemm.View{})
	w.Logits(logits, pooled, c.out)
}
