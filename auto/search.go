package auto

import (
	"context"
	"errors"
	"fmt"

	"kenserve/delta"
	"kenserve/ken"
)

// A Search searches for the smallest delta. Make and Predict are called in turn, from
// one goroutine.
type Search struct {
	// Make makes the delta for the options, replacing the last one, and returns its
	// size in bytes.
	Make func(ctx context.Context, o ken.Options) (int64, error)
	// Predict runs the delta made last on the dev set. With a Head it returns the
	// inputs of the head, [texts, Head.Features], otherwise the logits, [texts,
	// Labels]; both are row-major.
	Predict func(ctx context.Context) ([]float32, error)
	Labels  int
	// Head is the fine-tuned model's last layer. Every delta but those of the
	// selection ken is then scored with a head fitted to it. nil: no head is fitted.
	Head *Head
	Gold []int // label of each text
	// Options are the options that all candidates share: tables, head tensors,
	// workers. A candidate's own options override them.
	Options ken.Options
	// Tolerance is the accepted loss of accuracy against the full model, in [0, 1).
	Tolerance float64
	// Groups are the groups of tensors that can have a factor of their own, see
	// [ken.Pair.Groups]; nil: no group factors are fitted.
	Groups []string
	// Confidence is the share of the bootstrap's draws in which a delta must be within
	// the tolerance, in [0.5, 1).
	Confidence float64
	Progress   func(Point) // if not nil, called for every point

	full   score
	target []float32 // logits of the full model, [texts, Labels]
	points []Point
	tried  map[Candidate]int // indices in points
}

// Run runs the search. On an error, also of a cancelled context, the result holds the
// points tried so far; it is nil if there is none.
func (s *Search) Run(ctx context.Context) (*Result, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	r := &Result{Texts: len(s.Gold), Tolerance: s.Tolerance, Confidence: s.Confidence, Full: s.points[0], KEN: s.points[0]}
	err := s.run(ctx, r)
	r.Points = s.points
	return r, err
}

// begin checks the search's fields and evaluates the full model.
func (s *Search) begin(ctx context.Context) error {
	if len(s.Gold) == 0 {
		return errors.New("auto: the dev set has no texts")
	}
	if !(s.Tolerance >= 0 && s.Tolerance < 1) {
		return fmt.Errorf("auto: tolerance is %g, want at least 0 and below 1", s.Tolerance)
	}
	if !(s.Confidence >= 0.5 && s.Confidence < 1) {
		return fmt.Errorf("auto: confidence is %g, want at least 0.5 and below 1", s.Confidence)
	}
	s.tried, s.points = map[Candidate]int{}, nil
	_, err := s.evaluate(ctx, Candidate{Selection: ken.KEN, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Coding: delta.Float32, Keep: 1, Factor: 1})
	return err
}

func (s *Search) run(ctx context.Context, r *Result) error {
	best, step, err := s.bisect(ctx, configurations[0])
	if err != nil {
		return err
	}
	for i, config := range configurations {
		from := step
		if i == 0 && best != nil {
			from++
		}
		p, at, err := s.descend(ctx, config, best, from)
		if err != nil {
			return err
		}
		if p != nil {
			best, step = p, at
		}
	}
	if best != nil {
		if best, err = s.refine(ctx, best); err != nil {
			return err
		}
		if best, err = s.searchGroups(ctx, best); err != nil {
			return err
		}
		r.Best = *best
	}
	if err := s.searchKEN(ctx, r); err != nil {
		return err
	}
	switch {
	case best == nil && r.KEN.Bytes == r.Full.Bytes:
		return errNothing
	case best == nil || r.KEN.Bytes < best.Bytes:
		r.Best = r.KEN
	}
	return s.fitHead(ctx, r)
}

// bisect finds the smallest keep fraction of a configuration that is within the
// tolerance, and its step; nil and 0 if there is none.
func (s *Search) bisect(ctx context.Context, config Candidate) (best *Point, step float64, err error) {
	good, bad := -1, keepSteps
	for bad-good > 1 {
		middle := (good + bad) / 2
		config.Keep = keepAt(float64(middle))
		p, err := s.fit(ctx, config)
		if err != nil {
			return nil, 0, err
		}
		if p.Within {
			good, best = middle, p
		} else {
			bad = middle
		}
	}
	return best, float64(max(good, 0)), nil
}

// maxMisses is the number of keep fractions in a row beyond the tolerance after which a
// configuration is given up. It is above 1 because a smaller delta can be within the
// tolerance by chance.
const maxMisses = 2

// descend tries the keep fractions of a configuration from a step on, towards smaller
// deltas. It returns the smallest delta that is within the tolerance and smaller than
// best, and its step; nil if there is none.
func (s *Search) descend(ctx context.Context, config Candidate, best *Point, step float64) (found *Point, at float64, err error) {
	for misses := 0; step < keepSteps && misses < maxMisses; step++ {
		config.Keep = keepAt(step)
		if best != nil {
			unscaled := config
			unscaled.Factor = 1
			size, err := s.Make(ctx, unscaled.Apply(s.Options))
			if err != nil {
				return nil, 0, fmt.Errorf("auto: %s: %w", config, err)
			}
			if size >= best.Bytes {
				continue
			}
		}
		p, err := s.fit(ctx, config)
		if err != nil {
			return nil, 0, err
		}
		if !p.Within {
			misses++
			continue
		}
		misses = 0
		if best == nil || p.Bytes < best.Bytes {
			found, best, at = p, p, step
		}
	}
	return found, at, nil
}

// refine tries keep fractions between the best one and the next smaller one of its
// configuration, by bisection.
func (s *Search) refine(ctx context.Context, best *Point) (*Point, error) {
	config, good := best.Candidate, stepOf(best.Keep)
	config.Factor = 0
	for step := 0.5; step >= 0.25; step /= 2 {
		config.Keep = keepAt(good + step)
		p, err := s.fit(ctx, config)
		if err != nil {
			return nil, err
		}
		if p.Within && p.Bytes < best.Bytes {
			best, good = p, good+step
		}
	}
	return best, nil
}

// searchKEN finds the smallest delta of the selection ken by bisection.
func (s *Search) searchKEN(ctx context.Context, r *Result) error {
	for _, config := range kenConfigurations {
		good, bad := -1, len(kenKeepFractions)
		for bad-good > 1 {
			middle := (good + bad) / 2
			config.Keep = kenKeepFractions[middle]
			p, err := s.evaluate(ctx, config)
			if err != nil {
				return err
			}
			if !p.Within {
				bad = middle
				continue
			}
			good = middle
			if p.Bytes < r.KEN.Bytes {
				r.KEN = *p
			}
		}
	}
	return nil
}
