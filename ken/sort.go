package ken

import "math"

// A sorter sorts the columns of a row by value, then by column.
//
// The values of most rows are spread smoothly around their mean. A bucket sort with
// twice as many evenly spaced buckets as values then leaves few values in a bucket,
// which an insertion sort puts in order. A row with heavy tails or many duplicates
// fills a few buckets; it is sorted by a radix sort, eight bits at a time.
type sorter struct {
	keys, scratch []uint64 // [n]: ordered bits in the upper half, column in the lower
	buckets       []uint32
	digits        [4][256]uint32
}

// maxBucketCount is the number of values in one bucket from which on a row is sorted
// by the radix sort.
const maxBucketCount = 24

// sort returns one key for each weight of the row, in rising order: the value as
// orderedBits in the upper 32 bits, the column in the lower. The result is valid until
// the next call. All weights are finite. The result does not depend on mean and
// deviation, only the time does: they should be those of the row.
func (s *sorter) sort(row []float32, mean, deviation float32) []uint64 {
	if len(row) > cap(s.keys) {
		s.keys = make([]uint64, len(row))
		s.scratch = make([]uint64, len(row))
		s.buckets = make([]uint32, 2*len(row))
	}
	if keys, ok := s.bucketSort(row, mean, deviation); ok {
		return keys
	}
	return s.radixSort(row)
}

// bucketSort sorts by evenly spaced buckets and insertion. It gives up and reports
// false if a bucket holds maxBucketCount values.
func (s *sorter) bucketSort(row []float32, mean, deviation float32) ([]uint64, bool) {
	keys, sorted := s.keys[:len(row)], s.scratch[:len(row)]
	buckets := s.buckets[:2*len(row)]
	clear(buckets)

	// The buckets span four deviations on either side of the mean; values beyond
	// go into the first and last bucket.
	low := mean - 4*deviation
	scale := float32(len(buckets)) / (8 * deviation)
	for j, v := range row {
		keys[j] = uint64(orderedBits(v))<<32 | uint64(j)
		buckets[bucketIndex((v-low)*scale, len(buckets))]++
	}
	var before uint32
	for i, count := range buckets {
		if count >= maxBucketCount {
			return nil, false
		}
		buckets[i] = before
		before += count
	}
	for j, v := range row {
		next := &buckets[bucketIndex((v-low)*scale, len(buckets))]
		sorted[*next] = keys[j]
		*next++
	}

	last := sorted[0]
	for i := 1; i < len(sorted); i++ {
		key := sorted[i]
		if key > last {
			last = key
			continue
		}
		j := i
		for ; j > 0 && sorted[j-1] > key; j-- {
			sorted[j] = sorted[j-1]
		}
		sorted[j] = key
	}
	return sorted, true
}

// bucketIndex returns the whole part of position, clamped to 0 … n-1; 0 for a NaN.
func bucketIndex(position float32, n int) int {
	if position >= float32(n-1) {
		return n - 1
	}
	if position > 0 {
		return int(position)
	}
	return 0
}

// radixSort sorts by the bits of the values, eight at a time from the lowest.
func (s *sorter) radixSort(row []float32) []uint64 {
	keys, next := s.keys[:len(row)], s.scratch[:len(row)]
	s.digits = [4][256]uint32{}
	for j, v := range row {
		b := orderedBits(v)
		keys[j] = uint64(b)<<32 | uint64(j)
		for d := range s.digits {
			s.digits[d][uint8(b>>(8*d))]++
		}
	}
	for d := range s.digits {
		counts := &s.digits[d]
		shift := 32 + 8*d
		if counts[uint8(keys[0]>>shift)] == uint32(len(keys)) {
			continue // all keys have the same digit
		}
		var before uint32
		for i, count := range counts {
			counts[i] = before
			before += count
		}
		for _, key := range keys {
			position := &counts[uint8(key>>shift)]
			next[*position] = key
			*position++
		}
		keys, next = next, keys
	}
	return keys
}

// orderedBits maps float32s to integers of the same order. Both zeros map to one
// integer.
func orderedBits(v float32) uint32 {
	b := math.Float32bits(v + 0) // -0 + 0 is +0
	return b ^ (uint32(int32(b)>>31) | 1<<31)
}

// fromOrderedBits is the inverse of orderedBits.
func fromOrderedBits(b uint32) float32 {
	return math.Float32frombits(b ^ (^uint32(int32(b)>>31) | 1<<31))
}
