// Package export writes a base with a delta applied to it as a full Hugging Face
// checkpoint: weights in float32, the tuned model's configuration, and the task's own
// tokenizer or the base's.
package export

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"kenserve/delta"
	"kenserve/internal/regular"
	"kenserve/models"
	"kenserve/safetensors"
	"kenserve/tokenizer"
)

// FileNames lists the names of all files that [Write] may write.
func FileNames() []string {
	return append([]string{safetensors.WeightsFile, models.ConfigFile}, tokenizer.FileNames()...)
}

// Write writes the checkpoint to the folder dir and creates the folder if it does not
// exist. base holds the weights of the folder baseDir, and d must have been checked
// against them. Every file is replaced as a whole.
func Write(dir, baseDir string, base *safetensors.Checkpoint, d *delta.Delta) error {
	if err := write(dir, baseDir, base, d); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

func write(dir, baseDir string, base *safetensors.Checkpoint, d *delta.Delta) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files, err := tokenizerFiles(dir, baseDir, d)
	if err != nil {
		return err
	}
	weights := filepath.Join(dir, safetensors.WeightsFile)
	if err := safetensors.WriteFile(weights, map[string]string{"format": "pt"}, tunedTensors(base, d)); err != nil {
		return err
	}
	if err := writeConfig(dir, baseDir, d); err != nil {
		return err
	}
	for name, data := range files {
		err := safetensors.Replace(filepath.Join(dir, name), func(w io.Writer) error { _, err := w.Write(data); return err })
		if err != nil {
			return err
		}
	}
	return nil
}

// CheckFolder returns an error if the folder dir, into which the checkpoint of d will be
// put, has other files of a tokenizer: they could win over those of the checkpoint.
func CheckFolder(dir, baseDir string, d *delta.Delta) error {
	if _, err := tokenizerFiles(dir, baseDir, d); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// maxTokenizerFile bounds a file of a tokenizer, in bytes.
const maxTokenizerFile = 256 << 20

// tokenizerFiles returns the files of the task's own tokenizer, or of the base's. It is an
// error if the folder dir has other files of a tokenizer.
func tokenizerFiles(dir, baseDir string, d *delta.Delta) (map[string][]byte, error) {
	files, err := d.TokenizerFiles()
	if err != nil {
		return nil, err
	}
	own := files != nil
	if !own {
		files = map[string][]byte{}
	}
	for _, name := range tokenizer.FileNames() {
		if name == models.ConfigFile { // the model's, which writeConfig writes
			delete(files, name)
			continue
		}
		if !own {
			data, err := regular.Read(filepath.Join(baseDir, name), maxTokenizerFile)
			if err == nil {
				files[name] = data
			} else if !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
		if _, ok := files[name]; !ok {
			if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
				return nil, fmt.Errorf("%s is not of this task's tokenizer, but would be read with it: remove it, or choose another folder", filepath.Join(dir, name))
			}
		}
	}
	return files, nil
}

// tunedTensors lists the tensors of the tuned checkpoint under its own names: those of
// the base with the delta applied, and the head. Integer tensors keep their type.
func tunedTensors(base *safetensors.Checkpoint, d *delta.Delta) []safetensors.Entry {
	var entries []safetensors.Entry
	for _, name := range base.Names() {
		if slices.Contains(d.Absent, name) {
			continue
		}
		b, _ := base.Tensor(name)
		t, _ := d.Tensor(name)
		e := safetensors.Entry{Name: d.TunedName(name), DType: b.DType, Shape: b.Shape, WriteTo: b.Entry().WriteTo}
		if b.DType.Float() {
			rows, _ := b.Rows()
			added := d.AddedRows(name)
			if resized, ok := d.Rows[name]; ok {
				e.Shape = []int{resized, b.Shape[1]}
				rows = min(rows, resized)
			}
			e.DType = safetensors.F32
			e.WriteTo = func(w io.Writer) error {
				if err := writePatched(w, b, t, rows); err != nil || added == nil {
					return err
				}
				more, _ := added.Rows()
				return writePatched(w, added, nil, more)
			}
		}
		entries = append(entries, e)
	}
	for i := range d.Tensors {
		t := &d.Tensors[i]
		if _, ok := base.Tensor(t.Name); ok {
			continue
		}
		e := t.Dense.Entry()
		if t.Dense.DType.Float() {
			rows, _ := t.Dense.Rows()
			e.DType = safetensors.F32
			e.WriteTo = func(w io.Writer) error { return writePatched(w, t.Dense, nil, rows) }
		}
		entries = append(entries, e)
	}
	return entries
}

// writePatched writes the first rows of the base's tensor b in float32 with the delta's
// tensor t applied. t may be nil, which means no change. It writes a block of rows at a
// time, so that memory stays small.
func writePatched(w io.Writer, b *safetensors.Tensor, t *delta.Tensor, rows int) error {
	if t != nil && t.Dense != nil {
		b, t = t.Dense, nil
	}
	_, columns := b.Rows()
	const blockRows = 64
	block := make([]float32, min(blockRows, rows)*columns)
	for first := 0; first < rows; first += blockRows {
		part := block[:min(blockRows, rows-first)*columns]
		if err := b.Float32s(part, first*columns); err != nil {
			return err
		}
		if t != nil {
			t.Masked.PatchRows(first, part)
		}
		if _, err := w.Write(safetensors.Bytes(part)); err != nil {
			return err
		}
	}
	return nil
}

// writeConfig writes the tuned model's configuration. If the delta has none, it copies
// the base's.
func writeConfig(dir, baseDir string, d *delta.Delta) error {
	path := filepath.Join(dir, models.ConfigFile)
	if d.Config == "" {
		return copyFile(path, filepath.Join(baseDir, models.ConfigFile))
	}
	return safetensors.Replace(path, func(w io.Writer) error {
		_, err := io.WriteString(w, d.Config+"\n")
		return err
	})
}

func copyFile(to, from string) error {
	in, _, err := regular.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return safetensors.Replace(to, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
}
