package gemm

import "fmt"

// View is a row-major matrix of float32 inside a larger buffer: element (i, j)
// is Data[i*Stride+j]. Rows may be longer than Cols; what lies between is left
// alone.
type View struct {
	Data               []float32
	Rows, Cols, Stride int
}

// Row returns row i, Cols long, sharing memory with the view.
func (v View) Row(i int) []float32 {
	return v.Data[i*v.Stride:][:v.Cols:v.Cols]
}

// Slice returns the view of rows r0 to r1 and columns c0 to c1, sharing memory
// with v.
func (v View) Slice(r0, r1, c0, c1 int) View {
	if r0 < 0 || r1 < r0 || r1 > v.Rows || c0 < 0 || c1 < c0 || c1 > v.Cols {
		panic(fmt.Sprintf("gemm: slice [%d:%d, %d:%d] of a view of %d×%d", r0, r1, c0, c1, v.Rows, v.Cols))
	}
	if r0 == r1 || c0 == c1 {
		return View{Rows: r1 - r0, Cols: c1 - c0}
	}
	return View{Data: v.Data[r0*v.Stride+c0 : (r1-1)*v.Stride+c1], Rows: r1 - r0, Cols: c1 - c0, Stride: v.Stride}
}

// check panics unless the view's data hold all its rows: a view that lies
// about its size is a mistake of the program, and the kernels do not look
// again.
func (v View) check(what string) {
	if v.Rows < 0 || v.Cols < 0 || v.Stride < v.Cols ||
		v.Rows > 0 && v.Cols > 0 && len(v.Data) < (v.Rows-1)*v.Stride+v.Cols {
		panic(fmt.Sprintf("gemm: %s: %d×%d with stride %d does not fit %d values", what, v.Rows, v.Cols, v.Stride, len(v.Data)))
	}
}

// Stride returns the distance between rows, in values, that suits a buffer of
// activations with the given number of columns: a multiple of 16 values (one
// cache line), kept off multiples of 4096 bytes, at which all rows would
// compete for the same few cache sets.
func Stride(cols int) int {
	s := (cols + 15) &^ 15
	if s%1024 == 0 {
		s += 16
	}
	return s
}
