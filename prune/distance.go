package prune

import (
	"context"
	"fmt"
)

// Bounds of ken.Distance.Relative. Four classifiers tuned from the MiniLM of
// examples/demo are 0.017 to 0.12 from it, with 52% to 67% of the weights changed;
// weights that have nothing to do with the base give 1 or more.
const (
	oddDistance   = 0.4
	wrongDistance = 0.9
)

// WrongBaseError means that the tuned checkpoint is so far from the base that it was
// hardly tuned from it.
type WrongBaseError struct{ reason string }

func (e *WrongBaseError) Error() string { return "prune: " + e.reason }

// CompareWithBase measures how far the tuned checkpoint is from the base. A distance that
// no tuning makes is a [WrongBaseError], and one that tuning hardly makes a warning.
func (s *Source) CompareWithBase(ctx context.Context) (warning string, err error) {
	d, err := s.pair.Distance(ctx)
	if err != nil {
		return "", fmt.Errorf("prune: compare with the base: %w", err)
	}
	numbers := fmt.Sprintf("%.0f%% of the weights differ from the base, and half of the matrices by more than %.2f of their norm (tuning: 0.01 to 0.2; unrelated weights: 1 or more)", 100*d.Changed, d.Relative)
	switch {
	case d.Relative >= wrongDistance:
		return "", &WrongBaseError{numbers + ": this checkpoint was not tuned from this base"}
	case d.Relative >= oddDistance:
		return numbers + ": was this checkpoint tuned from this base?", nil
	}
	return "", nil
}
