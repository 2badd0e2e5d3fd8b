package delta

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/bits"
	"sort"
	"strings"

	"kenserve/safetensors"
)

// Delta is an open delta file. It is read-only and may be used by any number
// of goroutines until Close.
type Delta struct {
	Info
	SHA256  string   // the file's digest
	Size    int64    // the file's length in bytes
	Tensors []Tensor // sorted by name

	file *safetensors.File
}

// Tensor is one tensor of a delta: Dense or Masked is set.
type Tensor struct {
	Name   string // in the base; the tuned checkpoint's name for the head
	Dense  *safetensors.Tensor
	Masked *Masked
	Bytes  int64 // of its parts in the file
}

// The parts of a masked tensor, and the padding.
const (
	partTiles   = "tiles"
	partEnds    = "ends"
	partMask    = "mask"
	partValues  = "values"
	partScales  = "scales"
	padName     = "#pad"
	padBytes    = 64
	maxInt32Dim = math.MaxUint32
)

// Open maps the delta file at path and checks everything that can be checked
// without the base, the digest included. [Delta.Check] does the rest.
func Open(path string) (*Delta, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, fmt.Errorf("delta: %w", err)
	}
	d, err := read(f)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("delta: open %s: %w", path, err)
	}
	return d, nil
}

// Parse reads a delta that is already in memory. The Delta aliases data.
func Parse(data []byte) (*Delta, error) {
	f, err := safetensors.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("delta: %w", err)
	}
	d, err := read(f)
	if err != nil {
		return nil, fmt.Errorf("delta: %w", err)
	}
	return d, nil
}

// Close unmaps the file. No tensor may be used any more.
func (d *Delta) Close() error { return d.file.Close() }

// Tensor returns the tensor called name.
func (d *Delta) Tensor(name string) (*Tensor, bool) {
	i := sort.Search(len(d.Tensors), func(i int) bool { return d.Tensors[i].Name >= name })
	if i < len(d.Tensors) && d.Tensors[i].Name == name {
		return &d.Tensors[i], true
	}
	return nil, false
}

func read(f *safetensors.File) (*Delta, error) {
	info, err := parseInfo(f.Metadata())
	if err != nil {
		return nil, err
	}
	d := &Delta{Info: info, file: f, Size: int64(len(f.Data()))}
	names := f.Names()
	if err := checkPadding(f, names); err != nil {
		return nil, err
	}
	groups := map[string]map[string]*safetensors.Tensor{}
	for _, name := range names[:len(names)-1] {
		t, _ := f.Tensor(name)
		for _, n := range t.Shape {
			if n > maxInt32Dim {
				return nil, fmt.Errorf("%w: tensor %s: dimension %d", ErrShape, name, n)
			}
		}
		tensor, part := name, ""
		if i := strings.IndexByte(name, '#'); i >= 0 {
			tensor, part = name[:i], name[i+1:]
			switch part {
			case partTiles, partEnds, partMask, partValues, partScales:
			default:
				return nil, fmt.Errorf("%w: tensor %s: part %q", ErrPart, tensor, part)
			}
		}
		if groups[tensor] == nil {
			groups[tensor] = map[string]*safetensors.Tensor{}
		}
		groups[tensor][part] = t
	}
	for name, parts := range groups {
		t := Tensor{Name: name}
		for _, part := range parts {
			t.Bytes += int64(len(part.Data))
		}
		if dense := parts[""]; dense != nil {
			if len(parts) > 1 {
				return nil, fmt.Errorf("%w: tensor %s: dense and masked", ErrPart, name)
			}
			if err := checkFinite(dense); err != nil {
				return nil, fmt.Errorf("tensor %s: %w", name, err)
			}
			t.Dense = dense
		} else if t.Masked, err = readMasked(parts, info.Coding); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", name, err)
		}
		d.Tensors = append(d.Tensors, t)
	}
	sort.Slice(d.Tensors, func(i, j int) bool { return d.Tensors[i].Name < d.Tensors[j].Name })
	d.SHA256 = f.Metadata()[digestKey]
	if err := checkDigest(f.Data(), d.SHA256); err != nil {
		return nil, err
	}
	return d, nil
}

