// Package export writes a base with a delta applied to it as a full Hugging Face
// checkpoint: weights in float32, the tuned model's configuration and the base's
// tokenizer.
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
)

// tokenizerFiles are the files that are copied from the base, if it has them.
var tokenizerFiles = []string{
	"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
	"vocab.txt", "vocab.json", "merges.txt", "spm.model", "sentencepiece.bpe.model",
}

// FileNames lists the names of all files that [Write] may write.
func FileNames() []string {
	return append([]string{safetensors.WeightsFile, models.ConfigFile}, tokenizerFiles...)
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
	weights := filepath.Join(dir, safetensors.WeightsFile)
	if err := safetensors.WriteFile(weights, map[string]string{"format": "pt"}, tunedTensors(base, d)); err != nil {
		return err
	}
	if err := writeConfig(dir, baseDir, d); err != nil {
		return err
	}
	for _, name := range tokenizerFiles {
		if err := copyFile(filepath.Join(dir, name), filepath.Join(baseDir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
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
			e.DType = safetensors.F32
			e.WriteTo = func(w io.Writer) error { return writePatched(w, b, t) }
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
			e.DType = safetensors.F32
			e.WriteTo = func(w io.Writer) error { return writePatched(w, t.Dense, nil) }
		}
		entries = append(entries, e)
	}
	return entries
}

// writePatched writes the base's tensor b in float32 with the delta's tensor t applied.
// t may be nil, which means no change. It writes a block of rows at a time, so that
// memory stays small.
func writePatched(w io.Writer, b *safetensors.Tensor, t *delta.Tensor) error {
	if t != nil && t.Dense != nil {
		b, t = t.Dense, nil
	}
	rows, columns := b.Rows()
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
