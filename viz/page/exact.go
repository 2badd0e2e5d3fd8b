package page

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"sort"

	"kenserve/viz"
)

// pack compresses a pattern: rows of whole bytes, bit c%8 of byte c/8 for
// column c, as raw deflate.
func pack(x *viz.Matrix) []byte {
	var out bytes.Buffer
	z, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil { // the level is one that there is
		panic(fmt.Sprintf("viz: compress: %v", err))
	}
	words := (x.Tensor.Columns + 63) / 64
	line := make([]byte, 8*words)
	for r := range x.Tensor.Rows {
		for w, word := range x.KeptRow(r) {
			binary.LittleEndian.PutUint64(line[8*w:], word)
		}
		_, _ = z.Write(line[:(x.Tensor.Columns+7)/8]) // a buffer takes everything
	}
	_ = z.Close()
	return out.Bytes()
}

// spendExact gives panels their exact patterns, the shortest first, as far as
// most bytes reach.
func (p *content) embedPatterns(most int) {
	if most == 0 {
		most = defaultExact
	}
	order := append([]*panel(nil), p.Matrices...)
	sort.SliceStable(order, func(i, j int) bool { return len(order[i].packed) < len(order[j].packed) })
	for _, panel := range order {
		if most -= base64.RawURLEncoding.EncodedLen(len(panel.packed)); most >= 0 {
			panel.Pattern = base64.RawURLEncoding.EncodeToString(panel.packed)
			p.Movable++
		}
		panel.packed = nil
	}
}
