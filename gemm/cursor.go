package gemm

import "kenserve/gemm/kernel"

// patchCursor walks through one panel of an overlay, block of rows after block of rows,
// from the first input to the last, and patches it. The order of the patch's tiles is
// that of the panel, so each tile's cursor only has to remember where it is.
type patchCursor struct {
	base  []panelRow // the remaining rows of the base's panel
	tiles [2]kernel.TileCursor
}

// patchCursor returns a cursor at the first row of a panel, and whether the patch
// changes the panel.
func (m *Matrix) patchCursor(panel int) (c patchCursor, changes bool) {
	c.base = m.panel(panel)
	first, end := m.patch.PanelTiles(panel)
	for i := first; i < end; i++ {
		c.tiles[m.patch.Tiles[i]%2].Start(m.patch, i)
	}
	return c, first < end && m.k > 0
}

// read stores the next len(dst) rows of the patched panel in dst.
func (c *patchCursor) read(dst []panelRow) {
	kernel.PatchRows(dst, c.base, &c.tiles)
	c.base = c.base[len(dst):]
}

// stream stores the whole patched panel in dst, which is not used soon. scratch has
// kernel.StreamScratch rows.
func (c *patchCursor) stream(dst, scratch []panelRow) {
	kernel.StreamRows(dst, c.base, &c.tiles, scratch)
}
