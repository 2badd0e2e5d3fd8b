package viz

// Blocks is a matrix cut into rectangles of Height × Width values. Those at the lower and
// right edge can be smaller.
type Blocks struct {
	Height  int `json:"height"` // values of a block from top to bottom
	Width   int `json:"width"`  // values of a block from left to right
	Rows    int `json:"rows"`   // of blocks
	Columns int `json:"columns"`

	// Kept is the number of kept values of each block, [Rows, Columns].
	Kept []int `json:"kept"`
	// Neighbours is the sum of the kept neighbours of each block's kept values, [Rows,
	// Columns].
	Neighbours []int `json:"neighbours"`

	rows, columns int // of the matrix
}

// cutBlocks chooses the blocks for a matrix. They are as small as a limit on their number
// allows. They are square, unless the matrix is more than four times as long as wide or
// the reverse; then they are stretched so that the grid of blocks has sides of 2 : 1.
func cutBlocks(rows, columns, limit int) Blocks {
	b := Blocks{Height: 1, Width: 1, rows: rows, columns: columns}
	if rows == 0 || columns == 0 {
		return b
	}
	aspect := float64(rows) / float64(columns) // of the grid: rows per column
	if aspect > 4 {
		aspect = 2
	} else if aspect < 1.0/4 {
		aspect = 1.0 / 2
	}
	if rows*columns > limit {
		// Try every number of columns of the grid, from the largest down.
		for across := columns; across > 0; across-- {
			down := max(int(aspect*float64(across)+0.5), 1)
			if across == 1 {
				down = min(down, limit)
			}
			b.Height, b.Width = ceil(rows, down), ceil(columns, across)
			if ceil(rows, b.Height)*ceil(columns, b.Width) <= limit {
				break
			}
		}
	}
	b.Rows, b.Columns = ceil(rows, b.Height), ceil(columns, b.Width)
	return b
}

// ceil returns a/b rounded up.
func ceil(a, b int) int { return (a + b - 1) / b }

// Size returns the number of values in block (i, j).
func (b *Blocks) Size(i, j int) int {
	return min(b.Height, b.rows-i*b.Height) * min(b.Width, b.columns-j*b.Width)
}

// Share returns the share of block (i, j) that is kept.
func (b *Blocks) Share(i, j int) float64 { return Share(b.Kept[i*b.Columns+j], b.Size(i, j)) }

// Mean returns the mean number of kept neighbours of the kept values of block (i, j), and
// whether the block keeps any value.
func (b *Blocks) Mean(i, j int) (float64, bool) {
	n := b.Kept[i*b.Columns+j]
	return Share(b.Neighbours[i*b.Columns+j], n), n > 0
}

// countBlocks counts the kept values of every block of a grid of at most limit blocks. It
// also returns the number of kept values with 0 to 4 kept neighbours.
func (p *pattern) countBlocks(limit int) (b Blocks, neighbours [5]int) {
	b = cutBlocks(p.rows, p.columns, limit)
	b.Kept = make([]int, b.Rows*b.Columns)
	b.Neighbours = make([]int, b.Rows*b.Columns)
	sums := newNeighbourCounts(p.words)
	for r := range p.rows {
		row := p.row(r)
		if countRange(row, 0, p.columns) == 0 {
			continue
		}
		p.countNeighbours(r, sums)
		for i, n := range sums.histogram(row) {
			neighbours[i] += n
		}
		first := r / b.Height * b.Columns
		for j := range b.Columns {
			from, to := j*b.Width, min((j+1)*b.Width, p.columns)
			b.Kept[first+j] += countRange(row, from, to)
			b.Neighbours[first+j] += sums.sum(from, to)
		}
	}
	return b, neighbours
}
