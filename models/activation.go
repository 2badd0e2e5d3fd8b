package models

import (
	"fmt"

	"kenserve/gemm"
)

// Activations are the functions that package gemm computes, by the names that
// configurations have for them.
var Activations = map[string]gemm.Activation{
	"gelu":        gemm.GELU,
	"gelu_python": gemm.GELU,
	// One function in five implementations.
	"gelu_new":          gemm.GELUTanh,
	"gelu_fast":         gemm.GELUTanh,
	"gelu_accurate":     gemm.GELUTanh,
	"gelu_pytorch_tanh": gemm.GELUTanh,
	"gelu_python_tanh":  gemm.GELUTanh,

	"relu":   gemm.ReLU,
	"tanh":   gemm.Tanh,
	"linear": gemm.Identity,
}

// ParseActivation returns the function that Hugging Face knows by the name
// given, the value of a configuration's hidden_act. It refuses functions that
// package gemm does not compute.
func ParseActivation(name string) (gemm.Activation, error) {
	a, ok := Activations[name]
	if !ok {
		return 0, fmt.Errorf("activation %q is not known", name)
	}
	return a, nil
}
