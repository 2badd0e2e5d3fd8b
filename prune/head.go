package prune

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"

	"kenserve/auto"
	"kenserve/models"
	"kenserve/safetensors"
)

// lastLayer is the layer of a classifier that gives the logits.
type lastLayer struct {
	auto.Head
	weight, bias string // names of its tensors; bias is empty if there is none
}

// readHead returns that of the model that is pruned.
func readHead(p *Source) (*lastLayer, error) {
	labels := len(p.config.Labels)
	more := p.arch.Head(labels + 1)
	h := &lastLayer{Head: auto.Head{Labels: labels}}
	for i, parameter := range p.arch.Head(labels) {
		if slices.Equal(parameter.Shape, more[i].Shape) {
			continue
		}
		t, ok := p.tuned.Tensor(parameter.Name)
		if !ok {
			return nil, fmt.Errorf("prune: the tuned checkpoint has no tensor %s", parameter.Name)
		}
		values := make([]float32, t.Len())
		if err := t.Float32s(values, 0); err != nil {
			return nil, fmt.Errorf("prune: tensor %s: %w", parameter.Name, err)
		}
		if !slices.Equal(t.Shape, parameter.Shape) {
			return nil, fmt.Errorf("prune: tensor %s has shape %v, the configuration asks for %v", parameter.Name, t.Shape, parameter.Shape)
		}
		if parameter.Role == models.Vector {
			h.Bias, h.bias = values, parameter.Name
		} else {
			_, h.Features = parameter.Matrix()
			h.Weight, h.weight = values, parameter.Name
		}
	}
	if h.weight == "" {
		return nil, fmt.Errorf("prune: the head has no layer of %d outputs", labels)
	}
	return h, nil
}

// replaced returns another head's tensors for ken.Options.
func (l *lastLayer) replaced(h *auto.Head) func(name string) *safetensors.Tensor {
	tensor := func(name string, values []float32, shape ...int) *safetensors.Tensor {
		return &safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: shape, Data: safetensors.Bytes(values)}
	}
	return func(name string) *safetensors.Tensor {
		switch name {
		case l.weight:
			return tensor(name, h.Weight, h.Labels, h.Features)
		case l.bias:
			return tensor(name, h.Bias, h.Labels)
		}
		return nil
	}
}

// probe makes the delta made last once more, as one whose logits are what goes
// into the head: with a label for each feature, and the identity for a head.
func (t *Trial) probe(ctx context.Context) error {
	n := t.head.Features
	p := *t.source
	p.info.Config, p.info.Architecture, p.info.ProblemType, p.info.Labels = "", "", "", nil
	identity := auto.Head{Labels: n, Features: n, Weight: make([]float32, n*n)}
	if t.head.Bias != nil {
		identity.Bias = make([]float32, n)
	}
	for i := range n {
		identity.Weight[i*n+i] = 1
		p.info.Labels = append(p.info.Labels, strconv.Itoa(i))
	}
	o := t.options
	o.HeadTensor = t.head.replaced(&identity)
	_ = os.Remove(t.path())
	t.made++
	_, err := p.Write(ctx, t.path(), o)
	return err
}
