package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxHeader is the longest header read or written, in bytes.
const maxHeader = 1 << 20

// metadataKey is the reserved name in the header.
const metadataKey = "__metadata__"

// What a reader refuses. Every one of them is an [ErrCorrupt].
var (
	// ErrCorrupt means that the bytes are not a valid file.
	ErrCorrupt = errors.New("not a valid safetensors file")
	// ErrTruncated means that the file ends before its header does.
	errTruncated = fmt.Errorf("%w: shorter than its header", ErrCorrupt)
	// ErrHeaderSize means a header beyond MaxHeader.
	errHeaderSize = fmt.Errorf("%w: header too large", ErrCorrupt)
	// ErrNotUTF8 means text in the header that is not UTF-8.
	errNotUTF8 = fmt.Errorf("%w: header is not UTF-8", ErrCorrupt)
	// ErrSyntax means a header that is not the JSON the format asks for.
	errSyntax = fmt.Errorf("%w: header", ErrCorrupt)
	// ErrDuplicateKey means a key that stands twice in one object.
	errDuplicateKey = fmt.Errorf("%w: duplicate key", ErrCorrupt)
	// ErrName means an empty or overlong tensor name.
	ErrName = fmt.Errorf("%w: tensor name", ErrCorrupt)
	// ErrDType means an unknown element type.
	errDType = fmt.Errorf("%w: dtype", ErrCorrupt)
	// ErrShape means a shape with too many dimensions, or whose product overflows.
	errShape = fmt.Errorf("%w: shape", ErrCorrupt)
	// ErrOffsets means offsets that run backwards, overlap, leave a hole, do
	// not fit the shape, or do not end exactly at the end of the file.
	errOffsets = fmt.Errorf("%w: data offsets", ErrCorrupt)
)

// ErrNotRegular means a path that is not a regular file (or a link to one).
var ErrNotRegular = errors.New("not a regular file")

