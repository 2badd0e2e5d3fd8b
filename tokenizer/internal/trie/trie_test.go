package trie

import (
	"testing"

	"pgregory.net/rapid"
)

func TestTrieAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.OneOf(
			rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', 'b', 0xFF}), 0, 6), func(b []byte) string { return string(b) }),
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 3), func(b []byte) string { return string(b) }),
		)
		entries := make(map[string]int32)
		for i, k := range rapid.SliceOfN(key, 0, 300).Draw(t, "keys") {
			entries[k] = int32(i)
		}
		var list []Entry
		for k, v := range entries {
			list = append(list, Entry{k, v})
		}
		trie := New(list)
		for _, k := range append(rapid.SliceOfN(key, 0, 50).Draw(t, "others"), keys(entries)...) {
			want, ok := entries[k]
			if !ok {
				want = -1
			}
			if got := trie.Get(k); got != want {
				t.Fatalf("%q: got %d, want %d", k, got, want)
			}
		}
	})
}

func keys(m map[string]int32) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}
