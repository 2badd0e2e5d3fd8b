// Package safetensors reads and writes the safetensors container: named,
// typed, shaped arrays behind one JSON header.
//
// # Format
//
//	offset   bytes  content
//	0        8      n, the header's length, unsigned little-endian
//	8        n      header: one JSON object in UTF-8, spaces may follow it
//	8+n      …      data: the tensors, little-endian, row-major, end to end
//
// The header maps each tensor's name to
//
//	{"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}
//
// with offsets that count from the start of the data, and the reserved name
// "__metadata__" to an object of strings.
//
// # Reading
//
// A file is memory-mapped and used as it lies: a [Tensor] aliases the map, and
// nothing but the header is copied. The reader believes nothing it can check:
// see the Err variables for what it refuses. All sizes are checked against the
// file's length before anything is allocated, so a hostile file costs no more
// memory than its header.
//
// A file that is mapped must be replaced (written elsewhere and renamed), never
// rewritten in place; [WriteFile] does so.
package safetensors
