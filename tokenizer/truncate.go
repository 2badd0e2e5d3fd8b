package tokenizer

import "errors"

// Direction selects the end of a text that loses tokens.
type Direction uint8

const (
	// Right drops the last tokens.
	Right Direction = iota
	// Left drops the first tokens.
	Left
)

// errTruncation is wrapped by the error for a budget that the special tokens alone exceed.
var errTruncation = errors.New("cannot truncate")

// truncated returns how many tokens of each text remain when first+second tokens are truncated to budget.
// second is negative if there is only one text.
//
// The rule is the reference's longest_first. The shorter text stays whole if the rest of the budget is at
// least as long. Otherwise each text gets half of the budget; if the budget is odd, the longer text gets
// one token more, or the second text if both have the same length.
func truncated(first, second, budget int) (int, int) {
	if second < 0 {
		return min(first, budget), second
	}
	if first+second <= budget {
		return first, second
	}
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
