package runtime

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/internal/settings"
	"kenserve/internal/sparse"
	"kenserve/models"
	"kenserve/models/families"
	"kenserve/safetensors"
	"kenserve/tokenizer"
)

// Base is a pre-trained encoder in memory. It is read-only. Nothing of it is mapped
// from its files: they may be cut, rewritten or removed while it is used.
type Base struct {
	Name        string // of its folder, for logs and answers
	Fingerprint string // see delta.Fingerprint
	config      *models.Config
	arch        models.Architecture
	Tokenizer   *tokenizer.Tokenizer
	Checkpoint  delta.Tensors // all tensors of its files; the elements of matrices and vectors are in the two maps below

	parameters      []models.Parameter      // of Arch
	names           map[string]string       // by parameter: the tensor's name in the checkpoint
	compute         gemm.Compute            // number type of all networks over this base
	matrices        map[string]*gemm.Matrix // by parameter: float32, to which deltas are applied
	computeMatrices map[string]*gemm.Matrix // by parameter: the same in the type compute
	vectors         map[string][]float32    // by parameter
	bytes           int64
	files           *baseFiles // that it was read from
}

// openBase loads a base from a Hugging Face folder, for networks that multiply in
// the type compute. Another type than float32 takes memory beside the float32
// weights, to which deltas are applied.
func openBase(dir string, compute gemm.Compute) (_ *Base, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("runtime: open base %s: %w", dir, err)
		}
	}()
	b := &Base{
		names:           map[string]string{},
		compute:         compute,
		matrices:        map[string]*gemm.Matrix{},
		computeMatrices: map[string]*gemm.Matrix{},
		vectors:         map[string][]float32{},
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	b.Name = filepath.Base(absolute)
	if b.files, err = describeFiles(dir); err != nil {
		return nil, err
	}
	if b.config, err = models.ReadConfig(dir); err != nil {
		return nil, err
	}
	if b.arch, err = families.New(b.config); err != nil {
		return nil, err
	}
	b.parameters = b.arch.Parameters()
	if b.Tokenizer, err = tokenizer.Open(dir); err != nil {
		return nil, err
	}
	stream, err := safetensors.OpenStream(dir)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	if err := b.files.addWeights(stream.Files()); err != nil {
		return nil, err
	}
	if err := b.load(stream); err != nil {
		return nil, err
	}
	b.files.fingerprint = b.Fingerprint
	if changed := b.files.touched(); changed != "" {
		return nil, fmt.Errorf("%s changed while the base was loaded: start again when it is complete", changed)
	}
	return b, nil
}

