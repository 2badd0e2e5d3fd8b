package codepoint

// byteCharacters holds the character for each byte, in UTF-8. A printable byte of Latin-1 stands for
// itself; the others are U+0100 and the following code points, in order.
var byteCharacters = func() (table [256]string) {
	next := rune(256)
	for b := range rune(256) {
		if b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE {
			table[b] = string(b)
		} else {
			table[b] = string(next)
			next++
		}
	}
	return table
}()

// AppendByteCharacters appends a visible character for each byte of text, so that a vocabulary of strings
// covers all bytes. It is the code of GPT-2.
func AppendByteCharacters(dst, text []byte) []byte {
	for _, b := range text {
		dst = append(dst, byteCharacters[b]...)
	}
	return dst
}
