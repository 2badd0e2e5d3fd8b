package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"kenserve/delta"
	"kenserve/models"
	"kenserve/safetensors"
)

type exportCmd struct {
	File  string `arg:"" placeholder:"FILE.ken" help:"Delta file."`
	Base  string `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base."`
	Out   string `required:"" placeholder:"DIR" help:"Folder to write; it must not exist yet, or be empty."`
	Force bool   `help:"Write into a folder that is not empty."`
	cacheFlags
}

// tokenizerFiles are copied from the base, those that are there.
var tokenizerFiles = []string{
	"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
	"vocab.txt", "vocab.json", "merges.txt", "spm.model", "sentencepiece.bpe.model",
}

func (c *exportCmd) Run(s streams) error {
	base, err := openBase("export", c.Base)
	if err != nil {
		return err
	}
	defer base.Close()
	d, err := base.delta(c.File, c.cacheFlags.open())
	if err != nil {
		return err
	}
	defer d.Close()
	if samePath(c.Out, c.Base) {
		return usageError{fmt.Errorf("export: --out is the base's own folder, %s", c.Base)}
	}
	if files, err := os.ReadDir(c.Out); err == nil && len(files) > 0 && !c.Force {
		return usageError{fmt.Errorf("export: %s is not empty; --force writes into it all the same", c.Out)}
	}
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	weights := filepath.Join(c.Out, safetensors.WeightsFile)
	if err := safetensors.WriteFile(weights, map[string]string{"format": "pt"}, exported(base.Checkpoint, d)); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if err := c.writeConfig(d); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	for _, name := range tokenizerFiles {
		if err := copyFile(filepath.Join(c.Out, name), filepath.Join(c.Base, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("export: %w", err)
		}
	}
	_, err = fmt.Fprintf(s.out, "%s: written\n", c.Out)
	return err
}

// exported lists the tuned checkpoint's tensors: the base's with the delta
// applied, and the head.
func exported(base *safetensors.Checkpoint, d *delta.Delta) []safetensors.Entry {
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

// writePatched writes a tensor in float32, some rows at a time, with a delta's
// tensor applied if it is not nil.
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

// writeConfig writes the tuned model's configuration; a delta without one gets
// the base's.
func (c *exportCmd) writeConfig(d *delta.Delta) error {
	path := filepath.Join(c.Out, models.ConfigFile)
	if d.Config == "" {
		return copyFile(path, filepath.Join(c.Base, models.ConfigFile))
	}
	return safetensors.Replace(path, func(w io.Writer) error {
		_, err := io.WriteString(w, d.Config+"\n")
		return err
	})
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return safetensors.Replace(to, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
}
