//go:build entropy

package pack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/fse"
	"github.com/klauspost/compress/huff0"
	"github.com/klauspost/compress/zstd"

	"kenserve/delta"
	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// TestCoders compares this package's coding of byte streams with other entropy
// coders, on the streams of real files in the small layout: the size of the coded
// streams, and the speed of decoding. KENSERVE_BASE must be the folder of their
// base, and KENSERVE_SMALL the files, separated by commas:
//
//	go test -tags entropy ./delta/pack -run Coders -v
//
// Decoding is timed in rounds, in each of which every coder decodes all streams, and
// the fastest round of each coder counts. So the ratios are of the same run, and
// other load on the machine disturbs all coders alike.
func TestCoders(t *testing.T) {
	dir, files := os.Getenv("KENSERVE_BASE"), os.Getenv("KENSERVE_SMALL")
	if dir == "" || files == "" {
		t.Skip("needs KENSERVE_BASE and KENSERVE_SMALL")
	}
	base, err := safetensors.OpenCheckpoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer base.Close()
	for _, file := range strings.Split(files, ",") {
		f, err := Open(file)
		if err != nil {
			t.Fatal(err)
		}
		streams := streamsOf(t, f, base)
		t.Logf("%s: %s, %s\n%s", file, f.Selection, f.Coding, compare(t, streams))
		_ = f.Close()
	}
}

// coded is a stream of a file.
type coded struct {
	content string // kind of the data
	raw     []byte
	packed  []byte // as in the file
}

