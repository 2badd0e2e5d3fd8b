//go:build !noasm

package gemm

import "unsafe"

//go:generate sh -c "cd _generate && go run ./avx512 -out ../avx512_amd64.s -stubs ../avx512_amd64.go -pkg gemm"

// accumulateAVX512 stores src + A·B in dst, which has 32 columns. The rows of src
// are srcStride values apart: 0 for one row that all begin with. Row i of A, k >
// 0 long, is a[i*aStride:], and row j of B is bStride values after the one
// before. next, if not 0, is the address of the block that comes after this one,
// of which each kernel fetches its share; see accumulateAVX2.
func accumulateAVX512(dst View, src *float32, srcStride int, a []float32, aStride int, b *float32, bStride, k int, next uintptr) {
	if dst.Rows == 0 {
		return
	}
	_ = a[(dst.Rows-1)*aStride+k-1]
	ds, ss, as, bs := uintptr(dst.Stride)*4, uintptr(srcStride)*4, uintptr(aStride)*4, uintptr(bStride)*4
	groups := (dst.Rows + shapeAVX512.most - 1) / shapeAVX512.most
	step := uintptr(4 * lineBytes / groups) // the bytes of four lines, shared by all
	for i, rows := 0, 0; i < dst.Rows; i += rows {
		rows = shapeAVX512.rows(dst.Rows - i)
		d, ai := &dst.Data[i*dst.Stride], &a[i*aStride]
		s := (*float32)(unsafe.Add(unsafe.Pointer(src), uintptr(i)*ss))
		if next == 0 {
			accumulateRows(rows, d, ds, s, ss, ai, as, b, bs, k)
			continue
		}
		accumulateRowsAhead(rows, d, ds, s, ss, ai, as, b, bs, k, next, step)
		next += step * uintptr(k/4)
	}
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
