// Package format writes numbers as the text of pictures and of the page.
package format

import (
	"math"
	"strconv"
	"strings"
)

// Median formats a median of counts: a whole number, or one that ends in .5.
func Median(m float64) string {
	if m != math.Trunc(m) {
		return Count(int(m)) + ".5"
	}
	return Count(int(m))
}

// Count formats a count with commas, as in 1,234.
func Count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Plural formats a count of things, as in 1 row or 2 rows.
func Plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return Count(n) + " " + thing + "s"
}

// Percent formats a share, 0 to 1, with three significant digits at most. Only 0 is 0% and
// only 1 is 100%.
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

// Number formats a number with three significant digits.
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

// minus replaces hyphens by minus signs and shortens exponents.
var minus = strings.NewReplacer("-", "−", "e-0", "e−", "e+0", "e", "e+", "e")

// PercentTick formats a share for the scale of a legend or axis.
func PercentTick(v float64) string { return strconv.FormatFloat(100*v, 'g', 4, 64) + "%" }

// PlainTick formats a number for the scale of a legend or axis.
func PlainTick(v float64) string { return minus.Replace(strconv.FormatFloat(v, 'g', 3, 64)) }

// ShortKind returns the part of a type of tensor after the layer's number, as in
// attention.self.query.weight for encoder.layer.*.attention.self.query.weight.
func ShortKind(kind string) string {
	if _, rest, ok := strings.Cut(kind, ".*."); ok {
		return rest
	}
	return kind
}
