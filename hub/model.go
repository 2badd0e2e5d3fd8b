package hub

import (
	"fmt"
	"regexp"
	"strings"
)

// A Model names a model of the hub at a revision.
type Model struct {
	id       string // ORG/NAME, or NAME of a few old ones
	revision string // branch, tag or commit
}

var (
	modelPattern    = regexp.MustCompile(`^(?:[A-Za-z0-9][A-Za-z0-9._-]{0,95}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,95}$`)
	revisionPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*$`)
	commitPattern   = regexp.MustCompile(`^[0-9a-f]{40}$`)
	sha1Pattern     = commitPattern
	sha256Pattern   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// ParseModel reads ORG/NAME or ORG/NAME@REVISION; without a revision it is main.
func ParseModel(s string) (Model, error) {
	m := Model{id: s, revision: "main"}
	if id, rev, ok := strings.Cut(s, "@"); ok {
		m = Model{id, rev}
	}
	// These would mean something in a path or in the cache's folder names.
	if !modelPattern.MatchString(m.id) || strings.Contains(m.id, "..") || strings.Contains(m.id, "--") {
		return Model{}, fmt.Errorf("hub: %q is no model's name, such as org/name or org/name@revision", s)
	}
	if !revisionPattern.MatchString(m.revision) || len(m.revision) > 255 || strings.Contains(m.revision, "..") {
		return Model{}, fmt.Errorf("hub: %s: %q is no revision", m.id, m.revision)
	}
	return m, nil
}

func (m Model) String() string { return m.id + "@" + m.revision }
