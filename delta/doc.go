// Package delta reads and writes the delta file: the weights in which a
// fine-tuned classifier differs from its base.
//
// One file, NAME.ken, holds one task. It is a valid safetensors file, whose
// container package safetensors describes, so any safetensors reader can list it.
// Agreed metadata keys and tensor names make it a delta. A file has one of two
// layouts: the fast one is read into memory and used in place; the small one is
// for storage and transport (package delta/pack). Stores of files are in package
// delta/store.
//
// The rest of this comment is the specification of both layouts, in the versions 1
// and 2. They differ in the digest alone. A writer writes version 2.
//
// # Terms
//
// The base is a set of named tensors: a checkpoint without the task's head. Every
// tensor is treated as a matrix of rows × columns. The last dimension is the
// number of columns; a tensor of one dimension has one row. A kept value is a
// value that the delta stores; every other value is the base's. All numbers are
// little-endian.
//
// # Metadata
//
// All values are strings. A reader refuses keys that are not in this list.
//
//	format         "kenserve-delta"
//	version        "1" or "2"
//	layout         "fast" or "small"
//	flags          optional; names of features that a reader must know, sorted and
//	               separated by commas: "rows" if and only if the key rows is
//	               there, "tokenizer" if and only if the file has a tokenizer. A
//	               reader refuses any other flag.
//	base_sha256    fingerprint of the base, see below
//	base_name      optional; the base's name, for people
//	architecture   optional; the classifier's class, "BertForSequenceClassification"
//	problem_type   optional; single_label_classification,
//	               multi_label_classification or regression
//	labels         optional; JSON array of strings, in the order of the logits
//	config         optional; JSON object, the tuned model's config.json
//	selection      rule that chose the values: "ken", "delta", "magnitude",
//	               "random", or any other name, for information
//	k              optional; number of values kept per row, a positive integer
//	keep           optional; share of values kept per budget unit, in (0, 1]
//	budget         optional; unit in which k and keep count: "row", "tensor" or
//	               "model"; absent means "row"
//	factor         optional; positive number by which kept changes were
//	               multiplied. For information: values and scales include it
//	factors        optional; JSON object with further factors, positive numbers by
//	               kind of tensor, for information. A kind is a name with an
//	               asterisk in place of a layer's number, or the beginning of
//	               names, such as a layer, followed by an asterisk
//	scope          optional; "all" or "attention"
//	head           optional; "fitted" if the head is not the tuned checkpoint's
//	               but was fitted to the output of the pruned model
//	coding         value coding of masked tensors, see below
//	vector_coding  optional; a second value coding that masked tensors may have,
//	               for tensors of one dimension
//	base_prefix    optional; see Names
//	tuned_prefix   optional; see Names
//	absent         optional; JSON array with the names of tensors of the base that
//	               the tuned checkpoint does not have
//	rows           optional; JSON object, the numbers of rows of tables that the
//	               tuned checkpoint has resized, by their names in the base
//	producer       program and version that wrote the file
//	source_name    optional; name of the tuned checkpoint, for people
//	source_sha256  optional; fingerprint of the tuned checkpoint
//	notes          optional; free text
//	temperature    optional; positive number by which logits are divided before
//	               they become probabilities; absent means 1
//	thresholds     optional; JSON array of numbers between 0 and 1, one for each
//	               label: with several labels a text, a label is predicted if its
//	               probability is at least its threshold; absent means above 0.5
//	recipe         optional; JSON object, how the task was tuned, for information
//	sha256         digest of the file, see below
//	data_blake3    in version 2 only: digest of the tensors, see below
//	fast_sha256    in the small layout only: digest of the same delta in the fast
//	               layout
//
// # Fingerprint
//
// A checkpoint's fingerprint is the SHA-256, in lower-case hexadecimal, over its
// tensors in the byte order of their names. Each tensor contributes its name, a
// zero byte, its dtype, a zero byte, its dimensions in decimal joined by commas, a
// zero byte, and its data. It does not depend on how the checkpoint is split into
// files.
//
// # Digest
//
// sha256 is the name of the delta. In version 1 it is the SHA-256 of the whole file in
// which the 64 digits of sha256 itself are replaced by zeros ("0"). In version 2 it
// is the SHA-256 of the header alone, from the first byte of the file to the byte
// before the tensors, with the same replacement. The digits must appear exactly once
// in the header.
//
// The header of version 2 has the digest of the tensors, data_blake3, so that all cores
// can hash a file at once. The bytes after the header are cut into chunks of 2¹⁸
// bytes; the last one may be shorter. data_blake3 is the BLAKE3 digest of the BLAKE3
// digests of the chunks, 32 bytes each, one after the other.
//
// # Names
//
// A tensor of the base has its name in the base. Its name in the tuned checkpoint
// is tuned_prefix followed by the base's name without base_prefix, and with the
// endings LayerNorm.gamma and LayerNorm.beta of the oldest checkpoints replaced by
// LayerNorm.weight and LayerNorm.bias. A tensor of the base whose name does not
// begin with base_prefix has no counterpart. No name contains "#", which separates
// the name of a tensor from the name of its part.
//
// # Tensors
//
// A tensor of the base is stored in one of three ways:
//
//	absent   all values are the base's
//	dense    a tensor NAME of the base's shape, F32, has all values
//	masked   the parts NAME#…, described below, have the kept values
//
// A tensor that the base does not have belongs to the head. It is dense, of any
// dtype except F64, under its name in the tuned checkpoint.
//
// Or it has parts NAME#… like a masked tensor without positions, whose values are changes
// from 0, and one part more:
//
//	shape  U32 [d]  the d dimensions of the tensor; all are above 0
//
// The values are in bf16, int8, int4 or sign, whatever the metadata's codings are. A
// reader decodes them to F32.
//
// # Resized tables
//
// The tuned checkpoint's table can have more or fewer rows than the base's, if its
// vocabulary was resized. The base's is then a tensor of two dimensions, and
// metadata key rows has its name and the number of rows R in the tuned checkpoint,
// which is not the number B in the base. The table is stored in one of the three
// ways above, as if it had B rows. With R above B, the part
//
//	added  F32, F16 or BF16 [R − B, C]
//
// of the table has the tuned checkpoint's values of the rows after the base's last,
// whatever the coding of other values is. All are finite. With R below B there is no
// such part, and the values of the rows from R on mean nothing.
//
// # The tokenizer
//
// A file has the tuned checkpoint's tokenizer if it gives other token ids than the
// base's for any text. Each file of the tokenizer is one tensor
//
//	#tokenizer/NAME  U8 [n]
//
// NAME is the file's name in a Hugging Face folder: letters, digits, ".", "_" and
// "-", at most 64 of them, no "." at the beginning. The n bytes are one zlib stream
// (RFC 1950) of the file's content. All files together have at most 64 MiB before
// compression. The file config.json has only the members on which the choice of a
// tokenizer depends, model_type and tokenizer_class.
//
// # Masked tensors
//
// The parts of a masked tensor tell which values are kept (the positions) and what
// they are. Positions have one of three forms: bitmaps, gaps, or none if every
// value is kept. A writer uses the form with which the parts of the tensor take the
// fewest bytes; if they take the same, it prefers none, then bitmaps, then gaps.
// With bitmaps and gaps, rows are grouped in tiles of H consecutive rows. The last
// tile may have rows beyond the last row of the tensor, which keep nothing. Only
// tiles that keep a value are stored.
//
// The values of a tile are in one of two orders. In column order they are sorted by
// column and then by row. A kernel walks a panel of 16 output rows in this order,
// so it can write the values into a copy of the base's panel one after the other.
// In row order they are sorted by row and then by column, for tensors whose rows
// are looked up one by one (embedding tables) and for tensors of one row. The part
// with the index of the tiles tells the order by its name: "tiles" for column
// order, "rows" for row order. With T stored tiles, C columns and n kept values, n
// below 2³², the parts of the positions are
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
//	  gaps   U8 [G]         see below; for the coding sign, "steps" instead
//	gaps, row order, H = 16
//	  rows   U32 [3, T]     the index
//	  gaps   U8 [G]         see below; for the coding sign, "steps" instead
//	none, row order, H = 1
//	  no part               T is the number of rows, n the number of values
//
// The rows of the index are
//
//	0  the indices of the tiles, strictly rising: tile i has the rows H·i to
//	   H·i + H − 1
//	1  the ends of values: the number of values in this tile and all before it;
//	   strictly rising, the last is n
//	2  with gaps, the ends of gaps: the number of bytes of gaps of this tile and
//	   all before it; strictly rising, the last is G
//
// # Gaps
//
// The gaps of a tile are the distances from each kept position to the next. The
// position of (row r, column c) of the tile is 16·c + r in column order and C·r + c
// in row order. Start at p = −1. Each byte b of "gaps" means
//
//	b < 255  add b + 1 to p, and keep position p
//	255      add 255 to p; this is a skip, which keeps nothing
//
// In "steps" the lower seven bits have the same meaning, with 127 in place of 255,
// and bit 7 is the sign of the value, as in the coding sign. There is no further
// part with values. Bit 7 of a skip is 0. A tile does not end in a skip.
//
// # Value codings
//
// The part with the values has the name of their coding. Values are sorted by tile,
// and within a tile in the order of the tile. With b for the base's value:
//
//	f32    F32 [n]        the tuned value itself, exact
//	bf16   BF16 [n]       b + q
//	int8   I8 [n]         b + float32(scale · q), q in −127 … 127
//	int4   U8 [⌈n/2⌉]     b + float32(scale · q), q in −7 … 7 in two's
//	                      complement; value i is in the lower half of byte i/2 if i
//	                      is even, and in the upper half if i is odd
//	sign   U8 [⌈n/8⌉]     b + scale if bit i%8 of byte i/8 is 1, for value i;
//	                      b − scale if it is 0
//
// Bits after the last value are 0. b is converted to float32 first, and product and
// sum are each rounded to float32, so every reader gets the same bits. bf16 stores
// the change from the base, tuned − b in float32, rounded to the nearest bfloat16,
// ties to even. All values are finite. f32 has no form without positions: a dense
// tensor is the same.
//
// The codings int8, int4 and sign have the part
//
//	scales  F32 [1]       one scale for the tensor, or
//	        F32 [T, H]    one for each row of each stored tile
//
// Scales are finite and not negative. A writer uses one scale for each row if the
// rows that keep values keep 64 or more on average, and else one for the tensor.
// The scale is, of the changes that share it, for sign the mean magnitude, for int8
// the largest magnitude over 127, and for int4 a scale that makes the sum of
// squared errors small. A writer does not keep a value whose change is rounded to
// zero, unless there are no positions.
//
// # Order and padding
//
// The last tensor of the file is "#pad", U8 [64], all zeros, so that a kernel may
// load a whole vector at the end of any part. A writer stores tensors with wide
// elements before those with narrow ones, which aligns every part to its elements.
// A reader does not rely on it.
//
// # A tile, byte by byte
//
// A matrix "w" has 3 rows and 16 columns, so one tile in column order. Its tuned
// values differ from the base's at three places: row 0, column 1 by +0.5; row 2,
// column 1 by −0.5; row 1, column 12 by +0.5. The coding is sign. The positions
// 16·c + r are 16, 18 and 193. Gaps take the fewest bytes, so the file has the parts
//
//	w#tiles   U32 [3, 1]
//	          00 00 00 00    index of the tile: 0, the rows 0 to 15
//	          03 00 00 00    end of values: 3
//	          04 00 00 00    end of gaps: 4 bytes
//	w#steps   U8 [4]
//	          90             from −1 to 16: 17 = 16 + 1; bit 7 is 1: b + scale
//	          01             from 16 to 18: 2 = 1 + 1; bit 7 is 0: b − scale
//	          7f             a skip: from 18 to 145
//	          af             from 145 to 193: 48 = 47 + 1; bit 7 is 1: b + scale
//	w#scales  F32 [1]
//	          00 00 00 3f    0.5, the mean magnitude of the changes
//
// With bitmaps it would have
//
//	w#tiles   U32 [2, 1]
//	          00 00 00 00    index of the tile
//	          03 00 00 00    end of values
//	w#mask    U16 [1, 16]
//	          00 00          column 0: no row
//	          05 00          column 1: bits 0 and 2, the rows 0 and 2
//	          00 00 …        the columns 2 to 11: no row
//	          02 00          column 12: bit 1, row 1
//	          00 00 …        the columns 13 to 15: no row
//	w#sign    U8 [1]
//	          05             bits 0 and 2 are 1: b + scale for the values 0 and 2
//	w#scales  F32 [1]
//	          00 00 00 3f
//
// Whole files of both layouts, with the meaning of each byte, are in testdata/fast.txt
// and pack/testdata/small.txt.
//
// # The small layout
//
// The small layout has the same content with less redundancy. With the base, it can
// be converted back to the fast file, byte for byte. The metadata are those of the
// fast file, version included, except for layout, the digests and fast_sha256. Tensors
// that the base does not have are stored as in the fast layout, with all their parts. So are the tokenizer,
// the part added of resized tables, and dense tensors of the base that are empty or
// whose counterpart in the base is not of floats. Every other tensor NAME has one part,
//
//	packed  U8 [n]
//
// whose shapes follow from the base. There is no #pad. A fast file can be packed only
// if its tensors are sorted by the size of their elements, widest first, and then by
// name, with #pad at the end.
//
// Packed tensors must be read in the byte order of NAME (not of NAME#packed), since
// a stream may use the code of an earlier one. A packed tensor consists of
//
//	number   an unsigned LEB128 number, as in Protocol Buffers
//	stream   m bytes, in one of the encodings below; the reader knows m
//	planes   numbers of w bytes, as w streams: all lowest bytes, all second lowest
//	         bytes, and so on
//	rising   strictly rising numbers of 4 bytes, in planes: the first number, and
//	         for each other number x − y − 1, where y is the number before x
//
// in this order:
//
//	kind       a byte: bits 0 to 2 are the coding, 0 f32, 1 bf16, 2 int8, 3 int4,
//	           4 sign; bit 3 bitmaps; bit 4 gaps (f32 with neither is a dense
//	           tensor); bit 5 row order, also set without positions; bit 6 one
//	           scale for each row, only if the coding has scales; bit 7, only with
//	           gaps, every unit keeps something
//	bitmaps    a number, T; the indices of the tiles, rising; a stream, the bytes
//	           of mask
//	gaps       a number, G; unless bit 7 of kind is set, a stream of ⌈U/8⌉ bytes,
//	           where bit u%8 of byte u/8 tells whether unit u keeps something and
//	           the other bits are 0; a stream of G bytes, the gaps; for sign, a
//	           number, n, and a stream of ⌈n/8⌉ bytes with one bit for each kept
//	           position as in the coding sign, the other bits 0
//	values     of f32, in planes: the zigzag of o(value) − o(base's value) modulo
//	           2³². o maps floats to integers in the same order: it inverts all
//	           bits if bit 31 is set, and else bit 31 alone. Zigzag maps d ≥ 0 to
//	           2d and d < 0 to −2d − 1.
//	           bf16, in planes: the bits rotated to the right by 3.
//	           int8, int4 and, unless they are in steps, sign: a stream, the
//	           bytes of the part
//	scales     the bits of the scales, in planes: of one, or of T·H
//
// A unit is a tile in column order and a row in row order. A tensor has U units. The
// gaps here are those of the whole tensor (see Gaps), starting at p = −1. They count
// the positions of the units that keep something, one unit after the other, as if
// there were no other units; a unit has 16·C positions if it is a tile, and C if it
// is a row. For sign they are as in steps, with bit 7 cleared. A writer sets the bits
// of exactly the units that keep something; a reader requires that each run of
// adjacent units of one tile keeps something. The ends of values and of gaps follow
// from the positions.
//
// A stream begins with a byte, its encoding, which is 0 if m is 0:
//
//	0  the m bytes
//	1  one byte, to which all m bytes are equal
//	2  a number, the size of what follows; a Huffman code
//	3  a number, the size of what follows; rare bytes
//	4  a number, the size of what follows; an earlier Huffman code
//
// Rare bytes consist of the most frequent byte; a number r, how many other bytes
// there are; a number g; a stream of g bytes, the positions of the other bytes as
// gaps (see Gaps) from p = −1; and a stream of r bytes, the other bytes. Streams of
// rare bytes are nested at most three deep.
//
// A Huffman code consists of the code lengths of all bytes; three numbers, the sizes
// of the first three of four parts; and the parts. Bits are read from the lowest bit
// of a byte on. The code lengths of the bytes 0, 1, … are written in relation to the
// length before, which is 0 at the beginning:
//
//	0           the same
//	10          one more
//	110         one less
//	1110        this byte and all that follow have no code; the list ends
//	1111 abcd   a + 2b + 4c + 8d
//
// The rest of the last byte is 0. An earlier Huffman code has a byte i in place of the
// code lengths: the code is that of the stream with encoding 2 that comes last but i,
// in this tensor or one before it, including streams within rare bytes. i is at most
// 15. No code length is above 11. Length 0 means that the byte does not occur. The
// code is full. Codes are assigned in the order of code length and then byte: the
// first consists of zeros, and each next one is greater by one, with zeros appended
// where the length grows. The first bit of a code is its most significant bit. Each
// part codes ⌈m/4⌉ bytes, as long as there are that many, and is filled with zeros to
// a whole byte.
//
// # Limits
//
// The header has at most 1 MiB. A name has at most 512 bytes, including its part. A
// dimension is below 2³².
//
// # Refusals
//
// A reader refuses every departure from this specification, and whatever package
// safetensors refuses in the container. See the Err variables. A reader takes shapes
// from the base and never relies on those in the delta: [Delta.Check] compares them
// before the delta may be applied.
package delta
