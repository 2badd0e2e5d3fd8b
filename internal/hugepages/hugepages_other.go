//go:build !linux

package hugepages

import "unsafe"

// Advise does nothing: only Linux has the advice.
func Advise(unsafe.Pointer, int) {}
