package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"kenserve/internal/lfs"
	"kenserve/internal/regular"
)

// WeightsFile is the name of the weights in a Hugging Face folder that are not sharded.
const WeightsFile = "model.safetensors"

// IndexFile is the name of the index of sharded weights in a Hugging Face folder.
const IndexFile = "model.safetensors.index.json"

// maxIndex bounds the size of the index, in bytes.
const maxIndex = 16 << 20

// Checkpoint is the weights of a model, in one file or in shards listed by an index. It is
// read-only and may be used by several goroutines at once, until Close.
type Checkpoint struct {
	files []*File
	index map[string]*Tensor
	names []string
	// renamed has a tensor's name in the file and without wrappers, if they differ.
	renamed [2]string
}

// OpenCheckpoint opens the weights in a Hugging Face folder: model.safetensors, or the
// shards that model.safetensors.index.json lists. If path is a file, that file is the
// whole checkpoint. Tensors have the names of [ModelNames]. The error wraps
// fs.ErrNotExist if the folder has no such weights, and says how to convert others.
func OpenCheckpoint(path string) (*Checkpoint, error) { return openCheckpoint(path, Open) }

// openCheckpoint opens each file of a checkpoint with open.
func openCheckpoint(path string, open func(path string) (*File, error)) (*Checkpoint, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: open checkpoint: %w", err)
	}
	if !info.IsDir() {
		return openFiles(path, []string{filepath.Base(path)}, nil, open)
	}
	single := filepath.Join(path, WeightsFile)
	if _, err := os.Stat(single); err == nil {
		return openFiles(single, []string{WeightsFile}, nil, open)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("safetensors: open checkpoint: %w", err)
	}
	indexPath := filepath.Join(path, IndexFile)
	weights, err := readIndex(indexPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("safetensors: open checkpoint %s: the folder has neither %s nor %s%s: %w", path, WeightsFile, IndexFile, conversion(path), fs.ErrNotExist)
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
	return openFiles(indexPath, shards, weights, open)
}

// conversion says how to make safetensors of the weights of another format that a folder
// has; it is empty if the folder has none.
func conversion(dir string) string {
	for _, format := range []struct{ file, option string }{
		{"pytorch_model.bin", ""}, {"pytorch_model.bin.index.json", ""}, {"tf_model.h5", "from_tf=True"}, {"flax_model.msgpack", "from_flax=True"},
	} {
		if _, err := os.Stat(filepath.Join(dir, format.file)); err != nil {
			continue
		}
		option := format.option
		if option != "" {
			option = ", " + option
		}
		return fmt.Sprintf(`, but %s; convert it with: python -c 'import transformers as t; d = %q; getattr(t, t.AutoConfig.from_pretrained(d).architectures[0]).from_pretrained(d%s).save_pretrained(d, safe_serialization=True)'`, format.file, dir, option)
	}
	return ""
}

// readIndex returns the map of the index from tensors to the names of their shards.
func readIndex(path string) (map[string]string, error) {
	text, err := regular.Read(path, maxIndex)
	if err != nil {
		return nil, err
	}
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := lfs.Check(text); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, fmt.Errorf("%s is not a JSON object whose weight_map has the name of a file for each tensor", path)
	}
	if len(index.WeightMap) == 0 {
		return nil, fmt.Errorf("%s has no weight_map", path)
	}
	for name, shard := range index.WeightMap {
		if shard == "" || shard != filepath.Base(shard) || !filepath.IsLocal(shard) {
			return nil, fmt.Errorf("%s: tensor %s: shard %q is not the name of a file in the folder", path, name, shard)
		}
	}
	return index.WeightMap, nil
}

// openFiles opens the shards in the folder of path with open. If weights is not nil, it maps the
// checkpoint's tensors to their shards, and other tensors are ignored.
func openFiles(path string, shards []string, weights map[string]string, open func(path string) (*File, error)) (_ *Checkpoint, err error) {
	c := &Checkpoint{index: map[string]*Tensor{}}
	defer func() {
		if err != nil {
			_ = c.Close()
		}
	}()
	for _, shard := range shards {
		f, err := open(filepath.Join(filepath.Dir(path), shard))
		if weights != nil && errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("safetensors: open checkpoint %s: shard %s of %d is missing: copy or download it into the folder: %w", path, shard, len(shards), fs.ErrNotExist)
		}
		if err != nil {
			return nil, err
		}
		c.files = append(c.files, f)
		for _, name := range f.Names() {
			if weights != nil && weights[name] != shard {
				continue // the index does not list this tensor in this shard
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
	c.rename()
	sort.Strings(c.names)
	return c, nil
}

// rename gives the tensors the names of [ModelNames].
func (c *Checkpoint) rename() {
	index := map[string]*Tensor{}
	for i, name := range ModelNames(c.names) {
		t := c.index[c.names[i]]
		if t.Name != name {
			renamed := *t
			renamed.Name = name
			c.renamed = [2]string{t.Name, name}
			t = &renamed
		}
		index[name], c.names[i] = t, name
	}
	c.index = index
}

// Renamed returns an example of a tensor whose name in the file has a wrapper, with its
// name here, or "" if there is none.
func (c *Checkpoint) Renamed() (file, name string) { return c.renamed[0], c.renamed[1] }

// Names lists the tensors, sorted.
func (c *Checkpoint) Names() []string { return c.names }

// Tensor returns the tensor of that name, and whether there is one.
func (c *Checkpoint) Tensor(name string) (*Tensor, bool) {
	t, ok := c.index[name]
	return t, ok
}

// Close unmaps all files. The tensors must not be used afterwards.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, f := range c.files {
		errs = append(errs, f.Close())
	}
	c.files, c.index = nil, nil
	return errors.Join(errs...)
}
