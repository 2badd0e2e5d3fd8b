package safetensors

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
)

// The names that a Hugging Face folder gives its weights.
const (
	WeightsFile = "model.safetensors"
	indexFile   = "model.safetensors.index.json"
)

// maxIndex bounds the JSON index of a sharded checkpoint, in bytes.
const maxIndex = 16 << 20

// Checkpoint is the weights of a model: one file, or several that an index
// names. It is read-only and may be used by any number of goroutines until
// Close.
type Checkpoint struct {
	files []*File
	index map[string]*Tensor
	names []string
}

// OpenCheckpoint opens the weights of a Hugging Face folder: model.safetensors,
// or the shards that model.safetensors.index.json lists. A path that is a file
// is opened as the whole checkpoint.
func OpenCheckpoint(path string) (*Checkpoint, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: open checkpoint: %w", err)
	}
	if !info.IsDir() {
		return openFiles(path, []string{filepath.Base(path)}, nil)
	}
	single := filepath.Join(path, WeightsFile)
	if _, err := os.Stat(single); err == nil {
		return openFiles(single, []string{WeightsFile}, nil)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("safetensors: open checkpoint: %w", err)
	}
	indexPath := filepath.Join(path, indexFile)
	weights, err := readIndex(indexPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("safetensors: open checkpoint %s: neither %s nor %s is there (other weight files, such as pytorch_model.bin, have to be converted first): %w", path, WeightsFile, indexFile, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("safetensors: open checkpoint: %w", err)
	}
	var shards []string
	seen := map[string]bool{}
	for _, shard := range weights {
		if !seen[shard] {
			seen[shard] = true
			shards = append(shards, shard)
		}
	}
	sort.Strings(shards)
	return openFiles(indexPath, shards, weights)
}

// readIndex returns the index's map from tensor to shard.
func readIndex(path string) (map[string]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxIndex {
		return nil, fmt.Errorf("%s: %d bytes, at most %d", path, info.Size(), maxIndex)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(index.WeightMap) == 0 {
		return nil, fmt.Errorf("%s: no weight_map", path)
	}
	for name, shard := range index.WeightMap {
		if shard == "" || shard != filepath.Base(shard) || !filepath.IsLocal(shard) {
			return nil, fmt.Errorf("%s: tensor %s: shard %q is not a file name in this folder", path, name, shard)
		}
	}
	return index.WeightMap, nil
}

// openFiles opens the shards beside path. With weights, each tensor must be in
// the shard that weights names; without, the one file is everything.
func openFiles(path string, shards []string, weights map[string]string) (_ *Checkpoint, err error) {
	c := &Checkpoint{index: map[string]*Tensor{}}
	defer func() {
		if err != nil {
			_ = c.Close()
		}
	}()
	for _, shard := range shards {
		f, err := Open(filepath.Join(filepath.Dir(path), shard))
		if err != nil {
			return nil, err
		}
		c.files = append(c.files, f)
		for _, name := range f.Names() {
			if weights != nil && weights[name] != shard {
				continue // the index is the authority; what it does not list is not used
			}
			t, _ := f.Tensor(name)
			c.index[name] = t
			c.names = append(c.names, name)
		}
	}
	for name, shard := range weights {
		if c.index[name] == nil {
			return nil, fmt.Errorf("safetensors: open checkpoint %s: tensor %s is not in shard %s", path, name, shard)
		}
	}
	sort.Strings(c.names)
	return c, nil
}

// Names lists the tensors, sorted.
func (c *Checkpoint) Names() []string { return c.names }

// Tensor returns the tensor called name.
func (c *Checkpoint) Tensor(name string) (*Tensor, bool) {
	t, ok := c.index[name]
	return t, ok
}

// Close unmaps all files. The tensors must not be used any more.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, f := range c.files {
		errs = append(errs, f.Close())
	}
	c.files, c.index = nil, nil
	return errors.Join(errs...)
}
