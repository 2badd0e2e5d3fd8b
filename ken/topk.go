package ken

import "math"

// A topK selects the k largest magnitudes of a row. The bits of a float32 without
// the sign order as the magnitudes do, so it finds the k-th largest digit by digit:
// it counts how often every value of the top bits occurs, which gives the top bits
// of the k-th largest, then does the same for the next bits of the weights with
// those top bits.
type topK struct {
	bits   []uint32
	counts [1 << 11]uint32
}

// choose sets the bits of a cleared mask for the k largest |tuned - base|, or
// |tuned| if base is nil; 0 < k < n. The difference is rounded to float32. Among
// equal magnitudes it keeps those with the lowest columns.
func (l *topK) choose(mask []uint64, tuned, base []float32, k int) {
	if cap(l.bits) < len(tuned) {
		l.bits = make([]uint32, len(tuned))
	}
	bits := l.bits[:len(tuned)]
	for j, v := range tuned {
		if base != nil {
			v -= base[j]
		}
		bits[j] = math.Float32bits(v) & math.MaxInt32
	}
	threshold, ties := l.kthLargest(bits, k)
	for j, b := range bits {
		if b > threshold {
			setBit(mask, j)
		} else if b == threshold && ties > 0 {
			setBit(mask, j)
			ties--
		}
	}
}

// kthLargest returns the k-th largest of bits and how many of the k largest equal
// it.
func (l *topK) kthLargest(bits []uint32, k int) (threshold uint32, ties int) {
	ties = k
	var known uint32 // mask of the bits of threshold that are found
	for _, digit := range [...]struct{ shift, width int }{{20, 11}, {10, 10}, {0, 10}} {
		counts := l.counts[:1<<digit.width]
		clear(counts)
		for _, b := range bits {
			if b&known == threshold {
				counts[b>>digit.shift&(1<<digit.width-1)]++
			}
		}
		value := len(counts) - 1
		for int(counts[value]) < ties {
			ties -= int(counts[value])
			value--
		}
		threshold |= uint32(value) << digit.shift
		known |= (1<<digit.width - 1) << digit.shift
	}
	return threshold, ties
}
