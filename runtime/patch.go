package runtime

import (
	"unsafe"

	"kenserve/delta"
	"kenserve/gemm"
)

const (
	// tensorBytes is what a delta's tensor takes in memory beside its values.
	tensorBytes = int64(unsafe.Sizeof(delta.Tensor{}) + unsafe.Sizeof(delta.Masked{}))
	// patchBytes is what an overlay's patch and its entry in a map take.
	patchBytes = int64(unsafe.Sizeof(gemm.Patch{})) + 64
)

// patch returns a delta's tensor in the form of the kernels. Both share their
// slices.
func patch(m *delta.Masked) *gemm.Patch {
	return &gemm.Patch{
		Tiles: m.Tiles, Ends: m.Ends, Masks: m.Mask16, Gaps: m.Gaps, GapEnds: m.GapEnds,
		Float32s: m.Float32s, BFloat16s: m.BFloat16s, Int8s: m.Int8s, Int4s: m.Int4s, Signs: m.Signs,
		Scales: m.Scales,
	}
}
