package delta

import (
	"encoding/hex"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kenserve/delta/internal/container"
	"kenserve/delta/internal/deltatest"
	"kenserve/internal/sparse"
)

// TestTileByteByByte checks the worked example of the package comment.
func TestTileByteByByte(t *testing.T) {
	const rows, columns = 3, 16
	base := make([]float32, rows*columns)
	tuned := slices.Clone(base)
	keep := make([]uint64, rows)
	for _, change := range []struct {
		row, column int
		by          float32
	}{{0, 1, 0.5}, {2, 1, -0.5}, {1, 12, 0.5}} {
		tuned[change.row*columns+change.column] += change.by
		keep[change.row] |= 1 << change.column
	}
	path := filepath.Join(t.TempDir(), "x.ken")
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.Masked("w", Sign, sparse.TileRows, columns, tilesOf(t, Sign, sparse.TileRows, columns, keep, tuned, base)); err != nil {
		t.Fatal(err)
	}
	set := deltatest.Set{}
	set.Add("w", base, rows, columns)
	if err := w.Finish(Info{BaseSHA256: Fingerprint(set), Selection: "delta", Coding: Sign, Producer: "kenserve test"}); err != nil {
		t.Fatal(err)
	}
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Check(set, d.BaseSHA256); err != nil {
		t.Fatal(err)
	}
	masked := d.Tensors[0].Masked
	got := slices.Clone(base)
	masked.PatchRows(0, got)
	if !slices.Equal(got, tuned) {
		t.Errorf("the delta gives %v, want %v", got, tuned)
	}

	bitmaps := encoder{coding: Sign, height: sparse.TileRows, columns: columns, tiles: tilesOf(t, Sign, sparse.TileRows, columns, keep, tuned, base)}
	bitmaps.fitScales()
	for _, form := range []struct {
		name   string
		tensor *sparse.Tensor
		want   map[string]string
	}{
		{"gaps", masked, map[string]string{
			"tiles":  "00 00 00 00  03 00 00 00  04 00 00 00",
			"steps":  "90 01 7f af",
			"scales": "00 00 00 3f",
		}},
		{"bitmaps", bitmaps.masked(true), map[string]string{
			"tiles":  "00 00 00 00  03 00 00 00",
			"mask":   "00 00  05 00" + strings.Repeat("  00 00", 10) + "  02 00" + strings.Repeat("  00 00", 3),
			"sign":   "05",
			"scales": "00 00 00 3f",
		}},
	} {
		parts := container.Parts(form.tensor)
		if len(parts) != len(form.want) {
			t.Errorf("%s: %d parts, want %d", form.name, len(parts), len(form.want))
		}
		for _, part := range parts {
			if got, want := hex.EncodeToString(part.Data), strings.ReplaceAll(form.want[part.Name], " ", ""); got != want {
				t.Errorf("%s: part %s is %s, want %s", form.name, part.Name, got, want)
			}
		}
	}
}
