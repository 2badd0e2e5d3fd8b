package prune

import (
	"context"
	"fmt"
)

// Relative distances of a tuned checkpoint from its base, see ken.Distance. The four
// classifiers of the demo have 0.017 to 0.12; weights that were trained independently
// have about 1.4.
const (
	unusualDistance = 0.5
	foreignDistance = 1
)

// ForeignError means that the tuned checkpoint was probably not tuned from the base.
type ForeignError struct{ reason string }

func (e *ForeignError) Error() string { return e.reason }

// CheckDistance compares the tuned checkpoint with the base. It returns a [ForeignError]
// for a distance that no fine-tuning makes, and adds a warning for an unusual one.
func (s *Source) CheckDistance(ctx context.Context) error {
	d, err := s.pair.Distance(ctx)
	if err != nil {
		return fmt.Errorf("prune: compare with the base: %w", err)
	}
	text := fmt.Sprintf("%.0f%% of the weights differ from the base, by %.2f of the base's size (median over the matrices; fine-tuning usually changes them by 0.01 to 0.2)", 100*d.Changed, d.Relative)
	switch {
	case d.Relative >= foreignDistance:
		return &ForeignError{fmt.Sprintf("prune: %s was probably not tuned from this base: %s", s.info.SourceName, text)}
	case d.Relative >= unusualDistance:
		s.Warnings = append(s.Warnings, "is this the right base? "+text)
	}
	return nil
}
