//go:build !noasm

package gemm

import "unsafe"

//go:generate sh -c "cd _generate && go run ./patch512 -out ../patch512_amd64.s -stubs ../patch512_amd64.go -pkg gemm"
//go:generate sh -c "cd _generate && go run ./patch -out ../patch_amd64.s -stubs ../patch_amd64.go -pkg gemm"

// read stores the next len(dst) lines of the patched panel in dst.
func (w *walk) read(dst []line) {
	if current < avx2 || len(dst) == 0 {
		w.readPortable(dst)
		return
	}
	base := w.base[:len(dst)]
	w.base = w.base[len(dst):]
	if w.tiles[0].masks == nil && w.tiles[1].masks == nil {
		copyLines(&dst[0][0], &base[0][0], len(dst))
	}
	for i := range w.tiles {
		if w.tiles[i].p == nil && w.tiles[1-i].masks != nil {
			copyHalf(dst, base, i*tileRows)
		}
		w.tiles[i].patch(dst, base)
	}
}

// patch patches the tile's columns of the next lines. Gaps find the base's in dst,
// masks need not.
func (t *tileWalk) patch(dst, base []line) {
	switch {
	case t.gaps != nil:
		t.gapsAVX2(dst)
	case t.masks != nil:
		t.patchMasks(dst, base, false)
	}
}

// canMark tells whether there are kernels that multiply with marked panels.
func canMark() bool { return current >= avx512 }

// mark marks the tile's changes.
func (t *tileWalk) mark(m *marks) {
	switch {
	case current < avx2:
		t.markPortable(m)
	case len(t.gaps) > 0:
		half := t.half / tileRows
		m.used = markGaps(&m.lines[0][half], &t.gaps[0], len(t.gaps), &m.differences[0][0], single(t.half, 0), m.used, m.later)
	}
}

// streamedLines is how many lines, 8 KiB, are patched before they are written
// past the caches.
const streamedLines = 64

// streamedAhead is how many lines lie between those that are patched and those
// that are asked for.
const streamedAhead = 128

// stream is read into memory that is not used soon: it is written without being
// read into the caches first. The scratch memory is streamedLines long, and at
// least the panel's maskScratch.
func (w *walk) stream(dst, scratch []line) {
	if current < avx2 || len(dst) == 0 {
		w.readPortable(dst)
		return
	}
	if current >= avx512 && w.streamMasks(dst, scratch) {
		fence()
		return
	}
	masked := current < avx512 && (w.tiles[0].masks != nil || w.tiles[1].masks != nil)
	for len(dst) > 0 {
		n := min(streamedLines, len(dst))
		base := w.base[:n]
		w.base = w.base[n:]
		if masked {
			for i := range w.tiles {
				if t := &w.tiles[i]; t.masks != nil {
					t.patchMasks(dst[:n], base, true)
				} else {
					copyHalf(dst[:n], base, i*tileRows)
				}
			}
		} else {
			first, second := &scratch[0], &scratch[0] // the halves of what is read later, or anything that can be
			if len(w.base) >= streamedAhead+n {
				first, second = &w.base[streamedAhead], &w.base[streamedAhead+n/2]
			}
			copyFetching(&scratch[0][0], &base[0][0], &first[0], n)
			for i := range w.tiles {
				w.tiles[i].patch(scratch[:n], base)
			}
			streamLines(&dst[0][0], &scratch[0][0], &second[0], n)
		}
		dst = dst[n:]
	}
	fence()
}

