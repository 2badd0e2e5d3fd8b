package auto

import (
	"context"
	"math"
)

// The factors to try are factorStep to the power of minExponent … maxExponent.
const (
	factorStep  = 1.25
	minExponent = -3 // a factor of 0.5
	maxExponent = 14 // a factor of 23
)

func factorAt(exponent int) float64 { return math.Pow(factorStep, float64(exponent)) }

// Fit fits the factor of a candidate and returns the point with it. If the candidate's
// own factor is not 0, the fit starts from it. Among the factors within the tolerance
// Fit takes the one with the smallest loss; if there is none, the one with the
// smallest loss of all.
func (s *Search) Fit(ctx context.Context, c Candidate) (*Point, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	return s.fit(ctx, c)
}

func (s *Search) fit(ctx context.Context, c Candidate) (*Point, error) {
	exponent := s.startExponent(c)
	at := func(exponent int) (*Point, error) {
		c.Factor = factorAt(exponent)
		return s.evaluate(ctx, c)
	}
	lowest, err := at(exponent)
	if err != nil {
		return nil, err
	}
	best := lowest
	for _, step := range [...]int{1, -1} {
		moved := false
		for e := exponent + step; e >= minExponent && e <= maxExponent; e += step {
			p, err := at(e)
			if err != nil {
				return nil, err
			}
			if p.Within && !best.Within || p.Within == best.Within && p.Loss < best.Loss {
				best = p
			}
			if p.Loss >= lowest.Loss {
				break
			}
			lowest, moved = p, true
		}
		if moved {
			break
		}
	}
	if best.Within {
		return best, nil
	}
	// A factor between two steps may be within the tolerance.
	factor, ok := s.interpolateFactor(lowest)
	if !ok {
		return best, nil
	}
	c.Factor = factor
	p, err := s.evaluate(ctx, c)
	if err == nil && (p.Within || p.Loss < best.Loss) {
		best = p
	}
	return best, err
}

// interpolateFactor returns the minimum of the parabola through the losses of a point's
// factor and of the factors a step below and above it, as a function of the logarithm
// of the factor. It reports false if the minimum is too close to a factor that was
// tried, or if there is none.
func (s *Search) interpolateFactor(p *Point) (factor float64, ok bool) {
	exponent := math.Round(math.Log(p.Factor) / math.Log(factorStep))
	losses := [3]float64{1: p.Loss}
	for i, e := range [...]float64{exponent - 1, exponent + 1} {
		c := p.Candidate
		c.Factor = factorAt(int(e))
		index, ok := s.tried[c]
		if !ok {
			return 0, false
		}
		losses[2*i] = s.points[index].Loss
	}
	curvature := losses[0] - 2*losses[1] + losses[2]
	if !(curvature > 0) {
		return 0, false
	}
	offset := (losses[0] - losses[2]) / (2 * curvature)
	if math.Abs(offset) < 0.1 || math.Abs(offset) > 0.5 {
		return 0, false
	}
	return math.Pow(factorStep, exponent+offset), true
}

// startExponent returns the exponent of the first factor to try. It comes from the
// candidate's own factor, or from the fitted factor of the nearest keep fraction of the
// same configuration, or from a typical factor of 2.2 at a keep fraction of 0.09. The
// best factor is about proportional to keep^−0.7.
func (s *Search) startExponent(c Candidate) int {
	factor, keep, distance := 2.2, 0.09, math.Inf(1)
	if c.Factor > 0 {
		factor, keep, distance = c.Factor, c.Keep, 0
	}
	for i := range s.points {
		p := &s.points[i]
		same := p.Candidate
		same.Keep, same.Factor = c.Keep, c.Factor
		if d := math.Abs(math.Log(p.Keep / c.Keep)); same == c && d <= distance && s.isBestFactor(p) {
			factor, keep, distance = p.Factor, p.Keep, d
		}
	}
	exponent := math.Log(factor*math.Pow(keep/c.Keep, 0.7)) / math.Log(factorStep)
	return int(min(max(math.Round(exponent), minExponent), maxExponent))
}

// isBestFactor reports whether no other factor that was tried for the point's keep
// fraction has a smaller loss.
func (s *Search) isBestFactor(p *Point) bool {
	for i := range s.points {
		other := s.points[i].Candidate
		other.Factor = p.Factor
		if other == p.Candidate && s.points[i].Loss < p.Loss {
			return false
		}
	}
	return true
}
