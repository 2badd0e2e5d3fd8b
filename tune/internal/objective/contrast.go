package objective

import (
	"github.com/nlpodyssey/spago/ag"
	"github.com/nlpodyssey/spago/mat"

	"kenserve/tune/internal/tape"
)

// contrastTemperature divides similarities. Khosla et al. recommend 0.1.
const contrastTemperature = 0.1

// Contrast returns the supervised contrastive loss (Khosla et al., 2020) of vectors x
// [len(targets), width], for one label a text:
//
//	L = 1/n · Σᵢ −1/|P(i)| · Σ_{p in P(i)} log( e^(zᵢ·z_p/τ) / Σ_{a≠i} e^(zᵢ·z_a/τ) )
//
// z are the vectors divided by their length, and P(i) the other texts of i's class. Texts
// without another one of their class count in the denominators alone.
func Contrast(x mat.Tensor, targets []Target) mat.Tensor {
	n := len(targets)
	z := tape.Unit(x)
	similarity := ag.ProdScalar(tape.Linear(z, z, nil), mat.Scalar[float32](1/contrastTemperature))
	diagonal, c := make([]float32, n*n), make([]float32, n*n)
	for i := range targets {
		diagonal[i*n+i] = -1e4 // no text is compared with itself
		same := 0
		for j := range targets {
			if j != i && targets[j].Class == targets[i].Class {
				same++
			}
		}
		for j := range targets {
			if j != i && targets[j].Class == targets[i].Class {
				c[i*n+j] = float32(-1 / float64(n*same))
			}
		}
	}
	return tape.Weighted(tape.LogSoftmax(ag.Add(similarity, tape.Constant(diagonal, n, n))), c)
}
