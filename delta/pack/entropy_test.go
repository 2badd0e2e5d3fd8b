package pack

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"
	"time"

	"kenserve/delta"
	"kenserve/delta/internal/container"
	"kenserve/delta/internal/deltatest"
	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// layer returns a matrix that is changed as fine-tuning does it: the base is in
// float16, the size of changes differs from row to row and from column to column,
// and the largest changes are kept.
func layer(rows, columns int, share float64) (base *safetensors.Tensor, keep []uint64, tuned []float32) {
	rng := rand.New(rand.NewPCG(uint64(rows*columns), uint64(share*1000)))
	base = &safetensors.Tensor{Name: "m", DType: safetensors.F16, Shape: []int{rows, columns}, Data: make([]byte, 2*rows*columns)}
	for i := range rows * columns {
		x := rng.NormFloat64() * 0.05
		binary.LittleEndian.PutUint16(base.Data[2*i:], toFloat16(x))
	}
	tuned = deltatest.Floats(base)
	changes := make([]float64, rows*columns)
	byColumn := make([]float64, columns)
	for c := range byColumn {
		byColumn[c] = math.Exp(rng.NormFloat64() * 0.2)
	}
	for r := range rows {
		byRow := math.Exp(rng.NormFloat64() * 0.2)
		for c := range columns {
			i := r*columns + c
			before := tuned[i]
			tuned[i] += float32(rng.NormFloat64() * 1e-3 * byRow * byColumn[c])
			changes[i] = math.Abs(float64(tuned[i] - before))
		}
	}
	limit := nthLargest(changes, int(share*float64(len(changes))))
	words := (columns + 63) / 64
	keep = make([]uint64, rows*words)
	for i, x := range changes {
		if x >= limit {
			keep[i/columns*words+i%columns/64] |= 1 << (i % columns % 64)
		}
	}
	return base, keep, tuned
}

// toFloat16 rounds x, which must be normal in float16, towards zero.
func toFloat16(x float64) uint16 {
	b := math.Float32bits(float32(x))
	e := int(b>>23&0xff) - 127 + 15
	if e <= 0 {
		return uint16(b >> 16 & 0x8000)
	}
	return uint16(b>>16&0x8000) | uint16(e)<<10 | uint16(b>>13&0x3ff)
}

// nthLargest returns the n-th largest of x, with an error of at most 1/10,000 of
// the largest.
func nthLargest(x []float64, n int) float64 {
	largest := 0.0
	for _, v := range x {
		largest = max(largest, v)
	}
	var counts [10001]int
	for _, v := range x {
		counts[int(v/largest*10000)]++
	}
	for i := len(counts) - 1; i >= 0; i-- {
		if n -= counts[i]; n <= 0 {
			return float64(i) / 10000 * largest
		}
	}
	return 0
}

// positionBound returns the entropy, in bytes, of the positions of kept values among
// n, if each is kept independently with the same probability.
func positionBound(n, kept int) float64 {
	p := float64(kept) / float64(n)
	if kept == 0 || kept == n {
		return 0
	}
	return -float64(n) * (p*math.Log2(p) + (1-p)*math.Log2(1-p)) / 8
}

// valueBound returns the order-0 entropy of numbers, in bytes. Most numbers occur
// once, so it takes numbers as equally frequent if they have the same length in bits
// and the same five bits after the first.
func valueBound(numbers []uint32) float64 {
	counts := map[uint32]int{}
	rest := 0
	for _, z := range numbers {
		free := max(bits.Len32(z)-6, 0)
		counts[uint32(free)<<16|z>>free]++
		rest += free
	}
	sum := float64(rest)
	for _, n := range counts {
		sum -= float64(n) * math.Log2(float64(n)/float64(len(numbers)))
	}
	return sum / 8
}

