package normalizer

import (
	"unicode/utf8"

	"kenserve/tokenizer/internal/codepoint"
)

// nmt is the normalizer Nmt, the rules of SentencePiece's nmt_nfkc without NFKC: it drops control
// characters and makes other characters spaces.
type nmt struct{}

func (nmt) normalize(_ *Scratch, dst, src []byte) ([]byte, error) {
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		switch {
		case r >= 0x01 && r <= 0x08, r == 0x0B, r >= 0x0E && r <= 0x1F, r == 0x7F, r == 0x8F, r == 0x9F:
		case r == '\t', r == '\n', r == '\f', r == '\r', r == 0x1680, r >= 0x200B && r <= 0x200F,
			r == 0x2028, r == 0x2029, r == 0x2581, r == 0xFEFF, r == 0xFFFD:
			dst = append(dst, ' ')
		default:
			dst = append(dst, src[i:i+size]...)
		}
		i += size
	}
	return dst, nil
}

// byteLevel is the normalizer ByteLevel: it writes each byte as a visible character.
type byteLevel struct{}

func (byteLevel) normalize(_ *Scratch, dst, src []byte) ([]byte, error) {
	return codepoint.AppendByteCharacters(dst, src), nil
}
