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

// maxHeader is the length of the longest header that is read or written, in bytes.
const maxHeader = 1 << 20

// metadataKey is the reserved name in the header.
const metadataKey = "__metadata__"

// ErrCorrupt is wrapped by every error about the content of a file that is read.
var ErrCorrupt = errors.New("not a valid safetensors file")

// ErrName means an empty or overlong tensor name. It wraps [ErrCorrupt].
var ErrName = fmt.Errorf("%w: tensor name", ErrCorrupt)

// The other reasons to refuse a file.
var (
	errTruncated    = fmt.Errorf("%w: shorter than its header", ErrCorrupt)
	errHeaderSize   = fmt.Errorf("%w: header too large", ErrCorrupt)
	errNotUTF8      = fmt.Errorf("%w: header is not UTF-8", ErrCorrupt)
	errSyntax       = fmt.Errorf("%w: header", ErrCorrupt) // not the JSON that the format defines
	errDuplicateKey = fmt.Errorf("%w: duplicate key", ErrCorrupt)
	errDType        = fmt.Errorf("%w: dtype", ErrCorrupt)        // unknown
	errShape        = fmt.Errorf("%w: shape", ErrCorrupt)        // too many dimensions, or the size overflows
	errOffsets      = fmt.Errorf("%w: data offsets", ErrCorrupt) // overlap, gap, or no match with shape or file
)

// parse parses the file in data. It returns the tensors, in the order of their data, which
// they alias, and the metadata.
func parse(data []byte) ([]Tensor, map[string]string, error) {
	n, err := headerBytes(data, uint64(len(data)))
	if err != nil {
		return nil, nil, err
	}
	body := data[8+n:]
	entries, metadata, err := parseHeader(data[8:8+n], uint64(len(body)))
	if err != nil {
		return nil, nil, err
	}
	tensors := make([]Tensor, len(entries))
	for i, e := range entries {
		tensors[i] = e.Tensor
		tensors[i].Data = body[e.begin:e.end:e.end]
	}
	return tensors, metadata, nil
}

// headerBytes returns the length of the header's JSON, which the first 8 bytes of a file of
// size bytes tell. beginning has as many of the file's bytes as there are, at least 8 of them.
func headerBytes(beginning []byte, size uint64) (uint64, error) {
	if len(beginning) < 8 {
		return 0, fmt.Errorf("%w: file of %d bytes", errTruncated, size)
	}
	n := binary.LittleEndian.Uint64(beginning)
	if n > maxHeader {
		return 0, fmt.Errorf("%w: %d bytes, at most %d are allowed", errHeaderSize, n, maxHeader)
	}
	if n > size-8 {
		return 0, fmt.Errorf("%w: header of %d bytes in a file of %d", errTruncated, n, size)
	}
	return n, nil
}

// entry is a tensor of a header, without its data, and the place of its data in the body.
type entry struct {
	Tensor
	begin, end uint64
}

// parseHeader parses the header's JSON. It returns the tensors in the order of their data,
// which must fill the body, of so many bytes, and the metadata.
func parseHeader(header []byte, body uint64) ([]entry, map[string]string, error) {
	if !utf8.Valid(header) {
		return nil, nil, errNotUTF8
	}
	d := newDecoder(header)
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
			return fmt.Errorf("%w of %d bytes, want 1 to %d", ErrName, len(key), MaxName)
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
					err = fmt.Errorf("%w: tensor %s: data_offsets has %d numbers, want 2", errSyntax, key, len(o))
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
			return fmt.Errorf("%w: tensor %s: want the fields dtype, shape and data_offsets", errSyntax, key)
		}
		count, err := elements(e.Shape, e.DType.Size())
		if err != nil {
			return fmt.Errorf("tensor %s: %w", key, err)
		}
		if e.begin > e.end || e.end-e.begin != uint64(count)*uint64(e.DType.Size()) {
			return fmt.Errorf("%w: tensor %s: offsets %d to %d, but %s %v takes %d bytes", errOffsets, key, e.begin, e.end, e.DType, e.Shape, count*e.DType.Size())
		}
		if e.end > body {
			return fmt.Errorf("%w: tensor %s ends at byte %d, the data at byte %d", errOffsets, key, e.end, body)
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, nil, fmt.Errorf("%w: text after the JSON object", errSyntax)
	}

	sort.SliceStable(entries, func(i, j int) bool {
		a, b := &entries[i], &entries[j]
		return a.begin < b.begin || a.begin == b.begin && a.end < b.end
	})
	next := uint64(0)
	for _, e := range entries {
		if e.begin != next {
			return nil, nil, fmt.Errorf("%w: tensor %s begins at byte %d, the previous one ends at byte %d", errOffsets, e.Name, e.begin, next)
		}
		next = e.end
	}
	if next != body {
		return nil, nil, fmt.Errorf("%w: the tensors end at byte %d, the data at byte %d", errOffsets, next, body)
	}
	return entries, metadata, nil
}

// decoder reads JSON token by token, so that errors can name the tensor.
type decoder struct{ *jsontext.Decoder }

// newDecoder returns a decoder. Like jsontext it refuses duplicate keys in an object and
// text that is not UTF-8.
func newDecoder(text []byte) decoder {
	return decoder{jsontext.NewDecoder(bytes.NewBuffer(text))}
}

// decodeError wraps an error of jsontext as errDuplicateKey or errSyntax.
func decodeError(context string, err error) error {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return fmt.Errorf("%w in %s: %v", errDuplicateKey, context, err)
	}
	return fmt.Errorf("%w: %s: %v", errSyntax, context, err)
}

// object reads an object. It calls field for each key; field must read the value.
func (d decoder) object(context string, field func(key string) error) error {
	if err := d.delim(context, '{'); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		key, err := d.string(context)
		if err != nil {
			return err
		}
		if err := field(key); err != nil {
			return err
		}
	}
	return d.delim(context, '}')
}

// delim reads the delimiter want.
func (d decoder) delim(context string, want jsontext.Kind) error {
	t, err := d.ReadToken()
	if err != nil {
		return decodeError(context, err)
	}
	if t.Kind() != want {
		return fmt.Errorf("%w: %s: %v, want %q", errSyntax, context, t, byte(want))
	}
	return nil
}

// string reads a string.
func (d decoder) string(context string) (string, error) {
	t, err := d.ReadToken()
	if err != nil {
		return "", decodeError(context, err)
	}
	if t.Kind() != '"' {
		return "", fmt.Errorf("%w: %s: %v, want a string", errSyntax, context, t)
	}
	return t.String(), nil
}

// numbers reads an array of at most limit non-negative integers.
func (d decoder) numbers(context string, limit int) ([]uint64, error) {
	if err := d.delim(context, '['); err != nil {
		return nil, err
	}
	var out []uint64
	for d.PeekKind() != ']' {
		number, err := d.ReadValue()
		if err != nil {
			return nil, decodeError(context, err)
		}
		if number.Kind() != '0' {
			return nil, fmt.Errorf("%w: %s: %s, want a number", errSyntax, context, number)
		}
		v, err := strconv.ParseUint(string(number), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %s, want a non-negative integer", errSyntax, context, number)
		}
		if len(out) == limit {
			return nil, fmt.Errorf("%w: %s: more than %d numbers", errShape, context, limit)
		}
		out = append(out, v)
	}
	return out, d.delim(context, ']')
}
