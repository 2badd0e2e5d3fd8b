package gemm

// Activation is an element-wise function that follows a dense layer.
type Activation uint8

const (
	Identity Activation = iota
	ReLU                // max(0, x)
	GELU                // x·Φ(x) = x/2 · (1 + erf(x/√2))
	GELUTanh            // x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))), an approximation of GELU
	Tanh
)

// Apply replaces every element of x by its activation. The absolute error is
// below 5e-7 for Tanh, and below 5e-7·max(1, |x|) for GELU and GELUTanh.
func (a Activation) Apply(x []float32) {
	if a != Identity {
		a.apply(x)
	}
}

func (a Activation) applyPortable(x []float32) {
	switch a {
	case ReLU:
		for i, v := range x {
			x[i] = max(v, 0)
		}
	case GELU:
		for i, v := range x {
			x[i] = 0.5 * v * (1 + erf32(v*0.70710678118654752440))
		}
	case GELUTanh:
		for i, v := range x {
			inner := v + float32(0.044715*v*v*v)
			x[i] = 0.5 * v * (1 + tanh32(0.79788456080286535588*inner))
		}
	case Tanh:
		for i, v := range x {
			x[i] = tanh32(v)
		}
	}
}
