//go:build !noasm

package kernel

import (
	"time"
	"unsafe"
)

// panelBlock is the number of panel rows that are multiplied before going on to the
// next rows of A. A block, 48 KiB, is read from the second-level cache, and the
// first-level cache holds the rows of A. Measured: 96 to 256 rows are 0 to 3% slower.
const panelBlock = 384

// SGEMM computes dst = init + A·panel, where dst has 32 columns and row i of A,
// len(panel) long, is a[i*aStride:]. Every sum runs over k in rising order. With
// init.Stride 0 all rows begin with the same row of init. init may be dst.
//
// cached says that the panel is in the caches, as after patching. next, if not
// empty, is what will be read next: the kernels fetch it into the second-level cache
// meanwhile.
func SGEMM(dst, init View, a []float32, aStride int, panel []PanelRow, cached bool, next []PanelRow) {
	if current < AVX2 || len(panel) == 0 {
		sgemmPortable(dst, init, a, aStride, panel)
		return
	}
	for k := 0; k < len(panel); k += panelBlock {
		b := panel[k:min(k+panelBlock, len(panel))]
		f := prefetch{panel: !cached, next: addressAfter(panel[k+len(b):], next)}
		sgemmBlock(dst, &init.Data[0], init.Stride, a[k:], aStride, &b[0][0], PanelWidth, len(b), f)
		init = dst
	}
}

// SGEMMStrided computes dst = init + A·B, where dst has 16 or 32 columns, row i of A,
// k long, is a[i*aStride:], and row j of B begins at b[j*bStride]. With init.Stride 0
// all rows begin with the same row of init.
func SGEMMStrided(dst, init View, a []float32, aStride int, b []float32, bStride, k int) {
	if current < AVX2 || k == 0 {
		sgemmStridedPortable(dst, init, a, aStride, b, bStride, k)
		return
	}
	sgemmBlock(dst, &init.Data[0], init.Stride, a, aStride, &b[0], bStride, k, prefetch{})
}

// sgemmBlock computes dst = src + A·B for 16 or 32 columns. The rows of src and B are
// srcStride and bStride values apart. Row i of A, k > 0 long, is a[i*aStride:]. The
// memory of B and src must be readable for all columns.
func sgemmBlock(dst View, src *float32, srcStride int, a []float32, aStride int, b *float32, bStride, k int, f prefetch) {
	if current >= AVX512 && dst.Cols == PanelWidth {
		sgemmBlockAVX512(dst, src, srcStride, a, aStride, b, bStride, k, f)
		return
	}
	sgemmBlockAVX2(dst, src, srcStride, a, aStride, b, bStride, k, f.next)
}

// fewRows is the number of rows with which AVX2 kernels hide that a panel comes from
// beyond the second-level cache. With fewer, the first kernel fetches the rows of
// the panel that it reads next.
const fewRows = 12

