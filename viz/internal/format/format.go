package format

import (
	"math"
	"strconv"
	"strings"
)

// median writes a whole number or half of an odd one.
func Median(m float64) string {
	if m != math.Trunc(m) {
		return Count(int(m)) + ".5"
	}
	return Count(int(m))
}

// count writes a whole number that is not negative with commas.
func Count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural writes a number of things.
func Plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return Count(n) + " " + thing + "s"
}

// percent writes a share with as many digits as tell it from 0 and from 1.
func Percent(share float64) string {
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
func Number(x float64) string {
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
func PercentTick(v float64) string { return strconv.FormatFloat(100*v, 'g', 4, 64) + "%" }

func PlainTick(v float64) string { return minus.Replace(strconv.FormatFloat(v, 'g', 3, 64)) }

// label shortens a type's name to what comes after the layer's number.
func ShortKind(kind string) string {
	if _, rest, ok := strings.Cut(kind, ".*."); ok {
		return rest
	}
	return kind
}
