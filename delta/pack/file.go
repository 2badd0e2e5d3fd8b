package pack

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"kenserve/delta"
	"kenserve/delta/internal/container"
	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// File is an open delta file in the small layout. Until it is unpacked only its
// metadata and its dense tensors can be used.
type File struct {
	delta.Info
	SHA256     string   // the file's digest
	FastSHA256 string   // the digest of the same delta in the fast layout
	Size       int64    // the file's length in bytes
	Tensors    []Tensor // sorted by name

	own  container.Own
	file *safetensors.File
}

// TokenizerBytes returns the size of the files of the task's own tokenizer in the file.
func (s *File) TokenizerBytes() int64 { return s.own.TokenizerBytes() }

// AddedRows does what the method of [delta.Delta] does.
func (s *File) AddedRows(table string) *safetensors.Tensor { return s.own.Added[table] }

// Tensor is one tensor of a small file. Either Dense or Packed is set.
type Tensor struct {
	Name   string // the base's name; for the head, the tuned checkpoint's name
	Dense  *safetensors.Tensor
	packed []byte

	parts []container.Part // of a tensor of the head that is stored in a coding; see delta.Tensor
}

// Coded reports whether it is a tensor of the head that is stored in a coding. Its values
// are not decoded.
func (t *Tensor) Coded() bool { return t.parts != nil }

// Bytes returns the size of the tensor in the file.
func (t *Tensor) Bytes() int64 {
	n := int64(len(t.packed))
	for _, p := range t.parts {
		n += int64(len(p.Data))
	}
	if t.Dense != nil && t.parts == nil {
		n += int64(len(t.Dense.Data))
	}
	return n
}

// addParts adds the parts of a coded tensor.
func addParts(w *container.Writer, name string, parts []container.Part) error {
	for _, p := range parts {
		if err := w.Add(name+"#"+p.Name, p.DType, p.Shape, p.Data); err != nil {
			return err
		}
	}
	return nil
}

// partPacked is the name of the part of a packed tensor, its only one.
const partPacked = "packed"

// Open reads the delta file at path, which must be in the small layout, into memory
// and checks its metadata and digest. Errors are as of delta.Open: a file in the fast
// layout is [delta.ErrLayout].
func Open(path string) (*File, error) {
	f, err := safetensors.Load(path)
	if err != nil {
		return nil, fmt.Errorf("delta: %w", err)
	}
	return Read(f, path)
}

// Read does what [Open] does, for a container that was opened from path. The File
// owns f, and Read closes f if it fails.
func Read(f *safetensors.File, path string) (*File, error) {
	s, err := read(f)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("delta: open %s: %w", path, err)
	}
	return s, nil
}

// IsSmall reports whether the metadata of a container names the small layout.
func IsSmall(f *safetensors.File) bool {
	return f.Metadata()[container.LayoutKey] == container.LayoutSmall
}

// Close drops the file. No tensor may be used afterwards.
func (s *File) Close() error { return s.file.Close() }

func read(f *safetensors.File) (*File, error) {
	s, err := readTensors(f)
	if err == nil {
		err = container.Verify(f)
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
	parts := map[string][]container.Part{}
	for _, name := range f.Names() {
		t, _ := f.Tensor(name)
		if taken, err := s.own.Take(t); err != nil {
			return nil, err
		} else if taken {
			continue
		}
		tensor, part, packed := strings.Cut(name, "#")
		switch {
		case !packed:
			if err := container.CheckFinite(t); err != nil {
				return nil, fmt.Errorf("tensor %s: %w", name, err)
			}
			s.Tensors = append(s.Tensors, Tensor{Name: name, Dense: t})
		case part != partPacked && slices.Contains(container.PartNames, part):
			parts[tensor] = append(parts[tensor], container.Part{Name: part, DType: t.DType, Shape: t.Shape, Data: t.Data})
		case part != partPacked:
			return nil, fmt.Errorf("tensor %s: unknown part %q", tensor, part)
		default:
			data, err := container.Vector[byte](t, safetensors.U8)
			if err != nil {
				return nil, fmt.Errorf("tensor %s: %w", tensor, err)
			}
			s.Tensors = append(s.Tensors, Tensor{Name: tensor, packed: data})
		}
	}
	for name, list := range parts {
		if !slices.ContainsFunc(list, func(p container.Part) bool { return p.Name == container.PartShape }) {
			return nil, fmt.Errorf("tensor %s: unknown part %q: without a part %q it must be packed", name, list[0].Name, container.PartShape)
		}
		s.Tensors = append(s.Tensors, Tensor{Name: name, parts: list})
	}
	sort.Slice(s.Tensors, func(i, j int) bool { return s.Tensors[i].Name < s.Tensors[j].Name })
	for i := range s.Tensors {
		if i > 0 && s.Tensors[i].Name == s.Tensors[i-1].Name {
			return nil, fmt.Errorf("tensor %s: two of dense, coded and packed", s.Tensors[i].Name)
		}
	}
	return s, s.own.Check(s.Rows, s.OwnTokenizer)
}

// Unpack writes the delta to path in the fast layout: the bytes that were packed.
// fingerprint must be that of base. The file appears only if it has the digest
// that the small file names. The content of the tensors is not checked beyond
// that; delta.Open and [delta.Delta.Check] do it. Errors are [delta.ErrBase],
// [delta.ErrCorrupt], among them [delta.ErrDigest], and those of the file system.
func (s *File) Unpack(path string, base delta.Tensors, fingerprint string) error {
	if err := s.CheckBase(fingerprint); err != nil {
		return fmt.Errorf("delta: unpack: %w", err)
	}
	metadata := fastMetadata(s.file.Metadata())
	w, err := s.spool(path, base, metadata)
	if err != nil {
		return fmt.Errorf("delta: unpack: %w", err)
	}
	defer w.Abort()
	return w.Write(metadata, s.FastSHA256)
}

// spool unpacks all tensors into a writer and checks that the file would have the
// digest of the fast file.
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
	if err := s.own.WriteTo(w); err != nil {
		return nil, err
	}
	var d unpacker
	for i := range s.Tensors {
		t := &s.Tensors[i]
		if t.parts != nil {
			if err := addParts(w, t.Name, t.parts); err != nil {
				return nil, err
			}
			continue
		}
		if t.Dense != nil {
			if err := w.Dense(t.Dense); err != nil {
				return nil, err
			}
			continue
		}
		m, shape, err := d.tensor(t, base)
		if err != nil {
			return nil, err
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

// tensor unpacks a tensor and returns it with the shape that it has in the base.
// Errors are [delta.ErrCorrupt] and name the tensor.
func (u *unpacker) tensor(t *Tensor, base delta.Tensors) (*sparse.Tensor, []int, error) {
	m, shape, err := u.unpackFor(t, base)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: tensor %s: %w", delta.ErrCorrupt, t.Name, err)
	}
	return m, shape, nil
}

func (u *unpacker) unpackFor(t *Tensor, base delta.Tensors) (*sparse.Tensor, []int, error) {
	b, ok := base.Tensor(t.Name)
	if !ok {
		return nil, nil, errors.New("packed, but the base has no such tensor")
	}
	if !b.DType.Float() {
		return nil, nil, fmt.Errorf("packed, but the base's is %s: only F32, F16 and BF16 can be packed", b.DType)
	}
	m, err := u.unpack(t.packed, b)
	return m, b.Shape, err
}
