package viz

import (
	"math"
	"sort"
	"strconv"
	"strings"
)

// median writes a whole number or half of an odd one.
func median(m float64) string {
	if m != math.Trunc(m) {
		return count(int(m)) + ".5"
	}
	return count(int(m))
}

// Summary describes a list of counts.
type Summary struct {
	Min    int     `json:"min"`
	Median float64 `json:"median"`
	Max    int     `json:"max"`
	Zero   int     `json:"zero"` // how many of them are 0
}

func summarize(counts []int) Summary {
	if len(counts) == 0 {
		return Summary{}
	}
	sorted := append([]int(nil), counts...)
	sort.Ints(sorted)
	n := len(sorted)
	return Summary{
		Min: sorted[0], Max: sorted[n-1],
		Median: float64(sorted[(n-1)/2]+sorted[n/2]) / 2,
		Zero:   sort.SearchInts(sorted, 1),
	}
}

// count writes a whole number that is not negative with commas.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural writes a number of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return count(n) + " " + thing + "s"
}

// percent writes a share with as many digits as tell it from 0 and from 1.
func percent(share float64) string {
	switch p := 100 * share; {
	case share == 0 || share == 1:
		return strconv.Itoa(int(p)) + "%"
	case p < 0.1:
		return "<0.1%"
	case p > 99.9:
		return ">99.9%"
	case p < 10:
		return strconv.FormatFloat(p, 'f', 2, 64) + "%"
	default:
		return strconv.FormatFloat(p, 'f', 1, 64) + "%"
	}
}

// number writes a number with three significant digits.
func number(x float64) string {
	if x == 0 {
		return "0"
	}
	if a := math.Abs(x); a >= 1e6 || a < 1e-3 {
		return minus.Replace(strconv.FormatFloat(x, 'e', 2, 64))
	}
	digits := max(2-int(math.Floor(math.Log10(math.Abs(x)))), 0)
	return minus.Replace(strconv.FormatFloat(x, 'f', digits, 64))
}

// minus writes numbers with a true minus sign and short exponents.
var minus = strings.NewReplacer("-", "−", "e-0", "e−", "e+0", "e", "e+", "e")

// percentTick and plainTick write the numbers of a colour scale.
func percentTick(v float64) string { return strconv.FormatFloat(100*v, 'g', 4, 64) + "%" }

func plainTick(v float64) string { return minus.Replace(strconv.FormatFloat(v, 'g', 3, 64)) }
