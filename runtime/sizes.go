package runtime

import (
	"unsafe"

	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/internal/sparse"
)

const (
	// tensorBytes is what a delta's tensor takes in memory beside its file.
	tensorBytes = int64(unsafe.Sizeof(delta.Tensor{}) + unsafe.Sizeof(sparse.Tensor{}))
	// patchBytes is what a patched or changed matrix and its place in a map take.
	patchBytes = max(gemm.OverlayBytes, gemm.ChangedBytes) + 64
)
