//go:build !amd64 || noasm

package gemm

func pairedActivations() bool { return false }

func pairRows(dst []uint32, x []float32) { pairPortable(dst, x) }

func widened(dst, init View, a []uint32, stride int, panel []words, _ bool) {
	widenedPortable(dst, init, a, stride, panel)
}

func dots(dst [][panelWidth]int32, a []uint32, stride int, panel []words, _ bool) {
	dotsPortable(dst, a, stride, panel)
}

func spanOf(x []float32) (low, high float32) { return spanPortable(x) }

func quantise(dst []uint32, x []float32, inverse float32, zero int32) {
	quantisePortable(dst, x, inverse, zero)
}

func dequantise(dst []float32, sums, totals *[panelWidth]int32, steps, bias *line, zero int32, scale float32) {
	dequantisePortable(dst, sums, totals, steps, bias, zero, scale)
}

func roundRows(dst []uint32, x []float32) { roundPortable(dst, x) }

func largestColumns(dst *line, lines []line) { largestPortable(dst, lines) }

func narrowInt8(dst []words, totals *[panelWidth]int32, lines []line, inverses *line) {
	narrowInt8Portable(dst, totals, lines, inverses)
}

func narrowBFloat16(dst []words, lines []line) { narrowBFloat16Portable(dst, lines) }
