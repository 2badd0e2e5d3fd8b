// Package codec replaces github.com/ugorji/go/codec, which gin imports to read and
// write MessagePack. kenserve does not use MessagePack: it parses request bodies
// itself, and all of its routes use JSON. The real package takes a fifth of the
// processor time of a build and 9 MB of the program.
// gin leaves it out under its build tag nomsgpack, but a plain `go build` sets no
// tags. So go.mod replaces the package with this one, which declares the names that
// gin uses; its functions return an error.
//
// If a new version of gin needs another name, the build fails and reports it.
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
