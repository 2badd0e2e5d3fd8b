package pack

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kenserve/delta"
	"kenserve/delta/internal/deltatest"
	"kenserve/safetensors"
)

// TestDump compares the bytes of a file in the small layout, and what they mean,
// with testdata. The file is that of the dump in delta's testdata.
func TestDump(t *testing.T) {
	base, changes, head := deltatest.Sample()
	dir := t.TempDir()
	w, err := delta.Create(filepath.Join(dir, "fast.ken"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for _, x := range changes {
		height := delta.TileHeight(x.Shape, x.Table)
		if err := w.Masked(x.Name, x.Coding, height, x.Columns, tilesOf(t, x.Coding, height, x.Columns, x.Keep, x.Tuned, x.Base)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Dense(head); err != nil {
		t.Fatal(err)
	}
	err = w.Finish(delta.Info{
		BaseSHA256: delta.Fingerprint(base), Labels: []string{"no", "yes"}, Selection: "delta",
		Coding: delta.Int8, VectorCoding: delta.Float32, Producer: "kenserve test",
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := delta.Open(filepath.Join(dir, "fast.ken"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "small.ken")
	if err := Write(d, path, base, d.BaseSHA256); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	dump := deltatest.NewDump(data)
	dump.Header()
	for _, name := range f.Names() {
		x, _ := f.Tensor(name)
		dump.Note("%s: %s %v", name, x.DType, x.Shape)
		tensor, _, packed := strings.Cut(name, "#")
		if !packed {
			dump.Bytes(len(x.Data), "dense, as in the fast layout")
			continue
		}
		end := dump.At() + len(x.Data)
		masked, _ := d.Tensor(tensor)
		dumpPacked(dump, x.Data[0], masked, base[tensor])
		if dump.At() != end {
			t.Fatalf("tensor %s: the dump ends at byte %d, the tensor at %d", tensor, dump.At(), end)
		}
	}
	dump.Compare(t, filepath.Join("testdata", "small.txt"))
}

// dumpPacked dumps a packed tensor. It follows the specification and not the
// unpacker, and takes the numbers of positions from the fast layout.
func dumpPacked(dump *deltatest.Dump, kind byte, t *delta.Tensor, base *safetensors.Tensor) {
	var bits []string
	for _, bit := range []struct {
		mask byte
		name string
	}{{packedBitmaps, "bitmaps"}, {packedGaps, "gaps"}, {packedRowMajor, "row order"}, {packedPerRow, "a scale for each row"}, {packedAll, "every unit keeps something"}} {
		if kind&bit.mask != 0 {
			bits = append(bits, bit.name)
		}
	}
	m := t.Masked
	dump.Bytes(1, "kind: %s, %s", m.Coding, strings.Join(bits, ", "))
	rows, _ := base.Rows()
	switch {
	case kind&packedBitmaps != 0:
		tiles := dump.Number("number of stored tiles: %d")
		dumpPlanes(dump, tiles, 4, "indices of the tiles, rising")
		dumpStream(dump, len(m.Mask8)+2*len(m.Mask16), "masks")
	case kind&packedGaps != 0:
		gaps := dump.Number("bytes of gaps: %d")
		if kind&packedAll == 0 {
			dumpStream(dump, (unitCount(m, rows)+7)/8, "units that keep something")
		}
		dumpStream(dump, gaps, "gaps")
	}
	if m.Coding == delta.Float32 {
		dumpPlanes(dump, m.Kept(), 4, "differences of the values")
	} else {
		dumpStream(dump, m.Kept(), "values")
	}
	if m.Coding.Scaled() {
		dumpPlanes(dump, len(m.Scales), 4, "scales")
	}
}

func dumpPlanes(dump *deltatest.Dump, n, width int, content string) {
	for i := range width {
		dumpStream(dump, n, fmt.Sprintf("%s, byte %d of %d", content, i, width))
	}
}

// dumpStream dumps a stream of n bytes.
func dumpStream(dump *deltatest.Dump, n int, content string) {
	encoding := dump.Bytes(1, "%s: %d bytes, encoding %d", content, n, dump.Rest()[0])[0]
	if encoding == streamRaw {
		if n > 0 {
			dump.Bytes(n, "the bytes")
		}
		return
	}
	if encoding == streamConstant {
		dump.Bytes(1, "the byte to which all are equal")
		return
	}
	size := dump.Number("size of what follows: %d")
	end := dump.At() + size
	switch encoding {
	case streamRare:
		dump.Bytes(1, "the most frequent byte")
		others := dump.Number("number of other bytes: %d")
		gaps := dump.Number("bytes of gaps between the other bytes: %d")
		dumpStream(dump, gaps, "gaps between the other bytes")
		dumpStream(dump, others, "the other bytes")
		return
	case streamHuffman:
		_, table, err := getLengths(dump.Rest())
		if err != nil {
			panic(err)
		}
		dump.Bytes(table, "code lengths")
	case streamHuffmanReuse:
		dump.Bytes(1, "earlier code, from the last on: %d", dump.Rest()[0])
	}
	var sizes [huffmanParts - 1]int
	for i := range sizes {
		sizes[i] = dump.Number(fmt.Sprintf("size of part %d: %%d", i))
	}
	for i, size := range sizes {
		dump.Bytes(size, "part %d", i)
	}
	dump.Bytes(end-dump.At(), "part %d", huffmanParts-1)
}
