package kde

import "math"

// Moments returns the mean and the population standard deviation of x, bit for bit as
// numpy 1.26's mean and std compute them for a contiguous float32 array: mean,
// differences, squares and their sum are rounded to float32, and both sums are numpy's
// pairwise sums. If a float32 overflows on the way, or a value is not finite, the
// deviation is infinite or NaN; the mean is finite only if all values are. x must not
// be empty.
func Moments(x []float32) (mean, deviation float32) {
	// numpy divides the sum for the mean in float32, and the sum of squares in
	// float64 before rounding; the two differ only for more than 2^24 values.
	mean = pairwise(x, 0, sumBlock) / float32(len(x))
	squares := pairwise(x, mean, squaresBlock)
	variance := float32(float64(squares) / float64(len(x)))
	return mean, float32(math.Sqrt(float64(variance)))
}

// pairwiseBlock is the longest run that numpy adds up without splitting it.
const pairwiseBlock = 128

// pairwise adds up x as numpy does: it splits x into halves, the left one a multiple
// of eight long, down to blocks of at most pairwiseBlock values, which block adds up.
func pairwise(x []float32, mean float32, block func(x []float32, mean float32) float32) float32 {
	if len(x) <= pairwiseBlock {
		return block(x, mean)
	}
	half := len(x) / 2
	half -= half % 8
	return pairwise(x[:half], mean, block) + pairwise(x[half:], mean, block)
}

// sumBlock adds up at most pairwiseBlock values in eight interleaved sums. It takes a
// mean only to have the signature of squaresBlock.
func sumBlock(x []float32, _ float32) float32 {
	if len(x) < 8 {
		var sum float32
		for _, v := range x {
			sum += v
		}
		return sum
	}
	s0, s1, s2, s3, s4, s5, s6, s7 := x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
	x = x[8:]
	for ; len(x) >= 8; x = x[8:] {
		s0 += x[0]
		s1 += x[1]
		s2 += x[2]
		s3 += x[3]
		s4 += x[4]
		s5 += x[5]
		s6 += x[6]
		s7 += x[7]
	}
	sum := ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
	for _, v := range x {
		sum += v
	}
	return sum
}

// squaresBlock adds up the squared differences from the mean, in the order of sumBlock.
func squaresBlock(x []float32, mean float32) float32 {
	if len(x) < 8 {
		var sum float32
		for _, v := range x {
			sum += square(v - mean)
		}
		return sum
	}
	s0, s1, s2, s3 := square(x[0]-mean), square(x[1]-mean), square(x[2]-mean), square(x[3]-mean)
	s4, s5, s6, s7 := square(x[4]-mean), square(x[5]-mean), square(x[6]-mean), square(x[7]-mean)
	x = x[8:]
	for ; len(x) >= 8; x = x[8:] {
		s0 += square(x[0] - mean)
		s1 += square(x[1] - mean)
		s2 += square(x[2] - mean)
		s3 += square(x[3] - mean)
		s4 += square(x[4] - mean)
		s5 += square(x[5] - mean)
		s6 += square(x[6] - mean)
		s7 += square(x[7] - mean)
	}
	sum := ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
	for _, v := range x {
		sum += square(v - mean)
	}
	return sum
}

// square rounds the product to float32 before anything is added to it. The conversion
// keeps compilers from fusing multiplication and addition.
func square(d float32) float32 { return float32(d * d) }
