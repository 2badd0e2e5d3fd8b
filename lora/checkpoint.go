package lora

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kenserve/safetensors"
)

// Checkpoint is a base with an adapter merged into it, as if the whole model had been
// fine-tuned. Tensors that the adapter does not change alias the base; the others are in
// memory, in float32.
type Checkpoint struct {
	// Base is the base that the adapter says it was trained on, a name or a folder; empty
	// if it does not say.
	Base string
	// Warning says what the adapter lacks of what it should have; empty: nothing.
	Warning string

	names   []string
	tensors map[string]*safetensors.Tensor
}

// Parts of the names of an adapter's tensors. Names in a wrapped module have baseLayer,
// savedModule or originalModule before their last component.
const (
	namePrefix     = "base_model.model."
	baseLayer      = ".base_layer."      // a tensor of a module that also has A and B
	savedModule    = ".modules_to_save." // a tensor trained as a whole
	originalModule = ".original_module." // its value before training, which is not needed
)

// Open merges the adapter in the folder dir into its base. The base must stay open while
// the result is in use. linear says that all matrices of the base are torch.nn.Linear:
// then fan_in_fan_out is false whatever the adapter says, as for PEFT.
func Open(dir string, base *safetensors.Checkpoint, linear bool) (_ *Checkpoint, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("lora: open %s: %w", dir, err)
		}
	}()
	c, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	c.Transposed = c.Transposed && !linear
	adapter, err := safetensors.Open(filepath.Join(dir, weightsFile))
	if _, old := os.Stat(filepath.Join(dir, oldWeightsFile)); old == nil && errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the folder has no %s, but %s; convert it with: python -c 'import torch, safetensors.torch as s; d = %q; s.save_file(torch.load(d + \"/%s\", map_location=\"cpu\", weights_only=True), d + \"/%s\")'", weightsFile, oldWeightsFile, dir, oldWeightsFile, weightsFile)
	}
	if err != nil {
		return nil, err
	}
	defer adapter.Close()
	return merge(c, adapter, base)
}

// Names lists the tensors, sorted.
func (c *Checkpoint) Names() []string { return c.names }

// Tensor returns the tensor of that name, and whether there is one.
func (c *Checkpoint) Tensor(name string) (*safetensors.Tensor, bool) {
	t, ok := c.tensors[name]
	return t, ok
}

// tensorName is the parsed name of an adapter's tensor.
type tensorName struct {
	module string // name of the module; of the whole tensor if side is 0
	side   byte   // 'A' or 'B'; 0 for a tensor trained as a whole
	table  bool   // the module is an embedding
	tokens bool   // the tensor has some rows of the module, which is an embedding
}

// parseName parses the name of an adapter's tensor.
func parseName(name string) (tensorName, error) {
	rest, ok := strings.CutPrefix(name, namePrefix)
	if !ok {
		return tensorName{}, fmt.Errorf("%w: tensor %s: its name does not begin with %s", errUnsupported, name, namePrefix)
	}
	for _, form := range []struct {
		ending string
		side   byte
		table  bool
	}{{".lora_A.weight", 'A', false}, {".lora_B.weight", 'B', false}, {".lora_embedding_A", 'A', true}, {".lora_embedding_B", 'B', true}} {
		if module, ok := strings.CutSuffix(rest, form.ending); ok {
			return tensorName{module: module, side: form.side, table: form.table}, nil
		}
	}
	if module, ok := strings.CutSuffix(rest, tokenRows); ok {
		return tensorName{module: module, tokens: true}, nil
	}
	if strings.Contains(rest, "lora_") {
		return tensorName{}, fmt.Errorf("%w: tensor %s is of an unknown kind", errUnsupported, name)
	}
	for _, wrapped := range []string{tokenBaseLayer, baseLayer, savedModule} {
		rest = strings.Replace(rest, wrapped, ".", 1)
	}
	return tensorName{module: rest}, nil
}

// loraPair is A and B of one module.
type loraPair struct {
	a, b  *safetensors.Tensor
	table bool
}

