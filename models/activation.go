package models

import (
	"fmt"

	"kenserve/nn"
)

// Activations are the functions that package nn computes, by the names that
// configurations have for them.
var Activations = map[string]nn.Activation{
	"gelu":        nn.GELU,
	"gelu_python": nn.GELU,
	// One function in five implementations.
	"gelu_new":          nn.GELUTanh,
	"gelu_fast":         nn.GELUTanh,
	"gelu_accurate":     nn.GELUTanh,
	"gelu_pytorch_tanh": nn.GELUTanh,
	"gelu_python_tanh":  nn.GELUTanh,

	"relu":   nn.ReLU,
	"tanh":   nn.Tanh,
	"linear": nn.Identity,
}

// ParseActivation returns the function that Hugging Face knows by the name
// given, the value of a configuration's hidden_act. It refuses functions that
// package nn does not compute.
func ParseActivation(name string) (nn.Activation, error) {
	a, ok := Activations[name]
	if !ok {
		return 0, fmt.Errorf("activation %q is not known", name)
	}
	return a, nil
}