func checkPadding(f *safetensors.File, names []string) error {
	if len(names) == 0 || names[len(names)-1] != padName {
		return fmt.Errorf("%w: the last tensor is not %s", ErrPadding, padName)
	}
	pad, _ := f.Tensor(padName)
	if pad.DType != safetensors.U8 || !bytes.Equal(pad.Data, make([]byte, padBytes)) {
		return fmt.Errorf("%w: %s is not %d zero bytes", ErrPadding, padName, padBytes)
	}
	return nil
}

// checkDigest compares the digest with that of the bytes, its own digits taken
// as zeros.
func checkDigest(data []byte, want string) error {
	if _, err := hexDigest(want); err != nil {
		return fmt.Errorf("%w %s: %w", ErrMetadata, digestKey, err)
	}
	// The digits can only be looked for in the header; parse has seen to it
	// that it lies within the data.
	n := int(uint32(data[0])|uint32(data[1])<<8|uint32(data[2])<<16) + 8
	at := bytes.Index(data[:n], []byte(want))
	if at < 0 || bytes.Contains(data[at+1:n], []byte(want)) {
		return fmt.Errorf("%w: its digits stand not once in the header", ErrDigest)
	}
	h := sha256.New()
	h.Write(data[:at])
	h.Write([]byte(noDigest))
	h.Write(data[at+len(want):])
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("%w: %s, the header says %s", ErrDigest, got, want)
	}
	return nil
}

// checkFinite refuses NaN and infinity in a tensor of floats.
func checkFinite(t *safetensors.Tensor) error {
	if t.DType == safetensors.F64 {
		return fmt.Errorf("%w %s: dense tensors are F32, F16, BF16 or integers", ErrDType, t.DType)
	}
	if !t.DType.Float() {
		return nil
	}
	var block [1024]float32
	for from := 0; from < t.Len(); from += len(block) {
		part := block[:min(len(block), t.Len()-from)]
		if err := t.Float32s(part, from); err != nil {
			return err
		}
		if i := firstNotFinite(part); i >= 0 {
			return fmt.Errorf("%w: element %d is %g", ErrValue, from+i, part[i])
		}
	}
	return nil
}

func firstNotFinite(x []float32) int {
	for i, v := range x {
		if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
			return i
		}
	}
	return -1
}

// readMasked puts the parts of a masked tensor together and checks all that
// they say about each other.
func readMasked(parts map[string]*safetensors.Tensor, coding Coding) (*Masked, error) {
	for _, name := range []string{partTiles, partEnds, partMask, partValues} {
		if parts[name] == nil {
			return nil, fmt.Errorf("%w %s is missing", ErrPart, name)
		}
	}
	if (parts[partScales] != nil) != coding.scaled() {
		return nil, fmt.Errorf("%w %s does not go with coding %s", ErrPart, partScales, coding)
	}
	m := &Masked{Coding: coding}
	var err error
	if m.Tiles, err = vector[uint32](parts[partTiles], safetensors.U32); err != nil {
		return nil, err
	}
	if m.Ends, err = vector[uint32](parts[partEnds], safetensors.U32); err != nil {
		return nil, err
	}
	if len(m.Tiles) == 0 || len(m.Ends) != len(m.Tiles) {
		return nil, fmt.Errorf("%w: %d tiles, %d ends", ErrShape, len(m.Tiles), len(m.Ends))
	}
	if err := m.readMask(parts[partMask], parts[partScales]); err != nil {
		return nil, err
	}
	for t := range m.Tiles {
		if t > 0 && m.Tiles[t] <= m.Tiles[t-1] {
			return nil, fmt.Errorf("%w: tile %d after tile %d", ErrOrder, m.Tiles[t], m.Tiles[t-1])
		}
		kept, most := int(m.Ends[t])-m.start(t), m.Height*m.Columns
		if kept <= 0 || kept > most {
			return nil, fmt.Errorf("%w: tile %d keeps %d values of %d", ErrOrder, m.Tiles[t], kept, most)
		}
		counted, err := m.count(t)
		if err != nil {
			return nil, err
		}
		if counted != kept {
			return nil, fmt.Errorf("%w: tile %d keeps %d values, its mask has %d", ErrCount, m.Tiles[t], kept, counted)
		}
	}
	return m, m.readValues(parts[partValues], parts[partScales])
}

