package normalizer

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"

	"kenserve/tokenizer/internal/codepoint"
	"kenserve/tokenizer/internal/jsonobject"
)

// precompiled is the normalizer Precompiled: SentencePiece's map of strings to replacements, compiled to
// a double array in the layout of Darts-clone.
//
// The reference does not look for the longest match. For each grapheme cluster of less than six bytes, it
// looks for the shortest string of the map that the cluster starts with, and replaces the whole cluster
// by the replacement of that string. For other clusters, and if there is no such string, it does the same
// with each code point.
type precompiled struct {
	units        []uint32 // the double array
	replacements []byte   // each ends with a zero byte
	unicode      *codepoint.Tables
}

// maxClusterBytes is the length in bytes from which a cluster is not looked up as a whole.
const maxClusterBytes = 6

func parsePrecompiled(o *jsonobject.Object) (Normalizer, error) {
	encoded := o.String("precompiled_charsmap")
	if o.Err() != nil {
		return nil, o.Err()
	}
	blob, err := base64.StdEncoding.DecodeString(encoded)
	if err == nil {
		var n Normalizer
		if n, err = NewPrecompiled(blob); err == nil {
			return n, nil
		}
	}
	o.Fail("precompiled_charsmap", "is not a character map", err)
	return nil, o.Err()
}

// NewPrecompiled reads a map in the format of SentencePiece model files: the size of the double array in
// bytes, the double array, and the replacements.
func NewPrecompiled(blob []byte) (Normalizer, error) {
	if len(blob) < 4 {
		return nil, fmt.Errorf("it has only %d bytes", len(blob))
	}
	size := int64(binary.LittleEndian.Uint32(blob))
	blob = blob[4:]
	if size > int64(len(blob)) || size%4 != 0 || size == 0 {
		return nil, fmt.Errorf("its double array has %d bytes, but only %d follow", size, len(blob))
	}
	n := &precompiled{units: make([]uint32, size/4), replacements: blob[size:], unicode: codepoint.Load()}
	for i := range n.units {
		n.units[i] = binary.LittleEndian.Uint32(blob[4*i:])
	}
	if err := n.check(); err != nil {
		return nil, err
	}
	return n, nil
}

// Fields of a unit that is not a leaf.
func unitOffset(u uint32) uint32 { return u >> 10 << (u & (1 << 9) >> 6) }
func unitLabel(u uint32) uint32  { return u & (1<<31 | 0xFF) } // the label of a leaf is not a byte
func unitHasLeaf(u uint32) bool  { return u&(1<<8) != 0 }

// check walks all strings of the map, so that find does not need to check what it reads.
func (n *precompiled) check() error {
	if !utf8.Valid(n.replacements) {
		return errors.New("the replacements are not UTF-8")
	}
	if len(n.replacements) > 0 && n.replacements[len(n.replacements)-1] != 0 {
		return errors.New("the last replacement does not end with a zero byte")
	}
	size := uint32(len(n.units))
	seen := make([]bool, size)
	stack := []uint32{0} // nodes, by the index of their unit
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[at] {
			continue // strings with the same ending share units
		}
		seen[at] = true
		below := at ^ unitOffset(n.units[at])
		if unitHasLeaf(n.units[at]) {
			if below >= size {
				return fmt.Errorf("unit %d: its leaf is unit %d of %d", at, below, size)
			}
			index := n.units[below] & (1<<31 - 1)
			if int64(index) >= int64(len(n.replacements)) || !utf8.RuneStart(n.replacements[index]) {
				return fmt.Errorf("unit %d: its replacement starts at byte %d of %d", at, index, len(n.replacements))
			}
		}
		// find never looks for a zero byte.
		for b := uint32(1); b < 256; b++ {
			if child := below ^ b; child < size && child != 0 && unitLabel(n.units[child]) == b {
				stack = append(stack, child)
			}
		}
	}
	return nil
}

// find returns the replacement of the shortest string of the map that text starts with, and whether there
// is one.
func (n *precompiled) find(text []byte) ([]byte, bool) {
	at := unitOffset(n.units[0])
	for _, b := range text {
		at ^= uint32(b)
		if b == 0 || int64(at) >= int64(len(n.units)) {
			return nil, false
		}
		u := n.units[at]
		if unitLabel(u) != uint32(b) {
			return nil, false
		}
		at ^= unitOffset(u)
		if unitHasLeaf(u) {
			to := n.replacements[n.units[at]&(1<<31-1):]
			return to[:bytes.IndexByte(to, 0)], true
		}
	}
	return nil, false
}

func (n *precompiled) normalize(_ *Scratch, dst, src []byte) ([]byte, error) {
	for len(src) > 0 {
		// A cluster always ends between two ASCII characters, except inside \r\n.
		size := 1
		if src[0] >= utf8.RuneSelf || len(src) > 1 && (src[1] >= utf8.RuneSelf || src[0] == '\r') {
			size = n.unicode.ClusterLen(src)
		}
		cluster := src[:size]
		src = src[size:]
		if size < maxClusterBytes {
			if to, ok := n.find(cluster); ok {
				dst = append(dst, to...)
				continue
			}
		}
		for len(cluster) > 0 {
			_, size := utf8.DecodeRune(cluster)
			if to, ok := n.find(cluster[:size]); ok {
				dst = append(dst, to...)
			} else {
				dst = append(dst, cluster[:size]...)
			}
			cluster = cluster[size:]
		}
	}
	return dst, nil
}
