package models

import (
	"fmt"

	"kenserve/gemm"
)

// ParseActivation returns the function that Hugging Face knows by the name
// given, the value of a configuration's hidden_act. It refuses functions that
// package gemm does not compute.
func ParseActivation(name string) (gemm.Activation, error) {
	switch name {
	case "gelu", "gelu_python":
		return gemm.GELU, nil
	case "gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh", "gelu_python_tanh":
		// One function in five implementations.
		return gemm.GELUTanh, nil
	case "relu":
		return gemm.ReLU, nil
	case "tanh":
		return gemm.Tanh, nil
	case "linear":
		return gemm.Identity, nil
	}
	return 0, fmt.Errorf("activation %q is not known", name)
}
