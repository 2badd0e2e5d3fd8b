package raster

import (
	"bytes"
	"image/png"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestLevels(t *testing.T) {
	for _, test := range []struct {
		v, top float64
		bottom int
		want   uint8
	}{
		{0, 1, 0, 0}, {1e-9, 1, 0, 1}, {0.5, 1, 0, 32}, {1, 1, 0, 63}, {2, 1, 0, 63}, {-1, 1, 0, 0},
		{0, 4, FirstCountLevel, FirstCountLevel}, {4, 4, FirstCountLevel, 63}, {1, 0, 0, 0},
	} {
		if got := level(test.v, test.top, test.bottom); got != test.want {
			t.Errorf("level of %g on a scale to %g from level %d is %d, want %d", test.v, test.top, test.bottom, got, test.want)
		}
	}
	for _, test := range [][3]float64{{0, 1, 1}, {0.02, 1, 0.02}, {0.021, 1, 0.025}, {0.81, 1, 1}, {0.74, 1, 0.8}, {3.1, 4, 4}, {7, 4, 4}, {0.9, 4, 1}} {
		if got := scaleEnd(test[0], test[1]); math.Abs(got-test[2]) > 1e-12 {
			t.Errorf("scale for values up to %g ends at %g, want %g", test[0], got, test[2])
		}
	}
}

func TestScaledRasterRepeatsPixels(t *testing.T) {
	r := Raster{2, 3, []uint8{1, 2, 3, 4, 5, 6}}
	got := r.Scaled(4, 7)
	want := Raster{4, 7, []uint8{
		1, 1, 1, 2, 2, 3, 3,
		1, 1, 1, 2, 2, 3, 3,
		4, 4, 4, 5, 5, 6, 6,
		4, 4, 4, 5, 5, 6, 6,
	}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Raster{})); diff != "" {
		t.Error(diff)
	}
}

// TestRasterPNG checks that a PNG has the greys of the levels.
func TestRasterPNG(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := New(rapid.IntRange(1, 9).Draw(t, "rows"), rapid.IntRange(1, 9).Draw(t, "columns"))
		for i := range r.Pix {
			r.Pix[i] = rapid.Uint8Range(0, Blank).Draw(t, "level")
		}
		img, err := png.Decode(bytes.NewReader(r.PNG()))
		if err != nil {
			t.Fatal(err)
		}
		if size := img.Bounds().Size(); size.X != r.Columns || size.Y != r.Rows {
			t.Fatalf("%v, want %d × %d", size, r.Columns, r.Rows)
		}
		for i, l := range r.Pix {
			red, green, blue, alpha := img.At(i%r.Columns, i/r.Columns).RGBA()
			want := [4]uint32{}
			if l != Blank {
				v := uint32(Gray(int(l))) * 0x101
				want = [4]uint32{v, v, v, 0xffff}
			}
			if got := [4]uint32{red, green, blue, alpha}; got != want {
				t.Fatalf("level %d is %v, want %v", l, got, want)
			}
		}
	})
}
