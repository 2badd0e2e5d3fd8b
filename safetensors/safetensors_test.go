package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kenserve/internal/regular"
)

// container returns a file with the header and data bytes of zeros.
func container(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

func tensorJSON(name, dtype, shape string, begin, end int) string {
	return fmt.Sprintf(`%q:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, name, dtype, shape, begin, end)
}

func TestRefusals(t *testing.T) {
	a := tensorJSON("a", "F32", "[2]", 0, 8)
	long := strings.Repeat("n", MaxName+1)
	tests := []struct {
		name string
		file []byte
		want error
	}{
		{"empty", nil, errTruncated},
		{"no header length", make([]byte, 7), errTruncated},
		{"header longer than the file", container("{}", 0)[:9], errTruncated},
		{"header over the limit", binary.LittleEndian.AppendUint64(nil, maxHeader+1), errHeaderSize},
		{"header of 2^63 bytes", binary.LittleEndian.AppendUint64(nil, 1<<63), errHeaderSize},
		{"not UTF-8", container("{\"a\xff\":1}", 0), errNotUTF8},
		{"not JSON", container("{", 0), errSyntax},
		{"an array", container("[]", 0), errSyntax},
		{"text after the object", container("{} {}", 0), errSyntax},
		{"deep nesting", container(strings.Repeat("[", 1<<19), 0), errSyntax},
		{"tensor is a number", container(`{"a":1}`, 0), errSyntax},
		{"unknown field", container(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0],"flag":1}}`, 0), errSyntax},
		{"missing field", container(`{"a":{"dtype":"F32","shape":[0]}}`, 0), errSyntax},
		{"one offset", container(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0]}}`, 0), errSyntax},
		{"negative offset", container(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[-1,0]}}`, 0), errSyntax},
		{"fractional dimension", container(`{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,6]}}`, 6), errSyntax},
		{"metadata is not text", container(`{"__metadata__":{"k":1}}`, 0), errSyntax},
		{"tensor twice", container("{"+a+","+a+"}", 8), errDuplicateKey},
		{"tensor twice, escaped", container("{"+a+","+strings.Replace(a, `"a"`, `"\u0061"`, 1)+"}", 8), errDuplicateKey},
		{"metadata key twice", container(`{"__metadata__":{"k":"1","k":"2"}}`, 0), errDuplicateKey},
		{"metadata twice", container(`{"__metadata__":{},"__metadata__":{}}`, 0), errDuplicateKey},
		{"field twice", container(`{"a":{"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, 0), errDuplicateKey},
		{"empty name", container("{"+tensorJSON("", "F32", "[2]", 0, 8)+"}", 8), ErrName},
		{"long name", container("{"+tensorJSON(long, "F32", "[2]", 0, 8)+"}", 8), ErrName},
		{"unknown dtype", container("{"+tensorJSON("a", "F8", "[2]", 0, 2)+"}", 2), errDType},
		{"too many dimensions", container("{"+tensorJSON("a", "F32", "[1,1,1,1,1,1,1,1,1]", 0, 4)+"}", 4), errShape},
		{"product overflows", container("{"+tensorJSON("a", "F32", "[4294967296,4294967296]", 0, 0)+"}", 0), errShape},
		{"dimension overflows", container("{"+tensorJSON("a", "U8", "[18446744073709551615]", 0, 0)+"}", 0), errShape},
		{"offsets run backwards", container("{"+tensorJSON("a", "F32", "[2]", 8, 0)+"}", 8), errOffsets},
		{"offsets do not fit the shape", container("{"+tensorJSON("a", "F32", "[3]", 0, 8)+"}", 8), errOffsets},
		{"offsets beyond the file", container("{"+tensorJSON("a", "F32", "[3]", 0, 12)+"}", 8), errOffsets},
		{"overlap", container("{"+a+","+tensorJSON("b", "F32", "[2]", 4, 12)+"}", 12), errOffsets},
		{"same range", container("{"+a+","+tensorJSON("b", "F32", "[2]", 0, 8)+"}", 8), errOffsets},
		{"hole", container("{"+a+","+tensorJSON("b", "F32", "[1]", 12, 16)+"}", 16), errOffsets},
		{"hole at the start", container("{"+tensorJSON("a", "F32", "[2]", 4, 12)+"}", 12), errOffsets},
		{"bytes left over", container("{"+a+"}", 9), errOffsets},
		{"no tensors but bytes", container("{}", 1), errOffsets},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse(test.file)
			if !errors.Is(err, test.want) || !errors.Is(err, ErrCorrupt) {
				t.Fatalf("Parse: %v, want %v", err, test.want)
			}
			path := filepath.Join(t.TempDir(), "x.safetensors")
			if err := os.WriteFile(path, test.file, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(path); !errors.Is(err, test.want) {
				t.Fatalf("Open: %v, want %v", err, test.want)
			}
			if _, err := Load(path); !errors.Is(err, test.want) {
				t.Fatalf("Load: %v, want %v", err, test.want)
			}
		})
	}
}

func TestOpenRefusesIrregularFiles(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip("cannot make a named pipe:", err)
	}
	for _, path := range []string{dir, pipe} {
		if _, err := Open(path); !errors.Is(err, regular.ErrNotRegular) {
			t.Errorf("Open(%s): %v", path, err)
		}
	}
	if _, err := Open(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func TestRoundTrip(t *testing.T) {
	tensors := []Tensor{
		{Name: "floats", DType: F32, Shape: []int{2, 2}, Data: Bytes([]float32{1, float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, -3})},
		{Name: "scalar", DType: F32, Shape: []int{}, Data: Bytes([]float32{7})},
		{Name: "nothing", DType: I64, Shape: []int{3, 0}, Data: []byte{}},
		{Name: `q"uoted <ü>`, DType: U8, Shape: []int{3}, Data: []byte{1, 2, 3}},
		{Name: "shorts", DType: U16, Shape: []int{2}, Data: Bytes([]uint16{1, 65535})},
	}
	metadata := map[string]string{"format": "pt", "labels": `["a","ß"]`}
	entries := make([]Entry, len(tensors))
	for i := range tensors {
		entries[i] = tensors[i].Entry()
	}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := WriteFile(path, metadata, entries); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if diff := cmp.Diff(metadata, f.Metadata()); diff != "" {
		t.Error(diff)
	}
	var got []Tensor
	for _, name := range f.Names() {
		tensor, ok := f.Tensor(name)
		if !ok {
			t.Fatalf("tensor %s is in Names but not found", name)
		}
		got = append(got, *tensor)
	}
	if diff := cmp.Diff(tensors, got, cmpopts.IgnoreUnexported(Tensor{})); diff != "" {
		t.Error(diff)
	}
	shorts, _ := f.Tensor("shorts") // at an odd offset, so that View must copy
	if v, err := View[uint16](shorts); err != nil || v[0] != 1 || v[1] != 65535 {
		t.Errorf("View of a misaligned tensor: %v, %v", v, err)
	}
	if _, err := View[float32](shorts); err == nil {
		t.Error("U16 viewed as float32")
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
	if err != nil || len(left) != 0 {
		t.Errorf("temporary files left: %v, %v", left, err)
	}
}

func TestWriteRefusals(t *testing.T) {
	data := func(n int) func(io.Writer) error {
		return func(w io.Writer) error { _, err := w.Write(make([]byte, n)); return err }
	}
	tests := []struct {
		name     string
		metadata map[string]string
		entries  []Entry
	}{
		{"too few bytes", nil, []Entry{{"a", F32, []int{2}, data(7)}}},
		{"too many bytes", nil, []Entry{{"a", F32, []int{2}, data(9)}}},
		{"name twice", nil, []Entry{{"a", U8, []int{1}, data(1)}, {"a", U8, []int{1}, data(1)}}},
		{"reserved name", nil, []Entry{{"__metadata__", U8, []int{1}, data(1)}}},
		{"no dtype", nil, []Entry{{"a", "", []int{1}, data(1)}}},
		{"overflow", nil, []Entry{{"a", F64, []int{math.MaxInt, 2}, data(1)}}},
		{"metadata not UTF-8", map[string]string{"k": "\xff"}, nil},
		{"header too large", map[string]string{"k": strings.Repeat("x", maxHeader)}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x")
			if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := WriteFile(path, test.metadata, test.entries); err == nil {
				t.Fatal("no error")
			}
			if kept, _ := os.ReadFile(path); string(kept) != "before" {
				t.Errorf("the old file now holds %q", kept)
			}
			if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
				t.Errorf("%d files left, want 1", len(files))
			}
		})
	}
}

