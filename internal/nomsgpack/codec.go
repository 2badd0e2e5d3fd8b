// Package codec stands in for github.com/ugorji/go/codec, which gin imports to
// read and write MessagePack. kenserve does neither: it reads request bodies
// itself, and all of its routes speak JSON. The real package costs a fifth of the
// processor time of a build (25 of 122 s on a busy machine) and 9 MB of the program. gin can leave
// it out by its tag nomsgpack, but a plain `go build` sets no tags. So go.mod
// replaces the package by this one, which has the names that gin uses and refuses
// to do anything.
//
// If a new version of gin needs another name, the build fails and tells which.
package codec

import (
	"errors"
	"io"
)

var errNoMessagePack = errors.New("MessagePack is not supported: this build replaces github.com/ugorji/go/codec")

// MsgpackHandle selects MessagePack.
type MsgpackHandle struct{}

// Encoder refuses to encode.
type Encoder struct{}

// NewEncoder returns an Encoder.
func NewEncoder(io.Writer, *MsgpackHandle) *Encoder { return new(Encoder) }

// Encode returns an error.
func (*Encoder) Encode(any) error { return errNoMessagePack }

// Decoder refuses to decode.
type Decoder struct{}

// NewDecoder returns a Decoder.
func NewDecoder(io.Reader, *MsgpackHandle) *Decoder { return new(Decoder) }

// Decode returns an error.
func (*Decoder) Decode(any) error { return errNoMessagePack }
