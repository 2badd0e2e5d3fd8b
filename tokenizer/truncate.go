package tokenizer

import (
	"errors"
	"fmt"
)

// Truncation says which of two texts loses tokens when both together have too many.
type Truncation uint8

const (
	// LongestFirst takes tokens from the longer text until both are of a length, then from both.
	LongestFirst Truncation = iota
	// OnlyFirst takes tokens from the first text.
	OnlyFirst
	// OnlySecond takes tokens from the second text.
	OnlySecond
)

// Direction says at which end a text loses tokens.
type Direction uint8

const (
	// Right drops a text's last tokens.
	Right Direction = iota
	// Left drops a text's first tokens.
	Left
)

// errTruncation is wrapped by the error of a text that the options cannot bring down to their
// number of tokens.
var errTruncation = errors.New("cannot truncate")

// truncated returns how many tokens of two texts with first and second tokens remain when at most
// budget may; second is negative when there is only one text.
func (t Truncation) lengths(first, second, budget int) (int, int, error) {
	pair := second >= 0
	total := first + max(second, 0)
	if total <= budget {
		return first, second, nil
	}
	if budget == 0 {
		return 0, min(second, 0), nil
	}
	excess := total - budget
	switch {
	case t == LongestFirst && pair:
		first, second = longestFirst(first, second, budget)
	case t == OnlySecond && pair:
		if second <= excess {
			return 0, 0, fmt.Errorf("%w: the second text has %d tokens, %d too many are there", errTruncation, second, excess)
		}
		second -= excess
	case t == OnlySecond:
		return 0, 0, fmt.Errorf("%w: there is no second text", errTruncation)
	case t == OnlyFirst && pair && first <= excess:
		return 0, 0, fmt.Errorf("%w: the first text has %d tokens, %d too many are there", errTruncation, first, excess)
	default:
		first -= excess
	}
	return first, second, nil
}

// longestFirst is the reference's rule: the shorter text stays whole if that leaves the longer one
// no shorter; else each gets half the budget, and an odd token goes to the longer, the second of
// equals.
func longestFirst(first, second, budget int) (int, int) {
	short := min(first, second)
	long := budget - short
	if long < short {
		short = budget / 2
		long = short + budget%2
	}
	if first > second {
		return long, short
	}
	return short, long
}
