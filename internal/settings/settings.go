// Package settings says what each member of a JSON file means to the program.
//
// # Idea
//
// A checkpoint means what its files say. A setting that the program does not read may
// change results silently, so every file has a [Table] of the settings that its
// format is known to have. A setting takes effect, or is known to change nothing,
// or is refused unless it has a value that changes nothing. A name that is in no
// table is unknown: the caller tells the user its name, once, or refuses the file
// ([Unknown]).
//
// The tables are also the source of the lists in docs/families.md and
// docs/http.md, so that documentation and behaviour cannot differ.
package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Setting is one member of a JSON object.
type Setting struct {
	Name string
	// Harmless says why the setting changes no result. Empty: it takes effect.
	Harmless string
	// Refused says what to do about a value that is not implemented. Then the
	// setting may be absent, null, or one of Allowed.
	Refused string
	// Allowed are the values, as JSON, that a refused setting may have because
	// they change nothing.
	Allowed []string
}

// Used returns a setting that takes effect.
func Used(name string) Setting { return Setting{Name: name} }

// Harmless returns settings that change no result, for one reason.
func Harmless(reason string, names ...string) []Setting {
	list := make([]Setting, len(names))
	for i, name := range names {
		list[i] = Setting{Name: name, Harmless: reason}
	}
	return list
}

// Refused returns a setting that must be absent, null or one of the values, which
// are JSON. The remedy says what a user can do about it.
func Refused(name, remedy string, allowed ...string) Setting {
	return Setting{Name: name, Refused: remedy, Allowed: allowed}
}

// RefusedAll returns settings that must be absent, null or one of the values, for
// one reason.
func RefusedAll(remedy string, allowed []string, names ...string) []Setting {
	list := make([]Setting, len(names))
	for i, name := range names {
		list[i] = Refused(name, remedy, allowed...)
	}
	return list
}

// Table lists the settings of one kind of object.
type Table []Setting

// Find returns the setting of that name.
func (t Table) Find(name string) (Setting, bool) {
	i := slices.IndexFunc(t, func(s Setting) bool { return s.Name == name })
	if i < 0 {
		return Setting{}, false
	}
	return t[i], true
}

// errRefused is wrapped by errors about a setting whose value is not implemented.
var errRefused = errors.New("is not implemented")

// Check looks at all members of an object. It returns the names, sorted, that no
// table has, and an error that wraps [errRefused] for the first refused value in
// the order of names.
func Check(members map[string]json.RawMessage, tables ...Table) (unknown []string, err error) {
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		setting, ok := Setting{}, false
		for _, t := range tables {
			if setting, ok = t.Find(name); ok {
				break
			}
		}
		switch {
		case !ok:
			unknown = append(unknown, name)
		case err == nil:
			err = setting.Check(members[name])
		}
	}
	return unknown, err
}

// Check returns an error that wraps [errRefused] if the setting is refused and may not
// have the value, which is JSON.
func (s Setting) Check(value json.RawMessage) error {
	if s.Refused == "" || s.Allows(value) {
		return nil
	}
	return fmt.Errorf("%s %s %w: %s", s.Name, short(value), errRefused, s.Refused)
}

// Allows tells whether a setting that is refused may have a value, which is JSON: null,
// or one that changes nothing.
func (s Setting) Allows(value json.RawMessage) bool {
	compact := compacted(value)
	return compact == "null" || slices.Contains(s.Allowed, compact)
}

func compacted(value json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, value) != nil {
		return string(value)
	}
	return b.String()
}

// short is a value as an error shows it.
func short(value json.RawMessage) string {
	return shortText(compacted(value))
}

// shortText is a text of the file as a message shows it.
func shortText(s string) string {
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:57], "") + "..."
	}
	return s
}

// Unknown are the settings of one file that no table has.
type Unknown struct {
	File  string
	Names []string // sorted
}

// String is a warning: how many settings of which file are ignored, and their
// names. It is empty if there are none.
func (u Unknown) String() string {
	if len(u.Names) == 0 {
		return ""
	}
	names := u.Names
	more := ""
	if len(names) > 20 {
		names, more = names[:20], fmt.Sprintf(" and %d more", len(u.Names)-20)
	}
	is := "settings are"
	if len(u.Names) == 1 {
		is = "setting is"
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = fmt.Sprintf("%q", shortText(name))
	}
	return fmt.Sprintf("%s: %d %s unknown and ignored: %s%s", u.File, len(u.Names), is, strings.Join(quoted, ", "), more)
}
