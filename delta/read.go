package delta

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// Delta is an open delta file. It is read-only and may be used by any number
// of goroutines until Close.
type Delta struct {
	Info
	SHA256  string   // the file's digest
	Size    int64    // the file's length in bytes
	Tensors []Tensor // sorted by name

	file     *safetensors.File
	metadata map[string]string // the header's
}

// Tensor is one tensor of a delta: Dense or Masked is set.
type Tensor struct {
	Name   string // in the base; the tuned checkpoint's name for the head
	Dense  *safetensors.Tensor
	Masked *sparse.Tensor
	Bytes  int64 // of its parts in the file
}

// The padding, and the largest dimension.
const (
	padName      = "#pad"
	padBytes     = 64
	maxDimension = math.MaxUint32
)

// Open maps the delta file at path and checks everything that can be checked
// without the base, the digest included. [Delta.Check] does the rest.
func Open(path string) (*Delta, error) { return File{Path: path, Fixed: true}.Open() }

// Open opens a file in the fast layout: it maps one that is fixed, and reads
// any other into memory.
func (f File) Open() (*Delta, error) {
	c, err := f.container()
	if err != nil {
		return nil, fmt.Errorf("delta: %w", err)
	}
	return readContainer(c, f.Path)
}

func (f File) container() (*safetensors.File, error) {
	if f.Fixed {
		return safetensors.Open(f.Path)
	}
	return safetensors.Load(f.Path)
}

func readContainer(f *safetensors.File, path string) (*Delta, error) {
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

// read checks the digest, which takes a quarter of the time, beside all else.
func read(f *safetensors.File) (*Delta, error) {
	digest := make(chan error, 1)
	go func() { digest <- checkDigest(f.Data(), f.Metadata()[digestKey]) }()
	d, err := readTensors(f)
	if wrong := <-digest; err == nil {
		err = wrong
	}
	if err != nil {
		return nil, err
	}
	f.Forget() // of thousands of open deltas it would be a good part
	return d, nil
}

func readTensors(f *safetensors.File) (*Delta, error) {
	info, err := parseInfo(f.Metadata(), layoutFast)
	if err != nil {
		return nil, err
	}
	d := &Delta{Info: info, file: f, metadata: f.Metadata(), Size: int64(len(f.Data()))}
	names := f.Names()
	if err := checkPadding(f, names); err != nil {
		return nil, err
	}
	groups := map[string]map[string]*safetensors.Tensor{}
	for _, name := range names[:len(names)-1] {
		t, _ := f.Tensor(name)
		for _, n := range t.Shape {
			if n > maxDimension {
				return nil, fmt.Errorf("%w: tensor %s: dimension %d", ErrShape, name, n)
			}
		}
		tensor, part := name, ""
		if i := strings.IndexByte(name, '#'); i >= 0 {
			tensor, part = name[:i], name[i+1:]
			if !slices.Contains(partNames, part) {
				return nil, fmt.Errorf("%w: tensor %s: part %q", ErrPart, tensor, part)
			}
		}
		if groups[tensor] == nil {
			groups[tensor] = map[string]*safetensors.Tensor{}
		}
		groups[tensor][part] = t
	}
	d.Tensors = make([]Tensor, 0, len(groups))
	for name, parts := range groups {
		t := Tensor{Name: strings.Clone(name)}
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
			own := *dense // not the whole directory's
			t.Dense = &own
		} else if t.Masked, err = readMasked(parts, &info); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", name, err)
		}
		d.Tensors = append(d.Tensors, t)
	}
	sort.Slice(d.Tensors, func(i, j int) bool { return d.Tensors[i].Name < d.Tensors[j].Name })
	d.SHA256 = f.Metadata()[digestKey]
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
