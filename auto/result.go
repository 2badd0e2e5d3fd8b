package auto

import (
	"errors"
)

// Point is a candidate and its scores on the dev set.
type Point struct {
	Candidate
	Bytes        int64   `json:"bytes"` // of the delta file
	Accuracy     float64 `json:"accuracy"`
	Change       float64 `json:"change"` // Accuracy minus that of the full model
	Low          float64 `json:"low"`    // 95% confidence interval of Change: Low to High
	High         float64 `json:"high"`
	Expected     float64 `json:"expected"` // Change as the full model's probabilities predict it
	LowerBound   float64 `json:"cautious"` // lower bound of the mean of Change and Expected, at the search's confidence
	Loss         float64 `json:"loss"`
	KLDivergence float64 `json:"apart"`  // of the probabilities from those of the full model, in nats per text
	Agrees       float64 `json:"agrees"` // share of the texts with the full model's decision
	Within       bool    `json:"within"` // whether the candidate is within the tolerance
}

// Result is the outcome of a search.
type Result struct {
	Texts      int     `json:"texts"`
	Tolerance  float64 `json:"tolerance"`
	Confidence float64 `json:"confidence"`
	Full       Point   `json:"full"`
	Best       Point   `json:"best"` // the smallest within the tolerance, up to a few bytes
	// KEN is the smallest delta of the selection ken within the tolerance; it is Full
	// if no smaller one is.
	KEN    Point   `json:"ken"`
	Points []Point `json:"points"` // all candidates tried, in order
	// Head is the head fitted to Best, to be stored with it; nil: the model's own.
	Head *Head `json:"-"`
}

// errNothing means that no candidate but the full model is within the tolerance.
var errNothing = errors.New("auto: no smaller delta is within the tolerance")