// merge returns the base with an adapter's tensors merged into it.
func merge(c *config, adapter *safetensors.File, base *safetensors.Checkpoint) (*Checkpoint, error) {
	changes, whole, tokens := map[string]*loraPair{}, map[string]*safetensors.Tensor{}, map[string]*safetensors.Tensor{}
	names := adapter.Names()
	for i, unwrapped := range safetensors.ModelNames(names) {
		name := names[i]
		if strings.Contains(name, originalModule) {
			continue
		}
		t, _ := adapter.Tensor(name)
		p, err := parseName(unwrapped)
		if err != nil {
			return nil, err
		}
		if !t.DType.Float() {
			return nil, fmt.Errorf("%w: tensor %s is %s, not F32, F16 or BF16", errUnsupported, name, t.DType)
		}
		if p.tokens {
			tokens[p.module] = t
			continue
		}
		if p.side == 0 {
			if other := whole[p.module]; other != nil && !bytes.Equal(other.Data, t.Data) {
				return nil, fmt.Errorf("%w: tensors %s and %s are copies of one tensor but differ", errUnsupported, other.Name, name)
			}
			whole[p.module] = t
			continue
		}
		if changes[p.module] == nil {
			changes[p.module] = &loraPair{table: p.table}
		}
		ch := changes[p.module]
		if ch.table != p.table {
			return nil, fmt.Errorf("%w: module %s has tensors of a matrix and of an embedding", errUnsupported, p.module)
		}
		if p.side == 'A' {
			ch.a = t
		} else {
			ch.b = t
		}
	}
	if len(changes) == 0 {
		return nil, fmt.Errorf("%w: no module has lora_A and lora_B", errUnsupported)
	}
	prefix, err := findPrefix(changes, base)
	if err != nil {
		return nil, err
	}
	out := &Checkpoint{tensors: map[string]*safetensors.Tensor{}}
	out.Base, _ = c.Base.(string)
	for _, name := range base.Names() {
		t, _ := base.Tensor(name)
		renamed := *t
		renamed.Name = prefix + name
		out.tensors[renamed.Name] = &renamed
	}
	// Whole tensors come first: an adapter of a resized table has the table and its change.
	for name, t := range whole {
		// A table may be resized; the caller knows which tensors are tables.
		if b := out.tensors[name]; b != nil && !slices.Equal(b.Shape, t.Shape) && !(len(b.Shape) == 2 && len(t.Shape) == 2 && b.Shape[1] == t.Shape[1]) {
			return nil, fmt.Errorf("tensor %s: shape is %v in the adapter and %v in the base", name, t.Shape, b.Shape)
		}
		copied, err := float32s(t)
		if err != nil {
			return nil, err
		}
		out.tensors[name] = newTensor(name, t.Shape, copied)
	}
	for module, t := range tokens {
		name := module + ".weight"
		t, err := c.Tokens.withTokens(module, out.tensors[name], t)
		if err != nil {
			return nil, fmt.Errorf("module %s: %w", module, err)
		}
		out.tensors[name] = t
	}
	for module, ch := range changes {
		name := module + ".weight"
		t, err := ch.applyTo(c, module, out.tensors[name])
		if err != nil {
			return nil, fmt.Errorf("module %s: %w", module, err)
		}
		out.tensors[name] = t
	}
	out.names = slices.Sorted(maps.Keys(out.tensors))
	out.Warning = c.broken(out.names, changes, whole, tokens)
	return out, nil
}

// findPrefix returns the prefix that the adapter's names have and the base's lack: none,
// or the first component of the adapter's names, such as "bert.".
func findPrefix(changes map[string]*loraPair, base *safetensors.Checkpoint) (string, error) {
	module := slices.Min(slices.Collect(maps.Keys(changes)))
	first, _, _ := strings.Cut(module, ".")
	for _, prefix := range []string{"", first + "."} {
		all := true
		for m := range changes {
			rest, ok := strings.CutPrefix(m, prefix)
			if _, found := base.Tensor(rest + ".weight"); !ok || !found {
				all = false
			}
		}
		if all {
			return prefix, nil
		}
	}
	return "", fmt.Errorf("module %s or another is not the base's, with or without the prefix %q: was this adapter trained on this base?", module, first+".")
}

// apply returns the weight with the change.
func (ch *loraPair) applyTo(c *config, module string, weight *safetensors.Tensor) (*safetensors.Tensor, error) {
	switch {
	case ch.a == nil || ch.b == nil:
		return nil, fmt.Errorf("%w: lora_A or lora_B is missing", errUnsupported)
	case len(ch.a.Shape) != 2 || len(ch.b.Shape) != 2 || ch.a.Shape[0] != ch.b.Shape[1] || ch.a.Shape[0] == 0:
		return nil, fmt.Errorf("%w: lora_A has shape %v and lora_B %v, want [r, inputs] and [outputs, r]", errUnsupported, ch.a.Shape, ch.b.Shape)
	case !weight.DType.Float():
		return nil, fmt.Errorf("%w: the base's weight is %s, want F32, F16 or BF16", errUnsupported, weight.DType)
	}
	if r, err := c.rank(module); err != nil {
		return nil, err
	} else if r != float64(ch.a.Shape[0]) {
		return nil, fmt.Errorf("%w: lora_A has rank %d, and %g by r and rank_pattern: are both files of one adapter?", errUnsupported, ch.a.Shape[0], r)
	}
	rank, inputs, outputs := ch.a.Shape[0], ch.a.Shape[1], ch.b.Shape[0]
	transposed := c.Transposed || ch.table
	want := []int{outputs, inputs}
	if transposed {
		want = []int{inputs, outputs}
	}
	if !slices.Equal(weight.Shape, want) {
		return nil, fmt.Errorf("lora_A of shape %v and lora_B of shape %v make a change of shape %v, the weight has shape %v", ch.a.Shape, ch.b.Shape, want, weight.Shape)
	}
	a, err := float32s(ch.a)
	if err != nil {
		return nil, err
	}
	b, err := float32s(ch.b)
	if err != nil {
		return nil, err
	}
	values, err := float32s(weight)
	if err != nil {
		return nil, err
	}
	scale, err := c.scale(module, rank)
	if err != nil {
		return nil, err
	}
	sums := make([]float64, inputs)
	for o := range outputs {
		clear(sums)
		for r := range rank {
			x := float64(b[o*rank+r])
			for i, y := range a[r*inputs:][:inputs] {
				sums[i] += float64(x * float64(y))
			}
		}
		for i, sum := range sums {
			at := o*inputs + i
			if transposed {
				at = i*outputs + o
			}
			values[at] += float32(scale * sum)
		}
	}
	return newTensor(weight.Name, weight.Shape, values), nil
}

func float32s(t *safetensors.Tensor) ([]float32, error) {
	values := make([]float32, t.Len())
	return values, t.Float32s(values, 0)
}

func newTensor(name string, shape []int, values []float32) *safetensors.Tensor {
	return &safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: slices.Clone(shape), Data: safetensors.Bytes(values)}
}