// streamMasks does it for panels both of whose tiles change, by masks: those there
// are, or such as it makes of gaps. It tells whether it could: at the end of the
// values' stream there may be too few to read.
func (w *walk) streamMasks(dst, scratch []line) bool {
	l, r := &w.tiles[0], &w.tiles[1]
	if l.values == 0 || r.values == 0 {
		return false
	}
	p, end := l.p, r.value+r.values // the right tile's values follow the left one's
	if !p.signed() && !p.readable(end) {
		return false
	}
	n := len(dst)
	ml, mr := l.masks, r.masks
	signs, fromLeft, fromRight := p.Signs, l.value, r.value
	if p.Gaps != nil {
		words := (n + 3) / 4
		free := unsafe.Slice((*uint64)(unsafe.Pointer(&scratch[0])), len(scratch)*int(unsafe.Sizeof(line{}))/8)
		masks := free[:2*words]
		clear(masks)
		ml, mr = unsafe.Slice((*uint16)(unsafe.Pointer(&masks[0])), n), unsafe.Slice((*uint16)(unsafe.Pointer(&masks[words])), n)
		next := uintptr(unsafe.Pointer(&w.base[0])) // of the base, to be asked for
		if p.signed() {
			next = signMasks(&ml[0], &l.gaps[0], len(l.gaps), next)
			signMasks(&mr[0], &r.gaps[0], len(r.gaps), next)
			signs = unsafe.Slice((*byte)(unsafe.Pointer(&free[2*words])), 8*(len(free)-2*words))
			right := (l.values + 7) / 8 // byte
			signBits(&signs[0], &l.gaps[0], len(l.gaps))
			signBits(&signs[right], &r.gaps[0], len(r.gaps))
			fromLeft, fromRight = 0, 8*right
		} else {
			next = gapMasks(&ml[0], &l.gaps[0], len(l.gaps), next)
			gapMasks(&mr[0], &r.gaps[0], len(r.gaps), next)
		}
	}
	d, s := &dst[0][0], &w.base[0][0]
	switch {
	case len(p.Float32s) > 0:
		streamFloat32sz(d, s, &ml[0], &mr[0], n, &p.Float32s[0], fromLeft, fromRight)
	case len(p.BFloat16s) > 0:
		streamBFloat16sz(d, s, &ml[0], &mr[0], n, &p.BFloat16s[0], fromLeft, fromRight)
	case len(p.Int8s) > 0:
		streamInt8sz(d, s, &ml[0], &mr[0], n, &p.Int8s[0], fromLeft, fromRight, &l.scales, &r.scales)
	case len(p.Int4s) > 0:
		streamInt4sz(d, s, &ml[0], &mr[0], n, &p.Int4s[0], fromLeft, fromRight, &l.scales, &r.scales)
	default:
		streamSignsz(d, s, &ml[0], &mr[0], n, &signs[0], fromLeft, fromRight, &l.scales, &r.scales)
	}
	return true
}

// readable tells whether the kernels that stream by masks may read values up to
// end: from where those of half a line begin they read a few, however many these
// are. Of float32 they read no more than that.
func (p *Patch) readable(end int) bool {
	switch {
	case p.Float32s != nil:
		return true
	case p.BFloat16s != nil:
		return len(p.BFloat16s) >= end+16
	case p.Int8s != nil:
		return len(p.Int8s) >= end+16
	case p.Int4s != nil:
		return 2*len(p.Int4s) >= end+1+32
	}
	return 8*len(p.Signs) >= end+7+64
}

// copyHalf copies the columns of a tile that does not change.
func copyHalf(dst, src []line, half int) {
	for k := range dst {
		*(*[tileRows]float32)(dst[k][half:]) = *(*[tileRows]float32)(src[k][half:])
	}
}

// rankTable is made of what f says, for each byte and each of its bits, of how
// many of the bits below are set: that many values lie in the stream before the
// one that the bit's lane gets.
type rankTable = [256][8]uint32

func newRankTable(f func(rank uint32) uint32) *rankTable {
	var t rankTable
	for b := range t {
		rank := uint32(0)
		for l := range t[b] {
			t[b][l] = f(rank)
			rank += uint32(b) >> l & 1
		}
	}
	return &t
}

// How the lanes of a vector find their values.
var (
	// lanes to choose from
	float32Ranks = newRankTable(func(r uint32) uint32 { return r })
	// bytes to choose from: the value is the upper half of the lane
	bfloat16Ranks = newRankTable(func(r uint32) uint32 { return 0x8080 | 2*r<<16 | (2*r+1)<<24 })
	// the same, the value being the lane's highest byte
	int8Ranks = newRankTable(func(r uint32) uint32 { return 0x808080 | r<<24 })
	// shifts that bring the value to the top of the lane
	int4Ranks = newRankTable(func(r uint32) uint32 { return 28 - 4*r })
	signRanks = newRankTable(func(r uint32) uint32 { return 31 - r })
)

// patchMasks copies the tile's columns and puts its values into them, past the
// caches if stream is set, at the level avx2 alone.
func (t *tileWalk) patchMasks(dst, src []line, stream bool) {
	var done int
	if current >= avx512 {
		done = t.masksAVX512(dst, src)
	} else {
		done = t.masksAVX2(dst, src, stream)
	}
	t.masks = t.masks[done:]
	if done < len(dst) { // the last values of the stream, too few for vectors, or an odd line
		copyHalf(dst[done:], src[done:], t.half)
		t.patchPortable(dst[done:])
	}
}

