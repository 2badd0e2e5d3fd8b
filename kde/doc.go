// Package kde estimates the density of a row of weights with a Gaussian kernel, at
// evenly spaced points. It rounds each density to an integer, as pruning by kernel
// density needs it, and guarantees that the integer is that of the direct sum.
//
// # The estimate
//
// For a sample x of n values and a bandwidth h the density at t is
//
//	f(t) = 1/(n·h·√(2π)) · Σ exp(-((t-x[j])/h)²/2)
//
// [Moments], [Bandwidth] and [Grid] reproduce, bit for bit, what numpy 1.26
// computes for the mean and standard deviation of a float32 row, for the
// rule-of-thumb bandwidth and for linspace. A different last bit can change which
// weights are kept.
//
// # Exact integers from an approximate sum
//
// Direct sums for k points cost k·n exponentials. [Estimator.Levels] uses a fast
// Gauss transform instead (Greengard and Strain, 1991):
//
//   - The line is cut into boxes, each one bandwidth wide.
//   - The values of a box are summarised by the moments of their offsets from its
//     centre.
//   - The moments of the boxes around a box are translated into one polynomial for
//     that box.
//   - A point then costs one evaluation of its box's polynomial.
//
// All boxes are one bandwidth wide, so the distances between their centres are whole
// bandwidths, and the translation is a table of constants.
//
// The series is truncated early, to a handful of correct digits, and a bound on the
// truncation error is known for every box. Where a density is further from a
// rounding boundary than that bound, its integer is certain. The few other
// densities are summed directly by [Density]. The result equals that of direct sums
// at a fraction of their cost.
package kde
