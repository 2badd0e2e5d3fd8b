package viz

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// drawPattern draws a pattern. A row keeps nothing, everything, or a random half.
func drawPattern(t *rapid.T, maxRows, maxColumns int) *pattern {
	p := newPattern(rapid.IntRange(1, maxRows).Draw(t, "rows"), rapid.IntRange(1, maxColumns).Draw(t, "columns"))
	for r := range p.rows {
		switch rapid.IntRange(0, 3).Draw(t, "density") {
		case 0: // nothing
		case 1:
			row := p.row(r)
			for c := range p.columns {
				row[c/64] |= 1 << (c % 64)
			}
		default:
			for w := range p.words {
				p.row(r)[w] = rapid.Uint64().Draw(t, "word")
			}
			if p.columns%64 != 0 {
				p.row(r)[p.words-1] &= 1<<(p.columns%64) - 1
			}
		}
	}
	return p
}

// naiveNeighbours is the reference of neighbourCounts for one value.
func naiveNeighbours(p *pattern, r, c int) int {
	n := 0
	for _, at := range [][2]int{{r - 1, c}, {r + 1, c}, {r, c - 1}, {r, c + 1}} {
		if at[0] >= 0 && at[0] < p.rows && at[1] >= 0 && at[1] < p.columns && p.has(at[0], at[1]) {
			n++
		}
	}
	return n
}

func TestCountBlocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPattern(t, 12, 150)
		limit := rapid.IntRange(1, 400).Draw(t, "blocks")
		b, counts := p.countBlocks(limit)
		if b.Rows*b.Columns > limit {
			t.Fatalf("%d × %d blocks, want at most %d", b.Rows, b.Columns, limit)
		}
		want := cutBlocks(p.rows, p.columns, limit)
		want.Kept, want.Neighbours = make([]int, want.Rows*want.Columns), make([]int, want.Rows*want.Columns)
		var wantCounts [5]int
		neighbours := newNeighbourCounts(p.words)
		for r := range p.rows {
			p.countNeighbours(r, neighbours)
			for c := range p.columns {
				if !p.has(r, c) {
					if n := neighbours.at(c); n != 0 {
						t.Fatalf("row %d, column %d is not kept, but has %d neighbours, want 0", r, c, n)
					}
					continue
				}
				n := naiveNeighbours(p, r, c)
				if got := neighbours.at(c); got != n {
					t.Fatalf("row %d, column %d: %d neighbours, want %d", r, c, got, n)
				}
				wantCounts[n]++
				want.Kept[r/b.Height*b.Columns+c/b.Width]++
				want.Neighbours[r/b.Height*b.Columns+c/b.Width] += n
			}
		}
		if counts != wantCounts {
			t.Fatalf("neighbours %v, want %v", counts, wantCounts)
		}
		if diff := cmp.Diff(want, b, cmp.AllowUnexported(Blocks{})); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestCountRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPattern(t, 1, 260)
		from := rapid.IntRange(0, p.columns).Draw(t, "from")
		to := rapid.IntRange(0, p.columns).Draw(t, "to")
		want := 0
		for c := from; c < to; c++ {
			if p.has(0, c) {
				want++
			}
		}
		if got := countRange(p.row(0), from, to); got != want {
			t.Fatalf("columns %d to %d: %d kept, want %d", from, to, got, want)
		}
	})
}

func TestCutBlocks(t *testing.T) {
	for _, test := range []struct {
		rows, columns, limit        int
		height, width, down, across int
	}{
		{384, 384, 9216, 4, 4, 96, 96},
		{1536, 384, 9216, 8, 8, 192, 48},
		{384, 1536, 9216, 8, 8, 48, 192},
		{30522, 384, 9216, 212, 6, 144, 64}, // stretched: the grid has sides of 2 : 1
		{6, 384, 9216, 1, 1, 6, 384},
		{1, 1, 9216, 1, 1, 1, 1},
		{1, 768, 100, 1, 8, 1, 96},
		{5, 5, 1, 5, 5, 1, 1},
		{100, 30, 36, 10, 10, 10, 3},
	} {
		b := cutBlocks(test.rows, test.columns, test.limit)
		got := []int{b.Height, b.Width, b.Rows, b.Columns}
		if diff := cmp.Diff([]int{test.height, test.width, test.down, test.across}, got); diff != "" {
			t.Errorf("%d × %d in %d: %s", test.rows, test.columns, test.limit, diff)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		rows, columns := rapid.IntRange(1, 40000).Draw(t, "rows"), rapid.IntRange(1, 4000).Draw(t, "columns")
		limit := rapid.IntRange(1, 10000).Draw(t, "limit")
		b := cutBlocks(rows, columns, limit)
		values := 0
		for i := range b.Rows {
			for j := range b.Columns {
				n := b.Size(i, j)
				if n <= 0 {
					t.Fatalf("block %d, %d of %+v has %d values", i, j, b, n)
				}
				values += n
			}
		}
		if values != rows*columns || b.Rows*b.Columns > limit {
			t.Fatalf("%d × %d in at most %d blocks: %+v has %d values", rows, columns, limit, b, values)
		}
	})
}

