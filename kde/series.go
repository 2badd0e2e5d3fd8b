package kde

import (
	"math"
	"sync"
)

// A series is a truncation of the fast Gauss transform together with its
// constant tables and what it leaves out.
//
// With u the position in bandwidths and g(y) = exp(-y²/2), a value at offset a
// from the centre of its box and a point at offset b from the centre of a box
// D boxes further contribute
//
//	g(D+b-a) = Σ_l Σ_m  g⁽ˡ⁺ᵐ⁾(D) · (-1)ᵐ / (l!·m!) · bˡ · aᵐ
//
// where |a|, |b| ≤ 1/2 and, with the probabilists' Hermite polynomials,
// g⁽ᑫ⁾(y) = (-1)ᑫ He_q(y) exp(-y²/2). A series keeps l, m < terms and the
// boxes with |D| ≤ reach.
//
// g⁽ᑫ⁾ is even or odd with q. The boxes at D and at -D therefore share their
// coefficients: a coefficient with even l takes the sum of the two boxes' even
// moments and the difference of their odd ones, with odd l the other way
// round. The tables hold what is left after that, for even l and for odd l.
type series struct {
	terms int // per box and per point; a multiple of ten
	reach int // furthest box that is looked at

	// even and odd hold for every group of five l of that parity and for
	// every entry of the combined moments (see transform.combine) five
	// coefficients, one for each l of the group.
	even, odd [][group]float64

	// residue[d] bounds what the double series leaves out for one value d
	// boxes away, over all a and b; beyond bounds what a value further than
	// reach contributes.
	truncation []float64
	tail  float64

	// spread is the largest sum of the absolute values of one distance's
	// terms: how much cancellation can amplify a rounding error.
	amplification float64
}

// group is how many coefficients of one parity are computed together: as many
// as stay in registers.
const group = 5

// rough decides nearly all points of a row of ordinary weights; fine is for
// rows so narrow that their levels are large numbers.
var (
	coarse = sync.OnceValue(func() *series { return newSeries(10, 6) })
	fine  = sync.OnceValue(func() *series { return newSeries(20, 9) })
)

func newSeries(terms, reach int) *series {
	s := &series{
		terms:   terms,
		reach:   reach,
		truncation: make([]float64, reach+1),
		// The nearest value of a box beyond reach is reach bandwidths away.
		tail: math.Exp(-float64(reach*reach) / 2),
	}
	// Past this order nothing is left that float64 could hold beside the
	// rest: by Cramér's inequality |g⁽ᑫ⁾| ≤ 1.09·√(q!), so that the terms of
	// one order q together stay below 1.09/√(q!).
	const last = 80
	derivatives := make([][]float64, reach+1)
	for d := range derivatives {
		derivatives[d] = gaussianDerivatives(float64(d), last)
	}
	factorial := make([]float64, last+1)
	factorial[0] = 1
	for i := 1; i <= last; i++ {
		factorial[i] = factorial[i-1] * float64(i)
	}

	coefficient := func(l, m, d int) float64 {
		c := derivatives[d][l+m] / (factorial[l] * factorial[m])
		if m%2 == 1 {
			c = -c
		}
		return c
	}
	table := func(parity int) [][group]float64 {
		var t [][group]float64
		for first := parity; first < terms; first += 2 * group {
			column := func(m, d int) {
				var c [group]float64
				for i := range c {
					c[i] = coefficient(first+2*i, m, d)
				}
				t = append(t, c)
			}
			for m := parity; m < terms; m += 2 {
				column(m, 0)
			}
			for d := 1; d <= reach; d++ {
				for m := range terms {
					column(m, d)
				}
			}
		}
		return t
	}
	s.even, s.odd = table(0), table(1)

	for d := range s.truncation {
		var kept float64
		for l := 0; l <= last; l++ {
			for m := 0; l+m <= last; m++ {
				term := math.Abs(coefficient(l, m, d)) * math.Ldexp(1, -l-m)
				if l >= terms || m >= terms {
					s.truncation[d] += term
				} else {
					kept += term
				}
			}
		}
		s.amplification = max(s.amplification, kept)
	}
	return s
}

// gaussianDerivatives returns the derivatives 0 to last of exp(-y²/2) at y, by
// the recurrence He_{q+1}(y) = y·He_q(y) - q·He_{q-1}(y).
func gaussianDerivatives(y float64, last int) []float64 {
	derivatives := make([]float64, last+1)
	derivatives[0] = math.Exp(-y * y / 2)
	derivatives[1] = -y * derivatives[0]
	for q := 1; q < last; q++ {
		derivatives[q+1] = -y*derivatives[q] - float64(q)*derivatives[q-1]
	}
	return derivatives
}

// columns returns how many combined moments a box has for either parity.
func (s *series) columns() int { return s.terms/2 + s.reach*s.terms }