// TestEntropy: in the small layout positions take at most 3% more than their
// entropy, and exact values at most 5% more.
func TestEntropy(t *testing.T) {
	for _, share := range []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 0.75} {
		for _, height := range []int{16, 1} {
			t.Run(fmt.Sprintf("keep=%g height=%d", share, height), func(t *testing.T) {
				const rows, columns = 1536, 384
				base, keep, tuned := layer(rows, columns, share)
				m := encode(t, delta.Float32, height, columns, keep, tuned, deltatest.Floats(base))
				values := new(packer).float32s(nil, m, base)
				positions := float64(len(new(packer).tensor(m, base)) - len(values))
				bound := positionBound(rows*columns, m.Kept())
				t.Logf("positions %.3f bits a value, bound %.3f", 8*positions/float64(m.Kept()), 8*bound/float64(m.Kept()))
				if positions > 1.03*bound {
					t.Errorf("positions take %.0f bytes, the bound is %.0f", positions, bound)
				}
				numbers := make([]uint32, 0, m.Kept())
				b := deltatest.Floats(base)
				for tile := range m.StoredTiles() {
					for _, p := range keptPositions(m, tile, nil) {
						v := m.Float32s[len(numbers)]
						at := m.TileIndex(tile)*m.Height*columns + int(p)
						numbers = append(numbers, zigzag(ordered(math.Float32bits(v))-ordered(math.Float32bits(b[at]))))
					}
				}
				bound = valueBound(numbers)
				t.Logf("values %.3f bits, bound %.3f", 8*float64(len(values))/float64(m.Kept()), 8*bound/float64(m.Kept()))
				if float64(len(values)) > 1.05*bound {
					t.Errorf("values take %d bytes, the bound is %.0f", len(values), bound)
				}
			})
		}
	}
}

// TestEntropyLossy: in the small layout values of the lossy codings take at most 5%
// more than their order-0 entropy.
func TestEntropyLossy(t *testing.T) {
	const rows, columns = 768, 384
	for _, share := range []float64{0.02, 0.25} {
		for _, coding := range []delta.Coding{delta.BFloat16, delta.Int8, delta.Int4, delta.Sign} {
			base, keep, tuned := layer(rows, columns, share)
			m := encode(t, coding, 16, columns, keep, tuned, deltatest.Floats(base))
			var got []byte
			bound := 0.0
			stripped := *m
			switch coding {
			case delta.BFloat16:
				got = new(packer).tensor(m, base)
				stripped.BFloat16s = nil
				got = got[:len(got)-len(new(packer).tensor(&stripped, base))]
				counts := map[uint16]int{}
				for _, v := range m.BFloat16s {
					counts[v]++
				}
				for _, n := range counts {
					bound -= float64(n) * math.Log2(float64(n)/float64(m.Kept())) / 8
				}
			case delta.Int8:
				got, bound = new(packer).stream(nil, safetensors.Bytes(m.Int8s)), entropy(safetensors.Bytes(m.Int8s))
			case delta.Int4:
				steps := make([]byte, m.Kept())
				for i := range steps {
					steps[i] = byte(sparse.Nibble(m.Int4s, i))
				}
				got, bound = new(packer).stream(nil, m.Int4s), entropy(steps)
			case delta.Sign:
				if m.Gaps != nil {
					continue // a raw bit a value, among the positions
				}
				got, bound = new(packer).stream(nil, m.Signs), float64(m.Kept())/8
			}
			t.Logf("%s, keep %g: %.3f bits a value, bound %.3f", coding, share, 8*float64(len(got))/float64(m.Kept()), 8*bound/float64(m.Kept()))
			if float64(len(got)) > 1.05*bound+32 {
				t.Errorf("%s, keep %g: values take %d bytes, the bound is %.0f", coding, share, len(got), bound)
			}
		}
	}
}

// BenchmarkUnpack reports how many bytes of the fast layout a core unpacks in a
// second, and the time as a ratio to copying as many bytes in the same run.
func BenchmarkUnpack(b *testing.B) {
	const rows, columns = 1536, 1536
	for _, coding := range sparse.Codings {
		for _, share := range []float64{0.02, 0.05, 0.25, 0.5} {
			base, keep, tuned := layer(rows, columns, share)
			m := encode(b, coding, 16, columns, keep, tuned, deltatest.Floats(base))
			packed := new(packer).tensor(m, base)
			b.Run(fmt.Sprintf("%s keep=%g", coding, share), func(b *testing.B) {
				b.SetBytes(container.PartBytes(m))
				var d unpacker
				for b.Loop() {
					if _, err := d.unpack(packed, base); err != nil {
						b.Fatal(err)
					}
				}
				unpacking := b.Elapsed().Seconds() / float64(b.N)
				from, to := make([]byte, container.PartBytes(m)), make([]byte, container.PartBytes(m))
				start := time.Now()
				const copies = 20
				for range copies {
					copy(to, from)
				}
				b.ReportMetric(unpacking/(time.Since(start).Seconds()/copies), "×copy")
				b.ReportMetric(float64(container.PartBytes(m))/float64(len(packed)), "fast/small")
			})
		}
	}
}