// TestExpectedNeighbours compares the expectation with the mean over all possible choices of
// columns.
func TestExpectedNeighbours(t *testing.T) {
	for _, test := range []struct {
		columns int
		kept    []int
	}{
		{4, []int{2, 1, 3}},
		{4, []int{4, 4}},
		{5, []int{2, 0, 3}},
		{3, []int{1, 2, 3}},
		{2, []int{1, 2, 1, 0}},
		{1, []int{1, 0, 1, 1}},
		{6, []int{3}},
		{5, []int{0, 0}},
	} {
		t.Run(fmt.Sprint(test.columns, test.kept), func(t *testing.T) {
			p := newPattern(len(test.kept), test.columns)
			var want [5]float64
			ways := 0.0
			var choose func(r int)
			choose = func(r int) {
				if r == p.rows {
					ways++
					_, n := p.countBlocks(100)
					for i, v := range n {
						want[i] += float64(v)
					}
					return
				}
				for columns := range uint64(1) << test.columns {
					if countRange([]uint64{columns}, 0, 64) == test.kept[r] {
						p.row(r)[0] = columns
						choose(r + 1)
					}
				}
			}
			choose(0)
			for i := range want {
				want[i] /= ways
			}
			got := expectedNeighbours(test.kept, test.columns)
			if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestExpectedNeighboursAddUp checks that the expectations add up to the number of kept
// values, for any number of rows and columns.
func TestExpectedNeighboursAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPattern(t, 20, 200)
		kept := p.rowCounts()
		all := 0
		for _, k := range kept {
			all += k
		}
		sum := 0.0
		for i, v := range expectedNeighbours(kept, p.columns) {
			if v < -1e-9 {
				t.Fatalf("%g values with %d neighbours, want at least 0", v, i)
			}
			sum += v
		}
		if math.Abs(sum-float64(all)) > 1e-6 {
			t.Fatalf("expectations add up to %g, want %d", sum, all)
		}
	})
}

func TestWindow(t *testing.T) {
	p := newPattern(4, 5)
	for r, line := range []string{"xx..x", ".xx..", ".x..x", "x...x"} {
		for c := range len(line) {
			if line[c] == 'x' {
				p.set(r, c)
			}
		}
	}
	for _, test := range []struct {
		name string
		d    Detail
		want Window
	}{
		{"all", Detail{Window: 9}, Window{0, 0, 4, 5, []string{"12..0", ".31..", ".1..1", "0...1"}}},
		{"middle", Detail{Window: 3, Row: 2, Column: 2}, Window{1, 1, 3, 3, []string{"31.", "1..", "..."}}},
		{"upper left", Detail{Window: 2}, Window{0, 0, 2, 2, []string{"12", ".3"}}},
		{"beyond", Detail{Window: 2, Row: 99, Column: 99}, Window{2, 3, 2, 2, []string{".1", ".1"}}},
		{"before", Detail{Window: 2, Row: -99, Column: -99}, Window{0, 0, 2, 2, []string{"12", ".3"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, p.window(test.d.bounded())); diff != "" {
				t.Error(diff)
			}
		})
	}
	if n := (&Window{Lines: []string{"12..0", ".31.."}}).Kept(); n != 5 {
		t.Errorf("%d kept, want 5", n)
	}
}

func TestDetailIsBounded(t *testing.T) {
	if got := (Detail{}).bounded(); got.Blocks != DefaultBlocks || got.Window != DefaultWindow {
		t.Errorf("zero value: %+v, want the defaults", got)
	}
	if got := (Detail{Blocks: 1 << 40, Window: 1 << 40}).bounded(); got.Blocks != maxBlocks || got.Window != maxWindow {
		t.Errorf("huge values: %+v, want the bounds", got)
	}
}
