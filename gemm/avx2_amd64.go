//go:build !noasm

package gemm

import "unsafe"

// passRows returns how many of the remaining rows the next kernel takes: as
// few passes as possible over B, of equal size.
func passRows(rows int) int {
	passes := (rows + 5) / 6
	return (rows + passes - 1) / passes
}

// accumulateAVX2 adds A·B to the first 16 or 32 columns of acc: row i of A, k
// long, is a[i*aStride:], and row j of B bStride floats after the one before.
// B's k rows must be readable for all the columns.
func accumulateAVX2(acc []line, a []float32, aStride int, b *float32, bStride, k, columns int) {
	if len(acc) == 0 || k == 0 {
		return
	}
	_ = a[(len(acc)-1)*aStride+k-1]
	as, bs := uintptr(aStride)*4, uintptr(bStride)*4
	for c := 0; c < columns; c += 16 {
		bc := (*float32)(unsafe.Add(unsafe.Pointer(b), 4*c))
		for i := 0; i < len(acc); {
			rows := passRows(len(acc) - i)
			sums, ai := &acc[i][c], &a[i*aStride]
			switch {
			case rows <= 3 && columns == 32:
				if c > 0 {
					break // all columns were done at once
				}
				switch rows {
				case 1:
					accumulate1x32(sums, ai, as, bc, bs, k)
				case 2:
					accumulate2x32(sums, ai, as, bc, bs, k)
				case 3:
					accumulate3x32(sums, ai, as, bc, bs, k)
				}
			case rows == 1:
				accumulate1x16(sums, ai, as, bc, bs, k)
			case rows == 2:
				accumulate2x16(sums, ai, as, bc, bs, k)
			case rows == 3:
				accumulate3x16(sums, ai, as, bc, bs, k)
			case rows == 4:
				accumulate4x16(sums, ai, as, bc, bs, k)
			case rows == 5:
				accumulate5x16(sums, ai, as, bc, bs, k)
			default:
				accumulate6x16(sums, ai, as, bc, bs, k)
			}
			i += rows
		}
	}
}

// productTransposedAVX2 turns B into panels, block by block, and multiplies as
// a dense layer does.
func productTransposedAVX2(c, a, b View, scale float32, s *Scratch) {
	for j := 0; j < b.Rows; j += panelWidth {
		keys := min(panelWidth, b.Rows-j)
		columns := (keys + 15) &^ 15
		for i := 0; i < a.Rows; i += chunkRows {
			acc := s.acc[:min(chunkRows, a.Rows-i)]
			clear(acc)
			for k := 0; k < a.Cols; k += len(s.panel) {
				panel := s.panel[:min(len(s.panel), a.Cols-k)]
				transposeAVX2(panel, b.Slice(j, j+keys, k, k+len(panel)))
				accumulateAVX2(acc, a.Data[i*a.Stride+k:], a.Stride, &panel[0][0], panelWidth, len(panel), columns)
			}
			for r := range acc {
				dst := c.Row(i + r)[j : j+keys]
				whole := keys &^ 7
				if whole > 0 {
					scaleRow(&dst[0], &acc[r][0], scale, whole)
				}
				for l := whole; l < keys; l++ {
					dst[l] = acc[r][l] * scale
				}
			}
		}
	}
}

// transposeAVX2 writes the rows of b, at most 32, as columns of panel. What
// the panel holds in the columns beside them stays: no sum that is used
// depends on it.
func transposeAVX2(panel []line, b View) {
	r, whole := 0, b.Cols&^7
	for ; r+8 <= b.Rows; r += 8 {
		if whole > 0 {
			transpose8(&panel[0][r], &b.Data[r*b.Stride], uintptr(b.Stride)*4, whole)
		}
		transposePortable(panel[whole:], b.Slice(r, r+8, whole, b.Cols), r)
	}
	transposePortable(panel, b.Slice(r, b.Rows, 0, b.Cols), r)
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
		for i := 0; i < a.Rows; i += chunkRows {
			acc := s.acc[:min(chunkRows, a.Rows-i)]
			clear(acc)
			if width == columns {
				if a.Cols > 0 {
					accumulateAVX2(acc, a.Data[i*a.Stride:], a.Stride, &b.Data[j], b.Stride, a.Cols, columns)
				}
			} else {
				for k := 0; k < a.Cols; k += len(s.panel) {
					panel := s.panel[:min(len(s.panel), a.Cols-k)]
					for l := range panel {
						copy(panel[l][:], b.Row(k + l)[j:])
					}
					accumulateAVX2(acc, a.Data[i*a.Stride+k:], a.Stride, &panel[0][0], panelWidth, len(panel), columns)
				}
			}
			for r := range acc {
				copy(c.Row(i + r)[j:j+width], acc[r][:])
			}
		}
		j += width
	}
}
