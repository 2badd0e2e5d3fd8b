//go:build !noasm

package gemm

import "unsafe"

//go:generate sh -c "cd _generate && go run ./avx512 -out ../avx512_amd64.s -stubs ../avx512_amd64.go -pkg gemm"

// accumulateAVX512 stores src + A·B in dst, which has 32 columns. The rows of src
// are srcStride values apart: 0 for one row that all begin with. Row i of A, k >
// 0 long, is a[i*aStride:], and row j of B is bStride values after the one
// before.
func accumulateAVX512(dst View, src *float32, srcStride int, a []float32, aStride int, b *float32, bStride, k int, f fetches) {
	if dst.Rows == 0 {
		return
	}
	_ = a[(dst.Rows-1)*aStride+k-1]
	ds, ss, as, bs := uintptr(dst.Stride)*4, uintptr(srcStride)*4, uintptr(aStride)*4, uintptr(bStride)*4
	plan := planFetches(dst.Rows, b, k, f)
	for i, rows := 0, 0; i < dst.Rows; i += rows {
		rows = shapeAVX512.rows(dst.Rows - i)
		d, ai := &dst.Data[i*dst.Stride], &a[i*aStride]
		s := (*float32)(unsafe.Add(unsafe.Pointer(src), uintptr(i)*ss))
		if next, step := plan.next(k); next == 0 {
			accumulateRows(rows, d, ds, s, ss, ai, as, b, bs, k)
		} else {
			accumulateRowsAhead(rows, d, ds, s, ss, ai, as, b, bs, k, next, step)
		}
	}
}

// accumulateMarked stores init + A·panel in dst, where the panel's lines change by
// marks. ahead, if any, is what is read next.
func accumulateMarked(dst, init View, a []float32, stride int, panel []line, m *marks, ahead []line) {
	ds, as := uintptr(dst.Stride)*4, uintptr(stride)*4
	_ = a[(dst.Rows-1)*stride+len(panel)-1]
	for k := 0; k < len(panel); k += panelBlock {
		b := panel[k:min(k+panelBlock, len(panel))]
		src, ss := &init.Data[0], uintptr(init.Stride)*4
		plan := planFetches(dst.Rows, &b[0][0], len(b), fetches{near: true, next: following(panel[k+len(b):], ahead)})
		for i, rows := 0, 0; i < dst.Rows; i += rows {
			rows = shapeAVX512.rows(dst.Rows - i)
			s := (*float32)(unsafe.Add(unsafe.Pointer(src), uintptr(i)*ss))
			next, step := plan.next(len(b))
			if next == 0 { // the kernel fetches in any case
				next = uintptr(unsafe.Pointer(&b[0][0]))
			}
			accumulateRowsMarked(rows, &dst.Data[i*dst.Stride], ds, s, ss, &a[i*stride+k], as, &b[0][0], &m.lines[k][0], &m.differences[0][0], len(b), next, step)
		}
		init = dst
	}
}

// fetchPlan is what the kernels for some rows fetch, one after the other.
type fetchPlan struct {
	near, nearStep   uintptr // the first one's, if not 0
	after, afterStep uintptr // the others', if not 0
}

// planFetches divides what is to be fetched among the kernels that multiply rows
// with k lines from b on.
//
// The first rows fetch these lines some way ahead, the further the fewer they
// are and the sooner they come there. Measured on Zen 4 with panels that lie in
// memory, of the peak with 8 / 12 / 24 rows: 0.85 / 0.92 / 0.94 so, 0.66 / 0.73 /
// 0.83 without, and 0.86 / 0.89 / 0.91 if the whole block after this one is
// fetched meanwhile, as AVX2's kernels do. Three rows and fewer wait for memory in
// any case, and are slower so.
func planFetches(rows int, b *float32, k int, f fetches) (p fetchPlan) {
	const (
		lineSize = 4 * panelWidth // bytes
		fewRows  = 4
	)
	if f.near && rows < fewRows {
		return p
	}
	kernels := (rows + shapeAVX512.most - 1) / shapeAVX512.most
	after := uintptr(k) * lineSize
	p.after = f.next
	if f.near {
		distance := uintptr(576/shapeAVX512.rows(rows)) * lineSize
		p.near, p.nearStep = uintptr(unsafe.Pointer(b))+distance, 4*lineSize
		// What follows in memory is near by then, all but the distance of it.
		if p.after == uintptr(unsafe.Pointer(b))+after {
			p.after = 0
		}
		after = min(after, distance)
		kernels--
	}
	p.afterStep = after / uintptr(max(kernels*(k/4), 1))
	return p
}

