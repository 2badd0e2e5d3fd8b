package delta

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"strings"

	"kenserve/delta/internal/container"
	"kenserve/internal/parallel"
	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// Delta is an open delta file in the fast layout. After [Delta.Check] it is
// read-only, and any number of goroutines may use it until Close.
type Delta struct {
	Info
	SHA256  string   // the file's digest
	Size    int64    // the file's length in bytes
	Tensors []Tensor // sorted by name

	own      container.Own
	file     *safetensors.File
	metadata map[string]string // the header's
}

// Tensor is one tensor of a delta. Either Dense or Masked is set.
type Tensor struct {
	Name   string // the base's name; for the head, the tuned checkpoint's name
	Dense  *safetensors.Tensor
	Masked *sparse.Tensor
	Bytes  int64 // size of its parts in the file
	// Coding is the coding of a tensor of the head that is not stored as it is. Dense then
	// has the decoded values, in float32; see Parts.
	Coding Coding

	parts []container.Part
}

// maxDimension is the largest dimension that a tensor may have.
const maxDimension = math.MaxUint32

// Open reads the delta file at path, which must be in the fast layout, into memory. It
// checks everything that can be checked without the base, including the digest;
// [Delta.Check] does the rest. Errors are [ErrCorrupt], among them [ErrDigest] and
// [ErrLayout], those of package safetensors, and those of the file system.
func Open(path string) (*Delta, error) {
	f, err := safetensors.Load(path)
	if err != nil {
		return nil, fmt.Errorf("delta: %w", err)
	}
	return Read(f, path)
}

// Read does what [Open] does, for a container that was opened from path. The Delta
// owns f, and Read closes f if it fails.
func Read(f *safetensors.File, path string) (*Delta, error) {
	d, err := read(f)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("delta: open %s: %w", path, err)
	}
	return d, nil
}

// parse reads a delta that is in memory. The Delta aliases data.
func parse(data []byte) (*Delta, error) {
	f, err := safetensors.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("delta: %w", err)
	}
	return Read(f, "from memory")
}

// RenewDigests puts the digests of a delta file right, in place, after its bytes were
// changed. The header must be valid. It is for tools that make variants of a delta.
func RenewDigests(file []byte) error {
	f, err := safetensors.Parse(file)
	if err == nil {
		err = container.Renew(file, f.Metadata())
	}
	if err != nil {
		return fmt.Errorf("delta: renew digests: %w", err)
	}
	return nil
}

// Metadata returns the header's strings. The caller must not change them.
func (d *Delta) Metadata() map[string]string { return d.metadata }

// Close drops the file. No tensor may be used afterwards.
func (d *Delta) Close() error { return d.file.Close() }

// Tensor returns the tensor with the given name.
func (d *Delta) Tensor(name string) (*Tensor, bool) {
	i := sort.Search(len(d.Tensors), func(i int) bool { return d.Tensors[i].Name >= name })
	if i < len(d.Tensors) && d.Tensors[i].Name == name {
		return &d.Tensors[i], true
	}
	return nil, false
}

// read checks the digests on goroutines of their own, while it reads the tensors.
func read(f *safetensors.File) (*Delta, error) {
	digest := make(chan error, 1)
	go func() { digest <- container.Verify(f) }()
	d, err := readTensors(f)
	if digestErr := <-digest; err == nil {
		err = digestErr
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	f.Forget() // frees the directory of tensors, which would add up over thousands of open deltas
	return d, nil
}

func readTensors(f *safetensors.File) (*Delta, error) {
	info, err := ParseInfo(f.Metadata(), container.LayoutFast)
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
				return nil, fmt.Errorf("tensor %s: dimension %d, at most %d", name, n, maxDimension)
			}
		}
		if taken, err := d.own.Take(t); err != nil {
			return nil, err
		} else if taken {
			continue
		}
		tensor, part := name, ""
		if i := strings.IndexByte(name, '#'); i >= 0 {
			tensor, part = name[:i], name[i+1:]
			if !slices.Contains(container.PartNames, part) {
				return nil, fmt.Errorf("tensor %s: unknown part %q", tensor, part)
			}
		}
		if groups[tensor] == nil {
			groups[tensor] = map[string]*safetensors.Tensor{}
		}
		groups[tensor][part] = t
	}
	d.Tensors = make([]Tensor, 0, len(groups))
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		parts := groups[name]
		t := Tensor{Name: strings.Clone(name)}
		for _, part := range parts {
			t.Bytes += int64(len(part.Data))
		}
		if dense := parts[""]; dense != nil {
			if len(parts) > 1 {
				return nil, fmt.Errorf("tensor %s: both dense and masked", name)
			}
			if err := container.CheckFinite(dense); err != nil {
				return nil, fmt.Errorf("tensor %s: %w", name, err)
			}
			own := *dense // a copy, so that the container's directory can be freed
			t.Dense = &own
		} else if parts[container.PartShape] != nil {
			if t.Dense, t.Coding, err = readCoded(t.Name, parts); err != nil {
				return nil, fmt.Errorf("tensor %s: %w", name, err)
			}
			t.parts = partsOf(parts)
		} else if t.Masked, err = readMasked(parts, &info); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", name, err)
		}
		d.Tensors = append(d.Tensors, t)
	}
	if err := checkMasked(d.Tensors); err != nil {
		return nil, err
	}
	d.SHA256 = f.Metadata()[container.DigestKey]
	return d, d.own.Check(d.Rows, d.OwnTokenizer)
}

// checkMasked checks the parts of masked tensors against each other. All cores check
// tensors, as this reads every byte of them.
func checkMasked(tensors []Tensor) error {
	return parallel.Each(len(tensors), func(i int) error {
		t := &tensors[i]
		if t.Masked == nil {
			return nil
		}
		if err := t.Masked.CheckParts(); err != nil {
			return fmt.Errorf("tensor %s: %w", t.Name, err)
		}
		return nil
	})
}

func checkPadding(f *safetensors.File, names []string) error {
	if len(names) == 0 || names[len(names)-1] != container.PadName {
		return fmt.Errorf("padding: the last tensor must be %s", container.PadName)
	}
	pad, _ := f.Tensor(container.PadName)
	if pad.DType != safetensors.U8 || !bytes.Equal(pad.Data, make([]byte, container.PadBytes)) {
		return fmt.Errorf("padding: %s must be %d zero bytes", container.PadName, container.PadBytes)
	}
	return nil
}
