package tune

import (
	"fmt"

	"kenserve/delta"
	"kenserve/models"
	"kenserve/models/families"
	"kenserve/prune"
	"kenserve/runtime"
	"kenserve/safetensors"
	"kenserve/tokenizer"
)

// base is a base that is tuned: its tokenizer, and its weights in the mapped file.
type base struct {
	dir        string
	tokenizer  *tokenizer.Tokenizer
	checkpoint *safetensors.Checkpoint

	// These describe the classifier over it; see classifier.
	arch models.Architecture
	info delta.Info // metadata of the delta, as far as the classifier decides them
}

// openBase opens a base. The caller closes it.
func openBase(dir string) (*base, error) {
	b := &base{dir: dir}
	config, err := models.ReadConfig(dir)
	if err != nil {
		return nil, err
	}
	if b.arch, err = families.New(config); err != nil {
		return nil, err
	}
	if b.tokenizer, err = tokenizer.Open(dir); err != nil {
		return nil, err
	}
	if b.checkpoint, err = safetensors.OpenCheckpoint(dir); err != nil {
		return nil, fmt.Errorf("tune: open base: %w", err)
	}
	return b, nil
}

func (b *base) close() { _ = b.checkpoint.Close() }

// classifier sets the architecture and the metadata of a classifier with these labels. It
// checks that the base has the encoder's tensors, and none of the new layers' names.
func (b *base) classifier(labels []string, problem models.Problem) error {
	config, info, err := prune.Classifier(b.dir, labels, problem)
	if err != nil {
		return err
	}
	if b.arch, err = families.New(config); err != nil {
		return err
	}
	b.info = info
	b.info.BaseSHA256 = delta.Fingerprint(b.checkpoint)
	b.info.TunedPrefix = b.arch.Prefix()
	for _, p := range b.arch.Parameters() {
		name, t := b.find(p)
		switch {
		case t == nil && !p.Optional:
			return fmt.Errorf("tune: the base %s has no tensor %s: is it a complete encoder?", b.dir, p.Name)
		case t == nil:
			continue
		case !sameShape(t.Shape, p.Shape):
			return fmt.Errorf("tune: tensor %s of the base has shape %v, and %v by its %s", name, t.Shape, p.Shape, models.ConfigFile)
		case !t.DType.Float():
			return fmt.Errorf("tune: tensor %s of the base is %s, not F32, F16 or BF16", name, t.DType)
		}
		if name == b.arch.Prefix()+p.Name && b.arch.Prefix() != "" {
			b.info.TunedPrefix = "" // the base has the names of a tuned checkpoint
		}
	}
	for _, p := range b.arch.Head(len(labels)) {
		if name, t := b.find(p); t != nil {
			return fmt.Errorf("tune: the base has a tensor %s, a layer of a classifier: choose a base without a classifier", name)
		}
	}
	used := map[string]bool{}
	for _, p := range b.arch.Parameters() {
		name, _ := b.find(p)
		used[name] = true
	}
	for _, name := range b.checkpoint.Names() {
		if !used[name] { // such as output embeddings, which the classifier does not have
			b.info.Absent = append(b.info.Absent, name)
		}
	}
	return nil
}

func sameShape(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// find returns the base's tensor for a parameter, and its name there; nil if there is none.
func (b *base) find(p models.Parameter) (string, *safetensors.Tensor) {
	return runtime.FindTensor(b.checkpoint, b.arch, p.Name)
}

// has reports whether the base has a tensor for a parameter.
func (b *base) has(p models.Parameter) bool {
	_, t := b.find(p)
	return t != nil
}

// values returns the base's values of a parameter; nil if it has none.
func (b *base) values(p models.Parameter) ([]float32, error) {
	_, t := b.find(p)
	if t == nil {
		return nil, nil
	}
	v := make([]float32, t.Len())
	return v, t.Float32s(v, 0)
}

// Load implements grad.Loader.
func (b *base) Load(p models.Parameter, dst []float32) error {
	_, t := b.find(p)
	if t == nil {
		return fmt.Errorf("the base has no tensor %s", p.Name)
	}
	return t.Float32s(dst, 0)
}

// Table implements grad.Loader.
func (b *base) Table(p models.Parameter) (models.Table, error) {
	_, t := b.find(p)
	if t == nil {
		return nil, fmt.Errorf("the base has no tensor %s", p.Name)
	}
	return table{t}, nil
}

// table looks rows up in a mapped tensor.
type table struct{ *safetensors.Tensor }

// Row implements models.Table. It panics on an error, which cannot occur: classifier has
// checked the type, and the encoder checks the index.
func (t table) Row(i int, dst []float32) {
	if err := t.Float32s(dst, i*len(dst)); err != nil {
		panic(err)
	}
}
