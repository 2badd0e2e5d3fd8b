package oip

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A BYTES tensor in binary form is its elements one after the other, each its
// length in four bytes, little-endian, and its bytes.

var errTooManyElements = errors.New("too many elements")

// readBytesTensor splits a tensor into at most `most` elements, which are parts
// of data.
func readBytesTensor(data string, most int) ([]string, error) {
	var out []string
	for at := 0; at < len(data); {
		if len(data)-at < 4 {
			return nil, fmt.Errorf("ends inside the length of element %d", len(out))
		}
		n := binary.LittleEndian.Uint32([]byte(data[at : at+4]))
		at += 4
		if uint64(n) > uint64(len(data)-at) {
			return nil, fmt.Errorf("has element %d of %d bytes, %d are left", len(out), n, len(data)-at)
		}
		if len(out) == most {
			return nil, errTooManyElements
		}
		out = append(out, data[at:at+int(n)])
		at += int(n)
	}
	return out, nil
}

// appendBytesTensor is the inverse.
func appendBytesTensor(b []byte, elements []string) []byte {
	for _, e := range elements {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(e)))
		b = append(b, e...)
	}
	return b
}
