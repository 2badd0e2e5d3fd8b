//go:build !noasm

package kernel

import (
	"unsafe"

	"kenserve/internal/sparse"
)

// StripLanes returns how many rows a strip for so many rows of A has.
func StripLanes(rows int) int {
	if rows > 8 && current >= AVX512 {
		return maxLanes
	}
	return 8
}

// LoadStrip fills a strip with the rows of a: at least one, and at most s.Lanes. Lanes
// without a row get copies of another one.
func LoadStrip(s Strip, a View) {
	vectors := 0
	if current >= AVX2 {
		vectors = a.Cols &^ 7
	}
	if vectors > 0 {
		_ = s.Lines[StripLines(a.Cols)*s.Lanes-1]
		var rows [8]*float32
		for lane := 0; lane < s.Lanes; lane += len(rows) {
			for i := range rows {
				rows[i] = &a.Row(min(lane+i, a.Rows-1))[0]
			}
			loadStrip8AVX2(&s.Lines[stripZeros*s.Lanes+lane], uintptr(4*s.Lanes), &rows, vectors)
		}
	}
	loadStripPortable(s, a, vectors)
}

// gaps adds the places of the values of a tile with gaps; see gapsPortable.
func (f *quadFiller) gaps(gaps []byte, code sparse.GapCode, slots []uint32) {
	q := f.quads
	switch position := uint32(stripZeros * tileRows); {
	case current < AVX2 || len(gaps) == 0:
		f.gapsPortable(gaps, code, slots)
	case code == sparse.SignGaps:
		f.next = signGapsToQuadsAVX2(&gaps[0], len(gaps), position, &q.Places[0][0], &q.Outputs[0], uint32(f.column), &f.open, f.next)
	default:
		f.next = gapsToQuadsAVX2(&gaps[0], len(gaps), position, &q.Places[0][0], &q.Outputs[0], uint32(f.column), &f.open, f.next, unsafe.SliceData(slots))
	}
}

// sumQuads is SumQuads, after sums without a quad were cleared.
func sumQuads(sums []float32, s Strip, q *Quads) {
	n, rest := q.Begun, len(q.Places)-q.Begun
	switch {
	case current < AVX2 || n == 0:
		sumQuadsPortable(sums, s, q)
	case s.Lanes == maxLanes && q.Values == nil:
		sumSignQuads16AVX512(&sums[0], &s.Lines[0], &q.Places[0], &q.Outputs[0], n, rest)
	case s.Lanes == maxLanes:
		sumQuads16AVX512(&sums[0], &s.Lines[0], &q.Places[0], &q.Outputs[0], &q.Values[0], n, rest)
	case q.Values == nil:
		sumSignQuads8AVX2(&sums[0], &s.Lines[0], &q.Places[0], &q.Outputs[0], n, rest)
	default:
		sumQuads8AVX2(&sums[0], &s.Lines[0], &q.Places[0], &q.Outputs[0], &q.Values[0], n, rest)
	}
}

// StoreSums stores bias + sum·scale, transposed, in the rows of dst, which has PanelWidth
// columns and at most lanes rows. sums is [Sums][lanes]. With signs, the sums of the
// negative values are subtracted.
func StoreSums(dst View, sums []float32, lanes int, scales, bias *PanelRow, signs bool) {
	if current < AVX2 {
		storeSumsPortable(dst, sums, lanes, scales, bias, signs)
		return
	}
	var unused PanelRow
	var rows [8]*float32
	for lane := 0; lane < dst.Rows; lane += len(rows) {
		for i := range rows {
			rows[i] = &unused[0]
			if lane+i < dst.Rows {
				rows[i] = (*float32)(unsafe.Pointer((*PanelRow)(dst.Row(lane + i))))
			}
		}
		if signs {
			storeSignSums8AVX2(&rows, &sums[lane], uintptr(4*lanes), &scales[0], &bias[0])
		} else {
			storeSums8AVX2(&rows, &sums[lane], uintptr(4*lanes), &scales[0], &bias[0])
		}
	}
}
