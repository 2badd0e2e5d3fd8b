package models

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"kenserve/nn"
)

// Activations maps the names of activation functions in configurations to the
// functions that package nn computes.
var Activations = map[string]nn.Activation{
	"gelu":        nn.GELU,
	"gelu_python": nn.GELU,
	// transformers has five implementations of this function.
	"gelu_new":          nn.GELUTanh,
	"gelu_fast":         nn.GELUTanh,
	"gelu_accurate":     nn.GELUTanh,
	"gelu_pytorch_tanh": nn.GELUTanh,
	"gelu_python_tanh":  nn.GELUTanh,

	"relu":   nn.ReLU,
	"tanh":   nn.Tanh,
	"linear": nn.Identity,
}

// ParseActivation returns the activation function with the given name, such as
// the value of hidden_act. It returns an error for a function that package nn
// does not compute.
func ParseActivation(name string) (nn.Activation, error) {
	a, ok := Activations[name]
	if !ok {
		return 0, fmt.Errorf("activation %q is not supported; supported are %s", name, strings.Join(slices.Sorted(maps.Keys(Activations)), ", "))
	}
	return a, nil
}
