package viz

import (
	"encoding/json"
	"math"
)

// Histogram counts changes in bins of equal width, with an edge at zero. The width is a power
// of two. When a change falls beyond the outermost bin, the width doubles and pairs of bins
// are merged. The counts do not depend on the order of the changes.
type Histogram struct {
	N    int     // number of changes, including those of exactly zero
	Zero int     // number of changes of exactly zero, which are in no bin
	min  float64 // 0 if there is no change
	max  float64

	width      float64 // of a bin; 0 before the first change that is not zero
	bins       [2 * histogramSide]int
	sum, sumSq float64
}

// histogramSide is the number of bins on either side of zero.
const histogramSide = 256

// minBinWidth is the smallest width of a bin.
const minBinWidth = 0x1p-40

// add counts a change, the difference of two finite float32.
func (h *Histogram) add(x float64) {
	if h.N == 0 {
		h.min, h.max = x, x
	}
	h.N++
	h.min, h.max = min(h.min, x), max(h.max, x)
	h.sum += x
	h.sumSq += x * x
	if x == 0 {
		h.Zero++
		return
	}
	if h.width == 0 {
		h.width = minBinWidth
	}
	for !(math.Abs(x) < histogramSide*h.width) {
		h.widen()
	}
	h.bins[histogramSide+int(math.Floor(x/h.width))]++
}

// widen doubles the width of the bins.
func (h *Histogram) widen() {
	var wide [2 * histogramSide]int
	for i, n := range h.bins {
		// Bin i begins at (i-histogramSide)·width. Halving rounds towards minus
		// infinity, so that no pair spans zero.
		wide[histogramSide+(i-histogramSide)>>1] += n
	}
	h.bins = wide
	h.width *= 2
}

// merge adds the changes of other.
func (h *Histogram) merge(other *Histogram) {
	if other.N == 0 {
		return
	}
	o := *other
	if h.N == 0 {
		*h = o
		return
	}
	h.N += o.N
	h.Zero += o.Zero
	h.min, h.max = min(h.min, o.min), max(h.max, o.max)
	h.sum += o.sum
	h.sumSq += o.sumSq
	if o.width == 0 {
		return
	}
	if h.width == 0 {
		h.width = o.width
	}
	for h.width < o.width {
		h.widen()
	}
	for o.width < h.width {
		o.widen()
	}
	for i, n := range o.bins {
		h.bins[i] += n
	}
}

// Mean returns the mean change; 0 without changes.
func (h *Histogram) Mean() float64 {
	if h.N == 0 {
		return 0
	}
	return h.sum / float64(h.N)
}

// Deviation returns the population standard deviation of the changes; 0 without changes.
func (h *Histogram) Deviation() float64 {
	if h.N == 0 {
		return 0
	}
	mean := h.Mean()
	return math.Sqrt(max(h.sumSq/float64(h.N)-mean*mean, 0))
}

// Bins returns the counts of the bins from the first to the last that is not empty, the lower
// edge of the first bin and the width of a bin. It merges pairs of bins until there are at
// most limit of them; limit is at least 2.
func (h *Histogram) Bins(limit int) (counts []int, low, width float64) {
	o := *h
	if o.width == 0 {
		return nil, 0, 0
	}
	for {
		first, last := 0, len(o.bins)-1
		for first < last && o.bins[first] == 0 {
			first++
		}
		for last > first && o.bins[last] == 0 {
			last--
		}
		if last-first < max(limit, 2) {
			return append(counts, o.bins[first:last+1]...), float64(first-histogramSide) * o.width, o.width
		}
		o.widen()
	}
}

// MarshalJSON implements [json.Marshaler]: an object with the numbers and the bins.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	counts, low, width := h.Bins(len(h.bins))
	return json.Marshal(struct {
		N         int     `json:"n"`
		Zero      int     `json:"zero"`
		Min       float64 `json:"min"`
		Max       float64 `json:"max"`
		Mean      float64 `json:"mean"`
		Deviation float64 `json:"deviation"`
		Low       float64 `json:"low"`
		Width     float64 `json:"width"`
		Counts    []int   `json:"counts"`
	}{h.N, h.Zero, h.min, h.max, h.Mean(), h.Deviation(), low, width, counts})
}
