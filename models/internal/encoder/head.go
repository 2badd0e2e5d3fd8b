package encoder

import (
	"kenserve/gemm"
	"kenserve/models"
	"kenserve/nn"
)

// Head describes a classifier of two dense layers over one row a sequence.
type Head struct {
	First      string // name of the layer [hidden, hidden]
	Out        string // name of the layer [labels, hidden]
	Activation nn.Activation
	// Pooler says that the first layer is a part of the pre-trained model,
	// which a base may have kept or not.
	Pooler bool
}

// pooler lists the first layer's weights if they are the base's.
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

// Bind resolves the head's weights. Errors are left in the binder.
func (h Head) Bind(b *models.Binder, hidden int) Classifier {
	return Classifier{b.Dense(h.First, hidden, hidden), b.Dense(h.Out, 0, hidden), h.Activation}
}

// Labels is the number of logits of a sequence.
func (c *Classifier) Labels() int { return c.out.Weight.N() }

// Logits computes logits [sequences, labels] from x [sequences, hidden].
func (c *Classifier) Logits(w *models.Workspace, x gemm.View, logits []float32) {
	pooled := w.View(x.Rows, x.Cols)
	w.Dense(pooled, x, c.first, c.activation, gemm.View{})
	w.Dense(models.Logits(logits, x.Rows), pooled, c.out, nn.Identity, gemm.View{})
}