// sgemmBlockAVX2 is sgemmBlock.
//
// Kernels of three rows by four vectors read each row of a panel once. Four or five
// rows read the halves of the panel rows one after the other.
//
// next, if not 0, is the address of the block that follows. Each kernel of three rows
// fetches its share of it: all panels together are larger than the caches, and with a
// few dozen rows there is too little computation for each byte to hide that it comes
// from memory.
func sgemmBlockAVX2(dst View, src *float32, srcStride int, a []float32, aStride int, b *float32, bStride, k int, next uintptr) {
	if dst.Rows == 0 {
		return
	}
	_ = a[(dst.Rows-1)*aStride+k-1]
	ds, ss, as, bs := uintptr(dst.Stride)*4, uintptr(srcStride)*4, uintptr(aStride)*4, uintptr(bStride)*4
	step := uintptr(CacheLine)
	if kernels := dst.Rows / 3; kernels > 8 {
		step = 4 * panelRowBytes / uintptr(kernels) // the bytes of four panel rows, shared by all kernels
	}
	for i, rows := 0, 0; i < dst.Rows; i += rows {
		d, ai := &dst.Data[i*dst.Stride], &a[i*aStride]
		s := (*float32)(unsafe.Add(unsafe.Pointer(src), uintptr(i)*ss))
		rows = min(dst.Rows-i, 6)
		few := i == 0 && dst.Rows < fewRows
		switch {
		case dst.Cols == 16:
			sgemmMx16AVX2(rows, d, ds, s, ss, ai, as, b, bs, k)
		case rows == 4 || rows == 5:
			sgemmMx16AVX2(rows, d, ds, s, ss, ai, as, b, bs, k)
			sgemmMx16AVX2(rows, half(d), ds, half(s), ss, ai, as, half(b), bs, k)
		case few:
			rows = min(rows, 3)
			sgemmMx32AVX2PrefetchB(rows, d, ds, s, ss, ai, as, b, bs, k)
		case rows < 3:
			sgemmMx32AVX2(rows, d, ds, s, ss, ai, as, b, bs, k)
		case next == 0:
			rows = 3
			sgemm3x32AVX2(d, ds, s, ss, ai, as, b, bs, k)
		default:
			rows = 3
			sgemm3x32AVX2PrefetchNext(d, ds, s, ss, ai, as, b, bs, k, next, step)
			next += step * uintptr(k/4)
		}
	}
}

// half returns the address of the upper 16 columns.
func half(x *float32) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(x), 64)) }

// sgemmBlockAVX512 is sgemmBlock for 32 columns.
func sgemmBlockAVX512(dst View, src *float32, srcStride int, a []float32, aStride int, b *float32, bStride, k int, f prefetch) {
	if dst.Rows == 0 {
		return
	}
	_ = a[(dst.Rows-1)*aStride+k-1]
	ds, ss, as, bs := uintptr(dst.Stride)*4, uintptr(srcStride)*4, uintptr(aStride)*4, uintptr(bStride)*4
	plan := f.plan(dst.Rows, unsafe.Pointer(b), k)
	for i, rows := 0, 0; i < dst.Rows; i += rows {
		rows = shapeAVX512.rows(dst.Rows - i)
		d, ai := &dst.Data[i*dst.Stride], &a[i*aStride]
		s := (*float32)(unsafe.Add(unsafe.Pointer(src), uintptr(i)*ss))
		if next, step := plan.next(k); next == 0 {
			sgemmMx32AVX512(rows, d, ds, s, ss, ai, as, b, bs, k)
		} else {
			sgemmMx32AVX512Prefetch(rows, d, ds, s, ss, ai, as, b, bs, k, next, step)
		}
	}
}

// Add stores x + y in dst. All are equally long.
func Add(dst, x, y []float32) {
	whole := 0
	if current >= AVX2 {
		if whole = len(dst) &^ 7; whole > 0 {
			addAVX2(&dst[0], &x[0], &y[0], whole)
		}
	}
	addPortable(dst[whole:], x[whole:], y[whole:])
}

// Transpose writes the rows of scale·b, at most 32, as columns of panel, b.Cols long.
// The other columns of the panel keep their values.
func Transpose(panel []PanelRow, b View, scale float32) {
	if current < AVX2 {
		transposePortable(panel, b, 0, scale)
		return
	}
	r, whole := 0, b.Cols&^7
	for ; r+8 <= b.Rows; r += 8 {
		if whole > 0 {
			transpose8AVX2(&panel[0][r], &b.Data[r*b.Stride], uintptr(b.Stride)*4, whole, scale)
		}
		transposePortable(panel[whole:], b.Slice(r, r+8, whole, b.Cols), r, scale)
	}
	transposePortable(panel, b.Slice(r, b.Rows, 0, b.Cols), r, scale)
}

func peak(d time.Duration) float64 {
	if current < AVX2 {
		return peakPortable(d)
	}
	if current >= AVX512 {
		return max(bestRate(d/2, 2*24*16, peakAVX512), bestRate(d/2, 2*12*8, peakAVX2))
	}
	return bestRate(d, 2*12*8, peakAVX2)
}