// TestFloat16 checks all 65,536 values against the definition of binary16.
func TestFloat16(t *testing.T) {
	for h := range 1 << 16 {
		got := float16(uint16(h))
		sign := 1.0
		if h&0x8000 != 0 {
			sign = -1
		}
		exponent, mantissa := h>>10&0x1f, float64(h&0x3ff)
		var want float64
		switch exponent {
		case 0:
			want = sign * math.Ldexp(mantissa, -24)
		case 31:
			if want = sign * math.Inf(1); mantissa != 0 {
				want = math.NaN()
			}
		default:
			want = sign * math.Ldexp(1+mantissa/1024, exponent-15)
		}
		if math.IsNaN(want) && math.IsNaN(float64(got)) {
			continue
		}
		if float64(got) != want || math.Signbit(float64(got)) != math.Signbit(want) {
			t.Fatalf("float16(%#04x) = %g, want %g", h, got, want)
		}
	}
}

func TestFloat32s(t *testing.T) {
	tests := []struct {
		dtype DType
		data  []byte
		want  []float32
	}{
		{F32, Bytes([]float32{1.5, -2, 0.1}), []float32{1.5, -2, 0.1}},
		{F16, Bytes([]uint16{0x3e00, 0xc000, 0x0001}), []float32{1.5, -2, 1.0 / (1 << 24)}},
		{BF16, Bytes([]uint16{0x3fc0, 0xc000, 0x0001}), []float32{1.5, -2, math.Float32frombits(0x10000)}},
	}
	for _, test := range tests {
		tensor := Tensor{Name: "x", DType: test.dtype, Shape: []int{3}, Data: test.data}
		got := make([]float32, 2)
		if err := tensor.Float32s(got, 1); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want[1:], got); diff != "" {
			t.Errorf("%s: %s", test.dtype, diff)
		}
		for _, from := range []int{-1, 2, 4, math.MaxInt} {
			if err := tensor.Float32s(got, from); err == nil {
				t.Errorf("%s: elements %d to %d of 3: no error", test.dtype, from, from+2)
			}
		}
	}
	ints := Tensor{Name: "x", DType: I32, Shape: []int{1}, Data: make([]byte, 4)}
	if err := ints.Float32s(make([]float32, 1), 0); err == nil {
		t.Error("I32 read as float32")
	}
}

