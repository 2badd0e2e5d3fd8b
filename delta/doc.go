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
//	layout         "fast", the layout described here
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
//	keep           optional; share of each row kept, in (0, 1]
//	scope          optional; "all" or "attention"
//	coding         "f32", "int8" or "sign": of all masked tensors
//	base_prefix    optional; see Names
//	tuned_prefix   optional; see Names
//	absent         optional; JSON array of the base's tensors that the tuned
//	               checkpoint does not have
//	producer       program and version that wrote the file
//	source_name    optional; name of the tuned checkpoint, for people
//	source_sha256  optional; fingerprint of the tuned checkpoint
//	notes          optional; free text
//	sha256         digest of the file, see below
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
// counterpart). A name with a "#" cannot be in a delta: it separates parts.
//
// # Tensors
//
// A tensor of the base is, in the file,
//
//	absent   all values are the base's
//	dense    a tensor NAME of the base's shape, F32: all values are its
//	masked   the parts NAME#tiles, NAME#ends, NAME#mask, NAME#values and, for
//	         int8 and sign, NAME#scales
//
// A tensor that the base does not have is dense, of any dtype, under its name
// in the tuned checkpoint: the head.
//
// # Masked tensors
//
// Rows are grouped in tiles of H consecutive rows, H being 16 or 1; the last
// tile may reach beyond the last row. Only tiles with a kept value are stored.
// With T stored tiles, C columns and n kept values the parts are
//
//	tiles    U32 [T]          their indices, strictly rising
//	ends     U32 [T]          kept values in this and all earlier tiles;
//	                          strictly rising, the last is n
//	mask     U16 [T, C]       H = 16: bit r of entry (t, c) says that row
//	                          16·tiles[t] + r keeps column c
//	         U8  [T, ⌈C/8⌉]   H = 1: bit c%8 of byte c/8 says that row
//	                          tiles[t] keeps column c; bits from C on are 0
//	values   one per kept value, in the order tile, column, row
//	scales   F32 [T, H]       one per row of a stored tile
//
// The dtype of the mask tells H. The order of the values is the order in which
// a kernel walks a panel of 16 output rows, so that it can expand them into a
// copy of the base without looking anything up. Rows beyond the tensor's last
// keep nothing. n is below 2³².
//
// # Value codings
//
//	f32    values F32 [n]        the value itself: the tuned bits
//	int8   values I8 [n]         base + float32(scale · q), q in −127 … 127
//	sign   values U8 [⌈n/8⌉]     bit i%8 of byte i/8 belongs to value i:
//	                             base + scale if it is 1, base − scale if 0;
//	                             bits from n on are 0
//
// The base's value is widened to float32 first, and product and sum are each
// rounded to float32: every reader gets the same bits. Scales are finite and
// not negative. A factor on the kept changes is already in them.
//
// # Order and padding
//
// The last tensor of the file is "#pad", U8 [64], zeros, so that a kernel may
// load a whole vector at the end of any part. Writers put wide elements before
// narrow ones, which aligns every part to its elements; readers do not rely on
// it.
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
