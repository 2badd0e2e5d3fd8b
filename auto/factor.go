package auto

import (
	"context"
	"math"
)

// Factors that are tried are 1.25 to the power of a whole number between
// these.
const (
	factorStep  = 1.25
	minExponent = -3 // 0.5
	maxExponent = 14 // 23
)

func factorAt(exponent int) float64 { return math.Pow(factorStep, float64(exponent)) }

// Fit finds the factor for a candidate, whose own is taken for a guess if it is
// not 0, and returns the point with it: of those tried and within the tolerance
// the one with the least loss, or the one with the least loss at all.
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
	least, err := at(exponent)
	if err != nil {
		return nil, err
	}
	best := least
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
			if p.Loss >= least.Loss {
				break
			}
			least, moved = p, true
		}
		if moved {
			break
		}
	}
	if best.Within {
		return best, nil
	}
	// Between the steps there may be one that is.
	factor, ok := s.interpolateFactor(least)
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

// lowest returns where the parabola through the losses of a factor and of those
// a step below and above it, by the logarithm of the factor, is lowest, unless
// that is next to a factor that was tried.
func (s *Search) interpolateFactor(p *Point) (factor float64, ok bool) {
	exponent := math.Round(math.Log(p.Factor) / math.Log(factorStep))
	losses := [3]float64{1: p.Loss}
	for i, e := range [...]float64{exponent - 1, exponent + 1} {
		c := p.Candidate
		c.Factor = factorAt(int(e))
		known, tried := s.tried[c]
		if !tried {
			return 0, false
		}
		losses[2*i] = s.points[known].Loss
	}
	bend := losses[0] - 2*losses[1] + losses[2]
	if !(bend > 0) {
		return 0, false
	}
	offset := (losses[0] - losses[2]) / (2 * bend)
	if math.Abs(offset) < 0.1 || math.Abs(offset) > 0.5 {
		return 0, false
	}
	return math.Pow(factorStep, exponent+offset), true
}

// guess returns the exponent of a factor to begin with: the candidate's own, or
// what follows from the nearest keep fraction of its line whose factor is known,
// or from what is usual. The best factor rises as the keep fraction falls, with
// a power of about 0.7 of it.
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

// leastOf tells whether no factor known for the candidate's keep fraction has
// less loss.
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
