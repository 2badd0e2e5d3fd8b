// Package kde estimates the density of a row of weights with a Gaussian
// kernel, at evenly spaced points, to exactly the precision that pruning by
// kernel density needs: each density rounded to an integer, and that integer
// certain.
//
// # The estimate
//
// For a sample x of n values and a bandwidth h the density at t is
//
//	f(t) = 1/(n·h·√(2π)) · Σ exp(-((t-x[j])/h)²/2)
//
// [Moments], [Bandwidth] and [Grid] reproduce, bit for bit, what numpy 1.26
// computes for the standard deviation of a float32 row, the rule-of-thumb
// bandwidth and linspace, because a different last bit can change which
// weights are kept.
//
// # Certain integers from an approximate sum
//
// Summed directly, k points cost k·n exponentials. [Estimator.Levels] uses a
// fast Gauss transform instead (Greengard and Strain, 1991): the line is cut
// into boxes one bandwidth wide, the values of a box are summed up by the
// moments of their offsets from its centre, the moments of the boxes around
// are translated into one polynomial per box, and a point costs one
// evaluation of it. As all boxes are one bandwidth wide, the distances between
// their centres are whole bandwidths and the translation is a constant table.
//
// The transform is cut off early, for a handful of correct digits, and it
// knows for every box a bound on what it left out. A density that is further
// from a rounding boundary than that bound has a certain integer; the few
// others are summed directly by [Density]. The result is that of the direct
// sum at a fraction of its cost.
package kde
