package folder

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/model"
	"kenserve/tokenizer/internal/normalizer"
	"kenserve/tokenizer/internal/postprocessor"
	"kenserve/tokenizer/internal/pretokenizer"
)

// bertClass is BertTokenizer: each line of vocab.txt is a token of WordPiece, and its id is the number of
// the line, from 0.
var bertClass = class{
	names:      []string{"BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer"},
	vocabulary: []string{"vocab.txt"},
	tokens: tokensByRole("unk_token", "[UNK]", "sep_token", "[SEP]", "pad_token", "[PAD]",
		"cls_token", "[CLS]", "mask_token", "[MASK]"),
	build: buildBERT,
}

// buildBERT makes the stages of BertTokenizer.
func buildBERT(f Files, settings *jsonobject.Object, special map[string]string) (classParts, error) {
	var p classParts
	v, err := readVocabulary(f["vocab.txt"])
	if err != nil {
		return p, fmt.Errorf("vocab.txt: %w", err)
	}
	options := normalizer.BertOptions{
		CleanText:    true,
		ChineseChars: settings.BoolOr("tokenize_chinese_chars", true),
		StripAccents: settings.OptionalBool("strip_accents"),
		Lowercase:    settings.BoolOr("do_lower_case", true),
	}
	if settings.Err() != nil {
		return p, settings.Err()
	}
	if p.Model, err = model.NewWordPiece(v, special["unk_token"], "##", 100); err != nil {
		return p, fmt.Errorf("vocab.txt: %w", err)
	}
	p.Normalizer = []normalizer.Normalizer{normalizer.NewBert(options)}
	p.PreTokenizer = []pretokenizer.PreTokenizer{pretokenizer.NewBert()}
	p.post = func(id func(string) int32) postprocessor.PostProcessor {
		return postprocessor.NewBertTemplate(id(special["cls_token"]), id(special["sep_token"]))
	}
	return p, nil
}

// readVocabulary reads a vocab.txt. As in a text file of Python, lines end with a line feed, a carriage
// return or both. If a token is listed twice, the last line counts.
func readVocabulary(data []byte) (model.Vocabulary, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not valid UTF-8")
	}
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data))
	v := make(model.Vocabulary)
	n := model.ID(0)
	for line := range strings.Lines(text) {
		v[strings.TrimSuffix(line, "\n")] = n
		n++
	}
	return v, v.Check()
}