// masksAVX512 does that for as many lines as it can.
func (t *tileWalk) masksAVX512(dst, src []line) (done int) {
	d, s, m, n, p, from := &dst[0][t.half], &src[0][t.half], &t.masks[0], len(dst), t.p, t.value
	switch {
	case len(p.Float32s) > 0:
		done, t.value = masksFloat32sz(d, s, m, n, &p.Float32s[0], from, len(p.Float32s)-from)
	case len(p.BFloat16s) > 0:
		done, t.value = masksBFloat16sz(d, s, m, n, &p.BFloat16s[0], from, len(p.BFloat16s)-from)
	case len(p.Int8s) > 0:
		done, t.value = masksInt8sz(d, s, m, n, &p.Int8s[0], from, len(p.Int8s)-from, &t.scales)
	case len(p.Int4s) > 0:
		done, t.value = masksInt4sz(d, s, m, n, &p.Int4s[0], from, 2*len(p.Int4s)-from, &t.scales)
	case len(p.Signs) > 0:
		done, t.value = masksSignsz(d, s, m, n, &p.Signs[0], from, 8*len(p.Signs)-from, &t.scales)
	}
	return done
}

// masksAVX2 does it for an even number of lines.
func (t *tileWalk) masksAVX2(dst, src []line, stream bool) (done int) {
	d, s, m, n := &dst[0][t.half], &src[0][t.half], &t.masks[0], len(dst)
	p := t.p
	if stream {
		switch {
		case len(p.Float32s) > 0:
			done, t.value = streamFloat32s(d, s, m, n, float32Ranks, &p.Float32s[0], t.value, len(p.Float32s)-t.value)
		case len(p.BFloat16s) > 0:
			done, t.value = streamBFloat16s(d, s, m, n, bfloat16Ranks, &p.BFloat16s[0], t.value, len(p.BFloat16s)-t.value)
		case len(p.Int8s) > 0:
			done, t.value = streamInt8s(d, s, m, n, int8Ranks, &p.Int8s[0], t.value, len(p.Int8s)-t.value, &t.scales)
		case len(p.Int4s) > 0:
			done, t.value = streamInt4s(d, s, m, n, int4Ranks, &p.Int4s[0], t.value, 2*len(p.Int4s)-t.value, &t.scales)
		case len(p.Signs) > 0:
			done, t.value = streamSigns(d, s, m, n, signRanks, &p.Signs[0], t.value, 8*len(p.Signs)-t.value, &t.scales)
		}
	} else {
		switch {
		case len(p.Float32s) > 0:
			done, t.value = masksFloat32s(d, s, m, n, float32Ranks, &p.Float32s[0], t.value, len(p.Float32s)-t.value)
		case len(p.BFloat16s) > 0:
			done, t.value = masksBFloat16s(d, s, m, n, bfloat16Ranks, &p.BFloat16s[0], t.value, len(p.BFloat16s)-t.value)
		case len(p.Int8s) > 0:
			done, t.value = masksInt8s(d, s, m, n, int8Ranks, &p.Int8s[0], t.value, len(p.Int8s)-t.value, &t.scales)
		case len(p.Int4s) > 0:
			done, t.value = masksInt4s(d, s, m, n, int4Ranks, &p.Int4s[0], t.value, 2*len(p.Int4s)-t.value, &t.scales)
		case len(p.Signs) > 0:
			done, t.value = masksSigns(d, s, m, n, signRanks, &p.Signs[0], t.value, 8*len(p.Signs)-t.value, &t.scales)
		}
	}
	return done
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

// fetchPatch asks for what the patch says of a panel. A task that was not used
// for a while has its gaps in memory, and a walk can do nothing before it has read
// them.
func (m *Matrix) fetchPatch(panel int) {
	p := m.patch
	if current < avx2 || p == nil || p.Gaps == nil {
		return
	}
	first, end := p.tiles(panel)
	for i := first; i < end; i++ {
		if gaps := p.gaps(i); len(gaps) > 0 {
			fetch(&gaps[0], min(len(gaps), mostFetched))
		}
		if len(p.Scales) > 1 {
			scales := p.Scales[i*tileRows:][:tileRows]
			fetch((*byte)(unsafe.Pointer(&scales[0])), int(unsafe.Sizeof([tileRows]float32{})))
		}
	}
}

// mostFetched is how much of a tile's gaps is asked for at once, in bytes: the
// rest is read while there is something else to do.
const mostFetched = 1024
