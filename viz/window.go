package viz

// Defaults and bounds of [Detail].
const (
	DefaultBlocks = 96 * 96
	maxBlocks     = 1 << 16
	DefaultWindow = 48
	maxWindow     = 128
)

// Detail says how much of a matrix a view shows. The zero value stands for the defaults.
type Detail struct {
	Blocks int // largest number of blocks of the whole matrix; 0: DefaultBlocks
	Window int // rows and columns of the window; 0: DefaultWindow

	// Row and Column are the value in the middle of the window. Near an edge of the
	// matrix the window is moved inwards.
	Row, Column int
}

// bounded replaces zeros by the defaults and applies the bounds.
func (d Detail) bounded() Detail {
	if d.Blocks <= 0 {
		d.Blocks = DefaultBlocks
	}
	if d.Window <= 0 {
		d.Window = DefaultWindow
	}
	d.Blocks, d.Window = min(d.Blocks, maxBlocks), min(d.Window, maxWindow)
	return d
}

// Window shows a small part of a matrix value by value.
type Window struct {
	Row     int `json:"row"` // of the first value
	Column  int `json:"column"`
	Rows    int `json:"rows"`
	Columns int `json:"columns"`
	// Lines has one string for each row, with one character for each value: the number
	// of kept neighbours, 0 to 4, of a kept value, and [NotKept] for other values.
	Lines []string `json:"lines"`
}

// Kept returns the number of kept values in the window.
func (w *Window) Kept() int {
	n := 0
	for _, line := range w.Lines {
		for i := range len(line) {
			if line[i] != NotKept {
				n++
			}
		}
	}
	return n
}

// NotKept is the character in [Window.Lines] of a value that is not kept.
const NotKept = '.'

// window returns the window that d asks for.
func (p *pattern) window(d Detail) Window {
	w := Window{Rows: min(d.Window, p.rows), Columns: min(d.Window, p.columns)}
	w.Row = min(max(d.Row-w.Rows/2, 0), p.rows-w.Rows)
	w.Column = min(max(d.Column-w.Columns/2, 0), p.columns-w.Columns)
	sums := newNeighbourCounts(p.words)
	line := make([]byte, w.Columns)
	for r := w.Row; r < w.Row+w.Rows; r++ {
		p.countNeighbours(r, sums)
		for i := range line {
			line[i] = NotKept
			if c := w.Column + i; p.has(r, c) {
				line[i] = byte('0' + sums.at(c))
			}
		}
		w.Lines = append(w.Lines, string(line))
	}
	return w
}
