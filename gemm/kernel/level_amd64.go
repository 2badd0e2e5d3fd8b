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

// A processor of level AVX512 may lack these. Without VNNI int8 products use the kernels
// of level AVX2; without fast bfloat16 instructions, bfloat16 products widen the weights.
// AMD's processors take as long for VDPBF16PS as for a fused multiply-add. Intel's take
// four times as long, which would make bfloat16 half as fast as float32.
var (
	hasVNNI     = cpuid.CPU.Supports(cpuid.AVX512VNNI)
	hasFastBF16 = cpuid.CPU.Supports(cpuid.AVX512BF16) && cpuid.CPU.VendorID != cpuid.Intel
)
