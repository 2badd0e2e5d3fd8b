package delta

// Expanded returns a tensor in column order in the form that a kernel walks
// without looking anything up: bitmaps, and a scale for each row of a tile;
// int4 becomes int8, which gives the same bits. What has that form already is
// returned or shared. A tensor in row order, or whole, is returned as it is.
func (m *Masked) Expanded() *Masked {
	if m.RowMajor || m.Mask16 != nil && m.Coding != Int4 && len(m.Scales) != 1 {
		return m
	}
	out := *m
	if m.Gaps != nil {
		out.Gaps, out.GapEnds = nil, nil
		out.Mask16 = make([]uint16, len(m.Tiles)*m.Columns)
		if m.Coding == Sign {
			out.Signs = make([]byte, Sign.valueBytes(m.kept))
		}
		n := 0
		for t := range m.Tiles {
			masks := out.Mask16[t*m.Columns : (t+1)*m.Columns]
			m.each(t, func(i, r, c int) {
				masks[c] |= 1 << r
				if m.Coding == Sign {
					out.Signs[n>>3] |= m.Gaps[i] >> 7 << (n & 7)
				}
				n++
			})
		}
	}
	if m.Coding == Int4 {
		out.Coding, out.Int4s = Int8, nil
		out.Int8s = make([]int8, m.kept)
		for i := range out.Int8s {
			out.Int8s[i] = nibble(m.Int4s, i)
		}
	}
	if len(m.Scales) == 1 {
		out.Scales = make([]float32, len(m.Tiles)*m.Height)
		for i := range out.Scales {
			out.Scales[i] = m.Scales[0]
		}
	}
	return &out
}
