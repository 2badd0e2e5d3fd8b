package pack

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// geometric returns a random gap byte, if each position is kept with probability p.
func geometric(rng *rand.Rand, p float64) byte {
	g := math.Log(1-rng.Float64()) / math.Log(1-p)
	return byte(min(g, 255))
}

// streams returns byte streams similar to those of tensors.
func streams(n int) map[string][]byte {
	rng := rand.New(rand.NewPCG(uint64(n), 3))
	out := map[string][]byte{}
	for name, f := range map[string]func() byte{
		"noise":     func() byte { return byte(rng.Uint32()) },
		"one byte":  func() byte { return 7 },
		"two bytes": func() byte { return byte(rng.IntN(2)) * 200 },
		"rare":      func() byte { return byte(max(rng.IntN(1000)-990, 0)) },
		"very rare": func() byte { return byte(max(rng.IntN(100000)-99998, 0)) },
		"gaps .01":  func() byte { return geometric(rng, 0.01) },
		"gaps .05":  func() byte { return geometric(rng, 0.05) },
		"gaps .3":   func() byte { return geometric(rng, 0.3) },
		"gaps .9":   func() byte { return geometric(rng, 0.9) },
		"skewed": func() byte { // the longest codes that there may be
			x := byte(0)
			for x < 255 && rng.IntN(2) == 0 {
				x++
			}
			return x
		},
	} {
		b := make([]byte, n)
		for i := range b {
			b[i] = f()
		}
		out[name] = b
	}
	return out
}

// entropy returns the order-0 entropy of src in bytes.
func entropy(src []byte) float64 {
	var counts [256]int
	for _, b := range src {
		counts[b]++
	}
	sum := 0.0
	for _, n := range counts {
		if n > 0 {
			sum -= float64(n) * math.Log2(float64(n)/float64(len(src)))
		}
	}
	return sum / 8
}

// TestStream: a packed stream unpacks to its bytes, and takes little more than its
// entropy.
func TestStream(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 5, 15, 16, 17, 63, 257, 1000, 4099, 100000} {
		for name, src := range streams(n) {
			t.Run(fmt.Sprintf("%s %d", name, n), func(t *testing.T) {
				packed := new(packer).stream(nil, src)
				d := unpacker{data: append(packed, 1, 2)}
				got := make([]byte, len(src))
				if err := d.stream(got); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, src) || len(d.data) != 2 {
					t.Fatalf("unpacking gave other bytes, or left %d bytes, want 2", len(d.data))
				}
				if bound := entropy(src); float64(len(packed)) > 1.02*bound+140 {
					t.Errorf("%d bytes take %d, the entropy is %.0f", n, len(packed), bound)
				}
			})
		}
	}
}

// TestHuffmanReuse: similar streams share a code, also with other streams between
// them, and a reference to a code that does not exist is refused.
func TestHuffmanReuse(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	var p packer
	var d unpacker
	var packed []byte
	var want [][]byte
	again, alone := 0, 0
	for i := range 60 {
		src := make([]byte, 500+rng.IntN(1000))
		for j := range src {
			switch i % 6 {
			case 0: // a stream whose code suits no other stream
				src[j] = geometric(rng, 0.1+0.01*float64(i))
			case 1: // a stream of rare bytes, which has streams of its own
				src[j] = byte(max(rng.IntN(300)-250, 0))
			default:
				src[j] = geometric(rng, 0.02)
			}
		}
		from := len(packed)
		packed = p.stream(packed, src)
		if packed[from] == streamHuffmanReuse {
			again++
		}
		alone += len(new(packer).stream(nil, src))
		want = append(want, src)
	}
	if again < 36 {
		t.Errorf("%d of 60 streams reuse a code, and 40 are similar", again)
	}
	if len(packed) >= alone {
		t.Errorf("%d bytes, and %d with a code for each stream", len(packed), alone)
	}
	d.data = packed
	for i, src := range want {
		got := make([]byte, len(src))
		if err := d.stream(got); err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
		if !bytes.Equal(got, src) {
			t.Fatalf("stream %d: unpacking gave other bytes", i)
		}
	}
	for _, codes := range []int{0, 1, maxEarlierCodes, maxEarlierCodes + 5} {
		d := unpacker{codes: codes, data: []byte{streamHuffmanReuse, 5, byte(min(codes, maxEarlierCodes)), 1, 1, 1, 0}}
		if err := d.stream(make([]byte, 9)); err == nil {
			t.Errorf("a reference before the first of %d codes: error %v", codes, err)
		}
	}
}

