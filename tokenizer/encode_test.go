package tokenizer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kenserve/tokenizer/internal/normalizer"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	data, err := miniLMJSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	tk, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	second := "a pair"
	e, err := tk.Encode("Hello, World!", &second, Options{AddSpecialTokens: true})
	if err != nil {
		t.Fatal(err)
	}
	// The file asks for truncation and padding to 128 tokens; Encode applies neither.
	if want := []int32{101, 7592, 1010, 2088, 999, 102, 1037, 3940, 102}; !slices.Equal(e.IDs, want) {
		t.Errorf("got %v, want %v", e.IDs, want)
	}
	long, err := tk.Encode(strings.Repeat("a ", 1000), nil, Options{AddSpecialTokens: true})
	if err != nil || len(long.IDs) != 1002 {
		t.Errorf("got %d tokens, error %v; want 1002 tokens", len(long.IDs), err)
	}
}

func TestAppendEncode(t *testing.T) {
	tk := miniLM(t)
	o := Options{AddSpecialTokens: true, MaxTokens: 4}
	var all Encoding
	for i, text := range []string{"a", "a b c d", ""} {
		from := len(all.IDs)
		if err := tk.AppendEncode(&all, text, nil, o); err != nil {
			t.Fatal(err)
		}
		one, err := tk.Encode(text, nil, o)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(all.IDs[from:], one.IDs) || !slices.Equal(all.TypeIDs[from:], one.TypeIDs) || !slices.Equal(all.Special[from:], one.Special) {
			t.Errorf("text %d: appended %v, alone %v", i, all.IDs[from:], one.IDs)
		}
	}
	if all.Dropped != 2 {
		t.Errorf("%d tokens dropped, want 2", all.Dropped)
	}
	before := fmt.Sprint(all)
	if err := tk.AppendEncode(&all, "a", nil, Options{AddSpecialTokens: true, MaxTokens: 1}); err == nil || fmt.Sprint(all) != before {
		t.Errorf("after error %v the encoding is %v, before %v", err, all, before)
	}
}

func TestEncodeErrors(t *testing.T) {
	long := `{"type":"Replace","pattern":{"String":"a"},"content":"` + strings.Repeat("a", 1000) + `"}`
	growing := mustParse(t, small(map[string]string{"normalizer": `{"type":"Sequence","normalizers":[` + long + `,` + long + `,` + long + `]}`}))
	tripled := mustParse(t, small(map[string]string{"normalizer": `{"type":"Sequence","normalizers":[` +
		strings.TrimSuffix(strings.Repeat(`{"type":"Replace","pattern":{"String":"a"},"content":"aaa"},`, 20), ",") + `]}`}))
	tk := miniLM(t)
	pair := "a b c"
	tests := []struct {
		name string
		tk   *Tokenizer
		text string
		pair *string
		o    Options
		want error
	}{
		{"fewer tokens than special ones", tk, "a", nil, Options{AddSpecialTokens: true, MaxTokens: 1}, errTruncation},
		{"fewer tokens than special ones of a pair", tk, "a", &pair, Options{AddSpecialTokens: true, MaxTokens: 2}, errTruncation},
		{"Replace with a long content", growing, strings.Repeat("a", 100), nil, Options{}, normalizer.ErrGrowth},
		{"many steps that triple the text", tripled, "a", nil, Options{}, normalizer.ErrGrowth},
		{"negative MaxTokens", tk, "a", nil, Options{MaxTokens: -1}, nil},
		{"invalid Direction", tk, "a", nil, Options{Direction: 2}, nil},
	}
	for _, test := range tests {
		if _, err := test.tk.Encode(test.text, test.pair, test.o); err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: got error %v, want %v", test.name, err, test.want)
		}
	}
}

func TestConcurrentEncodes(t *testing.T) {
	for name, tk := range pipelines(t) {
		texts := []string{"Hello, World! unaffable", "Crème Brûlée \u302e\u302f 中文", "\xff [CLS] foo   <both>  bar", strings.Repeat("ab ", 50)}
		var want []Encoding
		for _, text := range texts {
			e, err := tk.Encode(text, &texts[0], Options{AddSpecialTokens: true, MaxTokens: 40})
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, e)
		}
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				for i := range 40 {
					k := i % len(texts)
					e, err := tk.Encode(texts[k], &texts[0], Options{AddSpecialTokens: true, MaxTokens: 40})
					if err != nil || !slices.Equal(e.IDs, want[k].IDs) {
						t.Errorf("%s: %q: %v, %v", name, texts[k], e.IDs, err)
						return
					}
				}
			})
		}
		group.Wait()
	}
}

