package tokenizer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// english returns the MiniLM texts of the goldens that are printable ASCII and contain a space: mostly
// questions, reviews and requests. testdata/compare_speed.py encodes the same texts with the reference.
func english(b *testing.B) []string {
	b.Helper()
	var texts []string
	scan := bufio.NewScanner(bytes.NewReader(readGolden(b, "goldens.jsonl")))
	scan.Buffer(nil, 1<<24)
	for scan.Scan() {
		var g golden
		if err := json.Unmarshal(scan.Bytes(), &g); err != nil {
			b.Fatal(err)
		}
		printable := func(r rune) bool { return r >= ' ' && r <= '~' }
		if g.Pipeline == "minilm" && g.pair() == nil && g.Max == 0 && strings.Contains(g.text(), " ") &&
			strings.IndexFunc(g.text(), func(r rune) bool { return !printable(r) }) < 0 {
			texts = append(texts, g.text())
		}
	}
	return texts
}

func BenchmarkEncode(b *testing.B) {
	tk := miniLM(b)
	texts := english(b)
	other := func(s string) []string { return []string{strings.Repeat(s, 4096/len(s))} }
	benchmarks := []struct {
		name  string
		tk    *Tokenizer
		texts []string
	}{
		{"english", tk, texts},
		{"english/stages", withoutFastPath(tk), texts},
		{"russian", tk, other("Съешь же ещё этих мягких французских булок, да выпей чаю. ")},
		{"vietnamese", tk, other("Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm. ")},
		{"chinese", tk, other("人人生而自由，在尊严和权利上一律平等。")},
		{"korean", tk, other("모든 인간은 태어날 때부터 자유로우며 동등하다. ")},
		{"letter", tk, other("a")},
		{"bloom", pipelines(b)["bloom"], texts}, // a regular expression
	}
	for _, bench := range benchmarks {
		b.Run(bench.name, func(b *testing.B) {
			size := 0
			for _, text := range bench.texts {
				size += len(text)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			var e Encoding
			for b.Loop() {
				for _, text := range bench.texts {
					e = Encoding{IDs: e.IDs[:0], TypeIDs: e.TypeIDs[:0], Special: e.Special[:0]}
					if err := bench.tk.AppendEncode(&e, text, nil, Options{AddSpecialTokens: true, MaxTokens: 512}); err != nil {
						b.Fatal(err)
					}
				}
			}
			if len(e.IDs) < 3 {
				b.Fatalf("only %d tokens", len(e.IDs))
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	data, err := miniLMJSON()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