// TestHuffmanProperties: any bytes can be packed as a Huffman code and as rare bytes,
// and data of another length is refused.
func TestHuffmanProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spread := rapid.IntRange(2, 256).Draw(t, "bytes")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		power := rapid.Float64Range(0.3, 12).Draw(t, "power")
		src := make([]byte, rapid.IntRange(2, 5000).Draw(t, "length"))
		for i := range src {
			src[i] = byte(math.Pow(rng.Float64(), power) * float64(spread))
		}
		src[0], src[1] = 0, 1
		var counts [256]int
		for _, b := range src {
			counts[b]++
		}
		_, huffman := new(packer).huffman(nil, src, &counts)
		for name, packed := range map[string][]byte{
			"huffman": huffman,
			"rare":    new(packer).rare(nil, src, 0, len(src)-counts[0], 0),
		} {
			var d unpacker
			got := make([]byte, len(src))
			var err error
			if name == "huffman" {
				err = d.huffman(got, packed)
			} else {
				err = d.rare(got, packed, 0)
			}
			if err != nil || !bytes.Equal(got, src) {
				t.Fatalf("%s: unpacking gave other bytes: %v", name, err)
			}
			// One byte less, and one more.
			for _, damaged := range [][]byte{packed[:len(packed)-1], append(bytes.Clone(packed), 0)} {
				if name == "huffman" {
					err = d.huffman(got, damaged)
				} else {
					err = d.rare(got, damaged, 0)
				}
				if err == nil {
					t.Fatalf("%s of another length: error %v", name, err)
				}
			}
		}
	})
}

// TestCodeLengths: with a high limit the code is as short as Huffman's own
// construction makes it, and with a low one it respects the limit.
func TestCodeLengths(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for round := range 300 {
		var counts [256]int
		n := 2 + rng.IntN(255)
		for s := range n {
			counts[s] = 1 + int(rng.ExpFloat64()*float64(rng.IntN(1000)))
			if round%3 == 0 && s > 0 && s < 30 {
				counts[s] = 2 * counts[s-1] // counts that give long codes
			}
		}
		for limit := 8; limit <= maxCodeBits; limit++ {
			lengths := codeLengths(&counts, limit)
			if _, longest, full := canonicalCodes(&lengths); !full || longest > limit {
				t.Fatalf("limit %d: full %t, longest %d", limit, full, longest)
			}
		}
		lengths := codeLengths(&counts, 60)
		cost, want := 0, huffmanCost(counts[:n])
		for s, c := range counts {
			cost += c * int(lengths[s])
		}
		if cost != want {
			t.Fatalf("%d bits, Huffman's construction gives %d", cost, want)
		}
	}
}

// huffmanCost returns the number of bits in an optimal code. It joins the two
// lightest trees until one is left; the sum of the weights of all joined trees is
// the number of bits.
func huffmanCost(counts []int) int {
	trees := append([]int(nil), counts...)
	cost := 0
	for len(trees) > 1 {
		for i := range 2 { // move the two lightest to the front
			for j := i + 1; j < len(trees); j++ {
				if trees[j] < trees[i] {
					trees[i], trees[j] = trees[j], trees[i]
				}
			}
		}
		trees[1] += trees[0]
		cost += trees[1]
		trees = trees[1:]
	}
	return cost
}

// FuzzStream: the reader does not panic for any bytes, and a stream that it accepts
// can be packed and unpacked again.
func FuzzStream(f *testing.F) {
	for _, src := range streams(300) {
		f.Add(new(packer).stream(nil, src), uint16(len(src)))
	}
	f.Fuzz(func(t *testing.T, data []byte, n uint16) {
		d := unpacker{data: data}
		dst := make([]byte, n)
		if err := d.stream(dst); err != nil {
			return // corrupt data; unpacker.tensor gives every such error its class
		}
		again := unpacker{data: new(packer).stream(nil, dst)}
		got := make([]byte, n)
		if err := again.stream(got); err != nil || !bytes.Equal(got, dst) {
			t.Fatalf("packing and unpacking again gave other bytes: %v", err)
		}
	})
}

func BenchmarkStream(b *testing.B) {
	for name, src := range streams(1 << 20) {
		packed := new(packer).stream(nil, src)
		dst := make([]byte, len(src))
		b.Run(fmt.Sprintf("%s packed=%.3f", name, float64(len(packed))/float64(len(src))), func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			d := unpacker{}
			for b.Loop() {
				d.data = packed
				if err := d.stream(dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
