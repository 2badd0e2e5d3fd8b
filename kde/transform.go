package kde

// A transform is the fast Gauss transform of one row. Positions are in bandwidths from
// the row's smallest value; box c spans [c, c+1].
type transform struct {
	*series
	boxes   int
	total   float64   // number of values in the row
	moments []float64 // [boxes + 2·reach][terms]: Σ aᵐ, with empty boxes on both sides
	even    []float64 // [columns] combined moments for coefficients of even l
	odd     []float64 // [columns] the same for odd l
	local   []float64 // [terms] polynomial of the current box: even l first, then odd l
}

// computeMoments computes the moments of all boxes. The sample is sorted; inverse is
// one over the bandwidth.
func (t *transform) computeMoments(s *series, sample []float32, inverse float64) {
	low := float64(sample[0])
	t.series = s
	t.total = float64(len(sample))
	t.boxes = int((float64(sample[len(sample)-1])-low)*inverse) + 1
	t.moments = zeroed(t.moments, (t.boxes+2*s.reach)*s.terms)
	t.even = zeroed(t.even, s.columns())
	t.odd = zeroed(t.odd, s.columns())
	t.local = zeroed(t.local, s.terms)

	for from := 0; from < len(sample); {
		box := int((float64(sample[from]) - low) * inverse)
		m := t.moments[(box+s.reach)*s.terms:][:s.terms]
		from += addMoments(m, sample[from:], low, inverse, float64(box)+0.5)
	}
}

// addMoments takes from the front of the sample the values of the box around centre,
// at least one. It sets m to the sums of the powers 0, 1, 2, … of their offsets from
// centre and returns the number of values.
func addMoments(m []float64, sample []float32, low, inverse, centre float64) int {
	var m1, m2, m3, m4, m5, m6, m7, m8, m9 float64
	n := 0
	for _, v := range sample {
		a := float64((float64(v)-low)*inverse) - centre
		if a >= 0.5 && n > 0 {
			break
		}
		n++
		m1 += a
		power := a * a
		m2 += power
		power *= a
		m3 += power
		power *= a
		m4 += power
		power *= a
		m5 += power
		power *= a
		m6 += power
		power *= a
		m7 += power
		power *= a
		m8 += power
		power *= a
		m9 += power
	}
	_ = m[9]
	m[0], m[1], m[2], m[3], m[4] = float64(n), m1, m2, m3, m4
	m[5], m[6], m[7], m[8], m[9] = m5, m6, m7, m8, m9
	if len(m) == 10 {
		return n
	}
	for _, v := range sample[:n] {
		a := (float64(v)-low)*inverse - centre
		a2 := a * a
		a5 := a2 * a2 * a
		power := a5 * a5
		for i := 10; i < len(m); i++ {
			m[i] += power
			power *= a
		}
	}
	return n
}

// prepareBox computes the polynomial of box c. It returns a bound on the truncation
// error of the sums that evaluate returns for that box.
func (t *transform) prepareBox(c int) float64 {
	t.combineBoxes(c + t.reach)
	half := t.terms / 2
	translate(t.local[:half], t.even, t.series.even)
	translate(t.local[half:], t.odd, t.series.odd)

	// Entry 0 of every pair of boxes is the number of its values.
	inReach, bound := t.even[0], t.even[0]*t.truncation[0]
	for d, i := 1, half; d <= t.reach; d, i = d+1, i+t.terms {
		inReach += t.even[i]
		bound += t.even[i] * t.truncation[d]
	}
	return bound + (t.total-inReach)*t.tail
}

// roundingBound bounds the error that float64 rounding adds to a sum, including the
// rounding of the direct sum. It counts a relative error of one unit in the last place
// for every addition, and for the few operations that compute the position of a value
// or a point, which is at most the number of boxes. No path through the coefficients
// amplifies these errors by more than amplification.
func (t *transform) roundingBound() float64 {
	operations := t.total + float64(len(t.even)+4*t.boxes)
	return operations * 0x1p-52 * t.amplification * t.total
}

// combineBoxes fills even and odd for the box whose moments are in row c of moments:
// first its own moments of that parity, then for every distance the sums and
// differences of the moments of the two boxes.
func (t *transform) combineBoxes(c int) {
	terms, half := t.terms, t.terms/2
	own := t.moments[c*terms:][:terms]
	for i := range half {
		t.even[i] = own[2*i]
		t.odd[i] = own[2*i+1]
	}
	even, odd := t.even[half:], t.odd[half:]
	for d := 1; d <= t.reach; d++ {
		left := t.moments[(c-d)*terms:][:terms]
		right := t.moments[(c+d)*terms:][:terms]
		for m := 0; m+1 < len(left) && m+1 < len(right) && m+1 < len(even) && m+1 < len(odd); m += 2 {
			even[m] = left[m] + right[m]
			odd[m] = left[m] - right[m]
			even[m+1] = left[m+1] - right[m+1]
			odd[m+1] = left[m+1] + right[m+1]
		}
		even, odd = even[terms:], odd[terms:]
	}
}

// translate sets every group of five coefficients of local to the combined moments
// times their columns of the table.
func translate(local, combined []float64, table [][group]float64) {
	for ; len(local) >= group; local = local[group:] {
		var s0, s1, s2, s3, s4 float64
		columns := table[:len(combined)]
		for i, v := range combined {
			column := &columns[i]
			s0 += v * column[0]
			s1 += v * column[1]
			s2 += v * column[2]
			s3 += v * column[3]
			s4 += v * column[4]
		}
		local[0], local[1], local[2], local[3], local[4] = s0, s1, s2, s3, s4
		table = table[len(combined):]
	}
}

// evaluate returns the polynomial of the current box at offset b from its centre: the
// sum over all values of the kernel, whose peak is 1.
func (t *transform) evaluate(b float64) float64 {
	half := len(t.local) / 2
	even, odd := t.local[:half], t.local[half:][:half]
	square := b * b
	var e, o float64
	for i := half - 1; i >= 0; i-- {
		e = e*square + even[i]
		o = o*square + odd[i]
	}
	return e + b*o
}

// zeroed returns a slice of n zeros, in the memory of buffer if that is large enough.
func zeroed(buffer []float64, n int) []float64 {
	if cap(buffer) < n {
		return make([]float64, n)
	}
	buffer = buffer[:n]
	clear(buffer)
	return buffer
}
