// Package gemm multiplies matrices for transformer inference on CPUs.
//
// # Idea
//
// The weights of a dense layer never change while they are served, so they are
// rearranged once, by [Pack], into the order in which the inner loop reads
// them: panels of 32 output columns, each panel holding its 32 weights of one
// input after the other. [Matrix.Mul] then streams through the panels,
//
//	C[M,N] = activation(A[M,K] · W[N,K]ᵀ + bias) + residual
//
// with the activations A used as they lie. A task that differs from the base
// in some weights gets its own panels from [Matrix.Patched], which copies the
// base's panels and puts the kept values of a [Patch] in place; the order of a
// patch follows the panels, so nothing is transposed on that path.
//
// [ProductTransposed] and [Product] are the small products of attention, over
// strided views that are not worth packing. [Softmax], [LayerNorm] and
// [Activation] are the element-wise steps between products; they live here
// because fast kernels fuse them with the product that precedes them.
//
// # Panels
//
// W[N,K] becomes ceil(N/32) panels. Element (n, k) lies at
//
//	panels[(n/32)*K + k][n%32]
//
// Columns from N up to the next multiple of 32 hold zeros. The panels start at
// a multiple of 64 bytes.
//
// # Patching
//
// The order of a [Patch] is that of the panels, and each of a panel's two tiles
// of 16 outputs can be found at once. So a walk goes through a panel from the
// first input to the last, a block of lines after the other, with nothing
// transposed, looked up or expanded in memory: every value coding and both forms
// of positions are read as they lie in a delta.
//
// An overlay's Mul walks through each panel once a group of rows. Each block is
// copied and patched into scratch memory just before the first rows are
// multiplied with it, and is there for all others. The bits are those of the
// materialised panels. Where masks tell the positions, a vector of values is
// spread over its lanes by a table of 256 permutations; gaps are followed one by
// one, about three to four cycles each.
//
// With AVX-512, a sparse patch whose signs are among its gaps is not copied for a
// few rows: beside each line of the base a mark says what a kernel subtracts from
// it on its way to the product (marks.go).
//
// To materialise is the same walk, with stores past the caches into memory that
// was not cleared. What it takes is decided by how seldom memory is left idle. With
// AVX-512 gaps become masks first, while the base is fetched, and one kernel reads,
// patches and writes whole lines, both tiles of them. With AVX2 lines are copied
// into the first-level cache, patched and written from there, and with each copy
// some of the base is fetched that comes later.
//
// Measured on one core of Zen 3 with AVX2 (go test -bench Patch ./gemm):
//
//	materialising, of the time to copy the same panels (MiniLM): 1.2 to 1.4
//	with masks at half and a quarter kept, 1.5 to 1.65 with gaps at a tenth,
//	1.13 to 1.18 at a fiftieth
//	overlay, of the plain product of 128 rows with weights in cache: 1.07 to
//	1.08 at half and at a tenth, 1.05 at a fiftieth
//	overlay, of the product of 24 rows with panels that do not stay in cache:
//	1.16 to 1.23 at a fiftieth, 1.3 to 1.4 at a quarter
//	a text of 24 tokens on an overlaid network, signs at a fiftieth, of the
//	same on a materialised one (go test -bench Switch ./runtime): 1.18 to
//	1.25 for MiniLM, 1.22 to 1.28 for BERT-base, on one core and on two. Of
//	it gaps are a fifth; the rest is that a panel goes through the caches
//	once more.
//
// On Zen 4 with AVX-512:
//
//	a text of 24 tokens on an overlaid network, as above: 1.18 to 1.22 for
//	MiniLM, 1.16 to 1.19 for BERT-base, of a materialised one that is a tenth
//	faster than before kernels fetched near lines; without marks 1.31
//	overlay, of the plain product of 128 rows with weights in cache: 1.04 to
//	1.05 with masks at half and a quarter, 1.08 with gaps at a tenth, 1.05 at
//	a twentieth and less
//	materialising, of the time to copy the same panels, where 22 GB/s are read
//	and as many written: 1.15 to 1.3 with masks at half and a quarter, 1.3 to
//	1.4 with float32 at half, whose values are half as much to read again;
//	1.15 to 1.3 with gaps at a fiftieth, 1.35 to 1.7 at a tenth, where they
//	are followed for as long as the copy takes
//
// Marks by masks, added under AVX-512's mask registers, were tried first and cost
// a quarter of the product: each masked addition takes the place of a
// multiplication.
//
// Sparse signs put into a worker's own panels, and taken out again after the
// product, would need no copy of what does not change. Of a product of materialised
// panels in memory that takes, with 24 rows, 1.13 to 1.16 at a fiftieth, where marks
// take 1.16 to 1.18, and 1.25 to 1.27 at a twentieth, where they take 1.36; with 8
// rows 1.3 to 1.35 and 1.6 to 1.7, where marks take 1.4 and 1.95. It wins from a
// hundredth on (MiniLM) and a fiftieth (BERT-base), but wants a copy of the base for
// every worker, which is the memory that overlays are there to save: there is no
// kernel for it.
//
// Four more things were tried and lost, on Zen 3. A kernel that finds each half
// line's address in a list, so that no more is copied than the half lines that
// change, is no faster: what it saves in copies it loses in reading here and there.
// To copy the next block beside the product of this one, a few bytes with each step
// of the kernel, gains one in a hundred for gaps and loses more for masks: it is the
// second-level cache that is busy, and not the core. Blocks of 64 to 128 lines,
// which the first-level cache holds together with the base's, lose more by beginning
// more often. Eight gaps at once, as sums over a vector, are slower than one by one:
// the places go through memory on their way to the weights.
//
// # Levels
//
// There are kernels in portable Go and, for amd64, in assembly that _generate
// makes: avx2 needs AVX2, FMA and BMI2, avx512 the subsets F, BW, DQ and VL, and
// uses VNNI and BF16 where there are. The best that the processor has is in use;
// the environment variable KENSERVE_KERNELS forces another, and the build tag
// noasm leaves portable kernels only. The portable ones are the reference. Tests
// run all levels that the processor has, and the products of avx512 on an
// interpreter too.
//
// At every level an element of C is one sum over k in rising order, starting
// from the bias, whatever the number of rows, the blocking and the number of
// workers. A row's result therefore does not depend, in any bit, on the rows it
// shares a batch with. Its distance from the exact result is at most
//
//	(K+2) · 2⁻²⁴ · (|bias| + Σ |a·w|)
//
// and two levels differ by at most twice that: the portable kernels round
// after every product and every sum, so that they give the same bits on every
// architecture; the others use fused multiply-adds.
//
// # Compute types
//
// [Matrix.As] rounds a matrix to fewer bits: see [Compute]. Panels of such a
// matrix hold, in the place of a float32, a word of two inputs' bfloat16 or of
// four inputs' int8.
//
// A bfloat16 product is the float32 product of rounded factors, with the bounds
// above; processors with BF16 also take subnormal numbers for zero.
//
// In an int8 product each row of A becomes levels from 0 to 255, level z standing
// for zero, with step (max - min) / 255, where min and max include zero; each
// output's weights become levels from -63 to 63 with step max|w| / 63. The sum of
// products of levels is exact, and what becomes of it,
//
//	(Σ a·w - z·Σ w) · step of the row · step of the output + bias
//
// is rounded after every operation, so that it has the same bits everywhere.
// Rows or weights that are not finite give NaN.
//
// # Concurrency
//
// A [Pool] holds the worker goroutines. All other values are read-only once
// made and may be used by any number of goroutines.
package gemm
