//go:build !noasm

package gemm

import "unsafe"

//go:generate sh -c "cd _generate && go run . -set patch -out ../patchkernels_amd64.s -stubs ../patchkernels_amd64.go -pkg gemm"

// read stores the next len(dst) lines of the patched panel in dst.
func (w *walk) read(dst []line) {
	if current < avx2 || len(dst) == 0 {
		w.readPortable(dst)
		return
	}
	base := w.base[:len(dst)]
	w.base = w.base[len(dst):]
	if w.tiles[0].masks == nil && w.tiles[1].masks == nil {
		copy(dst, base)
	}
	for i := range w.tiles {
		switch t := &w.tiles[i]; {
		case t.gaps != nil:
			t.gapsAVX2(dst)
		case t.masks != nil:
			t.masksAVX2(dst, base)
		case w.tiles[1-i].masks != nil:
			copyHalf(dst, base, i*tileRows)
		}
	}
}

// copyHalf copies the columns of a tile that does not change.
func copyHalf(dst, src []line, half int) {
	for k := range dst {
		*(*[tileRows]float32)(dst[k][half:]) = *(*[tileRows]float32)(src[k][half:])
	}
}

// masksAVX2 copies the tile's columns and puts its values into them.
func (t *tileWalk) masksAVX2(dst, src []line) {
	d, s, m, n := &dst[0][t.half], &src[0][t.half], &t.masks[0], len(dst)
	p, done := t.p, 0
	switch {
	case len(p.Float32s) > 0:
		done, t.value = masksFloat32s(d, s, m, n, &p.Float32s[0], t.value, len(p.Float32s)-t.value)
	case len(p.BFloat16s) > 0:
		done, t.value = masksBFloat16s(d, s, m, n, &p.BFloat16s[0], t.value, len(p.BFloat16s)-t.value)
	case len(p.Int8s) > 0:
		done, t.value = masksInt8s(d, s, m, n, &p.Int8s[0], t.value, len(p.Int8s)-t.value, &t.scales)
	case len(p.Int4s) > 0:
		done, t.value = masksInt4s(d, s, m, n, &p.Int4s[0], t.value, 2*len(p.Int4s)-t.value, &t.scales)
	case len(p.Signs) > 0:
		done, t.value = masksSigns(d, s, m, n, &p.Signs[0], t.value, 8*len(p.Signs)-t.value, &t.scales)
	}
	t.masks = t.masks[done:]
	if done < n { // the last values of the stream, too few for a vector
		copyHalf(dst[done:], src[done:], t.half)
		t.patchPortable(dst[done:])
	}
}

// gapsAVX2 puts the tile's values into lines, which hold the base's.
func (t *tileWalk) gapsAVX2(lines []line) {
	d := &lines[0][t.half]
	first := t.next
	t.next += len(lines) * tileRows
	if len(t.gaps) == 0 {
		return
	}
	last, end, n := t.last-first, len(lines)*tileRows, len(t.gaps)
	gaps, p, used := unsafe.SliceData(t.gaps), t.p, 0
	switch {
	case len(p.Float32s) > 0:
		used, last, t.value = gapsFloat32s(d, gaps, n, last, end, &p.Float32s[0], t.value)
	case len(p.BFloat16s) > 0:
		used, last, t.value = gapsBFloat16s(d, gaps, n, last, end, &p.BFloat16s[0], t.value)
	case len(p.Int8s) > 0:
		used, last, t.value = gapsInt8s(d, gaps, n, last, end, &p.Int8s[0], t.value, &t.scales)
	case len(p.Int4s) > 0:
		used, last, t.value = gapsInt4s(d, gaps, n, last, end, &p.Int4s[0], t.value, &t.scales)
	default:
		used, last = gapsSigns(d, gaps, n, last, end, &t.scales)
	}
	t.gaps, t.last = t.gaps[used:], last+first
}
