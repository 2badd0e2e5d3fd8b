//go:build !linux

package safetensors

// adviseHuge does nothing: only Linux has the advice.
func adviseHuge([]byte) {}
