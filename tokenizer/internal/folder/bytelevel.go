package folder

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"kenserve/tokenizer/internal/addedtoken"
	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/model"
	"kenserve/tokenizer/internal/postprocessor"
	"kenserve/tokenizer/internal/pretokenizer"
)

// robertaClass is RobertaTokenizer: byte-level BPE with vocab.json and merges.txt.
var robertaClass = class{
	names:      []string{"RobertaTokenizer", "LongformerTokenizer"},
	vocabulary: []string{"vocab.json", "merges.txt"},
	tokens: withMask(tokensByRole("bos_token", "<s>", "eos_token", "</s>", "unk_token", "<unk>", "sep_token", "</s>",
		"pad_token", "<pad>", "cls_token", "<s>"), addedtoken.Token{ID: -1, Content: "<mask>", LStrip: true}),
	build: func(f Files, settings *jsonobject.Object, special map[string]string) (classParts, error) {
		p, err := buildByteLevel(f, settings)
		p.post = func(id func(string) int32) postprocessor.PostProcessor {
			return postprocessor.NewRoberta(id(special["cls_token"]), id(special["sep_token"]))
		}
		return p, err
	},
}

// debertaClass is DebertaTokenizer, the tokenizer of the first DeBERTa.
var debertaClass = class{
	names:      []string{"DebertaTokenizer"},
	vocabulary: []string{"vocab.json", "merges.txt"},
	tokens: withMask(tokensByRole("bos_token", "[CLS]", "eos_token", "[SEP]", "unk_token", "[UNK]", "sep_token", "[SEP]",
		"pad_token", "[PAD]", "cls_token", "[CLS]"), addedtoken.Token{ID: -1, Content: "[MASK]", LStrip: true}),
	build: func(f Files, settings *jsonobject.Object, special map[string]string) (classParts, error) {
		if err := requireEndTokens(special, "[CLS]", "[SEP]"); err != nil {
			return classParts{}, err
		}
		p, err := buildByteLevel(f, settings)
		p.post = func(id func(string) int32) postprocessor.PostProcessor {
			return postprocessor.NewBertTemplate(id("[CLS]"), id("[SEP]"))
		}
		return p, err
	},
}

// buildByteLevel makes the stages of byte-level BPE, except the post-processor.
func buildByteLevel(f Files, settings *jsonobject.Object) (classParts, error) {
	var p classParts
	if err := jsonobject.CheckText(f["vocab.json"]); err != nil {
		return p, fmt.Errorf("vocab.json: %w", err)
	}
	v, err := model.ParseVocabulary(f["vocab.json"])
	if err != nil {
		return p, fmt.Errorf("vocab.json: not a vocabulary: %w", err)
	}
	merges, err := readMerges(f["merges.txt"])
	if err != nil {
		return p, fmt.Errorf("merges.txt: %w", err)
	}
	m, err := model.NewBPE(v, merges, model.BPESettings{})
	if err != nil {
		return p, fmt.Errorf("vocab.json and merges.txt: %w", err)
	}
	p.Model = m
	p.PreTokenizer = []pretokenizer.PreTokenizer{pretokenizer.NewByteLevel(settings.BoolOr("add_prefix_space", false))}
	return p, settings.Err()
}

// readMerges reads a merges.txt: a line with a version, then one pair of tokens per line. Like
// transformers, it ignores a last line without a line ending. If a pair is listed twice, the first line
// counts.
func readMerges(data []byte) ([][2]string, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not valid UTF-8")
	}
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data))
	var merges [][2]string
	seen := make(map[[2]string]bool)
	number := 0
	for line := range strings.Lines(text) {
		number++
		if number == 1 || !strings.HasSuffix(line, "\n") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) != 2 {
			return nil, fmt.Errorf("line %d: %q is not two tokens", number, strings.TrimSuffix(line, "\n"))
		}
		m := [2]string(fields)
		if !seen[m] {
			seen[m] = true
			merges = append(merges, m)
		}
	}
	return merges, nil
}
