// Command quads generates the AVX-512 kernels of sparse changes for strips of 16 rows:
// avx512_quads_amd64.s and its stubs in package kernel. Run it by
//
//	go generate ./gemm/...
//
// The comment of each stub names the portable function that is its reference.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"

	"kenserve/gemm/_generate/asm"
)

func main() {
	ConstraintExpr("!noasm")
	vector := func() VecVirtual { return ZMM() }
	TEXT("sumSignQuads16AVX512", NOSPLIT, "func(sums, lines *float32, places *[4]uint16, outputs *uint8, begun, rest int)")
	Pragma("noescape")
	Doc("sumSignQuads16AVX512 computes the products of quads without values for 16 lanes: begun", "> 0 that begin sums, and the rest. The reference is sumQuadsPortable.")
	asm.SumQuads(vector, 6, false)
	TEXT("sumQuads16AVX512", NOSPLIT, "func(sums, lines *float32, places *[4]uint16, outputs *uint8, values *[4]float32, begun, rest int)")
	Pragma("noescape")
	Doc("sumQuads16AVX512 computes the products of quads for 16 lanes: begun > 0 that", "begin sums, and the rest. The reference is sumQuadsPortable.")
	asm.SumQuads(vector, 6, true)
	Generate()
}
