//go:build !amd64 || noasm

package kernel

import (
	"time"

	"kenserve/internal/sparse"
)

// Without assembly every function is its portable reference. The files named
// *_amd64.go document the functions.

// SupportedLevels returns the levels that the processor and the build support.
func SupportedLevels() []Level { return []Level{Portable} }

func SGEMM(dst, init View, a []float32, aStride int, panel []PanelRow, _ bool, _ []PanelRow) {
	sgemmPortable(dst, init, a, aStride, panel)
}

func SGEMMStrided(dst, init View, a []float32, aStride int, b []float32, bStride, k int) {
	sgemmStridedPortable(dst, init, a, aStride, b, bStride, k)
}

func Add(dst, x, y []float32) { addPortable(dst, x, y) }

func Transpose(panel []PanelRow, b View, scale float32) { transposePortable(panel, b, 0, scale) }

func peak(d time.Duration) float64 { return peakPortable(d) }

func BFloat16Pairs() bool { return false }

func BF16GEMM(dst, init View, a []uint32, aStride int, panel []WordRow, _ bool) {
	bf16gemmPortable(dst, init, a, aStride, panel)
}

func IGEMMU8S8(dst [][PanelWidth]int32, a []uint32, aStride int, panel []WordRow, _ bool) {
	igemmU8S8Portable(dst, a, aStride, panel)
}

func MinMax(x []float32) (low, high float32) { return minMaxPortable(x) }

func QuantiseActivations(dst []uint32, x []float32, inverse float32, zero int32) {
	quantiseActivationsPortable(dst, x, inverse, zero)
}

func Dequantise(dst, init View, sums [][PanelWidth]int32, totals *[PanelWidth]int32, steps *PanelRow, zeros []int32, scales []float32) {
	dequantiseRowsPortable(dst, init, sums, totals, steps, zeros, scales)
}

func RoundActivations(dst []uint32, x []float32) { roundActivationsPortable(dst, x) }

func PackActivations(dst []uint32, x []float32) { packActivationsPortable(dst, x) }

func ColumnMaxAbs(dst *PanelRow, rows []PanelRow) { columnMaxAbsPortable(dst, rows) }

func QuantiseWeights(dst []WordRow, totals *[PanelWidth]int32, rows []PanelRow, inverses *PanelRow) {
	quantiseWeightsPortable(dst, totals, rows, inverses)
}

func PackWeights(dst []WordRow, rows []PanelRow) { packWeightsPortable(dst, rows) }

func PatchRows(dst, base []PanelRow, tiles *[2]TileCursor) { patchRowsPortable(dst, base, tiles) }

func StreamScratch(int) int { return 0 }

func StreamRows(dst, base []PanelRow, tiles *[2]TileCursor, _ []PanelRow) {
	patchRowsPortable(dst, base, tiles)
}

func PrefetchTile(*sparse.Tensor, int) {}

func ExpSum(x []float32) float32 { return expSumPortable(x) }

func Scale(x []float32, factor float32) { scalePortable(x, factor) }
func StripLanes(int) int                { return 8 }

func LoadStrip(s Strip, a View) { loadStripPortable(s, a, 0) }

func (f *quadFiller) gaps(gaps []byte, code sparse.GapCode, slots []uint32) {
	f.gapsPortable(gaps, code, slots)
}

func sumQuads(sums []float32, s Strip, q *Quads) { sumQuadsPortable(sums, s, q) }

func StoreSums(dst View, sums []float32, lanes int, scales, bias *PanelRow, signs bool) {
	storeSumsPortable(dst, sums, lanes, scales, bias, signs)
}

func LayerNorm(x, gamma, beta []float32, eps float32) { layerNormPortable(x, gamma, beta, eps) }

func GELU(x View) { eachRow(x, geluPortable) }

func GELUTanh(x View) { eachRow(x, geluTanhPortable) }

func Tanh(x View) { eachRow(x, tanhPortable) }

func eachRow(x View, f func([]float32)) {
	for i := range x.Rows {
		f(x.Row(i))
	}
}

func SoftmaxBackward(dp, p []float32, scale float32) { softmaxBackwardPortable(dp, p, scale) }

func GELUBackward(dy, x []float32) { geluBackwardPortable(dy, x) }

func GELUTanhBackward(dy, x []float32) { geluTanhBackwardPortable(dy, x) }

func TanhBackward(dy, x []float32) { tanhBackwardPortable(dy, x) }

func LayerNormBackward(dx, dy, x, gamma []float32, eps float32, add bool) (mean, inverse float32) {
	return layerNormBackwardPortable(dx, dy, x, gamma, eps, add)
}

func LayerNormParameters(gamma []float32, dy, x View, stats [][2]float32) {
	layerNormParametersPortable(gamma, dy, x, stats)
}

func ColumnSums(sums []float32, x View) { columnSumsPortable(sums, x) }

func Dots(dst, x []float32, y View, rows []int32) { dotsPortable(dst, x, y, rows) }

func TransposeTo(dst, src View) { transposeToPortable(dst, src) }

func Prefetch([]PanelRow) {}

func AdamW(x, m, v, g []float32, s *AdamWStep) { adamWPortable(x, m, v, g, s) }
