package kernel

import "kenserve/internal/sparse"

const (
	// PanelWidth is the number of outputs of a panel.
	PanelWidth = 32
	// tileRows is the number of outputs of a sparse tensor's tile: half a panel.
	tileRows = sparse.TileRows
	// CacheLine is the size of a cache line in bytes. Panels start at a multiple of it.
	CacheLine = 64
	// ChunkRows is the number of rows of A that are multiplied with a panel before
	// the next rows. Their sums, 6 KiB, stay in the first-level cache between blocks
	// of the panel.
	ChunkRows = 48

	panelRowBytes = 4 * PanelWidth
)

// PanelRow holds the weights of a panel's outputs for one input.
type PanelRow = [PanelWidth]float32

// WordRow is a row of a low-precision panel. Each word holds the weights of one
// output for several inputs, two bfloat16 or four int8, the first in the lowest bits.
type WordRow = [PanelWidth]uint32
