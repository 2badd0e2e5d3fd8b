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

// accumulate stores init + A·panel in dst. ahead, if any, is what it will be
// called with next: it is brought into the second-level cache meanwhile.
func accumulate(dst, init View, a []float32, stride int, panel, ahead []line) {
	if current < avx2 || len(panel) == 0 {
		accumulatePortable(dst, init, a, stride, panel)
		return
	}
	// Inputs before going on to the next rows: a block of a panel, 48 KiB, is
	// read from the second-level cache, and the first holds the rows of A.
	// Measured: 96 to 256 are 0 to 3% slower.
	const block = 384
	for k := 0; k < len(panel); k += block {
		b := panel[k:min(k+block, len(panel))]
		next := uintptr(0)
		if rest := panel[k+len(b):]; len(rest) > 0 {
			next = uintptr(unsafe.Pointer(&rest[0]))
		} else if len(ahead) > 0 {
			next = uintptr(unsafe.Pointer(&ahead[0]))
		}
		accumulateBlock(dst, &init.Data[0], init.Stride, a[k:], stride, &b[0][0], panelWidth, len(b), next)
		init = dst
	}
}

// accumulateBlock is accumulate for rows of B that are bStride values apart, for
// 16 or 32 columns.
func accumulateBlock(dst View, src *float32, srcStride int, a []float32, aStride int, b *float32, bStride, k int, next uintptr) {
	if current >= avx512 && dst.Cols == panelWidth {
		accumulateAVX512(dst, src, srcStride, a, aStride, b, bStride, k, next)
		return
	}
	accumulateAVX2(dst, src, srcStride, a, aStride, b, bStride, k, next)
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
