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
	TEXT("addSignQuads16AVX512", NOSPLIT, "func(sums, lines *float32, places *[4]uint16, outputs *uint8, n int)")
	Pragma("noescape")
	Doc("addSignQuads16AVX512 adds n > 0 quads without values to the sums of 16 lanes. The", "reference is addQuadsPortable.")
	asm.AddQuads(vector, 6, false)
	TEXT("addQuads16AVX512", NOSPLIT, "func(sums, lines *float32, places *[4]uint16, outputs *uint8, values *[4]float32, n int)")
	Pragma("noescape")
	Doc("addQuads16AVX512 adds n > 0 quads to the sums of 16 lanes. The reference is", "addQuadsPortable.")
	asm.AddQuads(vector, 6, true)
	Generate()
}
