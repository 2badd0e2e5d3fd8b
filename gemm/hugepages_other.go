//go:build !linux

package gemm

import "unsafe"

func adviseHuge(unsafe.Pointer, int) {}
