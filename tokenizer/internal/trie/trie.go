package trie

import (
	"cmp"
	"math"
	"slices"
)

// A trie maps strings to numbers and finds the strings that a text starts with in one walk. It is a
// double array (Aoe 1989): the child of node n for byte b is node base(n)+b, provided that node's
// parent is n.
type Trie struct {
	nodes  []node
	values []int32 // by node: what the string that ends there maps to, -1: none does
}

// A trieNode is eight bytes: a walk touches one for every byte of the text, at random.
type node struct {
	base   int32 // of the children; ^base where a string of the trie ends
	parent int32 // -1: the node is not in use
}

// trieRoot is the node of the empty string.
const Root = int32(0)

// noParent is the root's parent: no node, but the root is in use.
const noParent = math.MaxInt32

// child returns the node for byte b after node n.
func (t *Trie) Child(n int32, b byte) (int32, bool) {
	base := t.nodes[n].base
	c := base ^ base>>31 + int32(b)
	return c, t.nodes[c].parent == n
}

// ends reports whether a string of the trie ends at node n.
func (t *Trie) Ends(n int32) bool { return t.nodes[n].base < 0 }

// value returns what the string that ends at node n maps to, -1 if none ends there.
func (t *Trie) Value(n int32) int32 { return t.values[n] }

// walk returns the node for text after node n.
func (t *Trie) Walk(n int32, text string) (int32, bool) {
	for i := range len(text) {
		var ok bool
		if n, ok = t.Child(n, text[i]); !ok {
			return 0, false
		}
	}
	return n, true
}

// get returns what key maps to, -1 if it is not in the trie.
func (t *Trie) Get(key string) int32 {
	n, ok := t.Walk(Root, key)
	if !ok {
		return -1
	}
	return t.values[n]
}

// getBytes is get for bytes.
func (t *Trie) GetBytes(key []byte) int32 {
	n := Root
	for _, b := range key {
		var ok bool
		if n, ok = t.Child(n, b); !ok {
			return -1
		}
	}
	return t.values[n]
}

// A trieEntry is a string and the number, not negative, that it maps to.
type Entry struct {
	Key   string
	Value int32
}

// newTrie returns a trie of entries, which it sorts; their keys are distinct.
func New(entries []Entry) *Trie {
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Key, b.Key) })
	var b builder
	b.claim(Root, noParent)
	type task struct {
		node             int32
		from, to, length int // entries[from:to] are those that start with the node's string
	}
	queue := []task{{Root, 0, len(entries), 0}}
	for len(queue) > 0 {
		t := queue[0]
		queue = queue[1:]
		ends := t.from < t.to && len(entries[t.from].Key) == t.length
		if ends {
			b.values[t.node] = entries[t.from].Value
			b.nodes[t.node].base = ^0
			t.from++
		}
		b.children = b.children[:0]
		for i := t.from; i < t.to; i++ {
			if c := entries[i].Key[t.length]; len(b.children) == 0 || b.children[len(b.children)-1] != c {
				b.children = append(b.children, c)
			}
		}
		if len(b.children) == 0 {
			continue
		}
		base := b.findBase()
		b.nodes[t.node].base = base
		if ends {
			b.nodes[t.node].base = ^base
		}
		for _, c := range b.children {
			b.claim(base+int32(c), t.node)
		}
		for from := t.from; from < t.to; {
			c, to := entries[from].Key[t.length], from
			for to < t.to && entries[to].Key[t.length] == c {
				to++
			}
			queue = append(queue, task{base + int32(c), from, to, t.length + 1})
			from = to
		}
	}
	// Whatever a node's base, all 256 possible children must be there to be asked.
	b.grow(len(b.nodes) + 256)
	return &Trie{b.nodes, b.values}
}

// A trieBuilder keeps the nodes that are not in use in a list, so that finding a place for a node's
// children tries only those.
type builder struct {
	children []byte // first bytes of the strings below the node in hand, rising
	nodes    []node
	values   []int32
	links    []freeLink // of node i-1; links[0] is the head of the list
}

type freeLink struct{ next, previous int32 }

// grow makes at least n nodes.
func (b *builder) grow(n int) {
	if b.links == nil {
		b.links = []freeLink{{}}
	}
	for len(b.nodes) < n {
		k := int32(len(b.links))
		last := b.links[0].previous
		b.links = append(b.links, freeLink{0, last})
		b.links[last].next, b.links[0].previous = k, k
		b.nodes = append(b.nodes, node{parent: -1})
		b.values = append(b.values, -1)
	}
}

// use takes node n out of the list and gives it to parent.
func (b *builder) claim(n, parent int32) {
	b.grow(int(n) + 1)
	l := b.links[n+1]
	b.links[l.previous].next, b.links[l.next].previous = l.next, l.previous
	b.nodes[n].parent = parent
}

// place returns a base at which none of the children's nodes is in use. It tries so many places and
// then takes one behind all others, which keeps the time linear.
func (b *builder) findBase() int32 {
	const tries = 128
	first := int32(b.children[0])
	k := b.links[0].next
	for range tries {
		if k == 0 {
			break
		}
		if base := k - 1 - first; base >= 0 && b.fits(base) {
			return base
		}
		k = b.links[k].next
	}
	return int32(len(b.nodes))
}

func (b *builder) fits(base int32) bool {
	for _, c := range b.children {
		if n := int(base) + int(c); n < len(b.nodes) && b.nodes[n].parent >= 0 {
			return false
		}
	}
	return true
}
