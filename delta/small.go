package delta

import (
	"errors"
	"fmt"
	"maps"
	"sort"
	"strings"

	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// Small is an open delta file in the small layout. Of what it holds, only the
// head can be read before it is unpacked.
type Small struct {
	Info
	SHA256     string        // the file's digest
	FastSHA256 string        // that of the file in the fast layout
	Size       int64         // the file's length in bytes
	Tensors    []SmallTensor // sorted by name

	file *safetensors.File
}

// SmallTensor is one tensor of a small file: Dense or Packed is set.
type SmallTensor struct {
	Name   string // in the base; the tuned checkpoint's name for the head
	Dense  *safetensors.Tensor
	Packed []byte
}

// partPacked is the only part of tensors in the small layout.
const partPacked = "packed"

// ErrCanonical means a delta file that is valid but not as this package writes
// it: packed, it could not be given back.
var ErrCanonical = errors.New("not in the order of this program's writer")

// OpenSmall maps the delta file at path, which is in the small layout, and
// checks its metadata and digest.
func OpenSmall(path string) (*Small, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, fmt.Errorf("delta: %w", err)
	}
	s, err := readSmall(f)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("delta: open %s: %w", path, err)
	}
	return s, nil
}

// ParseSmall reads a small file that is already in memory.
func ParseSmall(data []byte) (*Small, error) {
	f, err := safetensors.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("delta: %w", err)
	}
	s, err := readSmall(f)
	if err != nil {
		return nil, fmt.Errorf("delta: %w", err)
	}
	return s, nil
}

// Close unmaps the file. No tensor may be used any more.
func (s *Small) Close() error { return s.file.Close() }

func readSmall(f *safetensors.File) (*Small, error) {
	info, err := parseInfo(f.Metadata(), layoutSmall)
	if err != nil {
		return nil, err
	}
	s := &Small{Info: info, SHA256: f.Metadata()[digestKey], FastSHA256: f.Metadata()[fastDigestKey], Size: int64(len(f.Data())), file: f}
	for _, name := range f.Names() {
		t, _ := f.Tensor(name)
		tensor, part, packed := strings.Cut(name, "#")
		switch {
		case !packed:
			if err := checkFinite(t); err != nil {
				return nil, fmt.Errorf("tensor %s: %w", name, err)
			}
			s.Tensors = append(s.Tensors, SmallTensor{Name: name, Dense: t})
		case part != partPacked:
			return nil, fmt.Errorf("%w: tensor %s: part %q", ErrPart, tensor, part)
		default:
			data, err := vector[byte](t, safetensors.U8)
			if err != nil {
				return nil, fmt.Errorf("tensor %s: %w", tensor, err)
			}
			s.Tensors = append(s.Tensors, SmallTensor{Name: tensor, Packed: data})
		}
	}
	sort.Slice(s.Tensors, func(i, j int) bool { return s.Tensors[i].Name < s.Tensors[j].Name })
	for i := range s.Tensors {
		if i > 0 && s.Tensors[i].Name == s.Tensors[i-1].Name {
			return nil, fmt.Errorf("%w: tensor %s: dense and packed", ErrPart, s.Tensors[i].Name)
		}
	}
	return s, checkDigest(f.Data(), s.SHA256)
}

// Pack writes a delta to path in the small layout. base is its base, whose
// fingerprint is given: the delta is checked against it, and exact values are
// written as differences from its own. What was packed is unpacked again and
// compared with the delta's digest before the file appears.
func Pack(d *Delta, path string, base Tensors, fingerprint string) error {
	if err := d.Check(base, fingerprint); err != nil {
		return err
	}
	w, err := Create(path)
	if err != nil {
		return err
	}
	defer w.Abort()
	s := &Small{Info: d.Info, FastSHA256: d.SHA256}
	var p packer
	for i := range d.Tensors {
		t := &d.Tensors[i]
		b, ok := base.Tensor(t.Name)
		if !ok || t.Dense != nil && (t.Dense.Len() == 0 || !b.DType.Float()) {
			s.Tensors = append(s.Tensors, SmallTensor{Name: t.Name, Dense: t.Dense})
			if err := w.Dense(t.Dense); err != nil {
				return err
			}
			continue
		}
		m := t.Masked
		if m == nil {
			if m, err = wholeFloat32s(t.Dense); err != nil {
				return fmt.Errorf("delta: tensor %s: %w", t.Name, err)
			}
		}
		packed := p.tensor(m, b)
		s.Tensors = append(s.Tensors, SmallTensor{Name: t.Name, Packed: packed})
		if err := w.part(t.Name+"#"+partPacked, safetensors.U8, []int{len(packed)}, packed); err != nil {
			return err
		}
	}
	metadata := maps.Clone(d.metadata)
	metadata[layoutKey] = layoutSmall
	metadata[fastDigestKey] = d.SHA256
	metadata[digestKey] = noDigest
	again, err := s.spool(path, base, fastMetadata(metadata))
	if errors.Is(err, ErrDigest) {
		err = ErrCanonical
	}
	if err != nil {
		return fmt.Errorf("delta: pack %s: %w", path, err)
	}
	again.Abort()
	digest, err := w.digest(metadata)
	if err != nil {
		return err
	}
	return w.write(metadata, digest)
}

