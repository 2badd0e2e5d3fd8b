package pack

import (
	"errors"
	"fmt"
	"maps"

	"kenserve/delta"
	"kenserve/delta/internal/container"
	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// errOrder means a valid file whose tensors are in another order than this program
// writes. Unpacking could not restore its bytes.
var errOrder = errors.New("the file's tensors are not in the order in which this program writes them, so it cannot be packed")

// Write writes a delta to path in the small layout. fingerprint must be that of
// base, against which the delta is checked. Before the file appears, Write unpacks
// it again and compares the result with the digest of d.
func Write(d *delta.Delta, path string, base delta.Tensors, fingerprint string) error {
	if err := d.Check(base, fingerprint); err != nil {
		return err
	}
	w, err := container.Create(path)
	if err != nil {
		return err
	}
	defer w.Abort()
	s := &File{Info: d.Info, FastSHA256: d.SHA256, own: *d.Own()}
	if err := s.own.WriteTo(w); err != nil {
		return err
	}
	var p packer
	for i := range d.Tensors {
		t := &d.Tensors[i]
		b, ok := base.Tensor(t.Name)
		if !ok || t.Dense != nil && (t.Dense.Len() == 0 || !b.DType.Float()) {
			s.Tensors = append(s.Tensors, Tensor{Name: t.Name, Dense: t.Dense, parts: t.Parts()})
			if t.Parts() != nil {
				if err := addParts(w, t.Name, t.Parts()); err != nil {
					return err
				}
				continue
			}
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
		s.Tensors = append(s.Tensors, Tensor{Name: t.Name, packed: packed})
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

// wholeFloat32s returns a dense tensor in sparse form, with all values kept.
func wholeFloat32s(t *safetensors.Tensor) (*sparse.Tensor, error) {
	_, columns := t.Rows()
	m := &sparse.Tensor{Coding: sparse.Float32, RowMajor: true, Height: 1, Columns: columns}
	var err error
	m.Float32s, err = safetensors.View[float32](t)
	return m, err
}

// fastMetadata returns the metadata of the fast file, with a digest of zeros, that
// belongs to the metadata of a small one.
func fastMetadata(small map[string]string) map[string]string {
	m := maps.Clone(small)
	m[container.LayoutKey] = container.LayoutFast
	m[container.DigestKey] = container.NoDigest
	delete(m, container.FastDigestKey)
	return m
}