func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("with the race detector, sync.Pool drops values at random")
	}
	for name, tk := range pipelines(t) {
		if name == "nfkc" || name == "bloom" { // package regexp allocates
			continue
		}
		var e Encoding
		text := "What 's a male witch called ? Crème brûlée, 中文 \xff " + strings.Repeat("unaffable ", 20)
		n := testing.AllocsPerRun(200, func() {
			e = Encoding{IDs: e.IDs[:0], TypeIDs: e.TypeIDs[:0], Special: e.Special[:0]}
			if err := tk.AppendEncode(&e, text, &text, Options{AddSpecialTokens: true, MaxTokens: 60}); err != nil {
				t.Fatal(err)
			}
		})
		if n >= 1 { // below 1: a garbage collection may empty the pool
			t.Errorf("%s: %g allocations per text", name, n)
		}
	}
}

// TestMemoryOfLargeTexts: with MaxTokens, the memory for a large text does not grow with the text.
func TestMemoryOfLargeTexts(t *testing.T) {
	if raceEnabled {
		t.Skip("with the race detector, sync.Pool drops values at random")
	}
	tk := miniLM(t)
	const size = 8 << 20
	tests := []struct{ name, text string }{
		{"words", strings.Repeat("a b ", size/4)},
		{"one word", strings.Repeat("a", size)},
		{"punctuation", strings.Repeat(".", size)},
		{"added tokens", strings.Repeat("[SEP]", size/5)},
		{"accents", strings.Repeat("é à ", size/6)},
		{"ideographs", strings.Repeat("中", size/3)},
		{"one accented word", strings.Repeat("é", size/2)},
	}
	for _, test := range tests {
		for _, direction := range []Direction{Right, Left} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			e, err := tk.Encode(test.text, nil, Options{AddSpecialTokens: true, MaxTokens: 512, Direction: direction})
			runtime.ReadMemStats(&after)
			if err != nil {
				t.Fatal(err)
			}
			if len(e.IDs) > 512 {
				t.Errorf("%s: %d tokens, want at most 512", test.name, len(e.IDs))
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
				t.Errorf("%s: %d bytes allocated for a text of %d bytes", test.name, used, size)
			}
		}
	}
}

// TestLargeScratchIsDropped: the pool does not keep the large scratch of a large text.
func TestLargeScratchIsDropped(t *testing.T) {
	tk := withoutFastPath(miniLM(t))
	if _, err := tk.Encode(strings.Repeat("中", 1<<20), nil, Options{}); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if s := tk.scratch.Get().(*scratch); s.bytes() > retainedBytes {
			t.Errorf("the pool kept a scratch of %d bytes", s.bytes())
		}
	}
}

// TestLinearTime encodes a text and one that is 16 times as long. A quadratic routine takes 256 times as
// long, a linear one 16 times, or somewhat more where package regexp changes its method. On a busy
// machine a pair of measurements can be wrong, so the test fails only if several attempts show the
// growth.
func TestLinearTime(t *testing.T) {
	if testing.Short() {
		t.Skip("measures time")
	}
	letters := []string{"a", "Z", "é", "я", "中", "한", "İ", "\u0301", "."}
	others := append([]string{
		" ", "\u302e", "\u302f\u302e", "\u200d", "\x01", "[", "##", "[CLS]", "\xff", "\xe4\xb8",
		"foo", "   ", "  <both>", "bar ", "qu", " \t", "a\u0345\u0301", "''", "\ue000", "1",
	}, letters...)
	const growth, limit, attempts = 16, 128, 8
	measure := func(tk *Tokenizer, text string, size int) time.Duration {
		text = strings.Repeat(text, size/len(text))
		start := time.Now()
		if _, err := tk.Encode(text, nil, Options{MaxTokens: 512}); err != nil {
			t.Fatal(err)
		}
		return time.Since(start)
	}
	check := func(name string, tk *Tokenizer, size int, cases []string) {
		for _, c := range cases {
			short, long := time.Duration(0), time.Hour
			for try := 0; try == 0 || try < attempts && long > limit*short; try++ {
				short, long = max(short, measure(tk, c, size)), min(long, measure(tk, c, growth*size))
			}
			if long > limit*short {
				t.Errorf("%s: %d bytes of %q take %v, %d times as many bytes take %v", name, size, c, short, growth, long)
			}
		}
	}
	check("minilm", miniLM(t), 1<<16, letters)
	for name, tk := range pipelines(t) {
		check(name, tk, 1<<12, others)
		if tk.fastPath != nil {
			check(name+" by stages", withoutFastPath(tk), 1<<12, others)
		}
	}
}

func Example() {
	tk, err := parse([]byte(`{
		"added_tokens": [],
		"normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
		"pre_tokenizer": {"type": "BertPreTokenizer"},
		"post_processor": {"type": "BertProcessing", "cls": ["[CLS]", 1], "sep": ["[SEP]", 2]},
		"model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
			"vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "un": 3, "##aff": 4, "##able": 5, "!": 6}}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := tk.Encode("Unaffable!", nil, Options{AddSpecialTokens: true, MaxTokens: 128})
	fmt.Println(e.IDs, e.Dropped, err)
	// Output: [1 3 4 5 6 2] 0 <nil>
}
