// Package lfs recognises pointers of Git Large File Storage. A clone of a model without
// git-lfs has them, three lines of text, in place of its large files.
package lfs

import (
	"bytes"
	"errors"
)

// ErrPointer means that a file is a pointer. Its text says what to do.
var ErrPointer = errors.New("the file is a Git LFS pointer, not the file itself: run git lfs pull in its folder")

// Check returns [ErrPointer] if text, a file or its first bytes, is a pointer.
func Check(text []byte) error {
	if bytes.HasPrefix(text, []byte("version https://git-lfs")) {
		return ErrPointer
	}
	return nil
}
