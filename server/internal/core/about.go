package core

import "math"

// About describes a server and the bounds of its engine. Zero: not told.
type About struct {
	Base        string // the base's name
	Version     string
	MaxTokens   int // of an input, special ones included
	BatchTokens int // of a forward pass
	MaxWaiting  int // requests
	Workers     int // cores
	Vocabulary  int // token ids are below
}

// LargestID is the largest token id.
func (a *About) LargestID() int {
	if a.Vocabulary == 0 {
		return math.MaxInt32
	}
	return a.Vocabulary - 1
}
