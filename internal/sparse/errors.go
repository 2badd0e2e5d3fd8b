package sparse

import (
	"errors"
	"fmt"
)

// ErrInvalid is wrapped by the errors of tensors whose parts contradict each
// other or do not fit the base's shape.
var ErrInvalid = errors.New("invalid sparse tensor")

// The kinds of ErrInvalid.
var (
	ErrCoding   = fmt.Errorf("%w: value coding", ErrInvalid)
	ErrPart     = fmt.Errorf("%w: part", ErrInvalid)
	ErrShape    = fmt.Errorf("%w: shape", ErrInvalid)
	ErrOrder    = fmt.Errorf("%w: order", ErrInvalid)
	ErrCount    = fmt.Errorf("%w: count", ErrInvalid)
	ErrGap      = fmt.Errorf("%w: gap", ErrInvalid)
	ErrPosition = fmt.Errorf("%w: position", ErrInvalid)
	ErrValue    = fmt.Errorf("%w: value", ErrInvalid)
)
