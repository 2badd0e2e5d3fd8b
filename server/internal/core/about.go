package core

import "math"

// About describes the server and its engine to clients whose API asks for it. A
// zero field is unknown.
type About struct {
	Base        string // name of the base
	Version     string // of kenserve
	MaxTokens   int    // of one input, special tokens included
	BatchTokens int    // most tokens of a forward pass
	MaxWaiting  int    // most requests in the queue
	Workers     int    // cores that compute
	Vocabulary  int    // number of token ids
}

// LargestID is the largest token id.
func (a *About) LargestID() int {
	if a.Vocabulary == 0 {
		return math.MaxInt32
	}
	return a.Vocabulary - 1
}
