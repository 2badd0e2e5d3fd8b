package container

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"kenserve/safetensors"
)

// Tensors that both layouts store alike: the rows of a table beyond the base's, TABLE#added,
// and the files of a tokenizer, #tokenizer/NAME.
const (
	partAdded     = "added"
	tokenizerPath = "#tokenizer/"
)

// MaxTokenizer is the maximum size in bytes of all files of a tokenizer together, before
// compression. Published ones have up to 40 MB.
const MaxTokenizer = 64 << 20

// errTokenizerSize means that the files of a tokenizer are too large.
var errTokenizerSize = fmt.Errorf("the files of the tokenizer have more than %d bytes, the most that is supported", MaxTokenizer)

// Own are the tensors of a delta file that have no counterpart in the base's positions.
type Own struct {
	Added     map[string]*safetensors.Tensor // by table: [rows, columns], the rows after the base's last
	Tokenizer []TokenizerFile                // sorted by name
}

// TokenizerFile is one compressed file of a tokenizer.
type TokenizerFile struct {
	Name string
	Data []byte // a zlib stream
}

// Take keeps a tensor of the file if it is of this kind, and tells whether it is. It checks what
// can be checked without the base.
func (o *Own) Take(t *safetensors.Tensor) (bool, error) {
	if name, ok := strings.CutPrefix(t.Name, tokenizerPath); ok {
		if err := checkFileName(name); err != nil {
			return true, err
		}
		data, err := Vector[byte](t, safetensors.U8)
		if err != nil {
			return true, err
		}
		i, _ := slices.BinarySearchFunc(o.Tokenizer, name, func(f TokenizerFile, name string) int { return strings.Compare(f.Name, name) })
		o.Tokenizer = slices.Insert(o.Tokenizer, i, TokenizerFile{strings.Clone(name), data})
		return true, nil
	}
	table, ok := strings.CutSuffix(t.Name, "#"+partAdded)
	if !ok {
		return false, nil
	}
	if table == "" || strings.Contains(table, "#") {
		return true, fmt.Errorf("tensor %s: not the name of a table's part", t.Name)
	}
	if len(t.Shape) != 2 || t.Shape[0] == 0 || !t.DType.Float() {
		return true, fmt.Errorf("tensor %s: %s of shape %v, want rows of floats", t.Name, t.DType, t.Shape)
	}
	if err := CheckFinite(t); err != nil {
		return true, fmt.Errorf("tensor %s: %w", t.Name, err)
	}
	if o.Added == nil {
		o.Added = map[string]*safetensors.Tensor{}
	}
	own := *t // a copy, so that the container's directory can be freed
	o.Added[strings.Clone(table)] = &own
	return true, nil
}

// TokenizerBytes returns the size of the tokenizer's files, compressed.
func (o *Own) TokenizerBytes() int64 {
	n := int64(0)
	for _, f := range o.Tokenizer {
		n += int64(len(f.Data))
	}
	return n
}

// WriteTo adds all of the tensors to a file.
func (o *Own) WriteTo(w *Writer) error {
	for table, t := range o.Added {
		if err := w.Added(table, t); err != nil {
			return err
		}
	}
	for _, f := range o.Tokenizer {
		if err := w.Add(tokenizerPath+f.Name, safetensors.U8, []int{len(f.Data)}, f.Data); err != nil {
			return err
		}
	}
	return nil
}

// Files decompresses the tokenizer's files, which together have at most MaxTokenizer bytes.
func (o *Own) Files() (map[string][]byte, error) {
	files := map[string][]byte{}
	left := int64(MaxTokenizer)
	for _, f := range o.Tokenizer {
		text, err := inflate(f.Data, left)
		if err != nil {
			return nil, fmt.Errorf("file %s of the tokenizer: %w", f.Name, err)
		}
		left -= int64(len(text))
		files[f.Name] = text
	}
	return files, nil
}

// inflate decompresses a zlib stream that is all of data, to at most limit bytes.
func inflate(data []byte, limit int64) ([]byte, error) {
	in := bytes.NewReader(data)
	z, err := zlib.NewReader(in)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(z, limit+1))
	switch {
	case err != nil:
		return nil, err
	case n > limit:
		return nil, errTokenizerSize
	case in.Len() > 0:
		return nil, fmt.Errorf("%d bytes after the end of the compressed data", in.Len())
	}
	return out.Bytes(), nil
}

// Added adds the rows of a table that the base's table does not have.
func (w *Writer) Added(table string, t *safetensors.Tensor) error {
	if err := CheckName(table); err != nil {
		return err
	}
	if err := CheckFinite(t); err != nil {
		return fmt.Errorf("delta: tensor %s: row beyond the base's: %w", table, err)
	}
	return w.Add(table+"#"+partAdded, t.DType, t.Shape, t.Data)
}

// CompressTokenizer compresses the files of a tokenizer. The same files always give the same
// bytes.
func CompressTokenizer(files map[string][]byte) ([]TokenizerFile, error) {
	var out []TokenizerFile
	size := 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := checkFileName(name); err != nil {
			return nil, fmt.Errorf("delta: %w", err)
		}
		if size += len(files[name]); size > MaxTokenizer {
			return nil, fmt.Errorf("delta: %w", errTokenizerSize)
		}
		var data bytes.Buffer
		z, err := zlib.NewWriterLevel(&data, zlib.BestCompression)
		if err == nil {
			_, err = z.Write(files[name])
		}
		if err == nil {
			err = z.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("delta: compress %s: %w", name, err)
		}
		out = append(out, TokenizerFile{name, data.Bytes()})
	}
	return out, nil
}

// checkFileName refuses a name that is not the plain name of a file. On disk it must not
// lead out of a folder, nor name a hidden file.
func checkFileName(name string) error {
	for _, c := range name {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return fmt.Errorf("%q is not the name of a tokenizer's file", name)
		}
	}
	if name == "" || name[0] == '.' || len(name) > 64 {
		return fmt.Errorf("%q is not the name of a tokenizer's file", name)
	}
	return nil
}

// errNoTokenizer and its like mean that the metadata and the tensors contradict each other.
var (
	errNoTokenizer = errors.New("the flag tokenizer is set, but there is no file of a tokenizer")
	errTokenizer   = errors.New("there is a file of a tokenizer without the flag tokenizer")
)

// Check compares the tensors with the metadata: rows are the numbers of rows by table, and
// tokenizer says that there is one.
func (o *Own) Check(rows map[string]int, tokenizer bool) error {
	for table := range o.Added {
		if rows[table] == 0 {
			return fmt.Errorf("tensor %s#%s: the metadata does not say how many rows %s has", table, partAdded, table)
		}
	}
	switch {
	case tokenizer && len(o.Tokenizer) == 0:
		return errNoTokenizer
	case !tokenizer && len(o.Tokenizer) > 0:
		return errTokenizer
	}
	return nil
}
