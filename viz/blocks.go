package viz

// Blocks is a matrix cut into rectangles of Height × Width values, those at
// the lower and right edge perhaps smaller.
type Blocks struct {
	Height  int `json:"height"` // of a block, in values
	Width   int `json:"width"`
	Rows    int `json:"rows"` // of blocks
	Columns int `json:"columns"`

	// Kept counts the kept values of each block, row by row.
	Kept []int `json:"kept"`
	// Neighbours adds up the kept neighbours of each block's kept values.
	Neighbours []int `json:"neighbours"`

	rows, columns int // of the matrix
}

// cut chooses blocks for a matrix: as small as at most most of them allow, and
// square unless the matrix is more than four times as long as wide or the other
// way round; then they are as long as to make a grid that is twice as long.
func cutBlocks(rows, columns, most int) Blocks {
	b := Blocks{Height: 1, Width: 1, rows: rows, columns: columns}
	if rows == 0 || columns == 0 {
		return b
	}
	aspect := float64(rows) / float64(columns) // of the grid
	if aspect > 4 {
		aspect = 2
	} else if aspect < 1.0/4 {
		aspect = 1.0 / 2
	}
	if rows*columns > most {
		// Grow until it fits; each step tries the next number of columns
		// that the grid could have.
		for across := columns; across > 0; across-- {
			down := max(int(aspect*float64(across)+0.5), 1)
			if across == 1 {
				down = min(down, most)
			}
			b.Height, b.Width = ceil(rows, down), ceil(columns, across)
			if ceil(rows, b.Height)*ceil(columns, b.Width) <= most {
				break
			}
		}
	}
	b.Rows, b.Columns = ceil(rows, b.Height), ceil(columns, b.Width)
	return b
}

func ceil(a, b int) int { return (a + b - 1) / b }

// size returns the number of values in block (i, j).
func (b *Blocks) Size(i, j int) int {
	return min(b.Height, b.rows-i*b.Height) * min(b.Width, b.columns-j*b.Width)
}

// share returns the share of block (i, j) that is kept.
func (b *Blocks) Share(i, j int) float64 { return Share(b.Kept[i*b.Columns+j], b.Size(i, j)) }

// mean returns the mean number of neighbours of the kept values of block
// (i, j), and whether there are any.
func (b *Blocks) Mean(i, j int) (float64, bool) {
	n := b.Kept[i*b.Columns+j]
	return Share(b.Neighbours[i*b.Columns+j], n), n > 0
}

// count adds up a pattern's blocks and counts its neighbours.
func (p *pattern) countBlocks(most int) (b Blocks, neighbours [5]int) {
	b = cutBlocks(p.rows, p.columns, most)
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
		at := r / b.Height * b.Columns
		for j := range b.Columns {
			from, to := j*b.Width, min((j+1)*b.Width, p.columns)
			b.Kept[at+j] += countRange(row, from, to)
			b.Neighbours[at+j] += sums.sum(from, to)
		}
	}
	return b, neighbours
}
