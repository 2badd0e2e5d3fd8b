package dashboard

import (
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// The cache behaves as a list that is searched.
func TestLRUCache(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := lruCache{limit: rapid.IntRange(0, 3000).Draw(t, "limit")}
		var model []*cached // the most recently used last
		size := func() (n int) {
			for _, c := range model {
				n += c.bytes()
			}
			return n
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			key := strconv.Itoa(rapid.IntRange(0, 6).Draw(t, "key"))
			at := slices.IndexFunc(model, func(c *cached) bool { return c.key == key })
			if rapid.Bool().Draw(t, "put") {
				c := &cached{key, make([]byte, rapid.IntRange(0, 1500).Draw(t, "size"))}
				if at >= 0 {
					model = slices.Delete(model, at, at+1)
				}
				if c.bytes() <= l.limit {
					for model = append(model, c); size() > l.limit; {
						model = model[1:]
					}
				}
				l.put(key, c.body)
			} else {
				got := l.get(key)
				if (got != nil) != (at >= 0) {
					t.Fatalf("%s is there: %v, want %v", key, got != nil, at >= 0)
				}
				if at >= 0 {
					c := model[at]
					if len(got) != len(c.body) {
						t.Fatalf("%d bytes, want %d", len(got), len(c.body))
					}
					model = append(slices.Delete(model, at, at+1), c)
				}
			}
			if l.size != size() || len(l.items) != len(model) || l.order.Len() != len(model) {
				t.Fatalf("%d bytes of %d, want %d of %d", l.size, len(l.items), size(), len(model))
			}
		}
	})
}
