package nn

import (
	"fmt"

	"kenserve/gemm/kernel"
)

// BackwardScratch is memory for [AddProduct] and [AddProductOfTranspose]. Its zero value is
// ready. It serves one goroutine at a time.
type BackwardScratch struct {
	left  [128]kernel.PanelRow
	right Scratch
}

// AddProduct computes C[M,N] += A[M,K]·B[K,N]: the gradient of attention's queries, where A
// are the gradients of the scores and B the keys of one head. C must not overlap A or B.
// Sizes that do not match panic.
func AddProduct(c, a, b kernel.View, s *BackwardScratch) {
	c.Check("product")
	a.Check("left factor")
	b.Check("right factor")
	if a.Cols != b.Rows || c.Rows != a.Rows || c.Cols != b.Cols {
		panic(fmt.Sprintf("nn: product of wrong sizes: [%d,%d] += [%d,%d]·[%d,%d]", c.Rows, c.Cols, a.Rows, a.Cols, b.Rows, b.Cols))
	}
	addProduct(c, a, b, &s.right)
}

// AddProductOfTranspose computes C[M,N] += A[K,M]ᵀ·B[K,N]: the gradients of attention's keys
// and values, where A are the probabilities or the gradients of the scores, and B are the
// queries or the gradients of the outputs of one head. C must not overlap A or B. Sizes that
// do not match panic.
func AddProductOfTranspose(c, a, b kernel.View, s *BackwardScratch) {
	c.Check("product")
	a.Check("left factor")
	b.Check("right factor")
	if a.Rows != b.Rows || c.Rows != a.Cols || c.Cols != b.Cols {
		panic(fmt.Sprintf("nn: product of wrong sizes: [%d,%d] += [%d,%d]ᵀ·[%d,%d]", c.Rows, c.Cols, a.Rows, a.Cols, b.Rows, b.Cols))
	}
	for k := 0; k < a.Rows; k += kernel.PanelWidth {
		rows := min(kernel.PanelWidth, a.Rows-k)
		for i := 0; i < a.Cols; i += len(s.left) {
			panel := s.left[:min(len(s.left), a.Cols-i)]
			kernel.Transpose(panel, a.Slice(k, k+rows, i, i+len(panel)), 1)
			left := kernel.View{Data: values(panel), Rows: len(panel), Cols: rows, Stride: kernel.PanelWidth}
			addProduct(c.Slice(i, i+len(panel), 0, c.Cols), left, b.Slice(k, k+rows, 0, b.Cols), &s.right)
		}
	}
}

// addProduct computes C += A·B.
func addProduct(c, a, b kernel.View, s *Scratch) {
	if a.Rows > 0 && a.Cols > 0 {
		productPanels(c, a, b, s, true)
	}
}
