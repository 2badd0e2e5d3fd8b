package models

import "kenserve/gemm"

// Add adds x to dst. Both have the same length.
func Add(dst, x []float32) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] += x[i]
	}
}

// Logits returns logits, the output of a network, as a view [sequences, labels].
func Logits(logits []float32, sequences int) gemm.View {
	labels := len(logits) / sequences
	return gemm.View{Data: logits, Rows: sequences, Cols: labels, Stride: labels}
}
