// Command _generate writes the assembly of package gemm: kernels_amd64.s and
// the stubs that declare it. Run it in this folder:
//
//	go run . -out ../kernels_amd64.s -stubs ../kernels_amd64.go -pkg gemm
//
// Each kernel's comment names the portable Go function that is its reference.
package main

import . "github.com/mmcloughlin/avo/build"

func main() {
	ConstraintExpr("!noasm")
	for rows := 1; rows <= 3; rows++ {
		accumulate(rows, 4)
		accumulateFetching(rows, 4, false, true)
	}
	accumulateFetching(3, 4, true, false)
	for rows := 1; rows <= 6; rows++ {
		accumulate(rows, 2)
	}
	transpose()
	addRow()
	elementwise()
	softmax()
	layerNorm()
	peak()
	Generate()
}
