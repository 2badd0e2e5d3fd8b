// Package tokenizer turns text into the very token ids that Hugging Face's tokenizers produces for
// the same tokenizer.json.
//
// # The pipeline
//
// A tokenizer.json describes a pipeline, and the package has a small interface for each stage:
//
//	text            bytes that are not UTF-8 become U+FFFD
//	added tokens    those sought in the given text are taken out; the rest goes on
//	normalizer      rewrites the text: case, accents, white space, normal forms
//	added tokens    those sought in the normalized text are taken out
//	pre-tokenizer   cuts the text into pieces, words and punctuation
//	model           turns each piece into ids (WordPiece, BPE, Unigram)
//	truncation      as the caller asks
//	post-processor  adds special tokens such as [CLS] and [SEP], and type ids
//
// The components of a stage are listed in its parse function and read strictly. What the package does
// not know, be it a component, a field or a value, is an error when the file is read: a tokenizer
// that ignores a setting gives ids that look right and are not.
//
// A folder without tokenizer.json has a vocabulary in files of another kind: vocab.txt, vocab.json and
// merges.txt, or a SentencePiece model. Open makes of them the tokenizer that transformers makes.
//
// # Exactness
//
// The reference is version 0.22.2. Its mixture of Unicode versions is embedded as data that was
// read off the reference itself (unicode.txt), so ids do not change with the Go release. Where the
// reference panics, loops or warns, this package returns an error.
//
// # Speed
//
// A Tokenizer is immutable and serves all goroutines. Time is linear in the text's length, but for a
// logarithm where BPE merges: a word is walked down a trie. For BERT's pipeline a shorter way leads from text to ids word by word
// (fastpath.go); the stages stay beside it as its reference. AppendEncode allocates nothing once its
// buffers have grown.
package tokenizer