// streamsOf returns the streams of all tensors of a file, in their order.
func streamsOf(t *testing.T, f *File, base delta.Tensors) []coded {
	var out []coded
	var u unpacker
	stream := func(content string, n int) []byte {
		before := u.data
		raw := make([]byte, n)
		if err := u.stream(raw); err != nil {
			t.Fatal(err)
		}
		out = append(out, coded{content, raw, before[:len(before)-len(u.data)]})
		return raw
	}
	number := func() int {
		n, err := u.number("", math.MaxInt32)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	planes := func(content string, n, width int) {
		for i := range width {
			stream(fmt.Sprintf("%s, byte %d", content, i), n)
		}
	}
	for i := range f.Tensors {
		x := &f.Tensors[i]
		if x.Packed == nil {
			continue
		}
		b, _ := base.Tensor(x.Name)
		rows, columns := b.Rows()
		kind := x.Packed[0]
		u.data = x.Packed[1:]
		m := &sparse.Tensor{Coding: sparse.Codings[kind&packedCoding], RowMajor: kind&packedRowMajor != 0, Columns: columns}
		kept, tiles, height := rows*columns, rows, 1
		switch {
		case kind&packedBitmaps != 0:
			tiles = number()
			width := (columns + 7) / 8
			if !m.RowMajor {
				height, width = sparse.TileRows, 2*columns
			}
			planes("tile indices", tiles, 4)
			kept = 0
			for _, b := range stream("masks", tiles*width) {
				for ; b != 0; b &= b - 1 {
					kept++
				}
			}
		case kind&packedGaps != 0:
			height = sparse.TileRows
			n := number()
			if kind&packedAll == 0 {
				stream("units", (unitCount(m, rows)+7)/8)
			}
			kept = 0
			for _, b := range stream("gaps", n) {
				if b != m.Coding.GapCode().Skip {
					kept++
				}
			}
			if m.Coding == sparse.Sign {
				stream("signs", (number()+7)/8)
			}
		}
		switch {
		case m.Coding == sparse.Float32:
			planes("f32", kept, 4)
		case m.Coding == sparse.BFloat16:
			planes("bf16", kept, 2)
		case m.Coding != sparse.Sign || kind&packedGaps == 0:
			stream(string(m.Coding), m.Coding.ValueBytes(kept))
		}
		if m.Coding.Scaled() {
			n := 1
			if kind&packedPerRow != 0 {
				if kind&packedGaps != 0 {
					t.Fatal("scales for each row of gaps: the number of tiles is not known here")
				}
				n = tiles * height
			}
			planes("scales", n, 4)
		}
		if len(u.data) > 0 {
			t.Fatalf("tensor %s: %d bytes are left", x.Name, len(u.data))
		}
	}
	return out
}

// coder is an entropy coder. It codes the streams in their order and decodes them
// in the same order; reset comes before the first of each.
type coder interface {
	reset()
	encode(content string, raw []byte) []byte // coded, with everything that decode needs but the length
	decode(content string, dst, coded []byte) error
}

// compare returns a table of the coders' results.
func compare(t *testing.T, streams []coded) string {
	names := []string{"ours", "huff0", "fse", "zstd fastest", "zstd best"}
	coders := []coder{&ours{}, &huff0Coder{}, &fseCoder{}, newZstd(zstd.SpeedFastest), newZstd(zstd.SpeedBestCompression)}
	encoded := make([][][]byte, len(coders))
	sizes := make([]map[string]int, len(coders))
	raw, contents := map[string]int{}, []string{}
	for i, c := range coders {
		sizes[i] = map[string]int{}
		c.reset()
		for _, s := range streams {
			e := s.packed
			if i > 0 {
				e = bytes.Clone(c.encode(s.content, s.raw))
			}
			encoded[i] = append(encoded[i], e)
			sizes[i][s.content] += len(e)
			sizes[i]["all"] += len(e)
			if i == 0 {
				if raw[s.content] == 0 && len(s.raw) > 0 {
					contents = append(contents, s.content)
				}
				raw[s.content] += len(s.raw)
				raw["all"] += len(s.raw)
			}
		}
	}
	longest := 0
	for _, s := range streams {
		longest = max(longest, len(s.raw))
	}
	best := make([]map[string]time.Duration, len(coders))
	dst := make([]byte, longest)
	rounds := 5 + 200_000_000/max(raw["all"], 1)
	for round := range min(rounds, 60) {
		for i, c := range coders {
			c.reset()
			times := map[string]time.Duration{}
			for j, s := range streams {
				out := dst[:len(s.raw):len(s.raw)]
				start := time.Now()
				err := c.decode(s.content, out, encoded[i][j])
				d := time.Since(start)
				times[s.content] += d
				times["all"] += d
				if round == 0 && (err != nil || !bytes.Equal(out, s.raw)) {
					t.Fatalf("%s, %s: wrong bytes: %v", names[i], s.content, err)
				}
			}
			if best[i] == nil {
				best[i] = times
			}
			for k, d := range times {
				best[i][k] = min(best[i][k], d)
			}
		}
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%-14s %10s %10s %8s", "stream", "raw bytes", "ours bytes", "MB/s")
	for _, n := range names[1:] {
		fmt.Fprintf(&out, " | %12s: size speed", n)
	}
	out.WriteByte('\n')
	for _, c := range append(contents, "all") {
		fmt.Fprintf(&out, "%-14s %10d %10d %8.0f", c, raw[c], sizes[0][c], float64(raw[c])/best[0][c].Seconds()/1e6)
		for i := range coders[1:] {
			fmt.Fprintf(&out, " | %12s  %.3f  %.2f", "", float64(sizes[i+1][c])/float64(sizes[0][c]), best[0][c].Seconds()/best[i+1][c].Seconds())
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// ours is this package's coder.
type ours struct{ u unpacker }

func (o *ours) reset()                       { o.u.codes = 0 }
func (o *ours) encode(string, []byte) []byte { panic("the streams are coded in the file") }
func (o *ours) decode(_ string, dst, coded []byte) error {
	o.u.data = coded
	return o.u.stream(dst)
}

// The encodings of the coders that need one beside them, as of streamRaw and
// streamConstant.
const (
	otherRaw = iota
	otherConstant
	otherCoded
	otherReused
)

// huff0Coder codes with package huff0, in blocks of its largest size. A block may use
// the code of the block before it in streams with the same content.
type huff0Coder struct {
	encoders map[string]*huff0.Scratch
	decoders map[string]*huff0.Decoder
	readers  map[string]*huff0.Scratch
}

const huff0Block = huff0.BlockSizeMax

func (h *huff0Coder) reset() {
	h.encoders, h.decoders = map[string]*huff0.Scratch{}, map[string]*huff0.Decoder{}
	if h.readers == nil {
		h.readers = map[string]*huff0.Scratch{}
	}
}

func (h *huff0Coder) encode(content string, raw []byte) []byte {
	var out []byte
	if len(raw) == 0 {
		return []byte{otherRaw}
	}
	for len(raw) > 0 {
		block := raw[:min(len(raw), huff0Block)]
		raw = raw[len(block):]
		s := h.encoders[content]
		if s == nil {
			s = &huff0.Scratch{Reuse: huff0.ReusePolicyAllow}
			h.encoders[content] = s
		}
		packed, reused, err := huff0.Compress4X(block, s)
		switch {
		case errors.Is(err, huff0.ErrUseRLE), bytes.Count(block, block[:1]) == len(block):
			out = append(out, otherConstant, block[0])
		case err != nil || len(packed)+3 >= len(block):
			h.encoders[content] = nil // the next block must not refer to a code that is not written
			out = append(append(out, otherRaw), block...)
		default:
			encoding := byte(otherCoded)
			if reused {
				encoding = otherReused
			}
			out = append(out, encoding)
			out = binary.AppendUvarint(out, uint64(len(packed)))
			out = append(out, packed...)
		}
	}
	return out
}

func (h *huff0Coder) decode(content string, dst, coded []byte) error {
	for len(coded) > 0 {
		n := min(len(dst), huff0Block)
		block := dst[:n:n]
		dst = dst[n:]
		encoding := coded[0]
		coded = coded[1:]
		switch encoding {
		case otherRaw:
			copy(block, coded[:n])
			coded = coded[n:]
			continue
		case otherConstant:
			fill(block, coded[0])
			coded = coded[1:]
			continue
		}
		size, k := binary.Uvarint(coded)
		body := coded[k:][:size]
		coded = coded[k+int(size):]
		if encoding == otherCoded {
			s, rest, err := huff0.ReadTable(body, h.readers[content])
			if err != nil {
				return err
			}
			h.readers[content] = s
			h.decoders[content] = s.Decoder()
			body = rest
		}
		if _, err := h.decoders[content].Decompress4X(block[:0], body); err != nil {
			return err
		}
	}
	return nil
}

// fseCoder codes with package fse, each stream by itself.
type fseCoder struct{ s fse.Scratch }

func (f *fseCoder) reset() {}

func (f *fseCoder) encode(_ string, raw []byte) []byte {
	if len(raw) > 0 && bytes.Count(raw, raw[:1]) == len(raw) {
		return []byte{otherConstant, raw[0]}
	}
	packed, err := fse.Compress(raw, &f.s)
	if err != nil || len(packed)+4 >= len(raw) {
		return append([]byte{otherRaw}, raw...)
	}
	return append(binary.AppendUvarint([]byte{otherCoded}, uint64(len(packed))), packed...)
}

func (f *fseCoder) decode(_ string, dst, coded []byte) error {
	switch coded[0] {
	case otherRaw:
		copy(dst, coded[1:])
		return nil
	case otherConstant:
		fill(dst, coded[1])
		return nil
	}
	_, k := binary.Uvarint(coded[1:])
	f.s.Out = dst[:0]
	_, err := fse.Decompress(coded[1+k:], &f.s)
	return err
}

// zstdCoder codes with zstd, each stream by itself, as a frame without checksum.
type zstdCoder struct {
	e *zstd.Encoder
	d *zstd.Decoder
}

func newZstd(level zstd.EncoderLevel) *zstdCoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	return &zstdCoder{e, d}
}

func (z *zstdCoder) reset() {}

func (z *zstdCoder) encode(_ string, raw []byte) []byte {
	packed := z.e.EncodeAll(raw, nil)
	if len(packed)+4 >= len(raw) {
		return append([]byte{otherRaw}, raw...)
	}
	return append(binary.AppendUvarint([]byte{otherCoded}, uint64(len(packed))), packed...)
}

func (z *zstdCoder) decode(_ string, dst, coded []byte) error {
	if coded[0] == otherRaw {
		copy(dst, coded[1:])
		return nil
	}
	_, k := binary.Uvarint(coded[1:])
	_, err := z.d.DecodeAll(coded[1+k:], dst[:0])
	return err
}
