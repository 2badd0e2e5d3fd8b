package delta

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"kenserve/delta/internal/container"
	"kenserve/safetensors"
)

// AddedRows returns the rows of a table of the base that come after the base's last, as the
// tuned checkpoint has them: [rows, columns]. It returns nil if the delta has none.
func (d *Delta) AddedRows(table string) *safetensors.Tensor { return d.own.Added[table] }

// TokenizerFiles decompresses the files of the task's own tokenizer, by the names that they
// have in a Hugging Face folder. The file config.json has only the settings that tokenizers
// depend on. It returns nil if the task has the base's tokenizer. Errors are [ErrCorrupt].
func (d *Delta) TokenizerFiles() (map[string][]byte, error) {
	if !d.OwnTokenizer {
		return nil, nil
	}
	files, err := d.own.Files()
	if err != nil {
		return nil, fmt.Errorf("delta: %w: %w", ErrCorrupt, err)
	}
	return files, nil
}

// TokenizerDigest returns a digest of the files of the task's own tokenizer, empty if it has
// the base's. Deltas with the same digest have the same files.
func (d *Delta) TokenizerDigest() string {
	if !d.OwnTokenizer {
		return ""
	}
	h := sha256.New()
	for _, f := range d.own.Tokenizer {
		fmt.Fprintf(h, "%s\x00%d\x00", f.Name, len(f.Data))
		h.Write(f.Data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// TokenizerBytes returns the size of the tokenizer's files in the delta file.
func (d *Delta) TokenizerBytes() int64 { return d.own.TokenizerBytes() }

// Own returns the tensors that both layouts store alike, for package pack.
func (d *Delta) Own() *container.Own { return &d.own }

// checkRows compares the tables whose number of rows is not the base's with the base.
func (d *Delta) checkRows(base Tensors) error {
	for table, rows := range d.Rows {
		b, ok := base.Tensor(table)
		if !ok {
			return fmt.Errorf("tensor %s: the metadata gives its rows, but the base has no such tensor", table)
		}
		if len(b.Shape) != 2 || !b.DType.Float() {
			return fmt.Errorf("tensor %s: the metadata gives its rows, but the base's is no table of floats", table)
		}
		added := d.own.Added[table]
		switch {
		case rows == b.Shape[0]:
			return fmt.Errorf("tensor %s: the metadata gives it %d rows, as many as the base has; only another number is given", table, rows)
		case rows < b.Shape[0] && added != nil:
			return fmt.Errorf("tensor %s: the metadata gives it %d rows, fewer than the %d of the base, but the file has added rows for it", table, rows, b.Shape[0])
		case rows > b.Shape[0]:
			if added == nil {
				return fmt.Errorf("tensor %s: %s", table, errAdded)
			}
			if want := []int{rows - b.Shape[0], b.Shape[1]}; !slices.Equal(added.Shape, want) {
				return fmt.Errorf("tensor %s: the rows after the base's last have shape %v, want %v", table, added.Shape, want)
			}
		}
	}
	return nil
}

var errAdded = errors.New("the rows after the base's last are missing")

// Resize says that the tuned checkpoint's table has another number of rows than the base's.
// added are the rows after the base's last, [rows, columns], of any floats but F64; nil if the
// table has fewer.
func (w *Writer) Resize(table string, rows int, added *safetensors.Tensor) error {
	if w.rows == nil {
		w.rows = map[string]int{}
	}
	w.rows[table] = rows
	if added == nil {
		return nil
	}
	return w.file.Added(table, added)
}

// Tokenizer is the files of a tokenizer, compressed.
type Tokenizer struct{ files []container.TokenizerFile }

// CompressTokenizer compresses the files of a tokenizer, which are by name. The error says if
// they are too large.
func CompressTokenizer(files map[string][]byte) (*Tokenizer, error) {
	compressed, err := container.CompressTokenizer(files)
	if err != nil {
		return nil, err
	}
	return &Tokenizer{compressed}, nil
}

// Bytes returns the size of the files, compressed.
func (t *Tokenizer) Bytes() int64 {
	own := container.Own{Tokenizer: t.files}
	return own.TokenizerBytes()
}

// Tokenizer adds the tuned checkpoint's tokenizer.
func (w *Writer) Tokenizer(t *Tokenizer) error {
	w.tokenizer = true
	own := container.Own{Tokenizer: t.files}
	return own.WriteTo(w.file)
}
