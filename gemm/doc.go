// Package gemm multiplies matrices for transformer inference on CPUs: activations by the
// weights of dense layers, and by weights that differ from a base in a few values.
//
// # Idea
//
// The weights of a dense layer do not change while they are served. [Pack] rearranges
// them once, into panels: the order in which the inner loop reads them. [Matrix.Mul]
// then streams through the panels and computes
//
//	C[M,N] = activation(A[M,K] · W[N,K]ᵀ + bias) + residual
//
// It reads the activations A without rearranging them. The inner loops are in package
// kernel.
//
// A task differs from the base in some weights, given as a [sparse.Tensor]. If they are
// few, [Matrix.Changed] makes a matrix whose products are those of the base plus those of
// the change. Rows of many tasks then share one product of the base ([MulSegments]). If
// they are many, [Matrix.Overlay] makes a matrix whose Mul patches the base's panels while
// it multiplies, and [Matrix.Materialised] copies and patches the panels once; the two
// give the same bits.
//
// # Panels
//
// W[N,K] becomes ceil(N/32) panels of 32 outputs. Element (n, k) is at
//
//	panels[(n/32)*K + k][n%32]
//
// Columns from N up to the next multiple of 32 hold zeros. The panels start at a multiple
// of 64 bytes.
//
// # Patching
//
// A tile of a sparse tensor is 16 outputs, half a panel, and the order of its positions
// and values is that of the panel. So a cursor goes through a panel from the first input
// to the last, block of rows after block of rows, and finds the positions and values of
// both tiles one after the other. Nothing is transposed, looked up or expanded in memory:
// kernels read every value coding and both forms of positions as a delta file stores
// them. Masks are spread over the lanes of a vector at once; gaps are followed one by one,
// at three to four cycles each.
//
// An overlay's Mul goes through each panel once for a group of rows. It copies and patches
// a block into scratch memory just before the first rows are multiplied with it; the other
// rows find the block there.
//
// Materialising does the same with stores that bypass the caches, into memory that was not
// cleared. Memory limits its speed, so the kernels keep memory busy: with AVX-512 gaps
// become masks first, while the base is fetched, and one kernel reads, patches and writes
// whole rows of both tiles. With AVX2 a block is copied to the first-level cache, patched
// and written from there, and each copy fetches some of the base that comes later.
//
// # Changes
//
// The product of a change comes first, in float32 whatever the type of the base. It takes
// up to 16 rows of A at a time, transposed (a strip of package kernel), so that a kept
// value is one load and one addition for all of them, and one multiplication unless it is
// a sign. A scale multiplies the sum of an output once. The result, with the bias, is what
// the sums of the base's product begin with.
//
// The kernel reads kept values in groups of four (kernel.Quads). A warm change makes them
// of the patch in every product, panel by panel, and one reading serves several strips. A
// hot one, by [Matrix.Materialised], has them in memory: two to three times the patch,
// instead of panels. Both compute the same sums in the same order.
//
// # Results
//
// At every level of kernels (see package kernel) an element of C is one sum over k in
// rising order that begins with the bias, plus the change's part, whatever the number of rows, the blocks and the
// number of workers. So no bit of a row's result depends on the other rows of its batch.
// The distance from the exact result is at most
//
//	(K+2) · 2⁻²⁴ · (|bias| + Σ |a·w|)
//
// and two levels differ by at most twice that. The portable kernels round after every
// product and every sum, so that they give the same bits on every architecture; the
// others use fused multiply-adds. The part of a change has the same bits at every level.
//
// With a change, the bound has 2K+4 in place of K+2 and |base's weight| + |change| in
// place of |w|.
//
// # Compute types
//
// [Matrix.As] rounds a matrix to fewer bits, see [Compute]. The panels of such a matrix
// have words in the place of float32: two inputs' bfloat16 or four inputs' int8.
//
// A bfloat16 product is the float32 product of rounded factors, with the bounds above.
// Processors with the BF16 instructions also treat subnormal numbers as zero.
//
// In an int8 product each row of A becomes levels from 0 to 255, where level z stands for
// zero, with step (max - min) / 255; min and max include zero. Each output's weights
// become levels from -63 to 63 with step max|w| / 63. The sum of products of levels is
// exact. The result
//
//	(Σ a·w - z·Σ w) · step of the row · step of the output + bias
//
// is rounded after every operation, so that it has the same bits everywhere. Rows or
// weights that are not finite give NaN.
//
// # Gradients
//
// Training changes the panels of a matrix of its own ([Matrix.Values]). The gradient of a
// layer's input is a product with the transpose, [Matrix.MulTransposed]: each panel of Wᵀ is
// made when it is needed, so that there is no second copy of the weights. That of the weights,
// [Matrix.AddGradient], is a product of the transposed inputs with panels of the output's
// gradients, and so comes out in the order of panels. Both run the kernels of Mul.
// [Matrix.AddSparseGradient] computes scalar products for some weights alone.
//
// # Concurrency
//
// Matrices are immutable but for Values and [Matrix.Round], and any number of goroutines may use them. A call shares its
// parts on a [parallel.Pool]; with a nil pool the calling goroutine performs all of them.
// Buffers that calls use again are in free lists of the package.
package gemm