// wholeFloat32s takes a dense tensor of the base as one that keeps everything.
func wholeFloat32s(t *safetensors.Tensor) (*sparse.Tensor, error) {
	_, columns := t.Rows()
	m := &sparse.Tensor{Coding: Float32, RowMajor: true, Height: 1, Columns: columns}
	var err error
	m.Float32s, err = safetensors.View[float32](t)
	return m, err
}

// fastMetadata returns the metadata of the fast file that a small one with the
// given metadata holds, with a digest of zeros.
func fastMetadata(small map[string]string) map[string]string {
	m := maps.Clone(small)
	m[layoutKey] = layoutFast
	m[digestKey] = noDigest
	delete(m, fastDigestKey)
	return m
}

// Unpack writes the delta to path in the fast layout, the bytes that were
// packed. base is the delta's base, whose fingerprint is given. The result is
// compared with its digest before it appears; what a digest does not tell, a
// delta that was never valid, is for [Open] and [Delta.Check] to refuse.
func (s *Small) Unpack(path string, base Tensors, fingerprint string) error {
	if s.BaseSHA256 != fingerprint {
		return fmt.Errorf("delta: unpack: %w: made for %s (%s), this is %s", ErrBase, s.BaseSHA256, s.BaseName, fingerprint)
	}
	metadata := fastMetadata(s.file.Metadata())
	w, err := s.spool(path, base, metadata)
	if err != nil {
		return fmt.Errorf("delta: unpack: %w", err)
	}
	defer w.Abort()
	return w.write(metadata, s.FastSHA256)
}

// spool unpacks all tensors to a writer and compares the digest.
func (s *Small) spool(path string, base Tensors, metadata map[string]string) (_ *Writer, err error) {
	w, err := Create(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			w.Abort()
		}
	}()
	var d decoder
	for i := range s.Tensors {
		t := &s.Tensors[i]
		if t.Dense != nil {
			if err := w.Dense(t.Dense); err != nil {
				return nil, err
			}
			continue
		}
		m, shape, err := d.tensor(t, base)
		if err != nil {
			return nil, fmt.Errorf("tensor %s: %w", t.Name, err)
		}
		if m.Coding == Float32 && m.Whole() {
			err = w.part(t.Name, safetensors.F32, shape, safetensors.Bytes(m.Float32s))
		} else {
			err = w.masked(t.Name, m)
		}
		if err != nil {
			return nil, err
		}
	}
	digest, err := w.digest(metadata)
	if err != nil {
		return nil, err
	}
	if digest != s.FastSHA256 {
		return nil, fmt.Errorf("%w of what was unpacked: %s, the header says %s", ErrDigest, digest, s.FastSHA256)
	}
	return w, nil
}

// tensor unpacks a tensor of the base, and returns its shape there.
func (d *decoder) tensor(t *SmallTensor, base Tensors) (*sparse.Tensor, []int, error) {
	b, ok := base.Tensor(t.Name)
	if !ok {
		return nil, nil, ErrTensor
	}
	if !b.DType.Float() {
		return nil, nil, fmt.Errorf("%w: the base's is %s, only F32, F16 and BF16 can be packed", ErrDType, b.DType)
	}
	m, err := d.unpack(t.Packed, b)
	return m, b.Shape, err
}
