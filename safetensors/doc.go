// Package safetensors reads and writes safetensors files: named arrays with a type and a
// shape, after a JSON header.
//
// # Format
//
//	offset   bytes  content
//	0        8      n, the header's length, unsigned little-endian
//	8        n      header: one JSON object in UTF-8, maybe followed by spaces
//	8+n      …      data: the tensors, little-endian, row-major, end to end
//
// The header maps each tensor's name to
//
//	{"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}
//
// with offsets in bytes from the start of the data. The reserved name "__metadata__" has
// an object of strings.
//
// # Reading
//
// A file is memory-mapped and used without a copy: a [Tensor] aliases the map, and only
// the header is parsed. The reader checks everything that can be checked and refuses
// invalid files with [ErrCorrupt]: truncated or oversized headers, text that is not UTF-8
// or not the JSON above, duplicate keys, unknown types, shapes that overflow, and offsets
// that overlap, leave a gap or do not match the shape or the length of the file. It checks
// all sizes against the length of the file before it allocates memory, so a hostile file
// costs no more memory than its header.
//
// A mapped file must never be rewritten in place, but replaced: written under another
// name and renamed. [WriteFile] does so.
package safetensors
