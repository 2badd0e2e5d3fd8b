package models

import "kenserve/gemm"

// Add adds x to dst, which is as long.
func Add(dst, x []float32) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] += x[i]
	}
}

// Logits returns a network's output [sequences, labels] as a view.
func Logits(logits []float32, sequences int) gemm.View {
	labels := len(logits) / sequences
	return gemm.View{Data: logits, Rows: sequences, Cols: labels, Stride: labels}
}
