package delta

import (
	"errors"
	"fmt"

	"kenserve/internal/sparse"
)

// What a reader refuses. Each is an [ErrCorrupt] save ErrBase; refusals of the
// container are those of package safetensors.
var (
	// ErrCorrupt means that the file is not a valid delta file.
	ErrCorrupt = sparse.ErrInvalid
	// ErrFormat means a safetensors file that is not a delta.
	ErrFormat = fmt.Errorf("%w: format", ErrCorrupt)
	// ErrVersion means a format version that this reader does not know.
	ErrVersion = fmt.Errorf("%w: version", ErrCorrupt)
	// ErrLayout means a layout that this reader does not know.
	ErrLayout = fmt.Errorf("%w: layout", ErrCorrupt)
	// ErrFlag means a flag that this reader does not know.
	ErrFlag = fmt.Errorf("%w: flag", ErrCorrupt)
	// ErrMetadata means a metadata key that is missing, unknown, or whose
	// value is not what it must be.
	ErrMetadata = fmt.Errorf("%w: metadata", ErrCorrupt)
	// ErrCoding means an unknown value coding, or values of another coding
	// than the metadata tells.
	ErrCoding = sparse.ErrCoding
	// ErrPart means a masked tensor with a part that is missing, unknown, or
	// beside a dense tensor of the same name.
	ErrPart = sparse.ErrPart
	// ErrDType means a part or tensor of the wrong element type.
	ErrDType = fmt.Errorf("%w: dtype", ErrCorrupt)
	// ErrShape means a part whose shape does not fit the other parts, or a
	// tensor whose shape is not the base's.
	ErrShape = sparse.ErrShape
	// ErrOrder means tile indices or counts that do not rise.
	ErrOrder = sparse.ErrOrder
	// ErrCount means a tile whose positions are of another number than the
	// values that the file holds for it, or than a tensor has values.
	ErrCount = sparse.ErrCount
	// ErrPacked means a packed tensor of the small layout that ends early, has
	// bytes left over, or is not coded as it must be.
	ErrPacked = fmt.Errorf("%w: packed tensor", ErrCorrupt)
	// ErrGap means gaps that end in a skip, or a skip with a sign.
	ErrGap = sparse.ErrGap
	// ErrPosition means a kept value beyond the row or the last row.
	ErrPosition = sparse.ErrPosition
	// ErrValue means a value or scale that is NaN, infinite, or outside its coding.
	ErrValue = sparse.ErrValue
	// ErrPadding means that the padding at the end is missing or not zero.
	ErrPadding = fmt.Errorf("%w: padding", ErrCorrupt)
	// ErrDigest means that the file's digest is not that of its bytes.
	ErrDigest = fmt.Errorf("%w: digest", ErrCorrupt)
	// ErrTensor means a masked tensor that the base does not have.
	ErrTensor = fmt.Errorf("%w: tensor not in the base", ErrCorrupt)

	// ErrBase means a delta of another base.
	ErrBase = errors.New("delta of another base")
)
