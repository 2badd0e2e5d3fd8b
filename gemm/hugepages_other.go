//go:build !linux

package gemm

import "unsafe"

// adviseHuge does nothing: only Linux has the advice.
func adviseHuge(unsafe.Pointer, int) {}
