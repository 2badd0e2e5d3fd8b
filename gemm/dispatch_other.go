//go:build !amd64 || noasm

package gemm

import "time"

func supportedLevels() []level { return []level{portable} }

func accumulate(dst, init View, a []float32, stride int, panel []line, _ bool, _ []line) {
	accumulatePortable(dst, init, a, stride, panel)
}

func productTransposed(c, a, b View, scale float32, _ *Scratch) {
	productTransposedPortable(c, a, b, scale)
}

func product(c, a, b View, _ *Scratch) { productPortable(c, a, b) }

func (a Activation) apply(x []float32) { a.applyPortable(x) }

func softmax(x []float32) { softmaxPortable(x) }

func layerNorm(x, gamma, beta []float32, eps float32) { layerNormPortable(x, gamma, beta, eps) }

func addTo(dst, x, y []float32) { addPortable(dst, x, y) }

func peak(d time.Duration) float64 { return peakPortable(d) }

func (w *walk) read(dst []line) { w.readPortable(dst) }

// streamedLines is what stream needs for scratch memory: nothing.
const streamedLines = 0

func (w *walk) stream(dst, _ []line) { w.readPortable(dst) }

func (m *Matrix) fetchPatch(int) {}

func canMark() bool { return false }

func (t *tileWalk) mark(m *marks) { t.markPortable(m) }

func accumulateMarked(dst, init View, a []float32, stride int, panel []line, m *marks, _ []line) {
	panic("gemm: portable kernels take patched panels")
}
