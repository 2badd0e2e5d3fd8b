package adamw

import (
	"fmt"
	"math"
)

// Decay is how the learning rate falls after the warm-up.
type Decay string

// The decays.
const (
	Linear   Decay = "linear"   // to 0 in a straight line
	Cosine   Decay = "cosine"   // to 0 along half a cosine
	Constant Decay = "constant" // it stays
)

// ParseDecay returns the decay of that name.
func ParseDecay(name string) (Decay, error) {
	switch d := Decay(name); d {
	case Linear, Cosine, Constant:
		return d, nil
	}
	return "", fmt.Errorf("unknown decay %q, want %s, %s or %s", name, Linear, Cosine, Constant)
}

// Schedule gives the learning rate of each step, as the schedules of transformers do
// (get_linear_schedule_with_warmup, get_cosine_schedule_with_warmup).
type Schedule struct {
	Peak   float64 // learning rate after the warm-up
	Warmup int     // steps in which the rate rises from 0 to Peak
	Total  int     // steps in all
	Decay  Decay
}

// Rate returns the learning rate of a step, from 0.
func (s Schedule) Rate(step int) float64 {
	if step < s.Warmup {
		return s.Peak * float64(step) / float64(max(1, s.Warmup))
	}
	done := float64(step-s.Warmup) / float64(max(1, s.Total-s.Warmup))
	switch s.Decay {
	case Linear:
		return s.Peak * max(0, 1-done)
	case Cosine:
		return s.Peak * max(0, 0.5*(1+math.Cos(math.Pi*done)))
	}
	return s.Peak
}
