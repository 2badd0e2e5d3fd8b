package runtime

import (
	"unsafe"

	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/internal/sparse"
	"kenserve/models"
)

const (
	// tensorBytes is what a delta's tensor takes in memory beside its file.
	tensorBytes = int64(unsafe.Sizeof(delta.Tensor{}) + unsafe.Sizeof(sparse.Tensor{}))
	// patchBytes is what a patched or changed matrix and its place in a map take.
	patchBytes = max(gemm.OverlayBytes, gemm.ChangedBytes) + 64
)

// activationBytes bounds what a forward pass of so many tokens keeps for activations.
// An encoder's layer holds a few vectors of the model's width for each token, and two of
// the widest matrix.
func activationBytes(parameters []models.Parameter, tokens int) int64 {
	width, widest := 0, 0
	for _, p := range parameters {
		if p.Role != models.Matrix {
			continue
		}
		outputs, inputs := p.Matrix()
		widest = max(widest, outputs, inputs)
		if least := min(outputs, inputs); width == 0 || least < width {
			width = least
		}
	}
	return 4 * int64(tokens) * int64(6*width+widest)
}
