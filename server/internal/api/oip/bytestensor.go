package oip

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var errTooManyElements = errors.New("too many elements")

// readBytesTensor splits the raw data of a BYTES tensor into its elements: for each,
// the length in four bytes, little-endian, and the bytes. The elements are parts of
// data. More than maxElements are an error.
func readBytesTensor(data string, maxElements int) ([]string, error) {
	var out []string
	for at := 0; at < len(data); {
		if len(data)-at < 4 {
			return nil, fmt.Errorf("ends inside the length of element %d", len(out))
		}
		n := binary.LittleEndian.Uint32([]byte(data[at : at+4]))
		at += 4
		if uint64(n) > uint64(len(data)-at) {
			return nil, fmt.Errorf("has %[2]d bytes in element %[1]d, only %[3]d are left", len(out), n, len(data)-at)
		}
		if len(out) == maxElements {
			return nil, errTooManyElements
		}
		out = append(out, data[at:at+int(n)])
		at += int(n)
	}
	return out, nil
}

// appendBytesTensor appends the raw data of a BYTES tensor.
func appendBytesTensor(b []byte, elements []string) []byte {
	for _, e := range elements {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(e)))
		b = append(b, e...)
	}
	return b
}
