package folder

import (
	"fmt"

	"kenserve/tokenizer/internal/addedtoken"
	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/model"
	"kenserve/tokenizer/internal/normalizer"
	"kenserve/tokenizer/internal/pattern"
	"kenserve/tokenizer/internal/postprocessor"
	"kenserve/tokenizer/internal/pretokenizer"
)

// xlmRobertaClass is XLMRobertaTokenizer. Its vocabulary is that of the model file, where four other
// tokens replace the first three, and the mask token follows at the end.
var xlmRobertaClass = class{
	names:      []string{"XLMRobertaTokenizer"},
	vocabulary: []string{"sentencepiece.bpe.model"},
	tokens: withMask(tokensByRole("bos_token", "<s>", "eos_token", "</s>", "unk_token", "<unk>", "sep_token", "</s>",
		"pad_token", "<pad>", "cls_token", "<s>"), addedtoken.Token{ID: -1, Content: "<mask>", LStrip: true}),
	build: func(f Files, settings *jsonobject.Object, special map[string]string) (classParts, error) {
		if err := requireEndTokens(special, "<s>", "</s>"); err != nil {
			return classParts{}, err
		}
		sp, err := readSentencePiece(f["sentencepiece.bpe.model"])
		if err != nil {
			return classParts{}, fmt.Errorf("sentencepiece.bpe.model: %w", err)
		}
		list := []model.ScoredToken{{Token: "<s>"}, {Token: "<pad>"}, {Token: "</s>"}, {Token: "<unk>"}}
		for _, p := range sp.pieces[min(3, len(sp.pieces)):] {
			list = append(list, model.ScoredToken{Token: p.text, Score: p.score})
		}
		p, err := sp.parts(append(list, model.ScoredToken{Token: "<mask>"}), 3)
		if err != nil {
			return p, fmt.Errorf("sentencepiece.bpe.model: %w", err)
		}
		if sp.charsmap != nil {
			p.Normalizer = append(p.Normalizer, sp.charsmap)
		}
		p.Normalizer = append(p.Normalizer, normalizer.NewStrip(false, true), normalizer.NewReplace(pattern.FindRun(' ', 2), spaceMark))
		p.PreTokenizer = []pretokenizer.PreTokenizer{pretokenizer.NewMetaspace(spaceMark)}
		p.post = func(id func(string) int32) postprocessor.PostProcessor {
			return postprocessor.NewXLMRobertaTemplate(id("<s>"), id("</s>"))
		}
		return p, nil
	},
}

// debertaV2Class is DebertaV2Tokenizer, the tokenizer of the second and third DeBERTa.
var debertaV2Class = class{
	names:      []string{"DebertaV2Tokenizer"},
	vocabulary: []string{"spm.model"},
	tokens: tokensByRole("bos_token", "[CLS]", "eos_token", "[SEP]", "unk_token", "[UNK]", "sep_token", "[SEP]",
		"pad_token", "[PAD]", "cls_token", "[CLS]", "mask_token", "[MASK]"),
	build: func(f Files, settings *jsonobject.Object, special map[string]string) (classParts, error) {
		if err := requireEndTokens(special, "[CLS]", "[SEP]"); err != nil {
			return classParts{}, err
		}
		sp, err := readSentencePiece(f["spm.model"])
		if err != nil {
			return classParts{}, fmt.Errorf("spm.model: %w", err)
		}
		list := make([]model.ScoredToken, len(sp.pieces))
		for i, p := range sp.pieces {
			list[i] = model.ScoredToken{Token: p.text, Score: p.score}
		}
		p, err := sp.parts(list, sp.unknown)
		if err != nil {
			return p, fmt.Errorf("spm.model: %w", err)
		}
		if settings.BoolOr("do_lower_case", false) {
			p.Normalizer = append(p.Normalizer, normalizer.NewLowercase())
		}
		p.Normalizer = append(p.Normalizer, normalizer.NewStrip(true, true))
		if sp.charsmap != nil {
			p.Normalizer = append(p.Normalizer, sp.charsmap)
		}
		p.Normalizer = append(p.Normalizer, normalizer.NewReplace(pattern.FindRun(' ', 2), " "))
		if settings.BoolOr("split_by_punct", false) {
			p.PreTokenizer = append(p.PreTokenizer, pretokenizer.NewPunctuation())
		}
		p.PreTokenizer = append(p.PreTokenizer, pretokenizer.NewMetaspace(spaceMark))
		p.post = func(id func(string) int32) postprocessor.PostProcessor {
			return postprocessor.NewBertTemplate(id("[CLS]"), id("[SEP]"))
		}
		return p, settings.Err()
	},
}

// spaceMark stands for a space in SentencePiece's tokens.
const spaceMark = "▁"
