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

// pack returns the positions of a matrix's kept values, compressed with raw deflate. Each row
// has whole bytes: bit c%8 of byte c/8 stands for column c.
func pack(x *viz.Matrix) []byte {
	var out bytes.Buffer
	z, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil { // impossible: the level is valid
		panic(fmt.Sprintf("page: compress pattern: %v", err))
	}
	words := (x.Tensor.Columns + 63) / 64
	line := make([]byte, 8*words)
	for r := range x.Tensor.Rows {
		for w, word := range x.KeptRow(r) {
			binary.LittleEndian.PutUint64(line[8*w:], word)
		}
		_, _ = z.Write(line[:(x.Tensor.Columns+7)/8]) // a buffer does not fail
	}
	_ = z.Close()
	return out.Bytes()
}

// embedPatterns embeds the exact patterns of matrices, the shortest first, in at most limit
// bytes; 0: defaultExact.
func (p *content) embedPatterns(limit int) {
	if limit == 0 {
		limit = defaultExact
	}
	order := append([]*panel(nil), p.Matrices...)
	sort.SliceStable(order, func(i, j int) bool { return len(order[i].packed) < len(order[j].packed) })
	for _, panel := range order {
		if limit -= base64.RawURLEncoding.EncodedLen(len(panel.packed)); limit >= 0 {
			panel.Pattern = base64.RawURLEncoding.EncodeToString(panel.packed)
			p.Movable++
		}
		panel.packed = nil
	}
}
