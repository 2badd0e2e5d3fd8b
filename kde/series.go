package kde

import (
	"math"
	"sync"
)

// A series is a truncation of the fast Gauss transform: its tables of constants and
// the bounds of its truncation error.
//
// Positions are in bandwidths, and g(y) = exp(-y²/2). A value at offset a from the
// centre of its box adds to the sum at a point at offset b from the centre of a box D
// boxes further
//
//	g(D+b-a) = Σ_l Σ_m  g⁽ˡ⁺ᵐ⁾(D) · (-1)ᵐ / (l!·m!) · bˡ · aᵐ
//
// where |a|, |b| ≤ 1/2 and, with the probabilists' Hermite polynomials,
// g⁽ᑫ⁾(y) = (-1)ᑫ He_q(y) exp(-y²/2). A series keeps l, m < terms and the
// boxes with |D| ≤ reach.
//
// g⁽ᑫ⁾ is even or odd as q is. The boxes at D and at -D can therefore share their
// coefficients: a coefficient with even l multiplies the sum of the two boxes' even
// moments and the difference of their odd moments; with odd l it is the other way
// round. The tables hold the remaining factors, for even l and for odd l.
type series struct {
	terms int // per box and per point; a multiple of ten
	reach int // distance of the furthest box that is used

	// even and odd hold five coefficients, one for each l of a group, for every group
	// of five l of that parity and every entry of the combined moments (see
	// transform.combineBoxes).
	even, odd [][group]float64

	// truncation[d] bounds the truncation error for one value d boxes away, over all
	// a and b. tail bounds the contribution of a value further away than reach.
	truncation []float64
	tail       float64

	// amplification is the largest sum of the absolute values of the terms of one
	// distance: how much cancellation can amplify a rounding error.
	amplification float64
}

// group is the number of coefficients of one parity that are computed together: as
// many as fit into registers.
const group = 5

// coarse decides nearly all points of a row of ordinary weights. fine is for rows so
// narrow that their levels are large numbers.
var (
	coarse = sync.OnceValue(func() *series { return newSeries(10, 6) })
	fine   = sync.OnceValue(func() *series { return newSeries(20, 9) })
)

func newSeries(terms, reach int) *series {
	s := &series{
		terms:      terms,
		reach:      reach,
		truncation: make([]float64, reach+1),
		// A value of a box beyond reach is at least reach bandwidths away.
		tail: math.Exp(-float64(reach*reach) / 2),
	}
	// Terms above this order are too small to change a float64 sum: by Cramér's
	// inequality |g⁽ᑫ⁾| ≤ 1.09·√(q!), so the terms of one order q together stay below
	// 1.09/√(q!).
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

// columns returns the number of combined moments of a box for either parity.
func (s *series) columns() int { return s.terms/2 + s.reach*s.terms }
