package kernel

import "fmt"

// View is a row-major matrix of float32 inside a larger buffer: element (i, j) is
// Data[i*Stride+j]. Rows may be longer than Cols; no function touches the elements
// in between.
type View struct {
	Data               []float32
	Rows, Cols, Stride int
}

// Row returns row i, Cols long. It shares memory with the view.
func (v View) Row(i int) []float32 {
	return v.Data[i*v.Stride:][:v.Cols:v.Cols]
}

// Slice returns the view of rows r0 to r1 and columns c0 to c1, each without the
// end. It shares memory with v.
func (v View) Slice(r0, r1, c0, c1 int) View {
	if r0 < 0 || r1 < r0 || r1 > v.Rows || c0 < 0 || c1 < c0 || c1 > v.Cols {
		panic(fmt.Sprintf("gemm/kernel: slice [%d:%d, %d:%d] of a %d×%d view", r0, r1, c0, c1, v.Rows, v.Cols))
	}
	if r0 == r1 || c0 == c1 {
		return View{Rows: r1 - r0, Cols: c1 - c0}
	}
	return View{Data: v.Data[r0*v.Stride+c0 : (r1-1)*v.Stride+c1], Rows: r1 - r0, Cols: c1 - c0, Stride: v.Stride}
}

// Check panics unless Data holds all rows of the view. A wrong size is an error of
// the program, and kernels do not check again. name names the view in the message.
func (v View) Check(name string) {
	if v.Rows < 0 || v.Cols < 0 || v.Stride < v.Cols ||
		v.Rows > 0 && v.Cols > 0 && len(v.Data) < (v.Rows-1)*v.Stride+v.Cols {
		panic(fmt.Sprintf("gemm/kernel: %s: a %d×%d view with stride %d needs more than its %d values", name, v.Rows, v.Cols, v.Stride, len(v.Data)))
	}
}
