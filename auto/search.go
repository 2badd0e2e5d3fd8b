package auto

import (
	"context"
	"errors"
	"fmt"

	"kenserve/delta"
	"kenserve/ken"
)

// A Search is what a search needs to know. Make and Judge are called in turns
// from one goroutine.
type Search struct {
	// Make makes the delta for the options, in place of the one before, and
	// returns its size in bytes.
	Make func(ctx context.Context, o ken.Options) (int64, error)
	// Judge returns what the delta made last gives of the dev set: with a Head what
	// goes into it [texts, Head.Features], else the logits [texts, Labels].
	Predict func(ctx context.Context) ([]float32, error)
	Labels  int
	// Head is the fine-tuned model's last layer. All deltas but those of the
	// selection ken are judged with one that is fitted to them; nil: no delta is.
	Head *Head
	Gold []int // the texts' labels
	// Options are those that all candidates have in common: tables, the head,
	// workers. What a candidate says of itself is set over them.
	Options ken.Options
	// Tolerance is how much accuracy may be lost against the full model, in
	// [0, 1).
	Tolerance float64
	// Groups are the kinds of tensors and the layers that may have a factor of
	// their own; nil: all have the same.
	Groups []string
	// Confidence is the share of the bootstrap's draws in which a delta has to be
	// within the tolerance, from 0.5 to below 1.
	Confidence float64
	Progress   func(Point) // called for every point, if not nil

	full   score
	target []float32 // the full model's logits
	points []Point
	tried  map[Candidate]int // index in points
}

// Run searches. On an error, that of a canceled context included, the result
// has the points tried before it; it is nil without any.
func (s *Search) Run(ctx context.Context) (*Result, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	r := &Result{Texts: len(s.Gold), Tolerance: s.Tolerance, Confidence: s.Confidence, Full: s.points[0], KEN: s.points[0]}
	err := s.run(ctx, r)
	r.Points = s.points
	return r, err
}

// begin judges the full model.
func (s *Search) begin(ctx context.Context) error {
	if len(s.Gold) == 0 {
		return errors.New("auto: there are no texts to judge deltas by")
	}
	if !(s.Tolerance >= 0 && s.Tolerance < 1) {
		return fmt.Errorf("auto: the tolerance is %g: it must be at least 0 and below 1", s.Tolerance)
	}
	if !(s.Confidence >= 0.5 && s.Confidence < 1) {
		return fmt.Errorf("auto: the confidence is %g: it must be at least 0.5 and below 1", s.Confidence)
	}
	s.tried, s.points = map[Candidate]int{}, nil
	_, err := s.evaluate(ctx, Candidate{Selection: ken.KEN, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Coding: delta.Float32, Keep: 1, Factor: 1})
	return err
}

func (s *Search) run(ctx context.Context, r *Result) error {
	best, rung, err := s.bisect(ctx, configurations[0])
	if err != nil {
		return err
	}
	for i, line := range configurations {
		from := rung
		if i == 0 && best != nil {
			from++
		}
		p, at, err := s.descend(ctx, line, best, from)
		if err != nil {
			return err
		}
		if p != nil {
			best, rung = p, at
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

// bisect finds the smallest keep fraction of a line that is within the
// tolerance, and its rung; nil and 0 if there is none.
func (s *Search) bisect(ctx context.Context, line Candidate) (best *Point, rung float64, err error) {
	good, bad := -1, keepSteps
	for bad-good > 1 {
		middle := (good + bad) / 2
		line.Keep = keepAt(float64(middle))
		p, err := s.fit(ctx, line)
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

// patience is how many keep fractions in a row may be beyond the tolerance
// before a line is given up: by chance a smaller delta can be within it.
const maxMisses = 2

// follow walks down a line from a rung on. It returns the smallest delta that
// is within the tolerance and smaller than best, if there is one, and its rung.
func (s *Search) descend(ctx context.Context, line Candidate, best *Point, rung float64) (found *Point, at float64, err error) {
	for misses := 0; rung < keepSteps && misses < maxMisses; rung++ {
		line.Keep = keepAt(rung)
		if best != nil {
			unscaled := line
			unscaled.Factor = 1
			size, err := s.Make(ctx, unscaled.Apply(s.Options))
			if err != nil {
				return nil, 0, fmt.Errorf("auto: %s: %w", line, err)
			}
			if size >= best.Bytes {
				continue
			}
		}
		p, err := s.fit(ctx, line)
		if err != nil {
			return nil, 0, err
		}
		if !p.Within {
			misses++
			continue
		}
		misses = 0
		if best == nil || p.Bytes < best.Bytes {
			found, best, at = p, p, rung
		}
	}
	return found, at, nil
}

// refine looks between the best keep fraction and the next one of its line, in
// steps that halve.
func (s *Search) refine(ctx context.Context, best *Point) (*Point, error) {
	line, good := best.Candidate, stepOf(best.Keep)
	line.Factor = 0
	for step := 0.5; step >= 0.25; step /= 2 {
		line.Keep = keepAt(good + step)
		p, err := s.fit(ctx, line)
		if err != nil {
			return nil, err
		}
		if p.Within && p.Bytes < best.Bytes {
			best, good = p, good+step
		}
	}
	return best, nil
}

// searchKEN finds the smallest delta of the selection ken.
func (s *Search) searchKEN(ctx context.Context, r *Result) error {
	for _, line := range kenConfigurations {
		good, bad := -1, len(kenKeepFractions)
		for bad-good > 1 {
			middle := (good + bad) / 2
			line.Keep = kenKeepFractions[middle]
			p, err := s.evaluate(ctx, line)
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
