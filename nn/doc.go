// Package nn computes what transformer networks do between matrix products: softmax,
// layer norm, activation functions, and the small products of attention. All work on
// float32 in place or into views of the caller, on the calling goroutine.
//
// A function checks sizes, which are errors of the program if they are wrong, and then
// calls the kernels of package kernel row by row. Its comment gives the formula and an
// error bound that holds at every level of kernels. The result of a row has the same
// bits whatever other rows there are.
//
// Matrices are views of package kernel ([kernel.View]; gemm.View is the same type),
// because the kernels take them.
package nn
