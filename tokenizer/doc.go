// Package tokenizer turns text into token ids. The ids are those that Hugging Face's tokenizers library
// produces for the same tokenizer.json.
//
// # The pipeline
//
// A tokenizer.json describes a pipeline. Each stage has a package below internal:
//
//	text            invalid UTF-8 is replaced by U+FFFD
//	addedtoken      finds added tokens in the original text; the text between them goes on
//	normalizer      rewrites the text: case, accents, white space, Unicode normal forms
//	addedtoken      finds added tokens in the normalized text
//	pretokenizer    splits the text into pieces, mostly words and punctuation
//	model           turns each piece into ids: WordPiece, BPE, Unigram or WordLevel
//	truncation      drops ids as the caller asks
//	postprocessor   adds special tokens such as [CLS] and [SEP], and type ids
//
// Package internal/folder reads the stages from the files of a Hugging Face folder. A folder without
// tokenizer.json has vocab.txt, vocab.json and merges.txt, or a SentencePiece model; folder then builds
// the tokenizer that transformers builds from them. Settings of the other files win over tokenizer.json as
// transformers 4.57 lets them win (internal/folder/override.go). Below these packages are jsonobject, which reads JSON
// by tables, pattern (regular expressions), codepoint (Unicode tables) and trie.
//
// A component or a value that the package does not know is an error when the file is read. Every object of
// the files has a table of its settings (internal/settings): those that take effect, those that are known to
// change nothing, and those that are refused. Other names are collected ([Tokenizer.Unknown]), and commands
// report them. docs/tokenizers.md is made from the tables.
//
// # Exactness
//
// The reference is version 0.22.2 of the library. It mixes several Unicode versions. The package embeds
// tables that were read from the reference itself (internal/codepoint/unicode.txt), so ids do not change
// with the Go release. Where the reference panics, loops or only warns, this package returns an error.
//
// # Speed
//
// A Tokenizer is immutable and may be used by any number of goroutines. Encoding takes linear time, with
// a logarithmic factor where BPE merges. BERT's pipeline has a fast path that goes from text to ids word
// by word (fastpath.go); the general stages are its reference in tests. AppendEncode allocates nothing
// once its buffers have grown.
package tokenizer