// next returns what the next kernel fetches while it goes through k lines, and
// the bytes between one four of them and another.
func (p *fetchPlan) next(k int) (next, step uintptr) {
	if p.near != 0 {
		next, p.near = p.near, 0
		return next, p.nearStep
	}
	if next = p.after; next != 0 {
		p.after += p.afterStep * uintptr(k/4)
	}
	return next, p.afterStep
}

func accumulateRows(rows int, dst *float32, ds uintptr, src *float32, ss uintptr, a *float32, as uintptr, b *float32, bs uintptr, k int) {
	switch rows {
	case 1:
		accumulate1x32z(dst, ds, src, ss, a, as, b, bs, k)
	case 2:
		accumulate2x32z(dst, ds, src, ss, a, as, b, bs, k)
	case 3:
		accumulate3x32z(dst, ds, src, ss, a, as, b, bs, k)
	case 4:
		accumulate4x32z(dst, ds, src, ss, a, as, b, bs, k)
	case 5:
		accumulate5x32z(dst, ds, src, ss, a, as, b, bs, k)
	case 6:
		accumulate6x32z(dst, ds, src, ss, a, as, b, bs, k)
	case 7:
		accumulate7x32z(dst, ds, src, ss, a, as, b, bs, k)
	case 8:
		accumulate8x32z(dst, ds, src, ss, a, as, b, bs, k)
	case 9:
		accumulate9x32z(dst, ds, src, ss, a, as, b, bs, k)
	case 10:
		accumulate10x32z(dst, ds, src, ss, a, as, b, bs, k)
	case 11:
		accumulate11x32z(dst, ds, src, ss, a, as, b, bs, k)
	case 12:
		accumulate12x32z(dst, ds, src, ss, a, as, b, bs, k)
	}
}

func accumulateRowsAhead(rows int, dst *float32, ds uintptr, src *float32, ss uintptr, a *float32, as uintptr, b *float32, bs uintptr, k int, next, step uintptr) {
	switch rows {
	case 1:
		accumulate1x32zAhead(dst, ds, src, ss, a, as, b, bs, k, next, step)
	case 2:
		accumulate2x32zAhead(dst, ds, src, ss, a, as, b, bs, k, next, step)
	case 3:
		accumulate3x32zAhead(dst, ds, src, ss, a, as, b, bs, k, next, step)
	case 4:
		accumulate4x32zAhead(dst, ds, src, ss, a, as, b, bs, k, next, step)
	case 5:
		accumulate5x32zAhead(dst, ds, src, ss, a, as, b, bs, k, next, step)
	case 6:
		accumulate6x32zAhead(dst, ds, src, ss, a, as, b, bs, k, next, step)
	case 7:
		accumulate7x32zAhead(dst, ds, src, ss, a, as, b, bs, k, next, step)
	case 8:
		accumulate8x32zAhead(dst, ds, src, ss, a, as, b, bs, k, next, step)
	case 9:
		accumulate9x32zAhead(dst, ds, src, ss, a, as, b, bs, k, next, step)
	case 10:
		accumulate10x32zAhead(dst, ds, src, ss, a, as, b, bs, k, next, step)
	case 11:
		accumulate11x32zAhead(dst, ds, src, ss, a, as, b, bs, k, next, step)
	case 12:
		accumulate12x32zAhead(dst, ds, src, ss, a, as, b, bs, k, next, step)
	}
}

func accumulateRowsMarked(rows int, dst *float32, ds uintptr, src *float32, ss uintptr, a *float32, as uintptr, b *float32, marks *uint32, differences *float32, k int, next, step uintptr) {
	switch rows {
	case 1:
		accumulate1x32zMarked(dst, ds, src, ss, a, as, b, marks, differences, k, next, step)
	case 2:
		accumulate2x32zMarked(dst, ds, src, ss, a, as, b, marks, differences, k, next, step)
	case 3:
		accumulate3x32zMarked(dst, ds, src, ss, a, as, b, marks, differences, k, next, step)
	case 4:
		accumulate4x32zMarked(dst, ds, src, ss, a, as, b, marks, differences, k, next, step)
	case 5:
		accumulate5x32zMarked(dst, ds, src, ss, a, as, b, marks, differences, k, next, step)
	case 6:
		accumulate6x32zMarked(dst, ds, src, ss, a, as, b, marks, differences, k, next, step)
	case 7:
		accumulate7x32zMarked(dst, ds, src, ss, a, as, b, marks, differences, k, next, step)
	case 8:
		accumulate8x32zMarked(dst, ds, src, ss, a, as, b, marks, differences, k, next, step)
	case 9:
		accumulate9x32zMarked(dst, ds, src, ss, a, as, b, marks, differences, k, next, step)
	case 10:
		accumulate10x32zMarked(dst, ds, src, ss, a, as, b, marks, differences, k, next, step)
	case 11:
		accumulate11x32zMarked(dst, ds, src, ss, a, as, b, marks, differences, k, next, step)
	case 12:
		accumulate12x32zMarked(dst, ds, src, ss, a, as, b, marks, differences, k, next, step)
	}
}

