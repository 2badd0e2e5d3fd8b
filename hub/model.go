package hub

import (
	"fmt"
	"regexp"
	"strings"
)

// A Model is the name of a model on the hub and a revision of it.
type Model struct {
	id       string // ORG/NAME; a few old models have only a NAME
	revision string // branch, tag or commit
}

var (
	modelPattern    = regexp.MustCompile(`^(?:[A-Za-z0-9][A-Za-z0-9._-]{0,95}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,95}$`)
	revisionPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*$`)
	commitPattern   = regexp.MustCompile(`^[0-9a-f]{40}$`)
	sha1Pattern     = commitPattern
	sha256Pattern   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// ParseModel parses ORG/NAME or ORG/NAME@REVISION. Without a revision it is main.
func ParseModel(s string) (Model, error) {
	m := Model{id: s, revision: "main"}
	if id, rev, ok := strings.Cut(s, "@"); ok {
		m = Model{id, rev}
	}
	// ".." and "--" have a meaning in paths and in the names of the cache's folders.
	if !modelPattern.MatchString(m.id) || strings.Contains(m.id, "..") || strings.Contains(m.id, "--") {
		return Model{}, fmt.Errorf("hub: invalid model name %q, want org/name or org/name@revision", s)
	}
	if !revisionPattern.MatchString(m.revision) || len(m.revision) > 255 || strings.Contains(m.revision, "..") {
		return Model{}, fmt.Errorf("hub: model %s: invalid revision %q", m.id, m.revision)
	}
	return m, nil
}

// String returns ORG/NAME@REVISION.
func (m Model) String() string { return m.id + "@" + m.revision }
