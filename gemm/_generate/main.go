// Command _generate writes the assembly of package gemm, and the stubs that
// declare it, in sets: products and element-wise kernels, and those that patch.
// Run it in this folder:
//
//	go run . -out ../kernels_amd64.s -stubs ../kernels_amd64.go -pkg gemm
//	go run . -set patch -out ../patchkernels_amd64.s -stubs ../patchkernels_amd64.go -pkg gemm
//
// Each kernel's comment names the portable Go function that is its reference.
package main

import (
	"flag"

	. "github.com/mmcloughlin/avo/build"
)

func main() {
	set := flag.String("set", "", "patch for the kernels that patch")
	flag.Parse()
	ConstraintExpr("!noasm")
	if *set == "patch" {
		patch()
		Generate()
		return
	}
	for rows := 1; rows <= 3; rows++ {
		accumulate(rows, 4)
	}
	for rows := 1; rows <= 6; rows++ {
		accumulate(rows, 2)
	}
	transpose()
	addRow()
	scaleRow()
	elementwise()
	softmax()
	layerNorm()
	peak()
	Generate()
}
