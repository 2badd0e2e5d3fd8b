// Package pack reads and writes the small layout of a delta file, for storage and
// transport.
//
// [Write] packs a delta that is open in the fast layout; [File.Unpack] makes the
// fast file again, byte for byte. Both need the base: shapes come from it, and
// exact values are stored as differences from it.
//
// A tensor becomes a few byte streams: positions, and the bytes of values, each
// place value in a stream of its own. Each stream is coded in the shortest of five
// ways, of which a canonical Huffman code is the usual one. Its decoder works on
// four parts of a stream at a time, because each part has to wait for its last
// look-up in the code's table before it can make the next.
//
// The package comment of delta, section "The small layout", specifies every byte.
package pack
