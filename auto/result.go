package auto

import (
	"errors"
)

// Point is a candidate and how it did on the dev set.
type Point struct {
	Candidate
	Bytes        int64   `json:"bytes"` // of the delta file
	Accuracy     float64 `json:"accuracy"`
	Change       float64 `json:"change"` // Accuracy less the full model's
	Low          float64 `json:"low"`    // the 95% interval of Change
	High         float64 `json:"high"`
	Expected     float64 `json:"expected"` // what Change would be by the full model's probabilities
	LowerBound   float64 `json:"cautious"` // what the mean of the two is at least with the search's confidence
	Loss         float64 `json:"loss"`
	KLDivergence float64 `json:"apart"`  // divergence from the full model's probabilities, in nats a text
	Agrees       float64 `json:"agrees"` // share of the texts on which it decides as the full model does
	Within       bool    `json:"within"` // the tolerance
}

// Result is what a search found.
type Result struct {
	Texts      int     `json:"texts"`
	Tolerance  float64 `json:"tolerance"`
	Confidence float64 `json:"confidence"`
	Full       Point   `json:"full"`
	Best       Point   `json:"best"` // the smallest within the tolerance, but for some bytes
	// KEN is the smallest of the selection ken; it keeps everything if nothing
	// less is within the tolerance.
	KEN    Point   `json:"ken"`
	Points []Point `json:"points"` // all that were tried, in this order
	// Head is the one fitted to Best, to be stored with it; nil: its own.
	Head *Head `json:"-"`
}

// ErrNothing means that no candidate but the full model is within the tolerance.
var errNothing = errors.New("auto: no smaller delta is within the tolerance")
