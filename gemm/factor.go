package gemm

import (
	"kenserve/gemm/kernel"
	"kenserve/internal/parallel"
)

// factor is the left factor of a product of the backward pass: float32, or rounded to
// bfloat16 in the form that the kernels read.
type factor struct {
	floats View
	words  *lowPrecisionActivations // nil for float32
}

func floatFactor(a View) factor { return factor{floats: a} }

// roundedFactor rounds a to bfloat16. The result uses the memory of act.
func roundedFactor(p *parallel.Pool, act *lowPrecisionActivations, a View) factor {
	act.reset(BFloat16, a.Rows, a.Cols)
	if a.Rows*a.Cols*roundingProducts < sharedProducts {
		p = nil
	}
	p.Run((a.Rows+roundedRows-1)/roundedRows, &roundingWork{act, a})
	return factor{words: act}
}

// roundingWork rounds the rows of a. A part is some rows.
type roundingWork struct {
	act *lowPrecisionActivations
	a   View
}

// Do performs one part.
func (w *roundingWork) Do(i, _ int) {
	for r := i * roundedRows; r < min((i+1)*roundedRows, w.a.Rows); r++ {
		w.act.round(BFloat16, r, w.a.Row(r))
	}
}

// rightFactor is a panel in the form that a left factor is multiplied with.
type rightFactor struct {
	rows  []panelRow
	words []wordRow
}

// panel returns the right factor for the given rows of a panel, and the memory that it uses
// beside them, which may be nil.
func (f *factor) panel(rows []panelRow) (rightFactor, *scratchPanel) {
	if f.words == nil {
		return rightFactor{rows: rows}, nil
	}
	n := (len(rows) + 1) / 2
	scratch := takeScratch(n)
	words := lowPrecisionPanel{rows: asWords(scratch.rows[:n])}
	words.round(BFloat16, rows)
	return rightFactor{words: words.rows}, scratch
}

// addProduct computes c = A·B, or c += A·B if add is true, for up to 32 columns and up to
// kernel.ChunkRows rows. A are the rows of the factor from r0 on.
func (f *factor) addProduct(c View, r0 int, b rightFactor, add bool) {
	init := View{Data: zeros[:], Rows: c.Rows, Cols: panelWidth} // stride 0: the same row for all
	var scratch [kernel.ChunkRows]panelRow
	sums := c
	if c.Cols < panelWidth {
		sums = View{Data: panelValues(scratch[:]), Rows: c.Rows, Cols: panelWidth, Stride: panelWidth}
	}
	if add {
		init = sums
		for i := range c.Rows {
			if c.Cols < panelWidth {
				copy(sums.Row(i), c.Row(i))
			}
		}
	}
	if f.words == nil {
		kernel.SGEMM(sums, init, f.floats.Data[r0*f.floats.Stride:], f.floats.Stride, b.rows, true, nil)
	} else {
		kernel.BF16GEMM(sums, init, f.words.words[r0*f.words.stride:], f.words.stride, b.words, false)
	}
	if c.Cols < panelWidth {
		for i := range c.Rows {
			copy(c.Row(i), sums.Row(i))
		}
	}
}