// Digest returns a digest of everything that the base was read from: weights,
// configuration and the tokenizer's files.
func (b *Base) Digest() string {
	h := sha256.New()
	fmt.Fprintln(h, b.Fingerprint)
	for _, path := range b.files.settings {
		fmt.Fprintln(h, filepath.Base(path), b.files.digests[path])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// load reads all tensors once, in the order of the fingerprint, which is made of the
// same bytes that are packed. It packs every parameter that the architecture lists.
func (b *Base) load(stream *safetensors.Stream) error {
	parameters := map[string]*models.Parameter{} // by tensor
	for i := range b.parameters {
		p := &b.parameters[i]
		name, err := b.findParameter(stream, p)
		if err != nil {
			return err
		}
		if name != "" {
			b.names[p.Name], parameters[name] = name, p
		}
	}
	tensors := memoryTensors{byName: map[string]*safetensors.Tensor{}}
	b.Checkpoint = &tensors
	fingerprint := delta.NewFingerprinter()
	var buffer []byte // for the tensors that are packed
	for _, name := range slices.Sorted(slices.Values(stream.Names())) {
		p := parameters[name]
		kept := p == nil || p.Role == models.Embedding // as the file has it
		memory := buffer
		if kept {
			memory = nil
		}
		t, err := stream.Read(name, memory)
		if err != nil {
			return err
		}
		var hashing sync.WaitGroup
		hashing.Go(func() { fingerprint.Add(name, t) })
		if kept {
			b.bytes += int64(len(t.Data))
		} else if cap(t.Data) > cap(buffer) {
			buffer = t.Data
		}
		packed := t
		if !kept {
			packed, err = b.pack(p, t)
		}
		hashing.Wait()
		if err != nil {
			return err
		}
		tensors.add(packed)
	}
	b.Fingerprint = fingerprint.Sum()
	return nil
}

// findParameter returns the name of a parameter's tensor; "" if there is none and the
// parameter is optional. It checks the tensor's shape and type.
func (b *Base) findParameter(c delta.Tensors, p *models.Parameter) (string, error) {
	name, t := FindTensor(c, b.arch, p.Name)
	switch {
	case t == nil && p.Optional:
		return "", nil
	case t == nil:
		return "", fmt.Errorf("tensor %s is missing from the checkpoint", p.Name)
	case !slices.Equal(t.Shape, p.Shape):
		return "", fmt.Errorf("tensor %s has shape %v, the configuration needs %v", name, t.Shape, p.Shape)
	case !t.DType.Float():
		return "", fmt.Errorf("tensor %s has type %s: it must be F32, F16 or BF16", name, t.DType)
	}
	return name, nil
}

// pack brings a matrix or vector into the form that networks use, and returns a tensor
// with the same elements that reads them from there.
func (b *Base) pack(p *models.Parameter, t *safetensors.Tensor) (*safetensors.Tensor, error) {
	if p.Role == models.Vector {
		v := make([]float32, t.Len())
		if err := t.Float32s(v, 0); err != nil {
			return nil, err
		}
		b.vectors[p.Name] = v
		b.bytes += 4 * int64(len(v))
		return safetensors.FromValues(t.Name, t.DType, t.Shape, vectorValues(v)), nil
	}
	m := packRows(t, nil)
	b.matrices[p.Name] = m
	b.bytes += m.Bytes()
	if b.computeMatrices[p.Name] = m.As(b.compute); b.computeMatrices[p.Name] != m {
		b.bytes += b.computeMatrices[p.Name].Bytes()
	}
	return safetensors.FromValues(t.Name, t.DType, t.Shape, matrixValues{m}), nil
}

// Unknown lists, by file, the settings that nothing reads.
func (b *Base) Unknown() []settings.Unknown {
	return append([]settings.Unknown{b.config.Unknown}, b.Tokenizer.Unknown()...)
}

// Bytes returns the memory that the base holds.
func (b *Base) Bytes() int64 { return b.bytes }

// float32Bytes returns the bytes of all weights in float32.
func (b *Base) float32Bytes() int64 {
	sum := int64(0)
	for _, name := range b.Checkpoint.Names() {
		t, _ := b.Checkpoint.Tensor(name)
		sum += 4 * int64(t.Len())
	}
	return sum
}

// TableNames returns a function that tells whether a tensor is an embedding table,
// whose rows are looked up one by one. The tensor's name may begin with the
// architecture's prefix.
func TableNames(arch models.Architecture) func(tensor string) bool {
	names := map[string]bool{}
	for _, p := range arch.Parameters() {
		if p.Role == models.Embedding {
			names[p.Name] = true
		}
	}
	return func(tensor string) bool {
		return names[tensor] || names[strings.TrimPrefix(tensor, arch.Prefix())]
	}
}

// packRows packs a tensor as a matrix, with the delta m applied if it is not nil.
// It applies the delta a tile of rows at a time, because one row can take as long
// as its whole tile. The weights of an output are one row of the tensor, or
// several rows if the tensor has more than two dimensions.
func packRows(t *safetensors.Tensor, m *sparse.Tensor) *gemm.Matrix {
	rows, columns := t.Rows()
	outputs, inputs := (&models.Parameter{Shape: t.Shape}).Matrix()
	height := 1
	if m != nil {
		height = m.Height
	}
	tile := make([]float32, height*columns)
	row := 0
	return gemm.Pack(outputs, inputs, func(_ int, dst []float32) {
		for ; len(dst) > 0; dst = dst[columns:] {
			in := row % height
			if in == 0 {
				tile = tile[:min(height, rows-row)*columns]
				table{t}.rows(row, tile)
				if m != nil {
					m.PatchRows(row, tile)
				}
			}
			copy(dst, tile[in*columns:][:columns])
			row++
		}
	})
}

// table looks rows up in a tensor.
type table struct{ *safetensors.Tensor }

// Row implements models.Table. It panics on an error, which cannot occur: tables
// are float tensors, and the network has checked the index.
func (t table) Row(i int, dst []float32) {
	if err := t.Float32s(dst, i*len(dst)); err != nil {
		panic(err)
	}
}

// rows copies rows to dst, from row i on until dst is full.
func (t table) rows(i int, dst []float32) {
	_, columns := t.Rows()
	if err := t.Float32s(dst, i*columns); err != nil {
		panic(err)
	}
}

// extendedTable is a table with rows after the base's last.
type extendedTable struct {
	first models.Table
	rows  int // of first
	added table
}

// Row implements models.Table.
func (t extendedTable) Row(i int, dst []float32) {
	if i < t.rows {
		t.first.Row(i, dst)
	} else {
		t.added.Row(i-t.rows, dst)
	}
}

// patchedTable looks rows up in a table and applies a delta to them.
type patchedTable struct {
	table
	patch *sparse.Tensor
}

// Row implements models.Table.
func (t patchedTable) Row(i int, dst []float32) {
	t.table.Row(i, dst)
	t.patch.PatchRow(i, dst)
}
