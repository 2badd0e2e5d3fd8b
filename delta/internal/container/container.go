// Package container has what the two layouts of a delta file have in common: the
// metadata keys that tell them apart, the digest, the parts of a masked tensor,
// and the writer that collects tensors and puts the digest into the header. The
// package comment of delta specifies all of it.
package container

// The metadata keys that depend on the layout or the version, and their values.
const (
	VersionKey    = "version"
	LayoutKey     = "layout"
	DigestKey     = "sha256"
	DataDigestKey = "data_blake3" // from version 2 on
	FastDigestKey = "fast_sha256" // in the small layout alone: digest of the file in the fast one

	Version1 = "1"
	Version2 = "2" // the version that this program writes

	LayoutFast  = "fast"
	LayoutSmall = "small"

	// NoDigest takes the place of the digest while it is computed.
	NoDigest = "0000000000000000000000000000000000000000000000000000000000000000"
)

// The padding at the end of the fast layout: zeros.
const (
	PadName  = "#pad"
	PadBytes = 64
)
