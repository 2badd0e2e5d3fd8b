package dataset

import (
	"encoding/json"
	"fmt"
	"strings"
)

// List tells whether the label is a list, or a value of a CSV that is written like one: in
// brackets, or with | between labels. Commas and semicolons are not enough, because names
// may have them.
func (l Label) List() bool {
	if l.several {
		return true
	}
	if !l.cell {
		return false
	}
	value := strings.TrimSpace(l.parts[0].text)
	return strings.HasPrefix(value, "[") && strings.HasSuffix(value, "]") || strings.Contains(value, "|")
}

// Names returns the names of a label as the file has them, for a classifier whose labels
// are not known yet, without the spaces around them. With
// several a value of a CSV may be a list as for [Label.Indices]; it must not be empty
// otherwise. A JSON number is a name too.
func (l Label) Names(several bool) ([]string, error) {
	parts := l.parts
	if several && l.cell {
		var err error
		if parts, _, err = splitCell(l.parts[0].text, nil); err != nil {
			return nil, err
		}
	}
	if !several && len(parts) != 1 {
		return nil, fmt.Errorf("label %s has %d entries, want one label a text", l, len(parts))
	}
	names := make([]string, len(parts))
	for i, p := range parts {
		if names[i] = strings.TrimSpace(p.text); names[i] == "" {
			return nil, fmt.Errorf("label %s has an empty name", l)
		}
	}
	return names, nil
}

// Flags returns the length of a list of a 0 or 1 for each label, or 0 if the label is not
// such a list.
func (l Label) Flags() int {
	parts := l.parts
	if l.cell {
		var numbers []json.Number
		if json.Unmarshal([]byte(l.parts[0].text), &numbers) != nil {
			return 0
		}
		parts = parts[:0:0]
		for _, n := range numbers {
			parts = append(parts, labelPart{text: n.String(), number: true})
		}
	} else if !l.several {
		return 0
	}
	for _, p := range parts {
		if n, ok := wholeNumber(p.text); !p.number || !ok || n > 1 {
			return 0
		}
	}
	return len(parts)
}
