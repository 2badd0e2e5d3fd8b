package grad

import (
	"fmt"

	"kenserve/models"
	"kenserve/nn"
)

// HeadKind is what a layer of a head computes.
type HeadKind int

const (
	Drop      HeadKind = iota // dropout, by Dropout.Hidden
	Dense                     // x·Weightᵀ + Bias
	Activate                  // Activation
	Normalise                 // layer norm with Weight, Bias and Eps
)

// HeadLayer is a layer between an encoder and the logits.
type HeadLayer struct {
	Kind HeadKind
	// Weight and Bias are the names of parameters: of Architecture.Head, or of
	// Architecture.Parameters if they belong to a pre-trained pooler. Bias is "" if there
	// is none.
	Weight, Bias    string
	Outputs, Inputs int // of Dense
	Activation      nn.Activation
	Eps             float32
}

// HeadLayers returns the layers of the head of an architecture, in order. The input of the
// first is what Features returns, the result of the last are the logits.
func HeadLayers(arch models.Architecture, labels int) ([]HeadLayer, error) {
	a, ok := arch.(Architecture)
	if !ok {
		return nil, fmt.Errorf("grad: %T has no backward pass", arch)
	}
	return a.HeadLayers(labels), nil
}
