package models

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"kenserve/gemm"
)

// Activations maps the names of activation functions in configurations to the
// functions that package gemm computes.
var Activations = map[string]gemm.Activation{
	"gelu":        gemm.GELU,
	"gelu_python": gemm.GELU,
	// transformers has five implementations of this function.
	"gelu_new":          gemm.GELUTanh,
	"gelu_fast":         gemm.GELUTanh,
	"gelu_accurate":     gemm.GELUTanh,
	"gelu_pytorch_tanh": gemm.GELUTanh,
	"gelu_python_tanh":  gemm.GELUTanh,

	"relu":   gemm.ReLU,
	"tanh":   gemm.Tanh,
	"linear": gemm.Identity,
}

// ParseActivation returns the activation function with the given name, such as
// the value of hidden_act. It returns an error for a function that package gemm
// does not compute.
func ParseActivation(name string) (gemm.Activation, error) {
	a, ok := Activations[name]
	if !ok {
		return 0, fmt.Errorf("activation %q is not supported; supported are %s", name, strings.Join(slices.Sorted(maps.Keys(Activations)), ", "))
	}
	return a, nil
}
