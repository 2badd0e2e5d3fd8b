// Package kernel holds the inner loops of packages gemm and nn: in Go for every
// architecture, and in assembly for amd64. It knows panels and rows of them, but not
// matrices, tasks or goroutines.
//
// # Functions and levels
//
// Each exported function computes its result at any [Level]. It calls the kernels of
// the level in use, and for sizes that they do not take the portable reference. The
// reference is an unexported Go function named after the exported one, with the
// suffix Portable: sgemmPortable for [SGEMM]. Levels may differ in the last bits where
// the function's comment in gemm or nn gives an error bound; the same level always
// gives the same bits.
//
// The level in use is the best that the processor supports; the environment variable
// KENSERVE_KERNELS forces another one, and the build tag noasm leaves only the
// portable level. [CurrentLevel] returns it.
//
// # Kernels
//
// Kernels are named as in BLAS libraries: operation, rows × columns, number format,
// level, and variant, as in sgemm12x32AVX512Prefetch or igemm6x16U8S8AVX2 (uint8 times
// int8). M stands for the number of rows in the name of a function that chooses among
// kernels: sgemmMx32AVX512. Kernels for one value coding of a sparse tensor have the
// coding in their name: patchGapsInt8AVX2.
//
// Files are named after their level: portable_*.go, avx2_*.s, avx512_*.s. The programs
// in gemm/_generate generate the assembly, the Go declarations of it (the stubs), and
// dispatch_amd64.go, which chooses kernels by number of rows or by coding. The files
// *_amd64.go written by hand choose the level and split the work into kernel calls.
//
// [View] and [PanelRow] are declared here because kernels take them; gemm and nn
// use them, too.
package kernel

//go:generate sh -c "cd ../_generate && go run ./avx2/sgemm -out ../kernel/avx2_sgemm_amd64.s -stubs ../kernel/avx2_sgemm_amd64.go -pkg kernel"
//go:generate sh -c "cd ../_generate && go run ./avx2/nn -out ../kernel/avx2_nn_amd64.s -stubs ../kernel/avx2_nn_amd64.go -pkg kernel"
//go:generate sh -c "cd ../_generate && go run ./avx2/backward -out ../kernel/avx2_backward_amd64.s -stubs ../kernel/avx2_backward_amd64.go -pkg kernel"
//go:generate sh -c "cd ../_generate && go run ./avx2/lowprecision -out ../kernel/avx2_lowprecision_amd64.s -stubs ../kernel/avx2_lowprecision_amd64.go -pkg kernel"
//go:generate sh -c "cd ../_generate && go run ./avx2/patch -out ../kernel/avx2_patch_amd64.s -stubs ../kernel/avx2_patch_amd64.go -pkg kernel"
//go:generate sh -c "cd ../_generate && go run ./avx2/quads -out ../kernel/avx2_quads_amd64.s -stubs ../kernel/avx2_quads_amd64.go -pkg kernel"
//go:generate sh -c "cd ../_generate && go run ./avx512/gemm -out ../kernel/avx512_gemm_amd64.s -stubs ../kernel/avx512_gemm_amd64.go -pkg kernel"
//go:generate sh -c "cd ../_generate && go run ./avx512/nn -out ../kernel/avx512_nn_amd64.s -stubs ../kernel/avx512_nn_amd64.go -pkg kernel"
//go:generate sh -c "cd ../_generate && go run ./avx512/backward -out ../kernel/avx512_backward_amd64.s -stubs ../kernel/avx512_backward_amd64.go -pkg kernel"
//go:generate sh -c "cd ../_generate && go run ./avx512/patch -out ../kernel/avx512_patch_amd64.s -stubs ../kernel/avx512_patch_amd64.go -pkg kernel"
//go:generate sh -c "cd ../_generate && go run ./avx512/quads -out ../kernel/avx512_quads_amd64.s -stubs ../kernel/avx512_quads_amd64.go -pkg kernel"
//go:generate sh -c "cd ../_generate && go run ./dispatch -out ../kernel/dispatch_amd64.go -stubs ../kernel"
