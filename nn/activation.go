package nn

import "kenserve/gemm/kernel"

// Activation is an element-wise function that follows a dense layer.
type Activation uint8

const (
	Identity Activation = iota
	ReLU                // max(0, x)
	GELU                // x·Φ(x) = x/2 · (1 + erf(x/√2))
	GELUTanh            // x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))), an approximation of GELU
	Tanh
)

// Apply replaces every element of x by its activation. The absolute error is below
// 5e-7 for Tanh, and below 5e-7·max(1, |x|) for GELU and GELUTanh.
func (a Activation) Apply(x kernel.View) {
	switch a {
	case ReLU:
		for i := range x.Rows {
			row := x.Row(i)
			for j, v := range row {
				row[j] = max(v, 0)
			}
		}
	case GELU:
		kernel.GELU(x)
	case GELUTanh:
		kernel.GELUTanh(x)
	case Tanh:
		kernel.Tanh(x)
	}
}
