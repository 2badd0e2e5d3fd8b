//go:build !noasm

package gemm

import "unsafe"

// accumulateAVX2 stores src + A·B in dst, which has 16 or 32 columns. The rows
// of src are srcStride values apart: 0 for one row that all begin with. Row i
// of A, k > 0 long, is a[i*aStride:], and row j of B is bStride values after
// the one before. The memory of B and src must be readable for all columns.
//
// Three rows by four vectors read each line of a panel once; four and five
// rows take the half lines one after the other.
//
// next, if not 0, is the address of the block that comes after this one. While
// three rows are multiplied, their share of it is fetched: all panels together
// are more than the caches hold, and a few dozen rows compute too little with
// each byte to hide that they come from memory.
func accumulateAVX2(dst View, src *float32, srcStride int, a []float32, aStride int, b *float32, bStride, k int, next uintptr) {
	if dst.Rows == 0 {
		return
	}
	_ = a[(dst.Rows-1)*aStride+k-1]
	ds, ss, as, bs := uintptr(dst.Stride)*4, uintptr(srcStride)*4, uintptr(aStride)*4, uintptr(bStride)*4
	step := uintptr(lineBytes)
	if threes := dst.Rows / 3; threes > 8 {
		step = 512 / uintptr(threes) // the bytes of four lines, shared by all threes
	}
	for i, rows := 0, 0; i < dst.Rows; i += rows {
		d, ai := &dst.Data[i*dst.Stride], &a[i*aStride]
		s := (*float32)(unsafe.Add(unsafe.Pointer(src), uintptr(i)*ss))
		rows = min(dst.Rows-i, 6)
		if dst.Cols == 16 {
			switch rows {
			case 1:
				accumulate1x16(d, ds, s, ss, ai, as, b, bs, k)
			case 2:
				accumulate2x16(d, ds, s, ss, ai, as, b, bs, k)
			case 3:
				accumulate3x16(d, ds, s, ss, ai, as, b, bs, k)
			case 4:
				accumulate4x16(d, ds, s, ss, ai, as, b, bs, k)
			case 5:
				accumulate5x16(d, ds, s, ss, ai, as, b, bs, k)
			case 6:
				accumulate6x16(d, ds, s, ss, ai, as, b, bs, k)
			}
			continue
		}
		switch near := i == 0 && dst.Rows < fewRows; {
		case near && rows == 1:
			accumulate1x32Near(d, ds, s, ss, ai, as, b, bs, k)
			continue
		case near && rows == 2:
			accumulate2x32Near(d, ds, s, ss, ai, as, b, bs, k)
			continue
		case near && rows != 4 && rows != 5:
			rows = 3
			accumulate3x32Near(d, ds, s, ss, ai, as, b, bs, k)
			continue
		}
		switch rows {
		case 1:
			accumulate1x32(d, ds, s, ss, ai, as, b, bs, k)
		case 2:
			accumulate2x32(d, ds, s, ss, ai, as, b, bs, k)
		case 4:
			accumulate4x16(d, ds, s, ss, ai, as, b, bs, k)
			accumulate4x16(half(d), ds, half(s), ss, ai, as, half(b), bs, k)
		case 5:
			accumulate5x16(d, ds, s, ss, ai, as, b, bs, k)
			accumulate5x16(half(d), ds, half(s), ss, ai, as, half(b), bs, k)
		default:
			rows = 3
			if next == 0 {
				accumulate3x32(d, ds, s, ss, ai, as, b, bs, k)
				continue
			}
			accumulate3x32Ahead(d, ds, s, ss, ai, as, b, bs, k, next, step)
			next += step * uintptr(k/4)
		}
	}
}

// fewRows is how many rows it takes to hide that a panel comes from beyond the
// second-level cache: with fewer, the first ones fetch what they read next.
const fewRows = 12

// half returns where the second 16 columns begin.
func half(x *float32) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(x), 64)) }

// productTransposedAVX2 turns B into panels, block by block, and multiplies as
// a dense layer does. The scale is applied to B on the way: there are fewer of
// its values than of C's.
func productTransposedAVX2(c, a, b View, scale float32, s *Scratch) {
	for j := 0; j < b.Rows; j += panelWidth {
		keys := min(panelWidth, b.Rows-j)
		columns := (keys + 15) &^ 15
		for i := 0; i < a.Rows; i += chunkRows {
			rows := min(chunkRows, a.Rows-i)
			sums := s.sums(rows, columns)
			if keys == columns {
				sums = c.Slice(i, i+rows, j, j+keys)
			}
			src, stride := &zeros[0], 0
			for k := 0; k < a.Cols; k += len(s.panel) {
				panel := s.panel[:min(len(s.panel), a.Cols-k)]
				if i == 0 || a.Cols > len(s.panel) { // else it is there from the rows before
					transposeAVX2(panel, b.Slice(j, j+keys, k, k+len(panel)), scale)
				}
				accumulateBlock(sums, src, stride, a.Data[i*a.Stride+k:], a.Stride, &panel[0][0], panelWidth, len(panel), fetches{})
				src, stride = &sums.Data[0], sums.Stride
			}
			if keys < columns {
				for r := range rows {
					copy(c.Row(i + r)[j:j+keys], sums.Row(r))
				}
			}
		}
	}
}

// transposeAVX2 writes the rows of scale·b, at most 32, as columns of panel.
// What the panel holds in the columns beside them stays: no sum that is used
// depends on it.
func transposeAVX2(panel []line, b View, scale float32) {
	r, whole := 0, b.Cols&^7
	for ; r+8 <= b.Rows; r += 8 {
		if whole > 0 {
			transpose8(&panel[0][r], &b.Data[r*b.Stride], uintptr(b.Stride)*4, whole, scale)
		}
		transposePortable(panel[whole:], b.Slice(r, r+8, whole, b.Cols), r, scale)
	}
	transposePortable(panel, b.Slice(r, b.Rows, 0, b.Cols), r, scale)
}

// productAVX2 reads B as it lies, as if it were a panel with a stride of its
// own; only columns that do not fill 16 are copied to one.
func productAVX2(c, a, b View, s *Scratch) {
	for j := 0; j < b.Cols; {
		columns := 16
		if b.Cols-j >= 32 {
			columns = 32
		}
		width := min(columns, b.Cols-j)
		if width == columns {
			accumulateBlock(c.Slice(0, c.Rows, j, j+columns), &zeros[0], 0, a.Data, a.Stride, &b.Data[j], b.Stride, a.Cols, fetches{})
			j += columns
			continue
		}
		for i := 0; i < a.Rows; i += chunkRows {
			sums := s.sums(min(chunkRows, a.Rows-i), columns)
			src, stride := &zeros[0], 0
			for k := 0; k < a.Cols; k += len(s.panel) {
				panel := s.panel[:min(len(s.panel), a.Cols-k)]
				for l := range panel {
					copy(panel[l][:], b.Row(k + l)[j:])
				}
				accumulateBlock(sums, src, stride, a.Data[i*a.Stride+k:], a.Stride, &panel[0][0], panelWidth, len(panel), fetches{})
				src, stride = &sums.Data[0], sums.Stride
			}
			for r := range sums.Rows {
				copy(c.Row(i + r)[j:j+width], sums.Row(r))
			}
		}
		j += width
	}
}

// sums returns a view of the scratch memory for the sums of some rows.
func (s *Scratch) sums(rows, columns int) View {
	return View{Data: unsafe.Slice(&s.acc[0][0], len(s.acc)*panelWidth), Rows: rows, Cols: columns, Stride: panelWidth}
}