func dotsAVX512(rows int, dst *int32, ds uintptr, src *int32, ss uintptr, a *uint32, as uintptr, b *uint32, k int) {
	switch rows {
	case 1:
		dots1x32z(dst, ds, src, ss, a, as, b, k)
	case 2:
		dots2x32z(dst, ds, src, ss, a, as, b, k)
	case 3:
		dots3x32z(dst, ds, src, ss, a, as, b, k)
	case 4:
		dots4x32z(dst, ds, src, ss, a, as, b, k)
	case 5:
		dots5x32z(dst, ds, src, ss, a, as, b, k)
	case 6:
		dots6x32z(dst, ds, src, ss, a, as, b, k)
	case 7:
		dots7x32z(dst, ds, src, ss, a, as, b, k)
	case 8:
		dots8x32z(dst, ds, src, ss, a, as, b, k)
	case 9:
		dots9x32z(dst, ds, src, ss, a, as, b, k)
	case 10:
		dots10x32z(dst, ds, src, ss, a, as, b, k)
	case 11:
		dots11x32z(dst, ds, src, ss, a, as, b, k)
	case 12:
		dots12x32z(dst, ds, src, ss, a, as, b, k)
	}
}

func pairsAVX512(rows int, dst *float32, ds uintptr, src *float32, ss uintptr, a *uint32, as uintptr, b *uint32, k int) {
	switch rows {
	case 1:
		pairs1x32z(dst, ds, src, ss, a, as, b, k)
	case 2:
		pairs2x32z(dst, ds, src, ss, a, as, b, k)
	case 3:
		pairs3x32z(dst, ds, src, ss, a, as, b, k)
	case 4:
		pairs4x32z(dst, ds, src, ss, a, as, b, k)
	case 5:
		pairs5x32z(dst, ds, src, ss, a, as, b, k)
	case 6:
		pairs6x32z(dst, ds, src, ss, a, as, b, k)
	case 7:
		pairs7x32z(dst, ds, src, ss, a, as, b, k)
	case 8:
		pairs8x32z(dst, ds, src, ss, a, as, b, k)
	case 9:
		pairs9x32z(dst, ds, src, ss, a, as, b, k)
	case 10:
		pairs10x32z(dst, ds, src, ss, a, as, b, k)
	case 11:
		pairs11x32z(dst, ds, src, ss, a, as, b, k)
	case 12:
		pairs12x32z(dst, ds, src, ss, a, as, b, k)
	}
}

func dotsAVX512Ahead(rows int, dst *int32, ds uintptr, src *int32, ss uintptr, a *uint32, as uintptr, b *uint32, k int, next, step uintptr) {
	switch rows {
	case 1:
		dots1x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 2:
		dots2x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 3:
		dots3x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 4:
		dots4x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 5:
		dots5x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 6:
		dots6x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 7:
		dots7x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 8:
		dots8x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 9:
		dots9x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 10:
		dots10x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 11:
		dots11x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 12:
		dots12x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	}
}

func pairsAVX512Ahead(rows int, dst *float32, ds uintptr, src *float32, ss uintptr, a *uint32, as uintptr, b *uint32, k int, next, step uintptr) {
	switch rows {
	case 1:
		pairs1x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 2:
		pairs2x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 3:
		pairs3x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 4:
		pairs4x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 5:
		pairs5x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 6:
		pairs6x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 7:
		pairs7x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 8:
		pairs8x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 9:
		pairs9x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 10:
		pairs10x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 11:
		pairs11x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	case 12:
		pairs12x32zAhead(dst, ds, src, ss, a, as, b, k, next, step)
	}
}
