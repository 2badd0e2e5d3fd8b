package auto

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// groupRounds is how often the factors of all groups are gone through.
const groupRounds = 2

// byGroup gives the best delta a factor for each kind of tensors and each layer, and
// looks for smaller ones on its line with these factors.
func (s *Search) searchGroups(ctx context.Context, best *Point) (*Point, error) {
	if len(s.Groups) == 0 {
		return best, nil
	}
	closest, err := s.fitGroups(ctx, best)
	if err != nil {
		return nil, err
	}
	if closest == best {
		return best, nil // its line was followed
	}
	line := closest.Candidate
	line.Factor = 0
	const below = 0.5 // of a rung
	found, _, err := s.descend(ctx, line, best, stepOf(line.Keep)+below)
	switch {
	case err != nil:
		return nil, err
	case found != nil:
		return s.refine(ctx, found)
	case closest.Within:
		return closest, nil // it keeps what best does: as large but for some bytes
	}
	return best, nil
}

// fitGroups fits the factors of groups beside that of a delta: one group after the
// other by steps of a quarter, up or else down, as long as these bring the
// decisions closer to the full model's. That needs no labels and moves less by
// chance than the loss does, which many factors would be fitted to too well.
func (s *Search) fitGroups(ctx context.Context, least *Point) (*Point, error) {
	c := least.Candidate
	factors := map[string]float64{}
	for range groupRounds {
		before := least
		for _, group := range s.Groups {
			for _, step := range [...]float64{factorStep, 1 / factorStep} {
				moved := false
				for {
					tried := maps.Clone(factors)
					tried[group] = factorOf(factors, group) * step
					c.Factors = formatFactors(tried)
					p, err := s.evaluate(ctx, c)
					if err != nil {
						return nil, err
					}
					if p.KLDivergence >= least.KLDivergence {
						break
					}
					least, factors, moved = p, tried, true
				}
				if moved {
					break
				}
			}
		}
		if least == before {
			break
		}
	}
	return least, nil
}

// of returns a group's factor, 1 if it has none.
func factorOf(factors map[string]float64, group string) float64 {
	if f, ok := factors[group]; ok {
		return f
	}
	return 1
}

// formatFactors writes factors as [Candidate] has them, those of 1 left out, so
// that equal candidates have equal texts.
func formatFactors(factors map[string]float64) string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(factors)) {
		if f := fmt.Sprintf("%.4g", factors[kind]); f != "1" {
			parts = append(parts, kind+"="+f)
		}
	}
	return strings.Join(parts, ";")
}

// parseFactors reads what formatFactors wrote; nil if it is nothing.
func parseFactors(text string) map[string]float64 {
	var factors map[string]float64
	for part := range strings.SplitSeq(text, ";") {
		kind, value, ok := strings.Cut(part, "=")
		if f, err := strconv.ParseFloat(value, 64); ok && err == nil {
			if factors == nil {
				factors = map[string]float64{}
			}
			factors[kind] = f
		}
	}
	return factors
}
