package pack

import (
	"errors"
	"fmt"
	"maps"
	"sort"
	"strings"

	"kenserve/delta"
	"kenserve/delta/internal/container"
	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// File is an open delta file in the small layout. Of what it holds, only the
// head can be read before it is unpacked.
type File struct {
	delta.Info
	SHA256     string   // the file's digest
	FastSHA256 string   // that of the file in the fast layout
	Size       int64    // the file's length in bytes
	Tensors    []Tensor // sorted by name

	file *safetensors.File
}

// Tensor is one tensor of a small file: Dense or Packed is set.
type Tensor struct {
	Name   string // in the base; the tuned checkpoint's name for the head
	Dense  *safetensors.Tensor
	Packed []byte
}

// partPacked is the only part of tensors in the small layout.
const partPacked = "packed"

// errOrder refuses to pack a valid file whose tensors are in another order than
// this program writes: unpacking would give other bytes.
var errOrder = errors.New("the file's tensors are not in the order in which this program writes them, so it cannot be packed")

// Open maps the delta file at path, which must be in the small layout, and checks
// its metadata and digest. Nobody may write to the file while it is open.
func Open(path string) (*File, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, fmt.Errorf("delta: %w", err)
	}
	return Read(f, path)
}

// Read is Open of a container that was read from path. On success the File owns
// it; on an error Read closes it.
func Read(f *safetensors.File, path string) (*File, error) {
	s, err := read(f)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("delta: open %s: %w", path, err)
	}
	return s, nil
}

// IsSmall reports whether a container says that it is a delta in the small layout.
func IsSmall(f *safetensors.File) bool {
	return f.Metadata()[container.LayoutKey] == container.LayoutSmall
}

// Close unmaps the file. No tensor may be used any more.
func (s *File) Close() error { return s.file.Close() }

func read(f *safetensors.File) (*File, error) {
	s, err := readTensors(f)
	if err == nil {
		err = container.CheckDigest(f.Data(), s.SHA256)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", delta.ErrCorrupt, err)
	}
	return s, nil
}

func readTensors(f *safetensors.File) (*File, error) {
	info, err := delta.ParseInfo(f.Metadata(), container.LayoutSmall)
	if err != nil {
		return nil, err
	}
	s := &File{Info: info, SHA256: f.Metadata()[container.DigestKey], FastSHA256: f.Metadata()[container.FastDigestKey], Size: int64(len(f.Data())), file: f}
	for _, name := range f.Names() {
		t, _ := f.Tensor(name)
		tensor, part, packed := strings.Cut(name, "#")
		switch {
		case !packed:
			if err := container.CheckFinite(t); err != nil {
				return nil, fmt.Errorf("tensor %s: %w", name, err)
			}
			s.Tensors = append(s.Tensors, Tensor{Name: name, Dense: t})
		case part != partPacked:
			return nil, fmt.Errorf("tensor %s: unknown part %q", tensor, part)
		default:
			data, err := container.Vector[byte](t, safetensors.U8)
			if err != nil {
				return nil, fmt.Errorf("tensor %s: %w", tensor, err)
			}
			s.Tensors = append(s.Tensors, Tensor{Name: tensor, Packed: data})
		}
	}
	sort.Slice(s.Tensors, func(i, j int) bool { return s.Tensors[i].Name < s.Tensors[j].Name })
	for i := range s.Tensors {
		if i > 0 && s.Tensors[i].Name == s.Tensors[i-1].Name {
			return nil, fmt.Errorf("tensor %s: both dense and packed", s.Tensors[i].Name)
		}
	}
	return s, nil
}

