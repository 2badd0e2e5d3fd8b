package tokenizer

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/normalizer"
	"kenserve/tokenizer/internal/pretokenizer"
)

// testdata/make_goldens.py and testdata/make_subword.py write the goldens with the reference.

// readGolden returns the uncompressed testdata/name.gz.
func readGolden(tb testing.TB, name string) []byte {
	tb.Helper()
	file, err := os.Open(filepath.Join("testdata", name+".gz"))
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		tb.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// eachLine decodes each line of testdata/name.gz, calls do for it, and returns the number of lines.
func eachLine[T any](t *testing.T, name string, do func(number int, line T)) int {
	t.Helper()
	scan := bufio.NewScanner(bytes.NewReader(readGolden(t, name)))
	scan.Buffer(nil, 1<<24)
	n := 0
	for scan.Scan() {
		n++
		var line T
		d := json.NewDecoder(bytes.NewReader(scan.Bytes()))
		d.DisallowUnknownFields()
		if err := d.Decode(&line); err != nil {
			t.Fatalf("%s:%d: %v", name, n, err)
		}
		do(n, line)
	}
	if err := scan.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}

var miniLMJSON = sync.OnceValues(func() ([]byte, error) {
	file, err := os.Open(filepath.Join("testdata", "minilm.json.gz"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
})

// miniLM returns the tokenizer of nreimers/MiniLM-L6-H384-uncased. It is the same as BERT's uncased one.
func miniLM(tb testing.TB) *Tokenizer {
	tb.Helper()
	data, err := miniLMJSON()
	if err != nil {
		tb.Fatal(err)
	}
	return mustParse(tb, string(data))
}

func mustParse(tb testing.TB, tokenizerJSON string) *Tokenizer {
	tb.Helper()
	tk, err := parse([]byte(tokenizerJSON))
	if err != nil {
		tb.Fatal(err)
	}
	return tk
}

// pipelines returns all tokenizers of testdata, by name.
func pipelines(tb testing.TB) map[string]*Tokenizer {
	tb.Helper()
	all := map[string]*Tokenizer{"minilm": miniLM(tb)}
	var sources map[string]json.RawMessage
	for _, file := range []string{"pipelines.json", "subword.json"} {
		if err := json.Unmarshal(readGolden(tb, file), &sources); err != nil {
			tb.Fatal(err)
		}
	}
	for name, source := range sources {
		tk, err := parse(source)
		if err != nil {
			tb.Fatalf("%s: %v", name, err)
		}
		all[name] = tk
	}
	return all
}

// withoutFastPath returns a copy of tk that uses the general stages for all texts.
func withoutFastPath(tk *Tokenizer) *Tokenizer {
	return &Tokenizer{
		addedRaw: tk.addedRaw, addedNormalized: tk.addedNormalized, normalizer: tk.normalizer, preTokenizer: tk.preTokenizer,
		model: tk.model, assemblies: tk.assemblies, size: tk.size, settings: tk.settings, needsHead: tk.needsHead,
		scratch: sync.Pool{New: func() any { return new(scratch) }},
	}
}

type golden struct {
	Pipeline       string
	Text, Pair     *string
	Text64, Pair64 []byte
	Max            int
	Side           string
	Plain          bool
	IDs            []int32
	Types, Special string
	Dropped        int
}

func (g golden) text() string {
	if g.Text != nil {
		return *g.Text
	}
	return string(g.Text64)
}

func (g golden) pair() *string {
	if g.Pair64 != nil {
		s := string(g.Pair64)
		return &s
	}
	return g.Pair
}

func (g golden) options() Options {
	return Options{
		MaxTokens:        g.Max,
		Direction:        map[string]Direction{"left": Left}[g.Side],
		AddSpecialTokens: !g.Plain,
	}
}

func TestGoldens(t *testing.T) {
	tokenizers := pipelines(t)
	bare := make(map[string]*Tokenizer)
	fast := 0
	for name, tk := range tokenizers {
		bare[name] = withoutFastPath(tk)
		if tk.fastPath != nil {
			fast++
		}
	}
	if fast != 4 { // minilm, cased, accents kept, accents only
		t.Errorf("%d tokenizers have a fast path, want 4", fast)
	}
	counts := make(map[string]int)
	compare := func(number int, g golden) {
		counts[g.Pipeline]++
		paths := map[string]*Tokenizer{"stages": bare[g.Pipeline]}
		if tk := tokenizers[g.Pipeline]; tk.fastPath != nil {
			paths["fast path"] = tk
		}
		for path, tk := range paths {
			e, err := tk.Encode(g.text(), g.pair(), g.options())
			if err != nil {
				t.Errorf("line %d, %s, %s: %v", number, g.Pipeline, path, err)
				continue
			}
			var types, special strings.Builder
			for i := range e.IDs {
				fmt.Fprint(&types, e.TypeIDs[i])
				fmt.Fprint(&special, boolIndex(e.Special[i]))
			}
			if !slices.Equal(e.IDs, g.IDs) || types.String() != g.Types || special.String() != g.Special || e.Dropped != g.Dropped {
				t.Errorf("line %d, %s, %s: %q\n got %v types %s special %s dropped %d\nwant %v types %s special %s dropped %d",
					number, g.Pipeline, path, g.text(), e.IDs, &types, &special, e.Dropped, g.IDs, g.Types, g.Special, g.Dropped)
			}
		}
	}
	eachLine(t, "goldens.jsonl", compare)
	eachLine(t, "subwordgoldens.jsonl", compare)
	for _, name := range []string{"minilm", "roberta", "deberta", "bloom", "modernbert", "xlm-roberta", "deberta-v3"} {
		if counts[name] < 4700 {
			t.Errorf("only %d lines for %s", counts[name], name)
		}
	}
	for name := range tokenizers {
		if counts[name] < 700 {
			t.Errorf("only %d lines for %s", counts[name], name)
		}
	}
}

// value returns JSON as a value of a file; nil is a missing value. It panics for invalid JSON.
func value(raw []byte) jsonobject.Value {
	if raw == nil {
		return value([]byte("null"))
	}
	v, err := jsonobject.NewFile("test.json").Parse(raw)
	if err != nil {
		panic(err)
	}
	return v
}

// testComponent is a single normalizer or pre-tokenizer in testdata.
type testComponent struct {
	Normalizer   json.RawMessage
	PreTokenizer json.RawMessage `json:"pre_tokenizer"`
}

// componentCache parses the components of testdata, each once.
type componentCache struct {
	charsmap      string // replaces CHARSMAP in testdata: the map of XLM-RoBERTa's normalizer
	normalizers   map[string][]normalizer.Normalizer
	preTokenizers map[string][]pretokenizer.PreTokenizer
}

func newComponentCache(t *testing.T) *componentCache {
	t.Helper()
	var sources map[string]struct {
		Normalizer struct {
			Normalizers []struct {
				Map string `json:"precompiled_charsmap"`
			}
		}
	}
	if err := json.Unmarshal(readGolden(t, "subword.json"), &sources); err != nil {
		t.Fatal(err)
	}
	return &componentCache{sources["xlm-roberta"].Normalizer.Normalizers[0].Map, map[string][]normalizer.Normalizer{}, map[string][]pretokenizer.PreTokenizer{}}
}

// of returns the steps of a component, as normalizers or as pre-tokenizers.
func (p *componentCache) of(c testComponent) ([]normalizer.Normalizer, []pretokenizer.PreTokenizer, error) {
	key := string(c.Normalizer) + "\n" + string(c.PreTokenizer)
	var err error
	if c.Normalizer != nil {
		steps, ok := p.normalizers[key]
		if !ok {
			raw := bytes.ReplaceAll(c.Normalizer, []byte("CHARSMAP"), []byte(p.charsmap))
			steps, err = normalizer.Parse(value(raw))
			p.normalizers[key] = steps
		}
		return steps, nil, err
	}
	steps, ok := p.preTokenizers[key]
	if !ok {
		steps, err = pretokenizer.Parse(value(c.PreTokenizer))
		p.preTokenizers[key] = steps
	}
	return nil, steps, err
}

// apply returns the normalized text, or the pieces of the text with a newline after each.
func (p *componentCache) apply(s *normalizer.Scratch, c testComponent, text string) ([]byte, error) {
	steps, preTokenizers, err := p.of(c)
	if err != nil {
		return nil, err
	}
	if c.Normalizer != nil {
		return s.Normalize(steps, []byte(text))
	}
	var out []byte
	for _, piece := range splitWith(preTokenizers, text) {
		out = append(append(out, piece...), '\n')
	}
	return out, nil
}

// splitWith returns the pieces of text.
func splitWith(steps []pretokenizer.PreTokenizer, text string) []string {
	var p pretokenizer.Pieces
	p.Cut(steps, []byte(text), 0)
	var out []string
	for i := range p.Len() {
		out = append(out, string(p.Piece(i)))
	}
	return out
}

func TestComponents(t *testing.T) {
	type line struct {
		testComponent
		Text   string
		Result json.RawMessage
		Sums   []byte
	}
	s, components := new(normalizer.Scratch), newComponentCache(t)
	compare := func(number int, l line) {
		if l.Text == "" && l.Result == nil {
			return // checksums of code points
		}
		got, err := components.apply(s, l.testComponent, l.Text)
		if err != nil {
			t.Errorf("line %d: %v", number, err)
			return
		}
		var want string
		if l.Normalizer != nil {
			err = json.Unmarshal(l.Result, &want)
		} else {
			var list []string
			if err = json.Unmarshal(l.Result, &list); len(list) > 0 {
				want = strings.Join(list, "\n") + "\n"
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("line %d: %s%s: %q\n got %q\nwant %q", number, l.Normalizer, l.PreTokenizer, l.Text, got, want)
		}
	}
	for file, minLines := range map[string]int{"components.jsonl": 6000, "subwordparts.jsonl": 6000} {
		if n := eachLine(t, file, compare); n < minLines {
			t.Errorf("%s: only %d lines", file, n)
		}
	}
}

// TestCodePoints checks every code point, in contexts that reveal its properties, by checksums of the
// results.
func TestCodePoints(t *testing.T) {
	if testing.Short() {
		t.Skip("checks every code point")
	}
	const block = 4096
	type line struct {
		testComponent
		MiniLM bool
		Sums   []byte
		Text   string
		Result json.RawMessage
	}
	s, components := new(normalizer.Scratch), newComponentCache(t)
	tk := miniLM(t)
	compare := func(number int, l line) {
		if l.Sums == nil {
			return // a single text
		}
		steps, preTokenizers, err := components.of(l.testComponent)
		if l.MiniLM {
			steps, preTokenizers, err = nil, nil, nil
		}
		if err != nil {
			t.Fatal(err)
		}
		var e Encoding
		var text, out []byte
		var p pretokenizer.Pieces
		// in returns format with c in place of each tilde.
		in := func(format string, c rune) []byte {
			text = text[:0]
			for _, r := range format {
				if r == '~' {
					r = c
				}
				text = utf8.AppendRune(text, r)
			}
			return text
		}
		result := func(c rune) []byte {
			out = out[:0]
			switch {
			case l.MiniLM:
				e = Encoding{IDs: e.IDs[:0], TypeIDs: e.TypeIDs[:0], Special: e.Special[:0]}
				if err := tk.AppendEncode(&e, string(in("a~b ~~1", c)), nil, Options{AddSpecialTokens: true}); err != nil {
					t.Fatal(err)
				}
				for _, id := range e.IDs {
					out = binary.LittleEndian.AppendUint32(out, uint32(id))
				}
			case steps != nil:
				b, err := s.Normalize(steps, in("~a\u0345~\u0334e~\u0301~", c))
				if err != nil {
					t.Fatal(err)
				}
				out = append(append(out, b...), '\n')
			default:
				p.Cut(preTokenizers, in("a~1~.~", c), 0)
				for i := range p.Len() {
					if i > 0 {
						out = append(out, '\n')
					}
					out = append(out, p.Piece(i)...)
				}
				out = append(out, "\n\n"...)
			}
			return out
		}
		if len(l.Sums) != 4*(utf8.MaxRune+1)/block {
			t.Fatalf("line %d: %d bytes of checksums", number, len(l.Sums))
		}
		for i := range len(l.Sums) / 4 {
			sum := uint32(0)
			for c := rune(i * block); c < rune(i+1)*block; c++ {
				if utf8.ValidRune(c) {
					sum = crc32.Update(sum, crc32.IEEETable, result(c))
				}
			}
			if want := binary.LittleEndian.Uint32(l.Sums[4*i:]); sum != want {
				t.Errorf("line %d: %s%s: the results for some of the code points from %X on differ", number, l.Normalizer, l.PreTokenizer, i*block)
			}
		}
	}
	eachLine(t, "codepoints.jsonl", compare)
	eachLine(t, "subwordparts.jsonl", compare)
}

// TestFolders compares with transformers' tokenizers for folders without tokenizer.json.
func TestFolders(t *testing.T) {
	type line struct {
		Files  map[string]string
		Binary map[string][]byte
		Family string // model_type, where tokenizer_config.json does not name a class
		Texts  []string
		IDs    [][]int32 // of each text, then of the first text with each text as its pair
	}
	compare := func(number int, l line) {
		dir := t.TempDir()
		files := maps.Clone(l.Binary)
		if files == nil {
			files = make(map[string][]byte)
		}
		for name, content := range l.Files {
			if content != "" {
				files[name] = []byte(content)
			}
		}
		if l.Family != "" {
			files["config.json"] = []byte(`{"model_type":"` + l.Family + `"}`)
		}
		for name, content := range files {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		tk, err := Open(dir)
		if err != nil {
			t.Errorf("line %d: %v", number, err)
			return
		}
		for i, ids := range l.IDs {
			text, pair := l.Texts[i%len(l.Texts)], (*string)(nil)
			if i >= len(l.Texts) {
				other := cmp.Or(l.Texts[i%len(l.Texts)], " ") // transformers treats an empty pair as no pair
				text, pair = l.Texts[0], &other
			}
			e, err := tk.Encode(text, pair, Options{AddSpecialTokens: true})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(e.IDs, ids) {
				t.Errorf("line %d: %s, %s: %q, %v\n got %v\nwant %v", number, l.Family, l.Files["tokenizer_config.json"], text, i >= len(l.Texts), e.IDs, ids)
			}
		}
	}
	eachLine(t, "folders.jsonl", compare)
	eachLine(t, "subwordfolders.jsonl", compare)
}

// TestInvalidUTF8: the results are those of Python's lossy decoder.
func TestInvalidUTF8(t *testing.T) {
	tests := []struct{ text, want string }{
		{"a\xffb", "a\uFFFDb"},
		{"\xe4\xb8", "\uFFFD"},
		{"\xe4\xb8a", "\uFFFDa"},
		{"\xe4\xb8\xe4\xb8\xad", "\uFFFD中"},
		{"\xf0\x9f\x98", "\uFFFD"},
		{"\xf0\x9f\x98\x80\x80", "😀\uFFFD"},
		{"\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD"},
		{"\xe0\x80\x80", "\uFFFD\uFFFD\uFFFD"},
		{"\xf4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD"},
		{"\xf0\x8f\xbf", "\uFFFD\uFFFD\uFFFD"},
		{"\xc0\xaf", "\uFFFD\uFFFD"},
		{"\xc3", "\uFFFD"},
		{"\uFFFD", "\uFFFD"},
	}
	for _, test := range tests {
		if got := string(appendValidUTF8(nil, []byte(test.text))); got != test.want {
			t.Errorf("%q: got %q, want %q", test.text, got, test.want)
		}
	}
}
