// Package delta reads and writes the delta file: the weights in which a
// fine-tuned classifier differs from its base.
//
// One file, NAME.ken, holds one task. It is a valid safetensors file (package
// safetensors gives the container's layout), so that any safetensors reader
// lists it; what makes it a delta are agreed metadata keys and tensor names.
// This comment is the specification, version 1.
//
// # Terms
//
// The base is a set of named tensors, a checkpoint without the task's head.
// Every tensor is seen as a matrix of rows × columns: the last dimension is
// the row; a tensor of one dimension is a single row. A kept value is one that
// the delta stores; all others are the base's. All numbers are little-endian.
//
// # Metadata
//
// All values are strings; a key that is not listed here is refused.
//
//	format         "kenserve-delta"
//	version        "1"
//	layout         "fast", or "small": see The small layout
//	flags          optional; features a reader has to know, separated by
//	               commas. Version 1 defines none, so any flag is refused.
//	base_sha256    fingerprint of the base, see below
//	base_name      optional; the base's name, for people
//	architecture   optional; the classifier's class, "BertForSequenceClassification"
//	problem_type   optional; single_label_classification,
//	               multi_label_classification or regression
//	labels         optional; JSON array of strings, in the order of the logits
//	config         optional; JSON object, the tuned model's config.json
//	selection      rule that chose the values: "ken", "delta", "magnitude",
//	               "random", or another name that only informs
//	k              optional; values kept per row, a positive integer
//	keep           optional; share kept of what budget says, in (0, 1]
//	budget         optional; "row" (also meant without the key), "tensor" or
//	               "model": what k and keep count in
//	factor         optional; what kept changes were multiplied by, positive. It
//	               only informs: values and scales have it in them already
//	factors        optional; JSON object from a kind of tensors, a name with an
//	               asterisk for a layer's number, or from a layer, the beginning
//	               of its names with an asterisk for the rest, to what factor was
//	               multiplied by for them, positive. It only informs, too
//	scope          optional; "all" or "attention"
//	head           optional; "fitted" if the head is not the tuned checkpoint's
//	               but was fitted to what the delta makes of the base
//	coding         value coding of masked tensors, see below
//	vector_coding  optional; a second one that masked tensors may have, meant
//	               for those of one dimension
//	base_prefix    optional; see Names
//	tuned_prefix   optional; see Names
//	absent         optional; JSON array of the base's tensors that the tuned
//	               checkpoint does not have
//	producer       program and version that wrote the file
//	source_name    optional; name of the tuned checkpoint, for people
//	source_sha256  optional; fingerprint of the tuned checkpoint
//	notes          optional; free text
//	sha256         digest of the file, see below
//	fast_sha256    in the small layout alone: digest of the file in the fast one
//
// # Fingerprint
//
// A checkpoint's fingerprint is the SHA-256, in lower-case hexadecimal, over
// its tensors in the byte order of their names; each contributes its name, a
// zero byte, its dtype, a zero byte, its dimensions in decimal joined by
// commas, a zero byte, and its data. Whether it is sharded does not matter.
//
// # Digest
//
// sha256 is the SHA-256 of the whole file with the 64 digits of this very
// value replaced by zeros ("0"). The digits stand once in the header.
//
// # Names
//
// A tensor of the base is called by its name in the base. The same tensor's
// name in the tuned checkpoint is tuned_prefix followed by the base's name
// without base_prefix (a name that does not begin with base_prefix has no
// counterpart), and with LayerNorm.gamma and LayerNorm.beta at its end, as the
// oldest checkpoints have it, replaced by LayerNorm.weight and LayerNorm.bias.
// A name with a "#" cannot be in a delta: it separates parts.
//
// # Tensors
//
// A tensor of the base is, in the file,
//
//	absent   all values are the base's
//	dense    a tensor NAME of the base's shape, F32: all values are its
//	masked   the parts NAME#… that follow
//
// A tensor that the base does not have is dense, of any dtype but F64, under
// its name in the tuned checkpoint: the head.
//
// # Masked tensors
//
// The parts of a masked tensor say which values are kept (its positions), and
// what they are. Positions have one of three forms, of which a writer takes the
// one that makes the tensor's parts smallest: bitmaps, gaps, or none when every
// value is kept. Bitmaps win ties over gaps, none wins over both. In both
// of the former, rows are grouped in tiles of H consecutive rows; the last tile
// may reach beyond the last row. Only tiles with a kept value are stored.
//
// The values of a tile come in one of two orders, that of columns or that of
// rows. Column order (column by column, in each the rows) is the order in which
// a kernel walks a panel of 16 output rows, so that it can expand them into a
// copy of the base without looking anything up. Row order (row by row, in each
// the columns) is for tensors whose rows are looked up one by one, embedding
// tables, and for tensors of one row. Which one it is depends on the part that
// indexes the tiles: "tiles" for column order, "rows" for row order. With T
// stored tiles, C columns and n kept values, n below 2³², the parts of the
// positions are
//
//	bitmaps, column order, H = 16
//	  tiles  U32 [2, T]     the index, see below
//	  mask   U16 [T, C]     bit r of entry (t, c): row r of tile t keeps column c
//	bitmaps, row order, H = 1
//	  rows   U32 [2, T]     the index
//	  mask   U8 [T, ⌈C/8⌉]  bit c%8 of byte (t, c/8): the row keeps column c;
//	                        bits from C on are 0
//	gaps, column order, H = 16
//	  tiles  U32 [3, T]     the index
//	  gaps   U8 [G]         see below; for the coding sign the part is "steps"
//	gaps, row order, H = 16
//	  rows   U32 [3, T]     the index
//	  gaps   U8 [G]         as above, or steps
//	none, row order, H = 1
//	  no part at all        T is the number of rows, n that of values
//
// The rows of the index are
//
//	0  indices of the tiles, strictly rising: tile i has the rows H·i to
//	   H·i + H − 1
//	1  ends: kept values in this and all earlier tiles; strictly rising, the
//	   last is n
//	2  with gaps, ends: bytes of gaps of this and all earlier tiles; strictly
//	   rising, the last is G
//
// Rows beyond the tensor's last keep nothing.
//
// # Gaps
//
// A tile's gaps are the distances from each kept position to the next, where
// the position of (row r, column c) in its tile is 16·c + r in column order and
// C·r + c in row order. Begin with p = −1. Of the bytes of "gaps",
//
//	b < 255  p grows by b + 1 and is kept
//	255      p grows by 255; nothing is kept
//
// In "steps" bit 7 is the sign of the value, as in the coding sign, and the
// same holds of the other seven bits, with 127 for 255: there are no values
// beside them. A skip has no sign (bit 7 is 0). A tile does not end in a skip.
//
// # Value codings
//
// The part that holds the values is called by their coding. They lie in the
// order of tiles and in each tile in its order.
//
//	f32    F32 [n]        the value itself: the tuned bits
//	bf16   BF16 [n]       base + q
//	int8   I8 [n]         base + float32(scale · q), q in −127 … 127
//	int4   U8 [⌈n/2⌉]     base + float32(scale · q), q in −7 … 7 in two's
//	                      complement; value i is the lower half of byte i/2 for
//	                      even i, the upper half for odd i
//	sign   U8 [⌈n/8⌉]     bit i%8 of byte i/8 belongs to value i:
//	                      base + scale if it is 1, base − scale if 0
//
// Bits behind the last value are 0. The base's value is widened to float32
// first, and product and sum are each rounded to float32: every reader gets the
// same bits. bf16 stores the change from the base, tuned − base in float32,
// rounded to the nearest bfloat16, ties to even. Values are finite. Without
// positions there is no f32, since a dense tensor is just that.
//
// The codings int8, int4 and sign have the part
//
//	scales  F32 [1]       one for the tensor, or
//	        F32 [T, H]    one for each row of a stored tile
//
// Scales are finite and not negative. A writer takes one for each row if the
// rows that keep any keep 64 values or more on average, and else one for the
// tensor. Of the changes that share it a scale is, for sign, the mean magnitude;
// for int8, the largest magnitude over 127; for int4, one found to make the sum
// of squared errors small. A writer keeps no value whose change is rounded to
// none, unless there are no positions.
//
// # Order and padding
//
// The last tensor of the file is "#pad", U8 [64], zeros, so that a kernel may
// load a whole vector at the end of any part. Writers put wide elements before
// narrow ones, which aligns every part to its elements; readers do not rely on
// it.
//
// # The small layout
//
// For transport and storage a delta is packed: the same content with less
// redundancy, of which the fast layout is made again, byte for byte, with the
// base at hand. The metadata are those of the fast file but for layout, sha256
// and fast_sha256. Tensors that the base does not have are as they were, and so
// are dense ones of the base that are empty or whose counterpart there is not
// of floats. Any other tensor NAME is one part,
//
//	packed  U8 [n]
//
// whose shapes follow from the base. There is no #pad. The fast file's tensors
// come in the order of the size of their elements, the widest first, and of
// their names, before #pad; a file in another order cannot be packed.
//
// Packed tensors are read in the byte order of NAME, not of NAME#packed, since
// streams may use the codes of earlier ones. A packed tensor consists of numbers,
// streams and numbers in planes:
//
//	number   unsigned LEB128, as Protocol Buffers write them
//	stream   m bytes, m being known, in one of the ways below
//	planes   numbers of w bytes as w streams: all lowest bytes, all next ones …
//	rising   numbers of 4 bytes that rise strictly, in planes: the first one as
//	         it is, of each other how far it is above the one before plus one
//
// In this order it has
//
//	kind       a byte: bits 0 to 2 the coding, 0 f32, 1 bf16, 2 int8, 3 int4,
//	           4 sign; bit 3 bitmaps, bit 4 gaps (f32 with neither is a dense
//	           tensor); bit 5 row order, also set without positions; bit 6 a
//	           scale for each row, if the coding has scales; bit 7, with gaps
//	           alone, every unit has some
//	bitmaps    T as a number, the tiles' indices rising; a stream, the bytes of
//	           mask
//	gaps       G as a number; unless bit 7 of kind is set a stream of ⌈U/8⌉
//	           bytes, of which bit u%8 of byte u/8 tells whether unit u has
//	           gaps and the rest is 0; a stream of G bytes, the gaps; for sign
//	           n as a number and a stream of ⌈n/8⌉ bytes, one bit for each kept
//	           position as in the coding sign, the rest 0
//	values     of f32 in planes: the number o(value) − o(base's value) modulo
//	           2³², zigzag, where o maps floats to integers in their order: the
//	           bits with all of them inverted if bit 31 is set, else bit 31.
//	           Zigzag makes d ≥ 0 to 2d and d < 0 to −2d − 1.
//	           Of bf16 in planes: the bits rotated to the right by 3.
//	           Of int8, int4 and, unless they are in steps, sign: a stream, the
//	           bytes of the part
//	scales     their bits in planes: one, or T·H
//
// A unit is a tile in column order, and a row in row order; a tensor has U. What
// follows "gaps" are those of the whole tensor (see Gaps), from p = −1 on. They
// count the positions of the units that have any, one unit behind the other, as
// if there were no others: 16·C in each tile, C in each row. For sign they are
// as in steps, but with bit 7 cleared. A writer sets the bits of units that keep
// something; a reader demands it of each run of neighbouring units of a tile. Ends
// of values and of gaps follow from the positions.
//
// A stream begins with a byte that tells its way, 0 if m is 0:
//
//	0  m bytes as they are
//	1  a byte, of which all m are
//	2  a number, the size of what follows; a Huffman code
//	3  a number, the size of what follows; rare bytes
//	4  a number, the size of what follows; an earlier Huffman code
//
// Rare bytes are: the byte that all others are equal to; a number r, how many
// these others are; a number g; a stream of g bytes, the positions of the
// others as gaps (see Gaps) from p = −1; and a stream of r bytes, the others.
// Such streams lie in each other at most three deep.
//
// A Huffman code consists of the lengths of the codes of all bytes, the sizes of
// the first three of four parts as numbers, and the parts. Bits are taken from
// bytes from the lowest on. Lengths are told for the bytes 0, 1, … as bits,
// beginning with a length of 0:
//
//	0           as the one before
//	10          one more
//	110         one less
//	1110        this one and all that follow have none
//	1111 abcd   a + 2b + 4c + 8d
//
// and the rest of the last byte is 0. An earlier Huffman code begins with a byte
// i in place of the lengths: they are those that were told last but i, by way 2, in
// this tensor or one before, among rare bytes too; i is at most 15. No length is
// above 11, none means that the byte does not occur, and the code is full. Codes
// are given in the order of length and byte: the first is of zeros, the next one
// greater, with zeros appended where the length grows; a code's first bit is its
// most significant. The parts code ⌈m/4⌉ bytes each, as far as there are that many;
// each ends in zeros to a whole byte.
//
// # Limits
//
// The header is at most 1 MiB, a name at most 512 bytes including its part, a
// dimension below 2³².
//
// # Refusals
//
// A reader refuses what package safetensors refuses of the container, and
// everything that departs from the above, each with its own error: see the Err
// variables. Shapes come from the base and are never believed from the delta:
// [Delta.Check] compares them before anything is applied.
package delta
