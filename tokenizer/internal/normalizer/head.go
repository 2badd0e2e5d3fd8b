package normalizer

import "unicode/utf8"

// Head returns how many bytes at the start of the normal form of text come from the first character of
// text, as the reference aligns the two. It is 0 if steps drop that character. Metaspace needs it.
func (s *Scratch) Head(steps []Normalizer, text []byte) (int, error) {
	_, head := utf8.DecodeRune(text)
	for _, step := range steps {
		var err error
		if head, err = s.headAfter(step, text, head); err != nil || head == 0 {
			return 0, err
		}
		if text, err = step.normalize(s, nil, text); err != nil {
			return 0, err
		}
	}
	return min(head, len(text)), nil
}

// headAfter returns the head of the result of a step, whose input is text with a head.
func (s *Scratch) headAfter(step Normalizer, text []byte, head int) (int, error) {
	switch n := step.(type) {
	case strip:
		if n.left {
			head -= n.unicode.LeadingSpace(text)
		}
		return max(head, 0), nil
	case replace:
		return n.head(text, head), nil
	case *precompiled:
		return n.head(text)
	}
	// All other steps look at one character at a time, except that marks are reordered and composed. A
	// piece cannot start inside of what they compose.
	out, err := step.normalize(s, nil, text[:head])
	return len(out), err
}

// head returns the head of the result of Replace. Content counts for the last character that it replaces.
func (n replace) head(text []byte, head int) int {
	out, done := 0, 0
	n.find.Each(text, func(from, to int) bool {
		if from >= head {
			return false
		}
		_, last := utf8.DecodeLastRune(text[from:to])
		out += from - done
		if done = to; to-last < head {
			out += len(n.content)
		}
		return to < head
	})
	return out + max(head-done, 0)
}

// head returns the head of the result of Precompiled. The characters of a replacement count for those that
// they replace, one by one, and more of them for the last. If the replacement of the first characters is
// empty, the next character takes their place.
func (n *precompiled) head(text []byte) (int, error) {
	_, first := utf8.DecodeRune(text)
	cluster := text[:n.unicode.ClusterLen(text)]
	to, whole := n.find(cluster)
	if whole = whole && len(cluster) < maxClusterBytes; !whole || len(cluster) == first {
		var err error
		if to, err = n.normalize(nil, nil, text[:first]); err != nil || len(to) > 0 {
			return len(to), err
		}
	}
	if len(to) == 0 {
		var err error
		if to, err = n.normalize(nil, nil, text); err != nil {
			return 0, err
		}
	}
	_, size := utf8.DecodeRune(to)
	return size, nil
}