// Write writes a delta to path in the small layout. base is its base, whose
// fingerprint is given: the delta is checked against it, and exact values are
// written as differences from its own. What was packed is unpacked again and
// compared with the delta's digest before the file appears.
func Write(d *delta.Delta, path string, base delta.Tensors, fingerprint string) error {
	if err := d.Check(base, fingerprint); err != nil {
		return err
	}
	w, err := container.Create(path)
	if err != nil {
		return err
	}
	defer w.Abort()
	s := &File{Info: d.Info, FastSHA256: d.SHA256}
	var p packer
	for i := range d.Tensors {
		t := &d.Tensors[i]
		b, ok := base.Tensor(t.Name)
		if !ok || t.Dense != nil && (t.Dense.Len() == 0 || !b.DType.Float()) {
			s.Tensors = append(s.Tensors, Tensor{Name: t.Name, Dense: t.Dense})
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
		s.Tensors = append(s.Tensors, Tensor{Name: t.Name, Packed: packed})
		if err := w.Add(t.Name+"#"+partPacked, safetensors.U8, []int{len(packed)}, packed); err != nil {
			return err
		}
	}
	metadata := maps.Clone(d.Metadata())
	metadata[container.LayoutKey] = container.LayoutSmall
	metadata[container.FastDigestKey] = d.SHA256
	metadata[container.DigestKey] = container.NoDigest
	again, err := s.spool(path, base, fastMetadata(metadata))
	if errors.Is(err, delta.ErrDigest) {
		err = errOrder
	}
	if err != nil {
		return fmt.Errorf("delta: pack %s: %w", path, err)
	}
	again.Abort()
	digest, err := w.Digest(metadata)
	if err != nil {
		return err
	}
	return w.Write(metadata, digest)
}

// wholeFloat32s takes a dense tensor of the base as one that keeps everything.
func wholeFloat32s(t *safetensors.Tensor) (*sparse.Tensor, error) {
	_, columns := t.Rows()
	m := &sparse.Tensor{Coding: sparse.Float32, RowMajor: true, Height: 1, Columns: columns}
	var err error
	m.Float32s, err = safetensors.View[float32](t)
	return m, err
}

// fastMetadata returns the metadata of the fast file that a small one with the
// given metadata holds, with a digest of zeros.
func fastMetadata(small map[string]string) map[string]string {
	m := maps.Clone(small)
	m[container.LayoutKey] = container.LayoutFast
	m[container.DigestKey] = container.NoDigest
	delete(m, container.FastDigestKey)
	return m
}

// Unpack writes the delta to path in the fast layout, the bytes that were
// packed. base is the delta's base, whose fingerprint is given. The result is
// compared with its digest before it appears; what a digest does not tell, a
// delta that was never valid, is for [Open] and [Delta.Check] to refuse.
func (s *File) Unpack(path string, base delta.Tensors, fingerprint string) error {
	if s.BaseSHA256 != fingerprint {
		return fmt.Errorf("delta: unpack: %w: made for %s (%s), this is %s", delta.ErrBase, s.BaseSHA256, s.BaseName, fingerprint)
	}
	metadata := fastMetadata(s.file.Metadata())
	w, err := s.spool(path, base, metadata)
	if err != nil {
		return fmt.Errorf("delta: unpack: %w", err)
	}
	defer w.Abort()
	return w.Write(metadata, s.FastSHA256)
}

// spool unpacks all tensors to a writer and compares the digest.
func (s *File) spool(path string, base delta.Tensors, metadata map[string]string) (_ *container.Writer, err error) {
	w, err := container.Create(path)
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
			return nil, fmt.Errorf("%w: tensor %s: %w", delta.ErrCorrupt, t.Name, err)
		}
		if m.Coding == sparse.Float32 && m.Whole() {
			err = w.Add(t.Name, safetensors.F32, shape, safetensors.Bytes(m.Float32s))
		} else {
			err = w.Sparse(t.Name, m)
		}
		if err != nil {
			return nil, err
		}
	}
	digest, err := w.Digest(metadata)
	if err != nil {
		return nil, err
	}
	if digest != s.FastSHA256 {
		return nil, fmt.Errorf("%w: %w: the unpacked file has %s, the header says %s", delta.ErrCorrupt, delta.ErrDigest, digest, s.FastSHA256)
	}
	return w, nil
}

// tensor unpacks a tensor of the base, and returns its shape there.
func (d *decoder) tensor(t *Tensor, base delta.Tensors) (*sparse.Tensor, []int, error) {
	b, ok := base.Tensor(t.Name)
	if !ok {
		return nil, nil, errors.New("packed, but the base has no such tensor")
	}
	if !b.DType.Float() {
		return nil, nil, fmt.Errorf("packed, but the base's is %s: only F32, F16 and BF16 can be packed", b.DType)
	}
	m, err := d.unpack(t.Packed, b)
	return m, b.Shape, err
}
