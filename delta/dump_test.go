package delta

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kenserve/delta/internal/container"
	"kenserve/delta/internal/deltatest"
	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// sample writes the file of deltatest.Sample in the fast layout.
func sample(t *testing.T, path string) {
	t.Helper()
	base, changes, head := deltatest.Sample()
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for _, x := range changes {
		height := TileHeight(x.Shape, x.Table)
		if err := w.Masked(x.Name, x.Coding, height, x.Columns, tilesOf(t, x.Coding, height, x.Columns, x.Keep, x.Tuned, x.Base)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Dense(head); err != nil {
		t.Fatal(err)
	}
	err = w.Finish(Info{
		BaseSHA256: Fingerprint(base), Labels: []string{"no", "yes"}, Selection: "delta", Coding: Int8, VectorCoding: Float32, Producer: "kenserve test",
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDump compares the bytes of a delta, and what they mean, with testdata.
func TestDump(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fast.ken")
	sample(t, path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Read(f, path)
	if err != nil {
		t.Fatal(err)
	}
	base, _, _ := deltatest.Sample()
	if err := d.Check(base, d.BaseSHA256); err != nil {
		t.Fatal(err)
	}
	c, err := safetensors.Parse(data) // d has freed the directory of f
	if err != nil {
		t.Fatal(err)
	}
	dump := deltatest.NewDump(data)
	dump.Header()
	for _, name := range c.Names() {
		x, _ := c.Tensor(name)
		dump.Note("%s: %s %v", name, x.DType, x.Shape)
		tensor, part, masked := strings.Cut(name, "#")
		if !masked {
			for r := range x.Shape[0] {
				dump.Bytes(len(x.Data)/x.Shape[0], "row %d", r)
			}
			continue
		}
		if name == container.PadName {
			dump.Bytes(len(x.Data), "zeros")
			continue
		}
		s, _ := d.Tensor(tensor)
		dumpPart(dump, s.Masked, part)
	}
	dump.Compare(t, filepath.Join("testdata", "fast.txt"))
}

// dumpPart dumps a part of a masked tensor.
func dumpPart(dump *deltatest.Dump, x *sparse.Tensor, part string) {
	unit := "tile"
	if x.Height == 1 {
		unit = "row"
	}
	switch part {
	case container.PartTiles, container.PartRows:
		dump.Bytes(4*len(x.Tiles), "indices of the stored %ss: %v", unit, x.Tiles)
		dump.Bytes(4*len(x.Ends), "ends of values: %v", x.Ends)
		if x.Gaps != nil {
			dump.Bytes(4*len(x.GapEnds), "ends of gaps: %v", x.GapEnds)
		}
	case container.PartMask:
		width := (len(x.Mask8) + 2*len(x.Mask16)) / len(x.Tiles)
		for i, tile := range x.Tiles {
			dump.Bytes(width, "%s %d keeps %d values", unit, tile, x.MaskCount(i))
		}
	case container.PartGaps:
		for i, tile := range x.Tiles {
			var positions []int
			x.Each(i, func(_, row, column int) {
				if x.RowMajor {
					positions = append(positions, x.Columns*row+column)
				} else {
					positions = append(positions, sparse.TileRows*column+row)
				}
			})
			text := ""
			if len(positions) <= 8 {
				text = fmt.Sprintf(": %v", positions)
			}
			dump.Bytes(len(x.TileGaps(i)), "tile %d keeps %d positions%s", tile, len(positions), text)
		}
	case container.PartScales:
		if len(x.Scales) == 1 {
			dump.Bytes(4, "%g", x.Scales[0])
			break
		}
		for i := range x.StoredTiles() {
			dump.Bytes(4*x.Height, "%s %d: %.4g", unit, x.TileIndex(i), x.Scales[i*x.Height:(i+1)*x.Height])
		}
	default:
		size := x.Coding.Bits() / 8
		for i := range x.StoredTiles() {
			n := 0
			x.Each(i, func(int, int, int) { n++ })
			dump.Bytes(size*n, "%d values of %s %d", n, unit, x.TileIndex(i))
		}
	}
}
