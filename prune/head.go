package prune

import (
	"fmt"
	"slices"

	"kenserve/auto"
	"kenserve/models"
	"kenserve/safetensors"
)

// outputLayer is the last layer of a head, which computes the logits.
type outputLayer struct {
	auto.Head
	weight, bias string // names of its tensors; bias is empty if there is none
}

// readOutputLayer finds and reads the output layer of the tuned model. Its tensors are
// those whose shape depends on the number of labels.
func readOutputLayer(s *Source) (*outputLayer, error) {
	labels := len(s.config.Labels)
	oneMore := s.arch.Head(labels + 1)
	l := &outputLayer{Head: auto.Head{Labels: labels}}
	for i, parameter := range s.arch.Head(labels) {
		if slices.Equal(parameter.Shape, oneMore[i].Shape) {
			continue
		}
		t, ok := s.tuned.Tensor(parameter.Name)
		if !ok {
			return nil, fmt.Errorf("prune: read head: the tuned checkpoint has no tensor %s", parameter.Name)
		}
		values := make([]float32, t.Len())
		if err := t.Float32s(values, 0); err != nil {
			return nil, fmt.Errorf("prune: read head: tensor %s: %w", parameter.Name, err)
		}
		if !slices.Equal(t.Shape, parameter.Shape) {
			return nil, fmt.Errorf("prune: read head: tensor %s has shape %v, by the configuration it must be %v", parameter.Name, t.Shape, parameter.Shape)
		}
		if parameter.Role == models.Vector {
			l.Bias, l.bias = values, parameter.Name
		} else {
			_, l.Features = parameter.Matrix()
			l.Weight, l.weight = values, parameter.Name
		}
	}
	if l.weight == "" {
		return nil, fmt.Errorf("prune: read head: no layer has an output for each of the %d labels", labels)
	}
	return l, nil
}

// tensors returns a function for ken.Options.HeadTensor that stores h in place of this
// layer. h may have another number of labels.
func (l *outputLayer) tensors(h *auto.Head) func(name string) *safetensors.Tensor {
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

// identityHead returns a head whose logits are its features: the identity as weight,
// [Features, Features], and a bias of zeros if the layer has a bias.
func (l *outputLayer) identityHead() *auto.Head {
	n := l.Features
	h := &auto.Head{Labels: n, Features: n, Weight: make([]float32, n*n)}
	if l.Bias != nil {
		h.Bias = make([]float32, n)
	}
	for i := range n {
		h.Weight[i*n+i] = 1
	}
	return h
}