// parse reads the container in data and returns its tensors in the order of
// their data, which they alias, and the metadata.
func parse(data []byte) ([]Tensor, map[string]string, error) {
	if len(data) < 8 {
		return nil, nil, fmt.Errorf("%w: %d bytes", errTruncated, len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	if n > maxHeader {
		return nil, nil, fmt.Errorf("%w: %d bytes, at most %d", errHeaderSize, n, maxHeader)
	}
	if n > uint64(len(data)-8) {
		return nil, nil, fmt.Errorf("%w: header of %d bytes, file of %d", errTruncated, n, len(data))
	}
	header, body := data[8:8+n], data[8+n:]
	if !utf8.Valid(header) {
		return nil, nil, errNotUTF8
	}
	d := newDecoder(header)

	type entry struct {
		Tensor
		begin, end uint64
	}
	var entries []entry
	var metadata map[string]string
	err := d.object("header", func(key string) error {
		if key == metadataKey {
			metadata = map[string]string{}
			return d.object(metadataKey, func(key string) error {
				s, err := d.string(key)
				metadata[key] = s
				return err
			})
		}
		if key == "" || len(key) > MaxName {
			return fmt.Errorf("%w: %d bytes, 1 to %d", ErrName, len(key), MaxName)
		}
		e := entry{Tensor: Tensor{Name: key}}
		seen := 0
		err := d.object(key, func(field string) error {
			seen++
			switch field {
			case "dtype":
				s, err := d.string(key)
				e.DType = DType(s)
				if err == nil && e.DType.Size() == 0 {
					err = fmt.Errorf("%w %q: tensor %s", errDType, s, key)
				}
				return err
			case "shape":
				dims, err := d.numbers(key, maxRank)
				e.Shape = make([]int, len(dims))
				for i, v := range dims {
					if v > math.MaxInt {
						return fmt.Errorf("%w: tensor %s: dimension %d", errShape, key, v)
					}
					e.Shape[i] = int(v)
				}
				return err
			case "data_offsets":
				o, err := d.numbers(key, 2)
				if err == nil && len(o) != 2 {
					err = fmt.Errorf("%w: tensor %s: data_offsets of %d numbers", errSyntax, key, len(o))
				}
				if err == nil {
					e.begin, e.end = o[0], o[1]
				}
				return err
			}
			return fmt.Errorf("%w: tensor %s: unknown field %q", errSyntax, key, field)
		})
		if err != nil {
			return err
		}
		if seen != 3 {
			return fmt.Errorf("%w: tensor %s: dtype, shape and data_offsets are needed", errSyntax, key)
		}
		count, err := elements(e.Shape, e.DType.Size())
		if err != nil {
			return fmt.Errorf("tensor %s: %w", key, err)
		}
		if e.begin > e.end || e.end-e.begin != uint64(count)*uint64(e.DType.Size()) {
			return fmt.Errorf("%w: tensor %s: %d to %d, %s %v needs %d bytes", errOffsets, key, e.begin, e.end, e.DType, e.Shape, count*e.DType.Size())
		}
		if e.end > uint64(len(body)) {
			return fmt.Errorf("%w: tensor %s: ends at %d, data at %d", errOffsets, key, e.end, len(body))
		}
		e.Data = body[e.begin:e.end:e.end]
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, nil, fmt.Errorf("%w: text after the object", errSyntax)
	}

	sort.SliceStable(entries, func(i, j int) bool {
		a, b := &entries[i], &entries[j]
		return a.begin < b.begin || a.begin == b.begin && a.end < b.end
	})
	tensors := make([]Tensor, len(entries))
	at := uint64(0)
	for i, e := range entries {
		if e.begin != at {
			return nil, nil, fmt.Errorf("%w: tensor %s: begins at %d, the one before ends at %d", errOffsets, e.Name, e.begin, at)
		}
		at = e.end
		tensors[i] = e.Tensor
	}
	if at != uint64(len(body)) {
		return nil, nil, fmt.Errorf("%w: tensors end at %d, data at %d", errOffsets, at, len(body))
	}
	return tensors, metadata, nil
}

// decoder walks JSON token by token: the errors then say which tensor it was.
type decoder struct{ *jsontext.Decoder }

// newDecoder refuses, as jsontext does, equal keys in one object and text that
// is not UTF-8.
func newDecoder(text []byte) decoder {
	return decoder{jsontext.NewDecoder(bytes.NewBuffer(text))}
}

// failed classifies an error of the decoder.
func decodeError(what string, err error) error {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return fmt.Errorf("%w in %s: %v", errDuplicateKey, what, err)
	}
	return fmt.Errorf("%w: %s: %v", errSyntax, what, err)
}

// object reads one object and calls field after each key, which must read the value.
func (d decoder) object(what string, field func(key string) error) error {
	if err := d.delim(what, '{'); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		key, err := d.string(what)
		if err != nil {
			return err
		}
		if err := field(key); err != nil {
			return err
		}
	}
	return d.delim(what, '}')
}

func (d decoder) delim(what string, want jsontext.Kind) error {
	t, err := d.ReadToken()
	if err != nil {
		return decodeError(what, err)
	}
	if t.Kind() != want {
		return fmt.Errorf("%w: %s: %v where %q belongs", errSyntax, what, t, byte(want))
	}
	return nil
}

func (d decoder) string(what string) (string, error) {
	t, err := d.ReadToken()
	if err != nil {
		return "", decodeError(what, err)
	}
	if t.Kind() != '"' {
		return "", fmt.Errorf("%w: %s: %v where a string belongs", errSyntax, what, t)
	}
	return t.String(), nil
}

// numbers reads an array of at most most non-negative integers.
func (d decoder) numbers(what string, most int) ([]uint64, error) {
	if err := d.delim(what, '['); err != nil {
		return nil, err
	}
	var out []uint64
	for d.PeekKind() != ']' {
		number, err := d.ReadValue()
		if err != nil {
			return nil, decodeError(what, err)
		}
		if number.Kind() != '0' {
			return nil, fmt.Errorf("%w: %s: %s where a number belongs", errSyntax, what, number)
		}
		v, err := strconv.ParseUint(string(number), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %s is not a size", errSyntax, what, number)
		}
		if len(out) == most {
			return nil, fmt.Errorf("%w: %s: more than %d numbers", errShape, what, most)
		}
		out = append(out, v)
	}
	return out, d.delim(what, ']')
}
