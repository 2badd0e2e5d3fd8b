package delta

import (
	"bytes"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kenserve/delta/internal/container"
	"kenserve/delta/internal/deltatest"
	"kenserve/safetensors"
)

// ownFiles is a tokenizer, as far as this package looks at it.
var ownFiles = map[string][]byte{"vocab.txt": []byte("[UNK]\nword\n"), "tokenizer_config.json": []byte("{}"), "empty": {}}

// ownExample returns a delta file with a tokenizer, and two tables with another number of rows
// than those of deltatest.Base: table has 11 of 9, and words has 64 of 70.
func ownExample(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "own.ken")
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	tokenizer, err := CompressTokenizer(ownFiles)
	if err != nil {
		t.Fatal(err)
	}
	added := &safetensors.Tensor{DType: safetensors.BF16, Shape: []int{2, 21}, Data: bytes.Repeat([]byte{0x80, 0x3f}, 42)}
	if err := errors.Join(w.Tokenizer(tokenizer), w.Resize("table", 11, added), w.Resize("words", 64, nil)); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(Info{BaseSHA256: Fingerprint(deltatest.Base()), Selection: "delta", Coding: Sign, Producer: "kenserve test"}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestOwnTensors(t *testing.T) {
	d, err := parse(ownExample(t))
	if err != nil {
		t.Fatal(err)
	}
	base := deltatest.Base()
	if err := d.Check(base, d.BaseSHA256); err != nil {
		t.Fatal(err)
	}
	if !d.OwnTokenizer || !maps.Equal(d.Rows, map[string]int{"table": 11, "words": 64}) || d.Metadata()["flags"] != "rows,tokenizer" {
		t.Errorf("tokenizer %v, rows %v, flags %s", d.OwnTokenizer, d.Rows, d.Metadata()["flags"])
	}
	files, err := d.TokenizerFiles()
	if err != nil || !maps.EqualFunc(files, ownFiles, bytes.Equal) {
		t.Errorf("files %q, %v", files, err)
	}
	if added := d.AddedRows("table"); added == nil || added.Len() != 42 || d.AddedRows("words") != nil {
		t.Error("the added rows differ")
	}
	if len(d.TokenizerDigest()) != 64 || d.TokenizerBytes() == 0 || len(d.Tensors) != 0 {
		t.Errorf("digest %q, %d bytes, tensors %v", d.TokenizerDigest(), d.TokenizerBytes(), d.Tensors)
	}
	// A file without them has none of it.
	data, _ := example(t, Sign, 0.5, 1)
	if d, err = parse(data); err != nil {
		t.Fatal(err)
	}
	if files, err := d.TokenizerFiles(); files != nil || err != nil || d.TokenizerDigest() != "" || d.Metadata()["flags"] != "" || d.Rows != nil {
		t.Errorf("files %q, %v, digest %q, rows %v", files, err, d.TokenizerDigest(), d.Rows)
	}
}

// TestOwnRefusals: damaged and contradictory files are corrupt, when they are opened, checked
// or when their tokenizer is read.
func TestOwnRefusals(t *testing.T) {
	meta := func(key, value string) func(*deltatest.File) {
		return func(f *deltatest.File) { f.Metadata[key] = value }
	}
	insert := func(name string, dtype safetensors.DType, shape []int, data []byte) func(*deltatest.File) {
		return func(f *deltatest.File) {
			f.Insert(safetensors.Tensor{Name: name, DType: dtype, Shape: shape, Data: data})
		}
	}
	bomb, err := CompressTokenizer(map[string][]byte{"a": make([]byte, container.MaxTokenizer)})
	if err != nil {
		t.Fatal(err)
	}
	ones := bomb.files[0].Data
	for _, c := range []struct {
		name   string
		damage func(f *deltatest.File)
		want   string
	}{
		{"no flags", func(f *deltatest.File) { delete(f.Metadata, "flags") }, `flags are "", and "rows" by the other keys`},
		{"flags in another order", meta("flags", "tokenizer,rows"), `flags are "tokenizer,rows"`},
		{"a flag twice", meta("flags", "rows,tokenizer,tokenizer"), "flags are"},
		{"an unknown flag", meta("flags", "rows,tokenizer,x"), "flags are"},
		{"flag without rows", func(f *deltatest.File) { delete(f.Metadata, "rows") }, `flags are "rows,tokenizer"`},
		{"no rows", meta("rows", "{}"), "rows: not a JSON object of integers"},
		{"rows of a fraction", meta("rows", `{"table":1.5}`), "rows: not a JSON object of integers"},
		{"0 rows", meta("rows", `{"table":0}`), `0 rows of "table"`},
		{"rows of no tensor", meta("rows", `{"table":11,"nothing":3}`), "the base has no such tensor"},
		{"rows of a vector", meta("rows", `{"table":11,"vector":3}`), "no table of floats"},
		{"rows of integers", meta("rows", `{"table":11,"ids":3}`), "no table of floats"},
		{"the base's rows", meta("rows", `{"table":11,"words":70}`), "as many as the base has"},
		{"other added rows", meta("rows", `{"table":12,"words":64}`), "have shape [2 21], want [3 21]"},
		{"fewer rows with added ones", meta("rows", `{"table":8,"words":64}`), "8 rows, fewer than the 9 of the base"},
		{"no added rows", func(f *deltatest.File) { f.Remove("table#added") }, "rows after the base's last are missing"},
		{"added rows without rows", meta("rows", `{"words":64}`), "the metadata does not say how many rows table has"},
		{"added rows of a table without a name", insert("#added", safetensors.F32, []int{1, 1}, make([]byte, 4)), "not the name of a table's part"},
		{"added rows in one dimension", insert("words#added", safetensors.F32, []int{1}, make([]byte, 4)), "want rows of floats"},
		{"added rows of integers", insert("words#added", safetensors.U8, []int{1, 1}, make([]byte, 1)), "want rows of floats"},
		{"no added rows in the part", insert("words#added", safetensors.F32, []int{0, 1}, nil), "want rows of floats"},
		{"an infinite added value", insert("words#added", safetensors.F32, []int{1, 1}, safetensors.Bytes([]float32{float32(math.Inf(1))})), "+Inf"},
		{"F64", insert("words#added", safetensors.F64, []int{1, 1}, make([]byte, 8)), "want rows of floats"},
		{"no files", func(f *deltatest.File) {
			for name := range ownFiles {
				f.Remove("#tokenizer/" + name)
			}
		}, "there is no file of a tokenizer"},
		{"files without the flag", meta("flags", "rows"), "a file of a tokenizer without the flag"},
		{"a path", insert("#tokenizer/../x", safetensors.U8, []int{1}, []byte{1}), "not the name of a tokenizer's file"},
		{"a hidden file", insert("#tokenizer/.x", safetensors.U8, []int{1}, []byte{1}), "not the name of a tokenizer's file"},
		{"no name", insert("#tokenizer/", safetensors.U8, []int{1}, []byte{1}), "not the name of a tokenizer's file"},
		{"a long name", insert("#tokenizer/"+strings.Repeat("a", 65), safetensors.U8, []int{1}, []byte{1}), "not the name of a tokenizer's file"},
		{"a file of floats", insert("#tokenizer/x", safetensors.F32, []int{1}, make([]byte, 4)), "F32, want U8"},
		{"a part of no tensor", insert("#other", safetensors.U8, []int{1}, []byte{1}), `unknown part "other"`},
		{"no stream", insert("#tokenizer/x", safetensors.U8, []int{1}, []byte{1}), "file x of the tokenizer"},
		{"an empty stream", insert("#tokenizer/x", safetensors.U8, []int{0}, nil), "file x of the tokenizer"},
		{"a truncated stream", func(f *deltatest.File) {
			x := f.Tensor("#tokenizer/vocab.txt")
			x.Data, x.Shape = x.Data[:len(x.Data)-1], []int{len(x.Data) - 1}
		}, "file vocab.txt of the tokenizer: unexpected EOF"},
		{"bytes after a stream", func(f *deltatest.File) {
			x := f.Tensor("#tokenizer/vocab.txt")
			x.Data, x.Shape = append(x.Data, 0), []int{len(x.Data) + 1}
		}, "1 bytes after the end of the compressed data"},
		{"a checksum that is wrong", func(f *deltatest.File) { x := f.Tensor("#tokenizer/vocab.txt"); x.Data[len(x.Data)-1] ^= 1 }, "checksum"},
		{"too much in all files", insert("#tokenizer/x", safetensors.U8, []int{len(ones)}, ones), "more than 67108864 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := deltatest.TakeApart(t, ownExample(t))
			c.damage(f)
			d, err := parse(f.Bytes(t))
			if err == nil {
				err = d.Check(deltatest.Base(), d.BaseSHA256)
			}
			if err == nil {
				_, err = d.TokenizerFiles()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, ErrCorrupt) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// TestTokenizerLimits: a writer refuses what a reader would.
func TestTokenizerLimits(t *testing.T) {
	for name, files := range map[string]map[string][]byte{
		"not the name of a tokenizer's file": {"a/b": nil},
		"more than 67108864 bytes":           {"a": make([]byte, container.MaxTokenizer), "b": {1}},
	} {
		if _, err := CompressTokenizer(files); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want %q", err, name)
		}
	}
}

// FuzzTokenizerFiles: whatever a file's bytes are, reading it ends with at most the maximum, and
// what was read can be written and read again.
func FuzzTokenizerFiles(f *testing.F) {
	whole, err := container.CompressTokenizer(ownFiles)
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range whole {
		f.Add(file.Data)
	}
	f.Add([]byte{0x78, 0xda})
	f.Fuzz(func(t *testing.T, data []byte) {
		d := Delta{Info: Info{OwnTokenizer: true}, own: container.Own{Tokenizer: []container.TokenizerFile{{Name: "x", Data: data}}}}
		files, err := d.TokenizerFiles()
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if len(files["x"]) > container.MaxTokenizer {
			t.Fatalf("%d bytes", len(files["x"]))
		}
		again, err := CompressTokenizer(files)
		if err != nil {
			t.Fatal(err)
		}
		d.own.Tokenizer = again.files
		if got, err := d.TokenizerFiles(); err != nil || !bytes.Equal(got["x"], files["x"]) {
			t.Fatalf("%q, want %q", got["x"], files["x"])
		}
	})
}
