package gemm

import (
	"fmt"
	"math"
)

// LayerNorm replaces each row of x by
//
//	(x - mean) / √(variance + eps) · gamma + beta
//
// where mean and variance are taken over the row, the variance being the mean
// squared deviation. Gamma and beta are as long as a row. The absolute error is
// at most 4e-6·(1 + |mean|/deviation) where gamma and beta are about 1, the
// second part being what subtracting a large mean costs any float32. Sizes that
// do not match panic.
func LayerNorm(x View, gamma, beta []float32, eps float32) {
	x.check("layer norm")
	if len(gamma) != x.Cols || len(beta) != x.Cols {
		panic(fmt.Sprintf("gemm: layer norm of %d columns with %d gammas and %d betas", x.Cols, len(gamma), len(beta)))
	}
	for i := range x.Rows {
		layerNorm(x.Row(i), gamma, beta, eps)
	}
}

func layerNormPortable(x, gamma, beta []float32, eps float32) {
	gamma, beta = gamma[:len(x)], beta[:len(x)]
	var sum float64
	for _, v := range x {
		sum += float64(v)
	}
	mean := sum / float64(len(x))
	sum = 0
	for _, v := range x {
		d := float64(v) - mean
		sum += float64(d * d)
	}
	scale := float32(1 / math.Sqrt(sum/float64(len(x))+float64(eps)))
	shift := float32(mean)
	for i, v := range x {
		x[i] = float32((v-shift)*scale*gamma[i]) + beta[i]
	}
}
