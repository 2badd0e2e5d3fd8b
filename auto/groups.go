package auto

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// groupRounds is the number of times that each group's factor is fitted.
const groupRounds = 2

// searchGroups fits a factor for each group of tensors, beside the factor of the best
// delta, and searches for smaller deltas with these factors.
func (s *Search) searchGroups(ctx context.Context, best *Point) (*Point, error) {
	if len(s.Groups) == 0 {
		return best, nil
	}
	closest, err := s.fitGroups(ctx, best)
	if err != nil {
		return nil, err
	}
	if closest == best {
		return best, nil // no group wants a factor, and this configuration was searched
	}
	config := closest.Candidate
	config.Factor = 0
	const halfStep = 0.5
	found, _, err := s.descend(ctx, config, best, stepOf(config.Keep)+halfStep)
	switch {
	case err != nil:
		return nil, err
	case found != nil:
		return s.refine(ctx, found)
	case closest.Within:
		return closest, nil // it keeps as many values as best: the size differs by a few bytes
	}
	return best, nil
}

// fitGroups fits the factors of the groups one after the other: it multiplies a factor
// by factorStep, or else divides it, as long as the divergence from the full model's
// probabilities falls. The divergence needs no labels and has a smaller random error
// than the loss, which so many factors would overfit.
func (s *Search) fitGroups(ctx context.Context, closest *Point) (*Point, error) {
	c := closest.Candidate
	factors := map[string]float64{}
	for range groupRounds {
		before := closest
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
					if p.KLDivergence >= closest.KLDivergence {
						break
					}
					closest, factors, moved = p, tried, true
				}
				if moved {
					break
				}
			}
		}
		if closest == before {
			break
		}
	}
	return closest, nil
}

// factorOf returns the factor of a group, 1 if it has none.
func factorOf(factors map[string]float64, group string) float64 {
	if f, ok := factors[group]; ok {
		return f
	}
	return 1
}

// formatFactors writes factors as [Candidate.Factors]. It leaves out factors of 1, so
// that equal factors give equal text.
func formatFactors(factors map[string]float64) string {
	var parts []string
	for _, group := range slices.Sorted(maps.Keys(factors)) {
		if f := fmt.Sprintf("%.4g", factors[group]); f != "1" {
			parts = append(parts, group+"="+f)
		}
	}
	return strings.Join(parts, ";")
}

// parseFactors reads the text of formatFactors; nil if it is empty.
func parseFactors(text string) map[string]float64 {
	var factors map[string]float64
	for part := range strings.SplitSeq(text, ";") {
		group, value, ok := strings.Cut(part, "=")
		if f, err := strconv.ParseFloat(value, 64); ok && err == nil {
			if factors == nil {
				factors = map[string]float64{}
			}
			factors[group] = f
		}
	}
	return factors
}
