package auto

import (
	"context"
	"fmt"

	"kenserve/ken"
)

// evaluate makes and scores a candidate. It returns the earlier point if the candidate
// was tried before.
func (s *Search) evaluate(ctx context.Context, c Candidate) (*Point, error) {
	if i, ok := s.tried[c]; ok {
		return &s.points[i], nil
	}
	size, err := s.Make(ctx, c.Apply(s.Options))
	if err != nil {
		return nil, fmt.Errorf("auto: %s: %w", c, err)
	}
	logits, err := s.logits(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("auto: %s: %w", c, err)
	}
	j := scoreOf(logits, s.Labels, s.Gold)
	if len(s.points) == 0 {
		s.full, s.target = j, logits
	}
	p := Point{
		Candidate: c, Bytes: size, Accuracy: j.accuracy, Change: j.accuracy - s.full.accuracy, Loss: j.loss,
		KLDivergence: klDivergence(s.full.probabilities, j.probabilities, s.Labels),
	}
	observed, expected := s.decisionChanges(j)
	for _, x := range expected {
		p.Expected += x / float64(len(s.Gold))
	}
	drawn := bootstrap(observed, len(s.Gold))
	p.Low, p.High = drawn[bootstrapDraws*25/1000], drawn[bootstrapDraws*975/1000-1]
	mean := make([]float64, len(observed))
	for i := range mean {
		mean[i] = (observed[i] + expected[i]) / 2
	}
	p.LowerBound = bootstrap(mean, len(s.Gold))[int(bootstrapDraws*(1-s.Confidence))]
	// An accuracy exactly at the tolerance must not fail because of rounding.
	const rounding = 1e-9
	p.Within = min((p.Change+p.Expected)/2, p.LowerBound) >= -s.Tolerance-rounding && p.Loss <= s.full.loss+lossPerAccuracy*s.Tolerance+rounding
	agree := 0
	for i, decision := range j.decisions {
		if decision == s.full.decisions[i] {
			agree++
		}
	}
	p.Agrees = float64(agree) / float64(len(j.decisions))
	s.tried[c] = len(s.points)
	s.points = append(s.points, p)
	if s.Progress != nil {
		s.Progress(p)
	}
	return &p, nil
}

// logits returns the logits by which the candidate made last is scored, [texts, Labels].
func (s *Search) logits(ctx context.Context, c Candidate) ([]float32, error) {
	x, err := s.predictions(ctx)
	switch {
	case err != nil || s.Head == nil:
		return x, err
	case s.hasOwnHead(c):
		return s.Head.crossFit(x, s.target)
	}
	return s.Head.logits(x), nil
}

// predictions calls Predict and checks the length of its answer.
func (s *Search) predictions(ctx context.Context) ([]float32, error) {
	x, err := s.Predict(ctx)
	width, unit := s.Labels, "logits"
	if s.Head != nil {
		width, unit = s.Head.Features, "features"
	}
	if err == nil && len(x) != width*len(s.Gold) {
		err = fmt.Errorf("Predict returned %d %s, want %d for each of %d texts", len(x), unit, width, len(s.Gold))
	}
	return x, err
}

// decisionChanges lists the texts on which the candidate decides differently from the
// full model, with the change in the number of right decisions: observed by the label
// (-1, 0 or 1), and expected by the full model's probabilities of both decisions.
func (s *Search) decisionChanges(j score) (observed, expected []float64) {
	for i, decision := range j.decisions {
		fullDecision := s.full.decisions[i]
		if decision == fullDecision {
			continue
		}
		change := 0.0
		if j.right[i] {
			change++
		}
		if s.full.right[i] {
			change--
		}
		observed = append(observed, change)
		p := s.full.probabilities[i*s.Labels:][:s.Labels]
		expected = append(expected, p[decision]-p[fullDecision])
	}
	return observed, expected
}

// hasOwnHead reports whether a head is fitted to the candidate.
func (s *Search) hasOwnHead(c Candidate) bool { return s.Head != nil && c.Selection != ken.KEN }

// fitHead makes the best delta once more and fits a head to it.
func (s *Search) fitHead(ctx context.Context, r *Result) error {
	if !s.hasOwnHead(r.Best.Candidate) {
		return nil
	}
	if _, err := s.Make(ctx, r.Best.Apply(s.Options)); err != nil {
		return fmt.Errorf("auto: %s: %w", r.Best.Candidate, err)
	}
	features, err := s.predictions(ctx)
	if err != nil {
		return fmt.Errorf("auto: %s: %w", r.Best.Candidate, err)
	}
	r.Head, err = s.Head.fit(features, s.target)
	return err
}
