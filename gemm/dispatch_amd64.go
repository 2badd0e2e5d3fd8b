//go:build !noasm

package gemm

import (
	"time"
	"unsafe"

	"github.com/klauspost/cpuid/v2"
)

//go:generate sh -c "cd _generate && go run . -out ../kernels_amd64.s -stubs ../kernels_amd64.go -pkg gemm"

func supportedLevels() []level {
	switch {
	case !cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3, cpuid.BMI2, cpuid.POPCNT):
		return []level{portable}
	case !cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL):
		return []level{portable, avx2}
	}
	return []level{portable, avx2, avx512}
}

// What a processor of the level avx512 may lack. Without it the products of its
// type are AVX2's.
var (
	hasVNNI = cpuid.CPU.Supports(cpuid.AVX512VNNI)
	hasBF16 = cpuid.CPU.Supports(cpuid.AVX512BF16)
)

// accumulate stores init + A·panel in dst. A panel that was patched just now is
// in the caches. ahead, if any, is what is read next, by accumulate or by a walk:
// it is brought into the second-level cache meanwhile.
func accumulate(dst, init View, a []float32, stride int, panel []line, patched bool, ahead []line) {
	if current < avx2 || len(panel) == 0 {
		accumulatePortable(dst, init, a, stride, panel)
		return
	}
	for k := 0; k < len(panel); k += panelBlock {
		b := panel[k:min(k+panelBlock, len(panel))]
		f := fetches{near: !patched, next: following(panel[k+len(b):], ahead)}
		accumulateBlock(dst, &init.Data[0], init.Stride, a[k:], stride, &b[0][0], panelWidth, len(b), f)
		init = dst
	}
}

// panelBlock is how many lines of a panel are multiplied before going on to the
// next rows: 48 KiB are read from the second-level cache, and the first holds the
// rows of A. Measured: 96 to 256 are 0 to 3% slower.
const panelBlock = 384

// following returns the address of what comes after a block: the rest of the
// panel or what is ahead; 0 if there is neither.
func following(rest, ahead []line) uintptr {
	switch {
	case len(rest) > 0:
		return uintptr(unsafe.Pointer(&rest[0]))
	case len(ahead) > 0:
		return uintptr(unsafe.Pointer(&ahead[0]))
	}
	return 0
}

// fetches is what kernels bring into the second-level cache while they multiply.
type fetches struct {
	near bool    // the lines that they multiply with, some way ahead
	next uintptr // what comes after these; 0: nothing
}

// accumulateBlock is accumulate for rows of B that are bStride values apart, for
// 16 or 32 columns.
func accumulateBlock(dst View, src *float32, srcStride int, a []float32, aStride int, b *float32, bStride, k int, f fetches) {
	if current >= avx512 && dst.Cols == panelWidth {
		accumulateAVX512(dst, src, srcStride, a, aStride, b, bStride, k, f)
		return
	}
	accumulateAVX2(dst, src, srcStride, a, aStride, b, bStride, k, f.next)
}

func productTransposed(c, a, b View, scale float32, s *Scratch) {
	if current < avx2 || a.Rows == 0 || a.Cols == 0 {
		productTransposedPortable(c, a, b, scale)
		return
	}
	productTransposedAVX2(c, a, b, scale, s)
}

func product(c, a, b View, s *Scratch) {
	if current < avx2 || a.Rows == 0 || a.Cols == 0 {
		productPortable(c, a, b)
		return
	}
	productAVX2(c, a, b, s)
}

func (a Activation) apply(x []float32) {
	if current < avx2 {
		a.applyPortable(x)
		return
	}
	whole := len(x) &^ 7
	a.applyAVX2(x[:whole])
	if whole < len(x) {
		// The same kernel for the rest: a value's result must not depend on
		// its place.
		var rest [8]float32
		copy(rest[:], x[whole:])
		a.applyAVX2(rest[:])
		copy(x[whole:], rest[:])
	}
}

func (a Activation) applyAVX2(x []float32) {
	if len(x) == 0 {
		return
	}
	switch a {
	case GELU:
		gelu(&x[0], len(x))
	case GELUTanh:
		geluTanh(&x[0], len(x))
	case Tanh:
		tanhs(&x[0], len(x))
	default:
		a.applyPortable(x)
	}
}

func softmax(x []float32) {
	if current < avx2 || len(x) == 0 {
		softmaxPortable(x)
		return
	}
	softmaxRow(&x[0], len(x))
}

func layerNorm(x, gamma, beta []float32, eps float32) {
	if current < avx2 || len(x)%8 != 0 || len(x) == 0 {
		layerNormPortable(x, gamma, beta, eps)
		return
	}
	layerNormRow(&x[0], &gamma[0], &beta[0], len(x), eps)
}

func addTo(dst, x, y []float32) {
	whole := 0
	if current >= avx2 {
		if whole = len(dst) &^ 7; whole > 0 {
			addRow(&dst[0], &x[0], &y[0], whole)
		}
	}
	addPortable(dst[whole:], x[whole:], y[whole:])
}

func peak(d time.Duration) float64 {
	if current < avx2 {
		return peakPortable(d)
	}
	if current >= avx512 {
		return max(rate(d/2, 2*24*16, multiplyAddsz), rate(d/2, 2*12*8, multiplyAdds))
	}
	return rate(d, 2*12*8, multiplyAdds)
}
