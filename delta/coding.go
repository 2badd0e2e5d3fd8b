package delta

import (
	"math"

	"kenserve/internal/sparse"
)

// Coding is how a kept value is stored. The package comment specifies each.
type Coding = sparse.Coding

// The value codings of version 1.
const (
	Float32  = sparse.Float32  // the tuned value, exact
	BFloat16 = sparse.BFloat16 // the change from the base, rounded to bfloat16
	Int8     = sparse.Int8     // the change as one of 255 steps of a scale
	Int4     = sparse.Int4     // the change as one of 15 steps of a scale
	Sign     = sparse.Sign     // the sign of the change, times a scale
)

// ParseCoding returns the coding called s.
func ParseCoding(s string) (Coding, error) { return sparse.ParseCoding(s) }

// fitScale returns the scale for changes that share one.
//
//   - Sign: the mean magnitude, which minimises the sum of squared errors.
//   - Int8: the largest magnitude over 127. No change is clipped, and the error is
//     far below that of the narrower codings.
//   - Int4: a local minimum of the sum of squared errors. Lloyd's iteration rounds
//     the changes to steps and then takes the best scale for these steps; it runs
//     from several first scales, and the best result counts. Compared with the
//     largest magnitude over 7, this leaves a quarter less error if each row has a
//     scale, and half the error if a tensor has one.
func fitScale(c Coding, changes []float32) float32 {
	largest, sum := 0.0, 0.0
	for _, x := range changes {
		a := math.Abs(float64(x))
		largest, sum = max(largest, a), sum+a
	}
	switch {
	case len(changes) == 0:
		return 0
	case c == Int8:
		return float32(largest / sparse.MaxInt8)
	case c == Sign:
		return float32(sum / float64(len(changes)))
	}
	best, smallest := 0.0, math.Inf(1)
	for _, share := range [...]float64{1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3} {
		scale := share * largest / sparse.MaxInt4
		for range 4 {
			if scale == 0 { // the changes are subnormal, and the division underflows
				break
			}
			// Σ(x − scale·q)² = Σx² − 2·scale·Σxq + scale²·Σq² has its minimum at
			// scale = Σxq/Σq², where it is Σx² − (Σxq)²/Σq².
			xq, qq := 0.0, 0.0
			for _, x := range changes {
				a := math.Abs(float64(x))
				q := min(math.RoundToEven(a/scale), sparse.MaxInt4)
				xq += float64(a * q)
				qq += float64(q * q)
			}
			if qq == 0 {
				break
			}
			scale = xq / qq
			if e := -float64(xq*xq) / qq; e < smallest {
				best, smallest = scale, e
			}
		}
	}
	return float32(best)
}

// quantize returns change over scale as an integer of Int8 or Int4: rounded, ties
// to even, and clipped to the coding's range.
func quantize(c Coding, change, scale float32) int8 {
	if scale == 0 {
		return 0
	}
	limit := float64(sparse.MaxInt8)
	if c == Int4 {
		limit = sparse.MaxInt4
	}
	return int8(min(max(math.RoundToEven(float64(change)/float64(scale)), -limit), limit))
}

// toBFloat16 rounds to the nearest bfloat16, ties to even.
func toBFloat16(x float32) uint16 {
	b := math.Float32bits(x)
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// Round replaces changes from the base by what a reader gets of them if they are written in
// the coding, with scales for rows as [Writer.Masked] chooses them. rows has the row of each
// change; they must not fall. A change of zero stays zero.
func Round(c Coding, rows []int32, changes []float32) {
	switch c {
	case Float32:
		return
	case BFloat16:
		for i, x := range changes {
			changes[i] = math.Float32frombits(uint32(toBFloat16(x)) << 16)
		}
		return
	}
	kept, keptRows, last := 0, 0, int32(-1)
	for i, x := range changes {
		if x == 0 {
			continue
		}
		kept++
		if rows[i] != last {
			last = rows[i]
			keptRows++
		}
	}
	if kept < valuesPerScale*keptRows {
		roundGroup(c, changes)
		return
	}
	for from := 0; from < len(changes); {
		to := from + 1
		for to < len(changes) && rows[to] == rows[from] {
			to++
		}
		roundGroup(c, changes[from:to])
		from = to
	}
}

// roundGroup rounds changes that share a scale.
func roundGroup(c Coding, changes []float32) {
	kept := make([]float32, 0, len(changes))
	for _, x := range changes {
		if x != 0 {
			kept = append(kept, x)
		}
	}
	scale := fitScale(c, kept)
	for i, x := range changes {
		switch {
		case x == 0:
		case c == Sign:
			changes[i] = sparse.SignValue(0, scale, x > 0)
		default:
			changes[i] = sparse.StepsValue(0, scale, quantize(c, x, scale))
		}
	}
}
