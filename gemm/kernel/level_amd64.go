//go:build !noasm

package kernel

import "github.com/klauspost/cpuid/v2"

// SupportedLevels returns the levels that the processor and the build support, in
// rising order.
func SupportedLevels() []Level {
	switch {
	case !cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3, cpuid.BMI2, cpuid.POPCNT):
		return []Level{Portable}
	case !cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL):
		return []Level{Portable, AVX2}
	}
	return []Level{Portable, AVX2, AVX512}
}

// A processor of level AVX512 may lack these. Then the products of the type use the
// kernels of level AVX2.
var (
	hasVNNI = cpuid.CPU.Supports(cpuid.AVX512VNNI)
	hasBF16 = cpuid.CPU.Supports(cpuid.AVX512BF16)
)
