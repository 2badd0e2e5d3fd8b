package page

import (
	"fmt"

	"kenserve/viz"
	"kenserve/viz/internal/format"
)

// facts lists names and values of what the delta says about itself.
func facts(m *viz.Model) [][2]string {
	d := m.Delta()
	var out [][2]string
	add := func(name, value string) {
		if value != "" {
			out = append(out, [2]string{name, value})
		}
	}
	s := m.Shares()
	add("Kept", fmt.Sprintf("%s of %s values (%s)", format.Count(s.Kept), format.Count(s.Values), format.Percent(s.Share())))
	add("Head", fmt.Sprintf("%s values, kept whole", format.Count(s.Head)))
	selection := d.Selection
	switch {
	case d.K > 0:
		selection += fmt.Sprintf(", %s of each row", format.Count(d.K))
	case d.Keep > 0 && d.Budget != "" && d.Budget != "row":
		selection += fmt.Sprintf(", %s of the %s", format.Percent(d.Keep), d.Budget)
	case d.Keep > 0:
		selection += fmt.Sprintf(", %s of each row", format.Percent(d.Keep))
	}
	if d.Factor != 0 {
		selection += fmt.Sprintf(", factor %s", format.Number(d.Factor))
	}
	if d.Scope != "" {
		selection += ", scope " + d.Scope
	}
	add("Selection", selection)
	add("Value coding", string(d.Coding))
	add("Size", fmt.Sprintf("%s bytes", format.Count(int(d.Size))))
	add("Base", d.BaseName)
	add("Tuned checkpoint", d.SourceName)
	add("Architecture", d.Architecture)
	add("Labels", fmt.Sprint(len(d.Labels)))
	return out
}