func TestCheckpoint(t *testing.T) {
	write := func(t *testing.T, dir, file string, names ...string) {
		t.Helper()
		var entries []Entry
		for _, name := range names {
			tensor := Tensor{Name: name, DType: F32, Shape: []int{1}, Data: Bytes([]float32{float32(len(file))})}
			entries = append(entries, tensor.Entry())
		}
		if err := WriteFile(filepath.Join(dir, file), nil, entries); err != nil {
			t.Fatal(err)
		}
	}
	index := func(t *testing.T, dir, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, IndexFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name  string
		make  func(t *testing.T, dir string)
		names []string // nil: refused
	}{
		{"one file", func(t *testing.T, dir string) { write(t, dir, WeightsFile, "b", "a") }, []string{"a", "b"}},
		{"shards", func(t *testing.T, dir string) {
			write(t, dir, "1.safetensors", "c", "a", "unlisted")
			write(t, dir, "2.safetensors", "b")
			index(t, dir, `{"metadata":{"total_size":12},"weight_map":{"a":"1.safetensors","c":"1.safetensors","b":"2.safetensors"}}`)
		}, []string{"a", "b", "c"}},
		{"wrapped", func(t *testing.T, dir string) { write(t, dir, WeightsFile, "module.module.a", "module.a") }, []string{"a", "module.a"}},
		{"nothing", func(*testing.T, string) {}, nil},
		{"shard missing", func(t *testing.T, dir string) { index(t, dir, `{"weight_map":{"a":"1.safetensors"}}`) }, nil},
		{"tensor missing", func(t *testing.T, dir string) {
			write(t, dir, "1.safetensors", "a")
			index(t, dir, `{"weight_map":{"a":"1.safetensors","b":"1.safetensors"}}`)
		}, nil},
		{"shard outside the folder", func(t *testing.T, dir string) {
			write(t, dir, "1.safetensors", "a")
			index(t, dir, `{"weight_map":{"a":"../1.safetensors"}}`)
		}, nil},
		{"shard is the folder above", func(t *testing.T, dir string) { index(t, dir, `{"weight_map":{"a":".."}}`) }, nil},
		{"empty index", func(t *testing.T, dir string) { index(t, dir, `{}`) }, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			test.make(t, dir)
			c, err := OpenCheckpoint(dir)
			if test.names == nil {
				if err == nil {
					t.Fatal("no error")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if diff := cmp.Diff(test.names, c.Names()); diff != "" {
				t.Error(diff)
			}
			for _, name := range c.Names() {
				if tensor, ok := c.Tensor(name); !ok || tensor.Name != name || tensor.Len() != 1 {
					t.Errorf("tensor %s: %v, %v", name, tensor, ok)
				}
			}
		})
	}
}

// TestCheckpointErrors checks that errors about a folder say what to do.
func TestCheckpointErrors(t *testing.T) {
	const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
	for _, c := range []struct {
		name     string
		files    map[string]string
		says     string
		notExist bool
	}{
		{"empty folder", nil, "neither model.safetensors nor model.safetensors.index.json", true},
		{"PyTorch", map[string]string{"pytorch_model.bin": "x"}, "pytorch_model.bin; convert it with: python -c '", true},
		{"PyTorch in shards", map[string]string{"pytorch_model.bin.index.json": "{}"}, "safe_serialization=True", true},
		{"TensorFlow", map[string]string{"tf_model.h5": "x"}, "from_tf=True", true},
		{"Flax", map[string]string{"flax_model.msgpack": "x"}, "from_flax=True", true},
		{"LFS pointer", map[string]string{WeightsFile: pointer}, "git lfs pull", false},
		{"LFS pointer as index", map[string]string{IndexFile: pointer}, "git lfs pull", false},
		{"LFS pointer as shard", map[string]string{IndexFile: `{"weight_map":{"a":"1.safetensors"}}`, "1.safetensors": pointer}, "git lfs pull", false},
		{"missing shard", map[string]string{IndexFile: `{"weight_map":{"a":"1.safetensors"}}`}, "shard 1.safetensors of 1 is missing", true},
		{"missing shard, index with a byte order mark", map[string]string{IndexFile: "\ufeff" + `{"weight_map":{"a":"1.safetensors"}}`}, "shard 1.safetensors of 1 is missing", true},
		{"index of an array", map[string]string{IndexFile: "[]"}, "is not a JSON object", false},
		{"index of numbers", map[string]string{IndexFile: `{"weight_map":{"a":1}}`}, "is not a JSON object", false},
	} {
		dir := t.TempDir()
		for name, text := range c.files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := OpenCheckpoint(dir)
		if err == nil || !strings.Contains(err.Error(), c.says) || errors.Is(err, fs.ErrNotExist) != c.notExist || strings.Contains(err.Error(), " json: ") {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}

func TestModelNames(t *testing.T) {
	for _, c := range []struct{ name, names, want string }{
		{"no wrapper", "bert.a classifier.b", "bert.a classifier.b"},
		{"torch.compile", "_orig_mod.bert.a _orig_mod.classifier.b", "bert.a classifier.b"},
		{"torch.compile of a part", "bert._orig_mod.a classifier.b", "bert.a classifier.b"},
		{"data parallelism", "module.bert.a module.classifier.b", "bert.a classifier.b"},
		{"both", "_orig_mod.module.bert.a _orig_mod.module.classifier.b", "bert.a classifier.b"},
		{"both, the other way round", "module._orig_mod.bert.a module._orig_mod.classifier.b", "bert.a classifier.b"},
		{"FSDP and activation checkpoints", "_fsdp_wrapped_module.bert.layer.0._fsdp_wrapped_module._checkpoint_wrapped_module.a classifier.b", "bert.layer.0.a classifier.b"},
		{"Lightning Fabric", "_forward_module.bert.a _forward_module.classifier.b", "bert.a classifier.b"},
		{"a member of another class", "model.bert.a model.classifier.b", "bert.a classifier.b"},
		{"a member of a member", "model.model.bert.a model.model.classifier.b", "bert.a classifier.b"},
		{"ModernBERT's own", "model.embeddings.a model.layers.0.b", "model.embeddings.a model.layers.0.b"},
		{"ModernBERT as a member", "model.model.layers.0.b model.classifier.b", "model.layers.0.b classifier.b"},
		{"some names only", "model.embeddings.a head.b", "model.embeddings.a head.b"},
		{"names would collide", "bert.a bert._orig_mod.a", "bert.a bert._orig_mod.a"},
		{"the prefix alone", "model. model.a", "model. model.a"},
		{"no names", "", ""},
	} {
		if got := strings.Join(ModelNames(strings.Fields(c.names)), " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// FuzzParse checks that no input panics, and that the content of an accepted file survives
// writing and parsing.
func FuzzParse(f *testing.F) {
	f.Add(container("{"+tensorJSON("a", "F32", "[2]", 0, 8)+"}", 8))
	f.Add(container(`{"__metadata__":{"k":"v"},`+tensorJSON("a", "U8", "[]", 0, 1)+`}  `, 1))
	f.Add(container("{}", 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("error is %v, want one that wraps ErrCorrupt", err)
			}
			return
		}
		var entries []Entry
		for _, name := range file.Names() {
			tensor, _ := file.Tensor(name)
			entries = append(entries, tensor.Entry())
		}
		var out bytes.Buffer
		if err := Write(&out, file.Metadata(), entries); err != nil {
			if errors.Is(err, errHeaderSize) {
				return // escapes and padding can make the header too long
			}
			t.Fatal(err)
		}
		again, err := Parse(out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(file.tensors, again.tensors, cmpopts.IgnoreUnexported(Tensor{})); diff != "" {
			t.Fatal(diff)
		}
		if len(file.Metadata()) > 0 {
			if diff := cmp.Diff(file.Metadata(), again.Metadata()); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}
