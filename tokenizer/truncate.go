package tokenizer

import (
	"errors"
	"fmt"
)

// Truncation selects the text that loses tokens when a pair has too many.
type Truncation uint8

const (
	// LongestFirst drops tokens of the longer text until both have the same length, then of both.
	LongestFirst Truncation = iota
	// OnlyFirst drops tokens of the first text.
	OnlyFirst
	// OnlySecond drops tokens of the second text.
	OnlySecond
)

// Direction selects the end of a text that loses tokens.
type Direction uint8

const (
	// Right drops the last tokens.
	Right Direction = iota
	// Left drops the first tokens.
	Left
)

// errTruncation is wrapped by the error for a text that the chosen Truncation cannot shorten enough.
var errTruncation = errors.New("cannot truncate")

// lengths returns how many tokens of each text remain when first+second tokens are truncated to budget.
// second is negative if there is only one text.
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
			return 0, 0, fmt.Errorf("%w: the second text has %d tokens, but %d must be dropped", errTruncation, second, excess)
		}
		second -= excess
	case t == OnlySecond:
		return 0, 0, fmt.Errorf("%w: there is no second text", errTruncation)
	case t == OnlyFirst && pair && first <= excess:
		return 0, 0, fmt.Errorf("%w: the first text has %d tokens, but %d must be dropped", errTruncation, first, excess)
	default:
		first -= excess
	}
	return first, second, nil
}

// longestFirst is the rule of the reference. The shorter text stays whole if the rest of the budget is at
// least as long. Otherwise each text gets half of the budget; if the budget is odd, the longer text gets
// one token more, or the second text if both have the same length.
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