// vector views a part of one dimension.
func vector[T safetensors.Number](t *safetensors.Tensor, dtype safetensors.DType) ([]T, error) {
	if t.DType != dtype {
		return nil, fmt.Errorf("%w of %s: %s, want %s", ErrDType, t.Name, t.DType, dtype)
	}
	if len(t.Shape) != 1 {
		return nil, fmt.Errorf("%w of %s: %v, want one dimension", ErrShape, t.Name, t.Shape)
	}
	return safetensors.View[T](t)
}

// readMask reads the mask and, for the codings that have them, the scales. For
// a mask of height 1 the columns are known to a byte only: Check settles them.
func (m *Masked) readMask(mask, scales *safetensors.Tensor) (err error) {
	if len(mask.Shape) != 2 || mask.Shape[0] != len(m.Tiles) || mask.Shape[1] == 0 {
		return fmt.Errorf("%w of the mask: %v for %d tiles", ErrShape, mask.Shape, len(m.Tiles))
	}
	switch mask.DType {
	case safetensors.U16:
		m.Height, m.Columns = matrixHeight, mask.Shape[1]
		m.Mask16, err = safetensors.View[uint16](mask)
	case safetensors.U8:
		m.Height, m.Columns = tableHeight, 8*mask.Shape[1]
		m.Mask8 = mask.Data
	default:
		err = fmt.Errorf("%w of the mask: %s, want U16 or U8", ErrDType, mask.DType)
	}
	if err != nil || scales == nil {
		return err
	}
	if scales.DType != safetensors.F32 {
		return fmt.Errorf("%w of the scales: %s, want F32", ErrDType, scales.DType)
	}
	if len(scales.Shape) != 2 || scales.Shape[0] != len(m.Tiles) || scales.Shape[1] != m.Height {
		return fmt.Errorf("%w of the scales: %v, want [%d %d]", ErrShape, scales.Shape, len(m.Tiles), m.Height)
	}
	if m.Scales, err = safetensors.View[float32](scales); err != nil {
		return err
	}
	for i, s := range m.Scales {
		if !(s >= 0 && s <= math.MaxFloat32) {
			return fmt.Errorf("%w: scale of row %d is %g", ErrValue, int(m.Tiles[i/m.Height])*m.Height+i%m.Height, s)
		}
	}
	return nil
}

// count returns the number of bits in stored tile t's mask.
func (m *Masked) count(t int) (int, error) {
	n := 0
	if m.Height == matrixHeight {
		for _, mask := range m.Mask16[t*m.Columns : (t+1)*m.Columns] {
			n += bits.OnesCount16(mask)
		}
		return n, nil
	}
	stride := m.Columns / 8
	for _, mask := range m.Mask8[t*stride : (t+1)*stride] {
		n += bits.OnesCount8(mask)
	}
	return n, nil
}

func (m *Masked) readValues(values, scales *safetensors.Tensor) (err error) {
	n := m.Kept()
	var got int
	switch m.Coding {
	case Float32:
		if m.Float32s, err = vector[float32](values, safetensors.F32); err != nil {
			return err
		}
		if i := firstNotFinite(m.Float32s); i >= 0 {
			return fmt.Errorf("%w %d is %g", ErrValue, i, m.Float32s[i])
		}
		got = len(m.Float32s)
	case Int8:
		if m.Int8s, err = vector[int8](values, safetensors.I8); err != nil {
			return err
		}
		for i, q := range m.Int8s {
			if q == -128 {
				return fmt.Errorf("%w %d is -128", ErrValue, i)
			}
		}
		got = len(m.Int8s)
	case Sign:
		if m.Signs, err = vector[byte](values, safetensors.U8); err != nil {
			return err
		}
		if got = len(m.Signs); got == (n+7)/8 {
			got = n
			if n%8 != 0 && m.Signs[n/8]>>(n%8) != 0 {
				return fmt.Errorf("%w: bits after the last sign", ErrValue)
			}
		}
	}
	if got != n {
		return fmt.Errorf("%w: the tiles keep %d values, the file has %d", ErrCount, n, got)
	}
	return nil
}
