package nn

import (
	"fmt"

	"kenserve/gemm/kernel"
)

// LayerNorm replaces each row of x by
//
//	(x - mean) / √(variance + eps) · gamma + beta
//
// with the mean and the variance (the mean squared deviation) of the row. gamma and
// beta are as long as a row; other lengths panic. Where they are about 1, the absolute
// error is at most 4e-6·(1 + |mean|/deviation): the second term comes from subtracting
// a large mean in float32.
func LayerNorm(x kernel.View, gamma, beta []float32, eps float32) {
	x.Check("layer norm")
	if len(gamma) != x.Cols || len(beta) != x.Cols {
		panic(fmt.Sprintf("nn: layer norm of %d columns with %d gammas and %d betas", x.Cols, len(gamma), len(beta)))
	}
	for i := range x.Rows {
		kernel.LayerNorm(x.Row(i), gamma, beta, eps)
	}
}
